//! The real server in a folder of its own. When it dies, at a crash point or by SIGKILL, it is started
//! again as systemd would, and whoever asked asks again.

pub mod load;
pub mod service;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use process::{Channel, Child, Identity, Signal, Spec};
use serde_json::Value;
use testkit::Postgres;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throughline");

/// How long anything that is waited for may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The longest answer, such as a ledger as a whole.
const LARGEST: u64 = 1 << 30;

/// A server and its folder.
pub struct House {
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    child: RefCell<Option<Child>>,
    address: RefCell<String>,
    token: RefCell<String>,
    crash: RefCell<Option<String>>,
    /// How often the server died by itself.
    pub deaths: Cell<u32>,
    agent: ureq::Agent,
    /// Where the facts are, if not in the folder.
    database: Option<Postgres>,
}

impl House {
    /// Starts a server with `policy` as its environments, and `crash` as its variable
    /// `THROUGHLINE_CRASH`; `FOLDER` in both stands for the folder of the house.
    pub fn open(policy: &str, crash: Option<&str>, database: Option<Postgres>) -> Result<Self, String> {
        let folder = testkit::folder();
        let placed = |text: &str| text.replace("FOLDER", &folder.path().display().to_string());
        std::fs::write(folder.path().join("environments.yaml"), placed(policy)).unwrap();
        let crash = crash.map(placed);
        let house = Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            child: RefCell::new(None),
            address: RefCell::new("127.0.0.1:0".to_owned()),
            token: RefCell::new(String::new()),
            crash: RefCell::new(crash),
            deaths: Cell::new(0),
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(PATIENCE))
                .max_idle_connections(0)
                .build()
                .into(),
            folder,
            database,
        };
        house.start()?;
        Ok(house)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// The folder of the database, where facts are in one.
    pub fn database(&self) -> Option<&Path> {
        self.database.as_ref().map(Postgres::folder)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("server.log")).unwrap_or_default()
    }

    /// Starts the server until one is ready: one that dies on the way is followed by another.
    fn start(&self) -> Result<(), String> {
        for _ in 0..20 {
            if self.try_start()? {
                return Ok(());
            }
        }
        Err(format!("the server does not start:\n{}", self.log()))
    }

    /// Whether the server got ready.
    fn try_start(&self) -> Result<bool, String> {
        let output = |name: &str| {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.folder().join(name));
            Channel::File(file.unwrap().into())
        };
        let address = self.address.borrow().clone();
        let mut spec = Spec::new(PROGRAM)
            .args(["serve", "--data", "data", "--environments", "environments.yaml"])
            .args(["--address", &address])
            .folder(self.folder())
            .pass(["PATH"])
            .variable("HOME", self.folder())
            .stdout(output("token"))
            .stderr(output("server.log"));
        if let Some(database) = &self.database {
            spec = spec.variable("THROUGHLINE_DATABASE", database.address());
        }
        if let Some(crash) = self.crash.borrow_mut().take() {
            spec = spec.variable("THROUGHLINE_CRASH", crash);
        }
        let _inside = self.runtime.enter();
        let mut child = process::spawn(spec).unwrap();
        let begun = Instant::now();
        loop {
            let dead = child.try_wait().unwrap();
            if let Some(exit) = dead {
                self.deaths.set(self.deaths.get() + 1);
                return match exit.ending {
                    ending if was_killed(ending) => Ok(false),
                    other => Err(format!("the server ended with {other}:\n{}", self.log())),
                };
            }
            if self.is_ready(child.pid()) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err("the server is not ready in time".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        *self.child.borrow_mut() = Some(child);
        Ok(true)
    }

    /// Whether the process `pid` said where it serves, and answers there.
    fn is_ready(&self, pid: u32) -> bool {
        let told = std::fs::read(self.data().join("server.json")).unwrap_or_default();
        let told: Value = serde_json::from_slice(&told).unwrap_or_default();
        let Some(url) = told["url"].as_str().filter(|_| told["pid"] == pid) else {
            return false;
        };
        if self.agent.get(format!("{url}/healthz")).call().is_err() {
            return false;
        }
        *self.address.borrow_mut() = url.trim_start_matches("http://").to_owned();
        let printed = std::fs::read_to_string(self.folder().join("token")).unwrap_or_default();
        if let Some(token) = printed.lines().rfind(|line| line.starts_with("tl_")) {
            *self.token.borrow_mut() = token.to_owned();
        }
        true
    }

    /// The number of the server's process.
    pub fn server(&self) -> Option<u32> {
        self.child.borrow().as_ref().map(Child::pid)
    }

    /// Starts another server when this one died.
    pub fn mend(&self) -> Result<bool, String> {
        let dead = match self.child.borrow_mut().as_mut() {
            Some(child) => child.try_wait().unwrap(),
            None => None,
        };
        match dead.map(|exit| exit.ending) {
            None => Ok(false),
            Some(ending) if was_killed(ending) => {
                self.deaths.set(self.deaths.get() + 1);
                *self.child.borrow_mut() = None;
                self.start().map(|()| true)
            }
            Some(other) => Err(format!("the server ended with {other}")),
        }
    }

    /// Asks the API, or whatever is at a path that begins with a slash; again when the server died over it.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let begun = Instant::now();
        loop {
            let below = if path.starts_with('/') { "" } else { "/api/v1/" };
            let url = format!("http://{}{below}{path}", self.address.borrow());
            let request = ureq::http::Request::builder()
                .method(method)
                .uri(url)
                .header("authorization", format!("Bearer {}", self.token.borrow()))
                .header("content-type", "application/json");
            let answer = if method == "GET" {
                self.agent.run(request.body(()).unwrap())
            } else {
                self.agent.run(request.body(body.to_owned()).unwrap())
            };
            let told = match answer {
                Ok(mut answer) if answer.status().is_success() => {
                    let body = answer.body_mut().with_config().limit(LARGEST);
                    if let Ok(text) = body.read_to_string() {
                        return Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)));
                    }
                    "an answer broke off".to_owned()
                }
                Ok(mut answer) => {
                    let status = answer.status();
                    let text = answer.body_mut().read_to_string().unwrap_or_default();
                    return Err(format!("{method} {path}: {status} {text}"));
                }
                Err(error) => error.to_string(),
            };
            // A server that is about to end takes a moment to be gone.
            if !self.mend()? && begun.elapsed() > PATIENCE {
                return Err(format!("{method} {path}: {told}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn get(&self, path: &str) -> Result<Value, String> {
        self.ask("GET", path, "")
    }

    /// What the server measures of itself, by name.
    pub fn metrics(&self) -> Result<BTreeMap<String, u64>, String> {
        let page = self.get("/metrics")?;
        let lines = page.as_str().unwrap_or_default().lines();
        let values = lines.filter_map(|line| line.rsplit_once(' '));
        Ok(values
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// Asks until the answer is something.
    pub fn until<T>(&self, what: &str, look: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
        self.until_within(PATIENCE, what, look)
    }

    /// As [`until`](Self::until), with a patience of its own.
    pub fn until_within<T>(
        &self,
        patience: Duration,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>, String>,
    ) -> Result<T, String> {
        let begun = Instant::now();
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if begun.elapsed() > patience {
                return Err(format!("this did not come: {what}"));
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    /// Runs git in `folder`; an error is what it said.
    pub fn git(&self, folder: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut spec = Spec::new("git")
            .args(arguments)
            .folder(folder)
            .pass(["PATH"])
            .variable("HOME", self.folder())
            .variable("GIT_CONFIG_NOSYSTEM", "1")
            .variable("GIT_TERMINAL_PROMPT", "0");
        for name in ["GIT_AUTHOR", "GIT_COMMITTER"] {
            spec = spec.variable(format!("{name}_NAME"), "Ada");
            spec = spec.variable(format!("{name}_EMAIL"), "ada@example.org");
        }
        let output = self
            .runtime
            .block_on(process::run(spec, b"", PATIENCE, 1 << 20))
            .map_err(|error| error.to_string())?;
        if output.is_success() {
            Ok(output.text().trim().to_owned())
        } else {
            Err(output.complaint().to_string())
        }
    }

    /// Pushes the commit that stands in `folder` to a component, again when the server died over it.
    pub fn push(&self, folder: &Path, component: &str) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let (token, address) = (self.token.borrow().clone(), self.address.borrow().clone());
            let remote = format!("http://ada:{token}@{address}/git/{component}.git");
            let Err(said) = self.git(folder, &["push", "--quiet", &remote, "HEAD:main"]) else {
                return Ok(());
            };
            std::thread::sleep(Duration::from_millis(30));
            if !self.mend()? && begun.elapsed() > PATIENCE {
                return Err(format!("git push: {said}"));
            }
        }
    }

    /// Stops the server and everything that it runs, and waits until nothing is left.
    pub fn down(&self) -> Result<(), String> {
        let begun = Instant::now();
        let mut answered = false;
        loop {
            if !answered {
                answered = self.ask("POST", "down", r#"{"everything":true}"#).is_ok();
            }
            let ended = {
                let mut child = self.child.borrow_mut();
                child.as_mut().and_then(|child| child.try_wait().unwrap())
            };
            match ended.map(|exit| exit.ending) {
                Some(process::Ending::Code(0)) => break,
                Some(_) => {
                    self.mend()?;
                    answered = false;
                }
                None if begun.elapsed() > PATIENCE => return Err("the server does not end".to_owned()),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        *self.child.borrow_mut() = None;
        let begun = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let shown: Vec<String> = left.iter().map(|process| told_of(process.pid, "cmdline")).collect();
                return Err(format!("processes are left: {shown:?}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The living processes of this house.
    fn processes(&self) -> Vec<Identity> {
        processes_of(self.folder())
    }

    /// What helps to see why a story went wrong.
    pub fn told(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let mut told = lines[lines.len().saturating_sub(60)..].join("\n");
        for path in ["environments", "runs?limit=30"] {
            if let Ok(answer) = self.get(path) {
                told.push_str(&format!("\n{path}: {answer:#}"));
            }
        }
        told
    }
}

/// The living processes that name a folder in their arguments or variables.
pub fn processes_of(folder: &Path) -> Vec<Identity> {
    let own = std::process::id();
    let name = folder.display().to_string();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        *pid != own && (told_of(*pid, "cmdline").contains(&name) || told_of(*pid, "environ").contains(&name))
    })
    .filter_map(Identity::of_pid)
    .filter(Identity::is_alive)
    .collect()
}

/// What the system says of a process in a file of its own; the parts are separated by spaces.
pub fn told_of(pid: u32, file: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Whether it died as crash points and SIGKILL let it.
fn was_killed(ending: process::Ending) -> bool {
    matches!(ending, process::Ending::Signal(6 | 9))
}

impl Drop for House {
    fn drop(&mut self) {
        // The server first, so that it starts nothing anew.
        let _inside = self.runtime.enter();
        self.child.borrow_mut().take();
        for _ in 0..5 {
            for process in self.processes() {
                let _ = process.signal(Signal::KILL);
            }
        }
    }
}
