//! What is done to the server and to the network before it: planned from a seed, and carried out.

use std::thread::sleep;
use std::time::Duration;

use super::record::{Clock, Fault, FaultKind, Time};
use crate::RedisServer;
use crate::proxy::{Direction, Proxy};

/// Long enough for every listener to have heard something before the first fault.
const FIRST_CALM: Duration = Duration::from_millis(1500);

/// One fault, some time after the end of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    calm: Duration,
    deed: Deed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    /// The clients of these types are cut off, in this order.
    Kill(&'static [&'static str]),
    Restart {
        down: Duration,
    },
    Stop {
        lasting: Duration,
    },
    /// The network cuts the connections of the listeners, and perhaps those of the publishers.
    Cut {
        publishers_too: bool,
    },
    /// It swallows what goes this way, and cuts at the end.
    BlackHole {
        direction: Direction,
        publishers_too: bool,
        lasting: Duration,
    },
}

/// A server, and the networks through which it is reached.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) server: RedisServer,
    pub(super) listeners: Proxy,
    pub(super) publishers: Proxy,
}

impl Site {
    pub(super) fn start() -> Self {
        let server = RedisServer::start();
        let [listeners, publishers] = [(); 2].map(|()| Proxy::start(server.port()));
        Self { server, listeners, publishers }
    }

    fn networks(&self, publishers_too: bool) -> impl Iterator<Item = &Proxy> {
        std::iter::once(&self.listeners).chain(publishers_too.then_some(&self.publishers))
    }
}

/// Faults without end, of all `kinds` in ever new order.
pub(super) fn plan(kinds: Vec<FaultKind>, mut random: fastrand::Rng) -> impl Iterator<Item = Planned> + Send {
    let mut round: Vec<FaultKind> = Vec::new();
    let mut is_first = true;
    std::iter::from_fn(move || {
        if round.is_empty() {
            round.clone_from(&kinds);
            random.shuffle(&mut round);
        }
        let deed = match round.pop()? {
            FaultKind::Kill => {
                let victims: [&[&str]; 4] =
                    [&["pubsub"], &["pubsub"], &["pubsub", "normal"], &["normal", "pubsub"]];
                Deed::Kill(victims[random.usize(..victims.len())])
            }
            FaultKind::Restart => Deed::Restart { down: Duration::from_millis(random.u64(20..1500)) },
            FaultKind::Stop => Deed::Stop { lasting: Duration::from_millis(random.u64(1000..4000)) },
            FaultKind::Cut => Deed::Cut { publishers_too: random.bool() },
            FaultKind::BlackHole => black_hole(&mut random),
        };
        // Now and then so soon that the listener has not recovered from the fault before.
        let calm = if random.u8(..4) == 0 { random.u64(20..400) } else { random.u64(1500..4000) };
        let calm = Duration::from_millis(calm) + if is_first { FIRST_CALM } else { Duration::ZERO };
        is_first = false;
        Some(Planned { calm, deed })
    })
}

/// While nothing is heard but the way to the server is open, much is missed; where it is the other way round, nothing is, until
/// it is noticed, which takes longer.
fn black_hole(random: &mut fastrand::Rng) -> Deed {
    let direction = [Direction::ToServer, Direction::FromServer, Direction::Both][random.usize(..3)];
    let longest = if direction == Direction::ToServer { 6500 } else { 3000 };
    let lasting = Duration::from_millis(random.u64(1000..longest));
    Deed::BlackHole { direction, publishers_too: random.bool(), lasting }
}

/// Carries out what is planned, as long as it begins before `until`. Blocks its thread.
pub(super) fn carry_out(
    site: &mut Site,
    plan: impl Iterator<Item = Planned>,
    clock: Clock,
    until: Time,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for Planned { calm, deed } in plan {
        if clock.now() + calm >= until {
            break;
        }
        sleep(calm);
        let begin = clock.now();
        let kind = deed.carry_out(site);
        faults.push(Fault { kind, begin, end: clock.now() });
    }
    sleep(until.saturating_sub(clock.now()));
    faults
}

impl Deed {
    fn carry_out(&self, site: &mut Site) -> FaultKind {
        let server = &mut site.server;
        match *self {
            Self::Kill(types) => {
                for kind in types {
                    let _number_of_victims = server.command(&["CLIENT", "KILL", "TYPE", kind]);
                }
                FaultKind::Kill
            }
            Self::Restart { down } => {
                server.kill();
                sleep(down);
                server.restart();
                FaultKind::Restart
            }
            Self::Stop { lasting } => {
                server.pause();
                sleep(lasting);
                server.resume();
                FaultKind::Stop
            }
            Self::Cut { publishers_too } => {
                site.networks(publishers_too).for_each(Proxy::cut);
                FaultKind::Cut
            }
            Self::BlackHole { direction, publishers_too, lasting } => {
                site.networks(publishers_too).for_each(|network| network.black_hole(direction));
                sleep(lasting);
                site.networks(publishers_too).for_each(Proxy::heal);
                FaultKind::BlackHole
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_what_happens() {
        let planned =
            |seed| plan(FaultKind::ALL.to_vec(), fastrand::Rng::with_seed(seed)).take(50).collect::<Vec<_>>();
        assert_eq!(planned(1), planned(1));
        assert_ne!(planned(1), planned(2));
        assert_eq!(planned(3).iter().filter(|it| matches!(it.deed, Deed::Stop { .. })).count(), 10);
        assert_eq!(plan(Vec::new(), fastrand::Rng::new()).next(), None);
    }
}
