//! Values that a writer or a reader of JSON could change on the way: none does.

use event_bus_examples::{
    CredentialsChanged, ExecutionEvent, NodeExecution, StreamDisconnect, Timestamp, WebhookEvent, run_events,
};
use serde_json::{Map, Value, json};

use crate::pair::{Pair, delivery, dropped, notice};

#[tokio::test]
async fn ten_thousand_doubles_from_python_arrive_bit_by_bit() {
    let mut pair = Pair::start().await;
    let doubles = ten_thousand_doubles();
    pair.python_to_rust(&untyped(&doubles)).await;
    pair.python_to_rust(&typed(&doubles)).await;
}

#[tokio::test]
async fn ten_thousand_doubles_from_rust_arrive_bit_by_bit() {
    let mut pair = Pair::start().await;
    let doubles = ten_thousand_doubles();
    pair.rust_to_python(&untyped(&doubles)).await;
    pair.rust_to_python(&typed(&doubles)).await;
}

/// The limits, and random ones of each sort: any bits, subnormal, whole, and such as people write.
fn ten_thousand_doubles() -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(1);
    let smallest_subnormal = f64::from_bits(1);
    let limits = [0.0, smallest_subnormal, f64::MIN_POSITIVE, f64::EPSILON, 1.0, 1e16, 1e22, 1e23, f64::MAX];
    let around_exact_integers =
        [9_007_199_254_740_991.0, 9_007_199_254_740_992.0, 9_223_372_036_854_775_807.0];
    let fixed = limits.into_iter().chain(around_exact_integers).flat_map(|double| [double, -double]);
    let others = (0..).map(|n: u64| match n % 4 {
        0 => f64::from_bits(random.u64(..)),
        1 => f64::from_bits(random.u64(..1 << 52)),
        2 => f64::from(random.i32(..)) * 2_f64.powi(random.i32(0..60)),
        _ => f64::from(random.i32(..)) / 100.0,
    });
    fixed.chain(others).filter(|double| double.is_finite()).take(10_000).collect()
}

/// All of them within values of any type.
fn untyped(doubles: &[f64]) -> Vec<WebhookEvent> {
    doubles.chunks(1_000).map(|doubles| webhook(json!({"doubles": doubles}))).collect()
}

/// Some of them in a field that both sides know to be a double.
fn typed(doubles: &[f64]) -> Vec<StreamDisconnect> {
    let disconnect = |sent_at: &f64| StreamDisconnect { session_id: "s".into(), sent_at: *sent_at };
    doubles.iter().take(1_000).map(disconnect).collect()
}

#[tokio::test]
async fn a_whole_number_in_a_field_for_doubles_keeps_its_point_both_ways() {
    let mut pair = Pair::start().await;
    let event = StreamDisconnect { session_id: "s".into(), sent_at: 3.0 };
    let wire = r#"{"payload":{"session_id":"s","sent_at":3.0}}"#;
    assert_eq!(pair.python_to_rust(std::slice::from_ref(&event)).await, [wire]);
    assert_eq!(pair.rust_to_python(&[event]).await[0].raw, wire);
    let whole = r#"{"session_id":"s","sent_at":3}"#;
    assert_eq!(pair.python.publish_text::<StreamDisconnect>(whole).await, [wire]);
}

#[tokio::test]
async fn what_is_no_number_becomes_null_on_both_sides() {
    let mut pair = Pair::start().await;
    let mut heard = pair.bus::<WebhookEvent>().listen("hook/call").await.unwrap();
    let odd = r#"{"id":"1","provider":"p","webhook_id":"hook","event_type":"call","payload":{"odd":[NaN,Infinity,-Infinity]}}"#;
    pair.python.publish_text::<WebhookEvent>(odd).await;
    assert_eq!(delivery(&mut heard).await.payload["odd"], json!([null, null, null]));

    let mut in_python = pair.python.listen::<StreamDisconnect>("all").await;
    let mut in_rust = pair.bus::<StreamDisconnect>().listen("all").await.unwrap();
    let wire = r#"{"payload":{"session_id":"s","sent_at":null}}"#;
    let odd = r#"{"session_id":"s","sent_at":NaN}"#;
    assert_eq!(pair.python.publish_text::<StreamDisconnect>(odd).await, [wire]);
    let odd = StreamDisconnect { session_id: "s".into(), sent_at: f64::NAN };
    pair.bus().publish(&odd).await.unwrap();
    for _ in 0..2 {
        assert_eq!(dropped(&mut in_python).await, wire, "a double may not be null");
        notice(&mut in_rust).await;
    }
}

#[tokio::test]
async fn integers_at_the_limits_pass_both_ways() {
    let mut pair = Pair::start().await;
    let limits = json!({"integers": [i64::MIN, i64::MIN + 1, -1, 0, 1, 1_i64 << 53, (1_i64 << 53) + 1, i64::MAX, u64::MAX]});
    pair.python_to_rust(&[webhook(limits.clone())]).await;
    pair.rust_to_python(&[webhook(limits)]).await;
    let typed = [i64::MIN, i64::MAX].map(|graph_version| node(NodeExecution { graph_version, ..a_node() }));
    pair.python_to_rust(&typed).await;
    pair.rust_to_python(&typed).await;
}

#[tokio::test]
async fn every_character_of_unicode_passes_both_ways() {
    let mut pair = Pair::start().await;
    let planes = (0..=16_u32).map(|plane| {
        let characters = (plane << 16..=plane << 16 | 0xffff).filter_map(char::from_u32);
        CredentialsChanged { user_id: format!("plane {plane}"), provider: characters.collect() }
    });
    let planes: Vec<_> = planes.collect();
    assert_eq!(planes.iter().map(|event| event.provider.chars().count()).sum::<usize>(), 0x11_0000 - 0x800);
    pair.python_to_rust(&planes).await;
    pair.rust_to_python(&planes).await;
}

#[tokio::test]
async fn both_sides_write_the_same_bytes_for_text() {
    let mut pair = Pair::start().await;
    let text =
        "\"quoted\" \\ / \0 \u{1} \u{8} \t \n \u{c} \r \u{1f} \u{7f} \u{2028} \u{2029} é 漢 😀 \u{10ffff}";
    let event = CredentialsChanged { user_id: text.into(), provider: text.chars().rev().collect() };
    let written = pair.python_to_rust(std::slice::from_ref(&event)).await;
    assert_eq!(pair.rust_to_python(&[event]).await[0].raw, written[0]);
}

#[tokio::test]
async fn times_are_spelled_as_python_does_and_pass_both_ways() {
    let mut pair = Pair::start().await;
    for (given, spelled) in [
        ("2025-01-02T03:04:05+00:00", "2025-01-02T03:04:05Z"),
        ("2025-01-02T03:04:05.000Z", "2025-01-02T03:04:05Z"),
        ("2025-01-02T03:04:05.12Z", "2025-01-02T03:04:05.120000Z"),
        ("2025-01-02T03:04:05.000001Z", "2025-01-02T03:04:05.000001Z"),
        ("2025-01-02T03:04:05+02:00", "2025-01-02T03:04:05+02:00"),
        ("2025-01-02T03:04:05.5-09:30", "2025-01-02T03:04:05.500000-09:30"),
        ("2025-01-02T03:04:05", "2025-01-02T03:04:05"),
    ] {
        let at = |time: &str| node(NodeExecution { add_time: Timestamp(time.into()), ..a_node() });
        let written = pair.python.publish(&at(given)).await;
        assert!(written[0].contains(&format!(r#""add_time":"{spelled}""#)), "{given}: {}", written[0]);
        pair.python_to_rust(&[at(spelled)]).await;
        pair.rust_to_python(&[at(spelled)]).await;
    }
}

fn webhook(payload: Value) -> WebhookEvent {
    let Value::Object(payload) = payload else { panic!("an object") };
    WebhookEvent {
        id: "1".into(),
        provider: "p".into(),
        webhook_id: "hook".into(),
        event_type: "call".into(),
        payload: Map::from_iter(payload),
    }
}

fn node(node: NodeExecution) -> ExecutionEvent {
    ExecutionEvent::NodeExecutionUpdate(Box::new(node))
}

fn a_node() -> NodeExecution {
    let events = run_events("user-1", "graph-1", "run-1", &["node-1"], None);
    let node = events.into_iter().find_map(|event| match event {
        ExecutionEvent::NodeExecutionUpdate(node) => Some(*node),
        ExecutionEvent::GraphExecutionUpdate(_) => None,
    });
    node.unwrap()
}
