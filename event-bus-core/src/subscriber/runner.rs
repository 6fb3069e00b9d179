//! Runs handlers: in order per channel, so many at once, and notices in their place. What they do is their own business,
//! also if they panic over it.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::channel::Channel;
use crate::delivery::{Delivery, Notice};
use crate::event::Event;
use crate::port::Port;
use crate::subscription::{Read, Subscription};
use crate::telemetry::{Attempt, has_spans};

use super::handlers::{Handlers, Work};
use super::report::{About, HandlerPanic, Tally};

pub(super) struct Runner<E: Event> {
    /// Until it has ended, or this was asked to stop.
    events: Option<Subscription<E>>,
    handlers: Handlers<E>,
    concurrency: usize,
    /// Aborts what it holds when it is dropped.
    running: JoinSet<()>,
    /// What the running handlers are about, and the processing of an event of which others are told.
    about: HashMap<Id, (About, Option<Attempt>)>,
    port: Arc<Port>,
    /// What waits behind a running handler of the same channel; an entry for each channel of which one runs.
    queues: HashMap<Channel, VecDeque<Item<E>>>,
    waiting: usize,
    /// A notice that waits until all before it is handled; nothing behind it is read meanwhile.
    barrier: Option<Notice>,
    /// A notice is being handled for which everything else waits.
    is_barred: bool,
    tally: Tally,
}

/// Something on a channel that is to be handled.
enum Item<E> {
    Event(Delivery<E>),
    Notice(Notice),
}

enum Step<E> {
    Stop(Duration),
    Finished(Finished),
    Read(Received<E>),
}

type Finished = Result<(Id, ()), JoinError>;

/// What a read gave: an item or the end; nothing if the event type panicked over it.
type Received<E> = Option<Option<Read<E, E>>>;

impl<E: Event> Runner<E> {
    pub(super) fn new(
        events: Subscription<E>,
        handlers: Handlers<E>,
        concurrency: usize,
        tally: Tally,
    ) -> Self {
        Self {
            port: Arc::clone(events.port()),
            events: Some(events),
            handlers,
            concurrency,
            running: JoinSet::new(),
            about: HashMap::new(),
            queues: HashMap::new(),
            waiting: 0,
            barrier: None,
            is_barred: false,
            tally,
        }
    }

    /// Until the subscription has ended and all is handled, or `stop` says how long the running handlers have.
    pub(super) async fn run(mut self, stop: oneshot::Receiver<Duration>) {
        let mut stop = Some(stop);
        while self.events.is_some() || !self.running.is_empty() {
            match poll_fn(|cx| self.poll_step(cx, &mut stop)).await {
                Step::Stop(grace) => return self.stop(grace).await,
                Step::Finished(finished) => self.finish(finished),
                Step::Read(Some(Some(Ok(delivery)))) => {
                    self.enter(delivery.channel().clone(), Item::Event(delivery));
                }
                Step::Read(Some(Some(Err(notice)))) => self.take_notice(notice),
                Step::Read(Some(None)) => self.events = None,
                Step::Read(None) => {}
            }
        }
    }

    fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
        stop: &mut Option<oneshot::Receiver<Duration>>,
    ) -> Poll<Step<E>> {
        match stop.as_mut().map(|stop| Pin::new(stop).poll(cx)) {
            Some(Poll::Ready(Ok(grace))) => return Poll::Ready(Step::Stop(grace)),
            Some(Poll::Ready(Err(_))) => *stop = None, // the handle is gone, and this task is being aborted
            Some(Poll::Pending) | None => {}
        }
        if let Poll::Ready(Some(finished)) = self.running.poll_join_next_with_id(cx) {
            return Poll::Ready(Step::Finished(finished));
        }
        if self.has_room() { self.poll_read(cx).map(Step::Read) } else { Poll::Pending }
    }

    fn has_room(&self) -> bool {
        let is_held_up = self.barrier.is_some() || self.is_barred;
        !is_held_up && self.running.len() < self.concurrency && self.waiting < self.concurrency
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Received<E>> {
        let Some(events) = &mut self.events else { return Poll::Pending };
        // The message is out of the queue before it is decoded, and the next read takes the next one.
        let read = catch_unwind(AssertUnwindSafe(|| events.poll_recv(cx)));
        match read {
            Ok(read) => Poll::Ready(Some(ready!(read))),
            Err(panic) => {
                self.tell_panic(About::Reading, &*panic);
                Poll::Ready(None)
            }
        }
    }

    fn take_notice(&mut self, notice: Notice) {
        if notice.is_final() {
            self.tally.write(|report| report.end = Some(notice.clone()));
        }
        if !self.handlers.handle_notices() {
            return; // nothing is held up by what nobody hears
        }
        if let Some(channel) = notice.channel().cloned() {
            return self.enter(channel, Item::Notice(notice));
        }
        self.barrier = Some(notice);
        self.pass_barrier();
    }

    /// Handles `item`, or lets it wait for what its channel is busy with.
    fn enter(&mut self, channel: Channel, item: Item<E>) {
        match self.queues.get_mut(&channel) {
            Some(queue) => {
                queue.push_back(item);
                self.waiting += 1;
            }
            None => {
                if self.start(&channel, item) {
                    self.queues.insert(channel, VecDeque::new());
                }
            }
        }
    }

    /// Starts the handler for `item`; `false` if there is none.
    fn start(&mut self, channel: &Channel, item: Item<E>) -> bool {
        let work = catch_unwind(AssertUnwindSafe(|| match item {
            Item::Event(delivery) => {
                let about = About::Event(channel.clone(), delivery.event_type().to_owned());
                let seen = has_spans().then(|| delivery.clone());
                let work = self.handlers.for_event(delivery)?;
                Some((work, about, Some(self.port.telemetry().begin_process(seen.as_ref()))))
            }
            Item::Notice(notice) => {
                Some((self.handlers.for_notice(notice)?, About::Notice(Some(channel.clone())), None))
            }
        }));
        match work {
            Ok(Some((work, about, attempt))) => {
                self.spawn(work, about, attempt);
                true
            }
            Ok(None) => false,
            Err(panic) => {
                self.tell_panic(About::Reading, &*panic);
                false
            }
        }
    }

    fn spawn(&mut self, work: Work, about: About, attempt: Option<Attempt>) {
        let span = attempt.as_ref().map_or_else(Span::none, |attempt| attempt.span().clone());
        let id = self.running.spawn(work.instrument(span)).id();
        self.about.insert(id, (about, attempt));
    }

    fn finish(&mut self, finished: Finished) {
        match self.account(finished) {
            Some(channel) => self.go_on(&channel),
            None => self.is_barred = false,
        }
        self.pass_barrier();
    }

    /// Counts a handler that is done, and tells if it panicked. Which channel it held up.
    fn account(&mut self, finished: Finished) -> Option<Channel> {
        let id = finished.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let (about, attempt) = self.about.remove(&id)?;
        let channel = about.channel().cloned();
        let finished = finished.map_err(JoinError::try_into_panic);
        if let Some(attempt) = attempt {
            let error_type = match &finished {
                Ok(_) => None,
                Err(Ok(_)) => Some("panic"),
                Err(Err(_)) => Some("aborted"),
            };
            self.port.telemetry().end_process(&attempt, error_type);
        }
        match finished {
            Ok(_) => self.tally.write(|report| report.handled += 1),
            Err(Ok(panic)) => self.tell_panic(about, &*panic),
            Err(Err(_)) => self.tally.write(|report| report.aborted += 1),
        }
        channel
    }

    fn tell_panic(&self, about: About, panic: &(dyn std::any::Any + Send)) {
        self.tally.write(|report| report.panicked += 1);
        self.handlers.tell_panic(HandlerPanic::new(about, panic));
    }

    /// The next one of `channel`.
    fn go_on(&mut self, channel: &Channel) {
        while let Some(item) = self.queues.get_mut(channel).and_then(VecDeque::pop_front) {
            self.waiting -= 1;
            if self.start(channel, item) {
                return;
            }
        }
        self.queues.remove(channel);
    }

    fn pass_barrier(&mut self) {
        if !self.running.is_empty() {
            return;
        }
        let work = self.barrier.take().and_then(|notice| self.handlers.for_notice(notice));
        if let Some(work) = work {
            self.is_barred = true;
            self.spawn(work, About::Notice(None), None);
        }
    }

    async fn stop(mut self, grace: Duration) {
        let mut unhandled = self.waiting + usize::from(self.barrier.is_some());
        if let Some(events) = &self.events {
            events.end();
        }
        while self.events.is_some() {
            match poll_fn(|cx| self.poll_read(cx)).await {
                Some(Some(Err(_))) if !self.handlers.handle_notices() => {}
                Some(Some(_)) => unhandled += 1,
                Some(None) => self.events = None,
                None => {}
            }
        }
        self.tally.write(|report| report.unhandled = u64::try_from(unhandled).unwrap_or(u64::MAX));
        let finishing = async {
            while let Some(finished) = self.running.join_next_with_id().await {
                self.account(finished);
            }
        };
        let _ = timeout(grace, finishing).await;
        while let Some(finished) = self.running.try_join_next_with_id() {
            self.account(finished);
        }
        // Not awaited: a handler that blocks its thread would keep us past the grace.
        let left = u64::try_from(self.running.len()).unwrap_or(u64::MAX);
        self.tally.write(|report| report.aborted += left);
        for attempt in self.about.into_values().filter_map(|(_, attempt)| attempt) {
            self.port.telemetry().end_process(&attempt, Some("aborted"));
        }
    }
}
