//! A headless Chromium, driven over its debugging pipe (the DevTools protocol, messages ended by a
//! zero byte).

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use process::{Channel, Child, Spec};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;

/// How long an answer may take before the browser counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Chromium is, if it is installed.
pub fn installed() -> Option<&'static str> {
    [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ]
    .into_iter()
    .find(|path| Path::new(path).exists())
}

/// A running browser with one page; dropping it ends it.
pub struct Chromium {
    _child: Child,
    _folder: tempfile::TempDir,
    to: pipe::Sender,
    from: BufReader<pipe::Receiver>,
    next: u64,
    session: Option<String>,
    /// What the browser said since the page was opened.
    events: Vec<Value>,
}

impl Chromium {
    /// Starts the browser and opens an empty page.
    pub async fn start(program: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The shell moves its own streams to the numbers that Chromium's pipe has.
        let script = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#;
        let mut child = process::spawn(
            Spec::new("/bin/sh")
                .args(["-c", script, "sh", program])
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--disable-dev-shm-usage",
                    "--remote-debugging-pipe",
                ])
                .arg(format!("--user-data-dir={}", folder.path().display()))
                .arg("about:blank")
                .pass(["PATH"])
                .variable("HOME", folder.path())
                .stdin(Channel::Pipe)
                .stdout(Channel::Pipe),
        )
        .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut browser = Self {
            _child: child,
            _folder: folder,
            to,
            from: BufReader::new(from),
            next: 0,
            session: None,
            events: Vec::new(),
        };
        let target = browser
            .call("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attached = browser
            .call(
                "Target.attachToTarget",
                json!({ "targetId": target["targetId"], "flatten": true }),
            )
            .await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            browser.call(domain, json!({})).await;
        }
        browser
    }

    async fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.from.read_until(0, &mut bytes)).await;
        assert!(
            read.expect("chromium answers in time").unwrap() > 0,
            "chromium has ended"
        );
        bytes.pop();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Calls a method of the protocol and returns its result.
    pub async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await.unwrap();
        loop {
            let mut answer = self.receive().await;
            if answer["id"] == json!(id) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Waits until the page says that it is loaded.
    pub async fn loaded(&mut self) {
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.receive().await;
            self.events.push(event);
        }
    }

    /// Forgets what the browser said so far.
    pub fn forget(&mut self) {
        self.events.clear();
    }

    /// Opens an address and waits until it is loaded.
    pub async fn open(&mut self, address: &str) {
        self.forget();
        let answer = self.call("Page.navigate", json!({ "url": address })).await;
        assert!(answer.get("errorText").is_none(), "{address}: {answer}");
        self.loaded().await;
    }

    /// What went wrong since the page was opened: exceptions, errors and warnings of the console, what
    /// the content security policy refused, what could not be loaded.
    pub async fn problems(&mut self) -> Vec<String> {
        // What the page said before this answer has come before it.
        self.evaluate("0").await;
        self.events
            .iter()
            .filter(|event| {
                let parameters = &event["params"];
                match event["method"].as_str().unwrap_or("") {
                    "Runtime.exceptionThrown" => true,
                    "Runtime.consoleAPICalled" => {
                        ["error", "warning", "assert"].contains(&parameters["type"].as_str().unwrap_or(""))
                    }
                    "Log.entryAdded" => {
                        ["error", "warning"].contains(&parameters["entry"]["level"].as_str().unwrap_or(""))
                    }
                    "Network.loadingFailed" => parameters["canceled"] != json!(true),
                    _ => false,
                }
            })
            .map(|event| event["params"].to_string())
            .collect()
    }

    /// The addresses the page asked for since it was opened.
    pub fn requested(&self) -> Vec<String> {
        self.events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent")
            .filter_map(|event| event["params"]["request"]["url"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// The value of an expression in the page; a promise is waited for.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let mut answer = self
            .call(
                "Runtime.evaluate",
                json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
            )
            .await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until a condition holds in the page, looked at whenever the page draws.
    pub async fn until(&mut self, condition: &str) {
        let expression = format!(
            "new Promise((done, fail) => {{ const end = performance.now() + 20000; const look = () => {{ \
             if ({condition}) done(true); else if (performance.now() > end) done(false); \
             else setTimeout(look, 20); }}; look(); }})"
        );
        let held = self.evaluate(&expression).await;
        assert_eq!(held, json!(true), "never came true: {condition}");
    }

    /// Makes the page as large as a screen.
    pub async fn screen(&mut self, width: u32, height: u32) {
        let mobile = width < 600;
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// Makes the system prefer `light` or `dark`, and little motion so that pictures are still.
    pub async fn prefer(&mut self, scheme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }))
            .await;
    }

    /// Shows the page as it is printed.
    pub async fn print(&mut self) {
        self.call("Emulation.setEmulatedMedia", json!({ "media": "print" }))
            .await;
    }

    /// Presses and releases a key, named as in `KeyboardEvent.key`.
    pub async fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            _ => 0,
        };
        let mut down = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code });
        if key.chars().count() == 1 {
            down["text"] = json!(key);
        } else if key == "Enter" {
            down["text"] = json!("\r");
        }
        self.call("Input.dispatchKeyEvent", down).await;
        let up = json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", up).await;
    }

    /// Writes a picture of the whole page.
    pub async fn picture(&mut self, path: &Path) {
        let picture = self
            .call(
                "Page.captureScreenshot",
                json!({ "format": "png", "captureBeyondViewport": true }),
            )
            .await;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(picture["data"].as_str().unwrap())
            .unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
