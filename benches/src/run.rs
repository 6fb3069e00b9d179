//! A whole run of `peers`: every workload on every runtime that was asked for, told line by line.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Failure, runtime};
use crate::floors::Rule;
use crate::measure::{Effort, measure};
use crate::options::Options;
use crate::peer::{deadpool, python};
use crate::report::{Line, Report};
use crate::workload::{Runtimes, Setting, WORKLOADS, Workload};

/// How long all lines may take together. One that is decided early leaves its share to those that follow.
const QUICK: Duration = Duration::from_secs(58);
const FULL: Duration = Duration::from_secs(15 * 60);

/// Measures what was asked for, and tells it as it comes.
///
/// # Errors
/// If there is no server to measure on, or the report can't be written.
pub fn run(options: &Options) -> Result<Report, Failure> {
    let bench = Bench::start()?;
    let mut report = Report {
        cores: std::thread::available_parallelism()?.get(),
        redis: bench.probe.version()?,
        message_bytes: bench.wire.len(),
        is_quick: options.is_quick,
        ..Report::default()
    };
    head(&report);
    if !python::is_there()? {
        report.left_out.push("python: scripts/test.sh sets it up, or EVENT_BUS_PYTHON names one".to_owned());
    }
    let until = Instant::now() + if options.is_quick { QUICK } else { FULL };
    let due: Vec<_> = due(options).collect();
    for (number, (workload, is_multi_thread)) in due.iter().enumerate() {
        let left = u32::try_from(due.len() - number)?;
        let time = until.saturating_duration_since(Instant::now()) / left;
        let effort = if options.is_quick { Effort::quick(time) } else { Effort::full(time) };
        let setting = Setting {
            bench: Arc::clone(&bench),
            is_multi_thread: *is_multi_thread,
            is_quick: options.is_quick,
            peer: options.peer().map(str::to_owned),
        };
        match line(*workload, setting, effort) {
            Ok(Some(line)) => {
                print!("{line}");
                report.lines.push(line);
            }
            Ok(None) => {}
            Err(error) => {
                println!("\n{}: {error}", workload.name);
                report.faults.push(format!("{}: {error}", workload.name));
            }
        }
    }
    print!("{report}");
    if let Some(path) = &options.json {
        write(path, &report)?;
    }
    Ok(report)
}

fn head(report: &Report) {
    println!(
        "ours beside its peers: one event of {} bytes, redis-server {}, {} cores, all in one process with the load",
        report.message_bytes, report.redis, report.cores
    );
    println!("samples in turn; medians; CPU for each message; ratios pair by pair");
    println!("deadpool's pool has its default size: {} connections", deadpool::default_size());
}

/// The workloads that are asked for, and whether on several threads.
fn due(options: &Options) -> impl Iterator<Item = (Workload, bool)> {
    let all = [false, true]
        .into_iter()
        .flat_map(|is_multi_thread| WORKLOADS.into_iter().map(move |workload| (workload, is_multi_thread)));
    all.filter(|(workload, is_multi_thread)| {
        let has_runtime = !is_multi_thread || workload.runtimes.has_multi_thread(options.is_quick);
        has_runtime && options.wants_workload(workload.name)
    })
}

/// On a runtime of its own, so that nothing of it is left when the next one is measured. `None` if nobody is asked for who
/// takes part in it.
fn line(workload: Workload, setting: Setting, effort: Effort) -> Result<Option<Line>, Failure> {
    let Setting { is_multi_thread, is_quick, .. } = setting;
    let runtime = runtime(is_multi_thread)?;
    let measured = runtime.spawn(async move {
        let mut contestants = workload.prepare(setting).await?;
        let names: Vec<_> = contestants.iter().map(|contestant| contestant.name).collect();
        if names.len() < 2 {
            return Ok(None);
        }
        let rule = |peer: &str| Rule::of(workload.name, peer, is_quick).filter(|_| !is_multi_thread);
        let rounds = measure(&mut contestants, effort, rule).await?;
        Ok(Some(Line::new(&workload, is_multi_thread, &names, &rounds, rule)))
    });
    runtime.block_on(measured)?
}

impl Runtimes {
    fn has_multi_thread(self, is_quick: bool) -> bool {
        match self {
            Self::Both => !is_quick,
            Self::BothAlways => true,
            Self::CurrentThread => false,
        }
    }
}

fn write(path: &Path, report: &Report) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(report)?;
    std::fs::write(path, json + "\n")
        .map_err(|error| format!("{} can't be written: {error}", path.display()))?;
    Ok(())
}
