//! A real browser: Chromium without a window, told what to do by WebDriver (w3.org/TR/webdriver2).

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use super::process::ProcessGuard;
use super::registry::{installed, say_skipped};
use super::wait_until;

const LIMIT: Duration = Duration::from_secs(60);

/// A browser. Dropping it ends it.
pub struct Browser {
    /// Its driver, which ends what it has started.
    _driver: ProcessGuard,
    session: String,
    agent: ureq::Agent,
}

impl Browser {
    /// One without a past; none where there is none, which is said.
    pub fn start() -> Option<Self> {
        let Some(chromedriver) = installed("MOMENTS_CHROMEDRIVER") else {
            say_skipped("Chromium");
            return None;
        };
        let driver =
            ProcessGuard::spawn("chromedriver", Command::new(chromedriver).arg("--port=0"));
        let mut port = None;
        wait_until("chromedriver's port", LIMIT, || {
            let output = driver.output();
            let said = output.split("started successfully on port ").nth(1);
            let digits = said.and_then(|said| said.split('.').next());
            port = digits.and_then(|digits| digits.trim().parse::<u16>().ok());
            port.is_some()
        });
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            .build()
            .into();
        let mut this = Self {
            _driver: driver,
            session: format!("http://127.0.0.1:{}/session", port.expect("waited for it")),
            agent,
        };
        // Tests may run as root, and where /dev/shm is small.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--window-size=1000,700",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": arguments } } } });
        let made = this.post("", &wanted);
        let id = made["sessionId"].as_str().expect("a session").to_owned();
        this.session = format!("{}/{id}", this.session);
        Some(this)
    }

    /// Opens an address, and waits until the page is there.
    pub fn open(&self, address: &str) {
        self.post("/url", &json!({ "url": address }));
    }

    /// Runs JavaScript in the page; what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression of JavaScript is true in the page.
    #[track_caller]
    pub fn wait_for(&self, expression: &str) {
        wait_until(expression, LIMIT, || {
            self.run(&format!("return Boolean({expression});")) == json!(true)
        });
    }

    /// Clicks on the first element that a CSS selector finds, as a mouse does.
    pub fn click(&self, selector: &str) {
        let found = self.post(
            "/element",
            &json!({ "using": "css selector", "value": selector }),
        );
        let id = found.as_object().and_then(|found| found.values().next());
        let id = id.and_then(Value::as_str).expect("the id of an element");
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    /// Opens another tab, and goes there; what tabs are called, the new one last.
    pub fn tab(&self) -> String {
        let made = self.post("/window/new", &json!({ "type": "tab" }));
        let handle = made["handle"].as_str().expect("a handle").to_owned();
        self.go_to(&handle);
        handle
    }

    /// What the tab is called that is in front.
    pub fn handle(&self) -> String {
        let found = self.agent.get(format!("{}/window", self.session)).call();
        let mut found = found.expect("an answer of chromedriver");
        let found: Value = found.body_mut().read_json().expect("JSON");
        found["value"].as_str().expect("a handle").to_owned()
    }

    /// Goes to a tab.
    pub fn go_to(&self, handle: &str) {
        self.post("/window", &json!({ "handle": handle }));
    }

    /// What it looks like, as a PNG.
    pub fn picture(&self) -> Vec<u8> {
        let found = self
            .agent
            .get(format!("{}/screenshot", self.session))
            .call();
        let mut found = found.expect("an answer of chromedriver");
        let found: Value = found.body_mut().read_json().expect("JSON");
        let png = found["value"].as_str().expect("a picture");
        base64::engine::general_purpose::STANDARD
            .decode(png)
            .expect("Base64")
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self
            .agent
            .post(format!("{}{path}", self.session))
            .send_json(body);
        let mut answer = answer.expect("an answer of chromedriver");
        let said: Value = answer.body_mut().read_json().expect("JSON");
        assert!(answer.status().is_success(), "{path} {body}: {said}");
        said["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends the browser; the driver is ended after it.
        let _ = self.agent.delete(&self.session).call();
    }
}
