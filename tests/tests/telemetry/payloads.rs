//! Payloads reach no log, at whatever level, and no text of an error or a notice: failures of every sort, over events
//! that would be recognised.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::sync::Arc;

use event_bus_core::transport::Transport;
use event_bus_core::{
    Channel, ErrorKind, EventBus, MemoryTransport, Message, MessageLimit, Notice, OutboxConfig,
    OutboxOverflow, Oversize,
};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{Logged, RedisServer, within};
use serde::{Deserialize, Serialize, Serializer};

const SECRET: &str = "hunter2";

#[derive(Clone, Debug, Serialize, Deserialize, EventBus)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[bus(name = "secrets", channel(all = "all"))]
enum Secret {
    Told {
        text: String,
        number: u64,
    },
    #[serde(serialize_with = "never")]
    Untold(String),
}

fn never<S: Serializer>(text: &str, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom(format!("can't write {text}")))
}

fn told() -> Secret {
    Secret::Told { text: SECRET.to_owned(), number: 1 }
}

/// All that is said of something, with what is below it.
fn texts(error: &impl StdError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut below = error.source();
    while let Some(source) = below {
        write!(text, " {source} {source:?}").unwrap();
        below = source.source();
    }
    text
}

fn tells_nothing(text: &str) {
    assert!(!text.contains(SECRET), "{text}");
}

/// Publishes what fails, in each way, and hears what is no event.
async fn fails_in_every_way(transport: impl Transport + Clone, raw: impl AsyncFn(&str)) {
    let limit = MessageLimit::new(512).unwrap();
    for oversize in [Oversize::Marker, Oversize::Reject] {
        let bus =
            SecretBus::builder(transport.clone()).message_limit(limit).oversize(oversize).build().unwrap();
        let large = Secret::Told { text: SECRET.repeat(200), number: 1 };
        let unwritable = Secret::Untold(SECRET.to_owned());
        for event in [&large, &unwritable] {
            bus.publish_or_log(event).await;
            tells_nothing(&texts(&bus.publish(event).await.unwrap_err()));
            let outbox = bus.outbox(OutboxConfig::default()).unwrap();
            tells_nothing(&texts(&outbox.send(event).unwrap_err()));
            within("the end", outbox.close()).await;
        }
    }
    let bus = SecretBus::new(transport);
    let mut events = bus.all().listen().await.unwrap();
    let running = bus
        .subscriber()
        .on_told(async |event| {
            panic!("{event:?}");
        })
        .on_untold(async |_| ())
        .on_notice(async |notice: Notice| {
            panic!("{notice:?}");
        })
        .start([bus.all()])
        .await
        .unwrap();
    for wire in [
        format!(r#"{{"payload":"{SECRET}"}}"#),
        format!(r#"{{"payload":{{"kind":"elsewhere","text":"{SECRET}"}}}}"#),
        format!(r#"{{"payload":{{"kind":"told","text":"{SECRET}","number":"{SECRET}"}}}}"#),
        format!(r#"{{"payload":{{"kind":"told","{SECRET}":1}}}}"#),
        format!("{SECRET} is no json"),
    ] {
        raw(&wire).await;
        let notice = within("a notice", events.recv()).await.unwrap().unwrap_err();
        tells_nothing(&texts(&notice));
    }
    bus.publish(&told()).await.unwrap();
    within("an event", events.recv()).await.unwrap().unwrap();
    bus.close().await;
    let mut running = running;
    let report = within("the end", running.ended()).await;
    assert_eq!(report.panicked, 6);
}

fn logged_nothing(logged: &Logged, least: usize) {
    let lines = logged.lines();
    assert!(lines.len() >= least, "something was to be logged: {lines:#?}");
    lines.iter().for_each(|line| tells_nothing(line));
}

#[tokio::test]
async fn in_memory_no_failure_tells_a_payload() {
    for log in [Logged::here as fn() -> _, Logged::everything] {
        let (logged, _guard) = log();
        let memory = MemoryTransport::new();
        let raw = async |wire: &str| {
            let message = Message::new(Channel::from_full_name("secrets/all"), wire.to_owned());
            Transport::publish(&memory, vec![message]).await.remove(0).unwrap();
        };
        fails_in_every_way(memory.clone(), raw).await;
        let bus = SecretBus::new(memory.clone());
        let kinds = [
            ErrorKind::NotSent,
            ErrorKind::Refused,
            ErrorKind::Denied,
            ErrorKind::OutcomeUnknown,
            ErrorKind::NotConnected,
        ];
        let config = OutboxConfig::default().queue_messages(1).overflow(OutboxOverflow::DropOldest);
        let outbox = bus.outbox(config).unwrap();
        for kind in kinds {
            memory.fail_next(1, kind);
            bus.publish_or_log(&told()).await;
            memory.fail_next(1, kind);
            outbox.send(&told()).unwrap();
            outbox.send(&told()).unwrap();
            within("the flush", outbox.flush()).await;
        }
        logged_nothing(&logged, kinds.len() * 2);
    }
}

#[tokio::test]
async fn on_redis_no_failure_tells_a_payload() {
    let (logged, _guard) = Logged::everything();
    let mut server = RedisServer::start();
    let config = RedisConfig::new("127.0.0.1", server.port()).publish_attempts(1);
    let redis = RedisTransport::connect(config).await.unwrap();
    let raw = async |wire: &str| drop(server.command(&["PUBLISH", "secrets/all", wire]));
    fails_in_every_way(redis.clone(), raw).await;
    let bus = SecretBus::new(redis);
    let _events = bus.all().listen().await.unwrap();
    let _ = server.command(&["ACL", "SETUSER", "default", "-publish"]);
    bus.publish_or_log(&told()).await;
    assert_eq!(bus.publish(&told()).await.unwrap_err().kind(), ErrorKind::Denied);
    let _ = server.command(&["ACL", "SETUSER", "default", "+publish"]);
    server.kill();
    for _ in 0..3 {
        bus.publish_or_log(&told()).await;
        tells_nothing(&texts(&bus.publish(&told()).await.unwrap_err()));
    }
    tells_nothing(&bus.health().to_json());
    logged_nothing(&logged, 4);
}

#[tokio::test]
async fn a_server_that_quotes_what_it_was_sent_tells_nothing_through_us() {
    let (logged, _guard) = Logged::everything();
    let server = RedisServer::start_with(&["--rename-command", "PUBLISH", "HIDDEN"]);
    let bus = SecretBus::new(RedisTransport::connect(server.url()).await.unwrap());
    bus.publish_or_log(&told()).await;
    tells_nothing(&texts(&bus.publish(&told()).await.unwrap_err()));
    logged_nothing(&logged, 1);
}

#[test]
fn what_is_shown_of_messages_buses_and_outboxes_has_no_payload() {
    let bus = SecretBus::new(MemoryTransport::new());
    let wire = format!(r#"{{"payload":{{"kind":"told","text":"{SECRET}","number":1}}}}"#);
    let message = Arc::new(Message::new(Channel::from_full_name("secrets/all"), wire));
    tells_nothing(&format!("{message:?} {bus:?} {:?}", bus.health()));
    tells_nothing(&bus.health().to_json());
}
