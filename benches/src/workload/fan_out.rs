//! A thousand listeners on one channel: ours over one connection, redis-rs with a connection for each. What counts is what
//! all of them hear together: under a flood, and of one message after the other.

use std::sync::Arc;

use super::Setting;
use super::crowd::Crowd;
use crate::bench::Failure;
use crate::contestant::{Contestant, Count};
use crate::limits::allow_open_files;
use crate::peer::{ours, redis_rs};

const LISTENERS: u64 = 1_000;

/// Messages of a sample, the same for both sides, or they would not stand in the same flood.
const FLOOD: u64 = 400;
const FLOOD_QUICK: u64 = 100;
const ONE_BY_ONE: u64 = 10;

pub(super) async fn flood(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let count = Count::Fixed(if setting.is_quick { FLOOD_QUICK } else { FLOOD });
    let crowds = crowds(&setting).await?;
    Ok(crowds.into_iter().map(|(name, crowd)| crowd.contestant(name, count)).collect())
}

pub(super) async fn one_by_one(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let side = |(name, crowd): (&'static str, Crowd)| {
        let crowd = Arc::new(crowd);
        Contestant::new(name, Count::Fixed(ONE_BY_ONE), move |messages| {
            let crowd = Arc::clone(&crowd);
            async move { crowd.hear_each(messages).await }
        })
    };
    Ok(crowds(&setting).await?.into_iter().map(side).collect())
}

async fn crowds(setting: &Setting) -> Result<Vec<(&'static str, Crowd)>, Failure> {
    let bench = &setting.bench;
    let filters = vec![bench.key.clone().into(); usize::try_from(LISTENERS)?];
    let ours = Crowd::of_ours(bench, filters, vec![bench.channel.clone()], LISTENERS).await?;
    let mut all = vec![(ours::NAME, ours)];
    if setting.wants(redis_rs::NAME) {
        allow_open_files(2 * LISTENERS)?;
        let peers = Crowd::of_redis_rs(bench, &bench.channel_of("peers"), LISTENERS).await?;
        all.push((redis_rs::NAME, peers));
    }
    Ok(all)
}
