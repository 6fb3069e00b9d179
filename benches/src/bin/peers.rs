//! Ours beside its peers, in turn, in one run, on a server of its own: publishing and listening with one realistic event. What
//! counts are the ratios; the rates are this machine's alone.
//!
//! `peers [--quick] [--only NAME] [--json FILE]`, `NAME` being a workload or a peer. Ends with 0 if all floors hold, 1 if one
//! surely fails, 2 if it was called wrongly, 3 if the time was over before each was decided, 4 if a message was lost or changed.

use std::process::ExitCode;

use event_bus_benches::workload::channels;
use event_bus_benches::{Asked, FAULT, USAGE, run, runtime};

fn main() -> ExitCode {
    let outcome = match Asked::read(std::env::args_os().skip(1).collect()) {
        Ok(Asked::Run(options)) => run(&options).map(|report| report.exit_code()),
        Ok(Asked::Listeners(name, listeners, url)) => {
            let told =
                runtime(false).and_then(|runtime| runtime.block_on(channels::child(&name, listeners, &url)));
            told.map(|told| {
                println!("{told}");
                ExitCode::SUCCESS
            })
        }
        Err(error) => {
            eprintln!("peers: {error}; {USAGE}");
            return ExitCode::from(2);
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("peers: {error}");
        ExitCode::from(FAULT)
    })
}
