//! A server in a folder of its own, as a child that can be killed, and what tests ask it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use process::{Channel, Child, Identity, Signal, Spec};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::runtime::Runtime;

/// How long anything that is waited for may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The program of this crate's examples that is the server.
pub fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().and_then(Path::parent).unwrap().join("examples/house");
    assert!(
        path.exists(),
        "{} is missing (hint: `cargo build -p server --examples`)",
        path.display()
    );
    path
}

/// Two environments without databases, quick enough for tests.
pub const ENVIRONMENTS: &str = "throughline: 1
environments:
  staging:
    target: { kind: process, instances: 1 }
  production:
    after: [staging]
    target: { kind: process, instances: 1 }
";

/// A server and its folder. Everything that runs for the folder ends with it.
pub struct House {
    pub runtime: Runtime,
    folder: tempfile::TempDir,
    data: PathBuf,
    settings: Value,
    crash: Option<String>,
    child: Option<Child>,
    url: String,
    pub token: String,
    /// The certificate of the authority that vouches for the server, where it speaks TLS.
    pub authority: Option<String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or("", |(_, value)| value)
    }

    /// Asserts that the answer has this status, and gives its document.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.header("content-type").contains("json") && !self.header("content-type").contains("jsonl") {
            self.json()
        } else {
            Value::String(self.text())
        }
    }

    /// Asserts that the answer is a problem with this status and code, and gives its text and hint.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text()
        );
        let problem = self.is(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.is_empty(), "{problem}");
        format!("{detail}\nhint: {}", problem["hint"].as_str().unwrap_or("none"))
    }
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// A client that trusts the authority with this certificate, or the public ones.
pub fn client(authority: Option<&str>) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        .max_redirects(0);
    if let Some(pem) = authority {
        let authority = ureq::tls::Certificate::from_pem(pem.as_bytes()).unwrap();
        let roots = ureq::tls::RootCerts::new_with_certs(&[authority]);
        config = config.tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build());
    }
    config.build().into()
}

/// Sends a request and reads the whole answer.
pub fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, ureq::Error> {
    ask_by(&client(None), method, url, headers, body)
}

/// Sends a request by a client, and reads the whole answer.
pub fn ask_by(
    agent: &ureq::Agent,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, ureq::Error> {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = if body.is_empty() && matches!(method, "GET" | "HEAD" | "DELETE") {
        agent.run(request.body(()).unwrap())?
    } else {
        agent.run(request.body(body).unwrap())?
    };
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Ok(Answer {
        status: answer.status().as_u16(),
        headers,
        body: answer.body_mut().with_config().limit(256 << 20).read_to_vec()?,
    })
}

impl House {
    /// A server with [`ENVIRONMENTS`].
    pub fn new() -> Self {
        Self::with(ENVIRONMENTS, json!({}))
    }

    /// A server with these environments and further settings.
    pub fn with(environments: &str, settings: Value) -> Self {
        let mut house = Self::prepared(environments, settings);
        house.start();
        house
    }

    /// The folder of a server that is not started yet.
    pub fn prepared(environments: &str, mut settings: Value) -> Self {
        let folder = testkit::folder();
        let data = settings["data"].as_str().map(PathBuf::from);
        let data = data.unwrap_or_else(|| folder.path().join("data"));
        let policy = folder.path().join("environments.yaml");
        std::fs::write(&policy, environments).unwrap();
        settings["data"] = json!(data);
        settings["environments"] = json!(policy);
        Self {
            runtime: runtime(),
            data,
            folder,
            settings,
            crash: None,
            child: None,
            url: String::new(),
            token: String::new(),
            authority: None,
        }
    }

    /// A place for a test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Another setting for the next start.
    pub fn set(&mut self, name: &str, value: Value) {
        self.settings[name] = value;
    }

    /// The next start dies at this crash point; what it starts does not.
    pub fn crashes_at(&mut self, place: &str) {
        self.crash = Some(place.to_owned());
    }

    /// Starts the server and waits until it is ready. The port stays the same from start to start.
    pub fn start(&mut self) {
        if let Err(error) = self.try_start() {
            panic!("the server does not start: {error}");
        }
    }

    /// Starts the server; what it says on standard error when it ends instead.
    pub fn try_start(&mut self) -> Result<(), String> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("server.log"))
            .unwrap();
        let before = log.metadata().unwrap().len();
        let mut spec = Spec::new(program())
            .arg("serve")
            .arg(self.settings.to_string())
            .pass(["PATH", "HOME"])
            .stdout(Channel::Pipe)
            .stderr(Channel::File(log.into()));
        if let Some(crash) = self.crash.take() {
            spec = spec.variable("THROUGHLINE_CRASH", crash);
        }
        let line = self.runtime.block_on(async {
            let mut child = process::spawn(spec).unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let line = tokio::time::timeout(PATIENCE, lines.next_line())
                .await
                .unwrap()
                .unwrap();
            if line.is_none() {
                let _ = child.wait().await;
            }
            self.child = Some(child);
            line
        });
        let Some(line) = line else {
            self.child = None;
            return Err(self.log()[usize::try_from(before).unwrap()..].to_owned());
        };
        let ready: Value = serde_json::from_str(&line).unwrap();
        self.url = ready["url"].as_str().unwrap().to_owned();
        if let Some(token) = ready["token"].as_str() {
            self.token = token.to_owned();
        }
        if self.settings["address"].is_null() {
            let address = self.url.split_once("://").map(|(_, address)| address);
            self.settings["address"] = json!(address.map(|address| address.replace("localhost", "127.0.0.1")));
        }
        Ok(())
    }

    /// What the server said on standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Ends the server alone, at once.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.signal(Signal::KILL).unwrap();
        self.runtime.block_on(async { child.wait().await.unwrap() });
    }

    /// Asks the server to end, as Ctrl-C does, and gives its exit code.
    pub fn interrupt(&mut self) -> process::Ending {
        let mut child = self.child.take().unwrap();
        child.signal(Signal::INT).unwrap();
        self.runtime.block_on(async { child.wait().await.unwrap().ending })
    }

    /// Waits until the server ends by itself, such as at a crash point.
    pub fn dies(&mut self) {
        let mut child = self.child.take().unwrap();
        let ended = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, child.wait()).await });
        assert!(ended.is_ok(), "the server goes on");
    }

    /// Whether it has ended by itself.
    pub fn is_dead(&mut self) -> bool {
        let _inside = self.runtime.enter();
        self.child
            .as_mut()
            .is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    pub fn ask_as(&self, token: &str, method: &str, path: &str, body: &[u8], more: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = more.to_vec();
        if !token.is_empty() {
            headers.push(("authorization", &bearer));
        }
        let client = client(self.authority.as_deref());
        ask_by(&client, method, &format!("{}{path}", self.url), &headers, body).unwrap_or_else(|error| {
            panic!("{method} {path}: {error}\n{}", self.log());
        })
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask_as(&self.token, "GET", path, b"", &[])
    }

    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.ask_as(&self.token, method, path, body.to_string().as_bytes(), &json)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body)
    }

    /// A token with this role everywhere.
    pub fn token_of(&self, role: &str) -> String {
        let made = self
            .post("/api/v1/tokens", &json!({ "name": role, "role": role }))
            .is(201);
        made["token"].as_str().unwrap().to_owned()
    }

    pub fn set_secret(&self, name: &str, value: &str) {
        self.send("PUT", &format!("/api/v1/secrets/{name}"), &json!({ "value": value }))
            .is(200);
    }

    /// Asks until the answer is something; panics with `what` when it does not come.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if begun.elapsed() > PATIENCE {
                panic!("this did not come: {what}\n{}", self.state());
            }
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// Everything that helps to see why a test failed.
    fn state(&self) -> String {
        let mut told = self.log();
        let bearer = format!("Bearer {}", self.token);
        for path in ["/api/v1/runs", "/api/v1/environments"] {
            if let Ok(answer) = ask(
                "GET",
                &format!("{}{path}", self.url),
                &[("authorization", &bearer)],
                b"",
            ) {
                told.push_str(&serde_json::to_string_pretty(&answer.json()).unwrap());
            }
        }
        told
    }

    /// The runs of a kind, newest first.
    pub fn runs(&self, query: &str) -> Vec<Value> {
        let runs = self.get(&format!("/api/v1/runs?limit=500&{query}")).is(200);
        runs["runs"].as_array().unwrap().clone()
    }

    pub fn run(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/runs/{id}")).is(200)
    }

    /// The build of a commit, when it has ended.
    pub fn built(&self, commit: &str) -> Value {
        let run = self.until(&format!("the end of the build of {commit}"), || {
            let runs = self.runs(&format!("kind=build&commit={commit}&state=finished"));
            runs.into_iter().next()
        });
        self.run(run["id"].as_str().unwrap())
    }

    /// The build of a commit, when this step of it runs; the run's id.
    pub fn is_at(&self, commit: &str, step: &str) -> String {
        self.until(&format!("{commit} at the step {step}"), || {
            let runs = self.runs(&format!("kind=build&commit={commit}"));
            let id = runs.first()?["id"].as_str()?.to_owned();
            (self.step(&id, step)["state"] == "running").then_some(id)
        })
    }

    pub fn step(&self, run: &str, step: &str) -> Value {
        let run = self.run(run);
        let steps = run["steps"].as_array().unwrap();
        let found = steps.iter().find(|other| other["name"] == step);
        found.unwrap_or_else(|| panic!("no step {step}: {run}")).clone()
    }

    /// The run, when it has ended.
    pub fn ended(&self, id: &str) -> Value {
        self.until(&format!("the end of {id}"), || {
            let run = self.run(id);
            (run["run"]["state"] == "finished").then_some(run)
        })
    }

    pub fn log_of(&self, run: &str, step: &str) -> String {
        self.get(&format!("/api/v1/runs/{run}/steps/{step}/log"))
            .is(200)
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// What an environment holds of a component.
    pub fn place(&self, component: &str, environment: &str) -> Value {
        let environments = self.get("/api/v1/environments").is(200);
        let environments = environments["environments"].as_array().unwrap();
        let line = environments.iter().find(|line| line["name"] == environment).unwrap();
        let components = line["components"].as_array().unwrap();
        let found = components.iter().find(|placed| placed["component"] == component);
        found.cloned().unwrap_or(Value::Null)
    }

    /// Waits until `commit` is what the environment holds; gives what is there.
    pub fn comes_to(&self, component: &str, environment: &str, commit: &str) -> Value {
        self.until(&format!("{commit} in {environment}"), || {
            let place = self.place(component, environment);
            (place["commit"] == commit && place["coming"].is_null()).then_some(place)
        })
    }

    pub fn change(&self, component: &str, change: &str) -> Value {
        self.get(&format!("/api/v1/components/{component}/changes/{change}"))
            .is(200)
    }

    /// Every fact as its line of the export.
    pub fn facts(&self) -> Vec<Value> {
        let lines = self.get("/api/v1/ledger/export").is(200);
        let lines = lines.as_str().unwrap().lines();
        lines
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["fact"].clone())
            .collect()
    }

    /// A value of `/metrics`, by its name with its labels.
    pub fn measured(&self, name: &str) -> Option<u64> {
        let text = self.get("/metrics").is(200);
        let lines = text.as_str().unwrap().lines();
        let values = lines.filter_map(|line| line.rsplit_once(' '));
        let mut found = values.filter(|(found, _)| *found == name);
        found.next().map(|(_, value)| value.parse().unwrap())
    }

    /// Waits until every fact was checked against the rules of the protocol.
    pub fn checked(&self) {
        self.until("every fact checked", || {
            let checked = self.measured("throughline_invariants_position")?;
            (checked >= self.measured("throughline_facts_total")?).then_some(())
        });
    }

    /// Asserts that every fact is as it was recorded, and that no rule of the protocol is broken.
    #[track_caller]
    pub fn is_whole(&self) {
        self.checked();
        let broken = self.facts().into_iter().find(|fact| fact["kind"] == "invariant.broken");
        assert_eq!(broken, None);
        let verified = self.get("/api/v1/ledger/verify").is(200);
        assert_eq!(verified["verified"], true, "{verified}");
        assert!(verified["facts"].as_u64().unwrap() > 0);
    }

    /// Every file below the data folder.
    pub fn files(&self) -> Vec<PathBuf> {
        files_below(self.data())
    }
}

/// Every file below a folder, links not followed.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_below(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// A file's bytes; of what cannot be read, none.
pub fn bytes_of(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut file) = std::fs::File::open(path) {
        let _ = file.read_to_end(&mut bytes);
    }
    bytes
}

/// The living processes whose arguments or variables name `text`.
pub fn processes_with(text: &str) -> Vec<Identity> {
    let own = std::process::id();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of = |pid: u32, file: &str| bytes_of(&PathBuf::from(format!("/proc/{pid}/{file}")));
    let mentions = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).contains(text);
    pids.filter(|pid| *pid != own && (mentions(of(*pid, "cmdline")) || mentions(of(*pid, "environ"))))
        .filter_map(Identity::of_pid)
        .filter(Identity::is_alive)
        .collect()
}

impl Drop for House {
    fn drop(&mut self) {
        // The server first, so that it starts nothing anew; then its shims, keepers and services.
        self.child = None;
        let names = [
            self.folder.path().display().to_string(),
            self.data.display().to_string(),
        ];
        for _ in 0..5 {
            let left: Vec<Identity> = names.iter().flat_map(|name| processes_with(name)).collect();
            for process in &left {
                let _ = process.signal(Signal::KILL);
            }
            if left.is_empty() {
                break;
            }
        }
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
    }
}
