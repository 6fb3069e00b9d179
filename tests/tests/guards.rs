//! The clusters that other tests stand on: they start within seconds, do what real ones do, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::path::Path;
use std::time::{Duration, Instant};

use event_bus_tests::{ClusterOptions, PATIENCE, RedisCluster, RedisServer, eventually_blocking};

/// A client that hears what is published to `channel` at `node`.
fn subscriber(cluster: &RedisCluster, node: usize, channel: &str) -> redis::Connection {
    let client = redis::Client::open(cluster.url(node)).unwrap();
    let mut connection = client.get_connection_with_timeout(PATIENCE).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    redis::cmd("SSUBSCRIBE").arg(channel).exec(&mut connection).unwrap();
    connection
}

fn receivers(cluster: &RedisCluster, node: usize, channel: &str) -> u64 {
    redis::from_redis_value(cluster.command(node, &["SPUBLISH", channel, "hello"])).unwrap()
}

fn is_running(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn started(options: ClusterOptions) -> RedisCluster {
    let begin = Instant::now();
    let cluster = RedisCluster::start_with(options);
    println!("{} nodes after {:?}", cluster.nodes(), begin.elapsed());
    cluster
}

#[test]
fn all_slots_have_an_owner_and_sharded_messages_reach_it() {
    let cluster = started(ClusterOptions::default());
    assert_eq!(cluster.addresses().len(), 6);
    for master in 0..3 {
        let channel = cluster.channel_of(master);
        assert_eq!(cluster.replicas(master), [master + 3]);
        let _subscriber = subscriber(&cluster, master, &channel);
        assert_eq!(receivers(&cluster, master, &channel), 1);
    }
    assert_eq!((cluster.owner(0), cluster.owner(16_383)), (Some(0), Some(2)));
    assert_eq!(cluster.slot("foo"), 12_182);
    assert_eq!(cluster.node_at(&cluster.address(4)), Some(4));
}

#[test]
fn several_clusters_start_at_once_and_do_without_replicas() {
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let cluster = started(ClusterOptions::default().replicas(0).direct_bus());
                assert_eq!(cluster.nodes(), 3);
                assert!((0..3).all(|node| cluster.is_master(node) && cluster.replicas(node).is_empty()));
            });
        }
    });
}

#[tokio::test]
async fn a_replica_is_elected_when_its_master_is_killed_which_comes_back_as_its_replica() {
    let cluster = started(ClusterOptions::default());
    let channel = cluster.channel_of(1);
    let slot = cluster.slot(&channel);
    cluster.kill(1);
    let election = cluster.elected(slot, 1).await;
    println!("elected after {:?}", election.took);
    assert_eq!(election.owner, 4);
    cluster.settled().await;
    assert_eq!(receivers(&cluster, 4, &channel), 0);
    cluster.restart(1);
    cluster.settled().await;
    assert!(!cluster.is_master(1));
    assert_eq!(cluster.replicas(4), [1]);
}

#[tokio::test]
async fn a_replica_is_elected_while_its_master_is_stopped() {
    let cluster = started(ClusterOptions::default());
    cluster.pause(0);
    assert_eq!(cluster.elected(0, 0).await.owner, 3);
    cluster.resume(0);
    cluster.settled().await;
    assert_eq!(cluster.replicas(3), [0]);
}

#[tokio::test]
async fn a_failover_by_hand_loses_nobody() {
    let cluster = started(ClusterOptions::default());
    cluster.failover_to(5).await;
    cluster.settled().await;
    assert_eq!(cluster.owner(16_383), Some(5));
    assert_eq!(cluster.replicas(5), [2]);
    cluster.failover_to(2).await;
    assert_eq!(cluster.elected(16_383, 5).await.owner, 2);
}

#[tokio::test]
async fn a_slot_moves_with_its_keys_and_its_subscribers_are_thrown_out() {
    let cluster = started(ClusterOptions::default().line("requirepass s3cret"));
    let channel = cluster.channel_of(0);
    let slot = cluster.slot(&channel);
    for key in 0..250 {
        let _ = cluster.command(0, &["SET", &format!("{{{channel}}}{key}"), "value"]);
    }
    cluster.migrate_slot(slot, 2);
    assert_eq!(cluster.owner(slot), Some(2));
    assert_eq!(cluster.owner_of(&channel), Some(2));
    let keys = cluster.command(2, &["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]);
    assert_eq!(keys, redis::Value::Int(250));
    cluster.settled().await;
    assert_eq!(receivers(&cluster, 2, &channel), 0);
}

#[tokio::test]
async fn an_isolated_master_answers_its_clients_while_others_elect_another() {
    let cluster = started(ClusterOptions::default());
    let role = || {
        let role: Vec<redis::Value> = redis::from_redis_value(cluster.command(0, &["ROLE"])).unwrap();
        redis::from_redis_value::<String>(role[0].clone()).unwrap()
    };
    cluster.isolate(0);
    let election = cluster.elected(0, 0).await;
    println!("elected after {:?}", election.took);
    assert_eq!(election.owner, 3);
    assert_eq!(cluster.command(0, &["PING"]), redis::Value::SimpleString("PONG".to_owned()));
    assert_eq!(role(), "master");
    assert!(cluster.is_master(0) && cluster.is_master(3));
    cluster.heal(0);
    cluster.settled().await;
    assert_eq!((role().as_str(), cluster.replicas(3)), ("slave", vec![0]));
}

#[test]
fn a_cluster_that_needs_all_slots_serves_nobody_without_one_of_its_masters() {
    let options = ClusterOptions::default().replicas(0).full_coverage(true);
    let cluster = started(options.node_timeout(Duration::from_millis(500)));
    let channel = cluster.channel_of(0);
    assert_eq!(receivers(&cluster, 0, &channel), 0);
    cluster.kill(2);
    let info = || redis::from_redis_value::<String>(cluster.command(0, &["CLUSTER", "INFO"])).unwrap();
    eventually_blocking("the cluster is down", || info().contains("cluster_state:fail"));
}

#[test]
fn users_that_a_test_sets_are_not_in_the_guards_way() {
    let lines = ["user default off", "user ann on >s3cret resetchannels &mine:* +@all"];
    let cluster = started(lines.into_iter().fold(ClusterOptions::default(), ClusterOptions::line));
    let publish = |login: &str, channel: &str| {
        let url = format!("redis://{login}127.0.0.1:{}", cluster.server(0).port());
        let mut connection = redis::Client::open(url)?.get_connection_with_timeout(PATIENCE)?;
        redis::cmd("PUBLISH").arg(channel).arg("hello").query::<u64>(&mut connection)
    };
    assert!(publish("", "mine:a").is_err());
    assert!(publish("ann:s3cret@", "mine:a").is_ok());
    assert!(publish("ann:s3cret@", "yours:a").is_err());
}

#[test]
fn a_node_that_is_gone_is_forgotten() {
    let cluster = started(ClusterOptions::default());
    cluster.kill(5);
    cluster.forget(5);
    for node in 0..5 {
        let nodes = cluster.command(node, &["CLUSTER", "NODES"]);
        let nodes: String = redis::from_redis_value(nodes).unwrap();
        assert!(!nodes.contains(cluster.id(5)), "{nodes}");
    }
}

#[test]
fn nothing_runs_on_after_a_guard_is_dropped_be_it_by_a_panic() {
    let (told, pids) = std::sync::mpsc::channel();
    let panicked = std::thread::spawn(move || {
        let cluster = started(ClusterOptions::default().replicas(0));
        cluster.pause(1);
        let pids: Vec<u32> = (0..3).filter_map(|node| cluster.server(node).pid()).collect();
        assert!(pids.iter().all(|pid| is_running(*pid)));
        let shared = std::sync::Arc::new(cluster); // as tasks share it
        std::thread::spawn({
            let shared = std::sync::Arc::clone(&shared);
            move || shared.kill(2)
        })
        .join()
        .unwrap();
        assert!(!shared.server(2).runs());
        told.send(pids).unwrap();
        panic!("as a test does");
    });
    assert!(panicked.join().is_err());
    let pids = pids.recv().unwrap();
    assert_eq!(pids.len(), 3);
    assert!(!pids.into_iter().any(is_running));
}

#[test]
fn a_start_that_fails_half_way_says_why_and_leaves_nothing() {
    let mark = format!("half-way-{}", std::process::id());
    let options = ClusterOptions::default()
        .line(format!("proc-title-template \"{{title}} {mark}\""))
        .line("rename-command CLUSTER \"\"");
    let refused = std::panic::catch_unwind(|| started(options));
    let said = *refused.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("unknown command"), "{said}");
    let processes = std::fs::read_dir("/proc").unwrap();
    let titles = processes.filter_map(|entry| std::fs::read(entry.unwrap().path().join("cmdline")).ok());
    assert!(
        !titles.map(|title| String::from_utf8_lossy(&title).into_owned()).any(|title| title.contains(&mark))
    );
}

#[test]
fn a_server_that_can_not_start_says_why() {
    let refused = std::panic::catch_unwind(|| RedisServer::start_with(&["--no-such-setting", "1"]));
    let said = *refused.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("no-such-setting"), "{said}");
}
