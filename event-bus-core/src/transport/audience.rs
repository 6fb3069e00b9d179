//! The listeners of one topic, and what each of them may believe.

use super::aftermath::Aftermath;
use super::inbox::{Inbox, InboxId};

#[derive(Debug, Default)]
pub(super) struct Audience {
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
    pub(super) fn join(&mut self, inbox: Inbox) {
        let standing = if self.is_live { Standing::Live } else { Standing::Joining };
        self.members.push(Member { inbox, standing });
    }

    /// `false` if that inbox is not among them.
    pub(super) fn leave(&mut self, inbox: InboxId, aftermath: &mut Aftermath) -> bool {
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

    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    pub(super) fn is_empty(&self) -> bool {
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

    /// Everybody whose `listen` has been confirmed.
    pub(super) fn into_listening(self) -> Vec<Inbox> {
        let listening = self.members.into_iter().filter(|member| member.standing != Standing::Joining);
        listening.map(|member| member.inbox).collect()
    }
}
