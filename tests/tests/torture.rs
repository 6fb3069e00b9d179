//! The torture program in small: it passes, and it fails where something is planted. Longer runs are made by hand:
//! `cargo run --release -p event-bus-tests --bin torture -- --seconds 60 --seed 1`.

use std::process::{Command, Output};

fn torture(arguments: &str) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_torture");
    let Output { status, stdout, .. } =
        Command::new(program).args(arguments.split(' ')).output().expect("the program runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned())
}

fn last_line(report: &str) -> &str {
    report.lines().last().unwrap_or_default()
}

#[test]
fn under_faults_nothing_is_lost_in_silence() {
    passes("--seconds 8 --seed 55 --faults kill,restart,stop", &["kill", "restart", "stop"]);
    passes("--seconds 6 --seed 3 --faults cut,blackhole", &["cut", "blackhole"]);
}

#[test]
fn each_fault_is_done_however_long_it_takes() {
    passes("--seconds 1 --seed 1 --faults kill,slow,cut", &["kill", "slow", "cut"]);
}

#[test]
fn what_slows_floods_and_churns_is_told_nothing_and_leaves_nothing() {
    passes("--seconds 6 --seed 103 --faults slow,flood,churn", &["slow", "flood", "churn:"]);
    passes("--seconds 7 --seed 1 --faults kill,flood,slow,churn", &["kill", "flood", "slow", "churn:"]);
}

#[test]
fn what_vanishes_on_a_healthy_connection_is_told_by_its_number() {
    passes("--sequenced --seconds 12 --seed 1 --faults lose,cut", &["lose", "cut"]);
    let (code, report) = torture("--sequenced --seconds 10 --seed 2 --faults lose --plant gap-withheld");
    assert!(report.contains("planted gap-withheld: "), "{report}");
    assert!(!last_line(&report).contains(" 0 silent"), "{report}");
    assert_eq!(code, Some(1), "{report}");
}

#[test]
fn within_the_process_nothing_is_lost_in_silence_either() {
    passes("--transport memory --seconds 8 --seed 205", &["cut", "slow", "flood", "drop", "churn:"]);
    let (code, _) = torture("--transport memory --seconds 8 --faults kill");
    assert_eq!(code, Some(2), "there is nothing to kill");
}

#[test]
fn nothing_is_lost_in_silence_where_sentinels_change_the_master() {
    passes("--topology sentinel --seconds 10 --seed 2 --faults failover,churn", &["failover", "deposed:"]);
}

#[test]
fn nothing_is_lost_in_silence_where_a_cluster_passes_everything_on() {
    passes(
        "--topology cluster --seconds 10 --seed 1 --faults failover,kill,churn",
        &["failover", "deposed:"],
    );
}

#[test]
fn nothing_is_lost_in_silence_where_shards_move_and_fail_over() {
    let faults = "--faults failover,migrate,rotate,churn";
    let run = format!("--topology cluster --delivery sharded --seconds 13 --seed 10 {faults}");
    passes(&run, &["failover", "migrate", "rotate", "deposed:"]);
}

#[test]
fn a_password_that_changes_is_told_only_where_the_old_one_ends_too_early() {
    // Once in good order, once not.
    passes("--seconds 7 --seed 10 --faults rotate,kill,churn", &["rotate", "kill"]);
}

#[test]
fn numbers_tell_what_is_lost_where_sentinels_change_the_master_and_operators_the_password() {
    let run = "--topology sentinel --delivery sharded --sequenced --seconds 8 --seed 219 --faults failover,rotate,churn";
    passes(run, &["failover", "rotate", "deposed:"]);
}

#[test]
fn what_a_deposed_master_may_have_is_not_excused_for_ever() {
    let run =
        "--topology cluster --delivery sharded --seconds 12 --seed 4 --faults failover --plant outlived";
    let (code, report) = torture(run);
    assert!(report.contains("planted outlived: "), "{report}");
    assert!(last_line(&report).contains(", 1 silent, 0 duplicated"), "{report}");
    assert_eq!(code, Some(1), "{report}");
}

#[test]
fn what_can_not_be_done_to_several_servers_is_refused() {
    let (code, _) = torture("--topology cluster --seconds 8 --faults cut");
    assert_eq!(code, Some(2), "nothing stands between");
}

/// And these stand in the report.
fn passes(run: &str, lines: &[&str]) {
    let (code, report) = torture(run);
    let last = last_line(&report);
    assert!(last.starts_with("torture: "), "{report}");
    assert!(last.ends_with("0 silent, 0 duplicated, 0 reordered, 0 phantom, 0 spurious"), "{report}");
    assert!(report.contains("left subscribed: 0\n"), "{report}");
    for start in lines {
        assert!(report.lines().any(|line| line.split(' ').next() == Some(start)), "{start}: {report}");
    }
    assert_eq!(code, Some(0), "{report}");
}

#[test]
fn a_planted_loss_is_found() {
    let (code, report) = torture("--seconds 3 --seed 1 --faults kill --plant lost");
    assert!(report.contains("planted lost: "), "{report}");
    assert!(last_line(&report).contains(", 1 silent, 0 duplicated"), "{report}");
    assert_eq!(code, Some(1), "{report}");
}
