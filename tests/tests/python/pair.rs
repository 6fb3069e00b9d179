//! A Rust and a Python service on one server, or on one cluster, and an event's way from each to the other.

use std::fmt::Debug;

use event_bus_core::{Codec, Delivery, Event, EventBus, Json, Notice, Subscription};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::python::{Heard, PythonListener, exact};
use event_bus_tests::{ClusterOptions, PATIENCE, PythonPeer, RedisCluster, RedisServer, within};
use serde::Serialize;

pub(crate) struct Pair<S = RedisServer> {
    pub(crate) python: PythonPeer,
    pub(crate) redis: RedisTransport,
    pub(crate) server: S,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let server = RedisServer::start();
        let redis = RedisTransport::connect(server.url()).await.unwrap();
        Self { python: PythonPeer::start(&server), redis, server }
    }

    pub(crate) async fn start_with_limit(max_bytes: u64) -> Self {
        let server = RedisServer::start();
        let redis = RedisTransport::connect(server.url()).await.unwrap();
        Self { python: PythonPeer::start_with_limit(&server, max_bytes), redis, server }
    }

    /// Publishes bytes as they are, as any client may.
    pub(crate) fn publish_raw(&self, channel: &str, message: &str) {
        let receivers: u64 =
            redis::from_redis_value(self.server.command(&["PUBLISH", channel, message])).unwrap();
        assert!(receivers > 0, "nobody listens to {channel}");
    }
}

impl Pair<RedisCluster> {
    /// Both with sharded pub/sub, as the platform.
    pub(crate) fn start_on_cluster(options: ClusterOptions) -> Self {
        let server = RedisCluster::start_with(options);
        // An election takes longer than a publish and a listener wait for by default.
        let config =
            RedisConfig::cluster(server.seeds()).sharded().publish_timeout(PATIENCE).listen_timeout(PATIENCE);
        Self {
            python: PythonPeer::start_on_cluster(&server),
            redis: RedisTransport::lazy(config).unwrap(),
            server,
        }
    }
}

impl<S> Pair<S> {
    pub(crate) fn bus<E: Event>(&self) -> EventBus<E>
    where
        Json: Codec<E>,
    {
        EventBus::new(self.redis.clone())
    }

    /// Python publishes `events`, which all go to the same channels; Rust hears on each what was published. Returns
    /// what Python wrote.
    pub(crate) async fn python_to_rust<E>(&mut self, events: &[E]) -> Vec<String>
    where
        E: Event + Serialize,
        Json: Codec<E>,
    {
        let bus = self.bus::<E>();
        let mut listeners = Vec::new();
        for key in keys(events) {
            listeners.push(bus.listen(key).await.unwrap());
        }
        let mut written = Vec::new();
        for event in events {
            written.extend(self.python.publish(event).await);
            for listener in &mut listeners {
                assert!(exact(delivery(listener).await.event()) == exact(event), "{}", written.join("\n"));
            }
        }
        assert_eq!(written.len(), events.len() * listeners.len(), "Python wrote to each channel");
        written
    }

    /// Rust publishes `events`, which all go to the same channels; Python hears and validates on each what was
    /// published. Returns what Python heard.
    pub(crate) async fn rust_to_python<E>(&mut self, events: &[E]) -> Vec<Heard>
    where
        E: Event + Serialize,
        Json: Codec<E>,
    {
        let bus = self.bus::<E>();
        let mut listeners = Vec::new();
        for key in keys(events) {
            listeners.push(self.python.listen::<E>(&key).await);
        }
        let mut heard = Vec::new();
        for event in events {
            bus.publish(event).await.unwrap();
            for listener in &mut listeners {
                let message = listener.next().await;
                assert!(message.event == Some(exact(event)), "{message:?}");
                heard.push(message);
            }
        }
        heard
    }
}

/// What comes next, which must be an event.
pub(crate) async fn delivery<E: Event>(events: &mut Subscription<E>) -> Delivery<E> {
    match item(events).await {
        Ok(delivery) => delivery,
        Err(notice) => panic!("{notice} instead of an event"),
    }
}

/// What comes next, which must be a notice.
pub(crate) async fn notice<E: Event + Debug>(events: &mut Subscription<E>) -> Notice {
    item(events).await.expect_err("a notice")
}

/// What Python hears next, which it must not take for an event.
pub(crate) async fn dropped(listener: &mut PythonListener) -> String {
    let heard = listener.next().await;
    assert_eq!(heard.event, None, "{heard:?}");
    heard.raw.as_str().unwrap().to_owned()
}

async fn item<E: Event>(events: &mut Subscription<E>) -> Result<Delivery<E>, Notice> {
    within("something to hear", events.recv()).await.expect("not the end")
}

fn keys<E: Event>(events: &[E]) -> Vec<String> {
    let of = |event: &E| -> Vec<String> {
        event.channel_keys().unwrap().iter().map(ToString::to_string).collect()
    };
    let keys = of(&events[0]);
    assert!(events.iter().all(|event| of(event) == keys), "one set of channels");
    keys
}
