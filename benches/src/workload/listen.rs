//! One listener that decodes each event. On one thread it finds a backlog, so nothing but listening is measured; with several
//! threads it listens while a flood is coming.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::Setting;
use crate::bench::{Bench, Failure, PATIENCE};
use crate::contestant::{Contestant, Count};
use crate::peer::Listen;
use crate::peer::fred::{self, FredListening};
use crate::peer::ours::OursListening;
use crate::peer::redis_rs::{self, RedisRsListening};
use crate::peer::rustis::{self, RustisListening};
use crate::usage::Meter;

const STEPS: u64 = 500;

/// Each listens to a channel of its own, so that nobody hears what is meant for another.
pub(super) async fn prepare(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let bench = &setting.bench;
    let mut all = vec![side(&setting, "ours", OursListening::to(bench, "ours").await?)];
    if setting.wants(redis_rs::NAME) {
        all.push(side(&setting, "bare", RedisRsListening::to(bench, "bare").await?));
    }
    if setting.wants(fred::NAME) {
        all.push(side(&setting, "fred", FredListening::to(bench, "fred").await?));
    }
    if setting.wants(rustis::NAME) {
        all.push(side(&setting, "rust", RustisListening::to(bench, "rust").await?));
    }
    Ok(all)
}

fn side<L: Listen>(setting: &Setting, key: &str, listener: L) -> Contestant {
    let (bench, listener) = (Arc::clone(&setting.bench), Arc::new(Mutex::new(listener)));
    let (is_backlog, channels) = (!setting.is_multi_thread, Arc::<[String]>::from([bench.channel_of(key)]));
    Contestant::new(L::NAME, Count::Steps(STEPS), move |count| {
        let (bench, channels) = (Arc::clone(&bench), Arc::clone(&channels));
        let listener = Arc::clone(&listener);
        async move {
            let listener = &mut *listener.lock().await;
            let flood = bench.flood(channels, 0, count)?;
            if is_backlog {
                flood.begin().join()?; // the runtime's one thread waits here: nobody reads yet
                let meter = Meter::start(&bench.probe)?;
                hear(&bench, listener, count).await?;
                return meter.stop_heard(count, 0, Duration::ZERO);
            }
            let meter = Meter::start(&bench.probe)?;
            let flood = flood.begin();
            hear(&bench, listener, count).await?;
            meter.stop_heard(count, count, flood.join()?)
        }
    })
}

async fn hear(bench: &Bench, listener: &mut impl Listen, count: u64) -> Result<(), Failure> {
    let all = async {
        for number in 0..count {
            listener.hear(bench, number).await?;
        }
        Ok(())
    };
    timeout(PATIENCE, all).await.map_err(|_| "messages were lost")?
}
