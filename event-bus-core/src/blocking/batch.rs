//! A batch that is published as its results are read.

use std::borrow::Borrow;
use std::fmt;
use std::iter::FusedIterator;

use super::runtime::BlockingRuntime;
use crate::batch::PublishBatch;
use crate::error::Result;
use crate::event::Event;
use crate::receipt::Receipt;

/// Events on their way, from [`BlockingEventBus::publish_batch`](crate::BlockingEventBus::publish_batch): an iterator of what became of
/// each, in their order.
///
/// It holds no more than one round trip's messages and results. Dropping it leaves the events unpublished whose round
/// trip has not begun. In async code it yields one error of the kind [`CannotBlock`](crate::ErrorKind::CannotBlock) and ends; what is
/// left stays unpublished.
#[must_use = "nothing is published before it is read"]
pub struct BlockingPublishBatch<E, I: Iterator, R = Vec<Receipt>> {
    batch: PublishBatch<E, I, R>,
    runtime: BlockingRuntime,
    is_refused: bool,
}

impl<E, I: Iterator, R> BlockingPublishBatch<E, I, R> {
    pub(super) fn new(runtime: BlockingRuntime, batch: PublishBatch<E, I, R>) -> Self {
        Self { batch, runtime, is_refused: false }
    }
}

impl<E, I, R> Iterator for BlockingPublishBatch<E, I, R>
where
    E: Event,
    I: Iterator,
    I::Item: Borrow<E>,
{
    type Item = Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_refused {
            return None;
        }
        if let Some(known) = self.batch.next_known() {
            return Some(known); // it was published: no refusal may hide that
        }
        self.runtime.wait_for(self.batch.next()).unwrap_or_else(|refusal| {
            self.is_refused = true;
            Some(Err(refusal))
        })
    }
}

impl<E, I, R> FusedIterator for BlockingPublishBatch<E, I, R>
where
    E: Event,
    I: FusedIterator,
    I::Item: Borrow<E>,
{
}

impl<E, I: Iterator, R> fmt::Debug for BlockingPublishBatch<E, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingPublishBatch").field(&self.batch).finish()
    }
}
