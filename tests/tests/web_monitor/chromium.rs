//! A real browser without a screen, and its driver: both end with their guards, whatever else goes wrong. How a test uses
//! a page is in `browser.rs`.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use event_bus_tests::eventually_blocking;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Nothing that it does by itself leaves this machine, and it needs no rights.
const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox", // root has none
    "--disable-gpu",
    "--disable-dev-shm-usage", // which is small in containers
    "--disable-breakpad",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
    "about:blank",
];

/// A browser and its driver. The browser is our own child, not the driver's, so that it can't be left behind.
#[derive(Debug)]
pub(crate) struct Chromium {
    _browser: Guard,
    _driver: Guard,
    /// Where the driver listens.
    pub(crate) driver_port: u16,
    /// Where the browser takes orders from the driver.
    pub(crate) debugger_port: u16,
    _profile: TempDir,
}

impl Chromium {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("chromium");
        command.arg(format!("--user-data-dir={}", profile.path().display())).args(ARGUMENTS);
        let browser = Guard::start(command.stdout(Stdio::null()));
        let debugger_port = debugger_port(profile.path());
        let mut command = Command::new("chromedriver");
        let mut driver = Guard::start(command.arg("--port=0").stdout(Stdio::piped()));
        let driver_port = driver.port();
        Self { _browser: browser, _driver: driver, driver_port, debugger_port, _profile: profile }
    }
}

/// A process, and all that it starts.
#[derive(Debug)]
struct Guard(Child);

impl Guard {
    fn start(command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn();
        Self(started.unwrap_or_else(|error| {
            panic!(
                "{} can't be run ({error}): install Debian's packages chromium and chromium-driver",
                command.get_program().display()
            )
        }))
    }

    /// The driver says on which port it listens.
    fn port(&mut self) -> u16 {
        let stdout = BufReader::new(self.0.stdout.take().expect("it is piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        port.expect("chromedriver starts")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let group = i32::try_from(self.0.id()).map(Pid::from_raw).expect("a process id");
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// The browser writes it into its profile once it listens.
fn debugger_port(profile: &Path) -> u16 {
    let mut port = None;
    eventually_blocking("chromium starts", || {
        let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
        port = text.lines().next().and_then(|line| line.parse().ok());
        port.is_some()
    });
    port.expect("it has been read")
}
