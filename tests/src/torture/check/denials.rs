//! Publishers that the server did not let in: only while the password was another, and soon let in again.

use super::Case;
use crate::torture::record::{Fault, FaultKind, Lines, Outcome, Published};

/// What was denied and should not have been, for people.
pub(in crate::torture) fn groundless_denials(case: &Case<'_>) -> impl Iterator<Item = String> {
    let denied = case.ledger.all().iter().filter(|event| event.outcome == Outcome::Denied);
    let groundless = denied.filter(|event| !case.faults.iter().any(|fault| explains(case, fault, event)));
    groundless.map(|Published { id, sent, done, .. }| {
        format!("denied: {id}, sent at {sent:.3?}, refused at {done:.3?} with a password that was good")
    })
}

fn explains(case: &Case<'_>, fault: &Fault, event: &Published) -> bool {
    let locks_out = fault.kind == FaultKind::Rotate && fault.reach.may_tell != Lines::NONE;
    // A publisher dials again after half a second at most, and fails until then.
    locks_out && event.done >= fault.begin && event.sent <= fault.end + case.tolerance.slack
}
