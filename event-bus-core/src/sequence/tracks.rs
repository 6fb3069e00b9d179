//! The listener's half: where each publisher stands on each channel, in bounded space.

use std::collections::HashMap;
use std::ops::Range;

use smallvec::SmallVec;

use super::{PUBLISHER, SEQ};
use crate::channel::Channel;
use crate::codec::Headers;

/// How many publishers on channels are followed at once. Of more, those that were silent for longest are forgotten: what
/// is missing of them then is not seen.
const MOST_TRACKS: usize = 4096;

/// How many missing stretches are remembered for each, so that what comes late is told from what comes twice.
const MOST_MISSING: usize = 8;

/// A longer name of a publisher is none of ours.
const LONGEST_PUBLISHER: usize = 64;

/// All publishers on all channels of one subscription.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    by_channel: HashMap<Channel, HashMap<Box<str>, Track>>,
    count: usize,
    /// How often something was missed that is told: it excuses numbers that are missing.
    losses: u64,
    /// Counts messages, to tell who was silent for longest.
    clock: u64,
}

/// No publisher is ahead by so many: such a number is none of ours, and is not counted as missing.
const LONGEST_GAP: u64 = 1 << 32;

#[derive(Debug)]
struct Track {
    next: u64,
    /// The losses that it knows of.
    losses: u64,
    /// What is missing at its next message is told, or was not for us.
    is_excused: bool,
    missing: SmallVec<[Range<u64>; 1]>,
    last_heard: u64,
}

/// What a message's number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is missing before it, or nothing that is not told already.
    Right,
    /// So many are missing before it.
    Gap(u64),
    /// It came before.
    Double,
}

impl Tracks {
    /// A loss is told: what is missing at the next message of each publisher may be that.
    pub(crate) fn excuse(&mut self) {
        self.losses += 1;
    }

    /// As [`excuse`](Self::excuse), on these channels alone.
    pub(crate) fn excuse_on(&mut self, is_concerned: impl Fn(&Channel) -> bool) {
        let concerned = self.by_channel.iter_mut().filter(|(channel, _)| is_concerned(channel));
        concerned.flat_map(|(_, tracks)| tracks.values_mut()).for_each(|track| track.is_excused = true);
    }

    /// As [`excuse`](Self::excuse), on this channel alone.
    pub(crate) fn excuse_on_one(&mut self, channel: &Channel) {
        let tracks = self.by_channel.get_mut(channel).into_iter().flat_map(HashMap::values_mut);
        tracks.for_each(|track| track.is_excused = true);
    }

    /// Notes the number of a message on `channel`, if it has one.
    pub(crate) fn note(&mut self, channel: &Channel, headers: &Headers) -> Verdict {
        let publisher = headers.get(PUBLISHER).filter(|publisher| publisher.len() <= LONGEST_PUBLISHER);
        let Some((publisher, number)) = publisher.zip(headers.get(SEQ).and_then(|seq| seq.parse().ok()))
        else {
            return Verdict::Right;
        };
        self.clock += 1;
        let (clock, losses) = (self.clock, self.losses);
        if let Some(track) = self.by_channel.get_mut(channel).and_then(|tracks| tracks.get_mut(publisher)) {
            track.last_heard = clock;
            return track.note(number, losses);
        }
        if self.count >= MOST_TRACKS {
            self.forget_half();
        }
        self.by_channel
            .entry(channel.clone())
            .or_default()
            .insert(publisher.into(), Track::beginning_with(number, losses, clock));
        self.count += 1;
        Verdict::Right
    }

    fn forget_half(&mut self) {
        let mut heard: Vec<u64> =
            self.by_channel.values().flat_map(HashMap::values).map(|track| track.last_heard).collect();
        heard.sort_unstable();
        let median = heard.get(heard.len() / 2).copied().unwrap_or_default();
        self.by_channel.retain(|_, tracks| {
            tracks.retain(|_, track| track.last_heard >= median);
            !tracks.is_empty()
        });
        self.count = self.by_channel.values().map(HashMap::len).sum();
    }
}

impl Track {
    /// What is numbered lower was published before, or comes late: it has not come yet.
    fn beginning_with(number: u64, losses: u64, clock: u64) -> Self {
        let missing = (number > 0).then_some(0..number).into_iter().collect();
        Self { next: number.saturating_add(1), losses, is_excused: false, missing, last_heard: clock }
    }

    fn note(&mut self, number: u64, losses: u64) -> Verdict {
        if number < self.next {
            return if self.find(number) { Verdict::Right } else { Verdict::Double };
        }
        let missed = number - self.next;
        if missed > LONGEST_GAP {
            return Verdict::Right;
        }
        if missed > 0 {
            if self.missing.len() == MOST_MISSING {
                self.missing.remove(0);
            }
            self.missing.push(self.next..number);
        }
        self.next = number.saturating_add(1);
        let is_excused = std::mem::take(&mut self.is_excused);
        let is_told = std::mem::replace(&mut self.losses, losses) != losses || is_excused;
        if missed == 0 || is_told { Verdict::Right } else { Verdict::Gap(missed) }
    }

    /// Whether `number` was missing; it is not any more.
    fn find(&mut self, number: u64) -> bool {
        let Some(at) = self.missing.iter().position(|missing| missing.contains(&number)) else {
            return false;
        };
        let Range { start, end } = self.missing.remove(at);
        let around = [start..number, number + 1..end];
        self.missing.extend(around.into_iter().filter(|missing| !missing.is_empty()));
        self.missing.truncate(MOST_MISSING);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Double, Gap, Right};
    use proptest::prelude::*;

    fn note(tracks: &mut Tracks, channel: &str, publisher: &str, seq: u64) -> Verdict {
        let mut headers = Headers::default();
        headers.insert(PUBLISHER, publisher);
        headers.insert(SEQ, seq.to_string());
        tracks.note(&Channel::from_full_name(channel), &headers)
    }

    #[test]
    fn missing_numbers_are_told_once_and_doubles_are_known() {
        let mut tracks = Tracks::default();
        let mut note = |seq| note(&mut tracks, "b/1", "p", seq);
        assert_eq!(
            [7, 8, 11, 11, 12, 9, 9, 10, 8].map(&mut note),
            [Right, Right, Gap(2), Double, Right, Right, Double, Right, Double]
        );
    }

    #[test]
    fn publishers_and_channels_are_apart_and_who_numbers_nothing_is_not_followed() {
        let mut tracks = Tracks::default();
        assert_eq!(note(&mut tracks, "b/1", "p", 1), Right);
        assert_eq!(note(&mut tracks, "b/2", "p", 5), Right);
        assert_eq!(note(&mut tracks, "b/1", "q", 9), Right, "one that restarted");
        assert_eq!(note(&mut tracks, "b/1", "p", 3), Gap(1));
        assert_eq!(note(&mut tracks, "b/2", "p", 6), Right);
        let mut odd = Headers::default();
        for (name, value) in [("x", "1"), (SEQ, "7"), (PUBLISHER, "p"), (SEQ, "-1")] {
            odd.insert(name, value);
            assert_eq!(tracks.note(&Channel::from_full_name("b/3"), &odd), Right, "{name}");
        }
        assert!(!tracks.by_channel.contains_key(&Channel::from_full_name("b/4")));
    }

    #[test]
    fn what_a_told_loss_covers_is_not_told_again() {
        let mut tracks = Tracks::default();
        for channel in ["b/1", "b/2"] {
            assert_eq!(note(&mut tracks, channel, "p", 1), Right);
        }
        tracks.excuse();
        assert_eq!(note(&mut tracks, "b/1", "p", 5), Right);
        assert_eq!(note(&mut tracks, "b/1", "p", 7), Gap(1), "the excuse holds once for each");
        assert_eq!(note(&mut tracks, "b/2", "p", 3), Right);
        tracks.excuse_on_one(&Channel::from_full_name("b/1"));
        assert_eq!(note(&mut tracks, "b/1", "p", 9), Right);
        assert_eq!(note(&mut tracks, "b/2", "p", 5), Gap(1), "another channel");
        tracks.excuse_on(|channel| channel.as_str() == "b/2");
        assert_eq!(note(&mut tracks, "b/1", "p", 11), Gap(1));
        assert_eq!(note(&mut tracks, "b/2", "p", 7), Right);
    }

    #[test]
    fn what_comes_late_behind_the_first_that_was_heard_comes_once() {
        let mut tracks = Tracks::default();
        let mut note = |seq| note(&mut tracks, "b/1", "p", seq);
        assert_eq!([7, 6, 6, 7, 8].map(&mut note), [Right, Right, Double, Double, Right]);
    }

    #[test]
    fn a_number_that_no_publisher_can_have_reached_changes_nothing() {
        let mut tracks = Tracks::default();
        let mut note = |seq| note(&mut tracks, "b/1", "p", seq);
        assert_eq!([1, u64::MAX, 2, 4, 3].map(&mut note), [Right, Right, Right, Gap(1), Right]);
    }

    #[test]
    fn memory_is_bounded_whatever_publishers_call_themselves() {
        let mut tracks = Tracks::default();
        for number in 0..3 * MOST_TRACKS {
            let channel = format!("b/{}", number % 50);
            assert_eq!(note(&mut tracks, &channel, &format!("p{number}"), u64::MAX), Right);
            assert_eq!(
                note(&mut tracks, "b/steady", "p", number as u64),
                Right,
                "who is heard is not forgotten"
            );
        }
        assert!(tracks.count <= MOST_TRACKS);
        assert_eq!(note(&mut tracks, "b/1", &"p".repeat(1_000), 1), Right);
        assert_eq!(note(&mut tracks, "b/1", &"p".repeat(1_000), 9), Right, "none of ours");
    }

    proptest! {
        /// Whatever is lost, doubled or told: the numbers add up.
        #[test]
        fn delivered_and_told_are_all_that_was_published(fates in prop::collection::vec(0..5_u8, 1..200)) {
            let mut tracks = Tracks::default();
            let (mut delivered, mut told, mut lost, mut excused) = (0, 0, 0, 0);
            let mut unseen = 0; // lost, and nothing has come behind
            note(&mut tracks, "b/1", "p", 1);
            let mut is_excused = false;
            for (seq, fate) in (2..).zip(fates) {
                match fate {
                    0 => { lost += 1; unseen += 1; continue }
                    1 => { tracks.excuse(); is_excused = true }
                    _ => {}
                }
                delivered += 1;
                match note(&mut tracks, "b/1", "p", seq) {
                    Gap(missed) => { told += missed; prop_assert!(!is_excused) }
                    Right => excused += unseen,
                    Double => prop_assert!(false, "{seq} came once"),
                }
                (unseen, is_excused) = (0, false);
                if fate == 2 {
                    prop_assert_eq!(note(&mut tracks, "b/1", "p", seq), Double);
                }
            }
            prop_assert_eq!(lost, told + excused + unseen);
            prop_assert!(delivered + lost > 0);
        }
    }
}
