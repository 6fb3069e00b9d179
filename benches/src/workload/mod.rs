//! What is measured, one file for each: a workload prepares ours first and then its peers. To add one, write its file and give
//! it a row in [`WORKLOADS`]; what it must reach stands in [`floors`](crate::floors).

mod batch;
pub mod channels;
mod cost;
pub mod crowd;
mod fan_out;
mod latency;
mod listen;
mod outbox;
mod publish;

use std::future::ready;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::bench::{Bench, Failure};
use crate::contestant::Contestant;
use crate::peer::redis_rs;
use crate::report::Unit;

pub(crate) use channels::NAME as HAS_MEMORY;
pub(crate) use cost::FEW;

type Prepared = BoxFuture<'static, Result<Vec<Contestant>, Failure>>;

/// Something that ours and its peers do.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// For `--only`, floors and JSON.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What a sample's value is.
    pub unit: Unit,
    /// On which runtimes it is measured.
    pub runtimes: Runtimes,
    prepare: fn(Setting) -> Prepared,
}

/// On which runtimes a workload is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtimes {
    /// The multi-thread one only without `--quick`.
    Both,
    /// Both always, but with `--quick` only beside redis-rs on the multi-thread one.
    BothAlways,
    /// What it shows has nothing to do with threads.
    CurrentThread,
}

/// Where a workload is to run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The server and the event.
    pub bench: Arc<Bench>,
    /// On which runtime.
    pub is_multi_thread: bool,
    /// Whether it shall be over soon.
    pub is_quick: bool,
    /// The peer that alone is asked for.
    pub peer: Option<String>,
}

impl Setting {
    /// Whether a peer is to take part.
    pub(crate) fn wants(&self, peer: &str) -> bool {
        let is_due = peer == redis_rs::NAME || !(self.is_multi_thread && self.is_quick);
        is_due && self.peer.as_deref().is_none_or(|only| only == peer)
    }
}

/// All of them, in the order in which they run: the slow ones last, so that the others leave them of their time.
pub const WORKLOADS: [Workload; 10] = [
    Workload {
        name: "publish-1",
        title: "publish awaited, one by one",
        unit: Unit::PerSecond,
        runtimes: Runtimes::Both,
        prepare: |setting| Box::pin(publish::one_by_one(setting)),
    },
    Workload {
        name: "publish-64",
        title: "publish awaited, 64 tasks",
        unit: Unit::PerSecond,
        runtimes: Runtimes::BothAlways,
        prepare: |setting| Box::pin(publish::many_tasks(setting)),
    },
    Workload {
        name: "batch-100",
        title: "publish, 100 in a batch",
        unit: Unit::PerSecond,
        runtimes: Runtimes::Both,
        prepare: |setting| Box::pin(batch::prepare(setting)),
    },
    Workload {
        name: "outbox",
        title: "an outbox beside pipelines of 100, one task",
        unit: Unit::PerSecond,
        runtimes: Runtimes::Both,
        prepare: |setting| Box::pin(outbox::prepare(setting)),
    },
    Workload {
        name: "listen",
        title: "listen, typed",
        unit: Unit::PerSecond,
        runtimes: Runtimes::BothAlways,
        prepare: |setting| Box::pin(listen::prepare(setting)),
    },
    Workload {
        name: "cost",
        title: "cost of a message among 10,000 listeners",
        unit: Unit::CpuMicros,
        runtimes: Runtimes::CurrentThread,
        prepare: |setting| Box::pin(cost::prepare(setting)),
    },
    Workload {
        name: "latency",
        title: "publish to typed receive at 1,000/s, median",
        unit: Unit::Micros,
        runtimes: Runtimes::CurrentThread,
        prepare: |setting| Box::pin(latency::prepare(setting)),
    },
    Workload {
        name: "fan-out-1",
        title: "1,000 listeners on one channel, a message to all and then the next",
        unit: Unit::PerSecond,
        runtimes: Runtimes::CurrentThread,
        prepare: |setting| Box::pin(fan_out::one_by_one(setting)),
    },
    Workload {
        name: "fan-out",
        title: "1,000 listeners on one channel, a flood",
        unit: Unit::PerSecond,
        runtimes: Runtimes::CurrentThread,
        prepare: |setting| Box::pin(fan_out::flood(setting)),
    },
    Workload {
        name: channels::NAME,
        title: "listeners on distinct channels, confirmed",
        unit: Unit::PerSecond,
        runtimes: Runtimes::CurrentThread,
        prepare: |setting| Box::pin(ready(channels::prepare(&setting))),
    },
];

impl Workload {
    /// Connects everybody who takes part, ours first, and warms nothing up yet.
    ///
    /// # Errors
    /// If somebody can't take part.
    pub async fn prepare(self, setting: Setting) -> Result<Vec<Contestant>, Failure> {
        (self.prepare)(setting).await
    }
}
