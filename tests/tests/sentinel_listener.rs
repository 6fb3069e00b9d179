//! Listening to the master of real sentinels, which is killed, stopped and replaced.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::time::{Duration, Instant};

use event_bus_core::{ErrorKind, KeyPattern, Notice, Subscription};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{Numbered, NumberedBus, RedisSentinels, within};

fn config(sentinels: &RedisSentinels, name: &str) -> RedisConfig {
    RedisConfig::sentinel(name, sentinels.seeds())
        .ping_interval(Duration::from_millis(200))
        .response_timeout(Duration::from_millis(500))
        .listen_timeout(Duration::from_secs(20))
}

fn bus(config: RedisConfig) -> NumberedBus {
    NumberedBus::new(RedisTransport::lazy(config).unwrap())
}

/// As a plain client does, at the node that is the master.
fn publish(sentinels: &RedisSentinels, command: &str, number: u64) {
    let wire = format!("{{\"payload\":{{\"source\":\"s\",\"number\":{number}}}}}");
    let master = sentinels.master().expect("there is one");
    let _ = sentinels.command(master, &[command, "numbered/k", &wire]);
}

async fn item(events: &mut Subscription<Numbered>) -> Result<u64, Notice> {
    let item = within("an item", events.recv()).await.expect("not the end");
    item.map(|delivery| delivery.number)
}

async fn interrupted_and_resumed(events: &mut Subscription<Numbered>) {
    let first = item(events).await;
    assert!(matches!(first, Err(Notice::Interrupted)), "{first:?}");
    let second = item(events).await;
    let Err(Notice::Resumed { down_for }) = second else { panic!("{second:?} instead of Resumed") };
    println!("down for {down_for:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_master_is_listened_to_whatever_became_of_the_old_one() {
    let sentinels = RedisSentinels::start();
    let bus = bus(config(&sentinels, sentinels.master_name()));
    let mut exact = bus.listen("k").await.unwrap();
    let mut pattern = bus.listen(KeyPattern::any()).await.unwrap();
    publish(&sentinels, "PUBLISH", 0);
    assert_eq!((item(&mut exact).await.unwrap(), item(&mut pattern).await.unwrap()), (0, 0));

    sentinels.failover().await;
    interrupted_and_resumed(&mut exact).await;
    interrupted_and_resumed(&mut pattern).await;
    publish(&sentinels, "PUBLISH", 1);
    assert_eq!((item(&mut exact).await.unwrap(), item(&mut pattern).await.unwrap()), (1, 1));
    sentinels.settled().await;

    let old = sentinels.master().unwrap();
    let began = Instant::now();
    sentinels.kill(old);
    let election = sentinels.switched(old).await;
    println!("killed: switched after {:?}: {election:?}", began.elapsed());
    interrupted_and_resumed(&mut exact).await;
    interrupted_and_resumed(&mut pattern).await;
    println!("listening again after {:?}", began.elapsed());
    publish(&sentinels, "PUBLISH", 2);
    assert_eq!((item(&mut exact).await.unwrap(), item(&mut pattern).await.unwrap()), (2, 2));
    sentinels.restart(old);
    sentinels.settled().await;

    let old = sentinels.master().unwrap();
    let began = Instant::now();
    sentinels.pause(old);
    sentinels.switched(old).await;
    println!("stopped: switched after {:?}", began.elapsed());
    interrupted_and_resumed(&mut exact).await;
    println!("listening again after {:?}", began.elapsed());
    publish(&sentinels, "PUBLISH", 3);
    assert_eq!(item(&mut exact).await.unwrap(), 3);
    sentinels.resume(old);
    sentinels.settled().await;
    publish(&sentinels, "PUBLISH", 4);
    assert_eq!(item(&mut exact).await.unwrap(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharded_channels_are_heard_from_the_master_too() {
    let sentinels = RedisSentinels::start();
    let bus = bus(config(&sentinels, sentinels.master_name()).sharded());
    let mut events = bus.listen("k").await.unwrap();
    publish(&sentinels, "SPUBLISH", 0);
    assert_eq!(item(&mut events).await.unwrap(), 0);
    sentinels.failover().await;
    interrupted_and_resumed(&mut events).await;
    publish(&sentinels, "SPUBLISH", 1);
    assert_eq!(item(&mut events).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_no_sentinel_knows_is_told_by_its_name() {
    let sentinels = RedisSentinels::start();
    let config = config(&sentinels, "nobody").listen_timeout(Duration::from_secs(1));
    let error = bus(config).listen("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSubscribed);
    let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    assert!(text.contains("no sentinel names a master called \"nobody\""), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_made_a_replica_is_left_also_if_no_sentinel_says_so() {
    let sentinels = RedisSentinels::start();
    let bus = bus(config(&sentinels, sentinels.master_name()));
    let mut events = bus.listen("k").await.unwrap();
    (0..3).for_each(|number| sentinels.sentinel(number).pause());
    let master = (0..3).find(|node| sentinels.is_master(*node)).unwrap();
    let port = sentinels.address((master + 1) % 3).rsplit_once(':').unwrap().1.to_owned();
    let _ = sentinels.command(master, &["REPLICAOF", "127.0.0.1", &port]);
    let first = item(&mut events).await;
    assert!(matches!(first, Err(Notice::Interrupted)), "{first:?}");
    (0..3).for_each(|number| sentinels.sentinel(number).resume());
}
