//! Events that do not arrive: too large, not to be written, not to be read. Python drops them without a word; Rust
//! tells, and both listen on.

use std::fmt::Debug;

use event_bus_core::{
    Channel, Codec, Envelope, ErrorKind, Event, EventBus, Json, KeyPattern, MessageLimit, Notice,
    Subscription,
};
use event_bus_examples::{
    CredentialsChanged, ExecutionEvent, ExecutionStatus, StreamDisconnect, WebhookEvent, run_events,
};
use event_bus_tests::python::exact;

use crate::pair::{Pair, delivery, dropped, notice};

const LIMIT: u64 = 1_000;

/// An event whose message has this many bytes: more than characters.
fn of_bytes(size: u64) -> CredentialsChanged {
    let mut event = CredentialsChanged { user_id: "é".repeat(100), provider: String::new() };
    let channel = Channel::from_full_name("creds_changed/all");
    let empty = Json.encode(&channel, &Envelope::new(&event)).unwrap().len();
    event.provider = "x".repeat(usize::try_from(size).unwrap() - empty);
    event
}

fn small() -> CredentialsChanged {
    CredentialsChanged { user_id: "user-1".into(), provider: "github".into() }
}

#[tokio::test]
async fn the_marker_of_python_is_told_with_its_sizes() {
    let mut pair = Pair::start_with_limit(LIMIT).await;
    let bus = pair.bus::<CredentialsChanged>();
    let mut exact = bus.listen("all").await.unwrap();
    let mut pattern = bus.listen(KeyPattern::any()).await.unwrap();
    for size in [LIMIT, LIMIT + 1, LIMIT] {
        pair.python.publish(&of_bytes(size)).await;
    }
    for listener in [&mut exact, &mut pattern] {
        assert_eq!(delivery(listener).await.raw().len() as u64, LIMIT, "the limit itself passes");
        let notice = notice(listener).await;
        let Notice::Oversized { channel, original_size_bytes, max_size_bytes } = notice else {
            panic!("{notice}")
        };
        assert_eq!(channel.as_str(), "creds_changed/all");
        assert_eq!((original_size_bytes, max_size_bytes), (LIMIT + 1, LIMIT));
        assert_eq!(delivery(listener).await.event(), &of_bytes(LIMIT));
    }
}

#[tokio::test]
async fn the_marker_of_rust_has_the_bytes_of_python_which_drops_it_and_listens_on() {
    let mut pair = Pair::start_with_limit(LIMIT).await;
    let limit = MessageLimit::new(LIMIT).unwrap();
    let bus: EventBus<CredentialsChanged> =
        EventBus::builder(pair.redis.clone()).message_limit(limit).build().unwrap();
    let mut in_python = pair.python.listen::<CredentialsChanged>("all").await;
    for size in [LIMIT + 1, 10 * LIMIT] {
        bus.publish(&of_bytes(LIMIT)).await.unwrap();
        assert_eq!(in_python.next().await.event, Some(exact(&of_bytes(LIMIT))), "the limit itself passes");

        let error = bus.publish(&of_bytes(size)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let marker = dropped(&mut in_python).await;
        assert_eq!(pair.python.publish(&of_bytes(size)).await, [marker.as_str()], "Python writes the same");
        assert_eq!(dropped(&mut in_python).await, marker);
    }
    bus.publish(&small()).await.unwrap();
    assert_eq!(in_python.next().await.event, Some(exact(&small())));
}

#[tokio::test]
async fn a_lone_surrogate_is_refused_on_both_sides_and_both_listen_on() {
    let mut pair = Pair::start().await;
    let mut in_python = pair.python.listen::<CredentialsChanged>("all").await;
    let mut in_rust = pair.bus::<CredentialsChanged>().listen("all").await.unwrap();
    for text in [r"\ud800", r"\udfff", r"\ud83d.", r"\ude00\ud83d"] {
        let wire = format!(r#"{{"payload":{{"user_id":"{text}","provider":"p"}}}}"#);
        pair.publish_raw("creds_changed/all", &wire);
        expect_undecodable(&mut in_rust, &wire).await;
        assert_eq!(dropped(&mut in_python).await, wire);

        pair.python.publish(&small()).await;
        assert_eq!(delivery(&mut in_rust).await.event(), &small());
        assert_eq!(in_python.next().await.event, Some(exact(&small())));
    }
}

async fn expect_undecodable<E: Event + Debug>(events: &mut Subscription<E>, wire: &str) {
    let notice = notice(events).await;
    let Notice::Undecodable { raw, .. } = notice else { panic!("{notice}") };
    assert_eq!(raw, wire);
}

#[tokio::test]
async fn what_is_no_event_is_told_by_rust_and_dropped_by_python_and_both_listen_on() {
    let mut pair = Pair::start().await;
    let mut in_python = pair.python.listen::<CredentialsChanged>("all").await;
    let mut in_rust = pair.bus::<CredentialsChanged>().listen("all").await.unwrap();
    for wire in [
        "",
        "no json",
        "[]",
        "null",
        r#"{"user_id":"user-1","provider":"github"}"#,
        r#"{"payload":null}"#,
        r#"{"payload":{"user_id":"user-1"}}"#,
        r#"{"payload":{"user_id":"user-1","provider":null}}"#,
        r#"{"payload":{"user_id":"user-1","provider":"github"}} more"#,
    ] {
        pair.publish_raw("creds_changed/all", wire);
        expect_undecodable(&mut in_rust, wire).await;
        assert_eq!(dropped(&mut in_python).await, wire);
    }
    pair.python.publish(&small()).await;
    assert_eq!(delivery(&mut in_rust).await.event(), &small());
    assert_eq!(in_python.next().await.event, Some(exact(&small())));
}

#[tokio::test]
async fn what_python_guesses_rust_tells() {
    let mut pair = Pair::start().await;
    let mut in_python = pair.python.listen::<StreamDisconnect>("all").await;
    let mut in_rust = pair.bus::<StreamDisconnect>().listen("all").await.unwrap();
    let guessed = StreamDisconnect { session_id: "s".into(), sent_at: 1.5 };
    for wire in [
        r#"{"payload":{"session_id":"s","sent_at":"1.5"}}"#,
        r#"{"payload":{"session_id":"s","sent_at":0.5,"sent_at":1.5}}"#,
    ] {
        pair.publish_raw("copilot_stream_disconnect/all", wire);
        assert_eq!(in_python.next().await.event, Some(exact(&guessed)), "{wire}");
        expect_undecodable(&mut in_rust, wire).await;
    }
}

#[tokio::test]
async fn an_integer_of_more_than_64_bits_is_told_even_where_anything_may_stand() {
    let pair = Pair::start().await;
    let mut in_rust = pair.bus::<WebhookEvent>().listen("w/e").await.unwrap();
    let webhook = |number: &str| {
        let fields = r#""id":"i","provider":"p","webhook_id":"w","event_type":"e""#;
        format!(r#"{{"payload":{{{fields},"payload":{{"number":{number},"text":"{number}"}}}}}}"#)
    };
    for number in ["18446744073709551616", "-9223372036854775809"] {
        pair.publish_raw("webhooks/w/e", &webhook(number));
        expect_undecodable(&mut in_rust, &webhook(number)).await;
    }
    pair.publish_raw("webhooks/w/e", &webhook("18446744073709551615"));
    assert_eq!(delivery(&mut in_rust).await.payload["number"], u64::MAX);
}

#[tokio::test]
async fn a_status_that_came_later_is_kept_by_rust_and_dropped_by_python() {
    let mut pair = Pair::start().await;
    let bus = pair.bus::<ExecutionEvent>();
    let mut in_python = pair.python.listen::<ExecutionEvent>("{u/g}/all").await;
    let mut in_rust = bus.listen("{u/g}/all").await.unwrap();
    let known = run_events("u", "g", "r", &[], None).swap_remove(0);
    let ExecutionEvent::GraphExecutionUpdate(mut run) = known.clone() else { panic!("a run") };
    run.status = ExecutionStatus::Other("PAUSED".into());
    let newer = ExecutionEvent::GraphExecutionUpdate(run);
    for event in [&newer, &known] {
        bus.publish(event).await.unwrap();
        assert_eq!(delivery(&mut in_rust).await.event(), event);
    }
    assert!(dropped(&mut in_python).await.contains(r#""status":"PAUSED""#));
    assert_eq!(in_python.next().await.event, Some(exact(&known)));
}

#[tokio::test]
async fn what_python_can_not_write_it_loses_and_publishes_on() {
    let mut pair = Pair::start().await;
    let mut in_rust = pair.bus::<WebhookEvent>().listen("hook/call").await.unwrap();
    let call = |value: &str| {
        format!(
            r#"{{"id":"1","provider":"p","webhook_id":"hook","event_type":"call","payload":{{"value":{value}}}}}"#
        )
    };
    for value in [r#""\ud800""#, "18446744073709551616", "-9223372036854775809"] {
        let written = pair.python.publish_text::<WebhookEvent>(&call(value)).await;
        assert_eq!(written, [""; 0], "{value}");
        assert_eq!(pair.python.publish_text::<WebhookEvent>(&call("1")).await.len(), 1);
        assert_eq!(delivery(&mut in_rust).await.payload["value"], 1, "nothing came before");
    }
}
