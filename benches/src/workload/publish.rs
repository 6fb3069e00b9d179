//! Publishing, each event awaited: from one task, and from 64 at once. That each message arrived and decodes is checked
//! before the first sample; in samples the server's count must be right.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Setting;
use crate::bench::{Bench, Failure, PATIENCE, decode};
use crate::contestant::{Contestant, Count, Sample};
use crate::peer::Publish;
use crate::peer::deadpool::{self, Deadpool};
use crate::peer::fred::{self, Fred};
use crate::peer::ours::Ours;
use crate::peer::python::{self, Python};
use crate::peer::redis_rs::{self, RedisRs};
use crate::peer::rustis::{self, Rustis};
use crate::usage::Meter;

const TASKS: u64 = 64;
const CHECKED: u64 = 256;
const END: &[u8] = b"no event: nothing more was to come";

pub(super) async fn one_by_one(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    contestants(&setting, 1).await
}

pub(super) async fn many_tasks(setting: Setting) -> Result<Vec<Contestant>, Failure> {
    contestants(&setting, TASKS).await
}

async fn contestants(setting: &Setting, tasks: u64) -> Result<Vec<Contestant>, Failure> {
    let bench = &setting.bench;
    let mut all = vec![publisher(bench, Ours::connect(bench).await?, tasks)];
    if setting.wants(redis_rs::NAME) {
        all.push(publisher(bench, RedisRs::connect(bench).await?, tasks));
    }
    if setting.wants(deadpool::NAME) {
        all.push(publisher(bench, Deadpool::new(bench)?, tasks));
    }
    if setting.wants(fred::NAME) {
        all.push(publisher(bench, Fred::connect(bench).await?, tasks));
    }
    if setting.wants(rustis::NAME) {
        all.push(publisher(bench, Rustis::connect(bench).await?, tasks));
    }
    if python::is_there()? {
        if setting.wants(python::NAME) {
            all.push(python_publisher(bench, python::NAME, 1).await?);
        }
        if tasks == TASKS && setting.wants(python::NAME_OF_TASKS) {
            all.push(python_publisher(bench, python::NAME_OF_TASKS, TASKS).await?);
        }
    }
    for contestant in &mut all {
        check(bench, contestant).await?;
    }
    Ok(all)
}

fn publisher<P: Publish>(bench: &Arc<Bench>, publisher: P, tasks: u64) -> Contestant {
    let bench = Arc::clone(bench);
    Contestant::new(P::NAME, Count::Steps(tasks), move |count| {
        let (bench, publisher) = (Arc::clone(&bench), publisher.clone());
        async move {
            let meter = Meter::start(&bench.probe)?;
            if tasks == 1 {
                repeat(publisher, count).await?;
            } else {
                side_by_side(publisher, count / tasks, tasks).await?;
            }
            meter.stop(count)
        }
    })
    .at_least(4 * tasks)
}

async fn repeat(mut publisher: impl Publish, count: u64) -> Result<(), Failure> {
    for _ in 0..count {
        publisher.publish().await?;
    }
    Ok(())
}

async fn side_by_side(publisher: impl Publish, count: u64, tasks: u64) -> Result<(), Failure> {
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        running.spawn(repeat(publisher.clone(), count));
    }
    while let Some(outcome) = running.join_next().await {
        outcome??;
    }
    Ok(())
}

/// A publisher in Python: so many tasks of one event loop, each of which awaits each publish.
async fn python_publisher(bench: &Arc<Bench>, name: &'static str, tasks: u64) -> Result<Contestant, Failure> {
    let (bench, python) = (Arc::clone(bench), Arc::new(Mutex::new(Python::start(bench).await?)));
    Ok(Contestant::new(name, Count::Steps(tasks), move |count| {
        let (bench, python) = (Arc::clone(&bench), Arc::clone(&python));
        async move {
            let meter = Meter::start(&bench.probe)?;
            let took = python.lock().await.publish(count / tasks, tasks).await?;
            meter.stop_with(count, took.time(), took.cpu())
        }
    }))
}

/// Has it publish to a listener of another make, who must hear the event so many times, and nothing else.
pub(super) async fn check(bench: &Bench, contestant: &mut Contestant) -> Result<Sample, Failure> {
    let steps = match contestant.count {
        Count::Steps(steps) | Count::Fixed(steps) => steps,
    };
    let count = CHECKED.next_multiple_of(steps);
    let mut listener = bench.client()?.get_async_pubsub().await?;
    listener.subscribe(&bench.channel).await?;
    let sample = contestant.run(count).await?;
    let mut messages = listener.on_message();
    for heard in 0..count {
        let message = timeout(PATIENCE, messages.next()).await;
        let Ok(Some(message)) = message else {
            return Err(format!("{}: {} of {count} events were lost", contestant.name, count - heard).into());
        };
        if decode(message.get_payload_bytes())? != bench.event {
            return Err(format!("{}: another event than was sent", contestant.name).into());
        }
    }
    redis::cmd("PUBLISH").arg(&bench.channel).arg(END).exec_async(&mut bench.multiplexed().await?).await?;
    match timeout(PATIENCE, messages.next()).await {
        Ok(Some(message)) if message.get_payload_bytes() == END => Ok(sample),
        _ => Err(format!("{}: more events than were sent", contestant.name).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::runtime;

    /// One who publishes `count` times and is lazy or mistaken.
    fn faulty(bench: &Arc<Bench>, left_out: u64, message: &'static str) -> Contestant {
        let bench = Arc::clone(bench);
        Contestant::new("faulty", Count::Steps(1), move |count| {
            let bench = Arc::clone(&bench);
            async move {
                let mut connection = bench.client()?.get_connection()?;
                let meter = Meter::start(&bench.probe)?;
                for _ in left_out..count {
                    redis::cmd("PUBLISH").arg(&bench.channel).arg(message).exec(&mut connection)?;
                }
                meter.stop(count)
            }
        })
    }

    #[test]
    fn messages_that_are_missing_or_changed_are_noticed() {
        let bench = Bench::start().unwrap();
        let checked = |mut contestant: Contestant| {
            let checked = check(&bench, &mut contestant);
            runtime(false).unwrap().block_on(checked).unwrap_err().to_string()
        };
        let lost = checked(faulty(&bench, 1, ""));
        assert!(lost.contains("256 were to be published and 255 reached the server"), "{lost}");
        let other = r#"{"payload":{"event_type":"graph_execution_update"}}"#;
        assert!(checked(faulty(&bench, 0, other)).contains("missing field"));
    }
}
