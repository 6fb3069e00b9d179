//! Torture: publishers number their events, listeners write down all they hear, the server is killed, restarted, stopped and
//! flooded, the network cuts, crawls and swallows, servers take over from each other, and a checker without IO compares.
//! `src/bin/torture.rs` is the program.

mod check;
mod churn;
mod event;
mod faults;
mod flood;
mod listeners;
mod login;
mod options;
mod plan;
mod plant;
mod publishers;
mod record;
mod remains;
mod report;
mod run;
mod several;
mod site;
mod timeline;
mod upheavals;

use std::process::ExitCode;

pub use options::{Options, USAGE};

use check::check;

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
    let mut streams = std::mem::take(&mut recording.streams);
    let case = recording.case();
    if let Some(plant) = options.plant {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let Some(planted) = plant.plant(&case, &mut streams, &mut random) else {
            println!("nothing suitable to plant: {}", plant.name());
            return ExitCode::from(NO_RUN);
        };
        println!("planted {planted}");
    }
    let verdicts: Vec<_> = streams.iter().map(|stream| check(&case, stream)).collect();
    recording.streams = streams;
    if options.has_timeline {
        print!("{}", timeline::timeline(&recording));
    }
    let report = report::report(&recording, &verdicts);
    print!("{}", report.text);
    if report.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
