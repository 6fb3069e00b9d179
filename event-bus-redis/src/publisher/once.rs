//! One attempt at one server, for whoever may try again at another one.

use event_bus_core::Message;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Publisher, lane_number};
use crate::batch::{Batch, Command, Outcomes, Share};
use crate::lane::Lane;

impl Publisher {
    /// Each message on its lane, all lanes at once.
    pub(crate) async fn publish_once(
        &self,
        command: Command,
        messages: Vec<Message>,
        deadline: Instant,
    ) -> Outcomes {
        if let [lane] = &*self.lanes {
            return self.publish_once_on(lane, command, messages, deadline).await;
        }
        let mut whole = Outcomes { results: messages.iter().map(|_| None).collect(), unsent: None };
        let shares = Share::of(messages.into_iter().enumerate(), |channel| {
            lane_number(channel.as_str(), self.lanes.len())
        });
        let publishes = shares.into_iter().map(|Share { to, places, messages }| async move {
            (places, self.publish_once_on(&self.lanes[to], command, messages, deadline).await)
        });
        for (places, outcomes) in join_all(publishes).await {
            for (place, result) in places.into_iter().zip(outcomes.results) {
                whole.results[place] = result;
            }
            whole.unsent = outcomes.unsent.or(whole.unsent);
        }
        whole
    }

    async fn publish_once_on(
        &self,
        lane: &Lane,
        command: Command,
        messages: Vec<Message>,
        deadline: Instant,
    ) -> Outcomes {
        let mut batch = Batch::new(messages, command);
        self.attempt(lane, &mut batch, deadline).await;
        batch.progress.into_outcomes()
    }
}
