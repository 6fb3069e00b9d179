//! Bad input of every kind: a clear error within bounded time, and no secret in it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::time::{Duration, Instant};

use event_bus_core::transport::Transport;
use event_bus_core::{
    BusName, ChannelKey, Error, ErrorKind, EventBus, KeyPattern, MemoryTransport, Message, MessageLimit,
    Notice,
};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{Numbered, NumberedBus, RedisServer, within};

async fn connect_error(url: &str) -> Error {
    let started = Instant::now();
    let error = within("an answer", RedisTransport::connect(url)).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(6), "{url}: {:?}", started.elapsed());
    let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    assert!(!shown.contains("s3cret"), "{shown}");
    error
}

#[tokio::test]
async fn a_wrong_url_says_what_is_expected() {
    for url in ["", "localhost:6379", "http://:s3cret@localhost", "redis://:s3cret@localhost?timeout=5"] {
        let error = connect_error(url).await;
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("expected redis://"), "{error}");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let port = event_bus_tests::server::free_port();
    let error = connect_error(&format!("redis://ann:s3cret@127.0.0.1:{port}")).await;
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    assert!(error.is_retryable() && error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = connect_error(&format!("redis://:s3cret@127.0.0.1:{port}")).await;
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    assert!(error.to_string().contains("does not answer"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_no_redis_is_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = connect_error(&format!("redis://:s3cret@127.0.0.1:{port}")).await;
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    serving.abort();
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_denied_without_being_shown() {
    let server = RedisServer::start_with(&["--requirepass", "right-s3cret"]);
    let (demands, refuses) = ("demands a login", "refuses the login");
    for (login, text) in [("", demands), (":wrong-s3cret@", refuses), ("nobody:s3cret@", refuses)] {
        let error = connect_error(&format!("redis://{login}127.0.0.1:{}", server.port())).await;
        assert_eq!(error.kind(), ErrorKind::Denied, "{login}: {error:?}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let url = format!("redis://:right-s3cret@127.0.0.1:{}", server.port());
    let transport = RedisTransport::connect(&url).await.unwrap();
    assert!(!format!("{transport:?} {:?}", RedisConfig::from_url(&url).unwrap()).contains("s3cret"));
}

#[tokio::test]
async fn a_wrong_password_is_told_to_whoever_listens_and_publishes_lazily() {
    let server = RedisServer::start_with(&["--requirepass", "right-s3cret"]);
    let url = format!("redis://:wrong-s3cret@127.0.0.1:{}", server.port());
    let bus = NumberedBus::new(RedisTransport::lazy(url).unwrap());
    let started = Instant::now();
    let listen = bus.listen("k").await.unwrap_err();
    let publish = bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap_err();
    for error in [listen, publish] {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "nobody waits for a time-out: {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn listening_to_an_unreachable_server_ends_with_its_time_out() {
    let url = format!("redis://127.0.0.1:{}", event_bus_tests::server::free_port());
    let config = RedisConfig::from_url(url).unwrap().listen_timeout(Duration::from_millis(300));
    let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
    let error = within("an answer", bus.listen("k")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSubscribed);
    assert!(error.to_string().contains("300ms") && std::error::Error::source(&error).is_some(), "{error:?}");
    let error = within("an answer", bus.wait("k", Duration::from_millis(100))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSubscribed, "it never listened, so `None` would be a lie");
}

#[tokio::test]
async fn names_and_keys_are_checked_before_anything_is_sent() {
    for name in ["", "a/b", "a\0", "a*", &"n".repeat(129)] {
        assert!(BusName::new(name).is_err(), "{name:?}");
    }
    let bus = NumberedBus::new(MemoryTransport::new());
    for key in ["", "a*", "a\nb", &"k".repeat(1_025)] {
        assert_eq!(bus.listen(key).await.unwrap_err().kind(), ErrorKind::InvalidKey, "{key:?}");
        let error = bus.publish_to(key, &Numbered::new("s", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey, "{key:?}");
    }
    for pattern in ["", "[a", "a\\", "[é]*", "a\u{7f}*"] {
        assert!(KeyPattern::new(pattern).is_err(), "{pattern:?}");
    }
    let error = bus.publish(&Numbered::new("a/b", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
    assert!(error.to_string().contains("`source`"), "{error}");
}

#[test]
fn settings_that_can_not_work_are_refused() {
    assert_eq!(MessageLimit::new(10).unwrap_err().kind(), ErrorKind::InvalidConfig);
    let builder = || NumberedBus::builder(MemoryTransport::new());
    for (result, name) in [
        (builder().queue_messages(0).build(), "queue_messages"),
        (builder().queue_bytes(0).build(), "queue_bytes"),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(name), "{error}");
    }
    let config = RedisConfig::from_url("redis://localhost").unwrap();
    let error = RedisTransport::lazy(config.response_timeout(Duration::ZERO)).unwrap_err();
    assert!(error.to_string().contains("response_timeout"), "{error}");
}

#[test]
fn huge_time_outs_are_no_overflow() {
    let config = RedisConfig::from_url("redis://127.0.0.1:1").unwrap();
    let config =
        config.publish_timeout(Duration::MAX).listen_timeout(Duration::MAX).ping_interval(Duration::MAX);
    let config = config.connect_timeout(Duration::MAX).response_timeout(Duration::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
        let long = Duration::from_millis(200);
        let event = Numbered::new("s", 1);
        let _ = tokio::time::timeout(long, bus.publish(&event)).await;
        let _ = tokio::time::timeout(long, bus.listen("k")).await;
        let _ = tokio::time::timeout(long, bus.wait("k", Duration::MAX)).await;
    });
}

#[test]
fn outside_a_runtime_there_is_an_error_and_no_panic() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let event = Numbered::new("s", 1);
    let error = futures_util::FutureExt::now_or_never(bus.publish(&event)).unwrap().unwrap_err();
    assert!(error.outcomes()[0].as_ref().unwrap_err().to_string().contains("tokio runtime"), "{error}");
    let error = futures_util::FutureExt::now_or_never(bus.listen("k")).unwrap().unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
    for server in [
        RedisConfig::new("127.0.0.1", 1),
        RedisConfig::cluster([("127.0.0.1", 1)]),
        RedisConfig::sentinel("main", [("127.0.0.1", 1)]),
    ] {
        let connecting = RedisTransport::connect(server);
        let error = futures_util::FutureExt::now_or_never(connecting).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        assert!(error.to_string().contains("tokio runtime"), "{error}");
    }
}

#[tokio::test]
async fn an_undecodable_message_is_a_notice_that_quotes_nothing() {
    let transport = MemoryTransport::new();
    let bus: EventBus<Numbered> = EventBus::new(transport.clone());
    let mut events = bus.listen("k").await.unwrap();
    let channel = bus.channel(&ChannelKey::new("k").unwrap());
    let wire = r#"{"payload":{"source":"s","number":"s3cret"}}"#;
    transport.publish(vec![Message::new(channel, wire)]).await.pop().unwrap().unwrap();
    let notice = within("a notice", events.recv()).await.unwrap().unwrap_err();
    assert!(!format!("{notice} {notice:?}").contains("s3cret"), "{notice:?}");
    let Notice::Undecodable { raw, error, .. } = notice else { panic!("{notice}") };
    assert_eq!(raw, wire.as_bytes());
    assert!(error.to_string().starts_with("invalid type: string, expected u64"), "{error}");
}
