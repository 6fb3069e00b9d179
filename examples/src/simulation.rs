//! The events that a run of a small agent graph makes: queued, running, node after node, and how it ended.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use crate::{ExecutionEvent, ExecutionStats, ExecutionStatus, GraphExecution, NodeExecution, Timestamp};

/// All events of one run, in order. With a `failing_node`, that node fails and the run with it.
#[must_use]
pub fn run_events(
    user_id: &str,
    graph_id: &str,
    run_id: &str,
    nodes: &[&str],
    failing_node: Option<&str>,
) -> Vec<ExecutionEvent> {
    let run = Run { user: user_id, graph: graph_id, id: run_id };
    let mut events = vec![run.graph(ExecutionStatus::Queued, 0), run.graph(ExecutionStatus::Running, 0)];
    let mut done = 0;
    for name in nodes {
        events.push(run.node(name, ExecutionStatus::Running, done));
        done += 1;
        if failing_node == Some(name) {
            events.push(run.node(name, ExecutionStatus::Failed, done));
            events.push(run.graph(ExecutionStatus::Failed, done));
            return events;
        }
        events.push(run.node(name, ExecutionStatus::Completed, done));
    }
    events.push(run.graph(ExecutionStatus::Completed, done));
    events
}

struct Run<'a> {
    user: &'a str,
    graph: &'a str,
    id: &'a str,
}

impl Run<'_> {
    /// The run itself, after as many nodes as seconds.
    fn graph(&self, status: ExecutionStatus, done: i64) -> ExecutionEvent {
        let is_final = status.is_final();
        let has_failed = status == ExecutionStatus::Failed;
        let taken = ExecutionStats {
            cost: 2 * done,
            node_exec_count: done,
            node_error_count: i64::from(has_failed),
            error: has_failed.then(|| "a node failed".to_owned()),
            ..ExecutionStats::default()
        };
        ExecutionEvent::GraphExecutionUpdate(Box::new(GraphExecution {
            id: self.id.into(),
            user_id: self.user.into(),
            graph_id: self.graph.into(),
            graph_version: 1,
            inputs: Map::from_iter([("topic".to_owned(), json!("event buses"))]),
            credential_inputs: None,
            nodes_input_masks: None,
            preset_id: None,
            started_at: (status != ExecutionStatus::Queued).then(|| at(0)),
            ended_at: is_final.then(|| at(done)),
            status,
            is_shared: false,
            share_token: None,
            is_dry_run: false,
            stats: is_final.then_some(taken),
            outputs: BTreeMap::new(),
        }))
    }

    fn node(&self, name: &str, status: ExecutionStatus, second: i64) -> ExecutionEvent {
        ExecutionEvent::NodeExecutionUpdate(Box::new(NodeExecution {
            user_id: self.user.into(),
            graph_id: self.graph.into(),
            graph_version: 1,
            graph_exec_id: self.id.into(),
            node_exec_id: format!("{}-{name}", self.id),
            node_id: name.into(),
            block_id: format!("block-{name}"),
            input_data: Map::new(),
            output_data: BTreeMap::new(),
            add_time: at(second),
            queue_time: Some(at(second)),
            start_time: Some(at(second)),
            end_time: status.is_final().then(|| at(second + 1)),
            status,
        }))
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp(format!("2025-01-02T03:04:{:02}Z", second % 60))
}
