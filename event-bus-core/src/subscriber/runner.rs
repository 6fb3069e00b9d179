//! Runs handlers: in order per channel, so many at once, and notices in their place. What they do is their own business,
//! also if they panic over it.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;

use crate::channel::Channel;
use crate::delivery::{Delivery, Notice};
use crate::event::Event;
use crate::subscription::{Read, Subscription};

use super::handlers::{Handlers, Work};
use super::report::{HandlerPanic, SubscriberReport};

pub(super) struct Runner<E: Event> {
    /// Until it has ended, or this was asked to stop.
    events: Option<Subscription<E>>,
    handlers: Handlers<E>,
    concurrency: usize,
    /// Aborts what it holds when it is dropped.
    running: JoinSet<()>,
    /// What the running handlers are about.
    about: HashMap<Id, About>,
    /// What waits behind a running handler of the same channel; an entry for each channel of which one runs.
    queues: HashMap<Channel, VecDeque<Item<E>>>,
    waiting: usize,
    /// A notice that waits until all before it is handled; nothing behind it is read meanwhile.
    barrier: Option<Notice>,
    /// A notice is being handled for which everything else waits.
    is_barred: bool,
    report: SubscriberReport,
}

/// What a handler is about.
struct About {
    /// The channel that it holds up; all, if there is none.
    channel: Option<Channel>,
    event_type: Option<String>,
}

/// Something on a channel that is to be handled.
enum Item<E> {
    Event(Delivery<E>),
    Notice(Notice),
}

enum Step<E> {
    Stop(Duration),
    Finished(Finished),
    Read(Option<Read<E, E>>),
}

impl<E: Event> Runner<E> {
    pub(super) fn new(events: Subscription<E>, handlers: Handlers<E>, concurrency: usize) -> Self {
        Self {
            events: Some(events),
            handlers,
            concurrency,
            running: JoinSet::new(),
            about: HashMap::new(),
            queues: HashMap::new(),
            waiting: 0,
            barrier: None,
            is_barred: false,
            report: SubscriberReport::default(),
        }
    }

    /// Until the subscription has ended and all is handled, or `stop` says how long the running handlers have.
    pub(super) async fn run(mut self, stop: oneshot::Receiver<Duration>) -> SubscriberReport {
        let mut stop = Some(stop);
        while self.events.is_some() || !self.running.is_empty() {
            match std::future::poll_fn(|cx| self.poll_step(cx, &mut stop)).await {
                Step::Stop(grace) => return self.stop(grace).await,
                Step::Finished(finished) => self.finish(finished),
                Step::Read(Some(Ok(delivery))) => {
                    self.enter(delivery.channel().clone(), Item::Event(delivery));
                }
                Step::Read(Some(Err(notice))) => self.take_notice(notice),
                Step::Read(None) => self.events = None,
            }
        }
        self.report
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
        let has_room = self.has_room();
        match &mut self.events {
            Some(events) if has_room => events.poll_recv(cx).map(Step::Read),
            _ => Poll::Pending,
        }
    }

    fn has_room(&self) -> bool {
        let is_held_up = self.barrier.is_some() || self.is_barred;
        !is_held_up && self.running.len() < self.concurrency && self.waiting < self.concurrency
    }

    fn take_notice(&mut self, notice: Notice) {
        if notice.is_final() {
            self.report.end = Some(notice.clone());
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
        let (event_type, work) = match item {
            Item::Event(delivery) => {
                (Some(delivery.event_type().to_owned()), self.handlers.for_event(delivery))
            }
            Item::Notice(notice) => (None, self.handlers.for_notice(notice)),
        };
        let Some(work) = work else { return false };
        self.spawn(work, About { channel: Some(channel.clone()), event_type });
        true
    }

    fn spawn(&mut self, work: Work, about: About) {
        let id = self.running.spawn(work).id();
        self.about.insert(id, about);
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
        let About { channel, event_type } = self.about.remove(&id)?;
        match finished.map_err(JoinError::try_into_panic) {
            Ok(_) => self.report.handled += 1,
            Err(Ok(panic)) => {
                self.report.panicked += 1;
                self.handlers.tell_panic(HandlerPanic::new(channel.clone(), event_type, &*panic));
            }
            Err(Err(_)) => self.report.aborted += 1,
        }
        channel
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
            self.spawn(work, About { channel: None, event_type: None });
        }
    }

    async fn stop(mut self, grace: Duration) -> SubscriberReport {
        let unread = self.events.take().map_or(0, |events| events.queued());
        let unhandled = unread + self.waiting + usize::from(self.barrier.is_some());
        self.report.unhandled = u64::try_from(unhandled).unwrap_or(u64::MAX);
        let finishing = async {
            while let Some(finished) = self.running.join_next_with_id().await {
                self.account(finished);
            }
        };
        let _ = timeout(grace, finishing).await;
        // Not awaited: a handler that blocks its thread would keep us past the grace.
        self.report.aborted += u64::try_from(self.running.len()).unwrap_or(u64::MAX);
        self.report
    }
}

type Finished = Result<(Id, ()), JoinError>;
