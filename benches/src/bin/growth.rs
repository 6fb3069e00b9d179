//! What ours costs as payloads, listeners and patterns become more: each curve drawn and explained. Ends with 1 if something
//! grows faster than linear, or a message was lost.
//!
//! `growth [--quick]`.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use event_bus_benches::{Curve, Effort, Failure, curves, runtime};

/// A curve that seems to be too steep is measured so often in all before it counts.
const ATTEMPTS: usize = 3;

/// glibc, left to itself, gives buffers of a MiB back to the kernel after each message, or does not, as they happen to lie: what
/// that costs is more than all else that a MiB costs, and would be all that is seen. The first is the largest that every glibc takes.
const KEEP_BUFFERS: [(&str, &str); 3] = [
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TRIM_THRESHOLD_", "1073741824"),
    (BUFFERS_ARE_KEPT, "1"),
];
const BUFFERS_ARE_KEPT: &str = "GROWTH_BUFFERS_ARE_KEPT";

fn main() -> ExitCode {
    if env::var_os(BUFFERS_ARE_KEPT).is_some() { run() } else { run_where_buffers_are_kept() }
}

/// As another program in the same process, since glibc reads its settings when one begins.
fn run_where_buffers_are_kept() -> ExitCode {
    let (Ok(error) | Err(error)) = env::current_exe()
        .map(|this| Command::new(this).args(env::args_os().skip(1)).envs(KEEP_BUFFERS).exec());
    eprintln!("growth: it can't start itself anew: {error}");
    ExitCode::FAILURE
}

fn run() -> ExitCode {
    let mut arguments = pico_args::Arguments::from_env();
    let is_quick = arguments.contains("--quick");
    if let Some(unknown) = arguments.finish().first() {
        eprintln!("growth: unknown argument {}; usage: growth [--quick]", unknown.display());
        return ExitCode::from(2);
    }
    let outcome = runtime(false).and_then(|runtime| runtime.block_on(draw_all(Effort::of_a_point(is_quick))));
    match outcome {
        Ok(steep) if steep.is_empty() => {
            println!("\nnothing grows faster than linear");
            ExitCode::SUCCESS
        }
        Ok(steep) => {
            println!("\nfaster than linear: {}", steep.join("; "));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("growth: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives the curves that are too steep, and where.
async fn draw_all(effort: Effort) -> Result<Vec<String>, Failure> {
    println!(
        "ours on one thread; the best time of several samples, in which a mark more is a quarter more, and the median CPU"
    );
    let mut steep = Vec::new();
    for curve in curves::ALL {
        let mut curve_now = curve.measure(effort).await?;
        for _ in 1..ATTEMPTS {
            if curve_now.worse_than_linear().is_some() {
                curve_now = curve.measure(effort).await?;
            }
        }
        print!("{curve_now}");
        steep.extend(told(&curve_now));
    }
    Ok(steep)
}

fn told(curve: &Curve) -> Option<String> {
    let (a, b) = curve.worse_than_linear()?;
    Some(format!("{}: from {} to {} {}", curve.title, a.size, b.size, curve.size))
}
