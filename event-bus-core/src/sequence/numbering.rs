//! The publisher's half: numbers without holes. A channel's next number is taken by one publish at a time, which keeps
//! it until its outcome is known: what was surely not published gives its number back.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::{PUBLISHER, SEQ};
use crate::channel::Channel;
use crate::codec::Headers;
use crate::error::{Error, ErrorKind, Result};

/// More channels than this are not remembered: one that comes back then begins anew, as another publisher would.
const MOST_CHANNELS: usize = 16_384;

/// How long a publish waits for those before it on its channels.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The numbers of one bus.
#[derive(Debug)]
pub(crate) struct Numbering {
    publisher: String,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    by_channel: HashMap<Channel, Line>,
    /// How often the memory of channels was cleared.
    clearings: u64,
}

/// One channel's numbers.
#[derive(Clone, Debug)]
struct Line {
    publisher: Arc<str>,
    next: Arc<tokio::sync::Mutex<u64>>,
}

/// The right to number messages on some channels. Nobody else has it meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Turn(Vec<Place>);

#[derive(Debug)]
struct Place {
    channel: Channel,
    publisher: Arc<str>,
    next: OwnedMutexGuard<u64>,
}

/// A number that was given to a message.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    channel: Channel,
    number: u64,
}

impl Numbering {
    pub(crate) fn new() -> Self {
        Self { publisher: format!("{:016x}", unlike_any_other()), lines: Mutex::default() }
    }

    /// Waits for the turn on all of `channels`.
    ///
    /// # Errors
    /// `NotSent` if others have had it for too long: a stalled server must not make a queue without end.
    pub(crate) async fn turn(&self, channels: Vec<Channel>) -> Result<Turn> {
        timeout(LONGEST_WAIT, self.wait_for_turn(channels)).await.map_err(|_| out_of_turn())
    }

    async fn wait_for_turn(&self, mut channels: Vec<Channel>) -> Turn {
        channels.sort_unstable(); // all wait in one order, so that no two wait for each other
        channels.dedup();
        let mut places = Vec::with_capacity(channels.len());
        for channel in channels {
            let Line { publisher, next } = self.line(&channel);
            places.push(Place { channel, publisher, next: next.lock_owned().await });
        }
        Turn(places)
    }

    fn line(&self, channel: &Channel) -> Line {
        let mut lines = self.lock();
        if let Some(line) = lines.by_channel.get(channel) {
            return line.clone();
        }
        if lines.by_channel.len() >= MOST_CHANNELS {
            lines.by_channel.retain(|_, line| Arc::strong_count(&line.next) > 1);
            lines.clearings += 1;
        }
        let publisher = match lines.clearings {
            0 => self.publisher.as_str().into(),
            clearings => format!("{}-{clearings}", self.publisher).into(),
        };
        let line = Line { publisher, next: Arc::new(tokio::sync::Mutex::new(1)) };
        lines.by_channel.insert(channel.clone(), line.clone());
        line
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Random by the operating system, whatever a program seeds, and another one in each process that was forked: two that are called the
/// same would be taken for one who repeats himself.
fn unlike_any_other() -> u64 {
    static BUSES: AtomicU64 = AtomicU64::new(0);
    RandomState::new().hash_one((std::process::id(), BUSES.fetch_add(1, Ordering::Relaxed)))
}

/// Why a publish did not get its turn.
pub(crate) fn out_of_turn() -> Error {
    let text = format!(
        "other publishes to the same channel of this sequenced bus were still under way after {LONGEST_WAIT:?}"
    );
    Error::new(ErrorKind::NotSent, text)
}

impl Turn {
    /// Whether it is the turn of a bus that numbers its messages.
    pub(crate) fn is_numbering(&self) -> bool {
        !self.0.is_empty()
    }

    /// The next number on `channel`, which is put into `headers`; nothing if this is the turn of a bus without numbers.
    pub(crate) fn take(&mut self, channel: &Channel, headers: &mut Headers) -> Option<Number> {
        let place = self.0.iter_mut().find(|place| place.channel == *channel)?;
        let number = *place.next;
        *place.next += 1;
        headers.insert(PUBLISHER, &*place.publisher);
        headers.insert(SEQ, number.to_string());
        Some(Number { channel: channel.clone(), number })
    }

    /// The message with this number was surely not published. To be told of the last one first.
    pub(crate) fn give_back(&mut self, number: &Number) {
        let place = self.0.iter_mut().find(|place| place.channel == number.channel);
        if let Some(place) = place.filter(|place| *place.next == number.number + 1) {
            *place.next = number.number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> Channel {
        Channel::from_full_name(name)
    }

    fn seq(turn: &mut Turn, name: &str) -> (String, Number) {
        let mut headers = Headers::default();
        let number = turn.take(&channel(name), &mut headers);
        (headers.get("seq").unwrap_or_default().to_owned(), number.unwrap())
    }

    #[tokio::test]
    async fn numbers_have_no_holes_but_for_what_may_have_been_published() {
        let numbering = Numbering::new();
        let mut turn = numbering.turn(vec![channel("b/2"), channel("b/1"), channel("b/2")]).await.unwrap();
        let (first, _) = seq(&mut turn, "b/2");
        let (second, number) = seq(&mut turn, "b/2");
        assert_eq!((first.as_str(), second.as_str(), &*seq(&mut turn, "b/1").0), ("1", "2", "1"));
        assert_eq!(seq(&mut turn, "b/1").0, "2");
        turn.give_back(&number); // no other channel's, which has the same one
        drop(turn);
        let mut turn = numbering.turn(vec![channel("b/1"), channel("b/2")]).await.unwrap();
        assert_eq!((&*seq(&mut turn, "b/1").0, &*seq(&mut turn, "b/2").0), ("3", "2"));
    }

    #[test]
    fn no_two_are_called_the_same_whatever_a_program_seeds() {
        let names = [(); 100].map(|()| {
            fastrand::seed(42);
            Numbering::new().publisher
        });
        assert_eq!(std::collections::HashSet::from(names).len(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn one_has_the_turn_and_the_others_wait_but_not_for_ever() {
        let numbering = Numbering::new();
        let turn = numbering.turn(vec![channel("b/1")]).await.unwrap();
        let refused = numbering.turn(vec![channel("b/1")]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotSent);
        let mut next = std::pin::pin!(numbering.turn(vec![channel("b/2"), channel("b/1")]));
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx).is_pending()));
        assert!(waits.await);
        drop(turn);
        drop(next.await.unwrap());
    }

    #[tokio::test]
    async fn memory_is_bounded_and_what_is_forgotten_begins_as_another_publisher() {
        let numbering = Numbering::new();
        let publisher = async |name: String| {
            let mut headers = Headers::default();
            numbering.turn(vec![channel(&name)]).await.unwrap().take(&channel(&name), &mut headers);
            headers.get("publisher").map(str::to_owned)
        };
        let first = publisher("b/0".to_owned()).await;
        for number in 0..MOST_CHANNELS {
            publisher(format!("b/{number}")).await;
        }
        let length = numbering.lock().by_channel.len();
        assert!(length <= MOST_CHANNELS, "{length}");
        publisher("b/one more".to_owned()).await;
        assert_ne!(publisher("b/0".to_owned()).await, first, "its numbers begin at 1 again");
    }
}
