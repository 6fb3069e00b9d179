//! What has become of the messages of a batch so far, in their order: which have a result, which are left, and why.

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use event_bus_core::{Channel, Error, ErrorKind, Receipt, Result};

pub(crate) struct Progress {
    channels: Vec<Channel>,
    /// None for those that still have to be sent.
    results: Vec<Option<Result<Receipt>>>,
    last_error: Option<Error>,
}

/// What became of messages: nothing of those that surely were not sent, and why not.
pub(crate) struct Outcomes {
    pub(crate) results: Vec<Option<Result<Receipt>>>,
    pub(crate) unsent: Option<Error>,
}

impl Progress {
    /// Of messages to these channels, of which nothing has become yet.
    pub(super) fn of(channels: Vec<Channel>) -> Self {
        let results = channels.iter().map(|_| None).collect();
        Self { channels, results, last_error: None }
    }

    pub(super) fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// How many still have to be sent.
    pub(crate) fn left(&self) -> usize {
        self.results.iter().filter(|result| result.is_none()).count()
    }

    /// Of `all`, one for each message, those whose message is left.
    pub(super) fn left_of<T>(&self, all: impl IntoIterator<Item = T>) -> impl Iterator<Item = (usize, T)> {
        let all = all.into_iter().enumerate().zip(&self.results);
        all.filter(|(_, result)| result.is_none()).map(|(one, _)| one)
    }

    /// Gives what is left its result, in order, or leaves it; by its place and channel.
    pub(super) fn settle(&mut self, mut outcome: impl FnMut(usize, &Channel) -> Option<Result<Receipt>>) {
        let all = self.channels.iter().zip(&mut self.results).enumerate();
        for (place, (channel, result)) in all.filter(|(_, (_, result))| result.is_none()) {
            *result = outcome(place, channel);
        }
    }

    /// The channel of the first message that is left.
    pub(crate) fn first_left(&self) -> Option<&Channel> {
        self.left_of(&self.channels).next().map(|(_, channel)| channel)
    }

    /// What became of a part, which stood at these places. After the last one,
    /// [`leave_out_overtaken`](Self::leave_out_overtaken) is to be called.
    pub(crate) fn note_part(&mut self, places: &[usize], outcomes: Outcomes) {
        for (place, result) in places.iter().zip(outcomes.results) {
            self.results[*place] = result;
        }
        if let Some(error) = outcomes.unsent {
            self.last_error = Some(error);
        }
    }

    /// What the server could not do just now, and did for a later message of the same channel, is not sent any more: it
    /// would come behind that one.
    pub(crate) fn leave_out_overtaken(&mut self) {
        let is_out = |result: &Option<Result<Receipt>>| match result {
            Some(Ok(_)) => true,
            Some(Err(error)) => error.outcome_unknown(),
            None => false,
        };
        let done = self.channels.iter().zip(&self.results).enumerate();
        let last: HashMap<Channel, usize> = done
            .filter(|(_, (_, result))| is_out(result))
            .map(|(place, (channel, _))| (channel.clone(), place))
            .collect();
        self.settle(|place, channel| {
            if last.get(channel).is_none_or(|last| *last < place) {
                return None;
            }
            let text = format!("redis was not ready for the event for {channel}, and took a later one");
            Some(Err(Error::new(ErrorKind::NotSent, text).with_channel(channel.clone())))
        });
    }

    /// What is left could not be sent this time, for this reason.
    pub(crate) fn note_unsent(&mut self, error: Error) {
        self.last_error = Some(error);
    }

    pub(crate) fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    /// Whether trying again can't help.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.last_error.as_ref().is_some_and(|error| is_final(error.kind()))
    }

    /// What is left won't be sent: not after so many attempts, or not `within` the time for them.
    pub(crate) fn give_up(&mut self, attempts: u32, within: Option<Duration>) {
        let last = self.last_error.take();
        let kind =
            last.as_ref().map(Error::kind).filter(|kind| is_final(*kind)).unwrap_or(ErrorKind::NotSent);
        let cause = last.as_ref().map(ToString::to_string).unwrap_or_default();
        let source = last.as_ref().and_then(|error| error.source()).map(ToString::to_string);
        let attempts = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        let time = within.map(|time| format!(" within {time:?}")).unwrap_or_default();
        self.settle(|_, channel| {
            let text = format!("the event for {channel} was not sent in {attempts}{time}: {cause}");
            let error = Error::new(kind, text).with_channel(channel.clone());
            Some(Err(match &source {
                Some(source) => error.with_source(source.as_str()),
                None => error,
            }))
        });
    }

    pub(crate) fn into_results(self) -> Vec<Result<Receipt>> {
        let unsettled = || Err(Error::new(ErrorKind::NotSent, "the event was not sent"));
        self.results.into_iter().map(|result| result.unwrap_or_else(unsettled)).collect()
    }

    /// For one who may send elsewhere what is left.
    pub(crate) fn into_outcomes(self) -> Outcomes {
        Outcomes { results: self.results, unsent: self.last_error }
    }
}

fn is_final(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Closed | ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Refused)
}
