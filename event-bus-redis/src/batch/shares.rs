//! A batch of which each part goes to the server that serves it: what is left, by server, and what became of it there.

use std::future::Future;

use event_bus_core::{Channel, Message, Receipt, Result};
use futures_util::future::join_all;

use super::Progress;

pub(crate) struct Divided {
    messages: Vec<Message>,
    pub(crate) progress: Progress,
}

/// The part of a batch that goes to one server.
pub(crate) struct Share<K> {
    pub(crate) to: K,
    /// Where they stand in the batch.
    pub(crate) places: Vec<usize>,
    pub(crate) messages: Vec<Message>,
}

impl<K: Copy + PartialEq> Share<K> {
    /// Each message to whom it is for, in order.
    pub(crate) fn of(
        messages: impl IntoIterator<Item = (usize, Message)>,
        to: impl Fn(&Channel) -> K,
    ) -> Vec<Self> {
        let mut shares: Vec<Self> = Vec::new();
        for (place, message) in messages {
            let to = to(message.channel());
            let at = shares.iter().position(|share| share.to == to).unwrap_or_else(|| {
                shares.push(Self { to, places: Vec::new(), messages: Vec::new() });
                shares.len() - 1
            });
            shares[at].places.push(place);
            shares[at].messages.push(message);
        }
        shares
    }

    /// Publishes all of them at once; a result for each message, where it stood.
    pub(crate) async fn each<F>(
        shares: Vec<Self>,
        publish: impl Fn(K, Vec<Message>) -> F,
    ) -> Vec<Result<Receipt>>
    where
        F: Future<Output = Vec<Result<Receipt>>>,
    {
        let publishes = shares.into_iter().map(|Self { to, places, messages }| {
            let results = publish(to, messages);
            async move { places.into_iter().zip(results.await) }
        });
        let mut results: Vec<(usize, Result<Receipt>)> =
            join_all(publishes).await.into_iter().flatten().collect();
        results.sort_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// A message with the same bytes for the same channel.
pub(crate) fn again(message: &Message) -> Message {
    Message::new(message.channel().clone(), message.payload().clone())
}

impl Divided {
    pub(crate) fn new(messages: Vec<Message>) -> Self {
        let progress = Progress::of(messages.iter().map(|message| message.channel().clone()).collect());
        Self { messages, progress }
    }

    /// What is left, by whom it is for.
    pub(crate) fn shares<K: Copy + PartialEq>(&self, to: impl Fn(&Channel) -> K) -> Vec<Share<K>> {
        let left = self.progress.left_of(&self.messages);
        Share::of(left.map(|(place, message)| (place, again(message))), to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Outcomes;
    use event_bus_core::{Error, ErrorKind};

    fn batch(channels: &[&str]) -> Divided {
        let message = |channel: &&str| Message::new(Channel::from_full_name(*channel), "");
        Divided::new(channels.iter().map(message).collect())
    }

    fn sent(channel: &str) -> Receipt {
        Receipt::new(Channel::from_full_name(channel), Some(0))
    }

    fn failed(kind: ErrorKind) -> Error {
        Error::new(kind, "no answer")
    }

    fn left(batch: &Divided) -> Vec<usize> {
        batch.shares(|_| ()).into_iter().flat_map(|share| share.places).collect()
    }

    #[test]
    fn each_server_is_given_its_channels_in_order_and_only_what_is_left() {
        let mut batch = batch(&["a/1", "b/1", "a/2", "b/1", "a/1"]);
        let to = |channel: &Channel| channel.as_str().starts_with('a');
        let places = |batch: &Divided| -> Vec<Vec<usize>> {
            batch.shares(to).into_iter().map(|share| share.places).collect()
        };
        assert_eq!(places(&batch), [vec![0, 2, 4], vec![1, 3]]);
        let results = vec![Some(Ok(sent("a/1"))), None, Some(Ok(sent("a/1")))];
        batch.progress.note_part(&[0, 2, 4], Outcomes { results, unsent: Some(failed(ErrorKind::NotSent)) });
        batch.progress.note_part(
            &[1, 3],
            Outcomes { results: vec![Some(Ok(sent("b/1"))), None], unsent: Some(failed(ErrorKind::NotSent)) },
        );
        batch.progress.leave_out_overtaken();
        assert_eq!(places(&batch), [vec![2], vec![3]]);
    }

    #[test]
    fn what_a_later_one_of_its_channel_may_have_overtaken_is_not_sent_any_more() {
        for later in [Ok(sent("a")), Err(failed(ErrorKind::OutcomeUnknown))] {
            let mut batch = batch(&["a", "b", "a", "a"]);
            let results = vec![None, Some(later), None];
            batch
                .progress
                .note_part(&[0, 2, 3], Outcomes { results, unsent: Some(failed(ErrorKind::NotSent)) });
            batch
                .progress
                .note_part(&[1], Outcomes { results: vec![None], unsent: Some(failed(ErrorKind::NotSent)) });
            batch.progress.leave_out_overtaken();
            assert_eq!(left(&batch), [1, 3]);
            let first = batch.progress.into_results().remove(0).unwrap_err();
            assert_eq!(first.kind(), ErrorKind::NotSent);
        }
    }

    #[test]
    fn what_was_refused_holds_nothing_back() {
        let mut batch = batch(&["a", "a"]);
        let refused = Some(Err(Error::new(ErrorKind::Refused, "no")));
        batch.progress.note_part(
            &[0, 1],
            Outcomes { results: vec![None, refused], unsent: Some(failed(ErrorKind::NotSent)) },
        );
        batch.progress.leave_out_overtaken();
        assert_eq!(left(&batch), [0]);
    }

    #[test]
    fn what_is_given_up_says_how_often_it_was_tried_and_what_the_last_cause_was() {
        let mut batch = batch(&["a", "b"]);
        batch.progress.note_part(
            &[0, 1],
            Outcomes { results: vec![Some(Ok(sent("a"))), None], unsent: Some(failed(ErrorKind::NotSent)) },
        );
        batch.progress.give_up(3, Some(std::time::Duration::from_secs(2)));
        let results = batch.progress.into_results();
        assert!(results[0].is_ok());
        let error = results[1].as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSent);
        assert_eq!(error.to_string(), "the event for b was not sent in 3 attempts within 2s: no answer");
    }
}
