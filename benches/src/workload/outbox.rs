//! An outbox from one task: events are sent without waiting, and published in the background, beside pipelines of a hundred
//! that redis-rs awaits one after the other.

use std::sync::Arc;

use event_bus_core::OutboxConfig;

use super::batch::batches;
use super::{Setting, publish};
use crate::bench::{Bench, Failure};
use crate::contestant::{Contestant, Count};
use crate::peer::ours;
use crate::peer::redis_rs::RedisRs;
use crate::usage::Meter;

pub(super) async fn prepare(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let bench = &setting.bench;
    let mut all = vec![outbox(bench).await?, batches(bench, RedisRs::connect(bench).await?)];
    for contestant in &mut all {
        publish::check(bench, contestant).await?;
    }
    Ok(all)
}

/// Sends as fast as there is room; the clock stops when everything is published.
async fn outbox(bench: &Arc<Bench>) -> Result<Contestant, Failure> {
    let (bench, outbox) = (Arc::clone(bench), bench.bus().await?.outbox(OutboxConfig::default())?);
    Ok(Contestant::new(ours::NAME, Count::Steps(100), move |count| {
        let (bench, outbox) = (Arc::clone(&bench), outbox.clone());
        async move {
            let meter = Meter::start(&bench.probe)?;
            let before = outbox.report().sent;
            for _ in 0..count {
                outbox.send_to_when_room(&bench.key, &bench.event).await?;
            }
            let report = outbox.flush().await;
            if report.sent - before != count {
                return Err(format!("not everything was published: {report:?}").into());
            }
            meter.stop(count)
        }
    }))
}
