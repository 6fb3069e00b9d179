//! A real browser without a screen, and its driver: both end with their guards, whatever else goes wrong.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use event_bus_tests::{Lender, Loan, PATIENCE, eventually_blocking, within};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, TypingData, WebDriver};
use tokio::time::{Instant, sleep};

static CHROMIUM: Lender<Chromium> = Lender::new(Chromium::start);

/// Nothing that it does by itself leaves this machine, and it needs no rights.
const ARGUMENTS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox", // root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
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
struct Chromium {
    _browser: Guard,
    _driver: Guard,
    driver_port: u16,
    debugger_port: u16,
    _profile: TempDir,
}

impl Chromium {
    fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("chromium");
        command.arg(format!("--user-data-dir={}", profile.path().display())).args(ARGUMENTS);
        let browser = Guard::start(command, "chromium");
        let debugger_port = debugger_port(profile.path());
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped());
        let mut driver = Guard::start(command, "chromedriver (package chromium-driver)");
        let driver_port = driver.port();
        Self { _browser: browser, _driver: driver, driver_port, debugger_port, _profile: profile }
    }
}

struct Guard(Child);

impl Guard {
    fn start(mut command: Command, what: &str) -> Self {
        let started = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(started.unwrap_or_else(|error| {
            panic!("{what} can't be run ({error}): install Debian's packages chromium and chromium-driver")
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
        let _ = self.0.kill();
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

/// A page in the browser, in one test's hands.
pub(crate) struct Page {
    pub(crate) driver: WebDriver,
    _chromium: Loan<Chromium>,
}

impl Page {
    /// Opens `url` in a browser that nobody else uses at the time.
    pub(crate) async fn open(url: &str) -> Self {
        let chromium = CHROMIUM.borrow();
        let mut wanted = DesiredCapabilities::chrome();
        let debugger = format!("127.0.0.1:{}", chromium.debugger_port);
        wanted.set_debugger_address(&debugger).expect("an address");
        let server = format!("http://127.0.0.1:{}", chromium.driver_port);
        let driver = within("a session", WebDriver::new(server, wanted)).await.expect("a session");
        let page = Self { driver, _chromium: chromium };
        page.size(1440, 900).await;
        page.driver.goto(url).await.expect("the page opens");
        page
    }

    /// Leaves the browser to the next test.
    pub(crate) async fn close(self) {
        self.driver.goto("about:blank").await.expect("an empty page");
        self.driver.quit().await.expect("the session ends");
    }

    /// What a script in the page returns.
    pub(crate) async fn js(&self, script: &str) -> Value {
        let result = within(script, self.driver.execute(script, Vec::new())).await;
        result.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// Waits until a script returns something true, and returns that.
    pub(crate) async fn until(&self, what: &str, script: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.js(script).await;
            if !matches!(found, Value::Null | Value::Bool(false)) {
                return found;
            }
            assert!(Instant::now() < deadline, "{what}: {script} did not become true within {PATIENCE:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn keys(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.expect("keys are pressed");
    }

    pub(crate) async fn size(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    async fn devtools(&self, method: &str, parameters: Value) {
        self.driver.cdp().send_raw(method, parameters).await.expect("the browser does it");
    }

    /// Keeps a picture in the folder `EVENT_BUS_SCREENSHOTS`, if that is wanted.
    pub(crate) async fn picture(&self, name: &str, width: u32, height: u32, scheme: &str) {
        if let Some(folder) = std::env::var_os("EVENT_BUS_SCREENSHOTS") {
            self.size(width, height).await;
            self.prefer(scheme).await;
            let file = Path::new(&folder).join(format!("{name}_{scheme}.png"));
            self.driver.screenshot(&file).await.expect("a picture");
        }
    }
}
