//! What will be done, and when: decided by a seed before anything is done. How it is done stands in `faults.rs`.

use std::num::NonZeroU32;
use std::time::Duration;

use super::record::{FaultKind, Reach, Time};
use crate::proxy::Direction;

/// Long enough for every listener to have heard something before the first fault.
const FIRST_CALM: Duration = Duration::from_millis(1500);
/// Shorter than the library waits for an answer while anything comes: however much is held back, it is no outage.
const LONGEST_CRAWL: u64 = 3000;
/// Longer than the library takes to notice that it is not heard any more, though it hears: a black hole ends in a cut, which
/// is no merit to notice.
const LONGEST_WITHOUT_BEING_HEARD: u64 = 9000;
/// Longer than it trusts in silence, for the same reason.
const LONGEST_SILENCE: u64 = 6000;

/// One fault, some time after the end of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// Carried out even if time is up: how long others take is up to the servers, and a run proves nothing about what it never
    /// came to.
    pub(super) is_first_of_its_kind: bool,
    pub(super) calm: Duration,
    /// Of several servers, whom it hits: the one that this number stands for then.
    pub(super) victim: usize,
    pub(super) deed: Deed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// The clients of these types are cut off, in this order.
    Kill(&'static [&'static str]),
    Restart {
        down: Duration,
    },
    Stop {
        lasting: Duration,
    },
    /// The network cuts the connections of the listeners, and perhaps those of the publishers. Without a network, listeners
    /// are cut off for a while.
    Cut {
        publishers_too: bool,
        lasting: Duration,
    },
    /// It swallows what goes this way, and cuts at the end.
    BlackHole {
        direction: Direction,
        publishers_too: bool,
        lasting: Duration,
    },
    Slow(Slow),
    /// So many events are published as fast as can be.
    Flood {
        events: u32,
    },
    /// The next message reaches nobody.
    Drop,
    /// The next so many do not reach the listeners.
    Lose {
        messages: u64,
    },
    Rotate(Rotation),
    Failover(Change),
    /// So many channels' slots move, with such pauses.
    Migrate {
        moves: usize,
        pause: Duration,
    },
    /// A node is cut off from the other servers, for so long after another has taken over; or only for a moment.
    Isolate {
        lasting: Duration,
        is_short: bool,
    },
}

/// How operators change the password of the bus's user, at all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    /// In order: the new one is good beside the old one, which ends so long after everybody was told of the new one.
    Gentle { overlap: Duration },
    /// The old one ends, and with it all who have logged in, so long before anybody is told of the new one.
    Harsh { gap: Duration },
}

/// How a master makes room for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is killed, and started again so long after another has been elected.
    Crash { down: Duration },
    /// By hand, both running.
    ByHand,
}

/// Bytes crawl to the listeners, and perhaps from the publishers. Without a network, messages arrive with a delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slow {
    pub(super) listeners_pace: NonZeroU32,
    pub(super) publishers_pace: Option<NonZeroU32>,
    pub(super) delay: Duration,
    pub(super) lasting: Duration,
}

impl Deed {
    fn of(kind: FaultKind, random: &mut fastrand::Rng) -> Self {
        match kind {
            FaultKind::Kill => {
                let victims: [&[&str]; 4] =
                    [&["pubsub"], &["pubsub"], &["pubsub", "normal"], &["normal", "pubsub"]];
                Self::Kill(victims[random.usize(..victims.len())])
            }
            FaultKind::Restart => Self::Restart { down: millis(random, 20..1500) },
            FaultKind::Stop => Self::Stop { lasting: millis(random, 1000..4000) },
            FaultKind::Cut => Self::Cut { publishers_too: random.bool(), lasting: millis(random, 20..1500) },
            FaultKind::BlackHole => black_hole(random),
            FaultKind::Slow => Self::Slow(slow(random)),
            FaultKind::Flood => Self::Flood { events: random.u32(2_000..6_000) },
            FaultKind::Drop => Self::Drop,
            FaultKind::Lose => Self::Lose { messages: random.u64(10..100) },
            FaultKind::Rotate => Self::Rotate(rotation(random)),
            FaultKind::Failover => Self::Failover(change(random)),
            FaultKind::Migrate => Self::Migrate { moves: random.usize(1..6), pause: millis(random, 0..400) },
            FaultKind::Isolate => {
                let is_short = random.u8(..4) == 0;
                let lasting = if is_short { 200..1500 } else { 0..3000 };
                Self::Isolate { lasting: millis(random, lasting), is_short }
            }
        }
    }

    /// By the library's own time-outs, and a busy machine: 3 s of silence, 5 s where events still come. Who is cut off sees it at
    /// once, when some servers have been told.
    pub(super) fn noticed_within(&self) -> Duration {
        Duration::from_millis(match self {
            Self::Rotate(_) => 2500,
            Self::BlackHole { direction: Direction::FromServer | Direction::Both, .. }
            | Self::Stop { .. } => 4500,
            _ => 6500,
        })
    }

    /// Whom it concerns, if it is done to all servers.
    pub(super) fn reach(&self, tells_until: Time) -> Reach {
        match self {
            Self::Rotate(Rotation::Gentle { .. }) => Reach::of_nobody(),
            _ => Reach::of_all(tells_until),
        }
    }

    /// Whether it is done to one of several servers, where there are several.
    pub(super) fn is_upheaval(&self) -> bool {
        !matches!(self, Self::Flood { .. } | Self::Rotate(_))
    }

    pub(super) fn kind(&self) -> FaultKind {
        match self {
            Self::Kill(_) => FaultKind::Kill,
            Self::Restart { .. } => FaultKind::Restart,
            Self::Stop { .. } => FaultKind::Stop,
            Self::Cut { .. } => FaultKind::Cut,
            Self::BlackHole { .. } => FaultKind::BlackHole,
            Self::Slow(_) => FaultKind::Slow,
            Self::Flood { .. } => FaultKind::Flood,
            Self::Drop => FaultKind::Drop,
            Self::Lose { .. } => FaultKind::Lose,
            Self::Rotate(_) => FaultKind::Rotate,
            Self::Failover(_) => FaultKind::Failover,
            Self::Migrate { .. } => FaultKind::Migrate,
            Self::Isolate { .. } => FaultKind::Isolate,
        }
    }
}

/// Faults without end, of all `kinds` in ever new order.
pub(super) fn plan(kinds: Vec<FaultKind>, mut random: fastrand::Rng) -> impl Iterator<Item = Planned> + Send {
    let mut round: Vec<FaultKind> = Vec::new();
    let (mut is_first, mut rounds) = (true, 0_u64);
    let mut victims = random.clone(); // so that the plan is the same with them and without
    std::iter::from_fn(move || {
        if round.is_empty() {
            round.clone_from(&kinds);
            rounds += 1;
            random.shuffle(&mut round);
        }
        let deed = Deed::of(round.pop()?, &mut random);
        // Now and then so soon that the listener has not recovered from the fault before.
        let calm = if random.u8(..4) == 0 { 20..400 } else { 1500..4000 };
        let calm = millis(&mut random, calm) + if is_first { FIRST_CALM } else { Duration::ZERO };
        is_first = false;
        Some(Planned { is_first_of_its_kind: rounds == 1, calm, victim: victims.usize(..), deed })
    })
}

/// While nothing is heard but the way to the server is open, much is missed; where it is the other way round, nothing is, until
/// it is noticed, which takes longer.
fn black_hole(random: &mut fastrand::Rng) -> Deed {
    let direction = [Direction::ToServer, Direction::FromServer, Direction::Both][random.usize(..3)];
    let longest =
        if direction == Direction::ToServer { LONGEST_WITHOUT_BEING_HEARD } else { LONGEST_SILENCE };
    let lasting = millis(random, 1000..longest);
    Deed::BlackHole { direction, publishers_too: random.bool(), lasting }
}

/// Listeners alone fall behind what is published; where publishers crawl too, all live at the pace of the network.
fn slow(random: &mut fastrand::Rng) -> Slow {
    Slow {
        listeners_pace: pace(random, 200..800),
        publishers_pace: random.bool().then(|| pace(random, 32..64)),
        delay: millis(random, 5..400),
        lasting: millis(random, 500..LONGEST_CRAWL),
    }
}

fn rotation(random: &mut fastrand::Rng) -> Rotation {
    if random.bool() {
        Rotation::Gentle { overlap: millis(random, 300..2000) }
    } else {
        Rotation::Harsh { gap: millis(random, 100..3000) }
    }
}

fn change(random: &mut fastrand::Rng) -> Change {
    if random.bool() { Change::Crash { down: millis(random, 0..1500) } } else { Change::ByHand }
}

fn pace(random: &mut fastrand::Rng, kib_per_second: std::ops::Range<u32>) -> NonZeroU32 {
    NonZeroU32::new(random.u32(kib_per_second) * 1024).unwrap_or(NonZeroU32::MAX)
}

fn millis(random: &mut fastrand::Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_what_happens() {
        let planned = |seed| {
            plan(FaultKind::ALL.to_vec(), fastrand::Rng::with_seed(seed)).take(130).collect::<Vec<_>>()
        };
        assert_eq!(planned(1), planned(1));
        assert_ne!(planned(1), planned(2));
        for kind in FaultKind::ALL {
            let of_kind: Vec<_> = planned(3).into_iter().filter(|it| it.deed.kind() == kind).collect();
            assert_eq!(of_kind.len(), 10, "{kind:?}");
            assert!(of_kind[0].is_first_of_its_kind, "{kind:?}");
            assert!(!of_kind[1..].iter().any(|it| it.is_first_of_its_kind), "{kind:?}");
        }
        assert_eq!(plan(Vec::new(), fastrand::Rng::new()).next(), None);
    }
}
