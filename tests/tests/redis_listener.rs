//! Listening to a Redis that is killed, restarted, stopped, or says no.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use event_bus_core::transport::{LinkState, Transport};
use event_bus_core::{ChannelFilter, ChannelKey, ErrorKind, KeyPattern, Notice, Subscription};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{
    Numbered, NumberedBus, PATIENCE, RedisServer, eventually, eventually_blocking, within,
};
use tokio::runtime::Builder;

fn event(number: u64) -> Numbered {
    Numbered::new("s", number)
}

async fn item(events: &mut Subscription<Numbered>) -> Result<u64, Notice> {
    let item = within("an item", events.recv()).await.expect("not the end");
    item.map(|delivery| delivery.number)
}

async fn expect_interruption(events: &mut Subscription<Numbered>) -> Duration {
    assert!(matches!(item(events).await, Err(Notice::Interrupted)));
    match item(events).await {
        Err(Notice::Resumed { down_for }) => down_for,
        other => panic!("{other:?} instead of Resumed"),
    }
}

/// Quick to notice, so that the tests are quick.
fn config(server: &RedisServer) -> RedisConfig {
    let config = RedisConfig::from_url(server.url()).unwrap();
    config.ping_interval(Duration::from_millis(200)).response_timeout(Duration::from_millis(500))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_connection_is_told_and_heals() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut exact = bus.listen("k").await.unwrap();
    let mut pattern = bus.listen(KeyPattern::any()).await.unwrap();
    for round in 0..5 {
        bus.publish_to("k", &event(round)).await.unwrap();
        assert_eq!(item(&mut exact).await.unwrap(), round);
        assert_eq!(item(&mut pattern).await.unwrap(), round);
        let _ = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        expect_interruption(&mut exact).await;
        expect_interruption(&mut pattern).await;
    }
    assert_eq!(bus.health().reconnects, 5);
    assert_eq!(bus.state().listener, LinkState::Connected);
}

/// More comes than has been read. (What becomes of a socket that never runs dry, `listener/breathing.rs` tests.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_flood_without_end_others_come_to_listen_and_nothing_is_told() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut events = bus.listen("flood").await.unwrap();
    let read = AtomicU64::new(0);
    let reading = async {
        loop {
            match item(&mut events).await {
                Ok(number) => read.store(number, Relaxed),
                Err(Notice::Lagged { .. }) => {}
                Err(notice) => break notice,
            }
        }
    };
    let flooding = async {
        let client = redis::Client::open(server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        connection.set_response_timeout(PATIENCE);
        for some in 0.. {
            let mut pipeline = redis::pipe();
            for number in some * 200..some * 200 + 200 {
                let event = Numbered::new(&"x".repeat(700), number);
                let wire = serde_json::json!({ "payload": event }).to_string();
                pipeline.publish("numbered/flood", wire).ignore();
            }
            pipeline.query_async::<()>(&mut connection).await.unwrap();
            eventually("the listener follows", || some * 200 < read.load(Relaxed) + 2_000).await;
        }
    };
    let others = async {
        let begin = Instant::now();
        let mut rounds = 0;
        while begin.elapsed() < Duration::from_secs(6) || rounds < 5 {
            drop(bus.listen(format!("other-{rounds}")).await.unwrap());
            rounds += 1;
        }
    };
    tokio::select! {
        notice = reading => panic!("nothing was wrong: {notice}"),
        () = flooding => {}
        () = others => assert!(read.load(Relaxed) > 1_000, "a flood"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_told_and_everything_goes_on() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    server.kill();
    assert!(matches!(item(&mut events).await, Err(Notice::Interrupted)));
    eventually("interrupted", || bus.state().listener == LinkState::Interrupted).await;
    assert!(bus.health().listener.last_error.is_some());
    server.restart();
    let Err(Notice::Resumed { down_for }) = item(&mut events).await else { panic!("not resumed") };
    assert!(down_for < Duration::from_secs(20), "{down_for:?}");
    bus.publish_to("k", &event(1)).await.unwrap();
    assert_eq!(item(&mut events).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_noticed_and_told() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server)).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    server.pause();
    let paused = Instant::now();
    assert!(matches!(item(&mut events).await, Err(Notice::Interrupted)));
    let noticed = paused.elapsed();
    assert!(noticed < Duration::from_secs(5), "noticed after {noticed:?}");
    server.resume();
    assert!(matches!(item(&mut events).await, Err(Notice::Resumed { .. })));
    bus.publish_to("k", &event(1)).await.unwrap();
    assert_eq!(item(&mut events).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_channels_come_back_after_a_kill() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut listeners = Vec::new();
    for number in 0..3_000_u64 {
        listeners.push(bus.listen(format!("k-{number}")).await.unwrap());
    }
    let _ = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    for (number, events) in (0..).zip(&mut listeners) {
        expect_interruption(events).await;
        bus.publish_to(format!("k-{number}"), &event(number)).await.unwrap();
    }
    for (number, events) in (0..).zip(&mut listeners) {
        assert_eq!(item(events).await.unwrap(), number);
    }
    drop(listeners);
    eventually("all given up", || bus.health().confirmed == 0).await;
    eventually("all unsubscribed", || server.subscribers("numbered/k-7") == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_sees_one_listening_connection_and_no_subscription_left() {
    let server = RedisServer::start();
    let transport = RedisTransport::connect(server.url()).await.unwrap();
    let buses: Vec<NumberedBus> = (0..10).map(|_| NumberedBus::new(transport.clone())).collect();
    let mut listeners = Vec::new();
    for bus in &buses {
        listeners.push(bus.listen("k").await.unwrap());
    }
    assert_eq!(server.subscribers("numbered/k"), 1);
    listeners.truncate(1);
    assert_eq!(server.subscribers("numbered/k"), 1);
    listeners.clear();
    eventually("unsubscribed", || server.subscribers("numbered/k") == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listening_connection_ends_with_its_last_user() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    let publisher = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    drop(bus);
    publisher.publish_to("k", &event(1)).await.unwrap();
    assert_eq!(item(&mut events).await.unwrap(), 1, "a subscription outlives its bus");
    drop(events);
    let clients = || format!("{:?}", server.command(&["CLIENT", "LIST", "TYPE", "pubsub"]));
    eventually("no listening client", || !clients().contains("addr=")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_channel_is_an_error_that_names_user_and_channel() {
    let server = RedisServer::start();
    let _ = server.command(&[
        "ACL",
        "SETUSER",
        "ann",
        "on",
        ">s3cret",
        "+@all",
        "resetchannels",
        "&numbered/mine*",
    ]);
    let url = format!("redis://ann:s3cret@127.0.0.1:{}", server.port());
    let bus = NumberedBus::new(RedisTransport::connect(url).await.unwrap());
    let mut mine = bus.listen("mine").await.unwrap();
    let error = bus.listen("yours").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("\"ann\"") && error.to_string().contains("numbered/yours"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"));
    let error = bus.publish_to("yours", &event(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    bus.publish_to("mine", &event(2)).await.unwrap();
    assert_eq!(item(&mut mine).await.unwrap(), 2, "the others go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_taken_away_ends_that_listener_alone() {
    let server = RedisServer::start();
    let _ =
        server.command(&["ACL", "SETUSER", "ann", "on", ">s3cret", "+@all", "resetchannels", "&numbered/*"]);
    let url = format!("redis://ann:s3cret@127.0.0.1:{}", server.port());
    let bus = NumberedBus::new(RedisTransport::connect(url).await.unwrap());
    let mut mine = bus.listen("mine").await.unwrap();
    let mut yours = bus.listen("yours").await.unwrap();
    let _ = server.command(&["ACL", "SETUSER", "ann", "resetchannels", "&numbered/mine"]);
    expect_interruption(&mut mine).await;
    assert!(matches!(item(&mut yours).await, Err(Notice::Interrupted)));
    match item(&mut yours).await {
        Err(notice @ Notice::Denied { .. }) => {
            assert!(notice.is_final() && notice.to_string().contains("numbered/yours"));
            assert!(!notice.asks_for_refetch(), "nothing comes behind it");
        }
        other => panic!("{other:?}"),
    }
    assert!(within("the end", yours.recv()).await.is_none());
    assert_eq!(bus.health().ended, 1);
    bus.publish_to("mine", &event(1)).await.unwrap();
    assert_eq!(item(&mut mine).await.unwrap(), 1);
}

#[test]
fn listeners_of_a_runtime_that_ends_are_told() {
    let server = RedisServer::start();
    let first = tokio::runtime::Runtime::new().unwrap();
    let second = tokio::runtime::Runtime::new().unwrap();
    let transport = RedisTransport::lazy(server.url()).unwrap();
    let bus = NumberedBus::new(transport);
    let mut events = first.block_on(bus.listen("k")).unwrap();
    drop(first);
    second.block_on(async {
        match item(&mut events).await {
            Err(Notice::Interrupted) => {
                assert!(matches!(item(&mut events).await, Err(Notice::Stopped { .. })));
            }
            other => panic!("{other:?}"),
        }
        assert!(events.recv().await.is_none());
        let mut again = bus.listen("k").await.unwrap();
        bus.publish_to("k", &event(1)).await.unwrap();
        assert_eq!(item(&mut again).await.unwrap(), 1);
    });
}

#[test]
fn subscriptions_that_the_end_of_a_runtime_drops_are_given_up_and_others_hear_on() {
    let server = RedisServer::start();
    let listening = tokio::runtime::Runtime::new().unwrap();
    let ending = tokio::runtime::Runtime::new().unwrap();
    let bus = NumberedBus::new(RedisTransport::lazy(server.url()).unwrap());
    let mut steady = listening.block_on(bus.listen("steady")).unwrap();
    for number in 0..10 {
        let mut events = ending.block_on(bus.listen(format!("k-{number}"))).unwrap();
        ending.spawn(async move { while events.recv().await.is_some() {} });
    }
    assert_eq!(server.subscribers("numbered/k-3"), 1);
    drop(ending); // and with it the tasks, and what they hold
    eventually_blocking("given up", || bus.health().confirmed == 1);
    eventually_blocking("given up at the server, too", || server.subscribers("numbered/k-3") == 0);
    listening.block_on(async {
        bus.publish_to("steady", &event(1)).await.unwrap();
        assert_eq!(item(&mut steady).await.unwrap(), 1, "and nothing is told");
    });
}

#[test]
fn subscriptions_that_end_with_the_runtime_that_listens_leave_no_connection_behind() {
    let server = RedisServer::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bus = NumberedBus::new(RedisTransport::lazy(server.url()).unwrap());
    let kept = runtime.block_on(bus.listen("kept")).unwrap();
    for number in 0..10 {
        let mut events = runtime.block_on(bus.listen(format!("k-{number}"))).unwrap();
        runtime.spawn(async move { while events.recv().await.is_some() {} });
    }
    drop(runtime);
    let clients = || format!("{:?}", server.command(&["CLIENT", "LIST", "TYPE", "pubsub"]));
    eventually_blocking("no listening client", || !clients().contains("addr="));
    std::thread::spawn(move || drop((kept, bus))).join().expect("dropping where no runtime is or was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listen_while_the_server_is_down_waits_for_it() {
    let mut server = RedisServer::start();
    let transport = RedisTransport::lazy(server.url()).unwrap();
    let bus = NumberedBus::new(transport.clone());
    server.kill();
    let listening = tokio::spawn({
        let bus = bus.clone();
        async move { bus.listen("k").await }
    });
    eventually("it tries", || transport.state().listener == LinkState::Interrupted).await;
    server.restart();
    let mut events = within("listening", listening).await.unwrap().unwrap();
    bus.publish_to("k", &event(1)).await.unwrap();
    assert_eq!(item(&mut events).await.unwrap(), 1, "and nothing is told: nothing had been promised before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_pings_is_not_taken_for_dead() {
    let server = RedisServer::start();
    let _ = server.command(&["ACL", "SETUSER", "ann", "on", ">s3cret", "+@all", "-ping", "allchannels"]);
    let url = format!("redis://ann:s3cret@127.0.0.1:{}", server.port());
    let config = RedisConfig::from_url(url).unwrap().ping_interval(Duration::from_millis(20));
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    for round in 0..10 {
        tokio::time::sleep(Duration::from_millis(50)).await; // pings go out only in silence
        bus.publish_to("k", &event(round)).await.unwrap();
        assert_eq!(item(&mut events).await.unwrap(), round);
    }
    assert_eq!(bus.health().reconnects, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_not_unsubscribe_disturbs_nobody_by_dropping() {
    let server = RedisServer::start();
    let _ =
        server.command(&["ACL", "SETUSER", "ann", "on", ">s3cret", "+@all", "-unsubscribe", "allchannels"]);
    let url = format!("redis://ann:s3cret@127.0.0.1:{}", server.port());
    let bus = NumberedBus::new(RedisTransport::connect(url).await.unwrap());
    let mut kept = bus.listen("kept").await.unwrap();
    for round in 0..5 {
        drop(bus.listen("dropped").await.unwrap());
        bus.publish_to("kept", &event(round)).await.unwrap();
        assert_eq!(item(&mut kept).await.unwrap(), round);
    }
    let mut again = bus.listen("dropped").await.unwrap();
    bus.publish_to("dropped", &event(9)).await.unwrap();
    assert_eq!(item(&mut again).await.unwrap(), 9);
    assert_eq!(bus.health().reconnects, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_quotes_our_commands_reveals_no_password() {
    let server = RedisServer::start_with(&["--rename-command", "HELLO", ""]);
    let url = format!("redis://:s3cret@127.0.0.1:{}", server.port());
    let error = RedisTransport::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    let config = RedisConfig::from_url(&url).unwrap().listen_timeout(Duration::from_millis(300));
    let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
    let listen = bus.listen("k").await.unwrap_err();
    let shown = format!("{error:?} {listen:?} {:?}", bus.health());
    assert!(shown.contains("unknown command") && !shown.contains("s3cret"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_destructor_uses_the_bus_stops_nobody() {
    static TRANSPORT: std::sync::OnceLock<RedisTransport> = std::sync::OnceLock::new();

    #[derive(serde::Serialize, serde::Deserialize, event_bus_core::EventBus)]
    #[bus(name = "meddling", channel(all = "all"))]
    struct Meddling {
        number: u64,
    }

    impl Drop for Meddling {
        fn drop(&mut self) {
            let _ = TRANSPORT.get().map(Transport::health);
        }
    }

    let server = RedisServer::start();
    let transport = TRANSPORT.get_or_init(|| RedisTransport::lazy(server.url()).unwrap());
    let slow = MeddlingBus::builder(transport.clone()).queue_messages(1).build().unwrap();
    let fast = MeddlingBus::new(transport.clone());
    let mut slow = slow.all().listen().await.unwrap();
    let mut reader = fast.all().listen().await.unwrap();
    for number in 0..50 {
        within("published", fast.publish(&Meddling { number })).await.unwrap();
        assert_eq!(within("heard", reader.recv()).await.unwrap().unwrap().number, number);
    }
    assert!(matches!(within("lag", slow.recv()).await, Some(Err(Notice::Lagged { missed: 49 }))));
}

#[test]
fn a_runtime_that_stands_still_does_not_keep_others_from_listening() {
    let server = RedisServer::start();
    let quick = Duration::from_millis(200);
    let config = RedisConfig::from_url(server.url()).unwrap();
    let config = config.connect_timeout(quick * 2).response_timeout(quick).ping_interval(quick);
    let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
    let still = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut first = still.block_on(bus.listen("k")).unwrap();
    let driven = tokio::runtime::Runtime::new().unwrap();
    driven.block_on(async {
        eventually("seen in the health", || bus.state().listener == LinkState::Interrupted).await;
        assert!(bus.state().listener_error.is_some());
        let mut second = within("listening", bus.listen("k")).await.unwrap();
        expect_interruption(&mut first).await;
        bus.publish_to("k", &event(1)).await.unwrap();
        assert_eq!(item(&mut first).await.unwrap(), 1);
        assert_eq!(item(&mut second).await.unwrap(), 1);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_within_an_outage_does_not_say_that_nothing_was_missed() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    server.kill();
    assert!(matches!(item(&mut events).await, Err(Notice::Interrupted)));
    let error = events.wait(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_during_which_the_server_stops_answering_does_not_say_that_nothing_came() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    assert!(events.wait(Duration::from_millis(400)).await.unwrap().is_none(), "it answers");
    server.pause();
    // Shorter than the time after which the listener itself notices the silence.
    let started = Instant::now();
    let error = events.wait(Duration::from_millis(400)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missed, "{error}");
    assert!(started.elapsed() < Duration::from_secs(1), "the deadline is hard: {:?}", started.elapsed());
    let started = Instant::now();
    let error = bus.wait_for_event("other", Duration::from_millis(400)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSubscribed, "{error}");
    assert!(started.elapsed() < Duration::from_secs(1), "it includes subscribing: {:?}", started.elapsed());
    server.resume();
    within("answers again", async {
        while !matches!(events.wait(Duration::from_millis(400)).await, Ok(None)) {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_is_denied_leaves_the_others_as_they_are() {
    let server = RedisServer::start();
    let _ = server.command(&["ACL", "SETUSER", "worker", "on", ">secret", "+@all", "~*", "&numbered/mine*"]);
    let url = format!("redis://worker:secret@127.0.0.1:{}", server.port());
    let bus = NumberedBus::new(RedisTransport::connect(url).await.unwrap());
    let mut events = bus.listen("mine").await.unwrap();
    assert_eq!(events.add("yours").await.unwrap_err().kind(), ErrorKind::Denied);
    events.add("mine-too").await.unwrap();
    assert_eq!(events.filters().map(ToString::to_string).collect::<Vec<_>>(), ["mine", "mine-too"]);
    bus.publish_to("mine", &Numbered::new("s", 1)).await.unwrap();
    bus.publish_to("mine-too", &Numbered::new("s", 2)).await.unwrap();
    for number in [1, 2] {
        assert_eq!(within("an event", events.recv()).await.unwrap().unwrap().number, number);
    }
}

/// A reader that has time is not overrun by what comes at once: what it has not read waits at the server. It keeps up on the
/// thread that listens, even with a second step for each event, as one that passes them on; and it catches up.
#[test]
fn a_burst_far_larger_than_its_queue_does_not_overrun_a_reader_on_the_same_thread() {
    let one_thread = || Builder::new_current_thread().enable_all().build().unwrap();
    let workers = |count| Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap();
    for (padding, steps, turns_missed) in [(0, 1, 0), (0, 2, 10), (500, 1, 10), (500, 2, 0)] {
        for runtime in [one_thread(), workers(1)] {
            runtime.block_on(hear_a_burst(padding, steps, turns_missed));
        }
    }
    let all_but_one_are_busy = workers(2);
    let (is_over, busy) = std::sync::mpsc::channel::<()>();
    let _forever = all_but_one_are_busy.spawn(async move { busy.recv() });
    all_but_one_are_busy.block_on(hear_a_burst(0, 1, 0));
    all_but_one_are_busy.block_on(hear_a_burst(500, 1, 5));
    drop(is_over);
}

/// All of it waits before the first is read; a third into it the reader misses some turns.
async fn hear_a_burst(padding: usize, steps: u32, turns_missed: u32) {
    const EVENTS: u64 = 10_000;
    let server = RedisServer::start();
    // Its answer would stand behind the burst.
    let config = RedisConfig::from_url(server.url()).unwrap().ping_interval(Duration::from_secs(600));
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    let url = server.url();
    let burst = std::thread::spawn(move || {
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let mut pipeline = redis::pipe();
        for number in 0..EVENTS {
            let wire = serde_json::json!({ "payload": Numbered::new(&"x".repeat(padding), number) });
            pipeline.publish("numbered/k", wire.to_string()).ignore();
        }
        pipeline.exec(&mut connection).unwrap();
    });
    let reading = tokio::spawn(async move {
        burst.join().unwrap(); // keeps the thread from listening, too
        for number in 0..EVENTS {
            let item = item(&mut events).await.map_err(|notice| {
                format!("{notice}, with {padding} bytes more, {steps} steps, {turns_missed} turns missed")
            });
            assert_eq!(item, Ok(number));
            for _ in 1..steps {
                tokio::task::coop::consume_budget().await;
            }
            for _ in 0..if number == EVENTS / 3 { turns_missed } else { 0 } {
                tokio::task::yield_now().await;
            }
        }
    });
    reading.await.unwrap();
}

/// What the connection holds for what may come behind it must not wait for that, nor for the next ping.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_comes_alone_is_heard_at_once() {
    let server = RedisServer::start();
    let config = RedisConfig::from_url(server.url()).unwrap().ping_interval(Duration::from_secs(600));
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    for number in 0..3 {
        bus.publish_to("k", &event(number)).await.unwrap();
        assert_eq!(item(&mut events).await.unwrap(), number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_several_filters_is_told_once() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut events = bus.listen("a").await.unwrap();
    events.add("b").await.unwrap();
    events.add(KeyPattern::new("c*").unwrap()).await.unwrap();
    server.restart();
    assert!(matches!(within("a notice", events.recv()).await, Some(Err(Notice::Interrupted))));
    assert!(matches!(within("a notice", events.recv()).await, Some(Err(Notice::Resumed { .. }))));
    for (number, key) in (0..).zip(["a", "b", "c1"]) {
        within("published", async {
            while bus.publish_to(key, &Numbered::new("s", number)).await.is_err() {}
        })
        .await;
        assert_eq!(within("an event", events.recv()).await.unwrap().unwrap().number, number);
    }
}

/// One of several filters that match the channel `k`.
fn matching_filter(number: usize) -> ChannelFilter {
    match number {
        0 => ChannelKey::new("k").unwrap().into(),
        number => KeyPattern::new(["k*", "?", "[jk]", "*", "*k"][number - 1]).unwrap().into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handing_over_from_filter_to_filter_loses_and_doubles_nothing() {
    let server = RedisServer::start();
    let redis = RedisTransport::connect(server.url()).await.unwrap();
    let bus = NumberedBus::builder(redis).queue_messages(1_000_000).build().unwrap();
    let deadline = Instant::now() + Duration::from_secs(4);
    let listeners = (0..6).map(|number| tokio::spawn(hand_over(bus.clone(), number, deadline)));
    let listeners: Vec<_> = listeners.collect();
    // As fast as the one connection delivers, and no faster: else confirmations wait behind a backlog.
    let mut pace = bus.listen(KeyPattern::new("[k]").unwrap()).await.unwrap();
    let publisher = tokio::spawn(async move {
        for number in 0.. {
            bus.publish_to("k", &event(number)).await.unwrap();
            item(&mut pace).await.unwrap();
        }
    });
    for listener in listeners {
        within("a listener", listener).await.unwrap();
    }
    publisher.abort();
}

/// Listens to the same channel through ever other filters, with overlap: until the deadline, and until it has heard enough
/// to mean something.
async fn hand_over(bus: NumberedBus, first: usize, deadline: Instant) {
    let mut held = first;
    let mut events = bus.listen(matching_filter(held)).await.unwrap();
    let (mut expected, mut heard) = (None, 0);
    while Instant::now() < deadline || heard < 100 {
        let next = (held + 1 + fastrand::usize(..5)) % 6;
        events.add(matching_filter(next)).await.unwrap();
        for _ in 0..fastrand::usize(..20) {
            let number = item(&mut events).await.unwrap();
            assert_eq!(number, expected.unwrap_or(number), "after {heard} events");
            (expected, heard) = (Some(number + 1), heard + 1);
        }
        assert!(events.remove(matching_filter(held)).unwrap());
        held = next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_others_double_nothing() {
    let server = RedisServer::start();
    let patterns: Vec<String> = (1..=6).map(|stars| format!("ok{}", "*".repeat(stars))).collect();
    let rights: Vec<String> = patterns.iter().map(|pattern| format!("&numbered/{pattern}")).collect();
    let mut words = vec!["ACL", "SETUSER", "worker", "on", ">secret", "+@all", "~*"];
    words.extend(rights.iter().map(String::as_str));
    let _ = server.command(&words);
    let config = RedisConfig::new("127.0.0.1", server.port()).username("worker").password("secret");
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("ok").await.unwrap();
    for pattern in &patterns {
        events.add(KeyPattern::new(pattern).unwrap()).await.unwrap();
    }
    let refused = tokio::spawn({
        let bus = bus.clone();
        async move {
            loop {
                assert_eq!(bus.listen("no").await.unwrap_err().kind(), ErrorKind::Denied);
            }
        }
    });
    let deadline = Instant::now() + Duration::from_secs(3);
    let mut first = 0;
    while Instant::now() < deadline {
        let batch = bus.publish_batch_to("ok", (first..first + 500).map(event)).unwrap().await;
        assert!(batch.iter().all(Result::is_ok));
        for number in first..first + 500 {
            assert_eq!(item(&mut events).await.unwrap(), number);
        }
        first += 500;
    }
    assert!(first > 1_000, "too few to mean anything");
    assert!(!refused.is_finished());
    refused.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_channels_that_are_shown_alike_are_two() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut events = bus.listen(KeyPattern::new("x?").unwrap()).await.unwrap();
    events.add(KeyPattern::new("x??").unwrap()).await.unwrap();
    let mut plain = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    for (number, channel) in (0..).zip([&b"numbered/x\xff"[..], b"numbered/x\xe2\x82"]) {
        let wire = format!(r#"{{"payload":{{"source":"s","number":{number}}}}}"#);
        let heard: u64 = redis::cmd("PUBLISH").arg(channel).arg(wire).query(&mut plain).unwrap();
        assert_eq!((heard, item(&mut events).await.unwrap()), (1, number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_never_fails_though_the_server_is_gone_or_stands_still() {
    for is_gone in [true, false] {
        let mut server = RedisServer::start();
        let redis = RedisTransport::connect(server.url()).await.unwrap();
        let bus = NumberedBus::new(redis.clone());
        let mut events = bus.listen("k").await.unwrap();
        if is_gone {
            server.kill();
        } else {
            server.pause();
        }
        let closing = async {
            bus.close().await;
            redis.close().await;
            bus.close().await;
        };
        tokio::time::timeout(Duration::from_secs(1), closing).await.expect("at once");
        while let Some(item) = within("the end", events.recv()).await {
            assert!(matches!(item, Err(Notice::Interrupted)), "{item:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_is_added_while_the_server_stands_still_ends_in_time_and_leaves_the_others() {
    let server = RedisServer::start();
    let config = RedisConfig::from_url(server.url()).unwrap();
    let config = config.response_timeout(Duration::from_secs(3)).listen_timeout(Duration::from_secs(1));
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let _other = bus.listen("known").await.unwrap();
    let mut events = bus.listen("k").await.unwrap();
    server.pause();
    let started = Instant::now();
    let dropped = tokio::time::timeout(Duration::from_millis(50), events.add("dropped")).await;
    assert!(dropped.is_err(), "nothing can be confirmed");
    // Confirmed for somebody else already: it stands, and the lost connection is told.
    events.add("known").await.unwrap();
    assert_eq!(events.add("new").await.unwrap_err().kind(), ErrorKind::NotSubscribed);
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    eventually("noticed", || bus.state().listener == LinkState::Interrupted).await;
    server.resume();
    expect_interruption(&mut events).await;
    assert_eq!(events.filters().map(ToString::to_string).collect::<Vec<_>>(), ["k", "known"]);
    for (number, key) in (0..).zip(["k", "known"]) {
        within("published", async { while bus.publish_to(key, &event(number)).await.is_err() {} }).await;
        assert_eq!(item(&mut events).await.unwrap(), number);
    }
}
