//! A sharded cluster: each channel lives on the node that owns its slot, and so do those who listen to it. Nothing but the
//! transport knows. With `REDIS_URL=redis-cluster://127.0.0.1:7000`, any node of a cluster of Redis 7 or newer.

use std::env;
use std::time::Duration;

use event_bus_core::{Error, EventBus};
use event_bus_redis::{RedisConfig, RedisTransport};
use serde::{Deserialize, Serialize};

/// A channel for each device. What stands in literal braces is the hash tag: `{site}` keeps the channels of a site on one node.
#[derive(Clone, Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "example_readings", channel(device = "{{{site}}}/{device}"))]
struct Reading {
    site: String,
    device: u64,
    celsius: f64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis-cluster://127.0.0.1:7000".to_owned());
    let bus = ReadingBus::new(RedisTransport::connect(RedisConfig::from_url(&url)?.sharded()).await?);

    let sites: Vec<String> = (0..10).map(|site| format!("site-{site}-{}", fastrand::u32(..))).collect(); // ours alone
    let mut readings = bus.device(DeviceChannel { site: &sites[0], device: 1 }).listen().await?;
    for site in &sites[1..] {
        readings.add(bus.device(DeviceChannel { site, device: 1 })).await?; // there are no patterns on shards
    }

    for site in &sites {
        bus.publish(&Reading { site: site.clone(), device: 1, celsius: 21.5 }).await?;
    }
    let mut heard = 0;
    while heard < sites.len()
        && let Some(reading) = readings.wait(Duration::from_secs(10)).await?
    {
        println!("{}: {} °C", reading.channel(), reading.celsius);
        heard += 1;
    }
    println!("sharded: {heard} heard of {}", sites.len());
    Ok(())
}
