//! Publishing a hundred events in a batch, one batch awaited after the other: `publish_batch_to` beside pipelines.

use std::sync::Arc;

use super::{Setting, publish};
use crate::bench::{Bench, Failure};
use crate::contestant::{Contestant, Count};
use crate::peer::PublishMany;
use crate::peer::fred::{self, Fred};
use crate::peer::ours::Ours;
use crate::peer::redis_rs::{self, RedisRs};
use crate::peer::rustis::{self, Rustis};
use crate::usage::Meter;

const BATCH: u64 = 100;

pub(super) async fn prepare(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let bench = &setting.bench;
    let mut all = vec![batches(bench, Ours::connect(bench).await?)];
    if setting.wants(redis_rs::NAME) {
        all.push(batches(bench, RedisRs::connect(bench).await?));
    }
    if setting.wants(fred::NAME) {
        all.push(batches(bench, Fred::connect(bench).await?));
    }
    if setting.wants(rustis::NAME) {
        all.push(batches(bench, Rustis::connect(bench).await?));
    }
    for contestant in &mut all {
        publish::check(bench, contestant).await?;
    }
    Ok(all)
}

/// One who publishes hundreds of events.
pub(super) fn batches<P: PublishMany>(bench: &Arc<Bench>, publisher: P) -> Contestant {
    let bench = Arc::clone(bench);
    Contestant::new(P::NAME, Count::Steps(BATCH), move |count| {
        let (bench, mut publisher) = (Arc::clone(&bench), publisher.clone());
        async move {
            let meter = Meter::start(&bench.probe)?;
            for _ in 0..count / BATCH {
                publisher.publish_many(100).await?;
            }
            meter.stop(count)
        }
    })
}
