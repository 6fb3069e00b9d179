//! The program and its stream, read as a browser reads it.

use std::net::TcpListener;

use event_bus_tests::{PATIENCE, RedisServer};
use serde_json::Value;
use tokio::time::Instant;

use crate::monitor::{Listener, Monitor, run};

#[tokio::test]
async fn all_browsers_share_one_connection_to_the_bus() {
    let server = RedisServer::start();
    let monitor = Monitor::start(&[], Some(&server.url()));
    monitor.listen().await.until("graph_execution_update").await;
    let before = clients(&server);
    let mut browsers = Vec::new();
    for _ in 0..20 {
        let mut browser = monitor.listen().await;
        browser.until("hello").await;
        browsers.push(browser);
    }
    for browser in &mut browsers {
        browser.until("node_execution_update").await;
    }
    assert_eq!(clients(&server), before);
    assert_eq!(before.1, 1, "one of them listens");
}

/// How many clients of others than this test the server has, and how many of them listen.
fn clients(server: &RedisServer) -> (usize, usize) {
    let list: String = redis::from_redis_value(server.command(&["CLIENT", "LIST"])).unwrap();
    let others: Vec<_> = list.lines().filter(|line| !line.contains("cmd=client")).collect();
    let listening = others.iter().filter(|line| !line.contains(" psub=0 ") || !line.contains(" sub=0 "));
    (others.len(), listening.count())
}

#[tokio::test]
async fn a_slow_browser_is_told_what_it_missed_and_another_stays_current() {
    let monitor = Monitor::start(&["--rate", "2000"], None);
    let mut slow = monitor.listen_with_buffer(4096).await;
    let mut seen = slow.until("hello").await["seq"].as_u64().unwrap();

    // The other one is told everything, one after the other, while the slow one does not read at all.
    let mut quick = monitor.listen().await;
    let mut expected = quick.until("hello").await["seq"].as_u64().unwrap();
    for _ in 0..6_000 {
        let (name, message) = quick.next().await.unwrap();
        expected += 1;
        assert_eq!(message["seq"].as_u64(), Some(expected), "{name}");
    }

    let missed = until_missed(&mut slow, &mut seen).await;
    let (passed_over, behind) = (missed["missed"].as_u64().unwrap(), missed["seq"].as_u64().unwrap());
    assert!(passed_over > 0);
    assert_eq!(behind - passed_over, seen, "it is told exactly what it did not get");
    let (_, next) = slow.next().await.unwrap();
    assert_eq!(next["seq"].as_u64(), Some(behind + 1));
    assert!(behind + 1 >= expected - 2_048, "it goes on with the newest");
}

/// Reads what was on its way to a slow browser, and then what it is told.
async fn until_missed(slow: &mut Listener, seen: &mut u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (name, message) = slow.next().await.unwrap();
        if name == "missed" {
            return message;
        }
        *seen += 1;
        assert_eq!(message["seq"].as_u64(), Some(*seen));
        assert!(Instant::now() < deadline, "it was told of nothing missed");
    }
}

#[tokio::test]
async fn runs_of_other_programs_are_shown_too() {
    let server = RedisServer::start();
    let listening = Monitor::start(&["--listen-only"], Some(&server.url()));
    let mut page = listening.listen().await;
    page.until("hello").await;
    let _working = Monitor::start(&["--rate", "50"], Some(&server.url()));
    let told = page.until("node_execution_update").await;
    let (_, state) = listening.get("/api/runs", "127.0.0.1").await;
    let state: Value = serde_json::from_str(&state).unwrap();
    let mut runs = state["runs"].as_array().unwrap().iter();
    assert!(runs.any(|run| run["key"] == told["run"]["key"]), "{state}");
}

#[tokio::test]
async fn it_ends_when_it_is_asked_to_and_streams_end_with_it() {
    let server = RedisServer::start();
    let monitor = Monitor::start(&[], Some(&server.url()));
    let mut page = monitor.listen().await;
    page.until("hello").await;
    let ending = tokio::task::spawn_blocking(|| monitor.interrupt());
    while page.next().await.is_some() {}
    assert!(ending.await.unwrap().success());
}

#[tokio::test]
async fn it_tells_how_it_is_and_is_served_to_this_machine_alone() {
    let monitor = Monitor::start(&[], None);
    let (status, body) = monitor.get("/healthz", "localhost").await;
    assert_eq!((&*status, &*body), ("HTTP/1.0 200 OK", "{\"bus\":\"live\"}"));
    for path in ["/", "/events", "/api/runs"] {
        let (status, _) = monitor.get(path, "monitor.example").await; // as after a rebound name
        assert!(status.contains("403"), "{path}: {status}");
    }
    let (_, body) = monitor.get("/api/runs?user=nobody-is-called-so", "localhost").await;
    let state: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&state["total"], &state["link"]), (&0.into(), &"live".into()));
}

#[test]
fn what_keeps_it_from_serving_is_told_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, redis_url, code, words) in [
        (&["--port", &port][..], None, 1, "is in use"),
        (&["--port", "0"], Some("redis://:s3cret@127.0.0.1:1"), 1, "REDIS_URL"),
        (&["--port", "0"], Some("http://:s3cret@example"), 1, "REDIS_URL"),
        (&["--listen-only"], None, 2, "REDIS_URL"),
        (&["--rate", "many"], None, 2, "--rate"),
    ] {
        let output = run(arguments, redis_url);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.starts_with("web_monitor: ") && said.contains(words), "{said}");
        assert!(said.lines().count() == 1 && !said.contains("s3cret"), "{said}");
    }
}
