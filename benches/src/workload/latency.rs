//! From publish to typed receive at a thousand events a second, publisher and listener in one process: the median of a
//! sample's events. Each sample has a fresh listener, since two would hear each other's events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{sleep_until, timeout};

use super::Setting;
use crate::bench::{Bench, Failure, PATIENCE};
use crate::contestant::{Contestant, Count, Sample};
use crate::pairs::median;
use crate::peer::ours::{Ours, OursListening};
use crate::peer::redis_rs::{self, RedisRs, RedisRsListening};
use crate::peer::{Listen, Publish};
use crate::usage::Meter;

const PACE: Duration = Duration::from_millis(1);

type Listening<L> = BoxFuture<'static, Result<L, Failure>>;

pub(super) async fn prepare(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let bench = &setting.bench;
    let ours = Ours::connect(bench).await?;
    let mut all = vec![side(&setting, ours, |bench| {
        async move { OursListening::to(&bench, bench.key.as_str()).await }.boxed()
    })];
    if setting.wants(redis_rs::NAME) {
        let peer = RedisRs::connect(bench).await?;
        all.push(side(&setting, peer, |bench| {
            async move { RedisRsListening::to(&bench, bench.key.as_str()).await }.boxed()
        }));
    }
    Ok(all)
}

fn side<L: Listen>(
    setting: &Setting,
    publisher: impl Publish,
    listen: impl Fn(Arc<Bench>) -> Listening<L> + Send + 'static,
) -> Contestant {
    let bench = Arc::clone(&setting.bench);
    let count = Count::Fixed(if setting.is_quick { 100 } else { 500 });
    Contestant::new(L::NAME, count, move |count| {
        let (bench, publisher) = (Arc::clone(&bench), publisher.clone());
        let listening = listen(Arc::clone(&bench));
        async move { measure(&bench, publisher, listening.await?, count).await }
    })
}

async fn measure(
    bench: &Bench,
    mut publisher: impl Publish,
    mut listener: impl Listen,
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
            timeout(PATIENCE, listener.hear(bench, number)).await??;
            heard.push(Instant::now());
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
