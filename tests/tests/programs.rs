//! The example programs, run as a reader would run them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::path::PathBuf;
use std::process::{Command, Output};

use event_bus_tests::{RedisCluster, RedisServer};

/// Runs a program of the examples. Cargo has built it by the time it is needed: that is instant then.
fn run(program: &str, arguments: &[&str], redis_url: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "-q", "-p", "event-bus-examples", "--bin", program]);
    if program == "observability" {
        command.args(["--features", program]);
    }
    command.arg("--").args(arguments);
    command.current_dir(workspace()).env_remove("REDIS_URL");
    if let Some(url) = redis_url {
        command.env("REDIS_URL", url);
    }
    command.output().expect("cargo runs")
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn quickstart_hears_what_it_publishes_in_memory_and_on_redis() {
    let server = RedisServer::start();
    for url in [None, Some(server.url())] {
        let output = run("quickstart", &[], url.as_deref());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(last_line(&output), "quickstart: 25 published, 25 heard");
    }
    let output = run("quickstart", &[], Some("redis://:s3cret@127.0.0.1:1"));
    assert!(!output.status.success());
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(shown.contains("127.0.0.1:1") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn each_small_program_does_what_it_is_for_in_memory_and_on_redis() {
    let server = RedisServer::start();
    for (program, says) in [
        ("derive", "derive: Some(950) cents heard"),
        ("channels", "channels: 1 on one, 3 on all, 3 on each, 2 on two"),
        ("handlers", "handlers: 3 handled"),
        ("testing", "testing: Some(950) cents"),
        ("axum_service", "axum_service: 202, 200"),
    ] {
        for url in [None, Some(server.url())] {
            let output = run(program, &[], url.as_deref());
            assert!(output.status.success(), "{output:?}");
            assert_eq!(last_line(&output), says);
        }
    }
}

#[test]
fn sharded_hears_channels_of_all_nodes() {
    let cluster = RedisCluster::start();
    let url = cluster.url(0).replacen("redis", "redis-cluster", 1);
    let output = run("sharded", &[], Some(&url));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(last_line(&output), "sharded: 10 heard of 10");
}

#[test]
fn codecs_hears_what_it_may_and_is_told_of_the_rest_in_memory_and_on_redis() {
    let server = RedisServer::start();
    for url in [None, Some(server.url())] {
        let output = run("codecs", &[], url.as_deref());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(last_line(&output), "codecs: 3 heard, 3 refused");
    }
}

#[test]
fn a_program_without_async_hears_what_it_publishes_in_memory_and_on_redis() {
    let server = RedisServer::start();
    for url in [None, Some(server.url())] {
        let output = run("blocking", &[], url.as_deref());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(last_line(&output), "blocking: 9 published, 9 heard");
    }
    assert!(!run("blocking", &[], Some("redis://127.0.0.1:1")).status.success());
    let source = std::fs::read_to_string(workspace().join("examples/src/bin/blocking.rs")).unwrap();
    let mut code = source.lines().filter(|line| !line.starts_with("//"));
    assert!(!code.any(|line| line.contains("async") || line.contains("await")));
}

#[test]
fn the_recorded_messages_of_the_python_services_pass_directly_and_through_redis() {
    let server = RedisServer::start();
    let file = "tests/vectors/autogpt-wire.jsonl";
    for arguments in [vec![file], vec![file, "--redis", &server.url()]] {
        let output = run("vectors", &arguments, None);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(last_line(&output), "vectors: 9 passed, 0 failed");
    }
}

#[test]
fn outbox_publishes_all_that_was_sent_in_memory_and_on_redis() {
    let server = RedisServer::start();
    for url in [None, Some(server.url())] {
        let output = run("outbox", &[], url.as_deref());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(last_line(&output), "outbox: 14000 sent, 0 lost");
    }
}

/// The value of `field` in what the exporter says of a span.
#[cfg(feature = "metrics")]
fn field<'a>(span: &'a str, field: &str) -> &'a str {
    let start = format!("\t{field} ");
    let line = span.lines().find(|line| line.starts_with(&start)).unwrap();
    line.split_once(':').unwrap().1.trim()
}

#[cfg(feature = "metrics")] // features add up: it is built and run apart
#[test]
fn observability_exports_spans_in_one_trace_and_metrics_and_health_in_memory_and_on_redis() {
    let server = RedisServer::start();
    for (url, system) in [(None, "memory"), (Some(server.url()), "redis")] {
        let output = run("observability", &[], url.as_deref());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(last_line(&output), "observability: 5 published, 5 handled");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let spans: Vec<&str> = shown.split("Span #").skip(1).collect();
        let of = |name: &str| -> Vec<&str> {
            spans.iter().copied().filter(|span| field(span, "Name") == name).collect()
        };
        let (published, processed) =
            (of("publish execution_event/{key}"), of("process execution_event/{key}"));
        assert_eq!((published.len(), processed.len()), (5, 5), "{shown}");
        for span in processed {
            let is_parent = |parent: &&&str| {
                field(parent, "SpanId") == field(span, "ParentSpanId")
                    && field(parent, "TraceId") == field(span, "TraceId")
            };
            assert!(published.iter().any(|parent| is_parent(&parent)), "{span}");
        }
        for words in [
            format!("\"{system}\""),
            "messaging_client_sent_messages_total".to_owned(),
            format!("event_bus_reconnects_total{{messaging_system=\"{system}\"}} 0"),
            r#"200 {"ready":true,"live":true"#.to_owned(),
        ] {
            assert!(shown.contains(&words), "no {words} in {shown}");
        }
    }
}

#[test]
fn vectors_tells_what_differs_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.jsonl");
    let line = |wire: &str, channels: &str| {
        serde_json::json!({"name": "n", "event": "creds_changed", "channels": [channels], "wire": wire})
            .to_string()
    };
    let lines = [
        line(r#"{"payload":{"user_id":"u","provider":"p"}}"#, "creds_changed/all"),
        line(r#"{"payload":{"user_id":"u","provider":"p","n":1}}"#, "creds_changed/all"),
        line(r#"{"payload":{"user_id":"u","provider":"p"}}"#, "creds_changed/none"),
        line(r#"{"payload":{"user_id":1}}"#, "creds_changed/all"),
        "no json".to_owned(),
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let output = run("vectors", &[file.to_str().unwrap()], None);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(last_line(&output), "vectors: 1 passed, 4 failed");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in [
        "line 2: n: /payload/n is missing",
        "line 3: n: goes to",
        "line 4: n: does not decode",
        "line 5: is no vector",
    ] {
        assert!(shown.contains(words), "{shown}");
    }
}
