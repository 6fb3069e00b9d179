//! What was done when, and what each listener was told of it, for whoever looks for the reason of something.

use std::fmt::Write as _;

use super::record::{Fault, Heard, Item, Time};
use super::run::Recording;

/// One line for each fault and each notice, in the order of time.
pub(super) fn timeline(recording: &Recording) -> String {
    let mut lines: Vec<(Time, String)> = Vec::new();
    for fault in &recording.faults {
        let Fault { kind, begin, end, reach, elected, deposed, .. } = fault;
        let name = kind.name();
        lines.push((
            *begin,
            format!("{name}: may tell {:?}, must tell {:?}", reach.may_tell, reach.must_tell),
        ));
        if let Some(elected) = elected {
            lines.push((*elected, format!("{name}: another has taken over")));
        }
        if let Some(deposed) = deposed {
            lines.push((deposed.succeeded, format!("{name}: known to all who ask, {:?}", deposed.lines)));
        }
        lines.push((*end, format!("{name} is over")));
    }
    for stream in &recording.streams {
        let notices = stream.items.iter().filter(|heard| heard.is_notice());
        let notices = notices.filter(|heard| !matches!(heard.item, Item::Lagged { .. }));
        lines.push((stream.confirmed, format!("  listener {} listens", stream.name)));
        lines
            .extend(notices.map(|Heard { at, item }| (*at, format!("  listener {}: {item:?}", stream.name))));
    }
    lines.sort();
    lines.iter().fold(String::new(), |mut text, (at, line)| {
        let _ = writeln!(text, "{at:>12.3?} {line}");
        text
    })
}
