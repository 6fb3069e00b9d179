//! What browsers are sent: each message is written once, as a frame of server-sent events, for all of them.

use axum::body::Bytes;
use event_bus_core::Notice;
use serde::Serialize;

use crate::runs::{Node, Run, Wanted};

/// A message to browsers. Its number says where in the order of all messages it stands.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) seq: u64,
    pub(crate) bytes: Bytes,
    /// Whose run it is about, and of which graph; others are about all.
    about: Option<(String, String)>,
}

impl Frame {
    /// The message `name` with `data`. The id comes back as `Last-Event-ID` when a browser connects anew.
    pub(crate) fn new(name: &str, epoch: &str, seq: u64, data: &impl Serialize) -> Self {
        let data = serde_json::to_string(data).unwrap_or_default(); // text and numbers: nothing that can fail
        let bytes = format!("id: {epoch}.{seq}\nevent: {name}\ndata: {data}\n\n").into();
        Self { seq, bytes, about: None }
    }

    /// An event of the bus, under its own name.
    pub(crate) fn of_event(name: &str, epoch: &str, seq: u64, run: &Run, node: Option<&Node>) -> Self {
        let about = Some((run.user.clone(), run.graph.clone()));
        Self { about, ..Self::new(name, epoch, seq, &Change { seq, run, node }) }
    }

    pub(crate) fn is_for(&self, wanted: &Wanted) -> bool {
        self.about.as_ref().is_none_or(|(user, graph)| wanted.has(user, graph))
    }
}

/// What an event changed.
#[derive(Serialize)]
struct Change<'a> {
    seq: u64,
    run: &'a Run,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a Node>,
}

/// The first message to a browser: from which one on it is told, and how many came since the last that it saw.
#[derive(Debug, Serialize)]
pub(crate) struct Hello<'a> {
    pub(crate) seq: u64,
    pub(crate) epoch: &'a str,
    pub(crate) missed: Option<u64>,
}

/// To one browser that was too slow: so many messages were passed over, and the next follow behind `seq`.
#[derive(Debug, Serialize)]
pub(crate) struct Missed {
    pub(crate) seq: u64,
    pub(crate) missed: u64,
}

/// Something that a person should see.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    /// How often it came, one behind the other.
    pub(crate) times: u64,
    pub(crate) at_ms: u64,
}

/// A name for each sort of notice.
pub(crate) fn kind_of(notice: &Notice) -> &'static str {
    match notice {
        Notice::Lagged { .. } => "lagged",
        Notice::Interrupted => "interrupted",
        Notice::Resumed { .. } => "resumed",
        Notice::Gap { .. } => "gap",
        Notice::Oversized { .. } => "oversized",
        Notice::UnknownType { .. } => "unknown_type",
        Notice::Undecodable { .. } => "undecodable",
        Notice::Denied { .. } => "denied",
        Notice::Overflowed => "overflowed",
        Notice::Stopped { .. } => "stopped",
        _ => "other",
    }
}
