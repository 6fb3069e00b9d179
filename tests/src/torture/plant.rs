//! Planted faults: what a checker that found nothing has to find, to be believed.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::time::Duration;

use super::check::{Case, Outage, outages};
use super::record::{EventId, Heard, Item, Outcome, Published, Stream, Time};

/// No notice is this near to where something is planted.
const QUIET: Duration = Duration::from_secs(2);
/// Its neighbours are this near.
const NEAR: Duration = Duration::from_secs(1);

/// What is done to one listener's recorded stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    /// An event is taken out where all was well.
    Lost,
    /// An event and the next one of the same publisher and channel change places.
    Swapped,
    /// An event stands there twice.
    Doubled,
    /// An `Interrupted` and its `Resumed` are taken out where something was lost.
    Withheld,
    /// An `Interrupted` and a `Resumed` are put in where all was well.
    Invented,
    /// A `Gap` is taken out.
    GapWithheld,
    /// A `Gap` is put in where nothing is missing.
    GapInvented,
    /// An event is taken out as if a deposed master had still acknowledged it when everybody should have left it.
    Outlived,
}

impl Plant {
    pub(super) const ALL: [Self; 8] = [
        Self::Lost,
        Self::Swapped,
        Self::Doubled,
        Self::Withheld,
        Self::Invented,
        Self::GapWithheld,
        Self::GapInvented,
        Self::Outlived,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Swapped => "swapped",
            Self::Doubled => "doubled",
            Self::Withheld => "withheld",
            Self::Invented => "invented",
            Self::GapWithheld => "gap-withheld",
            Self::GapInvented => "gap-invented",
            Self::Outlived => "outlived",
        }
    }

    /// Alters one of `streams` and says what was done; `None` if there is no suitable place.
    pub(super) fn plant(
        self,
        case: &Case<'_>,
        streams: &mut [Stream],
        random: &mut fastrand::Rng,
    ) -> Option<String> {
        let places = |stream: &Stream| match self {
            Self::Lost | Self::Swapped | Self::Doubled => quiet_pairs(case, stream),
            Self::Withheld => outages_with_a_loss(case, stream),
            Self::Invented | Self::GapInvented => far_from_faults(case, stream),
            Self::GapWithheld => gaps_with_a_loss(case, stream),
            Self::Outlived => just_after_a_deposition(case, stream),
        };
        let places = streams.iter().enumerate().flat_map(|(number, stream)| {
            places(stream).into_iter().map(move |(first, second)| (number, first, second))
        });
        let (number, first, second) = random.choice(places.collect::<Vec<_>>())?;
        let Stream { name, items, .. } = &mut streams[number];
        let at = items[first].at;
        let what = match self {
            Self::Lost | Self::Outlived => format!("{} is taken out", described(&items.remove(first))),
            Self::Swapped => {
                let late = Heard { at: items[second].at, ..items[first].clone() };
                items.insert(second + 1, late);
                items.remove(first);
                format!("{} comes behind the next one", described(&items[second]))
            }
            Self::Doubled => {
                let again = Heard { at: items[second].at, ..items[first].clone() };
                items.insert(second + 1, again);
                format!("{} comes again", described(&items[first]))
            }
            Self::Withheld => {
                items.remove(second);
                items.remove(first);
                "an outage is not told".to_owned()
            }
            Self::Invented => {
                let told = [Item::Interrupted, Item::Resumed { down_for: Duration::ZERO }];
                items.splice(second..second, told.map(|item| Heard { at, item }));
                "an outage is told that did not happen".to_owned()
            }
            Self::GapWithheld => {
                items.remove(first);
                format!("what is missing before {} is not told", described(&items[first]))
            }
            Self::GapInvented => {
                let channel = items[second].event()?.channel;
                let before = format!("one is told missing before {}", described(&items[second]));
                items.insert(second, Heard { at, item: Item::Gap { channel, missed: 1 } });
                before
            }
        };
        Some(format!("{}: listener {name}, at {at:.3?}: {what}", self.name()))
    }
}

/// Events of a deposed master's channels, heard soon after it should have been left, with others of the same channel before and
/// behind and no notice between those.
fn just_after_a_deposition(case: &Case<'_>, stream: &Stream) -> Vec<(usize, usize)> {
    let too_late = |id: EventId| {
        let event = case.ledger.get(id).filter(|event| event.outcome == Outcome::Acked);
        let event = event.filter(|event| case.deposed(event).is_none());
        let mut deposed = case.faults.iter().filter_map(|fault| fault.deposed);
        event.is_some_and(|event| {
            event.sent >= stream.confirmed
                && deposed.any(|deposed| {
                    let end = deposed.succeeded + case.tolerance.deposed;
                    deposed.lines.contain(id.channel) && event.sent > end && event.sent < end + NEAR
                })
        })
    };
    let mut places = Vec::new();
    let mut last_two: HashMap<u32, [Option<usize>; 2]> = HashMap::new();
    for (index, heard) in stream.items.iter().enumerate() {
        if heard.is_notice() {
            last_two.clear();
            continue;
        }
        let Some(id) = heard.event() else { continue };
        let [first, second] = last_two.entry(id.channel).or_default();
        if let (Some(_), Some(place)) = (*first, *second)
            && stream.items[place].event().is_some_and(too_late)
        {
            places.push((place, index));
        }
        (*first, *second) = (*second, Some(index));
    }
    places
}

fn described(heard: &Heard) -> String {
    heard.event().map_or_else(|| format!("{:?}", heard.item), |id| id.to_string())
}

/// Events with the next one of the same publisher and channel, both due, in the midst of others, far from notices.
fn quiet_pairs(case: &Case<'_>, stream: &Stream) -> Vec<(usize, usize)> {
    let is_due = |id: EventId| {
        let is_due = |it: &Published| it.outcome == Outcome::Acked && it.sent >= stream.confirmed;
        case.ledger.get(id).is_some_and(|it| is_due(it) && case.deposed(it).is_none())
    };
    let notices: Vec<Time> = stream.items.iter().filter(|it| it.is_notice()).map(|it| it.at).collect();
    let is_quiet = |at: Time| is_far_from(&notices, at);
    let mut last_two = HashMap::new();
    let mut pairs = Vec::new();
    for (index, heard) in stream.items.iter().enumerate() {
        let Some(id) = heard.event().filter(|id| is_due(*id) && is_quiet(heard.at)) else { continue };
        let known: &mut [Option<usize>; 2] = last_two.entry((id.publisher, id.channel)).or_default();
        if let [Some(first), Some(second)] = *known
            && heard.at.saturating_sub(stream.items[first].at) < NEAR
            && index + 1 < stream.items.len()
        {
            pairs.push((second, index));
        }
        *known = [known[1], Some(index)];
    }
    pairs.pop(); // so that there is one behind
    pairs
}

fn is_far_from(sorted: &[Time], at: Time) -> bool {
    let next = sorted.partition_point(|time| *time < at);
    let near = |index: usize| sorted.get(index).is_some_and(|time| time.abs_diff(at) < QUIET);
    !near(next) && (next == 0 || !near(next - 1))
}

/// Gaps, with what stands behind them, that alone tell of something that was published.
fn gaps_with_a_loss(case: &Case<'_>, stream: &Stream) -> Vec<(usize, usize)> {
    let is_another = |heard: &&Heard| heard.is_notice() && !matches!(heard.item, Item::Gap { .. });
    let others: Vec<Time> = stream.items.iter().filter(is_another).map(|heard| heard.at).collect();
    let heard: HashSet<EventId> = stream.items.iter().filter_map(Heard::event).collect();
    let is_acked_and_missing = |id: EventId| {
        case.ledger.get(id).is_some_and(|it| it.outcome == Outcome::Acked) && !heard.contains(&id)
    };
    let suitable = stream.items.iter().enumerate().filter(|(index, gap)| {
        let next = stream.items.get(index + 1).and_then(Heard::event);
        let is_gap = matches!(gap.item, Item::Gap { .. });
        is_gap
            && is_far_from(&others, gap.at)
            && next.is_some_and(|next| {
                let last = next.number.checked_sub(1);
                last.is_some_and(|number| is_acked_and_missing(EventId { number, ..next }))
            })
    });
    suitable.map(|(index, _)| (index, index + 1)).collect()
}

/// Outages during which, surely, something was published; far from other notices.
fn outages_with_a_loss(case: &Case<'_>, stream: &Stream) -> Vec<(usize, usize)> {
    if !stream.nap.is_zero() {
        return Vec::new(); // it does not know when they were
    }
    let heard: HashSet<EventId> = stream.items.iter().filter_map(Heard::event).collect();
    let is_apart = |outage: &Outage, resumed: usize| {
        stream.items.iter().enumerate().filter(|(_, heard)| heard.is_notice()).all(|(index, heard)| {
            index == outage.interrupted
                || index == resumed
                || heard.at + NEAR < outage.from
                || heard.at > outage.until + NEAR
        })
    };
    let has_a_loss = |outage: &Outage| {
        case.ledger.all().iter().any(|event| {
            event.outcome == Outcome::Acked
                && stream.hears(event)
                && event.sent > outage.from.max(stream.confirmed)
                && event.done + Duration::from_millis(5) < outage.until
                && !heard.contains(&event.id)
        })
    };
    let outages = outages(case, stream).into_iter();
    let outages = outages.filter_map(|outage| Some((outage, outage.resumed?)));
    let suitable = outages.filter(|(outage, resumed)| is_apart(outage, *resumed) && has_a_loss(outage));
    suitable.map(|(outage, resumed)| (outage.interrupted, resumed)).collect()
}

/// Neighbouring items between which no fault can be felt.
fn far_from_faults(case: &Case<'_>, stream: &Stream) -> Vec<(usize, usize)> {
    let is_felt = |at: Time| {
        let near = |begin: Time, end: Time| begin <= at + NEAR && at <= end + case.tolerance.notice + NEAR;
        case.faults.iter().any(|fault| near(fault.begin, fault.end))
    };
    if !stream.nap.is_zero() {
        return Vec::new(); // it may read old notices
    }
    let both_events =
        |index: usize| stream.items[index..=index + 1].iter().all(|heard| heard.event().is_some());
    let places = 0..stream.items.len().saturating_sub(1);
    let places = places.filter(|index| both_events(*index) && !is_felt(stream.items[*index].at));
    places.map(|index| (index, index + 1)).collect()
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|plant| plant.name() == name);
        named.ok_or_else(|| format!("no plant is called {name:?}"))
    }
}
