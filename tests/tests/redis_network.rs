//! What a network does between us and Redis: connections that are cut, that are dead in one direction or both, and that
//! look healthy and lose messages.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::num::NonZeroU32;
use std::time::Duration;

use event_bus_core::transport::LinkState;
use event_bus_core::{Notice, Subscription};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::proxy::{Direction, Proxy};
use event_bus_tests::{Numbered, NumberedBus, RedisServer, eventually, within};
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
    _server: RedisServer,
}

async fn network(settings: impl FnOnce(RedisConfig) -> RedisConfig) -> Network {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let direct = RedisTransport::connect(server.url()).await.unwrap();
    let direct = NumberedBus::builder(direct).sequenced(true).build().unwrap();
    let config = RedisConfig::from_url(proxy.url()).unwrap();
    let config = settings(config.ping_interval(PING).response_timeout(ANSWER).notice_within(NOTICE));
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    publish(&direct, 0).await;
    assert_eq!(within("the first event", events.recv()).await.unwrap().unwrap().number, 0);
    Network { proxy, direct, bus, events, _server: server }
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
