//! What is done to one of several servers, and what may come of it: whom it concerns, who takes over, and what may be
//! acknowledged meanwhile by somebody whom nobody hears any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use super::plan::{Change, Deed};
use super::record::{Clock, Deposed, Fault, Lines, Reach, Time};
use super::several::{NODE_TIMEOUT, NOTICED, Servers, Several};
use crate::process::GUARD;

/// How often is looked whether somebody has taken over.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long after somebody has taken over those must have been told who were not thrown out: the servers are asked every
/// second, and waited for half a second; and a busy machine.
const TOLD_AFTER: Duration = Duration::from_millis(2500);

/// What a node of a cluster acknowledges, it passes on to the others a moment later.
const PASSED_ON: Duration = Duration::from_millis(100);

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
    is_sure: bool,
}

/// What was done, as far as it depends on the deed.
struct Done {
    /// With one election, where one is to be expected.
    outages: u32,
    must_tell: bool,
    /// From when on nobody is published to who does not hear the others, if nobody takes over; and which channels that
    /// concerns. None if what is acknowledged is passed on in any case.
    healed: Option<(Lines, Time)>,
}

/// Does `deed` to the node that the number `victim` stands for, and waits until all is in order. Blocks its thread.
pub(super) fn carry_out(deed: &Deed, several: &Several, victim: usize, clock: Clock) -> Vec<Fault> {
    if let Deed::Migrate { moves, pause } = *deed {
        return (0..moves)
            .filter_map(|turn| several.migrate(deed, victim.wrapping_add(turn), pause, clock))
            .collect();
    }
    let node = several.victim(deed, victim);
    let (lines, (told, is_sure)) = (several.lines_of(node), several.told_of(node));
    let mut upheaval = Upheaval { several, clock, deed, begin: clock.now(), node, lines, told, is_sure };
    vec![upheaval.carry_out_and_watch()]
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
        let only_if_heard_there = |line: &u32| is_heard_there && *line < Lines::MOST;
        let reach = Reach {
            // What the server says without being asked may leave answers out of step: then all of that connection is lost.
            may_tell: lines.iter().copied().filter(only_if_heard_there).collect(),
            must_tell: std::iter::once(line).filter(only_if_heard_there).collect(),
            outages: 1,
            tells_until: Time::MAX,
            in_disorder: std::iter::once(line).filter(|_| !is_heard_there).collect(),
        };
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
                // Those who were refused half of a greeting, but would not be the other half.
                servers.command_as_anybody(node, &["CLIENT", "KILL", "USER", guard]);
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
    fn carry_out_and_watch(&mut self) -> Fault {
        let (several, clock, node, line) = (self.several, self.clock, self.node, self.lines.first().copied());
        let is_over = AtomicBool::new(false);
        // Servers on a busy machine may take the new one for dead, too, and elect once more.
        let watch = || {
            let (mut last, mut changes) = (node, Vec::new());
            while let Some(line) = line.filter(|_| !is_over.load(Ordering::Relaxed)) {
                if let Some(owner) = several.owner(line).filter(|owner| *owner != last) {
                    changes.push(clock.now());
                    last = owner;
                }
                sleep(LOOK_AGAIN);
            }
            changes
        };
        thread::scope(|scope| {
            let watching = scope.spawn(watch);
            let done = self.carry_out();
            several.settle();
            is_over.store(true, Ordering::Relaxed);
            self.fault(&done, &watching.join().expect("the servers are asked"))
        })
    }

    fn carry_out(&mut self) -> Done {
        let (several, node) = (self.several, self.node);
        match *self.deed {
            Deed::Kill(types) => {
                for kind in types {
                    let _number_of_victims = several.command(node, &["CLIENT", "KILL", "TYPE", kind]);
                }
                Done { outages: 1, must_tell: true, healed: None }
            }
            Deed::Restart { down } => {
                several.kill(node);
                sleep(down);
                several.restart(node);
                Done { outages: 2, must_tell: true, healed: None }
            }
            Deed::Stop { lasting } => {
                several.pause(node);
                sleep(lasting);
                several.resume(node);
                Done { outages: 2, must_tell: lasting > NOTICED, healed: None }
            }
            Deed::Failover(Change::Crash { down }) => {
                several.kill(node);
                self.wait_for_successor();
                sleep(down);
                several.restart(node);
                Done { outages: 1, must_tell: true, healed: None }
            }
            Deed::Failover(Change::ByHand) => self.fail_over_by_hand(),
            Deed::Isolate { lasting, is_short } => self.isolate(lasting, is_short),
            _ => unreachable!("{:?} is refused on the command line", self.deed),
        }
    }

    fn fail_over_by_hand(&mut self) -> Done {
        match &self.several.servers {
            Servers::Cluster(cluster) => {
                let replica = cluster.replicas(self.node).first().copied().expect("a replica");
                self.several.runtime.block_on(cluster.failover_to(replica));
            }
            Servers::Sentinels(servers) => {
                self.several.runtime.block_on(servers.failover());
            }
        }
        if self.several.is_heard_over_any() {
            self.told = Lines::NONE; // it serves everybody as a replica, too
        }
        Done { outages: 1, must_tell: true, healed: None }
    }

    fn isolate(&mut self, lasting: Duration, is_short: bool) -> Done {
        self.several.isolate(self.node);
        let is_master = !self.lines.is_empty();
        if !is_short && is_master {
            self.wait_for_successor();
        } else if !is_short {
            sleep(NODE_TIMEOUT + TOLD_AFTER);
        }
        sleep(lasting);
        self.several.heal(self.node);
        let goes_unnoticed = is_short && self.several.is_heard_over_any() && self.told == Lines::ALL;
        // To the one who is listened to, everybody else is cut off.
        let lines = if goes_unnoticed { Lines::ALL } else { self.own_lines() };
        Done { outages: 2, must_tell: !is_short, healed: Some((lines, self.clock.now())) }
    }

    fn own_lines(&self) -> Lines {
        self.lines.iter().copied().collect()
    }

    fn wait_for_successor(&self) {
        let line = self.lines.first().copied().expect("a master serves channels");
        match &self.several.servers {
            Servers::Cluster(cluster) => {
                self.several.runtime.block_on(cluster.elected(self.several.slot(line), self.node));
            }
            Servers::Sentinels(servers) => {
                self.several.runtime.block_on(servers.switched(self.node));
            }
        }
    }

    /// The channels had another owner at each of the times of `changes`.
    fn fault(&self, done: &Done, changes: &[Time]) -> Fault {
        let Self { deed, begin, told, .. } = *self;
        let is_sure = done.must_tell && self.is_sure;
        let is_heard_over_any = self.several.is_heard_over_any();
        let (elected, settled) = (changes.first().copied(), changes.last().copied());
        let expected = usize::from(!matches!(self.deed, Deed::Kill(_)));
        let more = u32::try_from(changes.len().saturating_sub(expected)).unwrap_or(u32::MAX);
        let reach = Reach {
            may_tell: told,
            must_tell: if is_sure { told } else { Lines::NONE },
            outages: done.outages.saturating_add(more),
            tells_until: Time::MAX,
            in_disorder: if is_heard_over_any && elected.is_some() { self.own_lines() } else { Lines::NONE },
        };
        let within = settled.map_or(Duration::ZERO, |settled| settled.saturating_sub(begin) + TOLD_AFTER);
        let within = within.max(deed.noticed_within());
        let healed = done.healed.map(|(lines, healed)| (lines, settled.unwrap_or(healed)));
        let deposed = healed.or_else(|| Some((self.own_lines(), settled?)));
        let from = begin.saturating_sub(PASSED_ON);
        let deposed = deposed.map(|(lines, succeeded)| Deposed { lines, from, succeeded });
        Fault { kind: deed.kind(), begin, end: self.clock.now(), within, reach, elected, deposed }
    }
}
