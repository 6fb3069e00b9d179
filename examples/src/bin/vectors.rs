//! Checks this library against recorded messages of the platform's Python services: each must decode as its
//! event, encode to the same JSON value, and belong to the same channels.
//!
//! `vectors FILE [--redis URL]`; with `--redis`, each message also goes through Redis and a subscription.

use std::process::ExitCode;
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{BusName, Channel, ChannelKey, Codec, Envelope, Event, EventBus, Json, Message};
use event_bus_examples::{CredentialsChanged, ExecutionEvent, Notification, StreamDisconnect, WebhookEvent};
use event_bus_redis::RedisTransport;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vector {
    name: String,
    event: String,
    channels: Vec<String>,
    wire: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok((passed, failed)) => {
            println!("vectors: {passed} passed, {failed} failed");
            if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("vectors: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(usize, usize), Box<dyn std::error::Error>> {
    let mut arguments = pico_args::Arguments::from_env();
    let url: Option<String> = arguments.opt_value_from_str("--redis")?;
    let file: String = arguments.free_from_str().map_err(|_| "usage: vectors FILE [--redis URL]")?;
    if let Some(unknown) = arguments.finish().first() {
        return Err(
            format!("unknown argument {}: usage: vectors FILE [--redis URL]", unknown.display()).into()
        );
    }
    let redis = match url {
        Some(url) => Some(RedisTransport::connect(url).await?),
        None => None,
    };
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file} can't be read: {error}"))?;
    let (mut passed, mut failed) = (0, 0);
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let outcome = match serde_json::from_str::<Vector>(line) {
            Ok(vector) => {
                check(&vector, redis.as_ref()).await.map_err(|error| format!("{}: {error}", vector.name))
            }
            Err(error) => Err(format!("is no vector: {error}")),
        };
        match outcome {
            Ok(()) => passed += 1,
            Err(error) => {
                failed += 1;
                println!("line {number}: {error}");
            }
        }
    }
    Ok((passed, failed))
}

async fn check(vector: &Vector, redis: Option<&RedisTransport>) -> Result<(), String> {
    match vector.event.as_str() {
        "execution" => check_as::<ExecutionEvent>(vector, redis).await,
        "notification" => check_as::<Notification>(vector, redis).await,
        "webhook" => check_as::<WebhookEvent>(vector, redis).await,
        "creds_changed" => check_as::<CredentialsChanged>(vector, redis).await,
        "stream_disconnect" => check_as::<StreamDisconnect>(vector, redis).await,
        other => Err(format!("there is no event {other:?}")),
    }
}

async fn check_as<E: Event>(vector: &Vector, redis: Option<&RedisTransport>) -> Result<(), String>
where
    Json: Codec<E>,
{
    let channel = Channel::from_full_name(vector.channels.first().map_or("", String::as_str));
    let envelope: Envelope<E> = Json
        .decode(&channel, &vector.wire.clone().into())
        .map_err(|error| format!("does not decode: {error}"))?;
    compare(&envelope.payload, &channel, &vector.wire)?;

    let bus = BusName::new(E::BUS_NAME).map_err(|error| error.to_string())?;
    let keys = envelope.payload.channel_keys().map_err(|error| error.to_string())?;
    let channels: Vec<String> = keys.iter().map(|key| Channel::new(&bus, key).to_string()).collect();
    if channels != vector.channels {
        return Err(format!("goes to {channels:?} instead of {:?}", vector.channels));
    }
    match redis {
        Some(redis) => through_redis::<E>(redis, &keys, &vector.wire).await,
        None => Ok(()),
    }
}

async fn through_redis<E: Event>(
    redis: &RedisTransport,
    keys: &[ChannelKey],
    wire: &str,
) -> Result<(), String>
where
    Json: Codec<E>,
{
    let bus: EventBus<E> = EventBus::new(redis.clone());
    for key in keys {
        let channel = bus.channel(key);
        let mut events = bus.listen(key).await.map_err(|error| error.to_string())?;
        let message = Message::new(channel.clone(), wire.to_owned());
        for receipt in redis.publish(vec![message]).await {
            receipt.map_err(|error| format!("through redis: {error}"))?;
        }
        match events.wait(Duration::from_secs(10)).await {
            Ok(Some(delivery)) => compare(delivery.event(), &channel, wire)?,
            Ok(None) => return Err(format!("did not come back from redis on {channel}")),
            Err(error) => return Err(format!("through redis on {channel}: {error}")),
        }
    }
    Ok(())
}

/// Encodes `event` and compares the result with `wire`.
fn compare<E>(event: &E, channel: &Channel, wire: &str) -> Result<(), String>
where
    Json: Codec<E>,
{
    let encoded = Json.encode(channel, &Envelope::new(event)).map_err(|error| error.to_string())?;
    let ours: Value = serde_json::from_slice(&encoded).map_err(|error| error.to_string())?;
    let theirs: Value = serde_json::from_str(wire).map_err(|error| error.to_string())?;
    match first_difference("", &ours, &theirs) {
        Some(difference) => Err(difference),
        None => Ok(()),
    }
}

/// Where two JSON values first differ; numbers are the same if their 64 bits are.
fn first_difference(path: &str, ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours {
                match theirs.get(key) {
                    Some(other) => {
                        if let Some(difference) = first_difference(&format!("{path}/{key}"), value, other) {
                            return Some(difference);
                        }
                    }
                    None => return Some(format!("{path}/{key} is ours alone")),
                }
            }
            theirs.keys().find(|key| !ours.contains_key(*key)).map(|key| format!("{path}/{key} is missing"))
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            (0..).zip(ours.iter().zip(theirs)).find_map(|(at, (ours, theirs)): (usize, _)| {
                first_difference(&format!("{path}/{at}"), ours, theirs)
            })
        }
        (Value::Number(a), Value::Number(b)) if bits(a) == bits(b) => None,
        (ours, theirs) if !ours.is_number() && ours == theirs => None,
        (ours, theirs) => Some(format!("{path} is {ours} instead of {theirs}")),
    }
}

/// A number's value in 64 bits, and which of the three kinds it is.
fn bits(number: &serde_json::Number) -> (u8, u64) {
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(unsigned), ..) => (0, unsigned),
        (None, Some(signed), _) => (1, signed.cast_unsigned()),
        (None, None, float) => (2, float.unwrap_or_default().to_bits()),
    }
}
