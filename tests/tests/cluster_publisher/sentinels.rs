//! A master under sentinels.

use std::time::Duration;

use event_bus_core::ErrorKind;
use event_bus_core::transport::LinkState;
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{NumberedBus, RedisSentinels, eventually, within};

use crate::ears::Heard;
use crate::event;
use crate::traffic::Traffic;

fn config(sentinels: &RedisSentinels) -> RedisConfig {
    RedisConfig::sentinel(sentinels.master_name(), sentinels.seeds())
        .response_timeout(Duration::from_millis(500))
        .publish_timeout(Duration::from_secs(15))
}

async fn bus(config: RedisConfig) -> NumberedBus {
    NumberedBus::new(RedisTransport::connect(config).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_is_published_to_and_its_successor_after_it() {
    let sentinels = RedisSentinels::start();
    let bus = bus(config(&sentinels)).await;
    let key = "k".to_owned();
    let receipt = bus.publish_to("k", &event(0)).await.unwrap();
    assert_eq!(receipt.receivers, Some(0), "one server counts them all");
    let traffic = Traffic::start(&bus, std::slice::from_ref(&key));
    traffic.acked(50).await;
    let election = sentinels.failover().await;
    println!("{election:?}");
    let heard = Heard::default();
    let mut ear = heard.ear(&sentinels.address(election.owner)).await;
    ear.listen("SUBSCRIBE", "k").await.unwrap();
    eventually("the new one is told", || heard.all().len() > 50).await;
    let account = traffic.end().await.pop().unwrap();
    account.check(&heard.of("k"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_costs_no_more_than_the_election() {
    let sentinels = RedisSentinels::start();
    let bus = bus(config(&sentinels)).await;
    let heard = Heard::default();
    let mut ears = Vec::new();
    for node in 1..3 {
        let mut ear = heard.ear(&sentinels.address(node)).await;
        ear.listen("SUBSCRIBE", "k").await.unwrap();
        ears.push(ear);
    }
    let traffic = Traffic::start(&bus, &["k".to_owned()]);
    traffic.acked(50).await;
    sentinels.kill(0);
    println!("{:?}", sentinels.switched(0).await);
    traffic.acked(50).await;
    assert_eq!(bus.state().publisher, LinkState::Connected, "the dead one is not counted");
    let account = traffic.end().await.pop().unwrap();
    // Both former replicas heard what the old master had passed on to them.
    let mut numbers = heard.of("k");
    numbers.sort_unstable();
    numbers.dedup();
    account.check(&numbers);
    assert!(account.books.unknown.len() <= 1, "one was in flight");
    assert_eq!(account.books.not_sent.len(), 0, "the election was waited for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_taken_for_the_master_is_not_published_to() {
    let sentinels = RedisSentinels::start();
    let bus = bus(config(&sentinels).publish_timeout(Duration::from_millis(300))).await;
    bus.publish_to("k", &event(1)).await.unwrap();
    let other = sentinels.address(1);
    let (host, port) = other.rsplit_once(':').unwrap();
    let heard = Heard::default();
    let mut ear = heard.ear(&sentinels.address(0)).await;
    ear.listen("SUBSCRIBE", "k").await.unwrap();
    let _ = sentinels.command(0, &["REPLICAOF", host, port]); // sentinels know nothing of it for a second
    let _ = sentinels.command(0, &["CLIENT", "KILL", "TYPE", "normal"]);
    eventually("noticed", || bus.state().publisher == LinkState::Idle).await;
    let error = bus.publish_to("k", &event(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSent, "{error}");
    assert!(error.to_string().contains("no master"), "{error}");
    assert_eq!(bus.state().publisher, LinkState::Interrupted);
    assert!(!heard.of("k").contains(&2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_is_published_to_while_all_sentinels_are_down() {
    let sentinels = RedisSentinels::start();
    let bus = bus(config(&sentinels)).await;
    bus.publish_to("k", &event(0)).await.unwrap();
    (0..3).for_each(|sentinel| sentinels.sentinel(sentinel).kill());
    let traffic = Traffic::start(&bus, &["k".to_owned()]);
    tokio::time::sleep(Duration::from_secs(6)).await; // until the last word of the sentinels is an old one
    traffic.acked(50).await;
    let account = traffic.end().await.pop().unwrap();
    account.check(&[]);
    assert_eq!(account.books.acked.len(), account.books.published(), "{:#?}", account.errors);
}

/// Publishes after a pause so long that the sentinels are asked first; within which time.
async fn publish_after_a_pause(bus: &NumberedBus, number: u64) -> Duration {
    tokio::time::sleep(Duration::from_millis(1600)).await;
    let begin = tokio::time::Instant::now();
    bus.publish_to("k", &event(number)).await.unwrap();
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_that_stands_still_is_not_waited_for_each_time() {
    let sentinels = RedisSentinels::start();
    let bus = bus(config(&sentinels)).await;
    sentinels.sentinel(0).pause();
    publish_after_a_pause(&bus, 0).await; // finds it out
    let fastest = publish_after_a_pause(&bus, 1).await.min(publish_after_a_pause(&bus, 2).await);
    assert!(fastest < Duration::from_millis(400), "{fastest:?}");
    sentinels.sentinel(0).resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_is_published_to_in_a_short_time_while_all_sentinels_stand_still() {
    let sentinels = RedisSentinels::start();
    let bus = bus(config(&sentinels).publish_timeout(Duration::from_millis(400))).await;
    bus.publish_to("k", &event(0)).await.unwrap();
    (0..3).for_each(|sentinel| sentinels.sentinel(sentinel).pause());
    for number in 1..4 {
        publish_after_a_pause(&bus, number).await;
    }
    (0..3).for_each(|sentinel| sentinels.sentinel(sentinel).resume());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_sentinels_do_not_know_is_told() {
    let sentinels = RedisSentinels::start();
    let wrong = RedisConfig::sentinel("other", sentinels.seeds());
    let error = within("told", RedisTransport::connect(wrong)).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
}
