//! What is known now, and everybody who is to be told of changes: a lock around both, so that a snapshot and the messages
//! behind it fit together without a hole. Never held across an await.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use event_bus_core::{Event, Notice};
use event_bus_examples::ExecutionEvent;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::frames::{Frame, Told, kind_of};
use crate::runs::{KEPT_RUNS, Node, Run, Runs, Wanted};

/// How many messages wait for the slowest browser: two seconds at 1,000 events/s. All browsers share them.
const QUEUED_MESSAGES: usize = 2_048;
/// How many runs a snapshot has.
const SHOWN_RUNS: usize = 200;
/// How many notices are kept.
const KEPT_NOTICES: usize = 50;

/// How the monitor's own subscription is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Link {
    Live,
    /// Events are being missed.
    Interrupted,
    /// There will be no more.
    Ended,
}

/// The state that pages show. Clones are the same board.
#[derive(Clone, Debug)]
pub(crate) struct Board(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Tells this program's numbers from those of an earlier one.
    epoch: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    runs: Runs,
    notices: VecDeque<Told>,
    link: Link,
    /// Something was missed, and no snapshot has come since.
    is_stale: bool,
    /// The number of the last message.
    seq: u64,
    /// Since the last beat.
    events: u64,
    /// `None` once all was said.
    browsers: Option<broadcast::Sender<Arc<Frame>>>,
}

impl Board {
    pub(crate) fn new() -> Self {
        let state = State {
            runs: Runs::default(),
            notices: VecDeque::new(),
            link: Link::Live,
            is_stale: false,
            seq: 0,
            events: 0,
            browsers: Some(broadcast::Sender::new(QUEUED_MESSAGES)),
        };
        Self(Arc::new(Shared { epoch: format!("{:08x}", fastrand::u32(..)), state: Mutex::new(state) }))
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.0.epoch
    }

    pub(crate) fn link(&self) -> Link {
        self.state().link
    }

    /// An event came.
    pub(crate) fn heard(&self, event: &ExecutionEvent) {
        let mut state = self.state();
        let seq = state.count_up();
        state.events += 1;
        let (run, node) = state.runs.apply(event, now_ms());
        let frame = Frame::of_event(event.event_type(), &self.0.epoch, seq, run, node);
        state.send(frame);
    }

    /// Something else came: most likely that events were missed.
    pub(crate) fn told(&self, notice: &Notice) {
        let mut state = self.state();
        state.link = match notice {
            Notice::Interrupted => Link::Interrupted,
            Notice::Resumed { .. } => Link::Live,
            notice if notice.is_final() => Link::Ended,
            _ => state.link,
        };
        state.is_stale = true;
        let seq = state.count_up();
        let told = state.note(seq, notice);
        let said = Said { seq, link: state.link, notice: &told };
        state.send(Frame::new("notice", &self.0.epoch, seq, &said));
    }

    /// The state was fetched anew: pages must do so, too.
    pub(crate) fn fetched(&self, truth: Runs) {
        let mut state = self.state();
        let was_missed = state.is_stale;
        state.runs.reconcile(truth, was_missed);
        state.is_stale = false;
        let seq = state.count_up();
        state.send(Frame::new("refetch", &self.0.epoch, seq, &Moment { seq }));
    }

    /// Once in a while, so that a page sees that it is still told, and how fast events come.
    pub(crate) fn beat(&self, seconds: f64) {
        let mut state = self.state();
        let seq = state.count_up();
        let events = std::mem::take(&mut state.events);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let events_per_s = events as f64 / seconds;
        let beat = Beat { seq, link: state.link, events_per_s, browsers: state.listening() };
        state.send(Frame::new("beat", &self.0.epoch, seq, &beat));
    }

    /// Nothing follows: streams to browsers end behind what they have.
    pub(crate) fn close(&self) {
        self.state().browsers = None;
    }

    /// Joins those who are told, from the message behind the returned number on; `None` once the board is closed.
    pub(crate) fn join(&self) -> Option<(broadcast::Receiver<Arc<Frame>>, u64)> {
        let state = self.state();
        Some((state.browsers.as_ref()?.subscribe(), state.seq))
    }

    pub(crate) fn browsers(&self) -> usize {
        self.state().listening()
    }

    /// What is known now, as JSON, and as of which message.
    pub(crate) fn snapshot(&self, wanted: &Wanted) -> String {
        let state = self.state();
        let mut total = 0;
        let mut runs = Vec::new();
        for run in state.runs.newest_first(wanted) {
            total += 1;
            if runs.len() < SHOWN_RUNS {
                runs.push(Whole { run, nodes: &run.nodes });
            }
        }
        let snapshot = Snapshot {
            seq: state.seq,
            epoch: &self.0.epoch,
            link: state.link,
            is_stale: state.is_stale,
            runs,
            total,
            shown_at_most: SHOWN_RUNS,
            kept_at_most: KEPT_RUNS,
            notices: &state.notices,
        };
        serde_json::to_string(&snapshot).unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count_up(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn send(&self, frame: Frame) {
        if let Some(browsers) = &self.browsers {
            let _ = browsers.send(Arc::new(frame)); // never waits; nobody may be there
        }
    }

    fn listening(&self) -> usize {
        self.browsers.as_ref().map_or(0, broadcast::Sender::receiver_count)
    }

    /// Keeps a notice. Many of a kind behind each other are one that came so many times.
    fn note(&mut self, seq: u64, notice: &Notice) -> Told {
        let mut told =
            Told { id: seq, kind: kind_of(notice), text: notice.to_string(), times: 1, at_ms: now_ms() };
        if self.notices.back().is_some_and(|last| last.kind == told.kind)
            && let Some(last) = self.notices.pop_back()
        {
            told = Told { id: last.id, times: last.times + 1, ..told };
        }
        if self.notices.len() == KEPT_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(told.clone());
        told
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct Snapshot<'a> {
    seq: u64,
    epoch: &'a str,
    link: Link,
    is_stale: bool,
    runs: Vec<Whole<'a>>,
    /// How many there are, shown or not.
    total: usize,
    shown_at_most: usize,
    kept_at_most: usize,
    notices: &'a VecDeque<Told>,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    run: &'a Run,
    nodes: &'a [Node],
}

#[derive(Serialize)]
struct Said<'a> {
    seq: u64,
    link: Link,
    notice: &'a Told,
}

#[derive(Serialize)]
struct Moment {
    seq: u64,
}

#[derive(Serialize)]
struct Beat {
    seq: u64,
    link: Link,
    events_per_s: f64,
    browsers: usize,
}
