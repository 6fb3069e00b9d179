//! The blocking bus: from plain threads and `spawn_blocking`, between calls, refused in async code, dropped anywhere.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::cell::RefCell;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use event_bus_core::transport::LinkState;
use event_bus_core::{
    BlockingRuntime, BlockingSubscription, Delivery, Error, ErrorKind, EventBus, KeyPattern, MemoryTransport,
    Notice, Result,
};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{
    Numbered, NumberedBlockingBus, NumberedBus, PATIENCE, RedisServer, SourceChannel,
    eventually_blocking as eventually,
};
use serde::{Deserialize, Serialize};

/// How long to wait in vain for what must not come.
const MOMENT: Duration = Duration::from_millis(50);

/// Of a wait in vain: in the last quarter of it the server must answer, however busy the machine is.
const A_WHILE: Duration = Duration::from_secs(1);

/// A second event, for a second bus.
#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "letters", channel(all = "all"))]
struct Letter {
    text: String,
}

fn event(number: u64) -> Numbered {
    Numbered::new("s", number)
}

fn in_memory() -> NumberedBlockingBus {
    NumberedBlockingBus::new(&BlockingRuntime::new().unwrap(), MemoryTransport::new())
}

fn on_redis(server: &RedisServer) -> NumberedBlockingBus {
    NumberedBlockingBus::connect(RedisTransport::connect(server.url())).unwrap()
}

/// Runs `test` in memory and on a Redis.
fn on_each(test: impl Fn(&NumberedBlockingBus)) {
    test(&in_memory());
    test(&on_redis(&RedisServer::start()));
}

fn item(events: &mut BlockingSubscription<Numbered>) -> Result<u64, Notice> {
    let item = events.recv_timeout(PATIENCE).expect("an item in time").expect("not the end");
    item.map(|delivery| delivery.number)
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.map(drop).map_err(|error| error.kind()).expect_err("an error")
}

/// The result of `work`, done on a thread of its own, which must come.
fn in_a_thread<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || sender.send(work()));
    let result = receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"));
    worker.join().unwrap().unwrap();
    result
}

#[test]
fn what_one_thread_publishes_another_reads_as_an_iterator() {
    on_each(|bus| {
        let source = bus.source(SourceChannel { source: "s" });
        let events = source.listen().unwrap();
        let reader = thread::spawn(move || {
            events.take(100).map(|item| item.map(|event| event.number)).collect::<Result<Vec<_>, _>>()
        });
        for number in 0..100 {
            assert_eq!(bus.publish(&event(number)).unwrap().len(), 2);
        }
        assert_eq!(reader.join().unwrap().unwrap(), (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn one_channel_is_published_to_by_key_and_by_handle() {
    on_each(|bus| {
        let mut all = bus.listen(KeyPattern::any()).unwrap();
        let source = bus.source(SourceChannel { source: "s" });
        assert_eq!(bus.publish_to("k", &event(1)).unwrap().channel.as_str(), "numbered/k");
        assert_eq!(source.publish(&event(2)).unwrap().channel.key(), source.key().unwrap().as_str());
        bus.publish_event(&event(3), "k");
        assert_eq!([1, 2, 3], [(); 3].map(|()| item(&mut all).unwrap()));
        assert_eq!((bus.name().as_str(), bus.unpublished()), ("numbered", 0));
        assert!(bus.capabilities().patterns);
        assert_eq!(bus.state().listener, bus.health().listener.state);
    });
}

#[test]
fn a_batch_gives_a_result_for_each_event_and_publishes_as_it_is_read() {
    on_each(|bus| {
        let mut events = bus.listen("s").unwrap();
        let unread = bus.publish_batch_to("s", [event(0)]).unwrap();
        drop(unread);
        let results: Vec<_> = bus.publish_batch([event(1), Numbered::new("*", 2), event(3)]).collect();
        assert!(results[0].is_ok() && results[2].is_ok());
        assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::InvalidKey);
        assert_eq!([1, 3], [(); 2].map(|()| item(&mut events).unwrap()));
        assert_eq!(kind(bus.publish_batch_to("a/*", [event(1)])), ErrorKind::InvalidKey);
        assert!(bus.publish_batch_to("s", (0..900).map(event)).unwrap().all(|result| result.is_ok()));
        assert!((0..900).all(|number| item(&mut events).unwrap() == number));
    });
}

#[test]
fn each_item_can_be_given_a_time() {
    on_each(|bus| {
        let mut events = bus.listen("s").unwrap();
        assert_eq!(kind(events.recv_timeout(MOMENT)), ErrorKind::TimedOut);
        assert_eq!(kind(events.recv_timeout(Duration::ZERO)), ErrorKind::TimedOut);
        bus.publish(&event(1)).unwrap();
        bus.publish(&event(2)).unwrap();
        assert_eq!(item(&mut events).unwrap(), 1);
        let mut in_vain = 0;
        let mut heard = Vec::new();
        for item in events.with_timeout(MOMENT) {
            match item {
                Ok(item) => {
                    heard.push(item.unwrap().number);
                    if heard.len() == 2 {
                        bus.close();
                    }
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut);
                    assert!(error.is_retryable());
                    in_vain += 1;
                    if in_vain == 3 {
                        bus.publish(&event(3)).unwrap();
                    }
                }
            }
        }
        assert_eq!((heard, in_vain >= 3), (vec![2, 3], true), "it goes on after a time-out");
        assert_eq!(events.recv_timeout(Duration::MAX).unwrap().map(drop), None, "the end needs no time");
        assert!(events.with_timeout(MOMENT).next().is_none());
    });
}

#[test]
fn what_is_queued_comes_at_once_also_without_any_time() {
    let server = RedisServer::start();
    let bus = on_redis(&server);
    let mut events = bus.listen("s").unwrap();
    bus.publish(&event(1)).unwrap();
    let mut reads = 0;
    let deadline = Instant::now() + PATIENCE;
    let number = loop {
        reads += 1;
        assert!(Instant::now() < deadline, "not heard in {reads} reads");
        match events.recv_timeout(Duration::ZERO) {
            Ok(item) => break item.unwrap().unwrap().number,
            Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
        }
    };
    assert_eq!(number, 1);
}

#[test]
fn waiting_gives_the_event_or_none_or_tells_what_was_missed() {
    let mut server = RedisServer::start();
    let config = RedisConfig::from_url(server.url()).unwrap().ping_interval(Duration::from_millis(200));
    let bus = NumberedBlockingBus::connect(RedisTransport::connect(config)).unwrap();
    let mut events = bus.listen("s").unwrap();
    let source = bus.source(SourceChannel { source: "s" });
    assert_eq!(events.wait(A_WHILE).unwrap().map(drop), None);
    assert_eq!(bus.wait("s", A_WHILE).unwrap().map(drop), None);
    assert_eq!(bus.wait_for_event("*", A_WHILE).unwrap().map(drop), None);
    assert_eq!(source.wait(A_WHILE).unwrap().map(drop), None);

    let waiter = {
        let bus = bus.clone();
        thread::spawn(move || bus.wait_for_event("t*", PATIENCE))
    };
    let heard = |waited: &Option<Delivery<Numbered>>| waited.as_ref().map(|event| event.number);
    eventually("the waiter listens", || bus.health().confirmed == 2);
    bus.publish_to("t1", &event(7)).unwrap();
    assert_eq!(heard(&waiter.join().unwrap().unwrap()), Some(7));
    bus.publish(&event(8)).unwrap();
    assert_eq!(heard(&events.wait(PATIENCE).unwrap()), Some(8));

    server.kill();
    assert_eq!(kind(events.wait(Duration::from_millis(500))), ErrorKind::Missed);
    bus.close();
    assert_eq!(kind(bus.wait("s", MOMENT)), ErrorKind::Closed);
    assert_eq!(kind(events.wait(MOMENT)), ErrorKind::Closed);
}

#[test]
fn a_subscription_takes_more_filters_and_gives_them_back() {
    on_each(|bus| {
        let mut events = bus.listen_events("a/*").unwrap();
        events.add("b").unwrap();
        events.add(KeyPattern::new("c?").unwrap()).unwrap();
        assert!(events.remove("b").unwrap());
        assert!(!events.remove("b").unwrap());
        let filters: Vec<String> = events.filters().map(ToString::to_string).collect();
        assert_eq!(filters, ["a/*", "c?"]);
        for (number, key) in (1..).zip(["a/1", "b", "c1"]) {
            bus.publish_to(key, &event(number)).unwrap();
        }
        assert_eq!([1, 3], [(); 2].map(|()| item(&mut events).unwrap()));
    });
}

#[test]
fn closing_ends_what_another_thread_reads_and_waits_for() {
    on_each(|bus| {
        let mut events = bus.listen("s").unwrap();
        let (started, has_started) = mpsc::channel();
        let reader = thread::spawn(move || {
            let first = item(&mut events).unwrap();
            started.send(first).unwrap();
            (events.by_ref().count(), events.recv().unwrap().map(drop), events.next().map(drop))
        });
        let mut waiting = bus.listen("never").unwrap();
        let waiter = thread::spawn(move || waiting.wait(PATIENCE));
        bus.publish(&event(1)).unwrap();
        assert_eq!(has_started.recv_timeout(PATIENCE).unwrap(), 1);
        bus.close();
        bus.clone().close();
        assert_eq!(reader.join().unwrap(), (0, None, None));
        assert_eq!(kind(waiter.join().unwrap()), ErrorKind::Closed);
        assert_eq!(kind(bus.publish(&event(2))), ErrorKind::Closed);
        assert_eq!(kind(bus.listen("s")), ErrorKind::Closed);
        bus.publish_or_log(&event(2));
        assert_eq!(bus.unpublished(), 1);
    });
}

#[test]
fn many_threads_use_one_bus_at_once() {
    const THREADS: u64 = 8;
    const EACH: u64 = 100;
    on_each(|bus| {
        let listeners: Vec<_> = (0..THREADS)
            .map(|_| {
                let events = bus.listen("s").unwrap();
                thread::spawn(move || {
                    let heard = events.take(usize::try_from(THREADS * EACH).unwrap());
                    let mut heard: Vec<u64> = heard.map(|item| item.unwrap().number).collect();
                    heard.sort_unstable();
                    heard
                })
            })
            .collect();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || {
                    for number in 0..EACH {
                        bus.publish(&event(thread * EACH + number)).unwrap();
                    }
                });
            }
        });
        for listener in listeners {
            assert_eq!(listener.join().unwrap(), (0..THREADS * EACH).collect::<Vec<_>>());
        }
    });
}

#[test]
fn several_buses_share_one_runtime_and_one_transport() {
    let server = RedisServer::start();
    let runtime = BlockingRuntime::new().unwrap();
    let redis = runtime.run(RedisTransport::connect(server.url())).unwrap();
    let numbers = NumberedBlockingBus::new(&runtime, redis.clone());
    let letters = LetterBlockingBus::on(
        numbers.runtime(),
        &LetterBus::builder(redis).queue_messages(1).build().unwrap(),
    );
    drop(runtime);
    let mut some_letters = letters.all().listen().unwrap();
    let mut some_numbers = numbers.listen("s").unwrap();
    drop(letters.clone());
    for number in 1..=3 {
        letters.publish(&Letter { text: number.to_string() }).unwrap();
        numbers.publish(&event(number)).unwrap();
        assert_eq!(item(&mut some_numbers).unwrap(), number);
    }
    assert!(matches!(some_letters.next(), Some(Err(Notice::Lagged { missed: 2 }))), "its own settings");
    assert_eq!(some_letters.next().unwrap().unwrap().text, "3");
    letters.close();
    drop((letters, some_letters));
    numbers.publish(&event(4)).unwrap();
    assert_eq!(item(&mut some_numbers).unwrap(), 4, "one ends, the other goes on");
    let clients = format!("{:?}", server.command(&["CLIENT", "LIST"]));
    assert_eq!(clients.matches("addr=").count() - clients.matches("laddr=").count(), 3, "{clients}");
}

#[test]
fn a_subscription_outlives_its_bus() {
    let server = RedisServer::start();
    let mut events = on_redis(&server).listen("s").unwrap();
    on_redis(&server).publish(&event(1)).unwrap();
    assert_eq!(item(&mut events).unwrap(), 1);
    drop(events);
    eventually("unsubscribed", || server.subscribers("numbered/s") == 0);
}

#[test]
fn listeners_run_between_calls() {
    let mut server = RedisServer::start();
    let config = RedisConfig::from_url(server.url()).unwrap();
    let bus = NumberedBlockingBus::connect(RedisTransport::connect(config)).unwrap();
    let mut events = bus.listen("s").unwrap();
    let publisher = on_redis(&server);
    for number in 0..1_000 {
        publisher.publish(&event(number)).unwrap();
    }
    eventually("all are queued", || format!("{events:?}").contains("messages: 1000"));
    server.kill();
    eventually("the loss is noticed", || bus.state().listener == LinkState::Interrupted);
    server.restart();
    // From the server's side: nobody calls the bus, and it is back.
    eventually("it listens again", || server.subscribers("numbered/s") == 1);
    eventually("it is confirmed", || bus.state().listener == LinkState::Connected);
    on_redis(&server).publish(&event(1_000)).unwrap();
    for number in 0..1_000 {
        assert_eq!(item(&mut events).unwrap(), number);
    }
    assert!(matches!(item(&mut events), Err(Notice::Interrupted)));
    assert!(matches!(item(&mut events), Err(Notice::Resumed { .. })));
    assert_eq!(item(&mut events).unwrap(), 1_000);
}

#[test]
fn a_server_that_stands_still_is_told_although_nobody_called() {
    let server = RedisServer::start();
    let config = RedisConfig::from_url(server.url()).unwrap();
    let quick = config.ping_interval(Duration::from_millis(200)).response_timeout(Duration::from_millis(500));
    let bus = NumberedBlockingBus::connect(RedisTransport::connect(quick)).unwrap();
    let mut events = bus.listen("s").unwrap();
    server.pause();
    eventually("the silence is noticed", || bus.state().listener == LinkState::Interrupted);
    server.resume();
    eventually("it listens again", || bus.state().listener == LinkState::Connected);
    assert!(matches!(events.next(), Some(Err(Notice::Interrupted))));
    assert!(matches!(events.next(), Some(Err(Notice::Resumed { .. }))));
}

#[test]
fn a_thread_watches_the_state_of_the_transport() {
    let mut server = RedisServer::start();
    let bus = on_redis(&server);
    let mut watch = bus.watch_state();
    assert_eq!(watch.current(), bus.state());
    assert_eq!(kind(watch.changed_timeout(MOMENT)), ErrorKind::TimedOut);
    let watcher = thread::spawn(move || {
        while let Some(state) = watch.changed().unwrap() {
            if state.listener == LinkState::Interrupted {
                return (state.listener_error.is_some(), watch);
            }
        }
        panic!("the end");
    });
    let events = bus.listen("s").unwrap();
    server.kill();
    let (says_why, mut watch) = watcher.join().unwrap();
    assert!(says_why);
    drop((bus, events));
    eventually("the end", || watch.changed_timeout(MOMENT).is_ok_and(|state| state.is_none()));
}

#[test]
fn a_failed_connect_is_an_error_of_its_own_kind() {
    let port = event_bus_tests::server::free_port();
    let url = format!("redis://127.0.0.1:{port}");
    assert_eq!(kind(NumberedBlockingBus::connect(RedisTransport::connect(url))), ErrorKind::NotConnected);
    let fails = async { Err::<MemoryTransport, _>(Error::new(ErrorKind::Denied, "no")) };
    assert_eq!(kind(BlockingRuntime::new().unwrap().run(fails)), ErrorKind::Denied);
}

/// Everything that waits, in one go.
fn use_everything(bus: &NumberedBlockingBus) -> Result<()> {
    let source = bus.source(SourceChannel { source: "s" });
    let mut events = source.listen()?;
    bus.publish(&event(1))?;
    source.publish(&event(2))?;
    bus.publish_event(&event(3), "s");
    bus.publish_batch([event(4)]).collect::<Result<Vec<_>>>()?;
    assert_eq!([1, 2, 3, 4], [(); 4].map(|()| events.next().unwrap().unwrap().number));
    assert_eq!(events.wait(A_WHILE)?.map(drop), None);
    assert_eq!(kind(events.recv_timeout(MOMENT)), ErrorKind::TimedOut);
    let transport = bus.runtime().run(async { Ok(MemoryTransport::new()) })?;
    drop(NumberedBlockingBus::new(bus.runtime(), transport));
    NumberedBlockingBus::connect(async { Ok(MemoryTransport::new()) }).map(drop)
}

#[test]
fn it_works_wherever_blocking_is_allowed() {
    let server = RedisServer::start();
    for bus in [in_memory(), on_redis(&server)] {
        use_everything(&bus).unwrap();

        let many =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let single = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for runtime in [&many, &single] {
            let own = bus.clone();
            let done = runtime
                .block_on(async { tokio::task::spawn_blocking(move || use_everything(&own)).await.unwrap() });
            done.unwrap();
            let _entered = runtime.enter();
            use_everything(&bus).unwrap();
        }

        let own = bus.clone();
        let done = many.block_on(async {
            tokio::spawn(async move { tokio::task::block_in_place(|| use_everything(&own)) }).await.unwrap()
        });
        done.unwrap();
        many.block_on(async { tokio::task::block_in_place(|| use_everything(&bus)) }).unwrap();
    }
}

#[test]
fn a_bus_made_for_async_code_is_shared_with_code_that_blocks() {
    let server = RedisServer::start();
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    many.block_on(async {
        let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
        let mut events = bus.listen("s").await.unwrap();
        let blocking = NumberedBlockingBus::on(&BlockingRuntime::new().unwrap(), &bus);
        let publisher = tokio::task::spawn_blocking(move || {
            use_everything(&blocking).unwrap();
            blocking
        });
        for number in 1..=4 {
            assert_eq!(events.recv().await.unwrap().unwrap().number, number);
        }
        publisher.await.unwrap().close();
        assert!(events.recv().await.is_none(), "they are one bus");
        assert_eq!(kind(bus.publish(&event(5)).await), ErrorKind::Closed);
    });
}

/// What a test in async code brings along.
struct Prepared {
    bus: NumberedBlockingBus,
    events: BlockingSubscription<Numbered>,
}

impl Prepared {
    fn new() -> Self {
        let bus = in_memory();
        let events = bus.listen("s").unwrap();
        bus.publish(&event(1)).unwrap();
        Self { bus, events }
    }

    /// Called in async code: everything that would wait says no, and does nothing.
    fn expect_refusals(mut self) {
        let refused = |kind| assert_eq!(kind, ErrorKind::CannotBlock);
        let Self { bus, events } = &mut self;
        let source = bus.source(SourceChannel { source: "s" });
        refused(kind(bus.publish(&event(2))));
        refused(kind(bus.publish_to("s", &event(2))));
        refused(kind(bus.listen("s")));
        refused(kind(bus.listen_events("s*")));
        refused(kind(bus.wait("s", MOMENT)));
        refused(kind(bus.wait_for_event("s", MOMENT)));
        refused(kind(source.publish(&event(2))));
        refused(kind(source.listen()));
        refused(kind(source.wait(MOMENT)));
        refused(kind(bus.runtime().run(async { Ok(()) })));
        refused(kind(NumberedBlockingBus::connect(async { Ok(MemoryTransport::new()) })));
        let mut watch = bus.watch_state();
        refused(kind(watch.changed()));
        refused(kind(watch.changed_timeout(MOMENT)));
        let mut batch = bus.publish_batch([event(2)]);
        refused(kind(batch.next().unwrap()));
        assert!(batch.next().is_none());
        let mut batch = bus.publish_batch_to("s", [event(2)]).unwrap();
        refused(kind(batch.next().unwrap()));
        assert!(batch.next().is_none());
        bus.publish_event(&event(2), "s");
        bus.publish_or_log(&event(2));
        assert_eq!(bus.unpublished(), 2);

        refused(kind(events.add("t")));
        refused(kind(events.wait(MOMENT)));
        refused(kind(events.recv()));
        refused(kind(events.recv_timeout(MOMENT)));
        let mut timed = events.with_timeout(MOMENT);
        refused(kind(timed.next().unwrap()));
        assert!(timed.next().is_none());

        self.expect_nothing_lost();
    }

    /// Afterwards, where blocking is allowed.
    fn expect_nothing_lost(mut self) {
        let Self { bus, events } = &mut self;
        thread::scope(|scope| {
            let elsewhere = scope.spawn(|| {
                assert_eq!(item(events).unwrap(), 1);
                assert_eq!(kind(events.recv_timeout(MOMENT)), ErrorKind::TimedOut, "nothing was published");
                assert_eq!(events.filters().count(), 1);
                bus.publish(&event(3)).unwrap();
                assert_eq!(item(events).unwrap(), 3);
            });
            elsewhere.join().unwrap();
        });
        self.expect_the_iterator_to_end();
    }

    /// In async code: a loop over it must not spin.
    fn expect_the_iterator_to_end(self) {
        let Self { bus, mut events } = self;
        let Some(Err(notice)) = events.next() else { panic!("an item without waiting") };
        assert!(notice.is_final() && matches!(notice, Notice::Stopped { .. }), "{notice:?}");
        assert!(events.next().is_none());
        assert_eq!(events.recv().unwrap().map(drop), None, "the end stays");
        assert_eq!(bus.health().wanted, 0, "what has ended is not subscribed");
        bus.close();
    }
}

fn each_runtime(test: impl Fn(&tokio::runtime::Runtime)) {
    for workers in [1, 2] {
        test(
            &tokio::runtime::Builder::new_multi_thread()
                .worker_threads(workers)
                .enable_all()
                .build()
                .unwrap(),
        );
    }
    test(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
}

#[test]
fn in_async_code_every_call_is_an_error_and_does_nothing() {
    each_runtime(|runtime| {
        let prepared = Prepared::new();
        runtime.block_on(async { prepared.expect_refusals() });

        let prepared = Prepared::new();
        runtime.block_on(async {
            tokio::spawn(async {
                tokio::task::yield_now().await;
                prepared.expect_refusals();
            })
            .await
            .unwrap();
        });

        let prepared = Prepared::new();
        runtime.block_on(tokio::task::LocalSet::new().run_until(async {
            tokio::task::spawn_local(async { prepared.expect_refusals() }).await.unwrap();
        }));

        let prepared = Prepared::new();
        let handle = runtime.handle().clone();
        runtime.block_on(async {
            let nested = move || handle.block_on(async { prepared.expect_refusals() });
            tokio::task::spawn_blocking(nested).await.unwrap();
        });
    });
}

#[test]
fn a_refused_call_takes_nothing_from_its_task_s_budget() {
    let bus = in_memory();
    each_runtime(|runtime| {
        runtime.block_on(async {
            tokio::task::yield_now().await;
            for _ in 0..1_000 {
                assert_eq!(kind(bus.publish(&event(1))), ErrorKind::CannotBlock);
                assert!(tokio::task::coop::has_budget_remaining());
            }
        });
    });
}

#[test]
fn async_code_that_can_t_be_told_from_other_blocks_and_does_not_panic() {
    let bus = in_memory();
    each_runtime(|runtime| {
        runtime.block_on(tokio::task::unconstrained(async { use_everything(&bus) })).unwrap();
    });
}

#[test]
fn everything_can_be_dropped_in_async_code() {
    each_runtime(|runtime| {
        let server = RedisServer::start();
        for bus in [in_memory(), on_redis(&server)] {
            let events = bus.listen("s").unwrap();
            let batch = bus.publish_batch((0..10).map(event));
            let source = bus.source(SourceChannel { source: "s" });
            let own = bus.runtime().clone();
            runtime.block_on(async {
                let dropped = tokio::spawn(async move { drop((events, batch, source, bus, own)) });
                dropped.await.unwrap();
            });
        }
        runtime.block_on(async { drop(BlockingRuntime::new().unwrap()) });
        eventually("nothing stays connected", || {
            server.subscribers("numbered/s") == 0
                && !format!("{:?}", server.command(&["CLIENT", "LIST", "TYPE", "pubsub"])).contains("addr=")
        });
    });
}

#[test]
fn everything_can_be_dropped_while_a_runtime_ends() {
    let server = RedisServer::start();
    for bus in [in_memory(), on_redis(&server)] {
        let events = bus.listen("s").unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (started, has_started) = mpsc::channel();
        runtime.spawn(async move {
            let _held = (events, bus);
            started.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        has_started.recv_timeout(PATIENCE).unwrap();
        in_a_thread("the runtime ends", || drop(runtime));
        eventually("unsubscribed", || server.subscribers("numbered/s") == 0);
    }
}

/// Uses the bus once more when its thread ends, and drops it.
struct AtTheEnd {
    bus: NumberedBlockingBus,
    events: BlockingSubscription<Numbered>,
    told: mpsc::Sender<ErrorKind>,
}

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        let _ = self.told.send(kind(self.bus.publish(&event(2))));
        let _ = self.told.send(kind(self.events.recv()));
    }
}

thread_local! {
    static KEPT: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
}

#[test]
fn the_destructor_of_a_thread_local_can_drop_everything_and_is_refused_what_waits() {
    let server = RedisServer::start();
    for on_redis in [false, true] {
        let (told, tells) = mpsc::channel();
        let url = server.url();
        in_a_thread("the thread ends", move || {
            KEPT.with_borrow_mut(|kept| *kept = None); // before tokio's own: destroyed after it
            let bus = if on_redis {
                NumberedBlockingBus::connect(RedisTransport::connect(url)).unwrap()
            } else {
                in_memory()
            };
            let events = bus.listen("s").unwrap();
            bus.publish(&event(1)).unwrap();
            KEPT.set(Some(AtTheEnd { bus, events, told }));
        });
        let told = tells.recv_timeout(PATIENCE).and_then(|first| Ok((first, tells.recv_timeout(PATIENCE)?)));
        assert_eq!(told, Ok((ErrorKind::CannotBlock, ErrorKind::CannotBlock)));
        eventually("unsubscribed", || server.subscribers("numbered/s") == 0);
    }
}

#[test]
fn nothing_of_it_shows_a_secret() {
    let server = RedisServer::start_with(&["--requirepass", "s3cret"]);
    let url = format!("redis://:s3cret@127.0.0.1:{}", server.port());
    let bus = NumberedBlockingBus::connect(RedisTransport::connect(url)).unwrap();
    let mut events = bus.listen("s").unwrap();
    let shown = format!(
        "{bus:?} {:?} {:?} {:?} {:?} {:?}",
        bus.runtime(),
        bus.publish_batch([event(1)]),
        bus.source(SourceChannel { source: "s" }),
        events.with_timeout(MOMENT),
        bus.clone()
    );
    assert!(shown.contains("numbered") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn what_became_of_events_that_were_published_is_told_in_async_code_too() {
    let bus = in_memory();
    let mut batch = bus.publish_batch_to("s", (0..10).map(event)).unwrap();
    assert!(batch.next().unwrap().is_ok()); // all ten went out with it
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told: Vec<_> = runtime.block_on(async { batch.collect() });
    assert_eq!(told.iter().filter(|result| result.is_ok()).count(), 9);
}
