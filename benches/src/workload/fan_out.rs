//! A thousand listeners on one channel under a flood: ours over one connection, redis-rs with a connection for each. What
//! counts is what all of them hear together.

use super::Setting;
use super::crowd::Crowd;
use crate::bench::Failure;
use crate::contestant::{Contestant, Count};
use crate::limits::allow_open_files;
use crate::peer::{ours, redis_rs};

const LISTENERS: usize = 1_000;

pub(super) async fn prepare(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let bench = &setting.bench;
    let listeners = LISTENERS as u64;
    allow_open_files(2 * listeners)?;
    let filters = vec![bench.key.clone().into(); LISTENERS];
    let ours = Crowd::of_ours(bench, filters, vec![bench.channel.clone()], listeners).await?;
    let peers = Crowd::of_redis_rs(bench, &bench.channel_of("peers"), listeners).await?;
    Ok(vec![
        ours.contestant(ours::NAME, Count::Steps(100)),
        peers.contestant(redis_rs::NAME, Count::Steps(2)),
    ])
}
