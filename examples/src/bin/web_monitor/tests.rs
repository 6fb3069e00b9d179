//! The way from the bus to browsers, without a browser: gaps, slow ones, those that come back.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Bytes;
use event_bus_core::MemoryTransport;
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, run_events};
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::time::timeout;

use crate::board::Board;
use crate::bridge;
use crate::runs::Wanted;
use crate::stream::to_browser;
use crate::worker::Ledger;

/// What a page does with its stream.
struct Browser(Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>>>>);

impl Browser {
    fn open(board: &Board, user: &str, last_id: Option<&str>) -> Self {
        Self(Box::pin(to_browser(board.clone(), Wanted::new(user, ""), last_id).unwrap()))
    }

    /// The next message: its id, name and data.
    async fn next(&mut self) -> (String, String, Value) {
        let bytes =
            timeout(Duration::from_secs(20), self.0.next()).await.expect("a message").unwrap().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("{name} in {text}")).to_owned()
        };
        (field("id"), field("event"), serde_json::from_str(&field("data")).unwrap())
    }

    async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.next().await.1);
        }
        names
    }
}

fn snapshot(board: &Board) -> Value {
    serde_json::from_str(&board.snapshot(&Wanted::default())).unwrap()
}

/// A run with one node: queued, running, node running, node completed, completed.
fn events(user: &str, run: &str) -> Vec<ExecutionEvent> {
    run_events(user, "letters", run, &["fetch"], None)
}

/// Runs the bridge beside `story`, which gets the transport, the board and the ledger.
async fn beside_the_bridge(has_ledger: bool, story: impl AsyncFnOnce(MemoryTransport, Board, Ledger)) {
    let memory = MemoryTransport::new();
    let (board, ledger) = (Board::new(), Ledger::default());
    let subscription = bridge::listen(&ExecutionEventBus::new(memory.clone())).await.unwrap();
    tokio::select! {
        () = bridge::follow(subscription, &board, has_ledger.then(|| ledger.clone())) => panic!("it ended"),
        () = story(memory, board.clone(), ledger.clone()) => {}
    }
}

async fn publish(memory: &MemoryTransport, ledger: &Ledger, events: &[ExecutionEvent]) {
    let bus = ExecutionEventBus::new(memory.clone());
    for event in events {
        ledger.write(event);
        bus.publish(event).await.unwrap();
    }
}

#[tokio::test]
async fn after_a_gap_pages_are_told_to_fetch_and_what_they_fetch_is_true() {
    beside_the_bridge(true, async |memory, board, ledger| {
        let mut page = Browser::open(&board, "", None);
        assert_eq!(page.names(2).await, ["hello", "refetch"]);
        let events = events("ada", "r-1");
        publish(&memory, &ledger, &events[..3]).await;
        let names = ["graph_execution_update", "graph_execution_update", "node_execution_update"];
        assert_eq!(page.names(3).await, names);

        memory.interrupt();
        publish(&memory, &ledger, &events[3..]).await; // nobody hears of the end
        let (_, name, told) = page.next().await;
        assert_eq!(
            (&*name, &told["link"], &told["notice"]["kind"]),
            ("notice", &"interrupted".into(), &"interrupted".into())
        );
        let shown = snapshot(&board);
        assert_eq!((&shown["is_stale"], &shown["runs"][0]["status"]), (&true.into(), &"RUNNING".into()));

        memory.resume();
        let (_, _, told) = page.next().await;
        assert_eq!((&told["link"], &told["notice"]["kind"]), (&"live".into(), &"resumed".into()));
        let (_, name, refetch) = page.next().await;
        assert_eq!(name, "refetch");
        let shown = snapshot(&board);
        assert!(shown["seq"].as_u64() >= refetch["seq"].as_u64());
        assert_eq!((&shown["is_stale"], &shown["runs"][0]["status"]), (&false.into(), &"COMPLETED".into()));
        assert_eq!(shown["runs"][0]["nodes"][0]["status"], "COMPLETED");
        assert_eq!(shown["runs"][0]["may_be_stale"], false);
        assert_eq!(shown["notices"].as_array().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn runs_of_others_may_be_stale_after_a_gap_and_are_said_to_be() {
    beside_the_bridge(false, async |memory, board, ledger| {
        let mut page = Browser::open(&board, "", None);
        publish(&memory, &ledger, &events("ada", "ended")).await;
        publish(&memory, &ledger, &events("ben", "open")[..2]).await;
        while snapshot(&board)["total"] != 2 {
            page.next().await;
        }
        memory.interrupt();
        memory.resume();
        while page.next().await.2["notice"]["kind"] != "resumed" {}
        page.next().await;
        let shown = snapshot(&board);
        let stale = |run: usize| shown["runs"][run]["may_be_stale"].as_bool();
        assert_eq!((stale(0), stale(1)), (Some(true), Some(false)));
    })
    .await;
}

#[tokio::test]
async fn a_slow_browser_is_told_what_it_missed_and_slows_nobody() {
    let board = Board::new();
    let (mut slow, mut quick) = (Browser::open(&board, "", None), Browser::open(&board, "", None));
    let (_, _, hello) = slow.next().await;
    assert_eq!(quick.next().await.1, "hello");
    let event = &events("ada", "r-1")[1];
    for _ in 0..10_000 {
        board.heard(event);
        assert_eq!(quick.next().await.1, "graph_execution_update");
    }
    let (_, name, told) = slow.next().await;
    assert_eq!((&*name, told["missed"].as_u64()), ("missed", Some(10_000)));
    assert_eq!(told["seq"].as_u64(), hello["seq"].as_u64().map(|seq| seq + 10_000));
    board.heard(event);
    assert_eq!(slow.next().await.2["seq"], 10_001);
}

#[tokio::test]
async fn a_browser_that_comes_back_is_told_how_much_passed_meanwhile() {
    let board = Board::new();
    let mut page = Browser::open(&board, "", None);
    assert_eq!(page.next().await.2["missed"], Value::Null);
    board.beat(1.0);
    let (last_id, ..) = page.next().await;
    drop(page);
    board.beat(1.0);
    board.beat(1.0);
    assert_eq!(Browser::open(&board, "", Some(&last_id)).next().await.2["missed"], 2);
    for foreign in ["other.1", "", "1", "\u{e4}"] {
        assert_eq!(Browser::open(&board, "", Some(foreign)).next().await.2["missed"], Value::Null);
    }
}

#[tokio::test]
async fn a_filter_holds_for_events_and_not_for_what_all_must_know() {
    let board = Board::new();
    let mut page = Browser::open(&board, "ADA", None);
    board.heard(&events("ben", "r-1")[0]);
    board.heard(&events("ada", "r-2")[0]);
    board.told(&event_bus_core::Notice::Lagged { missed: 3 });
    assert_eq!(page.names(3).await, ["hello", "graph_execution_update", "notice"]);
    board.close();
    assert!(page.0.next().await.is_none());
    assert!(to_browser(board, Wanted::default(), None).is_none());
}

#[tokio::test]
async fn a_flood_of_notices_of_a_kind_is_one_that_counts() {
    let board = Board::new();
    for _ in 0..1_000 {
        board.told(&event_bus_core::Notice::Lagged { missed: 1 });
    }
    let shown = snapshot(&board);
    assert_eq!(
        (shown["notices"].as_array().unwrap().len(), &shown["notices"][0]["times"]),
        (1, &1_000.into())
    );
}
