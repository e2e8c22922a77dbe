//! A server of the real program in a data folder of a home.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use process::{Channel, Child, Ending, Signal, Spec};
use throughline::Exit;
use tokio::runtime::Runtime;

use crate::program::PROGRAM;
use crate::support::{Called, Home};

/// How long anything that is waited for may take.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A server in a data folder of a home.
pub struct Server<'a> {
    home: &'a Home,
    runtime: &'a Runtime,
    data: &'static str,
    /// What the files are called that it writes to.
    name: &'static str,
    pub child: Child,
    /// Where it was when it was ready.
    pub at: String,
    /// The token that another server of the folder has printed.
    shared: Option<String>,
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

impl<'a> Server<'a> {
    /// Starts the server; its address comes by the arguments.
    pub fn start(home: &'a Home, runtime: &'a Runtime, data: &'static str, arguments: &[&str]) -> Self {
        Self::start_as(data, home, runtime, data, arguments)
    }

    /// Starts another server on the data folder of this one, and waits until it answers.
    pub fn beside(&self, name: &'static str, arguments: &[&str]) -> Self {
        let mut other = Self::start_as(name, self.home, self.runtime, self.data, arguments);
        other.shared = Some(self.token());
        other.ready()
    }

    /// The same, whose folder has been given its first token before.
    pub fn with_token(mut self, token: &str) -> Self {
        self.shared = Some(token.to_owned());
        self
    }

    fn start_as(
        name: &'static str,
        home: &'a Home,
        runtime: &'a Runtime,
        data: &'static str,
        arguments: &[&str],
    ) -> Self {
        let output = |ending: &str| {
            let path = home.current.join(format!("{name}.{ending}"));
            let file = std::fs::File::options().create(true).append(true).open(path);
            Channel::File(file.unwrap().into())
        };
        let spec = Spec::new(PROGRAM)
            .args(["serve", "--data", data, "--address", "127.0.0.1:0"])
            .args(arguments)
            .folder(&home.current)
            .variables(&home.variables)
            .stdout(output("token"))
            .stderr(output("log"));
        let _inside = runtime.enter();
        let child = process::spawn(spec).unwrap();
        Self {
            home,
            runtime,
            data,
            name,
            child,
            at: String::new(),
            shared: None,
        }
    }

    fn file(&self, ending: &str) -> String {
        let path: PathBuf = self.home.current.join(format!("{}.{ending}", self.name));
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// What it has said.
    pub fn log(&self) -> String {
        self.file("log")
    }

    /// Its address, once it has one.
    pub fn url(&self) -> Option<String> {
        let servers = std::fs::read_dir(self.home.current.join(self.data).join("servers")).ok()?;
        servers.flatten().find_map(|server| {
            let told = std::fs::read(server.path()).ok()?;
            let told: serde_json::Value = serde_json::from_slice(&told).ok()?;
            let url = told["url"].as_str().map(str::to_owned);
            url.filter(|_| told["pid"] == self.child.pid())
        })
    }

    pub fn until<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: it ended\n{}", self.log());
            assert!(begun.elapsed() < PATIENCE, "{what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    pub fn ready(mut self) -> Self {
        self.at = self.until("it is ready", |server| {
            server.url().filter(|_| !server.token().is_empty())
        });
        self
    }

    /// A command that asks this server.
    pub fn call(&self, arguments: &[&str]) -> Called {
        self.home_of().call(arguments)
    }

    /// A home whose calls ask this server.
    pub fn home_of(&self) -> Home {
        Home::new()
            .with("THROUGHLINE_SERVER", &self.at)
            .with("THROUGHLINE_TOKEN", &self.token())
    }

    /// The admin's token, which it has printed.
    pub fn token(&self) -> String {
        let shared = self.shared.clone();
        shared.unwrap_or_else(|| self.file("token").trim().to_owned())
    }

    /// Makes a token of that name, which is a fact.
    pub fn record(&self, name: &str) -> Called {
        self.call(&["token", "create", name, "--role", "viewer"])
    }

    /// Waits until it has ended by itself or by a signal.
    pub fn ended(mut self) -> (Ending, String) {
        let ending = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, self.child.wait()).await });
        let log = self.log();
        (
            ending
                .unwrap_or_else(|_| panic!("it does not end\n{log}"))
                .unwrap()
                .ending,
            log,
        )
    }

    pub fn stop(self, signal: Signal) -> (Ending, String) {
        self.child.signal(signal).unwrap();
        self.ended()
    }
}

/// Whether the ledger is whole, and how many facts it has.
pub fn verified(server: &Server<'_>) -> u64 {
    let called = server.call(&["ledger", "verify", "--json"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.err);
    let document: serde_json::Value = serde_json::from_str(&called.out).unwrap();
    assert_eq!(document["verified"], true, "{document}");
    document["facts"].as_u64().unwrap()
}
