//! One listener that decodes each event. On one thread it finds a backlog, so nothing but listening is measured; with several
//! threads it listens while a flood is coming.

use std::sync::Arc;
use std::time::Duration;

use event_bus_core::Notice;
use event_bus_examples::ExecutionEventBus;
use fred::prelude::{EventInterface, PubsubInterface};
use futures_util::StreamExt;
use rustis::commands::PubSubCommands;
use tokio::time::timeout;

use super::Setting;
use crate::bench::{Bench, Failure, Flood, PATIENCE, decode};
use crate::contestant::{Contestant, Count, Sample};
use crate::peer::fred::Fred;
use crate::peer::rustis::Rustis;
use crate::peer::{self, ours, redis_rs};
use crate::usage::Meter;

const STEPS: u64 = 500;

/// The most that a sample hears: what a queue of fred's must hold.
const MOST: usize = 1 << 18;

pub(super) async fn prepare(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let place = Place { bench: Arc::clone(&setting.bench), is_backlog: !setting.is_multi_thread };
    let bus = setting.bench.bus().await?;
    let mut all = vec![
        listener(ours::NAME, &place, move |place, count| by_ours(place, bus.clone(), count)),
        listener(redis_rs::NAME, &place, by_redis_rs),
    ];
    if !(setting.is_multi_thread && setting.is_quick) {
        let fred = Fred::connect(&setting.bench, MOST).await?;
        let rustis = Rustis::connect(&setting.bench).await?;
        all.push(listener(peer::fred::NAME, &place, move |place, count| by_fred(place, fred.clone(), count)));
        all.push(listener(peer::rustis::NAME, &place, move |place, count| {
            by_rustis(place, rustis.clone(), count)
        }));
    }
    Ok(all)
}

#[derive(Clone)]
struct Place {
    bench: Arc<Bench>,
    is_backlog: bool,
}

fn listener<F>(
    name: &'static str,
    place: &Place,
    mut listen: impl FnMut(Place, u64) -> F + Send + 'static,
) -> Contestant
where
    F: Future<Output = Result<Sample, Failure>> + Send + 'static,
{
    let place = place.clone();
    Contestant::new(name, Count::Steps(STEPS), move |count| listen(place.clone(), count))
}

impl Place {
    /// To be called once somebody listens.
    fn begin(&self, count: u64) -> Result<Begun<'_>, Failure> {
        let channels = Arc::from([self.bench.channel.clone()]);
        if self.is_backlog {
            self.bench.flood(channels, count)?.join()?; // the runtime's one thread waits here: nobody reads yet
            return Ok(Begun { meter: Meter::start(&self.bench.probe)?, flood: None, published: 0 });
        }
        let meter = Meter::start(&self.bench.probe)?;
        Ok(Begun { meter, flood: Some(self.bench.flood(channels, count)?), published: count })
    }
}

struct Begun<'a> {
    meter: Meter<'a>,
    flood: Option<Flood>,
    /// How many messages are published between the meter's start and its stop.
    published: u64,
}

impl Begun<'_> {
    /// To be called once all were heard.
    fn end(self, count: u64) -> Result<Sample, Failure> {
        let elsewhere = self.flood.map_or(Ok(Duration::ZERO), Flood::join)?;
        self.meter.stop_heard(count, self.published, elsewhere)
    }
}

async fn by_ours(place: Place, bus: ExecutionEventBus, count: u64) -> Result<Sample, Failure> {
    let mut events = bus.listen(&place.bench.key).await?;
    let begun = place.begin(count)?;
    for number in 0..count {
        match timeout(PATIENCE, events.recv()).await? {
            Some(Ok(event)) => place.bench.check(number, &event)?,
            Some(Err(Notice::Lagged { missed })) => return Err(format!("{missed} were missed").into()),
            Some(Err(notice)) => return Err(notice.into()),
            None => return Err("it ended".into()),
        }
    }
    begun.end(count)
}

async fn by_redis_rs(place: Place, count: u64) -> Result<Sample, Failure> {
    let mut listener = place.bench.client()?.get_async_pubsub().await?;
    listener.subscribe(&place.bench.channel).await?;
    let begun = place.begin(count)?;
    let mut messages = listener.on_message();
    for number in 0..count {
        let message = timeout(PATIENCE, messages.next()).await?.ok_or("it ended")?;
        place.bench.check(number, &decode(message.get_payload_bytes())?)?;
    }
    begun.end(count)
}

async fn by_fred(place: Place, fred: Fred, count: u64) -> Result<Sample, Failure> {
    let mut messages = fred.client.message_rx();
    fred.client.subscribe(&place.bench.channel).await?;
    let begun = place.begin(count)?;
    for number in 0..count {
        let message = timeout(PATIENCE, messages.recv()).await??;
        let bytes = message.value.as_bytes().ok_or("no bytes")?;
        place.bench.check(number, &decode(bytes)?)?;
    }
    let sample = begun.end(count)?;
    fred.client.unsubscribe(&place.bench.channel).await?;
    Ok(sample)
}

async fn by_rustis(place: Place, rustis: Rustis, count: u64) -> Result<Sample, Failure> {
    let mut messages = rustis.client.subscribe(&place.bench.channel).await?;
    let begun = place.begin(count)?;
    for number in 0..count {
        let message = timeout(PATIENCE, messages.next()).await?.ok_or("it ended")??;
        place.bench.check(number, &decode(message.payload())?)?;
    }
    let sample = begun.end(count)?;
    messages.close().await?;
    Ok(sample)
}
