//! What one node believes of the others: the lines of `CLUSTER NODES`.

use std::ops::RangeInclusive;

/// How many slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// One node, as another sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) id: String,
    flags: Vec<String>,
    /// Whose replica it is.
    pub(super) master: Option<String>,
    slots: Vec<RangeInclusive<u16>>,
}

impl Seen {
    pub(super) fn all(lines: &str) -> Vec<Self> {
        lines.lines().filter_map(Self::of).collect()
    }

    pub(super) fn owns(&self, slot: u16) -> bool {
        self.slots.iter().any(|slots| slots.contains(&slot))
    }

    pub(super) fn is_myself(&self) -> bool {
        self.has("myself")
    }

    pub(super) fn is_master(&self) -> bool {
        self.has("master")
    }

    /// Whether nobody doubts that it is there.
    pub(super) fn is_well(&self) -> bool {
        !["fail", "fail?", "handshake", "noaddr"].iter().any(|flag| self.has(flag))
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.iter().map(|slots| usize::from(slots.end() - slots.start()) + 1).sum()
    }

    /// What all must agree on.
    pub(super) fn place(&self) -> (&str, Option<&str>, &[RangeInclusive<u16>]) {
        (&self.id, self.master.as_deref(), &self.slots)
    }

    /// A line is: id, address, flags, master, ping sent, pong received, epoch, link state, slots.
    fn of(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, _, flags, master, _, _, _, _, slots @ ..] = &words[..] else { return None };
        Some(Self {
            id: (*id).to_owned(),
            flags: flags.split(',').map(str::to_owned).collect(),
            master: (*master != "-").then(|| (*master).to_owned()),
            slots: slots.iter().filter_map(|slots| range(slots)).collect(),
        })
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }
}

/// `7` or `7-9`, but not `[7->-id]`, which is on its way.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_is_who_and_owns_what() {
        let lines = "\
aa 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-9 11 [12->-bb]\n\
bb 127.0.0.1:3@4,host slave,fail? aa 0 0 1 connected\n";
        let [master, replica] = &Seen::all(lines)[..] else { panic!("two lines") };
        assert!(master.is_myself() && master.is_master() && master.is_well());
        assert!(master.owns(9) && master.owns(11) && !master.owns(10) && !master.owns(12));
        assert_eq!((master.slots(), replica.slots()), (11, 0));
        assert!(!replica.is_myself() && !replica.is_master() && !replica.is_well());
        assert_eq!(replica.place(), ("bb", Some("aa"), &[][..]));
    }
}
