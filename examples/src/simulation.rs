//! The events that a run of a small agent graph makes: queued, running, node after node, and how it ended.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use crate::{ExecutionEvent, ExecutionStats, ExecutionStatus, GraphExecution, NodeExecution, Timestamp};

/// All events of one run, in order. With `failing_node`, that node fails and the run with it.
#[must_use]
pub fn run_events(
    user_id: &str,
    graph_id: &str,
    run_id: &str,
    nodes: &[&str],
    failing_node: Option<&str>,
) -> Vec<ExecutionEvent> {
    let graph = |status: ExecutionStatus, done: i64| {
        let is_final = status.is_final();
        let failed = status == ExecutionStatus::Failed;
        ExecutionEvent::GraphExecutionUpdate(Box::new(GraphExecution {
            id: run_id.into(),
            user_id: user_id.into(),
            graph_id: graph_id.into(),
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
            stats: is_final.then(|| ExecutionStats {
                cost: 2 * done,
                node_exec_count: done,
                node_error_count: i64::from(failed),
                error: failed.then(|| "a node failed".to_owned()),
                ..ExecutionStats::default()
            }),
            outputs: BTreeMap::new(),
        }))
    };
    let node = |name: &str, status: ExecutionStatus, second: i64| {
        let is_final = status.is_final();
        ExecutionEvent::NodeExecutionUpdate(Box::new(NodeExecution {
            user_id: user_id.into(),
            graph_id: graph_id.into(),
            graph_version: 1,
            graph_exec_id: run_id.into(),
            node_exec_id: format!("{run_id}-{name}"),
            node_id: name.into(),
            block_id: format!("block-{name}"),
            status,
            input_data: Map::new(),
            output_data: BTreeMap::new(),
            add_time: at(second),
            queue_time: Some(at(second)),
            start_time: Some(at(second)),
            end_time: is_final.then(|| at(second + 1)),
        }))
    };

    let mut events = vec![graph(ExecutionStatus::Queued, 0), graph(ExecutionStatus::Running, 0)];
    let mut done = 0;
    for name in nodes {
        events.push(node(name, ExecutionStatus::Running, done));
        done += 1;
        if failing_node == Some(name) {
            events.push(node(name, ExecutionStatus::Failed, done));
            events.push(graph(ExecutionStatus::Failed, done));
            return events;
        }
        events.push(node(name, ExecutionStatus::Completed, done));
    }
    events.push(graph(ExecutionStatus::Completed, done));
    events
}

fn at(second: i64) -> Timestamp {
    Timestamp(format!("2025-01-02T03:04:{:02}Z", second % 60))
}
