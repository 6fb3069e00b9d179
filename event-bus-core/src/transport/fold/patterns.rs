//! Patterns, and which of them a channel matches, at a bounded price.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::glob;

/// How long the part of a pattern may be that has to be compared with a channel byte by byte.
const LONGEST_MIDDLE: usize = 64;

/// What finding the patterns of one channel may cost at most.
#[derive(Clone, Copy, Debug)]
pub(in crate::transport) struct Price {
    /// Pairs of lengths: each is a look into a table.
    pub(in crate::transport) lengths: usize,
    /// Patterns that the channel has to be compared with, beside one for each pair of lengths.
    pub(in crate::transport) alike: usize,
}

/// Patterns, by the text that they begin and end with. A channel is looked up once for each pair of lengths that both ends
/// have, and compared with those that share its ends there. Patterns that would make this dear stay apart: a channel
/// matches none of them here.
#[derive(Debug)]
pub(super) struct Patterns {
    most: Price,
    /// How many patterns a channel may have to be compared with, beside one for each pair of lengths.
    alike: usize,
    count: usize,
    by_lengths: BTreeMap<(usize, usize), Place>,
    apart: HashSet<Arc<str>>,
    hashes: RandomState,
}

/// The patterns whose ends have the same lengths.
#[derive(Debug, Default)]
struct Place {
    /// By a hash of both ends. Those that share it are told apart by matching.
    by_hash: HashMap<u64, Vec<Arc<str>>>,
    /// The most that shared one. Not counted anew when patterns go, which would take time with each of them.
    largest: usize,
}

impl Patterns {
    pub(super) fn at_most(most: Price) -> Self {
        Self {
            most,
            alike: 0,
            count: 0,
            by_lengths: BTreeMap::new(),
            apart: HashSet::new(),
            hashes: RandomState::new(),
        }
    }

    /// `false` if it stays apart.
    pub(super) fn insert(&mut self, pattern: &Arc<str>) -> bool {
        let is_cheap = self.find_place(pattern);
        if !is_cheap {
            self.apart.insert(Arc::clone(pattern));
        }
        is_cheap
    }

    fn find_place(&mut self, pattern: &Arc<str>) -> bool {
        let (lengths, hash) = self.place_of(pattern);
        let place = self.by_lengths.get(&lengths);
        let alike = place.and_then(|place| place.by_hash.get(&hash)).map_or(0, Vec::len);
        let is_one_more = place.is_some_and(|place| alike == place.largest);
        let is_dear = match place {
            None => self.by_lengths.len() >= self.most.lengths,
            Some(_) => is_one_more && self.alike >= self.most.alike,
        };
        if is_dear || pattern.len().saturating_sub(lengths.0 + lengths.1) > LONGEST_MIDDLE {
            return false;
        }
        let place = self.by_lengths.entry(lengths).or_default();
        let same_ends = place.by_hash.entry(hash).or_default();
        same_ends.push(Arc::clone(pattern));
        place.largest = place.largest.max(same_ends.len());
        self.alike += usize::from(is_one_more);
        self.count += 1;
        true
    }

    pub(super) fn remove(&mut self, pattern: &str) {
        if self.apart.remove(pattern) {
            return;
        }
        let (lengths, hash) = self.place_of(pattern);
        let Some(place) = self.by_lengths.get_mut(&lengths) else { return };
        let Some(alike) = place.by_hash.get_mut(&hash) else { return };
        let Some(at) = alike.iter().position(|known| **known == *pattern) else { return };
        alike.swap_remove(at);
        self.count -= 1;
        if alike.is_empty() {
            place.by_hash.remove(&hash);
        }
        if place.by_hash.is_empty() {
            self.alike -= place.largest - 1;
            self.by_lengths.remove(&lengths);
        }
    }

    /// Those that stay apart are given the room that others have left.
    pub(super) fn reconsider(&mut self) {
        for place in self.by_lengths.values_mut() {
            place.largest = place.by_hash.values().map(Vec::len).max().unwrap_or(1);
        }
        self.alike = self.by_lengths.values().map(|place| place.largest - 1).sum();
        for pattern in std::mem::take(&mut self.apart) {
            self.insert(&pattern);
        }
    }

    /// How many there are, without those that stay apart.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// What finding those of a channel may cost now.
    pub(super) fn price(&self) -> Price {
        Price { lengths: self.by_lengths.len(), alike: self.alike }
    }

    pub(super) fn count_apart(&self) -> usize {
        self.apart.len()
    }

    pub(super) fn is_apart(&self, pattern: &str) -> bool {
        self.apart.contains(pattern)
    }

    /// All of them, without those that stay apart.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_lengths.values().flat_map(|place| place.by_hash.values()).flatten()
    }

    /// Those that `channel` matches, but for those that stay apart.
    pub(super) fn matching<'a>(&'a self, channel: &'a [u8]) -> impl Iterator<Item = &'a Arc<str>> {
        let candidates = self.by_lengths.iter().filter_map(move |((before, behind), place)| {
            let (prefix, rest) = channel.split_at_checked(*before)?;
            let suffix = &rest[rest.len().checked_sub(*behind)?..];
            place.by_hash.get(&self.hash(prefix, suffix))
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
