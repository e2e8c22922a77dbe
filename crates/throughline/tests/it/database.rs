//! The server with its facts in PostgreSQL: which folder belongs to which database, one server at a time,
//! and what somebody reads who gave it a wrong one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use process::{Channel, Child, Ending, Signal, Spec};
use testkit::Postgres;
use throughline::Exit;
use tokio::runtime::Runtime;

use crate::program::PROGRAM;
use crate::support::{Called, Home};

/// How long anything that is waited for may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server in a data folder of a home.
struct Server<'a> {
    home: &'a Home,
    runtime: &'a Runtime,
    data: &'static str,
    child: Child,
    /// Where it was when it was ready.
    at: String,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

impl<'a> Server<'a> {
    /// Starts the server; its address comes by the arguments.
    fn start(home: &'a Home, runtime: &'a Runtime, data: &'static str, arguments: &[&str]) -> Self {
        let output = |ending: &str| {
            let path = home.current.join(format!("{data}.{ending}"));
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
            child,
            at: String::new(),
        }
    }

    fn file(&self, ending: &str) -> String {
        let path: PathBuf = self.home.current.join(format!("{}.{ending}", self.data));
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// What it has said.
    fn log(&self) -> String {
        self.file("log")
    }

    /// Its address, once it has one.
    fn url(&self) -> Option<String> {
        let told = std::fs::read(self.home.current.join(self.data).join("server.json")).ok()?;
        let told: serde_json::Value = serde_json::from_slice(&told).ok()?;
        (told["pid"] == self.child.pid()).then(|| told["url"].as_str().unwrap().to_owned())
    }

    fn until<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
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

    fn ready(mut self) -> Self {
        self.at = self.until("it is ready", |server| {
            server.url().filter(|_| !server.file("token").is_empty())
        });
        self
    }

    /// A command that asks this server.
    fn call(&self, arguments: &[&str]) -> Called {
        let (url, token) = (self.at.clone(), self.file("token"));
        let mut home = Home::new();
        home.variables.insert("THROUGHLINE_SERVER".to_owned(), url);
        home.variables
            .insert("THROUGHLINE_TOKEN".to_owned(), token.trim().to_owned());
        home.call(arguments)
    }

    /// Makes a token of that name, which is a fact.
    fn record(&self, name: &str) -> Called {
        self.call(&["token", "create", name, "--role", "viewer"])
    }

    /// Waits until it has ended by itself or by a signal.
    fn ended(mut self) -> (Ending, String) {
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

    fn stop(self, signal: Signal) -> (Ending, String) {
        self.child.signal(signal).unwrap();
        self.ended()
    }
}

/// Whether the ledger is whole, and how many facts it has.
fn verified(server: &Server<'_>) -> u64 {
    let called = server.call(&["ledger", "verify", "--json"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.err);
    let document: serde_json::Value = serde_json::from_str(&called.out).unwrap();
    assert_eq!(document["verified"], true, "{document}");
    document["facts"].as_u64().unwrap()
}

#[test]
fn a_killed_server_finds_its_facts_in_the_database_and_the_folder_knows_them() {
    let Some(database) = Postgres::start() else { return };
    let (home, runtime) = (Home::new(), runtime());
    home.file("address", &format!("{}\n", database.address()));
    let from_file = ["--database-file", "address"];
    let server = Server::start(&home, &runtime, "data", &from_file).ready();
    assert_eq!(server.record("first").exit, Exit::Done);
    let before = verified(&server);
    server.stop(Signal::KILL);
    assert!(!home.current.join("data/ledger.db").exists());

    // The folder is its own: nobody has to wait for the end of the killed one's lease.
    let server = Server::start(&home, &runtime, "data", &["--database", &database.address()]).ready();
    assert!(verified(&server) >= before);
    assert_eq!(server.record("second").exit, Exit::Done);
    assert!(!server.log().contains("waiting"), "{}", server.log());
    let (ending, log) = server.stop(Signal::TERM);
    assert_eq!(ending, Ending::Code(0), "{log}");

    // What is in the folder belongs to those facts.
    let (ending, log) = Server::start(&home, &runtime, "data", &[]).ended();
    assert_eq!(ending, Ending::Code(1));
    assert!(log.contains("belongs to facts in postgres://postgres@"), "{log}");
    assert!(log.contains("hint: say --database"), "{log}");
    let other = format!("{}&schema=other", database.address());
    let (ending, log) = Server::start(&home, &runtime, "data", &["--database", &other]).ended();
    assert_eq!(ending, Ending::Code(1));
    assert!(
        log.contains("does not hold the facts that belong to the data folder"),
        "{log}"
    );
    database
        .ask("UPDATE throughline.ledger_format SET format = 99")
        .unwrap();
    let (ending, log) = Server::start(&home, &runtime, "data", &from_file).ended();
    assert_eq!(ending, Ending::Code(1));
    assert!(
        log.contains("the ledger has format 99, this version reads up to 1"),
        "{log}"
    );
}

#[test]
fn a_folder_with_facts_of_its_own_is_not_used_with_a_database() {
    let (home, runtime) = (Home::new(), runtime());
    let server = Server::start(&home, &runtime, "data", &[]).ready();
    server.stop(Signal::TERM);
    let arguments = ["--database", "postgres://robin@localhost/delivery"];
    let (ending, log) = Server::start(&home, &runtime, "data", &arguments).ended();
    assert_eq!(ending, Ending::Code(1));
    assert!(
        log.contains("ledger.db holds facts already, and a database holds others"),
        "{log}"
    );
}

#[test]
fn a_server_that_was_stopped_and_woken_after_another_took_over_does_nothing_more() {
    let Some(database) = Postgres::start() else { return };
    let (home, runtime) = (Home::new(), runtime());
    let address = database.address();
    let on_it = ["--database", address.as_str()];
    let first = Server::start(&home, &runtime, "one", &on_it).ready();
    assert_eq!(first.record("first").exit, Exit::Done);

    // The second waits as long as the first works.
    let mut second = Server::start(&home, &runtime, "two", &on_it);
    second.until("it waits", |second| {
        second.log().contains("waiting until it has ended").then_some(())
    });
    assert!(second.log().contains("data folder") && second.log().contains("/one works on this database"));
    assert_eq!(first.record("second").exit, Exit::Done);
    assert!(second.url().is_none());

    // Stopped as a whole, like a machine that sleeps, for longer than its lease holds.
    assert!(first.child.signal(Signal::STOP).unwrap());
    let second = second.ready();
    assert_eq!(second.record("third").exit, Exit::Done);
    let facts = verified(&second);

    // Woken: it records nothing, says why, and ends.
    assert!(first.child.signal(Signal::CONT).unwrap());
    let late = first.record("late");
    assert_ne!(late.exit, Exit::Done);
    let (ending, log) = first.ended();
    assert_eq!(ending, Ending::Code(1), "{log}");
    assert!(log.contains("another server has taken over the database"), "{log}");
    assert!(log.contains("/two"), "{log}");
    assert_eq!(second.record("fourth").exit, Exit::Done);
    assert!(verified(&second) > facts);
    let (ending, log) = second.stop(Signal::TERM);
    assert_eq!(ending, Ending::Code(0), "{log}");

    // What was given back is free at once.
    let first = Server::start(&home, &runtime, "one", &on_it).ready();
    assert!(verified(&first) > facts);
    first.stop(Signal::TERM);
}

#[test]
fn the_password_of_a_database_is_never_shown() {
    let home = Home::new();
    home.file("address", "postgres://robin:s3cret@db.example/delivery");
    let address = "postgres://robin:s3cret@db.example:5433/delivery?sslmode=verify-full";
    for home in [
        Home::new().with("THROUGHLINE_DATABASE", address),
        Home::new().with("THROUGHLINE_DATABASE", "postgres://robin:s3cret@db.example:port/x"),
    ] {
        let called = home.call(&["settings"]);
        assert!(called.shown().contains("THROUGHLINE_DATABASE"), "{}", called.shown());
        assert!(!called.shown().contains("s3cret"), "{}", called.shown());
    }
    let shown = Home::new()
        .with("THROUGHLINE_DATABASE", address)
        .call(&["settings"])
        .shown();
    assert!(shown.contains("postgres://robin@db.example:5433/delivery"), "{shown}");
    for (arguments, exit, expected) in [
        (
            vec!["--database", "mysql://robin:s3cret@b/c"],
            Exit::Usage,
            "begins with `postgres://`",
        ),
        (
            vec!["--database", "postgres://robin:s3cret@b:x/c"],
            Exit::Usage,
            "--database does not fit",
        ),
        (
            vec!["--database", address, "--database-file", "address"],
            Exit::Usage,
            "are both given",
        ),
        (
            vec!["--database-file", "nothing"],
            Exit::Usage,
            "cannot read the address of the database",
        ),
        (
            vec!["--database", "postgres://robin:s3cret@127.0.0.1:1/x"],
            Exit::Failed,
            "error connecting to server",
        ),
    ] {
        let called = home.call(&[&["serve", "--data", "data"], arguments.as_slice()].concat());
        assert_eq!(called.exit, exit, "{arguments:?}: {}", called.err);
        assert!(called.err.contains(expected), "{arguments:?}: {}", called.err);
        assert!(!called.shown().contains("s3cret"), "{arguments:?}: {}", called.shown());
    }
}
