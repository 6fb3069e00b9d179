//! An interim publisher.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use event_bus_core::transport::{Capabilities, Filter, Health, Inbox, Lease, StateBoard, StateWatch, Transport};
use event_bus_core::{Error, ErrorKind, Message, Receipt, Result};
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

#[derive(Clone)]
pub(super) struct Interim(Arc<Inner>);
pub(super) struct Inner {
    seeds: Vec<(String, u16)>,
    master: Option<String>,
    command: &'static str,
    patience: Duration,
    response: Duration,
    state: Mutex<State>,
}
#[derive(Default)]
struct State {
    asked: Option<Instant>,
    shards: Vec<(u16, u16, String)>,
    asking: HashMap<String, MultiplexedConnection>,
    publishing: HashMap<String, MultiplexedConnection>,
}
impl std::fmt::Debug for Interim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("interim") }
}
fn crc(b: &[u8]) -> u16 {
    let mut c = 0_u16;
    for x in b { c ^= u16::from(*x) << 8; for _ in 0..8 { c = if c & 0x8000 != 0 { (c << 1) ^ 0x1021 } else { c << 1 }; } }
    c % 16384
}
async fn connect(address: &str) -> Option<MultiplexedConnection> {
    let client = redis::Client::open(format!("redis://{address}")).ok()?;
    let config = redis::AsyncConnectionConfig::new().set_connection_timeout(Some(Duration::from_millis(500))).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await.ok()
}
impl Interim {
    pub(super) fn new(seeds: Vec<(String, u16)>, master: Option<String>, sharded: bool, patience: Duration, response: Duration) -> Self {
        Self(Arc::new(Inner { seeds, master, command: if sharded { "SPUBLISH" } else { "PUBLISH" }, patience, response, state: Mutex::default() }))
    }
    async fn refresh(&self, state: &mut State) {
        let mut addresses: Vec<String> = self.0.seeds.iter().map(|(h, p)| format!("{h}:{p}")).collect();
        addresses.extend(state.shards.iter().map(|s| s.2.clone()));
        addresses.sort(); addresses.dedup();
        let mut views = Vec::new();
        let asks = addresses.into_iter().map(|address| {
            let known = state.asking.remove(&address);
            let master = self.0.master.clone();
            async move {
                let answer = timeout(Duration::from_millis(300), async {
                    let mut c = match known { Some(c) => c, None => connect(&address).await? };
                    let text = if let Some(master) = master {
                        let (h, p): (String, u16) = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&master).query_async(&mut c).await.ok()?;
                        let m: HashMap<String, String> = redis::cmd("SENTINEL").arg("MASTER").arg(&master).query_async(&mut c).await.ok()?;
                        format!("x {h}:{p}@1 master - 0 0 {} connected 0-16383", m.get("config-epoch")?)
                    } else { redis::cmd("CLUSTER").arg("NODES").query_async::<String>(&mut c).await.ok()? };
                    Some((c, text))
                }).await.ok().flatten();
                (address, answer)
            }
        });
        for (address, answer) in futures_util::future::join_all(asks).await {
            if let Some((c, text)) = answer { state.asking.insert(address, c); views.push(text); }
        }
        let mut best: Vec<(u64, Option<String>)> = vec![(0, None); 16384];
        for line in views.iter().flat_map(|v| v.lines()) {
            let w: Vec<&str> = line.split_whitespace().collect();
            if w.len() < 8 || !w[2].contains("master") { continue; }
            let address = w[1].split('@').next().unwrap_or("").to_owned();
            let epoch: u64 = w[6].parse().unwrap_or(0);
            for range in &w[8..] {
                let (a, b) = range.split_once('-').unwrap_or((range, range));
                if let (Ok(a), Ok(b)) = (a.parse::<usize>(), b.parse::<usize>()) {
                    for slot in a..=b { if best[slot].1.is_none() || best[slot].0 < epoch { best[slot] = (epoch, Some(address.clone())); } }
                }
            }
        }
        state.shards = best.into_iter().enumerate().filter_map(|(slot, (_, a))| Some((slot as u16, slot as u16, a?))).collect();
        state.asked = Some(Instant::now());
    }
    async fn publish_one(&self, message: &Message) -> Result<Receipt> {
        let deadline = Instant::now() + self.0.patience;
        let slot = crc(message.channel().as_str().as_bytes());
        loop {
            let mut state = self.0.state.lock().await;
            if state.asked.is_none_or(|asked| asked.elapsed() > Duration::from_secs(1)) { self.refresh(&mut state).await; }
            let owner = state.shards.iter().find(|s| s.0 == slot).map(|s| s.2.clone());
            let connection = match &owner {
                Some(owner) => match state.publishing.get(owner) {
                    Some(c) => Some(c.clone()),
                    None => { let c = connect(owner).await; if let Some(c) = &c { state.publishing.insert(owner.clone(), c.clone()); } c }
                },
                None => None,
            };
            drop(state);
            if let (Some(mut c), Some(owner)) = (connection, owner) {
                let mut cmd = redis::cmd(self.0.command);
                cmd.arg(message.channel().as_str()).arg(message.payload().as_ref());
                match timeout(self.0.response, cmd.query_async::<u64>(&mut c)).await {
                    Ok(Ok(n)) => return Ok(Receipt::new(message.channel().clone(), Some(n))),
                    Ok(Err(e)) if e.code().is_some() && !e.is_io_error() => { self.0.state.lock().await.asked = None; }
                    other => {
                        let mut state = self.0.state.lock().await;
                        state.publishing.remove(&owner);
                        state.asked = None;
                        return Err(Error::new(ErrorKind::OutcomeUnknown, format!("{other:?}")).with_channel(message.channel().clone()));
                    }
                }
            } else { self.0.state.lock().await.asked = None; }
            if Instant::now() > deadline { return Err(Error::new(ErrorKind::NotSent, "late").with_channel(message.channel().clone())); }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
impl Transport for Interim {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        let mut all = Vec::new();
        for m in &messages { all.push(self.publish_one(m).await); }
        all
    }
    async fn subscribe(&self, _: Filter, _: Inbox) -> Result<Lease> { Err(Error::new(ErrorKind::Unsupported, "no")) }
    async fn fence(&self) -> Result<()> { Ok(()) }
    async fn close(&self) {}
    fn capabilities(&self) -> Capabilities { Capabilities::default() }
    fn health(&self) -> Health { Health::default() }
    fn watch_state(&self) -> StateWatch { StateBoard::default().watch() }
}
