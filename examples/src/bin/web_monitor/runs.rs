//! Runs and their nodes as events tell of them, the newest so many. The worker keeps its truth in one of these, the board
//! what it has heard in another. No clock, no lock, no network.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use event_bus_examples::{ExecutionEvent, ExecutionStatus};
use serde::Serialize;

/// How many runs are kept; the oldest make room.
pub(crate) const KEPT_RUNS: usize = 1_000;
/// How many nodes of a run are kept.
const KEPT_NODES: usize = 60;
/// Whatever an event brings, no text is longer than so many characters, and a mark where it was cut.
const KEPT_CHARACTERS: usize = 120;

/// A run, as a page shows it. What it was given and what it produced stays here: that is not for every screen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) key: String,
    pub(crate) user: String,
    pub(crate) graph: String,
    pub(crate) id: String,
    /// Not known where a node was heard of first.
    pub(crate) status: Option<ExecutionStatus>,
    pub(crate) has_ended: bool,
    /// Events of it were missed, and nobody could tell what became of it.
    pub(crate) may_be_stale: bool,
    pub(crate) error: Option<String>,
    pub(crate) first_seen_ms: u64,
    pub(crate) changed_ms: u64,
    /// It has more nodes than are kept.
    pub(crate) has_more_nodes: bool,
    /// Sent with a snapshot, and else one by one.
    #[serde(skip)]
    pub(crate) nodes: Vec<Node>,
}

/// A node of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) status: ExecutionStatus,
}

/// The runs that a person wants to see: those whose user and graph contain these texts, in whatever case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    user: String,
    graph: String,
}

impl Wanted {
    pub(crate) fn new(user: &str, graph: &str) -> Self {
        Self { user: user.trim().to_lowercase(), graph: graph.trim().to_lowercase() }
    }

    pub(crate) fn has(&self, user: &str, graph: &str) -> bool {
        let has = |text: &str, part: &str| part.is_empty() || text.to_lowercase().contains(part);
        has(user, &self.user) && has(graph, &self.graph)
    }
}

/// The newest runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    by_key: HashMap<String, Run>,
    /// From the oldest to the newest.
    order: VecDeque<String>,
}

impl Runs {
    /// Sets what `event` says, and returns the run, and the node where it is about one.
    pub(crate) fn apply(&mut self, event: &ExecutionEvent, now_ms: u64) -> (&Run, Option<&Node>) {
        match event {
            ExecutionEvent::GraphExecutionUpdate(told) => {
                let run = self.run(&told.user_id, &told.graph_id, &told.id, now_ms);
                run.has_ended = told.status.is_final();
                run.status = Some(clipped(&told.status));
                run.error = told.stats.as_ref().and_then(|stats| stats.error.as_deref()).map(clip);
                (run, None)
            }
            ExecutionEvent::NodeExecutionUpdate(told) => {
                let run = self.run(&told.user_id, &told.graph_id, &told.graph_exec_id, now_ms);
                let node = Node {
                    id: clip(&told.node_exec_id),
                    name: clip(&told.node_id),
                    status: clipped(&told.status),
                };
                let place = run.set(node);
                let run = &*run;
                (run, place.map(|place| &run.nodes[place]))
            }
        }
    }

    /// Takes over what `truth` knows. Runs that it does not know were started by others: those that have not ended may be
    /// other than they are shown, if something `was_missed`.
    pub(crate) fn reconcile(&mut self, truth: Self, was_missed: bool) {
        for run in self.by_key.values_mut() {
            run.may_be_stale |= was_missed && !run.has_ended;
        }
        for (key, mut run) in truth.by_key {
            if let Some(known) = self.by_key.get(&key) {
                run.first_seen_ms = known.first_seen_ms; // so that it keeps its place
            }
            self.by_key.insert(key, run);
        }
        let mut order: Vec<_> =
            self.by_key.values().map(|run| (run.first_seen_ms, run.key.clone())).collect();
        order.sort_unstable();
        self.order = order.into_iter().map(|(_, key)| key).collect();
        self.forget_the_oldest();
    }

    /// Those that are wanted, the newest first.
    pub(crate) fn newest_first<'a>(&'a self, wanted: &'a Wanted) -> impl Iterator<Item = &'a Run> {
        let runs = self.order.iter().rev().filter_map(|key| self.by_key.get(key));
        runs.filter(|run| wanted.has(&run.user, &run.graph))
    }

    fn run(&mut self, user: &str, graph: &str, id: &str, now_ms: u64) -> &mut Run {
        let (user, graph, id) = (clip(user), clip(graph), clip(id));
        let key = format!("{user}/{graph}/{id}");
        if !self.by_key.contains_key(&key) {
            self.order.push_back(key.clone());
            self.forget_the_oldest();
        }
        let run = self.by_key.entry(key.clone()).or_insert_with(|| Run {
            key,
            user,
            graph,
            id,
            status: None,
            has_ended: false,
            may_be_stale: false,
            error: None,
            first_seen_ms: now_ms,
            changed_ms: now_ms,
            has_more_nodes: false,
            nodes: Vec::new(),
        });
        run.changed_ms = now_ms;
        run
    }

    fn forget_the_oldest(&mut self) {
        while self.order.len() > KEPT_RUNS {
            if let Some(oldest) = self.order.pop_front() {
                self.by_key.remove(&oldest);
            }
        }
    }
}

impl Run {
    /// Where the node stands now; `None` if there is no room for it.
    fn set(&mut self, node: Node) -> Option<usize> {
        if let Some(place) = self.nodes.iter().position(|known| known.id == node.id) {
            self.nodes[place] = node;
            return Some(place);
        }
        if self.nodes.len() == KEPT_NODES {
            self.has_more_nodes = true;
            return None;
        }
        self.nodes.push(node);
        Some(self.nodes.len() - 1)
    }
}

/// Texts that differ stay apart: some are keys.
fn clip(text: &str) -> String {
    match text.char_indices().nth(KEPT_CHARACTERS) {
        Some((end, _)) => {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            format!("{}…{:016x}", &text[..end], hasher.finish())
        }
        None => text.to_owned(),
    }
}

fn clipped(status: &ExecutionStatus) -> ExecutionStatus {
    match status {
        ExecutionStatus::Other(name) => ExecutionStatus::Other(clip(name)),
        known => known.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
mod tests {
    use event_bus_examples::run_events;

    use super::*;

    fn told(runs: &mut Runs, run: &str, nodes: &[&str], failing: Option<&str>, at_ms: u64) {
        for event in run_events("ada", "letters", run, nodes, failing) {
            runs.apply(&event, at_ms);
        }
    }

    fn shown(runs: &Runs) -> Vec<Run> {
        runs.newest_first(&Wanted::default()).cloned().collect()
    }

    #[test]
    fn a_run_is_what_its_events_say() {
        let mut runs = Runs::default();
        told(&mut runs, "r-1", &["fetch", "send"], Some("send"), 7);
        let shown = shown(&runs);
        let [run] = &shown[..] else { panic!("one run") };
        assert_eq!(run.status, Some(ExecutionStatus::Failed));
        assert!(run.has_ended && run.error.is_some());
        let nodes: Vec<_> = run.nodes.iter().map(|node| (&*node.name, &node.status)).collect();
        assert_eq!(nodes, [("fetch", &ExecutionStatus::Completed), ("send", &ExecutionStatus::Failed)]);
    }

    #[test]
    fn runs_nodes_and_texts_are_bounded() {
        let mut runs = Runs::default();
        for run in 0..KEPT_RUNS + 10 {
            told(&mut runs, &format!("r-{run}"), &[], None, 0);
        }
        assert_eq!(shown(&runs).len(), KEPT_RUNS);
        assert_eq!(shown(&runs)[0].id, format!("r-{}", KEPT_RUNS + 9));
        let names: Vec<_> = (0..KEPT_NODES + 5).map(|name| format!("node-{name}")).collect();
        told(&mut runs, &"x".repeat(10_000), &names.iter().map(String::as_str).collect::<Vec<_>>(), None, 1);
        let run = &shown(&runs)[0];
        assert_eq!(run.nodes.len(), KEPT_NODES);
        assert!(run.has_more_nodes && run.id.chars().count() == KEPT_CHARACTERS + 17);
    }

    #[test]
    fn truth_replaces_what_was_heard_and_what_it_does_not_know_may_be_stale() {
        let (mut heard, mut truth) = (Runs::default(), Runs::default());
        let events = run_events("ada", "letters", "ours", &["fetch"], None);
        heard.apply(&events[1], 5); // running, and then nothing more
        for event in &events {
            truth.apply(event, 4);
        }
        heard.apply(&run_events("ben", "letters", "theirs", &[], None)[1], 6);
        told(&mut heard, "ended", &[], None, 7);
        heard.reconcile(truth, true);
        let runs = shown(&heard);
        let runs: Vec<_> = runs.iter().map(|run| (&*run.id, run.has_ended, run.may_be_stale)).collect();
        assert_eq!(runs, [("ended", true, false), ("theirs", false, true), ("ours", true, false)]);
    }

    #[test]
    fn a_filter_looks_for_parts_in_whatever_case() {
        let wanted = Wanted::new(" AD", "");
        assert!(wanted.has("ada", "letters") && wanted.has("Adam", "x") && !wanted.has("ben", "ada"));
        assert!(!Wanted::new("ada", "mail").has("ada", "letters"));
    }
}
