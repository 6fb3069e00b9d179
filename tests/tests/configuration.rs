//! Settings that reach a real Redis: from a builder, from a lookup, and from the environment of a process.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use event_bus_core::{ErrorKind, EventBusBuilder, MemoryTransport};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{ClusterOptions, Numbered, NumberedBus, RedisCluster, RedisServer, within};

/// All that means something in a URL, a Redis command, or JSON.
const PASSWORD: &str = "s3cret/@:?#%41 \"+&";

/// One publish, heard by a listener of the same settings.
async fn serves(config: RedisConfig) {
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    bus.publish_to("k", &Numbered::new("s", 7)).await.unwrap();
    assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_passwords_need_no_encoding_in_a_builder() {
    let server =
        RedisServer::start_with(&["--user", "ann", "on", &format!(">{PASSWORD}"), "~*", "&*", "+@all"]);
    let by_name = RedisConfig::new("localhost", server.port());
    let by_socket = RedisConfig::unix_socket(server.socket());
    for config in [by_name, by_socket] {
        serves(config.username("ann").password(PASSWORD).database(3)).await;
    }
    let wrong = RedisConfig::new("127.0.0.1", server.port()).username("ann").password("another");
    assert_eq!(RedisTransport::connect(wrong).await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_variables_of_the_python_bus_are_enough_to_connect() {
    let server = RedisServer::start_with(&["--requirepass", PASSWORD]);
    let config = RedisConfig::from_lookup(|name| match name {
        "REDIS_HOST" => Some("127.0.0.1".to_owned()),
        "REDIS_PORT" => Some(server.port().to_string()),
        "REDIS_PASSWORD" => Some(PASSWORD.to_owned()),
        "REDIS_SOCKET_TIMEOUT" => Some("1.5".to_owned()),
        _ => None,
    });
    serves(config.unwrap()).await;
}

/// The environment of a process can't be changed safely while it runs, so this test runs itself once more.
#[test]
fn the_environment_of_the_process_is_read_and_what_is_no_text_refused() {
    const TEST: &str = "the_environment_of_the_process_is_read_and_what_is_no_text_refused";
    if let Ok(expected) = std::env::var("EXPECTED") {
        let server = RedisConfig::from_env().map(|config| format!("{config:?}").contains("there:7"));
        assert_eq!(format!("{:?}", server.map_err(|error| error.kind())), expected);
        let name = NumberedBus::builder(MemoryTransport::new())
            .settings_from_env()
            .and_then(EventBusBuilder::build)
            .map(|bus| bus.name().as_str() == "there");
        assert_eq!(format!("{:?}", name.map_err(|error| error.kind())), expected);
        return;
    }
    let child = |there: &OsStr, expected: &str| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", TEST]).env_clear().env("EXPECTED", expected);
        child.env("REDIS_HOST", there).env("REDIS_PORT", "7").env("NUMBERED_BUS_NAME", there);
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    child("there".as_ref(), "Ok(true)");
    child(OsStr::from_bytes(b"th\xffre"), "Err(InvalidConfig)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_variables_of_the_platform_reach_its_cluster_with_sharded_pub_sub() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let (host, port) = cluster.seeds().swap_remove(0);
    let lookup = |announced: &'static str| {
        let (host, port) = (host.clone(), port.to_string());
        move |name: &str| match name {
            "REDIS_CLUSTER_HOST" => Some(host.clone()),
            "REDIS_CLUSTER_PORT" => Some(port.clone()),
            "REDIS_USE_ANNOUNCED_ADDRESS" => Some(announced.to_owned()),
            _ => None,
        }
    };
    for announced in ["false", "true"] {
        let config = RedisConfig::from_lookup(lookup(announced)).unwrap();
        serves(config.clone()).await;
        let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
        assert_eq!(
            bus.listen_events("user-1/*").await.unwrap_err().kind(),
            ErrorKind::Unsupported,
            "sharded"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_settings_is_enough_to_connect() {
    let server = RedisServer::start_with(&["--requirepass", PASSWORD]);
    let settings = serde_json::json!({
        "host": "127.0.0.1", "port": server.port(), "password": PASSWORD, "database": 3, "connect_timeout": "5s",
        "publishing": "both", "listening": "sharded",
    });
    serves(serde_json::from_value(settings).unwrap()).await;
}
