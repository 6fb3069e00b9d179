//! What listening and publishing cost in memory, and that nothing is left over: the program `footprint`, each measure in a
//! process of its own.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// One after the other: each floods the machine.
static MEASURING: Mutex<()> = Mutex::new(());

fn measure(what: &str) {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_footprint")).arg(what).output().expect("the program runs");
    let [report, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    println!("{report}");
    assert!(output.status.success(), "{report}{errors}");
}

#[test]
fn a_listener_that_stops_under_a_flood_costs_less_than_16_mib_and_is_told_exactly() {
    measure("stopped-reader");
}

#[test]
fn ten_thousand_rounds_of_listening_and_dropping_leave_nothing_behind() {
    measure("churn");
}

#[test]
fn twenty_thousand_publishes_to_a_server_that_stands_still_cost_their_bytes_and_are_told_in_time() {
    measure("publishing");
}
