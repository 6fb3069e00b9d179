//! Publishers that the server does not let in: only while the password is another one, and then all of them.

use super::Case;
use crate::torture::record::{Fault, FaultKind, Lines, Outcome, Published};

/// What was refused without a reason, or taken from somebody who had been shut out.
pub(in crate::torture) fn strange_logins(case: &Case<'_>) -> impl Iterator<Item = String> {
    case.ledger.all().iter().filter_map(|event| {
        let Published { id, sent, done, outcome } = event;
        let mut shut_outs = case.faults.iter().filter(|fault| shuts_out(fault));
        let is_strange = match outcome {
            Outcome::Denied => !shut_outs.any(|fault| explains(case, fault, event)),
            Outcome::Acked | Outcome::Unknown => shut_outs.any(|fault| forbids(case, fault, event)),
            Outcome::NotSent | Outcome::Farewell => false, // whoever gives up early has no answer yet, or none at all
        };
        is_strange.then(|| format!("login: {id}, sent at {sent:.3?}, {outcome:?} at {done:.3?}"))
    })
}

/// Whether the old password ended before anybody was told of the new one, which was when the fault ended.
fn shuts_out(fault: &Fault) -> bool {
    fault.kind == FaultKind::Rotate && fault.reach.may_tell != Lines::NONE
}

/// A publisher dials again after half a second at most, and is refused until then.
fn explains(case: &Case<'_>, fault: &Fault, event: &Published) -> bool {
    event.done >= fault.begin && event.sent <= fault.end + case.tolerance.slack
}

/// One server after the other learns of it.
fn forbids(case: &Case<'_>, fault: &Fault, event: &Published) -> bool {
    event.sent > fault.begin + case.tolerance.slack && event.done < fault.end
}
