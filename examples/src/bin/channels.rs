//! Several channels: one event goes to each that its type declares, in one round trip, and listeners choose how much they hear.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

use std::env;
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{Any, Error, EventBus, MemoryTransport, Subscription};
use event_bus_redis::RedisTransport;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "example_jobs", channel(job = "{team}/jobs/{id}", team = "{team}/all"))]
struct JobDone {
    team: String,
    id: u64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    match env::var("REDIS_URL") {
        Ok(url) => run(RedisTransport::connect(url).await?).await,
        Err(_) => run(MemoryTransport::new()).await,
    }
}

async fn run(transport: impl Transport) -> Result<(), Error> {
    let team = format!("team-{}", fastrand::u32(..)); // ours alone
    let bus = JobDoneBus::new(transport);

    let one = bus.job(JobChannel { team: &team, id: 2 }).listen().await?;
    let all = bus.team(TeamChannel { team: &team }).listen().await?;
    let each = bus.job(JobChannel { team: &team, id: Any }).listen().await?; // by a pattern over the channels of jobs

    // Two filters on one subscription: an event that both match comes once.
    let mut both = bus.job(JobChannel { team: &team, id: 1 }).listen().await?;
    both.add(bus.job(JobChannel { team: &team, id: 2 })).await?;

    for id in 1..=3 {
        bus.publish(&JobDone { team: team.clone(), id }).await?; // to its job's channel, and to its team's
    }
    let (one, all, each) = (count(one, 1).await?, count(all, 3).await?, count(each, 3).await?);
    println!("channels: {one} on one, {all} on all, {each} on each, {} on two", count(both, 2).await?);
    Ok(())
}

async fn count(mut jobs: Subscription<JobDone>, expected: usize) -> Result<usize, Error> {
    let mut heard = 0;
    while heard < expected && jobs.wait(Duration::from_secs(10)).await?.is_some() {
        heard += 1;
    }
    Ok(heard)
}
