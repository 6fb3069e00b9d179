//! The handlers of one subscriber, and what each type of event or notice becomes with them. When they run is not decided
//! here.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use crate::delivery::{Delivery, Notice};
use crate::event::Event;
use crate::event_type::{EventType, TypeName, Wanted};

use super::report::HandlerPanic;

/// A handler's work on one event or notice.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

type EventHandler<E> = Box<dyn Fn(Delivery<E>) -> Option<Work> + Send + Sync>;

pub(super) struct Handlers<E> {
    events: Vec<(TypeName, EventHandler<E>)>,
    notice: Option<Box<dyn Fn(Notice) -> Work + Send + Sync>>,
    panic: Box<dyn Fn(HandlerPanic) + Send + Sync>,
}

impl<E: Event> Handlers<E> {
    pub(super) fn new() -> Self {
        Self { events: Vec::new(), notice: None, panic: Box::new(|panic| log(&panic)) }
    }

    pub(super) fn set<P, H, F>(&mut self, event_type: EventType<E, P>, handler: H)
    where
        P: ?Sized + 'static,
        H: Fn(Delivery<E, P>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let name = event_type.type_name();
        let view = event_type.view();
        self.events.retain(|(known, _)| *known != name);
        let handler = Arc::new(handler);
        let work = move |delivery: Delivery<E>| {
            let (handler, delivery) = (Arc::clone(&handler), delivery.seen(view)?);
            Some(Box::pin(async move { handler(delivery).await }) as Work) // called in its task: it may panic at once
        };
        self.events.push((name, Box::new(work)));
    }

    pub(super) fn set_notice<H, F>(&mut self, handler: H)
    where
        H: Fn(Notice) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.notice = Some(Box::new(move |notice| {
            let handler = Arc::clone(&handler);
            Box::pin(async move { handler(notice).await })
        }));
    }

    pub(super) fn set_panic(&mut self, told: impl Fn(HandlerPanic) + Send + Sync + 'static) {
        self.panic = Box::new(told);
    }

    /// The types that have a handler; `None` if all have.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let names: Vec<TypeName> = self.events.iter().map(|(name, _)| *name).collect();
        let is_handled = |known: &&'static str| names.contains(&TypeName::Known(known));
        if E::EVENT_TYPES.iter().all(is_handled) { None } else { Some(Wanted::new(names)) }
    }

    /// What is to be done about an event, if anything.
    pub(super) fn for_event(&self, delivery: Delivery<E>) -> Option<Work> {
        let event_type = delivery.event_type();
        let known = E::EVENT_TYPES.iter().find(|known| **known == event_type);
        let name = known.map_or(TypeName::Unknown, |known| TypeName::Known(known));
        let (_, handler) = self.events.iter().find(|(handled, _)| *handled == name)?;
        handler(delivery)
    }

    /// What is to be done about a notice, if anything.
    pub(super) fn for_notice(&self, notice: Notice) -> Option<Work> {
        self.notice.as_ref().map(|handler| handler(notice))
    }

    pub(super) fn handle_notices(&self) -> bool {
        self.notice.is_some()
    }

    pub(super) fn tell_panic(&self, panic: HandlerPanic) {
        let told = catch_unwind(AssertUnwindSafe(|| (self.panic)(panic)));
        if told.is_err() {
            tracing::error!("what is told of panics of handlers panicked itself");
        }
    }
}

fn log(panic: &HandlerPanic) {
    tracing::error!("{panic}");
}

impl<E> fmt::Debug for Handlers<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers")
            .field("events", &self.events.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("notice", &self.notice.is_some())
            .finish_non_exhaustive()
    }
}
