//! Filters that a subscription has come to listen to, as long as there is something to read that came before them. What was
//! published to a channel before that was not for it: numbers that are missing then are no gap.

use std::collections::VecDeque;

use crate::channel::{Channel, ChannelFilter};
use crate::sequence::Tracks;
use crate::transport::{Inbox, LeaseKey};

/// Of more than these only the last is known, and taken for one of all channels.
const MOST_PENDING: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Joins {
    /// How many there have been.
    count: u64,
    pending: VecDeque<Join>,
}

#[derive(Debug)]
struct Join {
    /// Where it stands among what is to be read.
    mark: u64,
    /// None for all.
    joined: Option<(ChannelFilter, LeaseKey)>,
}

impl Joins {
    /// Nothing of the next filter has come yet. Returns its mark.
    pub(super) fn begin(&mut self, inbox: &Inbox) -> u64 {
        self.count += 1;
        if self.count > 1 {
            inbox.mark(self.count);
        }
        self.count
    }

    pub(super) fn note(&mut self, mark: u64, filter: ChannelFilter, key: LeaseKey) {
        let mut joined = Some((filter, key));
        if self.pending.len() >= MOST_PENDING {
            self.pending.clear();
            joined = None;
        }
        if mark > 1 {
            self.pending.push_back(Join { mark, joined });
        }
    }

    /// The reader has come to `mark`. `filters` are those of the subscription.
    pub(super) fn come_to(&mut self, mark: u64, filters: &[(ChannelFilter, LeaseKey)], tracks: &mut Tracks) {
        let read = self.pending.partition_point(|join| join.mark <= mark);
        for Join { joined, .. } in self.pending.drain(..read) {
            let Some((filter, key)) = joined else {
                tracks.excuse();
                continue;
            };
            let was_heard =
                |channel: &Channel| filters.iter().any(|(other, since)| *since < key && other.takes(channel));
            tracks.excuse_on(|channel| filter.takes(channel) && !was_heard(channel));
        }
    }
}
