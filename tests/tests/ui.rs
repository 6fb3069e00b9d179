//! What the derive says to mistakes: every program in `ui/` is compiled, and its errors must be exactly the ones
//! that its comments announce. Only our own words are compared, so that a new compiler changes nothing here.
//!
//! `//~ ERROR words` announces an error on its own line whose message holds the words, `//~v ERROR words` one on
//! the next line, `//~^ ERROR words` one on the line before (and `^^` two lines before). One mistake is one
//! message: an error too many is a fault, and in `ui/pass/` a warning is one, too. They are compiled with core's
//! feature `blocking` and without it, since what is generated differs; `*/blocking.rs` only with it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

/// One program in `ui/`, and the errors that it announces.
struct Case {
    path: PathBuf,
    announced: Vec<Fault>,
    must_pass: bool,
    is_blocking: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    line: usize,
    words: String,
}

#[test]
fn every_program_compiles_with_exactly_the_errors_that_it_announces() {
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("ui"));
    assert!(!cases.is_empty(), "there are no programs in `ui/`");
    let package = write_package(&cases);
    let mut report = String::new();
    for feature in ["", "blocking"] {
        let chosen = cases.iter().filter(|(_, case)| !case.is_blocking || feature == "blocking");
        let mut reported = compile(&package, feature);
        for (name, case) in chosen {
            let reported = reported.remove(name.as_str());
            let reported = reported.unwrap_or_else(|| panic!("{name} was not compiled"));
            let faults = mismatches(case, faults(case, &reported));
            if !faults.is_empty() {
                let _ = writeln!(report, "\n{} (features: {feature:?})", case.path.display());
                report.push_str(&faults.concat());
            }
        }
    }
    assert!(report.is_empty(), "the compiler and the comments disagree:\n{report}");
}

/// All programs, by the names of their binaries.
fn cases(folder: &Path) -> BTreeMap<String, Case> {
    let mut cases = BTreeMap::new();
    for kind in files(folder) {
        for path in files(&kind) {
            let source = fs::read_to_string(&path).expect("a readable program");
            let kind = kind.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{kind}-{}", path.file_stem().unwrap_or_default().to_string_lossy());
            let (must_pass, is_blocking) = (kind == "pass", path.ends_with("blocking.rs"));
            cases.insert(name, Case { announced: announced(&source), must_pass, is_blocking, path });
        }
    }
    cases
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

fn announced(source: &str) -> Vec<Fault> {
    let faults = source.lines().zip(1..).filter_map(|(text, line)| {
        let (_, comment) = text.split_once("//~")?;
        let (place, words) =
            comment.split_once(" ERROR ").unwrap_or_else(|| panic!("no ` ERROR ` in {text:?}"));
        let (above, below) = (place.matches('^').count(), place.matches('v').count());
        assert!(above + below == place.len(), "expected `^` or `v` behind `//~` in {text:?}");
        Some(Fault { line: line + below - above, words: words.trim().to_owned() })
    });
    faults.collect()
}

/// What the compiler reports for each program, by the names of their binaries.
fn compile(package: &Path, feature: &str) -> BTreeMap<String, Vec<Value>> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(package)
        .args(["check", "--offline", "--keep-going", "--message-format=json", "--bins"])
        .args(["--target-dir", "target", "--features", feature])
        .output()
        .expect("cargo runs");
    eprint!("{}", String::from_utf8_lossy(&output.stderr)); // shown if the test fails
    let mut reported: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(mut entry) = serde_json::from_str::<Value>(line) else { continue };
        let name = entry["target"]["name"].as_str().unwrap_or_default().to_owned();
        reported.entry(name).or_default().push(entry["message"].take());
    }
    reported
}

/// A package in which every program is a binary, at the versions of this workspace.
fn write_package(cases: &BTreeMap<String, Case>) -> PathBuf {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let core = workspace.join("event-bus-core");
    let mut manifest = format!(
        "[workspace]\n\n[package]\nname = \"ui\"\nedition = \"2024\"\n\n[dependencies]\n\
         event-bus-core.path = '{}'\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
         [features]\nblocking = [\"event-bus-core/blocking\"]\n",
        core.display()
    );
    for (name, case) in cases {
        let _ = write!(manifest, "\n[[bin]]\nname = '{name}'\npath = '{}'\n", case.path.display());
        if case.is_blocking {
            manifest.push_str("required-features = ['blocking']\n");
        }
    }
    fs::create_dir_all(&package).expect("a folder for the package");
    fs::write(package.join("Cargo.toml"), manifest).expect("a manifest");
    fs::copy(workspace.join("Cargo.lock"), package.join("Cargo.lock")).expect("a lock file");
    package
}

/// The faults in what the compiler reports for a program.
fn faults(case: &Case, messages: &[Value]) -> Vec<Fault> {
    messages.iter().filter_map(|message| fault(case, message)).collect()
}

/// The fault that a message of the compiler tells of the program, if any.
fn fault(case: &Case, message: &Value) -> Option<Fault> {
    let is_fault = message["level"] == "error" || (case.must_pass && message["level"] == "warning");
    let mut span =
        message["spans"].as_array()?.iter().find(|span| span["is_primary"] == true).filter(|_| is_fault)?;
    while Path::new(span["file_name"].as_str()?) != case.path && !span["expansion"].is_null() {
        span = &span["expansion"]["span"]; // out of the macro, to where the program uses it
    }
    let line = usize::try_from(span["line_start"].as_u64()?).ok()?;
    Some(Fault { line, words: message["message"].as_str()?.to_owned() })
}

/// What was reported and not announced, or announced and not reported.
fn mismatches(case: &Case, mut reported: Vec<Fault>) -> Vec<String> {
    let mut mismatches = Vec::new();
    for Fault { line, words } in &case.announced {
        match reported.iter().position(|fault| fault.line == *line && fault.words.contains(words)) {
            Some(at) => drop(reported.remove(at)),
            None => mismatches.push(format!("  line {line}, announced and not reported: {words}\n")),
        }
    }
    reported.sort();
    let unannounced =
        reported.iter().map(|Fault { line, words }| format!("  line {line}, not announced: {words}\n"));
    mismatches.extend(unannounced);
    mismatches
}
