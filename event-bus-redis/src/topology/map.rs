//! Which server serves which channel, as it was found out at some moment.

use std::ops::RangeInclusive;

use tokio::time::Instant;

use super::slot::{SLOTS, slot};
use crate::config::Address;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    /// When the servers were asked.
    began: Instant,
    /// Disjoint, in order. Slots that nobody surely serves are left out.
    pub(super) shards: Vec<(RangeInclusive<u16>, Address)>,
    /// Servers that are in touch with the others.
    members: Vec<Address>,
    /// Servers that surely are not, though they answer.
    outcasts: Vec<Address>,
    /// Of the word of sentinels that this is from; grows with every master that they agree on.
    epoch: u64,
}

impl Map {
    pub(super) fn new(
        began: Instant,
        shards: Vec<(RangeInclusive<u16>, Address)>,
        members: Vec<Address>,
        outcasts: Vec<Address>,
    ) -> Self {
        Self { began, shards, members, outcasts, epoch: 0 }
    }

    /// One server for everything.
    pub(crate) fn of_one(began: Instant, master: Address) -> Self {
        Self {
            began,
            shards: vec![(0..=SLOTS - 1, master.clone())],
            members: vec![master],
            outcasts: Vec::new(),
            epoch: 0,
        }
    }

    pub(super) fn with_epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// The master that serves `channel`, if one surely does.
    pub(crate) fn owner(&self, channel: &str) -> Option<&Address> {
        let slot = slot(channel);
        let at = self.shards.partition_point(|(slots, _)| *slots.end() < slot);
        self.shards.get(at).filter(|(slots, _)| slots.contains(&slot)).map(|(_, owner)| owner)
    }

    pub(crate) fn is_owner(&self, address: &Address) -> bool {
        self.shards.iter().any(|(_, owner)| owner == address)
    }

    /// All masters that serve something.
    pub(crate) fn owners(&self) -> Vec<&Address> {
        let mut owners: Vec<&Address> = self.shards.iter().map(|(_, owner)| owner).collect();
        owners.sort();
        owners.dedup();
        owners
    }

    /// Whether both send everybody to the same servers.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        self.shards == other.shards
    }

    /// Whether the server at `address` is known to be out of touch. That it was not asked, or did not answer, is no proof.
    pub(crate) fn is_outcast(&self, address: &Address) -> bool {
        self.outcasts.contains(address)
    }

    /// Whether every slot has an owner.
    pub(crate) fn is_whole(&self) -> bool {
        self.shards.iter().map(|(slots, _)| slots.len()).sum::<usize>() == usize::from(SLOTS)
    }

    /// Servers that what is published anywhere reaches, for all that can be known.
    pub(crate) fn members(&self) -> &[Address] {
        &self.members
    }
}
