//! What is done to the server, to the network before it, or to the transport within the process: the plan carried out.

use std::thread::sleep;
use std::time::{Duration, Instant};

use event_bus_core::MemoryTransport;

use super::flood::Flooder;
use super::plan::{Deed, Planned};
use super::record::{Clock, Fault, Time};
use super::site::{Network, Site};
use super::upheavals;
use crate::Proxy;

/// Longer than everybody is silent.
const LONGEST_LOSS: Duration = Duration::from_secs(5);

/// Carries out what is planned: once each kind, and then what begins before `until`. Blocks its thread.
pub(super) fn carry_out(
    site: &mut Site,
    flooder: &mut Flooder,
    plan: impl Iterator<Item = Planned>,
    clock: Clock,
    until: Time,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for Planned { is_first_of_its_kind, calm, victim, deed } in plan {
        if !is_first_of_its_kind && clock.now() + calm >= until {
            break;
        }
        sleep(calm);
        if let Site::Several(several) = &*site
            && deed.is_upheaval()
        {
            faults.extend(upheavals::carry_out(&deed, several, victim, clock));
            continue;
        }
        let begin = clock.now();
        deed.carry_out(site, flooder);
        let (end, within) = (clock.now(), deed.noticed_within());
        let reach = deed.reach(begin + within);
        faults.push(Fault { kind: deed.kind(), begin, end, within, reach, elected: None, deposed: None });
    }
    sleep(until.saturating_sub(clock.now()));
    faults
}

impl Deed {
    fn carry_out(&self, site: &mut Site, flooder: &mut Flooder) {
        match (self, site) {
            (Self::Flood { events }, _) => flooder.flood(*events),
            (Self::Rotate(rotation), site) => site.rotate(*rotation),
            (deed, Site::Redis(network)) => deed.hits(network),
            (deed, Site::Several(_)) => unreachable!("{deed:?} is an upheaval"),
            (deed, Site::Memory(memory)) => deed.hits_memory(memory, flooder),
        }
    }

    fn hits(&self, network: &mut Network) {
        let server = &mut network.server;
        match *self {
            Self::Kill(types) => {
                for kind in types {
                    let _number_of_victims = server.command(&["CLIENT", "KILL", "TYPE", kind]);
                }
            }
            Self::Restart { down } => {
                server.kill();
                sleep(down);
                server.restart();
            }
            Self::Stop { lasting } => {
                server.pause();
                sleep(lasting);
                server.resume();
            }
            Self::Cut { publishers_too, .. } => {
                network.both_or_listeners(publishers_too).for_each(Proxy::cut);
            }
            Self::BlackHole { direction, publishers_too, lasting } => {
                network.both_or_listeners(publishers_too).for_each(|proxy| proxy.black_hole(direction));
                sleep(lasting);
                network.both_or_listeners(publishers_too).for_each(Proxy::heal);
            }
            Self::Slow(ref slow) => {
                network.listeners.slow(slow.listeners_pace);
                slow.publishers_pace.into_iter().for_each(|pace| network.publishers.slow(pace));
                sleep(slow.lasting);
                network.both_or_listeners(true).for_each(Proxy::heal);
            }
            Self::Lose { messages } => {
                network.listeners.lose_next_messages(messages);
                let deadline = Instant::now() + LONGEST_LOSS;
                while network.listeners.still_to_lose() > 0 && Instant::now() < deadline {
                    sleep(Duration::from_millis(1));
                }
                network.listeners.heal();
            }
            _ => unreachable!("{self:?} is refused on the command line"),
        }
    }

    fn hits_memory(&self, memory: &MemoryTransport, flooder: &mut Flooder) {
        match self {
            Self::Cut { lasting, .. } => {
                memory.interrupt();
                sleep(*lasting);
                memory.resume();
            }
            Self::Slow(slow) => {
                memory.delay(slow.delay);
                sleep(slow.lasting);
                memory.delay(Duration::ZERO);
            }
            Self::Drop => {
                memory.drop_next(1);
                flooder.flood(1); // whoever published first, the one message is lost by now
            }
            _ => unreachable!("{self:?} is refused on the command line"),
        }
    }
}
