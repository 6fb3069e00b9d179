//! What the derive costs: generated lines and compile time of an enum with twenty variants, with serde's derives alone and
//! with the bus. Compiles packages of its own below `target/`; compile times are medians of interleaved runs.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use event_bus_benches::Pairs;

const VARIANTS: usize = 20;

fn main() -> ExitCode {
    let mut arguments = pico_args::Arguments::from_env();
    let is_quick = arguments.contains("--quick");
    match measure(if is_quick { 1 } else { 9 }) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("derive_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(rounds: usize) -> io::Result<String> {
    let serde = Package::write("serde-alone", false)?;
    let bus = Package::write("with-the-bus", true)?;
    let lines = [serde.expanded_lines()?, bus.expanded_lines()?];
    let (mut seconds, mut checks) = (Pairs::default(), Pairs::default());
    for round in 0..rounds {
        let [a, b] = [bus.check(round)?, serde.check(round)?];
        checks.push(a.as_secs_f64(), b.as_secs_f64());
        let [a, b] = [bus.build(round)?, serde.build(round)?];
        seconds.push(a.as_secs_f64(), b.as_secs_f64());
    }
    let mut report = String::new();
    let _ = writeln!(report, "an enum of {VARIANTS} variants, {rounds} interleaved runs");
    let _ = writeln!(report, "generated lines: {} with serde alone, {} with the bus", lines[0], lines[1]);
    for (what, pairs) in [("cargo check", checks), ("cargo build", seconds)] {
        let (ours, peer, ratio) = (pairs.ours(), pairs.peer(), pairs.ratio());
        let _ =
            writeln!(report, "{what}: {peer:.2} s with serde alone, {ours:.2} s with the bus: {ratio} times");
    }
    Ok(report)
}

struct Package(PathBuf);

impl Package {
    /// A package whose library is the enum, at the versions of this workspace.
    fn write(name: &str, has_bus: bool) -> io::Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
        let folder = workspace.join("target/derive-cost").join(name);
        fs::create_dir_all(folder.join("src"))?;
        let manifest = format!(
            "[workspace]\n\n[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n\
             event-bus-core.path = '{}'\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
            workspace.join("event-bus-core").display()
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        fs::write(folder.join("src/lib.rs"), source(has_bus))?;
        let package = Self(folder);
        package.cargo(&["build"])?; // what it depends on is not measured
        package.cargo(&["check"])?;
        Ok(package)
    }

    /// How many lines the enum and all that is derived for it have.
    fn expanded_lines(&self) -> io::Result<usize> {
        let output = self.cargo(&["rustc", "--profile=check", "--", "-Zunpretty=expanded"])?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().count())
    }

    fn check(&self, round: usize) -> io::Result<Duration> {
        self.timed("check", round)
    }

    fn build(&self, round: usize) -> io::Result<Duration> {
        self.timed("build", round)
    }

    fn timed(&self, command: &str, round: usize) -> io::Result<Duration> {
        let path = self.0.join("src/lib.rs");
        let source = fs::read_to_string(&path)?;
        let source = source.trim_end_matches(|c| c != '\n'); // without the comment of the last round
        fs::write(&path, format!("{source}// {command} {round}"))?;
        let start = Instant::now();
        self.cargo(&[command])?;
        Ok(start.elapsed())
    }

    fn cargo(&self, arguments: &[&str]) -> io::Result<Output> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let output = Command::new(cargo)
            .current_dir(&self.0)
            .args(arguments)
            .env("CARGO_TARGET_DIR", "../target")
            .env("CARGO_NET_OFFLINE", "true")
            .env("RUSTC_BOOTSTRAP", "1") // only for the flag that prints what macros made
            .output()?;
        if output.status.success() {
            return Ok(output);
        }
        Err(io::Error::other(format!("cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

fn source(has_bus: bool) -> String {
    let mut source = String::from("//! An enum and what is derived for it.\n\n");
    let (bus, attribute) = if has_bus {
        let attribute =
            "#[bus(name = \"jobs\", channel(job = \"{user_id}/{job_id}\", user = \"{user_id}\"))]\n";
        (", event_bus_core::EventBus", attribute)
    } else {
        ("", "")
    };
    let _ = write!(
        source,
        "#[derive(Debug, Clone, serde::Serialize, serde::Deserialize{bus})]\n{attribute}\
         #[serde(tag = \"type\", rename_all = \"snake_case\")]\npub enum JobEvent {{\n"
    );
    for number in 0..VARIANTS {
        let _ = if number % 2 == 0 {
            writeln!(source, "    Step{number}Done(Step{number}),")
        } else {
            writeln!(source, "    Step{number}Begun {{ user_id: String, job_id: u64, at: f64 }},")
        };
    }
    source.push_str("}\n");
    for number in (0..VARIANTS).step_by(2) {
        let _ = write!(
            source,
            "\n#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]\npub struct Step{number} {{\n    \
             pub user_id: String,\n    pub job_id: u64,\n    pub result: Option<String>,\n}}\n"
        );
    }
    source
}
