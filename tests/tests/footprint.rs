//! What listening and publishing cost in memory, and that nothing is left over: the program `footprint`, each measure in a
//! process of its own.

use std::process::Command;

fn measure(what: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_footprint")).arg(what).output().expect("the program runs");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
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
