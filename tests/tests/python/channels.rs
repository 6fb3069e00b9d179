//! Who hears what: the five buses, exact channels and patterns.

use event_bus_core::{Channel, Codec, Event, Json, KeyPattern};
use event_bus_examples::{
    CredentialsChanged, ExecutionEvent, Notification, StreamDisconnect, WebhookEvent, run_events,
};
use serde::{Deserialize, Serialize};

use crate::pair::{Pair, delivery};

/// A message that the platform's own services wrote.
#[derive(Deserialize)]
struct Recorded {
    name: String,
    event: String,
    channels: Vec<String>,
    wire: String,
}

impl Recorded {
    fn all() -> Vec<Self> {
        let lines = include_str!("../../vectors/autogpt-wire.jsonl").lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn event<E>(&self) -> E
    where
        Json: Codec<E>,
    {
        let channel = Channel::from_full_name("any/channel");
        let envelope = Json.decode(&channel, &self.wire.clone().into()).unwrap();
        envelope.payload
    }

    fn payload(&self) -> &str {
        self.wire.strip_prefix(r#"{"payload":"#).and_then(|rest| rest.strip_suffix('}')).unwrap()
    }
}

#[tokio::test]
async fn what_python_publishes_on_each_of_the_five_buses_is_heard_typed() {
    let mut pair = Pair::start().await;
    pair.python_to_rust(&a_run()).await;
    hear_all_from_python(&mut pair).await;
}

/// What the platform's own services wrote, written by this Python.
pub(crate) async fn hear_all_from_python<S>(pair: &mut Pair<S>) {
    for recorded in &Recorded::all() {
        match recorded.event.as_str() {
            "execution" => hear_from_python::<ExecutionEvent, _>(pair, recorded).await,
            "notification" => hear_from_python::<Notification, _>(pair, recorded).await,
            "webhook" => hear_from_python::<WebhookEvent, _>(pair, recorded).await,
            "creds_changed" => hear_from_python::<CredentialsChanged, _>(pair, recorded).await,
            "stream_disconnect" => hear_from_python::<StreamDisconnect, _>(pair, recorded).await,
            other => panic!("{}: there is no event {other}", recorded.name),
        }
    }
}

async fn hear_from_python<E: Event + Serialize, S>(pair: &mut Pair<S>, recorded: &Recorded)
where
    Json: Codec<E>,
{
    let event = recorded.event::<E>();
    let mut listeners = Vec::new();
    for key in event.channel_keys().unwrap() {
        listeners.push(pair.bus::<E>().listen(key).await.unwrap());
    }
    pair.python.publish_text::<E>(recorded.payload()).await;
    for listener in &mut listeners {
        let heard = delivery(listener).await;
        assert_eq!(
            heard.raw(),
            &recorded.wire,
            "{}: this Python writes as the platform's does",
            recorded.name
        );
    }
}

#[tokio::test]
async fn what_rust_publishes_on_each_of_the_five_buses_validates_in_python() {
    let mut pair = Pair::start().await;
    pair.rust_to_python(&a_run()).await;
    validate_all_in_python(&mut pair).await;
}

/// What the platform's own services wrote, written by Rust.
pub(crate) async fn validate_all_in_python<S>(pair: &mut Pair<S>) {
    for recorded in &Recorded::all() {
        match recorded.event.as_str() {
            "execution" => validate_in_python::<ExecutionEvent, _>(pair, recorded).await,
            "notification" => validate_in_python::<Notification, _>(pair, recorded).await,
            "webhook" => validate_in_python::<WebhookEvent, _>(pair, recorded).await,
            "creds_changed" => validate_in_python::<CredentialsChanged, _>(pair, recorded).await,
            "stream_disconnect" => validate_in_python::<StreamDisconnect, _>(pair, recorded).await,
            other => panic!("{}: there is no event {other}", recorded.name),
        }
    }
}

async fn validate_in_python<E: Event + Serialize, S>(pair: &mut Pair<S>, recorded: &Recorded)
where
    Json: Codec<E>,
{
    let heard = pair.rust_to_python(&[recorded.event::<E>()]).await;
    let channels: Vec<_> = heard.iter().map(|heard| heard.channel.as_str()).collect();
    assert_eq!(channels, recorded.channels, "{}", recorded.name);
    for heard in heard {
        let raw = heard.raw.as_str().unwrap();
        assert!(pair.python.same(raw, &recorded.wire).await, "{}: {raw}", recorded.name);
    }
}

#[tokio::test]
async fn python_tells_values_apart_by_as_little_as_a_decimal_point() {
    let mut pair = Pair::start().await;
    for (left, right, same) in [
        (r#"{"a":1,"b":2.5e0}"#, r#"{"b":2.5,"a":1}"#, true),
        ("1", "1.0", false),
        ("1", "true", false),
        ("0.0", "-0.0", false),
        ("0.1", "0.10000000000000002", false),
        ("[1,2]", "[2,1]", false),
    ] {
        assert_eq!(pair.python.same(left, right).await, same, "{left} and {right}");
    }
}

#[tokio::test]
async fn rust_hears_python_on_an_exact_channel_and_by_pattern() {
    let mut pair = Pair::start().await;
    let bus = pair.bus::<ExecutionEvent>();
    let mut exact = bus.listen("{user-1/graph-1}/exec/run-1").await.unwrap();
    let mut runs = bus.listen(KeyPattern::new("{user-1/*}/exec/*").unwrap()).await.unwrap();
    let mut all = bus.listen(KeyPattern::any()).await.unwrap();
    for run in ["run-1", "run-2"] {
        pair.python.publish(&first_event("graph-1", run)).await;
    }
    for channel in ["exec/run-1", "all", "exec/run-2", "all"] {
        assert_eq!(channel_of(&delivery(&mut all).await), channel);
    }
    for channel in ["exec/run-1", "exec/run-2"] {
        assert_eq!(channel_of(&delivery(&mut runs).await), channel);
    }
    assert_eq!(channel_of(&delivery(&mut exact).await), "exec/run-1");
    pair.python.publish(&first_event("graph-1", "run-1")).await;
    assert_eq!(channel_of(&delivery(&mut exact).await), "exec/run-1", "and not run-2's");
}

fn channel_of(delivery: &event_bus_core::Delivery<ExecutionEvent>) -> &str {
    delivery.channel().as_str().strip_prefix("execution_event/{user-1/graph-1}/").unwrap()
}

#[tokio::test]
async fn python_hears_rust_on_an_exact_channel_and_by_pattern() {
    let mut pair = Pair::start().await;
    let mut exact = pair.python.listen::<ExecutionEvent>("{user-1/graph-1}/exec/run-1").await;
    let mut runs = pair.python.listen::<ExecutionEvent>("{user-1/*}/exec/*").await;
    let bus = pair.bus::<ExecutionEvent>();
    for (graph, run) in [("graph-1", "run-1"), ("graph-2", "run-2"), ("graph-1", "run-1")] {
        bus.publish(&first_event(graph, run)).await.unwrap();
    }
    for (graph, run) in [("graph-1", "run-1"), ("graph-2", "run-2"), ("graph-1", "run-1")] {
        let heard = runs.next().await;
        assert_eq!(heard.channel, format!("execution_event/{{user-1/{graph}}}/exec/{run}"));
        assert_eq!((heard.kind.as_str(), heard.event.is_some()), ("pmessage", true));
    }
    for _ in 0..2 {
        let heard = exact.next().await;
        assert_eq!(heard.channel, "execution_event/{user-1/graph-1}/exec/run-1");
        assert_eq!((heard.kind.as_str(), heard.event.is_some()), ("message", true));
    }
}

/// The events of a whole run, from queued to failed.
fn a_run() -> Vec<ExecutionEvent> {
    run_events("user-1", "graph-1", "run-1", &["fetch", "sum up"], Some("sum up"))
}

pub(crate) fn first_event(graph: &str, run: &str) -> ExecutionEvent {
    run_events("user-1", graph, run, &[], None).swap_remove(0)
}
