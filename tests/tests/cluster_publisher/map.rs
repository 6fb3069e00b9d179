//! By which map is published, where it has grown old.

use std::time::Duration;

use event_bus_core::transport::LinkState;
use event_bus_tests::{ClusterOptions, RedisCluster, eventually, within};
use futures_util::FutureExt;
use tokio::time::{Instant, sleep_until, timeout};

use crate::cluster::{bus, config};
use crate::ears::Executed;
use crate::{event, key_of, slot_of};

/// A map is older than may be used, if nobody has published since.
async fn grown_old(last_publish: Instant) {
    sleep_until(last_publish + Duration::from_millis(1600)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_paused_publishes_to_no_master_that_was_deposed_meanwhile() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster)).await; // PUBLISH, which nodes take in any state
    let key = key_of(&cluster, 0);
    let (old, new) = (Executed::at(&cluster.address(0)).await, Executed::at(&cluster.address(3)).await);
    bus.publish_to(&*key, &event(1)).await.unwrap();
    let last_publish = Instant::now();
    cluster.isolate(0);
    let election = cluster.elected(slot_of(&cluster, &key), 0).await;
    assert_eq!(election.owner, 3);
    grown_old(last_publish).await;
    let begin = Instant::now();
    bus.publish_to(&*key, &event(2)).await.unwrap();
    println!("published to the new one within {:?}", begin.elapsed());
    eventually("the new one is told", || new.numbers().contains(&2)).await;
    let _ = cluster.command(0, &["PUBLISH", "numbered/k", r#"{"payload":{"source":"s","number":3}}"#]);
    eventually("the old one still takes publishes", || old.numbers().contains(&3)).await;
    assert_eq!(old.numbers(), [1, 3]);
}

/// On one thread: nothing goes on by itself between two steps.
#[tokio::test]
async fn a_publish_that_is_dropped_while_it_waits_for_a_map_leaves_nothing_behind() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let bus = bus(config(&cluster).sharded().max_in_flight(1)).await;
    let key = key_of(&cluster, 0);
    let executed = Executed::at(&cluster.address(0)).await;
    bus.publish_to(&*key, &event(0)).await.unwrap();
    let mut expected = vec![0];
    grown_old(Instant::now()).await;
    cluster.pause(2); // whoever asks waits for its answer, for half a second
    let begin = Instant::now();
    for _ in 0..20 {
        assert!(bus.publish_to(&*key, &event(100)).now_or_never().is_none(), "it waits");
    }
    for number in [101, 102] {
        let moment = Duration::from_millis(50);
        if let Ok(outcome) = timeout(moment, bus.publish_to(&*key, &event(number))).await {
            outcome.unwrap();
            assert!(
                begin.elapsed() > Duration::from_millis(400),
                "there was no map before, however busy we are"
            );
            expected.push(number);
        }
    }
    for number in 1..4 {
        within("published", bus.publish_to(&*key, &event(number))).await.unwrap();
        expected.push(number);
    }
    assert_eq!(bus.state().publisher, LinkState::Connected);
    eventually("the last one is told", || executed.numbers().contains(&3)).await;
    assert_eq!(executed.numbers(), expected);
}
