//! Who is measured: ours, and each peer, as somebody would use it who has nothing else. Each publishes the same event to
//! the same channel, encodes it each time, and sets `TCP_NODELAY`.

pub mod deadpool;
pub mod fred;
pub mod ours;
pub mod python;
pub mod redis_rs;
pub mod rustis;

use crate::bench::{Bench, Failure};

/// The names of all but ours, as reports and floors know them.
pub const OTHERS: [&str; 6] =
    [redis_rs::NAME, deadpool::NAME, fred::NAME, rustis::NAME, python::NAME, python::NAME_OF_TASKS];

/// Publishes one event and awaits the answer.
pub trait Publish: Clone + Send + Sync + 'static {
    /// Who it is.
    const NAME: &'static str;

    /// Publishes the event.
    fn publish(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Publishes many events in one round trip and awaits the answers.
pub trait PublishMany: Clone + Send + Sync + 'static {
    /// Who it is.
    const NAME: &'static str;

    /// Publishes the event so many times.
    fn publish_many(&mut self, events: usize) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Listens to one channel and decodes what comes.
pub trait Listen: Send + 'static {
    /// Who it is.
    const NAME: &'static str;

    /// Hears the next event, which is the `number`th, and checks that it is one of those that were published.
    fn hear(&mut self, bench: &Bench, number: u64) -> impl Future<Output = Result<(), Failure>> + Send;
}

const ENDED: &str = "listening has ended";

fn all_answered(answers: usize, events: usize) -> Result<(), Failure> {
    if answers == events { Ok(()) } else { Err(format!("{answers} answers for {events} events").into()) }
}
