//! The masters under sentinels that other tests stand on: they start within seconds, do what real ones do, and leave nothing
//! behind.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::path::Path;
use std::time::Instant;

use event_bus_tests::{RedisSentinels, SentinelOptions, ServerProcess, eventually};

fn started(options: SentinelOptions) -> RedisSentinels {
    let begin = Instant::now();
    let servers = RedisSentinels::start_with(options);
    println!("{} nodes under sentinels after {:?}", servers.nodes(), begin.elapsed());
    servers
}

fn open(url: &str) -> redis::RedisResult<redis::Connection> {
    redis::Client::open(url)?.get_connection_with_timeout(event_bus_tests::PATIENCE)
}

#[tokio::test]
async fn the_master_changes_by_hand_and_the_old_one_follows_the_new() {
    let servers = started(SentinelOptions::default().name("events"));
    assert_eq!((servers.master(), servers.master_name()), (Some(0), "events"));
    let failover = servers.failover().await;
    println!("by hand after {:?}", failover.took);
    assert_eq!(servers.master(), Some(failover.owner));
    servers.settled().await;
    assert!(!servers.is_master(0) && servers.is_master(failover.owner));
}

#[tokio::test]
async fn a_master_that_is_killed_is_replaced_and_comes_back_as_a_replica() {
    let servers = started(SentinelOptions::default().replicas(1));
    servers.kill(0);
    let switch = servers.switched(0).await;
    println!("switched after {:?}", switch.took);
    assert_eq!(switch.owner, 1);
    servers.restart(0);
    servers.settled().await;
    eventually("the old one is a replica", || !servers.is_master(0)).await;
}

#[tokio::test]
async fn a_master_that_is_stopped_is_replaced_by_two_sentinels_of_three() {
    let servers = started(SentinelOptions::default());
    servers.sentinel(2).kill();
    servers.pause(0);
    servers.switched(0).await;
    servers.resume(0);
    servers.settled().await;
    // On a busy machine they may replace the new one, too, before all is quiet.
    let is_settled = || servers.master().is_some_and(|master| servers.is_master(master));
    eventually("one is the master, and the others know it", is_settled).await;
    servers.sentinel(2).restart();
    servers.settled().await;
}

#[tokio::test]
async fn clients_need_the_passwords_that_were_set_and_the_servers_get_on() {
    let servers = started(SentinelOptions::default().password("s3cret").sentinel_password("s3ntinel"));
    let master = servers.failover().await.owner;
    let ask = |url: &str, words: &[&str]| {
        redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut open(url)?)
    };
    let (address, sentinel) = (servers.address(master), &servers.sentinel_addresses()[1]);
    assert!(ask(&format!("redis://{address}"), &["GET", "k"]).is_err());
    assert!(ask(&format!("redis://:s3cret@{address}"), &["SET", "k", "v"]).is_ok());
    let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"];
    assert!(ask(&format!("redis://{sentinel}"), &question).is_err());
    let (host, port): (String, u16) =
        redis::from_redis_value(ask(&format!("redis://:s3ntinel@{sentinel}"), &question).unwrap()).unwrap();
    assert_eq!(servers.node_at(&format!("{host}:{port}")), Some(master));
}

#[test]
fn nothing_runs_on_after_a_guard_is_dropped() {
    let servers = started(SentinelOptions::default().replicas(1));
    servers.pause(1);
    let nodes = (0..servers.nodes()).map(|node| servers.server(node));
    let pids: Vec<u32> = nodes
        .chain((0..3).map(|sentinel| servers.sentinel(sentinel)))
        .filter_map(ServerProcess::pid)
        .collect();
    assert_eq!(pids.len(), 5);
    drop(servers);
    assert!(!pids.into_iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()));
}
