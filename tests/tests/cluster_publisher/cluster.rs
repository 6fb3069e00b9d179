//! A cluster.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use event_bus_core::ErrorKind;
use event_bus_core::transport::{LinkState, Transport};
use event_bus_redis::{Publishing, RedisConfig, RedisTransport};
use event_bus_tests::{ClusterOptions, NumberedBus, RedisCluster, eventually, within};

use crate::ears::{Executed, Heard};
use crate::traffic::Traffic;
use crate::{event, key_of, slot_of};

pub(crate) fn config(cluster: &RedisCluster) -> RedisConfig {
    RedisConfig::cluster(cluster.seeds())
        .response_timeout(Duration::from_millis(500))
        .publish_timeout(Duration::from_secs(10))
}

pub(crate) async fn bus(config: RedisConfig) -> NumberedBus {
    NumberedBus::new(RedisTransport::connect(config).await.unwrap())
}

fn is_sorted(numbers: &[u64]) -> bool {
    numbers.windows(2).all(|pair| pair[0] < pair[1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_plain_listeners_of_every_shard() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let keys: Vec<String> = (0..30).map(|n| format!("k{n}")).collect();
    let (classic, sharded) = (Heard::default(), Heard::default());
    let mut ears = Vec::new();
    for node in 0..3 {
        ears.push((classic.ear(&cluster.address(node)).await, sharded.ear(&cluster.address(node)).await));
    }
    let mut owners = BTreeSet::new();
    for (place, key) in keys.iter().enumerate() {
        let owner = cluster.owner_of(&format!("numbered/{key}")).unwrap();
        owners.insert(owner);
        ears[place % 3].0.listen("SUBSCRIBE", key).await.unwrap();
        ears[owner].1.listen("SSUBSCRIBE", key).await.unwrap();
    }
    assert_eq!(owners.len(), 3, "keys of all shards");
    let kinds = [(Publishing::Classic, 1, 0), (Publishing::Sharded, 0, 1), (Publishing::Both, 1, 1)];
    let mut expected = (0, 0);
    for (publishing, by_classic, by_sharded) in kinds {
        let bus = bus(config(&cluster).publishing(publishing)).await;
        for (number, key) in (0..).zip(&keys) {
            let receipt = bus.publish_to(key.as_str(), &event(number)).await.unwrap();
            assert_eq!((receipt.channel.key(), receipt.receivers), (key.as_str(), None));
        }
        assert_eq!(bus.state().publisher, LinkState::Connected);
        expected = (expected.0 + by_classic, expected.1 + by_sharded);
        eventually("all are heard by the right ones", || {
            keys.iter().all(|key| (classic.of(key).len(), sharded.of(key).len()) == expected)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_for_channels_of_several_shards_goes_out_at_once() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let transport = RedisTransport::connect(config(&cluster).sharded()).await.unwrap();
    assert!(!transport.capabilities().receiver_counts);
    let bus = NumberedBus::new(transport);
    for number in 0..50 {
        let receipts = bus.publish(&event(number)).await.unwrap();
        let keys: Vec<&str> = receipts.iter().map(|receipt| receipt.channel.key()).collect();
        assert_eq!(keys, ["s", &format!("s/{number}")], "receipts keep the order of the channels");
    }
    let results = bus.publish_batch((50..150).map(event)).await;
    assert!(results.iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed_without_an_error_and_in_order() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let bus = bus(config(&cluster).sharded()).await;
    let key = key_of(&cluster, 0);
    let slot = slot_of(&cluster, &key);
    let mut executed = Vec::new();
    for node in 0..3 {
        executed.push(Executed::at(&cluster.address(node)).await);
    }
    let traffic = Traffic::start(&bus, std::slice::from_ref(&key));
    traffic.acked(50).await;
    for to in [1, 2, 0, 2, 1, 0] {
        cluster.migrate_slot(slot, to);
        traffic.acked(50).await;
    }
    let account = traffic.end().await.pop().unwrap();
    let all = || executed.iter().flat_map(Executed::numbers).collect::<Vec<_>>();
    eventually("all was seen", || all().len() >= account.books.acked.len()).await;
    account.check(&all());
    assert_eq!(account.books.acked.len(), account.books.published(), "{:#?}", account.errors);
    assert!(executed.iter().all(|node| is_sorted(&node.numbers())), "each node was told in order");
    assert!(executed.iter().all(|node| node.numbers().len() >= 50), "all have served the slot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_on_its_way_is_never_answered_with_ask() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let key = key_of(&cluster, 0);
    let (channel, slot) = (format!("numbered/{key}"), slot_of(&cluster, &key).to_string());
    let _ = cluster.command(1, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", cluster.id(0)]);
    let _ = cluster.command(0, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", cluster.id(1)]);
    let answer = async |node, command: &str| {
        let client = redis::Client::open(cluster.url(node)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd(command).arg(&channel).arg("x").query_async::<u64>(&mut connection).await
    };
    for command in ["PUBLISH", "SPUBLISH"] {
        assert_eq!(answer(0, command).await.unwrap(), 0, "{command} at the source");
    }
    assert_eq!(answer(1, "PUBLISH").await.unwrap(), 0, "at the target");
    let error = answer(1, "SPUBLISH").await.unwrap_err();
    assert_eq!(error.code(), Some("MOVED"), "{error}");
    let bus = bus(config(&cluster).sharded()).await;
    bus.publish_to(&*key, &event(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_costs_its_own_channels_no_more_than_the_election() {
    for publishing in [Publishing::Sharded, Publishing::Classic] {
        let cluster = RedisCluster::start();
        let bus = bus(config(&cluster).publishing(publishing)).await;
        let keys: Vec<String> = (0..3).map(|node| key_of(&cluster, node)).collect();
        let command = if publishing == Publishing::Sharded { "SSUBSCRIBE" } else { "SUBSCRIBE" };
        let heard = Heard::default();
        let mut ears = Vec::new();
        for (node, key) in keys.iter().enumerate() {
            let mut ear = heard.ear(&cluster.address(node + 3)).await; // its replica's, which lives on
            ear.listen(command, key).await.unwrap();
            ears.push(ear);
        }
        let traffic = Traffic::start(&bus, &keys);
        traffic.acked(50).await;
        cluster.kill(0);
        let election = cluster.elected(slot_of(&cluster, &keys[0]), 0).await;
        println!("{election:?}");
        traffic.acked(100).await;
        assert_eq!(bus.state().publisher, LinkState::Connected, "the dead one is not counted");
        let accounts = traffic.end().await;
        let last = |key: &String| accounts.iter().find(|one| one.key == *key).unwrap().books.acked.last();
        eventually("all is heard", || {
            keys.iter().all(|key| last(key).is_some_and(|last| heard.of(key).contains(last)))
        })
        .await;
        for (node, account) in accounts.iter().enumerate() {
            let heard = heard.of(&account.key);
            account.check(&heard);
            assert!(is_sorted(&heard), "in order");
            assert!(account.books.unknown.len() <= 1, "one was in flight");
            assert_eq!(account.books.not_sent.len(), 0, "the election was waited for");
            if node != 0 {
                assert_eq!((account.books.unknown.len(), account.books.lost(&heard)), (0, 0), "spared");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_steps_down_is_left_without_an_error() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster).sharded()).await;
    let key = key_of(&cluster, 0);
    let heard = Heard::default();
    let mut ear = heard.ear(&cluster.address(3)).await; // the one that takes over
    ear.listen("SSUBSCRIBE", &key).await.unwrap();
    let traffic = Traffic::start(&bus, std::slice::from_ref(&key));
    traffic.acked(50).await;
    let executed = Executed::at(&cluster.address(3)).await;
    cluster.failover_to(3).await;
    eventually("the new one is told", || executed.numbers().len() > 50).await;
    let account = traffic.end().await.pop().unwrap();
    eventually("all is heard", || account.books.acked.iter().all(|number| heard.of(&key).contains(number)))
        .await;
    account.check(&heard.of(&key));
    assert_eq!(account.books.acked.len(), account.books.published(), "{:#?}", account.errors);
    assert!(is_sorted(&heard.of(&key)), "in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_cut_off_and_still_takes_publishes_is_left() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster)).await; // PUBLISH, which nodes take in any state
    let key = key_of(&cluster, 0);
    let (slot, successor) = (slot_of(&cluster, &key), cluster.address(3));
    let traffic = Traffic::start(&bus, std::slice::from_ref(&key));
    traffic.acked(50).await;
    let executed = Executed::at(&successor).await;
    let by_old = Executed::at(&cluster.address(0)).await;
    cluster.isolate(0);
    println!("{:?}", cluster.elected(slot, 0).await);
    eventually("the new one is told", || executed.numbers().len() > 50).await;
    let account = traffic.end().await.pop().unwrap();
    let (new, old) = (executed.numbers(), by_old.numbers());
    account.check(&[new.clone(), old.clone()].concat());
    assert!(old.last() < new.first(), "the old one was left for good");
    assert_eq!(account.books.unknown.len(), 0, "{:#?}", account.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_master_leaves_outcomes_unknown_in_time_and_holds_up_no_other() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster).sharded()).await;
    let keys: Vec<String> = (0..3).map(|node| key_of(&cluster, node)).collect();
    let traffic = Traffic::start(&bus, &keys);
    traffic.acked(50).await;
    cluster.pause(0);
    let election = cluster.elected(slot_of(&cluster, &keys[0]), 0).await;
    println!("{election:?}");
    traffic.acked(100).await;
    let accounts = traffic.end().await;
    for (node, account) in accounts.iter().enumerate() {
        account.check(&[]);
        assert_eq!(account.books.not_sent.len(), 0, "the election was waited for");
        if node == 0 {
            assert!(!account.books.unknown.is_empty(), "what was in flight");
        } else {
            assert_eq!(account.books.unknown.len(), 0, "spared");
            assert!(account.longest < Duration::from_secs(2), "{:?}", account.longest);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_publishes_while_a_master_is_stopped_end_in_time_and_truly() {
    let cluster = RedisCluster::start();
    let config = config(&cluster).sharded().max_in_flight(50).publish_timeout(Duration::from_secs(1));
    let bus = bus(config).await;
    let keys: Vec<String> = (0..3).map(|node| key_of(&cluster, node)).collect();
    cluster.pause(0);
    let started = Instant::now();
    let publishes: Vec<_> = (0..600)
        .map(|number| {
            let (bus, key) = (bus.clone(), keys[number % 3].clone());
            tokio::spawn(async move { bus.publish_to(&*key, &event(number as u64)).await })
        })
        .collect();
    let mut acked = 0;
    for publish in publishes {
        match within("an outcome", publish).await.unwrap().map_err(|error| error.kind()) {
            Ok(_) => acked += 1,
            Err(kind) => assert!(matches!(kind, ErrorKind::OutcomeUnknown | ErrorKind::NotSent), "{kind:?}"),
        }
    }
    println!("{acked} of 600 acked within {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    cluster.resume(0);
    for key in &keys {
        within("publishing again", async { while bus.publish_to(&**key, &event(7)).await.is_err() {} }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_nobody_serves_is_told_and_the_others_are_served() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let bus = bus(config(&cluster).sharded().publish_timeout(Duration::from_millis(500))).await;
    let (lost, kept) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let slot = slot_of(&cluster, &lost).to_string();
    for node in 0..3 {
        let _ = cluster.command(node, &["CLUSTER", "DELSLOTS", &slot]);
    }
    let error = bus.publish_to(&*lost, &event(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSent, "{error}");
    assert!(error.to_string().contains("within 500ms"), "{error}");
    bus.publish_to(&*kept, &event(2)).await.unwrap();
    assert_eq!(bus.state().publisher, LinkState::Interrupted);
    let _ = cluster.command(2, &["CLUSTER", "ADDSLOTS", &slot]);
    within("served again", async { while bus.publish_to(&*lost, &event(3)).await.is_err() {} }).await;
    assert_eq!(bus.state().publisher, LinkState::Connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_does_not_let_us_in_or_is_not_there_is_told_by_kind() {
    let options = ClusterOptions::default().replicas(0).line("requirepass secret");
    let cluster = RedisCluster::start_with(options);
    let connect = async |config: RedisConfig| RedisTransport::connect(config).await.map(drop);
    connect(config(&cluster).password("secret")).await.unwrap();
    let error = connect(config(&cluster).password("wrong")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let lazy = RedisTransport::lazy(config(&cluster).password("wrong")).unwrap();
    let error = NumberedBus::new(lazy).publish_to("k", &event(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    (0..3).for_each(|node| cluster.kill(node));
    let error = connect(config(&cluster).password("secret")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    let short = config(&cluster).publish_timeout(Duration::from_millis(300));
    let bus = NumberedBus::new(RedisTransport::lazy(short).unwrap());
    let error = bus.publish_to("k", &event(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSent, "{error}");
    assert_eq!(bus.state().publisher, LinkState::Interrupted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_turns_out_to_be_a_node_of_a_cluster_is_told() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let config = RedisConfig::from_url(cluster.url(0)).unwrap().sharded();
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    bus.publish_to(&*key_of(&cluster, 0), &event(1)).await.unwrap();
    let error = bus.publish_to(&*key_of(&cluster, 1), &event(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("RedisConfig::cluster"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_counted_on_a_cluster_too() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let config = config(&cluster).publish_timeout(Duration::from_secs(3600));
    let key = key_of(&cluster, 0);
    let buses = [1, 3].map(|attempts| (attempts, config.clone().publish_attempts(attempts)));
    cluster.kill(0);
    for (attempts, config) in buses {
        let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
        let error = within("given up", bus.publish_to(&*key, &event(1))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSent, "{error}");
        assert!(error.to_string().contains(&format!("in {attempts} attempt")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_transport_publishes_no_more() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let transport = RedisTransport::connect(config(&cluster)).await.unwrap();
    let bus = NumberedBus::new(transport.clone());
    bus.publish_to("k", &event(1)).await.unwrap();
    transport.close().await;
    let error = bus.publish_to("k", &event(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert_eq!(bus.state().publisher, LinkState::Closed);
}
