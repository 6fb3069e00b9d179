//! Which patterns are folded into a wider one, and which of them a channel matches. Only decides: what is subscribed for
//! it, and who is told, stands in `registry.rs`.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use super::scopes::Scopes;
use super::topic::{Endpoint, Scope, Topic, TopicKind};
use crate::glob;

/// The patterns of a transport that somebody listens to, by what they begin with: all up to the first slash, which is
/// the name of their bus. Those of one bus can be folded into `{bus}/*`.
#[derive(Debug)]
pub(super) struct Folds {
    beyond: usize,
    groups: Scopes<Group>,
}

/// The patterns of one bus, without `{bus}/*` itself.
#[derive(Debug, Default)]
struct Group {
    phase: Phase,
    patterns: Patterns,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// They are few: each is subscribed.
    #[default]
    Apart,
    /// The wide one is needed instead, until nobody wants any of them: a server stays slow after many were removed.
    Folded,
    /// The server refuses the wide one: each is subscribed, however many they are.
    Refused,
}

/// What a new pattern means for those of its bus.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fold {
    Apart,
    /// This one is one too many: all are folded into this wide pattern from now on.
    Begins(Topic),
    /// They are folded into this wide pattern already.
    Lasts(Topic),
}

impl Folds {
    /// Folds the patterns of a bus if there are more than `beyond`; never, with `usize::MAX`.
    pub(super) fn beyond(beyond: usize) -> Self {
        Self { beyond, groups: Scopes::default() }
    }

    /// Somebody wants `topic`, and nobody did before.
    pub(super) fn add(&mut self, topic: &Topic) -> Fold {
        let Some(bus) = self.bus_of(topic) else { return Fold::Apart };
        let (wide, bus) = (wide_of(topic.scope, bus), Topic { scope: topic.scope, name: bus.into() });
        let group = self.groups.get_or_default(&bus);
        group.patterns.insert(&topic.name);
        match group.phase {
            Phase::Folded => Fold::Lasts(wide),
            Phase::Apart if group.patterns.count > self.beyond => {
                group.phase = Phase::Folded;
                Fold::Begins(wide)
            }
            Phase::Apart | Phase::Refused => Fold::Apart,
        }
    }

    /// Nobody wants `topic` any more. Returns the wide pattern if that is not needed any more either.
    pub(super) fn remove(&mut self, topic: &Topic) -> Option<Topic> {
        let bus = self.bus_of(topic)?;
        let group = self.groups.get_mut(topic.scope, bus)?;
        group.patterns.remove(&topic.name);
        if group.patterns.count > 0 || group.phase == Phase::Refused {
            return None;
        }
        let is_folded = group.phase == Phase::Folded;
        self.groups.remove(topic.scope, bus);
        is_folded.then(|| wide_of(topic.scope, bus))
    }

    /// The server refuses `wide`, and will until there is another connection. `false` if nothing is folded into it.
    pub(super) fn refuse(&mut self, wide: &Topic) -> bool {
        let group = bus_in(&wide.name).and_then(|bus| self.groups.get_mut(wide.scope, bus));
        let Some(group) = group.filter(|group| group.phase == Phase::Folded) else { return false };
        group.phase = Phase::Refused;
        true
    }

    /// There will be another connection to `endpoint`, whose server may be of another mind. Returns the wide patterns
    /// that are to be tried again.
    pub(super) fn reconsider(&mut self, endpoint: Endpoint) -> Vec<Topic> {
        let mut again = Vec::new();
        let mut empty = Vec::new();
        for (scope, bus, group) in self.groups.at_mut(endpoint) {
            if group.phase != Phase::Refused {
                continue;
            }
            group.phase = Phase::Apart;
            if group.patterns.count > self.beyond {
                group.phase = Phase::Folded;
                again.push(wide_of(scope, bus));
            } else if group.patterns.count == 0 {
                empty.push((scope, Arc::clone(bus)));
            }
        }
        for (scope, bus) in empty {
            self.groups.remove(scope, &bus);
        }
        again
    }

    /// All wide patterns of `endpoint` into which something is folded.
    pub(super) fn wide_ones(&mut self, endpoint: Endpoint) -> Vec<Topic> {
        let groups = self.groups.at_mut(endpoint).filter(|(_, _, group)| group.phase == Phase::Folded);
        groups.map(|(scope, bus, _)| wide_of(scope, bus)).collect()
    }

    /// The wide pattern into which `topic` is folded.
    pub(super) fn wide_one_for(&self, topic: &Topic) -> Option<Topic> {
        let bus = self.bus_of(topic)?;
        let group = self.groups.get(topic.scope, bus)?;
        (group.phase == Phase::Folded).then(|| wide_of(topic.scope, bus))
    }

    /// The patterns that are folded into `wide`.
    pub(super) fn patterns_into(&self, wide: &Topic) -> Vec<Topic> {
        let is_folded =
            self.group_of(wide.scope, &wide.name).is_some_and(|group| group.phase == Phase::Folded);
        if is_folded { self.patterns_of(wide) } else { Vec::new() }
    }

    /// The patterns of the bus of `wide`; none, if it is no such pattern.
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

/// The bus whose patterns `wide` stands for, with its slash.
fn bus_in(wide: &str) -> Option<&str> {
    wide.strip_suffix('*').filter(|bus| bus.find('/').is_some_and(|slash| slash + 1 == bus.len()))
}

fn wide_of(scope: Scope, bus: &str) -> Topic {
    Topic { scope, name: format!("{bus}*").into() }
}

/// Patterns, by the text that they begin and end with: of those that differ in it, only the ones that a channel can match
/// are looked at, however many there are.
#[derive(Debug, Default)]
struct Patterns {
    count: usize,
    /// By how long both ends are: few lengths.
    by_ends: BTreeMap<(usize, usize), ByHash>,
    hashes: RandomState,
}

/// By a hash of both ends. Those that share it are told apart by matching.
type ByHash = HashMap<u64, Vec<Arc<str>>>;

impl Patterns {
    fn insert(&mut self, pattern: &Arc<str>) {
        let (lengths, hash) = self.place_of(pattern);
        self.by_ends.entry(lengths).or_default().entry(hash).or_default().push(Arc::clone(pattern));
        self.count += 1;
    }

    fn remove(&mut self, pattern: &str) {
        let (lengths, hash) = self.place_of(pattern);
        let Some(by_hash) = self.by_ends.get_mut(&lengths) else { return };
        let Some(alike) = by_hash.get_mut(&hash) else { return };
        let Some(at) = alike.iter().position(|known| **known == *pattern) else { return };
        alike.swap_remove(at);
        self.count -= 1;
        if alike.is_empty() {
            by_hash.remove(&hash);
        }
        if by_hash.is_empty() {
            self.by_ends.remove(&lengths);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_ends.values().flat_map(HashMap::values).flatten()
    }

    fn matching<'a>(&'a self, channel: &'a [u8]) -> impl Iterator<Item = &'a Arc<str>> {
        let candidates = self.by_ends.iter().filter_map(move |((before, behind), by_hash)| {
            let (prefix, rest) = channel.split_at_checked(*before)?;
            let suffix = &rest[rest.len().checked_sub(*behind)?..];
            by_hash.get(&self.hash(prefix, suffix))
        });
        candidates.flatten().filter(move |pattern| glob::matches(pattern.as_bytes(), channel))
    }

    fn place_of(&self, pattern: &str) -> ((usize, usize), u64) {
        let (prefix, suffix) = glob::literal_ends(pattern.as_bytes());
        ((prefix.len(), suffix.len()), self.hash(&prefix, &suffix))
    }

    fn hash(&self, prefix: &[u8], suffix: &[u8]) -> u64 {
        self.hashes.hash_one((prefix, suffix))
    }
}

#[cfg(test)]
mod tests;
