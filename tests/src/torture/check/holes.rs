//! Where in a stream an event would stand that is not there; and matching such holes with notices that excuse a
//! number of events each.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::ops::Range;

use super::{Case, Executed};
use crate::torture::record::{Published, Stream, Time};

/// The places of a stream that a missing event may have had: the notices at these indexes stand where it was lost.
pub(super) type Hole = Range<usize>;

/// Finds holes. Line by line, events have an order only on each channel.
#[derive(Debug)]
pub(super) enum Order {
    Common(Sequence),
    OfLines(HashMap<u32, Sequence>, usize),
}

/// The events of a stream by the times between which they were executed.
#[derive(Debug)]
pub(super) struct Sequence {
    /// By the latest time of execution: the last index of all up to here.
    executed_by: Vec<(Time, usize)>,
    /// By the earliest time of execution: the first index of all from here on.
    sent: Vec<(Time, usize)>,
    items: usize,
}

impl Order {
    pub(super) fn of(case: &Case<'_>, stream: &Stream) -> Self {
        let mut seen = HashSet::new();
        let events = stream.items.iter().enumerate().filter_map(|(index, heard)| {
            let id = heard.event()?;
            seen.insert(id).then_some((index, case.ledger.get(id)?))
        });
        let between = |(index, event): (usize, &Published)| (index, case.executed(event));
        let items = stream.items.len();
        if !case.is_line_by_line {
            return Self::Common(Sequence::of(&events.map(between).collect::<Vec<_>>(), items));
        }
        let mut by_line: HashMap<u32, Vec<_>> = HashMap::new();
        events.for_each(|(index, event)| {
            by_line.entry(event.id.channel).or_default().push(between((index, event)));
        });
        let sequences = by_line.into_iter().map(|(line, events)| (line, Sequence::of(&events, items)));
        Self::OfLines(sequences.collect(), items)
    }

    /// Behind the last event that was surely executed before `event`, up to the first that surely was after it.
    pub(super) fn hole_of(&self, case: &Case<'_>, event: &Published) -> Hole {
        let executed = case.executed(event);
        match self {
            Self::Common(sequence) => sequence.hole_of(executed),
            Self::OfLines(sequences, items) => {
                sequences.get(&event.id.channel).map_or(0..*items, |sequence| sequence.hole_of(executed))
            }
        }
    }
}

impl Sequence {
    fn of(events: &[(usize, Executed)], items: usize) -> Self {
        let mut executed_by: Vec<_> = events.iter().map(|(index, executed)| (executed.by, *index)).collect();
        executed_by.sort_unstable();
        let mut last = 0;
        for (_, index) in &mut executed_by {
            last = last.max(*index);
            *index = last;
        }
        let mut sent: Vec<_> = events.iter().map(|(index, executed)| (executed.from, *index)).collect();
        sent.sort_unstable();
        let mut first = items;
        for (_, index) in sent.iter_mut().rev() {
            first = first.min(*index);
            *index = first;
        }
        Self { executed_by, sent, items }
    }

    fn hole_of(&self, executed: Executed) -> Hole {
        let before = self.executed_by.partition_point(|(time, _)| *time <= executed.from);
        let start = if before == 0 { 0 } else { self.executed_by[before - 1].1 + 1 };
        let after = self.sent.partition_point(|(time, _)| *time < executed.by);
        let end = self.sent.get(after).map_or(self.items, |(_, index)| *index);
        start..end
    }
}

/// What is left when every notice has excused what it can.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unmatched {
    /// Indexes of holes for which there was no notice.
    pub(super) holes: Vec<usize>,
    /// For each notice, how many more it could have excused.
    pub(super) spare: Vec<u64>,
}

/// Matches as many `holes` as possible with `notices` (index in the stream, how many events it excuses; ascending):
/// each notice takes the holes that end first, which is the best choice for points on a line.
pub(super) fn assign(holes: &[Hole], notices: &[(usize, u64)]) -> Unmatched {
    let mut by_start: Vec<usize> = (0..holes.len()).collect();
    by_start.sort_unstable_by_key(|hole| holes[*hole].start);
    let mut coming = by_start.into_iter().peekable();
    let mut open = BinaryHeap::new();
    let mut unmatched = Unmatched { holes: Vec::new(), spare: Vec::new() };
    for (at, excuses) in notices {
        while let Some(hole) = coming.next_if(|hole| holes[*hole].start <= *at) {
            open.push(Reverse((holes[hole].end, hole)));
        }
        let mut spare = *excuses;
        while let Some(Reverse((end, hole))) = open.peek().copied() {
            if end <= *at {
                unmatched.holes.push(hole);
            } else if spare > 0 {
                spare -= 1;
            } else {
                break;
            }
            open.pop();
        }
        unmatched.spare.push(spare);
    }
    unmatched.holes.extend(open.into_iter().map(|Reverse((_, hole))| hole));
    unmatched.holes.extend(coming);
    unmatched.holes.sort_unstable();
    unmatched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_excuse_what_stands_around_them_and_no_more_than_they_say() {
        let holes = [0..3, 0..10, 2..3, 4..5, 7..10];
        let none = assign(&holes, &[]);
        assert_eq!((none.holes, none.spare), (vec![0, 1, 2, 3, 4], vec![]));
        let some = assign(&holes, &[(2, 2), (8, 2)]);
        assert_eq!(
            (some.holes, some.spare),
            (vec![3], vec![0, 0]),
            "the wide hole waits for the later notice"
        );
        let ample = assign(&holes, &[(2, 5), (8, 5)]);
        assert_eq!((ample.holes, ample.spare), (vec![3], vec![2, 4]));
    }
}
