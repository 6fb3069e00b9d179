//! Who waits for the confirmation of a topic, and the answers that are ready to be given.

use std::collections::HashMap;

use event_bus_core::transport::Topic;
use event_bus_core::{Error, Result};
use foldhash::fast::RandomState;
use tokio::sync::oneshot;

pub(super) type Waiter = oneshot::Sender<Result<()>>;

#[derive(Default)]
pub(super) struct Waiters {
    waiting: HashMap<Topic, Vec<Waiter>, RandomState>,
    answers: Vec<Answer>,
}

/// Given when it is dropped, which must be after unlocking: it wakes whoever waits.
pub(super) struct Answer(Option<(Waiter, Result<()>)>);

impl Waiters {
    /// Waits for `topic` to be confirmed.
    pub(super) fn wait(&mut self, topic: &Topic) -> oneshot::Receiver<Result<()>> {
        let (waiter, confirmation) = oneshot::channel();
        self.waiting.entry(topic.clone()).or_default().push(waiter);
        confirmation
    }

    /// Forgets those who gave up waiting for `topic`.
    pub(super) fn prune(&mut self, topic: &Topic) {
        let Some(waiters) = self.waiting.get_mut(topic) else { return };
        self.answers.extend(prune(waiters));
        if waiters.is_empty() {
            self.waiting.remove(topic);
        }
    }

    /// Those who wait for `topic`, to wait elsewhere.
    pub(super) fn take(&mut self, topic: &Topic) -> Vec<Waiter> {
        self.waiting.remove(topic).unwrap_or_default()
    }

    /// More who wait for `topic`.
    pub(super) fn put(&mut self, topic: &Topic, waiters: Vec<Waiter>) {
        if !waiters.is_empty() {
            self.waiting.entry(topic.clone()).or_default().extend(waiters);
        }
    }

    pub(super) fn answer(&mut self, topic: &Topic, outcome: impl Fn() -> Result<()>) {
        let waiters = self.waiting.remove(topic).into_iter().flatten();
        self.answers.extend(waiters.map(|waiter| Answer::new(waiter, outcome())));
    }

    pub(super) fn refuse_all(&mut self, error: impl Fn() -> Error) {
        let waiters = self.waiting.drain().flat_map(|(_, waiters)| waiters);
        self.answers.extend(waiters.map(|waiter| Answer::new(waiter, Err(error()))));
    }

    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }
}

/// Takes out those who gave up waiting, as answers to nobody: what they hold to wake somebody is foreign code, which is
/// dropped with the answers.
pub(super) fn prune(waiters: &mut Vec<Waiter>) -> Vec<Answer> {
    waiters.extract_if(.., |waiter| waiter.is_closed()).map(|waiter| Answer::new(waiter, Ok(()))).collect()
}

impl Answer {
    pub(super) fn new(waiter: Waiter, outcome: Result<()>) -> Self {
        Self(Some((waiter, outcome)))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some((waiter, outcome)) = self.0.take() {
            let _ = waiter.send(outcome); // a listen that was dropped takes its topic back itself
        }
    }
}
