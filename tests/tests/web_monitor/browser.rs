//! A page in a real browser, in one test's hands: what it shows, keys, sizes, colours, and pictures.

use std::path::Path;
use std::time::Duration;

use event_bus_tests::{Lender, Loan};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};
use url::{ParseError, Url};

use crate::chromium::Chromium;

/// How long anything in a browser may take: it starts many processes, on machines that are busy.
const PATIENCE: Duration = Duration::from_secs(60);

static CHROMIUM: Lender<Chromium> = Lender::new(Chromium::start);
/// A browser keeps two cores busy: these tests run one after the other.
static TURN: Mutex<()> = Mutex::const_new(());

/// A page in the browser. Fields are dropped in their order: the next test has its turn before the browser ends for want
/// of one.
pub(crate) struct Page {
    client: Client,
    _turn: MutexGuard<'static, ()>,
    _chromium: Loan<Chromium>,
}

impl Page {
    /// An empty page, in a browser that nobody else uses at the time.
    pub(crate) async fn new() -> Self {
        let turn = TURN.lock().await;
        let chromium = CHROMIUM.borrow();
        let debugger = format!("127.0.0.1:{}", chromium.debugger_port);
        let wanted = json!({ "goog:chromeOptions": { "debuggerAddress": debugger } });
        let Value::Object(wanted) = wanted else { unreachable!("it is written so") };
        let client = connect(chromium.driver_port, wanted).await;
        let page = Self { client, _turn: turn, _chromium: chromium };
        page.size(1440, 900).await;
        page
    }

    pub(crate) async fn open(&self, url: &str) {
        within(url, self.client.goto(url)).await.expect("the page opens");
    }

    pub(crate) async fn reload(&self) {
        within("a reload", self.client.refresh()).await.expect("the page opens");
    }

    /// Leaves the browser to the next test.
    pub(crate) async fn close(self) {
        self.open("about:blank").await;
        within("the session ends", self.client.clone().close()).await.expect("the session ends");
    }

    /// What a script in the page returns.
    pub(crate) async fn js(&self, script: &str) -> Value {
        let result = within(script, self.client.execute(script, Vec::new())).await;
        result.unwrap_or_else(|error| panic!("{script}: {error}"))
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

    pub(crate) async fn write(&self, text: &str) {
        let keys = KeyActions::new("keyboard".to_owned());
        let keys = text
            .chars()
            .fold(keys, |keys, value| keys.then(KeyAction::Down { value }).then(KeyAction::Up { value }));
        within(text, self.client.perform_actions(keys)).await.expect("keys are pressed");
    }

    pub(crate) async fn press(&self, key: Key) {
        self.write(&char::from(key).to_string()).await;
    }

    pub(crate) async fn size(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// The colours that the browser's user prefers: `light` or `dark`.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    async fn devtools(&self, method: &str, parameters: Value) {
        let order = Order(json!({ "cmd": method, "params": parameters }));
        within(method, self.client.issue_cmd(order)).await.expect("the browser does it");
    }

    /// Keeps a picture in the folder `EVENT_BUS_SCREENSHOTS`, if that is wanted.
    pub(crate) async fn picture(&self, name: &str, width: u32, height: u32, scheme: &str) {
        if let Some(folder) = std::env::var_os("EVENT_BUS_SCREENSHOTS") {
            self.size(width, height).await;
            self.prefer(scheme).await;
            let picture = within("a picture", self.client.screenshot()).await.expect("a picture");
            let file = Path::new(&folder).join(format!("{name}_{scheme}.png"));
            std::fs::write(file, picture).expect("the folder can be written to");
        }
    }
}

async fn connect(port: u16, wanted: Capabilities) -> Client {
    let mut builder = ClientBuilder::new(HttpConnector::new());
    let server = format!("http://127.0.0.1:{port}");
    within("a session", builder.capabilities(wanted).connect(&server)).await.expect("a session")
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = timeout(PATIENCE, future).await;
    result.unwrap_or_else(|_| panic!("{what}: did not happen within {PATIENCE:?}"))
}

/// A command of Chromium's own, for what the protocol has none: colours, and widths below that of a window.
#[derive(Debug)]
struct Order(Value);

impl WebDriverCompatibleCommand for Order {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.0.to_string()))
    }
}
