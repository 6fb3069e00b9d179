//! What a message costs the client among ten thousand listeners, each on a channel of its own, beside ten: CPU of the
//! client for each message that one of them hears.

use std::sync::Arc;

use event_bus_core::ChannelKey;

use super::Setting;
use super::crowd::Crowd;
use crate::bench::{Bench, Failure};
use crate::contestant::{Contestant, Count};
use crate::peer::ours;

/// The other side: ours as well.
pub(crate) const FEW: &str = "ours, 10 listeners";

pub(super) async fn prepare(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    let bench = &setting.bench;
    let mut all = vec![side(bench, ours::NAME, "many", 10_000).await?];
    if setting.peer.is_none() {
        all.push(side(bench, FEW, "few", 10).await?);
    }
    Ok(all)
}

async fn side(
    bench: &Arc<Bench>,
    name: &'static str,
    place: &str,
    listeners: usize,
) -> Result<Contestant, Failure> {
    let keys = (0..listeners).map(|number| ChannelKey::new(format!("{place}/{number}")));
    let keys: Vec<ChannelKey> = keys.collect::<Result<_, _>>()?;
    let channels = keys.iter().map(|key| bench.channel_of(key.as_str())).collect();
    let filters = keys.into_iter().map(Into::into).collect();
    let crowd = Arc::new(Crowd::of_ours(bench, filters, channels, 1).await?);
    Ok(Contestant::new(name, Count::Steps(1_000), move |messages| {
        let crowd = Arc::clone(&crowd);
        async move {
            let mut sample = crowd.hear(messages).await?;
            sample.value = sample.client;
            Ok(sample)
        }
    }))
}
