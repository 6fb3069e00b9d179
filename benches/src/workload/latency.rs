//! From publish to typed receive at a thousand events a second, publisher and listener in one process: the median of a
//! sample's events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_bus_core::Subscription;
use event_bus_examples::ExecutionEvent;
use futures_util::StreamExt;
use tokio::time::{sleep_until, timeout};

use super::Setting;
use crate::bench::{Bench, Failure, PATIENCE, decode};
use crate::contestant::{Contestant, Count, Sample};
use crate::pairs::median;
use crate::peer::ours::Ours;
use crate::peer::redis_rs::RedisRs;
use crate::peer::{Publish, ours, redis_rs};
use crate::usage::Meter;

const PACE: Duration = Duration::from_millis(1);

pub(super) async fn prepare(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let count = Count::Fixed(if setting.is_quick { 100 } else { 500 });
    let (bench, publisher) = (setting.bench.clone(), Ours::connect(&setting.bench).await?);
    let bus = bench.bus().await?;
    let ours = Contestant::new(ours::NAME, count, move |count| {
        let (bench, bus, publisher) = (Arc::clone(&bench), bus.clone(), publisher.clone());
        async move {
            let listener = OursListening(bus.listen(&bench.key).await?);
            measure(&bench, publisher, listener, count).await
        }
    });
    let (bench, publisher) = (setting.bench.clone(), RedisRs::connect(&setting.bench).await?);
    let peer = Contestant::new(redis_rs::NAME, count, move |count| {
        let (bench, publisher) = (Arc::clone(&bench), publisher.clone());
        async move {
            let mut listener = bench.client()?.get_async_pubsub().await?;
            listener.subscribe(&bench.channel).await?;
            measure(&bench, publisher, listener, count).await
        }
    });
    Ok(vec![ours, peer])
}

trait Hear {
    fn hear(&mut self) -> impl Future<Output = Result<ExecutionEvent, Failure>> + Send;
}

struct OursListening(Subscription<ExecutionEvent>);

impl Hear for OursListening {
    async fn hear(&mut self) -> Result<ExecutionEvent, Failure> {
        Ok(self.0.recv().await.ok_or("it ended")??.into_event())
    }
}

impl Hear for redis::aio::PubSub {
    async fn hear(&mut self) -> Result<ExecutionEvent, Failure> {
        decode(self.on_message().next().await.ok_or("it ended")?.get_payload_bytes())
    }
}

async fn measure(
    bench: &Bench,
    mut publisher: impl Publish,
    mut listener: impl Hear,
    count: u64,
) -> Result<Sample, Failure> {
    let meter = Meter::start(&bench.probe)?;
    let start = tokio::time::Instant::now();
    let publishing = async {
        let mut sent = Vec::new();
        for number in 0..u32::try_from(count)? {
            sleep_until(start + PACE * number).await;
            sent.push(Instant::now());
            publisher.publish().await?;
        }
        Ok::<_, Failure>(sent)
    };
    let hearing = async {
        let mut heard = Vec::new();
        for number in 0..count {
            let event = timeout(PATIENCE, listener.hear()).await??;
            heard.push(Instant::now());
            bench.check(number, &event)?;
        }
        Ok::<_, Failure>(heard)
    };
    let (sent, heard) = tokio::try_join!(publishing, hearing)?;
    let mut sample = meter.stop(count)?;
    let micros: Vec<f64> =
        sent.iter().zip(&heard).map(|(sent, heard)| (*heard - *sent).as_secs_f64() * 1e6).collect();
    sample.value = median(&micros);
    Ok(sample)
}
