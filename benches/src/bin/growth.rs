//! What ours costs as payloads, listeners and patterns become more: each curve drawn and explained. Ends with 1 if something
//! grows faster than linear, or a message was lost.
//!
//! `growth [--quick]`.

use std::process::ExitCode;

use event_bus_benches::{Curve, Effort, Failure, curves, runtime};

/// A curve that seems to be too steep is measured so often in all before it counts.
const ATTEMPTS: usize = 3;

fn main() -> ExitCode {
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
