//! The execution bus: how a run of an agent graph, and each node in it, is doing.

use std::collections::BTreeMap;

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An update of a run, or of one node in it. Every event goes to the channel of its run and to the one of its graph;
/// the braces, literal in the channel, are Redis Cluster's hash tag and keep both in one slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[serde(tag = "event_type", rename_all = "snake_case")]
#[bus(
    name = "execution_event",
    decode_by_tag,
    channel(run = "{{{user_id}/{graph_id}}}/exec/{id}", graph = "{{{user_id}/{graph_id}}}/all")
)]
pub enum ExecutionEvent {
    /// A run changed.
    GraphExecutionUpdate(Box<GraphExecution>),
    /// A node of a run changed.
    #[bus(field(id = "graph_exec_id"))]
    NodeExecutionUpdate(Box<NodeExecution>),
}

/// One run of a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphExecution {
    /// The run.
    pub id: String,
    /// Whose run it is.
    pub user_id: String,
    /// The graph that runs.
    pub graph_id: String,
    /// Its version.
    pub graph_version: i64,
    /// What it was given, by name.
    pub inputs: Map<String, Value>,
    /// The credentials it was given, by name.
    pub credential_inputs: Option<Map<String, Value>>,
    /// Inputs of nodes that were overridden.
    pub nodes_input_masks: Option<Map<String, Value>>,
    /// The preset it was started from.
    pub preset_id: Option<String>,
    /// How it is doing.
    pub status: ExecutionStatus,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether others may see it.
    pub is_shared: bool,
    /// By which token.
    pub share_token: Option<String>,
    /// Whether nothing was really done.
    pub is_dry_run: bool,
    /// What it took.
    pub stats: Option<ExecutionStats>,
    /// What it produced, by name.
    pub outputs: BTreeMap<String, Vec<Value>>,
}

/// What a run took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecutionStats {
    /// In cents.
    pub cost: i64,
    /// In seconds.
    pub duration: f64,
    /// In seconds, without waiting.
    pub duration_cpu_only: f64,
    /// In seconds, over all nodes.
    pub node_exec_time: f64,
    /// In seconds, over all nodes, without waiting.
    pub node_exec_time_cpu_only: f64,
    /// How many nodes ran.
    pub node_exec_count: i64,
    /// How many of them failed.
    pub node_error_count: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// What it did, in a sentence.
    pub activity_status: Option<String>,
    /// How well it did, from 0 to 1.
    pub correctness_score: Option<f64>,
    /// What newer writers add.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One node's execution within a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeExecution {
    /// Whose run it is.
    pub user_id: String,
    /// The graph that runs.
    pub graph_id: String,
    /// Its version.
    pub graph_version: i64,
    /// The run.
    pub graph_exec_id: String,
    /// This execution.
    pub node_exec_id: String,
    /// The node.
    pub node_id: String,
    /// What the node is an instance of.
    pub block_id: String,
    /// How it is doing.
    pub status: ExecutionStatus,
    /// What it was given, by name.
    pub input_data: Map<String, Value>,
    /// What it produced, by name.
    pub output_data: BTreeMap<String, Vec<Value>>,
    /// When it was added.
    pub add_time: Timestamp,
    /// When it was queued.
    pub queue_time: Option<Timestamp>,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
}

/// How an execution is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExecutionStatus {
    /// Not all inputs are there.
    Incomplete,
    /// Waits for its turn.
    Queued,
    /// Runs.
    Running,
    /// Done.
    Completed,
    /// Stopped by somebody.
    Terminated,
    /// Failed.
    Failed,
    /// Waits for a person.
    Review,
    /// One that came after this was written; kept as it is.
    #[serde(untagged)]
    Other(String),
}

impl ExecutionStatus {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Terminated | Self::Failed)
    }
}

/// A time as the platform writes it, such as `2025-01-02T03:04:05.120000Z`. Kept as text, since the form of the
/// fraction and of the offset is part of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub String);
