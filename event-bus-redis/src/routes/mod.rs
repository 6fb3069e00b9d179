//! Publishing to the nodes of a cluster, or to the master of sentinels: which message goes to which server, and what is tried
//! again where. How messages are sent to one server stands in `publisher.rs`.

mod nodes;
mod way;

use std::error::Error as _;
use std::sync::Arc;

use event_bus_core::transport::{LinkHealth, StateBoard};
use event_bus_core::{Channel, Error, ErrorKind, Message, Receipt, Result};
use futures_util::future::{join_all, select_ok};
use tokio::time::{Instant, sleep_until};

use crate::batch::{Command, Divided, Outcomes, Share};
use crate::both_kinds;
use crate::config::{Address, RedisConfig};
use crate::pace::{Next, Pace};
use crate::permits::Permits;
use crate::topology::{Map, Topology};
use nodes::Nodes;
use way::Way;

/// So many masters are tried when the transport connects, at once; one must let us in.
const GREETED: usize = 3;

pub(crate) struct Routes {
    config: Arc<RedisConfig>,
    way: Way,
    nodes: Arc<Nodes>,
    /// Of all servers together.
    permits: Permits,
}

impl Routes {
    pub(crate) fn new(config: Arc<RedisConfig>, topology: Arc<Topology>, board: StateBoard) -> Self {
        let nodes = Arc::new(Nodes::new(Arc::clone(&config), board));
        let way = Way::new(topology, Arc::clone(&nodes));
        let permits = Permits::new(config.max_in_flight);
        Self { config, way, nodes, permits }
    }

    /// Finds out who serves what, and whether one of them lets us in.
    pub(crate) async fn connect(&self) -> Result<()> {
        let deadline = Instant::now() + self.config.connect_timeout + self.config.response_timeout;
        let map = self.way.newest(deadline).await?;
        let mut owners = map.owners();
        fastrand::shuffle(&mut owners);
        owners.truncate(GREETED);
        if owners.is_empty() {
            let text = format!("nobody of {} serves anything", self.config.server());
            return Err(Error::new(ErrorKind::NotConnected, text));
        }
        let greetings = owners.into_iter().map(|address| {
            let node = self.nodes.of(&map, address);
            Box::pin(async move { node?.connect().await })
        });
        select_ok(greetings).await.map(|((), _others)| ())
    }

    pub(crate) async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        let publish_with = |command, messages| self.publish_with(command, messages);
        both_kinds::publish(self.config.publishing, messages, publish_with).await
    }

    /// What goes to different servers at first goes on its way by itself: one that is slow to answer holds up no other.
    pub(crate) async fn publish_with(
        &self,
        command: Command,
        messages: Vec<Message>,
    ) -> Vec<Result<Receipt>> {
        let begin = Instant::now();
        let map = match &messages[..] {
            [] => return Vec::new(),
            [_] => None,
            _ => self.way.known(),
        };
        let Some(map) = map else { return self.deliver(command, messages, begin).await };
        let shares = Share::of(messages.into_iter().enumerate(), |channel| map.owner(channel.as_str()));
        Share::each(shares, |_, messages| self.deliver(command, messages, begin)).await
    }

    /// Tries again what surely did not run, wherever it is served by then.
    async fn deliver(
        &self,
        command: Command,
        messages: Vec<Message>,
        begin: Instant,
    ) -> Vec<Result<Receipt>> {
        let mut batch = Divided::new(messages);
        let mut pace = Pace::new(
            begin + self.config.publish_timeout,
            self.config.publish_timeout,
            self.config.publish_attempts,
        );
        let mut failed_at = None;
        loop {
            if let Err(error) = self.attempt(&mut batch, command, failed_at, pace.deadline()).await {
                // Of one that only ran out of time, what went wrong before tells more.
                let is_late = Instant::now() >= pace.deadline() && error.kind() != ErrorKind::Closed;
                if !is_late || batch.progress.last_error().is_none() {
                    batch.progress.note_unsent(error);
                }
            }
            if batch.progress.left() == 0 {
                return self.receipts(batch);
            }
            self.way.was_wrong();
            let now = Instant::now();
            failed_at = Some(now);
            let is_answer =
                batch.progress.last_error().is_some_and(|error| error.kind() == ErrorKind::NotSent);
            let next = if batch.progress.is_hopeless() { pace.last() } else { pace.next(now, is_answer) };
            match next {
                Next::Again(at) if at > now => sleep_until(at).await,
                Next::Again(_) => {}
                Next::GiveUp(attempts, within) => {
                    batch.progress.give_up(attempts, within);
                    return self.receipts(batch);
                }
            }
        }
    }

    /// One attempt at all that is left, by a map that is newer than the last failure.
    async fn attempt(
        &self,
        batch: &mut Divided,
        command: Command,
        failed_at: Option<Instant>,
        deadline: Instant,
    ) -> Result<()> {
        // Before the map: who waits here for long would go by an old one.
        let _permits = self.permits.take(batch.progress.left(), deadline).await?;
        let map = match failed_at {
            None => self.way.fresh(deadline).await,
            Some(failed_at) => self.way.newer_than(failed_at, deadline).await,
        };
        let map = map.inspect_err(|error| self.note_astray(batch, error))?;
        let mut shares = batch.shares(|channel| map.owner(channel.as_str()));
        if let [_] = &shares[..]
            && let Some(share) = shares.pop()
        {
            let (places, outcomes) = self.send(&map, command, share, deadline).await;
            batch.progress.note_part(&places, outcomes);
        } else {
            let sends = shares.into_iter().map(|share| self.send(&map, command, share, deadline));
            for (places, outcomes) in join_all(sends).await {
                batch.progress.note_part(&places, outcomes);
            }
        }
        batch.progress.leave_out_overtaken();
        Ok(())
    }

    async fn send(
        &self,
        map: &Arc<Map>,
        command: Command,
        share: Share<Option<&Address>>,
        deadline: Instant,
    ) -> (Vec<usize>, Outcomes) {
        let Share { to, places, messages } = share;
        let node = match to {
            Some(address) => self.nodes.of(map, address),
            None => Err(self.unserved(messages[0].channel())),
        };
        if let Some(address) = to
            && let Some(until) = self.nodes.rest(&messages, address)
        {
            sleep_until(until.min(deadline)).await;
        }
        let outcomes = match node {
            Ok(node) => self.told_truly(node.publish_once(command, messages, deadline).await),
            Err(error) => Outcomes { results: messages.iter().map(|_| None).collect(), unsent: Some(error) },
        };
        (places, outcomes)
    }
}

impl Routes {
    /// A server was left while something was on its way to it: that is closed, and we are not.
    fn told_truly(&self, mut outcomes: Outcomes) -> Outcomes {
        let was_left = |error: &Error| error.kind() == ErrorKind::Closed && !self.permits.is_closed();
        if outcomes.unsent.as_ref().is_some_and(was_left) {
            outcomes.unsent =
                Some(Error::new(ErrorKind::NotSent, "the redis that served this channel was replaced"));
        }
        outcomes
    }

    fn unserved(&self, channel: &Channel) -> Error {
        let text = format!("nobody of {} serves this channel", self.config.server());
        self.nodes.unserved(channel, &text);
        Error::new(ErrorKind::NotSent, text)
    }

    fn note_astray(&self, batch: &Divided, error: &Error) {
        if let Some(channel) = batch.progress.first_left() {
            let source = error.source().map(ToString::to_string);
            self.nodes.unserved(channel, &source.unwrap_or_else(|| error.to_string()));
        }
    }

    /// Counts of receivers say nothing on a cluster: a node counts its own connections.
    fn receipts(&self, batch: Divided) -> Vec<Result<Receipt>> {
        let mut results = batch.progress.into_results();
        if self.config.is_cluster() {
            results.iter_mut().flatten().for_each(|receipt| receipt.receivers = None);
        }
        results
    }

    pub(crate) fn close(&self) {
        self.permits.close();
        self.nodes.close();
    }

    pub(crate) fn health(&self) -> LinkHealth {
        self.nodes.health()
    }
}
