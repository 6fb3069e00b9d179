//! What a network does between us and Redis: connections that are cut, that are dead in one direction or both, that
//! look healthy and lose messages, and that are so slow that the server cuts them off.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::num::NonZeroU32;
use std::time::Duration;

use event_bus_core::transport::LinkState;
use event_bus_core::{Notice, Subscription};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::proxy::{Direction, Proxy};
use event_bus_tests::{Numbered, NumberedBus, RedisServer, eventually, within};
use tokio::sync::watch;
use tokio::time::Instant;

const PING: Duration = Duration::from_millis(200);
const ANSWER: Duration = Duration::from_millis(400);
const NOTICE: Duration = Duration::from_millis(1500);
/// A busy machine.
const MARGIN: Duration = Duration::from_secs(3);

struct Network {
    proxy: Proxy,
    /// Past the proxy.
    direct: NumberedBus,
    bus: NumberedBus,
    events: Subscription<Numbered>,
    server: RedisServer,
}

async fn network(settings: impl FnOnce(RedisConfig) -> RedisConfig) -> Network {
    network_of(RedisServer::start(), settings).await
}

async fn network_of(server: RedisServer, settings: impl FnOnce(RedisConfig) -> RedisConfig) -> Network {
    let proxy = Proxy::start(server.port());
    let direct = RedisTransport::connect(server.url()).await.unwrap();
    let direct = NumberedBus::builder(direct).sequenced(true).build().unwrap();
    let config = RedisConfig::from_url(proxy.url()).unwrap();
    let config = settings(config.ping_interval(PING).response_timeout(ANSWER).notice_within(NOTICE));
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    publish(&direct, 0).await;
    assert_eq!(within("the first event", events.recv()).await.unwrap().unwrap().number, 0);
    Network { proxy, direct, bus, events, server }
}

async fn publish(bus: &NumberedBus, number: u64) {
    bus.publish_to("k", &Numbered::new("s", number)).await.unwrap();
}

async fn notice(events: &mut Subscription<Numbered>) -> Notice {
    within("a notice", events.recv()).await.unwrap().unwrap_err()
}

async fn interrupted(events: &mut Subscription<Numbered>) {
    let notice = notice(events).await;
    assert!(matches!(notice, Notice::Interrupted), "{notice}");
}

/// It is told, and hears again.
async fn resumed(Network { direct, events, .. }: &mut Network) {
    let notice = notice(events).await;
    assert!(matches!(notice, Notice::Resumed { .. }), "{notice}");
    publish(direct, 999).await;
    assert_eq!(within("the next event", events.recv()).await.unwrap().unwrap().number, 999);
}

#[tokio::test]
async fn a_cut_connection_is_told_and_heals() {
    let mut network = network(|config| config).await;
    for _ in 0..3 {
        network.proxy.cut();
        interrupted(&mut network.events).await;
        resumed(&mut network).await;
    }
    assert_eq!(network.bus.health().reconnects, 3);
}

#[tokio::test]
async fn a_network_that_crawls_is_told_nothing_and_loses_nothing() {
    let mut network = network(|config| config).await;
    network.proxy.slow(NonZeroU32::new(32 * 1024).unwrap());
    let began = Instant::now();
    for number in 1..=200 {
        publish(&network.direct, number).await; // the answers to pings wait behind them
    }
    for number in 1..=200 {
        let event = within("the next event", network.events.recv()).await.unwrap();
        assert_eq!(event.unwrap().number, number, "and no notice");
    }
    assert!(began.elapsed() > 2 * PING, "it did crawl: {:?}", began.elapsed());
    assert_eq!(network.bus.health().reconnects, 0);
}

#[tokio::test]
async fn a_connection_from_which_nothing_comes_is_noticed_by_the_silence() {
    for direction in [Direction::FromServer, Direction::Both] {
        let mut network = network(|config| config).await;
        network.proxy.black_hole(direction);
        let began = Instant::now();
        interrupted(&mut network.events).await;
        assert!(began.elapsed() < PING + ANSWER + MARGIN, "{direction:?}: {:?}", began.elapsed());
        assert_eq!(network.bus.state().listener, LinkState::Interrupted);
        network.proxy.heal();
        resumed(&mut network).await;
    }
}

#[tokio::test]
async fn a_connection_that_delivers_and_does_not_hear_us_is_noticed_in_time() {
    let mut network = network(|config| config).await;
    network.proxy.black_hole(Direction::ToServer);
    let began = Instant::now();
    for number in 1.. {
        publish(&network.direct, number).await;
        match within("an item", network.events.recv()).await.unwrap() {
            Ok(event) => assert_eq!(event.number, number, "nothing is missing while it delivers"),
            Err(Notice::Interrupted) => break,
            Err(notice) => panic!("{notice}"),
        }
        tokio::task::yield_now().await;
    }
    assert!(began.elapsed() < NOTICE + MARGIN, "{:?}", began.elapsed());
    network.proxy.heal();
    resumed(&mut network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_dead_is_left_though_whoever_publishes_gives_up_before_that_is_known() {
    const IMPATIENT: Duration = Duration::from_millis(100);
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let config = RedisConfig::from_url(proxy.url()).unwrap().response_timeout(Duration::from_millis(300));
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let event = Numbered::new("s", 1);
    for is_batch in [false, true] {
        proxy.black_hole(Direction::ToServer);
        let given_up = if is_batch {
            let batch = bus.publish_batch_to("k", [&event; 2]).unwrap();
            tokio::time::timeout(IMPATIENT, batch.into_future()).await.map(drop)
        } else {
            tokio::time::timeout(IMPATIENT, bus.publish_to("k", &event)).await.map(drop)
        };
        assert!(given_up.is_err(), "no answer comes");
        proxy.forget();
        let published = async {
            while !matches!(tokio::time::timeout(IMPATIENT, bus.publish_to("k", &event)).await, Ok(Ok(_))) {}
        };
        within("publishing over another connection", published).await;
    }
}

#[tokio::test]
async fn a_subscription_that_is_asked_for_while_we_are_not_heard_ends_in_time() {
    let network = network(|config| config.listen_timeout(Duration::from_millis(300))).await;
    network.proxy.black_hole(Direction::ToServer);
    let began = Instant::now();
    assert!(network.bus.listen("other").await.is_err());
    assert!(began.elapsed() < Duration::from_millis(300) + MARGIN, "{:?}", began.elapsed());
    network.proxy.heal();
    eventually("it is subscribed to nothing else", || network.bus.health().wanted == 1).await;
}

#[tokio::test]
async fn messages_that_are_lost_on_a_healthy_connection_are_told_by_their_numbers() {
    let mut network = network(|config| config).await;
    network.proxy.lose_messages();
    for number in 1..8 {
        publish(&network.direct, number).await;
    }
    let _ = network.bus.wait("k", Duration::from_millis(200)).await; // asks behind them: they have come by, and are lost
    network.proxy.heal();
    publish(&network.direct, 8).await;
    let notice = notice(&mut network.events).await;
    assert!(matches!(notice, Notice::Gap { missed: 7, .. }), "{notice}");
    assert_eq!(within("the next event", network.events.recv()).await.unwrap().unwrap().number, 8);
    assert_eq!((network.bus.health().reconnects, network.bus.health().missed.gaps), (0, 7));
}

#[tokio::test]
async fn as_many_messages_as_are_lost_are_told_and_those_behind_them_come() {
    let mut network = network(|config| config).await;
    network.proxy.lose_next_messages(3);
    for number in 1..6 {
        publish(&network.direct, number).await;
    }
    let notice = notice(&mut network.events).await;
    assert!(matches!(notice, Notice::Gap { missed: 3, .. }), "{notice}");
    for number in 4..6 {
        assert_eq!(within("the next event", network.events.recv()).await.unwrap().unwrap().number, number);
    }
    assert_eq!(network.bus.health().reconnects, 0);
}

#[tokio::test]
async fn a_connection_that_answers_and_delivers_nothing_is_found_by_the_probe() {
    let interval = Duration::from_millis(100);
    let mut network = network(|config| config.probe_interval(interval)).await;
    network.proxy.lose_messages();
    let began = Instant::now();
    interrupted(&mut network.events).await;
    assert!(began.elapsed() < interval + NOTICE + MARGIN, "{:?}", began.elapsed());
    network.proxy.heal();
    eventually("it works again", || network.bus.state().listener == LinkState::Connected).await;
    let mut events = network.bus.listen("k").await.unwrap();
    publish(&network.direct, 7).await;
    assert_eq!(within("the event", events.recv()).await.unwrap().unwrap().number, 7);
}

/// A server that cuts off a listener for whom more than this waits.
fn server_with_small_output_buffers() -> RedisServer {
    RedisServer::start_with(&["--client-output-buffer-limit", "pubsub", "256kb", "0", "0"])
}

/// Publishes past the library, numbered from 1 and of so many bytes each, until this says `false` of how many one reached.
/// Returns the last number, and when it was published.
async fn flood(
    url: String,
    bytes: impl Fn(u64) -> usize + Send,
    goes_on: impl Fn(u64) -> bool + Send,
) -> (u64, Instant) {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for number in 1.. {
        let source = "x".repeat(bytes(number));
        let wire = format!(r#"{{"payload":{{"source":"{source}","number":{number}}}}}"#);
        let mut publish = redis::cmd("PUBLISH");
        let reached = publish.arg("numbered/k").arg(wire).query_async(&mut connection).await.unwrap();
        if !goes_on(reached) {
            return (number, Instant::now());
        }
    }
    unreachable!("numbers don't end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_the_server_cuts_off_for_its_output_buffer_is_told_in_time() {
    let notice = Duration::from_secs(4);
    let server = server_with_small_output_buffers();
    let mut network = network_of(server, |config| config.notice_within(notice)).await;
    network.proxy.slow(NonZeroU32::new(128 * 1024).unwrap());
    // A publish that reaches nobody shows that the server has given it up; what is on its way still crawls in.
    let flooding = tokio::spawn(flood(network.server.url(), |_| 8 * 1024, |reached| reached == 1));
    let mut heard = 0;
    let told_at = loop {
        match within("an item", network.events.recv()).await.unwrap() {
            Ok(event) => {
                assert_eq!(event.number, heard + 1, "nothing is missing before it is told");
                heard += 1;
            }
            Err(Notice::Interrupted) => break Instant::now(),
            Err(notice) => panic!("{notice}"),
        }
    };
    let (published, cut_off_at) = within("cut off", flooding).await.unwrap();
    assert!(network.server.log().contains("output buffer limits"), "{}", network.server.log());
    let noticed = told_at.saturating_duration_since(cut_off_at);
    assert!(noticed < notice + MARGIN, "{noticed:?} after it was cut off");
    assert!(heard < published, "{heard} of {published}");
    network.proxy.heal();
    resumed(&mut network).await;
    assert_eq!(network.bus.health().reconnects, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_cut_off_whenever_it_comes_back_does_not_spin_and_is_told_each_time() {
    let mut network = network_of(server_with_small_output_buffers(), |config| config).await;
    let end = Instant::now() + Duration::from_secs(4);
    // Until then, every twentieth message is larger than the whole buffer.
    let bytes = move |number| if number % 20 == 0 && Instant::now() < end { 512 * 1024 } else { 1024 };
    let (stop, stopped) = watch::channel(false);
    let flooding = tokio::spawn(flood(network.server.url(), bytes, move |_| !*stopped.borrow()));
    let (mut last, mut notices, mut is_told) = (0, 0, false);
    loop {
        match within("an item", network.events.recv()).await.unwrap() {
            Ok(event) => {
                let is_next = event.number == last + 1;
                assert!(event.number > last && (is_next || is_told), "{} behind {last}", event.number);
                (last, is_told) = (event.number, false);
                if Instant::now() > end {
                    break; // it hears again
                }
            }
            Err(notice) => {
                assert!(!notice.is_final(), "{notice}");
                (notices, is_told) = (notices + 1, true);
            }
        }
    }
    stop.send(true).unwrap();
    within("the flood ends", flooding).await.unwrap();
    let reconnects = network.bus.health().reconnects;
    assert!((2..40).contains(&reconnects), "{reconnects} in 4 s, and {notices} notices");
}
