//! Which patterns are folded into a wider one, and which of them a channel matches. Only decides: what is subscribed for
//! it, and who is told, stands in `registry/folding.rs`.

mod patterns;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::scopes::Scopes;
use super::topic::{Endpoint, Scope, Topic, TopicKind};
use patterns::Patterns;
pub(super) use patterns::Price;

/// For one bus. What would make it more stays at the server, which compares a channel with every pattern anyway.
const MOST: Price = Price { lengths: 64, alike: 32 };

/// The patterns of a transport that somebody listens to, by what they begin with: all up to the first slash, which is
/// the name of their bus. Those of one bus can be folded into `{bus}/*`.
#[derive(Debug)]
pub(super) struct Folds {
    beyond: usize,
    most: Price,
    groups: Scopes<Group>,
    /// Nothing is folded there.
    barred: BTreeSet<Endpoint>,
}

/// The patterns of one bus, without `{bus}/*` itself.
#[derive(Debug)]
struct Group {
    phase: Phase,
    patterns: Patterns,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Each is subscribed: they are few, or finding those that a channel matches would be dear.
    #[default]
    Apart,
    /// The wide one is needed instead, until nobody wants any of them or the connection is lost: a server stays slow after
    /// many were removed.
    Folded,
    /// The server refuses the wide one: each is subscribed, however many they are.
    Refused,
}

/// What a new pattern means for those of its bus.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// It is subscribed for itself.
    Apart,
    /// This one is one too many: all are folded into this wide pattern from now on.
    Begins(Topic),
    /// They are folded into this wide pattern already.
    Lasts(Topic),
}

/// Which wide patterns are needed for a new connection that were not before, and the other way round.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reconsidered {
    pub(super) begins: Vec<Topic>,
    pub(super) ends: Vec<Topic>,
}

impl Folds {
    /// Folds the patterns of a bus if there are more than `beyond`; never, with `usize::MAX`.
    pub(super) fn beyond(beyond: usize) -> Self {
        Self::at_most(beyond, MOST)
    }

    pub(super) fn at_most(beyond: usize, most: Price) -> Self {
        Self { beyond, most, groups: Scopes::default(), barred: BTreeSet::new() }
    }

    /// Somebody wants `topic`, and nobody did before.
    pub(super) fn add(&mut self, topic: &Topic) -> Fold {
        let Some(bus) = self.bus_of(topic) else { return Fold::Apart };
        let (wide, bus) = (wide_of(topic.scope, bus), Topic { scope: topic.scope, name: bus.into() });
        let group = self.groups.get_or_insert_with(&bus, || Group::at_most(self.most));
        let is_cheap = group.patterns.insert(&topic.name);
        match group.phase {
            Phase::Folded if is_cheap => Fold::Lasts(wide),
            Phase::Apart
                if group.should_fold(self.beyond) && !self.barred.contains(&topic.scope.endpoint) =>
            {
                group.phase = Phase::Folded;
                Fold::Begins(wide)
            }
            Phase::Folded | Phase::Apart | Phase::Refused => Fold::Apart,
        }
    }

    /// Nobody wants `topic` any more. Returns the wide pattern if that is not needed any more either.
    pub(super) fn remove(&mut self, topic: &Topic) -> Option<Topic> {
        let bus = self.bus_of(topic)?;
        let group = self.groups.get_mut(topic.scope, bus)?;
        group.patterns.remove(&topic.name);
        let is_over = group.phase == Phase::Folded && group.patterns.count() == 0;
        if is_over {
            group.phase = Phase::Apart;
        }
        if group.is_unused() && group.phase != Phase::Refused {
            self.groups.remove(topic.scope, bus);
        }
        is_over.then(|| wide_of(topic.scope, bus))
    }

    /// The server refuses `wide`, and will until there is another connection. `false` if nothing is folded into it.
    pub(super) fn refuse(&mut self, wide: &Topic) -> bool {
        let group = bus_in(&wide.name).and_then(|bus| self.groups.get_mut(wide.scope, bus));
        let Some(group) = group.filter(|group| group.phase == Phase::Folded) else { return false };
        group.phase = Phase::Refused;
        true
    }

    /// Whether patterns may be folded at `endpoint`, from the next connection on.
    pub(super) fn allow(&mut self, endpoint: Endpoint, is_allowed: bool) {
        if is_allowed {
            self.barred.remove(&endpoint);
        } else {
            self.barred.insert(endpoint);
        }
    }

    /// There will be another connection to `endpoint`, with nothing subscribed: what was refused may not be now, and where
    /// few are left, they need no wide pattern.
    pub(super) fn reconsider(&mut self, endpoint: Endpoint) -> Reconsidered {
        let mut news = Reconsidered::default();
        let mut unused = Vec::new();
        let is_barred = self.barred.contains(&endpoint);
        for (scope, bus, group) in self.groups.at_mut(endpoint) {
            group.patterns.reconsider();
            let is_folded = !is_barred && group.should_fold(self.beyond);
            let phase = if is_folded { Phase::Folded } else { Phase::Apart };
            match std::mem::replace(&mut group.phase, phase) {
                Phase::Folded if !is_folded => news.ends.push(wide_of(scope, bus)),
                Phase::Apart | Phase::Refused if is_folded => news.begins.push(wide_of(scope, bus)),
                _ => {}
            }
            if group.is_unused() {
                unused.push((scope, Arc::clone(bus)));
            }
        }
        for (scope, bus) in unused {
            self.groups.remove(scope, &bus);
        }
        news
    }

    /// All wide patterns of `endpoint` into which something is folded.
    pub(super) fn wide_ones(&self, endpoint: Endpoint) -> Vec<Topic> {
        let groups = self.groups.at(endpoint).filter(|(_, _, group)| group.phase == Phase::Folded);
        groups.map(|(scope, bus, _)| wide_of(scope, bus)).collect()
    }

    /// The wide pattern into which `topic` is folded.
    pub(super) fn wide_one_for(&self, topic: &Topic) -> Option<Topic> {
        let bus = self.bus_of(topic)?;
        let group = self.groups.get(topic.scope, bus)?;
        let is_folded = group.phase == Phase::Folded && !group.patterns.is_apart(&topic.name);
        is_folded.then(|| wide_of(topic.scope, bus))
    }

    /// Whether patterns are folded into `wide`.
    pub(super) fn is_folded(&self, wide: &Topic) -> bool {
        self.group_of(wide.scope, &wide.name).is_some_and(|group| group.phase == Phase::Folded)
    }

    /// The patterns that are folded into `wide`.
    pub(super) fn patterns_into(&self, wide: &Topic) -> Vec<Topic> {
        if self.is_folded(wide) { self.patterns_of(wide) } else { Vec::new() }
    }

    /// The patterns of the bus of `wide` that can be folded; none, if it is no such pattern.
    pub(super) fn patterns_of(&self, wide: &Topic) -> Vec<Topic> {
        let names = self.group_of(wide.scope, &wide.name).into_iter().flat_map(|group| group.patterns.iter());
        names.map(|name| Topic { scope: wide.scope, name: Arc::clone(name) }).collect()
    }

    /// The patterns that `channel` matches among those that are folded into `wide`.
    pub(super) fn matching<'a>(
        &'a self,
        scope: Scope,
        wide: &str,
        channel: &'a [u8],
    ) -> impl Iterator<Item = &'a Arc<str>> + use<'a> {
        let group = self.group_of(scope, wide).filter(|group| group.phase == Phase::Folded);
        group.into_iter().flat_map(move |group| group.patterns.matching(channel))
    }

    fn group_of(&self, scope: Scope, wide: &str) -> Option<&Group> {
        self.groups.get(scope, bus_in(wide)?)
    }

    /// The name of the bus of a pattern that can be folded, with its slash. It must stand for itself, so that a wide
    /// pattern matches whatever the pattern does.
    fn bus_of<'a>(&self, topic: &'a Topic) -> Option<&'a str> {
        if self.beyond == usize::MAX || topic.scope.kind != TopicKind::Pattern {
            return None;
        }
        let (bus, key) = topic.name.split_at(topic.name.find('/')? + 1);
        (key != "*" && !bus.contains(['*', '?', '[', '\\'])).then_some(bus)
    }
}

impl Default for Folds {
    fn default() -> Self {
        Self::beyond(usize::MAX)
    }
}

impl Group {
    fn at_most(most: Price) -> Self {
        Self { phase: Phase::default(), patterns: Patterns::at_most(most) }
    }

    /// There are many that are told apart by their ends, and these are of few lengths; and there are not as many beside them
    /// that the server would have to be asked for all the same.
    fn should_fold(&self, beyond: usize) -> bool {
        let (count, price) = (self.patterns.count(), self.patterns.price());
        count.saturating_sub(price.alike) > beyond
            && price.lengths <= beyond.max(1).max(count / 2)
            && self.patterns.count_apart() <= beyond
    }

    fn is_unused(&self) -> bool {
        self.patterns.count() + self.patterns.count_apart() == 0
    }
}

/// The bus whose patterns `wide` stands for, with its slash.
fn bus_in(wide: &str) -> Option<&str> {
    wide.strip_suffix('*').filter(|bus| bus.find('/').is_some_and(|slash| slash + 1 == bus.len()))
}

fn wide_of(scope: Scope, bus: &str) -> Topic {
    Topic { scope, name: format!("{bus}*").into() }
}

#[cfg(test)]
mod tests;
