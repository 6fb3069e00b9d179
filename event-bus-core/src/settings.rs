//! What a bus is told besides its name: the size rule, and how much each subscription may queue.

use crate::limit::{MessageLimit, Oversize};
use crate::transport::InboxLimits;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) size_rule: SizeRule,
    pub(crate) inbox: InboxLimits,
    /// Whether what it publishes is numbered.
    pub(crate) is_sequenced: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SizeRule {
    pub(crate) limit: MessageLimit,
    pub(crate) oversize: Oversize,
}
