//! What is done to one of several servers, and what may come of it: whom it concerns, who takes over, and what may be
//! acknowledged meanwhile by somebody whom nobody hears any more.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::plan::{Change, Deed};
use super::record::{Clock, Deposed, Fault, Lines, Reach, Time};
use super::several::{NODE_TIMEOUT, NOTICED, Servers, Several};
use crate::process::GUARD;

/// How often is looked whether somebody has taken over.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long after somebody has taken over those must have been told who were not thrown out: the servers are asked every
/// second, and waited for half a second; and a busy machine.
const TOLD_AFTER: Duration = Duration::from_millis(2500);

/// A deed under way.
struct Upheaval<'a> {
    several: &'a Several,
    clock: Clock,
    deed: &'a Deed,
    begin: Time,
    node: usize,
    /// Its channels.
    lines: Vec<u32>,
    told: Lines,
    elected: Option<Time>,
}

/// Does `deed` to the node that the number `victim` stands for, and waits until all is in order. Blocks its thread.
pub(super) fn carry_out(deed: &Deed, several: &Several, victim: usize, clock: Clock) -> Vec<Fault> {
    if let Deed::Migrate { moves, pause } = *deed {
        return (0..moves).filter_map(|turn| several.migrate(deed, victim.wrapping_add(turn), pause, clock)).collect();
    }
    let node = several.victim(deed, victim);
    let (lines, told) = (several.lines_of(node), several.told_of(node));
    let upheaval = Upheaval { several, clock, deed, begin: clock.now(), node, lines, told, elected: None };
    vec![upheaval.carry_out()]
}

impl Several {
    /// One that serves channels, or, every other time, the one over which everything is heard.
    fn victim(&self, deed: &Deed, number: usize) -> usize {
        let needs_master = matches!(deed, Deed::Failover(_));
        if self.is_heard_over_any()
            && (matches!(deed, Deed::Kill(_)) || (!needs_master && number % 2 == 1))
            && let Some(listened) = self.listened()
        {
            return listened;
        }
        let masters: Vec<usize> = self.masters().into_keys().collect();
        masters[number / 2 % masters.len()]
    }

    /// Moves a slot with a channel, whose owner serves another one besides.
    fn migrate(&self, deed: &Deed, number: usize, pause: Duration, clock: Clock) -> Option<Fault> {
        let Servers::Cluster(cluster) = &self.servers else { return None };
        sleep(pause);
        let masters = self.masters();
        let rich: Vec<_> = masters.iter().filter(|(_, lines)| lines.len() > 1).collect();
        let (owner, lines) = rich[number % rich.len()];
        let line = lines[number / 7 % lines.len()];
        let others: Vec<usize> = masters.keys().copied().filter(|master| master != owner).collect();
        let to = others[number / 3 % others.len()];
        let begin = clock.now();
        cluster.migrate_slot(self.slot(line), to);
        let end = clock.now();
        self.runtime.block_on(cluster.settled());
        let is_heard_there = !self.is_heard_over_any();
        let told: Lines = std::iter::once(line).filter(|_| is_heard_there).collect();
        let reach = Reach { may_tell: told, must_tell: told, outages: 1, tells_until: Time::MAX };
        let within = TOLD_AFTER;
        Some(Fault { kind: deed.kind(), begin, end, within, reach, elected: Some(end), deposed: None })
    }

    fn kill(&self, node: usize) {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.kill(node),
            Servers::Sentinels(servers) => servers.kill(node),
        }
    }

    fn restart(&self, node: usize) {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.restart(node),
            Servers::Sentinels(servers) => servers.restart(node),
        }
    }

    fn pause(&self, node: usize) {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.pause(node),
            Servers::Sentinels(servers) => servers.pause(node),
        }
    }

    fn resume(&self, node: usize) {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.resume(node),
            Servers::Sentinels(servers) => servers.resume(node),
        }
    }

    /// The other servers don't reach it, and it does not reach them; clients do. Sentinels and replicas are refused, which is to
    /// them as if they did not reach it.
    fn isolate(&self, node: usize) {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.isolate(node),
            Servers::Sentinels(servers) => {
                let (guard, _) = GUARD;
                servers.command_as_anybody(node, &["ACL", "SETUSER", guard, "-@all"]);
                servers.command_as_anybody(node, &["CLIENT", "KILL", "USER", guard]);
                servers.command_as_anybody(node, &["CLIENT", "KILL", "TYPE", "replica"]);
            }
        }
    }

    fn heal(&self, node: usize) {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.heal(node),
            Servers::Sentinels(servers) => {
                let (guard, _) = GUARD;
                servers.command_as_anybody(node, &["ACL", "SETUSER", guard, "+@all"]);
            }
        }
    }

    fn settle(&self) {
        match &self.servers {
            Servers::Cluster(cluster) => self.runtime.block_on(cluster.settled()),
            Servers::Sentinels(servers) => self.runtime.block_on(servers.settled()),
        }
    }
}

impl Upheaval<'_> {
    fn carry_out(mut self) -> Fault {
        match *self.deed {
            Deed::Kill(types) => {
                for kind in types {
                    let _number_of_victims = self.several.command(self.node, &["CLIENT", "KILL", "TYPE", kind]);
                }
                self.fault(1, true, None)
            }
            Deed::Restart { down } => {
                self.several.kill(self.node);
                sleep(down);
                self.several.restart(self.node);
                self.settle();
                self.fault(2, true, None)
            }
            Deed::Stop { lasting } => self.stop(lasting),
            Deed::Failover(Change::Crash { down }) => {
                self.several.kill(self.node);
                self.wait_for_successor();
                sleep(down);
                self.several.restart(self.node);
                self.settle();
                self.fault(1, true, None)
            }
            Deed::Failover(Change::ByHand) => self.fail_over_by_hand(),
            Deed::Isolate { lasting, is_short } => self.isolate(lasting, is_short),
            _ => unreachable!("{:?} is refused on the command line", self.deed),
        }
    }

    fn stop(mut self, lasting: Duration) -> Fault {
        self.several.pause(self.node);
        let until = Instant::now() + lasting;
        while Instant::now() < until {
            self.look_for_successor();
            sleep(LOOK_AGAIN);
        }
        self.several.resume(self.node);
        self.settle();
        let deposed = self.elected.map(|elected| self.deposed(self.begin, elected));
        self.fault(2, lasting > NOTICED, deposed)
    }

    fn fail_over_by_hand(mut self) -> Fault {
        match &self.several.servers {
            Servers::Cluster(cluster) => {
                let replica = cluster.replicas(self.node).first().copied().expect("a replica");
                self.several.runtime.block_on(cluster.failover_to(replica));
            }
            Servers::Sentinels(servers) => {
                self.several.runtime.block_on(servers.failover());
            }
        }
        let elected = self.clock.now();
        self.elected = Some(elected);
        self.settle();
        if self.several.is_heard_over_any() {
            self.told = Lines::NONE; // it serves everybody as a replica, too
        }
        let deposed = self.deposed(self.begin, elected);
        self.fault(1, true, Some(deposed))
    }

    fn isolate(mut self, lasting: Duration, is_short: bool) -> Fault {
        self.several.isolate(self.node);
        let is_master = !self.lines.is_empty();
        if is_short {
            sleep(lasting);
        } else if is_master {
            self.wait_for_successor();
            sleep(lasting);
        } else {
            sleep(NODE_TIMEOUT + TOLD_AFTER + lasting);
        }
        self.several.heal(self.node);
        let healed = self.clock.now();
        self.settle();
        let mut deposed = self.deposed(self.begin, self.elected.unwrap_or(healed));
        if self.several.is_heard_over_any() && self.told == Lines::ALL && is_short {
            deposed.lines = Lines::ALL; // to it, everybody else is cut off
        }
        self.fault(2, !is_short, Some(deposed))
    }

    fn deposed(&self, from: Time, succeeded: Time) -> Deposed {
        Deposed { lines: self.lines.iter().copied().collect(), from, succeeded }
    }

    fn look_for_successor(&mut self) {
        let Some(line) = self.lines.first() else { return };
        if self.elected.is_none() && self.several.owner(*line).is_some_and(|owner| owner != self.node) {
            self.elected = Some(self.clock.now());
        }
    }

    fn wait_for_successor(&mut self) {
        let line = self.lines.first().copied().expect("a master serves channels");
        match &self.several.servers {
            Servers::Cluster(cluster) => {
                self.several.runtime.block_on(cluster.elected(self.several.slot(line), self.node));
            }
            Servers::Sentinels(servers) => {
                self.several.runtime.block_on(servers.switched(self.node));
            }
        }
        self.elected = Some(self.clock.now());
    }

    fn settle(&mut self) {
        self.several.settle();
        self.look_for_successor(); // perhaps only now
    }

    fn fault(&self, outages: u32, must_tell: bool, deposed: Option<Deposed>) -> Fault {
        let Self { deed, begin, told, elected, .. } = *self;
        let is_sure = must_tell && (!self.several.is_heard_over_any() || told == Lines::ALL);
        let reach = Reach {
            may_tell: told,
            must_tell: if is_sure { told } else { Lines::NONE },
            outages,
            tells_until: Time::MAX,
        };
        let within = elected.map_or(Duration::ZERO, |elected| elected.saturating_sub(begin) + TOLD_AFTER);
        let within = within.max(deed.noticed_within());
        Fault { kind: deed.kind(), begin, end: self.clock.now(), within, reach, elected, deposed }
    }
}
