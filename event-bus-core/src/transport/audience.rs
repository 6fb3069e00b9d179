//! The listeners of one topic, and what each of them may believe. They can be [handed over](super::Registry::part_with)
//! from one registry to another.

use super::aftermath::Aftermath;
use super::inbox::{Inbox, InboxId};

/// Those who listen to one topic, while no registry serves them: what a transport with several servers holds on to until
/// another one [takes them over](super::Registry::take_over).
///
/// # Examples
/// A channel is served by another server from now on:
///
/// ```
/// use event_bus_core::transport::{Audience, Endpoint, Filter, Inbox, Lease, Registry, Scope, Topic};
/// use event_bus_core::transport::{TopicKind, Transport};
/// # use event_bus_core::{ChannelKey, Event, EventBus, KeyError, Message, Notice, Receipt, Result};
/// # use std::sync::{Arc, Mutex};
/// # #[derive(Clone, Default)]
/// # struct Taken(Arc<Mutex<Vec<Inbox>>>);
/// # impl Transport for Taken {
/// #     async fn publish(&self, _: Vec<Message>) -> Vec<Result<Receipt>> { Vec::new() }
/// #     async fn subscribe(&self, _: Filter, inbox: Inbox) -> Result<Lease> {
/// #         self.0.lock().expect("no panic").push(inbox);
/// #         Ok(Lease::new(|| {}))
/// #     }
/// #     async fn close(&self) {}
/// # }
/// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
/// # struct Order(u64);
/// # impl Event for Order {
/// #     const BUS_NAME: &'static str = "orders";
/// #     fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError> { Ok(Vec::new()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let taken = Taken::default();
/// # let mut orders = EventBus::<Order>::new(taken.clone()).listen("1").await?;
/// # let inbox = taken.0.lock().expect("no panic").remove(0);
/// let scope = Scope { endpoint: Endpoint(0), kind: TopicKind::ShardChannel };
/// let topic = Topic { scope, name: "orders/1".into() };
/// let (mut old, mut new) = (Registry::default(), Registry::default());
/// old.join(&topic, inbox); // of somebody who listens
/// old.next_request(1);
/// old.confirm(scope, &topic.name);
///
/// let audience: Audience = old.part_with(&topic).expect("somebody listens");
/// drop(old.take_aftermath()); // wakes whoever is told: not before a lock around it is released
/// assert!(audience.is_cut_off());
/// assert!(!new.take_over(&topic, audience), "the new server is to be asked first");
/// new.next_request(1);
/// assert_eq!(new.confirm(scope, &topic.name), [topic.clone()]);
/// drop(new.take_aftermath());
///
/// assert!(matches!(orders.recv().await, Some(Err(Notice::Interrupted))));
/// assert!(matches!(orders.recv().await, Some(Err(Notice::Resumed { .. }))));
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct Audience {
    members: Vec<Member>,
    /// What is published from now on reaches them.
    is_live: bool,
    /// A wider pattern serves them: nothing is subscribed for this topic alone.
    pub(super) is_folded: bool,
}

#[derive(Debug)]
struct Member {
    inbox: Inbox,
    standing: Standing,
}

/// What a listener may believe about one of its topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its `listen` has not returned yet, so there is nobody to tell anything.
    Joining,
    Live,
    CutOff,
}

impl Audience {
    /// One more listens.
    pub fn join(&mut self, inbox: Inbox) {
        let standing = if self.is_live { Standing::Live } else { Standing::Joining };
        self.members.push(Member { inbox, standing });
    }

    /// One listens no more. `false` if that inbox is not among them.
    pub fn leave(&mut self, inbox: InboxId, aftermath: &mut Aftermath) -> bool {
        let Some(at) = self.members.iter().position(|member| member.inbox.id() == inbox) else {
            return false;
        };
        let member = self.members.swap_remove(at);
        if member.standing == Standing::CutOff {
            member.inbox.resume_into(aftermath); // this topic no longer keeps it from being whole
        }
        true
    }

    /// They hear what is published from now on; those that were cut off are told. `false` if that is no news.
    pub(super) fn go_live(&mut self, aftermath: &mut Aftermath) -> bool {
        for member in &mut self.members {
            if member.standing == Standing::CutOff {
                member.inbox.resume_into(aftermath);
            }
            member.standing = Standing::Live;
        }
        !std::mem::replace(&mut self.is_live, true)
    }

    /// They hear nothing any more, and those that did are told. `false` if that is no news.
    pub(super) fn cut_off(&mut self, aftermath: &mut Aftermath) -> bool {
        for member in self.members.iter_mut().filter(|member| member.standing == Standing::Live) {
            member.standing = Standing::CutOff;
            member.inbox.interrupt_into(aftermath);
        }
        std::mem::take(&mut self.is_live)
    }

    /// Whether somebody among them has been told that he hears nothing.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.members.iter().any(|member| member.standing == Standing::CutOff)
    }

    /// Those of `others` join, each with what it may believe.
    pub fn absorb(&mut self, others: Self, aftermath: &mut Aftermath) {
        self.members.extend(others.members);
        if self.is_live {
            self.go_live(aftermath);
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    /// All who listened have left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Everybody whose `listen` has been confirmed, and who is not cut off.
    pub(super) fn live(&self) -> impl Iterator<Item = &Inbox> {
        self.members.iter().filter(|member| member.standing == Standing::Live).map(|member| &member.inbox)
    }

    /// Everybody.
    pub(super) fn inboxes(&self) -> impl Iterator<Item = &Inbox> {
        self.members.iter().map(|member| &member.inbox)
    }

    /// Everybody whose `listen` has been confirmed, to be [ended](Inbox::end).
    #[must_use]
    pub fn into_listening(self) -> Vec<Inbox> {
        let listening = self.members.into_iter().filter(|member| member.standing != Standing::Joining);
        listening.map(|member| member.inbox).collect()
    }
}
