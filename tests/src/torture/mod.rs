//! Torture: publishers number their events, listeners write down all they hear, the server is killed, restarted, stopped and
//! flooded, the network cuts, crawls and swallows, and a checker without IO compares. `src/bin/torture.rs` is the program.

mod check;
mod churn;
mod event;
mod faults;
mod flood;
mod listeners;
mod options;
mod plan;
mod plant;
mod publishers;
mod record;
mod remains;
mod report;
mod run;
mod site;

use std::process::ExitCode;

pub use options::{Options, USAGE};

use check::{Case, Tolerance, check};

/// There was nothing to judge: a wrong command line, no server, or no place for what was to be planted.
pub const NO_RUN: u8 = 2;

/// Runs once and prints the report. Fails if anything is wrong.
pub async fn torture(options: &Options) -> ExitCode {
    println!("torture: {options}");
    let mut recording = match run::record(options).await {
        Ok(recording) => recording,
        Err(error) => {
            println!("no run: {error}");
            return ExitCode::from(NO_RUN);
        }
    };
    let tolerance = Tolerance::default();
    let case = Case { ledger: &recording.ledger, faults: &recording.faults, tolerance };
    if let Some(plant) = options.plant {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let Some(planted) = plant.plant(&case, &mut recording.streams, &mut random) else {
            println!("nothing suitable to plant: {}", plant.name());
            return ExitCode::from(NO_RUN);
        };
        println!("planted {planted}");
    }
    let verdicts: Vec<_> = recording.streams.iter().map(|stream| check(&case, stream)).collect();
    let report = report::report(&recording, tolerance, &verdicts);
    print!("{}", report.text);
    if report.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
