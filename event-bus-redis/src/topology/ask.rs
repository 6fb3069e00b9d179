//! Asking servers about each other, over connections of its own that are kept from one time to the next.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Result};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::map::Map;
use super::nodes::{self, Reading, View};
use super::rests::{Failed, Rests};
use super::sentinels::{self, Word};
use super::unreachable;
use crate::config::{Address, RedisConfig, Servers};
use crate::credentials::Half;
use crate::error::{Failure, connect_error, harmless};
use crate::keeper::{Keeper, Keeping};

/// How long one of them is waited for at most: the others go on without it.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a word of sentinels stands against older ones.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Of a large cluster, so many nodes are asked at a time, or all its masters and another one: every one knows them all.
const MOST_ASKED: usize = 16;

/// Where a sentinel tells that it has a new master.
const SWITCHED: &str = "+switch-master";

pub(super) struct Desk {
    config: Arc<RedisConfig>,
    connections: HashMap<Address, Kept>,
    /// Nodes of the cluster, as far as they are known.
    known: Vec<Address>,
    /// Those of them that serve something, and whether that is everything.
    owners: Vec<Address>,
    is_whole: bool,
    /// Nodes that could not be asked.
    rests: Rests,
    hurry: Arc<Notify>,
}

/// A connection from one question to the next.
struct Kept {
    connection: MultiplexedConnection,
    _keeper: Option<Keeper>,
}

impl Desk {
    /// Goes on from `latest`.
    pub(super) fn new(config: Arc<RedisConfig>, hurry: Arc<Notify>, latest: Option<&Map>) -> Self {
        let owners = latest.map(owners).unwrap_or_default();
        let members = latest.map(Map::members).unwrap_or_default();
        Self {
            config,
            connections: HashMap::new(),
            known: [&owners, members].concat(),
            owners,
            is_whole: latest.is_some_and(Map::is_whole),
            rests: Rests::default(),
            hurry,
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.connections.clear();
    }

    /// What they say now; `latest` is what they said last.
    pub(super) async fn map(
        &mut self,
        began: Instant,
        always: Option<&Address>,
        latest: Option<&Map>,
    ) -> Result<Map> {
        match self.config.servers().clone() {
            Servers::One(address) => Ok(Map::of_one(began, address)),
            Servers::Cluster(seeds) => self.map_of_cluster(&seeds, always, began).await,
            Servers::Sentinel(name, sentinels) => {
                self.map_of_sentinels(&name, &sentinels, began, latest).await
            }
        }
    }

    async fn map_of_cluster(
        &mut self,
        seeds: &[Address],
        always: Option<&Address>,
        began: Instant,
    ) -> Result<Map> {
        let mut asked = self.nodes_to_ask(seeds, always, began);
        let mut views = self.views(asked.clone()).await;
        if views.iter().all(Result::is_err) {
            asked = seeds.to_vec(); // perhaps all of them have moved
            views = self.views(asked.clone()).await;
        }
        let (mut views, errors) = apart(views);
        if views.is_empty() {
            return Err(unreachable(&self.config, errors));
        }
        // Only a master itself knows to whom it passes on what is published at it.
        let mut unasked = owners(&nodes::map(&views, began));
        unasked.retain(|owner| !asked.contains(owner) && !self.rests.is_resting(owner, began));
        if !unasked.is_empty() {
            views.extend(apart(self.views(unasked).await).0);
        }
        self.known = nodes::addresses(&views);
        let known = &self.known;
        let is_known = |address: &Address| known.contains(address) || seeds.contains(address);
        self.connections.retain(|address, _| is_known(address));
        self.rests.retain(is_known);
        let map = nodes::map(&views, began);
        self.owners = owners(&map);
        self.is_whole = map.is_whole();
        Ok(map)
    }

    /// Those that serve something, since each knows best whether it is out of touch; and of the others some. Where nobody
    /// serves a slot, those that were named at first know of others, perhaps.
    fn nodes_to_ask(&mut self, seeds: &[Address], always: Option<&Address>, now: Instant) -> Vec<Address> {
        let mut others = self.known.clone();
        fastrand::shuffle(&mut others);
        let mut nodes: Vec<Address> = always.into_iter().chain(&self.owners).cloned().collect();
        if self.known.is_empty() || !self.is_whole {
            nodes.extend_from_slice(seeds);
        }
        let room = MOST_ASKED.saturating_sub(nodes.len());
        nodes.extend(others.into_iter().take(room.max(1)));
        nodes.sort();
        nodes.dedup();
        nodes.retain(|node| !self.rests.is_resting(node, now));
        nodes
    }

    async fn views(&mut self, nodes: Vec<Address>) -> Vec<Result<View>> {
        let config = Arc::clone(&self.config);
        let reading = Reading { host: config.host_of_all_nodes(), prefers_names: config.has_tls() };
        self.ask_all(nodes, RedisConfig::at, async |address, mut connection| {
            let text: String = redis::cmd("CLUSTER").arg("NODES").query_async(&mut connection).await?;
            View::read(&text, &address, reading)
                .ok_or_else(|| (redis::ErrorKind::UnexpectedReturnType, "no list of nodes").into())
        })
        .await
    }

    async fn map_of_sentinels(
        &mut self,
        name: &str,
        sentinels: &[Address],
        began: Instant,
        latest: Option<&Map>,
    ) -> Result<Map> {
        let asked = self.sentinels_to_ask(sentinels, began);
        let words = self.ask_all(asked, RedisConfig::of_sentinel, async |_, mut connection| {
            // In this order: an address must not be older than the epoch that it is told with.
            let mut question = redis::cmd("SENTINEL");
            let master = question.arg("MASTER").arg(name).query_async(&mut connection).await;
            let mut question = redis::cmd("SENTINEL");
            let address =
                question.arg("GET-MASTER-ADDR-BY-NAME").arg(name).query_async(&mut connection).await?;
            if address == Value::Nil {
                return Ok(None);
            }
            Word::read(&master?, &address).map(Some)
        });
        let (words, errors) = apart(words.await);
        let words: Vec<Word> = words.into_iter().flatten().collect();
        match sentinels::newest(&words) {
            Some(word) if latest.is_some_and(|latest| is_behind(word.epoch, latest, began)) => {
                let text = "only sentinels answer that are behind what others said a moment ago";
                Err(Error::new(ErrorKind::NotConnected, text))
            }
            Some(word) => Ok(Map::of_one(began, word.master.clone()).with_epoch(word.epoch)),
            None => Err(unreachable(&self.config, errors)),
        }
    }

    /// Those that are not known to be silent, if they are half of all at least: of the most that agree on a new master, one is
    /// among them then. Fewer may all be cut off.
    fn sentinels_to_ask(&self, sentinels: &[Address], now: Instant) -> Vec<Address> {
        let mut awake = sentinels.to_vec();
        awake.retain(|sentinel| !self.rests.is_resting(sentinel, now));
        if awake.len() * 2 < sentinels.len() { sentinels.to_vec() } else { awake }
    }

    /// Asks all of them at once, each over the connection that there is or a new one. A connection on which it failed is
    /// not used again.
    async fn ask_all<T, F>(
        &mut self,
        addresses: Vec<Address>,
        config_of: impl Fn(&RedisConfig, Address) -> RedisConfig,
        question: impl Fn(Address, MultiplexedConnection) -> F,
    ) -> Vec<Result<T>>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let asking = addresses.into_iter().map(|address| {
            let kept = self.connections.remove(&address);
            let (is_new, config) = (kept.is_none(), config_of(&self.config, address.clone()));
            let (hurry, question) = (Arc::clone(&self.hurry), &question);
            async move {
                let question = |connection| question(address.clone(), connection);
                let (kept, outcome) = ask_one(&config, kept, hurry, question).await;
                let failure = outcome.as_ref().err().and_then(|error| Failed::of(error, is_new));
                (address, kept, failure, outcome.map_err(|error| told(&config, &error)))
            }
        });
        let answers = join_all(asking).await;
        let mut outcomes = Vec::with_capacity(answers.len());
        for (address, kept, failure, outcome) in answers {
            match failure {
                Some(failure) => self.rests.failed(&address, failure, Instant::now()),
                None => self.rests.answered(&address),
            }
            self.connections.extend(kept.map(|kept| (address, kept)));
            outcomes.push(outcome);
        }
        outcomes
    }
}

/// Whether a newer word was heard not long ago: the majority that said it may just be slow. Later, it may be that all
/// sentinels were made anew.
fn is_behind(epoch: u64, latest: &Map, now: Instant) -> bool {
    epoch < latest.epoch() && now.saturating_duration_since(latest.began()) < REMEMBERED
}

fn owners(map: &Map) -> Vec<Address> {
    map.owners().into_iter().cloned().collect()
}

/// Over the connection that was kept, or a new one; it comes back if it still works.
async fn ask_one<T, F: Future<Output = RedisResult<T>>>(
    config: &RedisConfig,
    kept: Option<Kept>,
    hurry: Arc<Notify>,
    question: impl FnOnce(MultiplexedConnection) -> F,
) -> (Option<Kept>, RedisResult<T>) {
    let answer = timeout(PATIENCE, async {
        let kept = match kept {
            Some(kept) => kept,
            None => connect(config, hurry).await?,
        };
        let answer = question(kept.connection.clone()).await?;
        Ok((kept, answer))
    });
    let silent = |_| Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)));
    match answer.await.unwrap_or_else(silent) {
        Ok((kept, answer)) => (Some(kept), Ok(answer)),
        Err(error) => (None, Err(error)),
    }
}

impl Failed {
    /// That a connection which was kept has ended says little of its server.
    fn of(error: &RedisError, is_new: bool) -> Option<Self> {
        match Failure::of(error) {
            Failure::Connection if error.is_timeout() => Some(Self::Silent),
            Failure::Connection if is_new => Some(Self::Unreachable),
            _ => None,
        }
    }
}

/// A connection for questions. A sentinel tells over it of a new master as soon as there is one; that is a hint, for it may be
/// lost, and servers of other sorts don't know of it.
async fn connect(config: &RedisConfig, hurry: Arc<Notify>) -> RedisResult<Kept> {
    let is_sentinel = config.is_sentinel();
    let on_push = move |push: PushInfo| -> std::result::Result<(), Infallible> {
        if push.kind == PushKind::Message {
            hurry.notify_one();
        }
        Ok(())
    };
    let connection_config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.connect_timeout))
        .set_response_timeout(Some(config.response_timeout))
        .set_push_sender(on_push);
    let keeping = Keeping::new(config, Half::Both);
    let client = Client::open(config.connection_info().await?)?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&connection_config).await?;
    if is_sentinel {
        let _ = connection.subscribe(SWITCHED).await; // only a hint
    }
    let keeper = keeping.map(|keeping| keeping.start(&connection));
    Ok(Kept { connection, _keeper: keeper })
}

fn told(config: &RedisConfig, error: &RedisError) -> Error {
    if error.kind() == redis::ErrorKind::Server(redis::ServerErrorKind::NoPerm) {
        let right = if config.is_sentinel() { "+sentinel" } else { "+cluster|nodes" };
        let text = format!(
            "redis at {} does not tell user {:?} of the others: grant {right}",
            config.server(),
            config.user()
        );
        return Error::new(ErrorKind::Denied, text).with_source(harmless(error));
    }
    connect_error(config, error)
}

fn apart<T>(outcomes: Vec<Result<T>>) -> (Vec<T>, Vec<Error>) {
    let (mut answers, mut errors) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(answer) => answers.push(answer),
            Err(error) => errors.push(error),
        }
    }
    (answers, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address::Tcp("127.0.0.1".into(), port)
    }

    #[test]
    fn silent_sentinels_are_left_out_while_half_of_them_speak() {
        let config = Arc::new(RedisConfig::sentinel("main", [("127.0.0.1", 1)]));
        let mut desk = Desk::new(config, Arc::default(), None);
        let (all, now) = ([at(1), at(2), at(3), at(4)], Instant::now());
        assert_eq!(desk.sentinels_to_ask(&all, now), all);
        desk.rests.failed(&at(2), Failed::Silent, now);
        assert_eq!(desk.sentinels_to_ask(&all, now), [at(1), at(3), at(4)]);
        desk.rests.failed(&at(3), Failed::Silent, now);
        assert_eq!(desk.sentinels_to_ask(&all, now), [at(1), at(4)]);
        desk.rests.failed(&at(4), Failed::Silent, now);
        assert_eq!(desk.sentinels_to_ask(&all, now), all, "the one that is left may be cut off");
    }

    #[test]
    fn another_desk_asks_those_that_the_one_before_knew() {
        let config = Arc::new(RedisConfig::cluster([("127.0.0.1", 1)]));
        let map = Map::of_one(Instant::now(), at(2));
        let mut desk = Desk::new(config, Arc::default(), Some(&map));
        assert_eq!(desk.nodes_to_ask(&[at(1)], None, Instant::now()), [at(2)]);
    }

    #[test]
    fn an_older_word_of_sentinels_does_not_count_for_a_while() {
        let map = Map::of_one(Instant::now(), at(1)).with_epoch(4);
        assert!(is_behind(3, &map, map.began()));
        assert!(!is_behind(4, &map, map.began()));
        assert!(!is_behind(3, &map, map.began() + REMEMBERED));
    }
}
