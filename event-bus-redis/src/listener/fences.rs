//! Who wants to know that nothing is being missed: asked, put to the server with the next ping, answered with it.

use event_bus_core::{Error, Result};
use tokio::sync::oneshot;

use super::waiters::{Answer, Waiter};

#[derive(Default)]
pub(super) struct Fences {
    /// Not part of a ping yet.
    asked: Vec<Waiter>,
    /// Part of the ping that is under way: it was sent after they had asked.
    sent: Vec<Waiter>,
    answers: Vec<Answer>,
}

impl Fences {
    pub(super) fn ask(&mut self) -> oneshot::Receiver<Result<()>> {
        let (waiter, answer) = oneshot::channel();
        if self.asked.len() == self.asked.capacity() {
            self.asked.retain(|waiter| !waiter.is_closed()); // those who gave up, before more room is made
        }
        self.asked.push(waiter);
        answer
    }

    pub(super) fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// A ping is sent now.
    pub(super) fn send(&mut self) {
        self.sent.append(&mut self.asked);
    }

    /// The ping was answered.
    pub(super) fn answer(&mut self) {
        self.answers.extend(self.sent.drain(..).map(|waiter| Answer::new(waiter, Ok(()))));
    }

    /// There is no connection any more.
    pub(super) fn refuse(&mut self, error: impl Fn() -> Error) {
        let waiters = self.asked.drain(..).chain(self.sent.drain(..));
        self.answers.extend(waiters.map(|waiter| Answer::new(waiter, Err(error()))));
    }

    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }
}
