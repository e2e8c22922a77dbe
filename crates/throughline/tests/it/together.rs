//! Several servers at work on one database: all of them answer and take in, and each duty is led by one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use process::{Ending, Signal};
use serde_json::Value;
use testkit::Postgres;
use throughline::Exit;

use crate::served::{PATIENCE, Server, runtime, verified};
use crate::support::{Called, Home};

/// What the servers deploy to, and what was really done there and in steps: files that no server reads.
struct World {
    home: Home,
    folder: PathBuf,
}

impl World {
    fn new() -> Self {
        let home = Home::new();
        home.git(&["init", "--quiet", "--initial-branch=main"]);
        let folder = home.folder.path().join("world");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("staging.json");
        let policy = format!(
            "throughline: 1
environments:
  staging:
    lines: [main]
    target:
      kind: command
      apply: \"tee {file}.new >> {journal} && mv {file}.new {file}\"
      observe: \"test ! -e {file} && echo '{{}}' || sed 's/\\\"instances\\\":/\\\"healthy\\\":1,\\\"instances\\\":/g' {file}\"
      stop: \"rm -f {file}\"
",
            file = file.display(),
            journal = folder.join("applied").display(),
        );
        home.file("environments.yaml", &policy);
        Self { home, folder }
    }

    fn policy(&self) -> String {
        self.home.current.join("environments.yaml").display().to_string()
    }

    /// As long as this file is there, builds wait in their step.
    fn hold(&self) -> PathBuf {
        self.folder.join("hold")
    }

    /// Pushes a version to a server.
    fn push(&self, server: &Server<'_>, version: u32) {
        let (hold, ran) = (self.hold(), self.folder.join("ran"));
        let (hold, ran) = (hold.display(), ran.display());
        let run =
            format!("echo {version} >> {ran}; while [ -e {hold} ]; do sleep 0.1; done; mkdir -p out && cp text out/");
        self.home.file("text", &format!("{version}\n"));
        self.home.file(
            "throughline.yaml",
            &format!(
                "throughline: 1
steps:
  build: {{ run: \"{run}\" }}
package: {{ needs: [build], files: [{{ from: out, to: app }}] }}
service: {{ command: [app/serve] }}
"
            ),
        );
        self.home.git(&["add", "text", "throughline.yaml"]);
        self.home.git(&["commit", "--quiet", "-m", &format!("feat: {version}")]);
        let remote = format!(
            "http://ada:{}@{}/git/team/app.git",
            server.token(),
            server.at.trim_start_matches("http://")
        );
        self.home.git(&["push", "--quiet", &remote, "HEAD:main"]);
    }

    /// The versions whose step ran, each as often as it did.
    fn ran(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("ran")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The stamps of what was applied, each as often as it was.
    fn applied(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("applied")).unwrap_or_default();
        let documents = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        documents
            .map(|document| document.unwrap()["stamp"].to_string())
            .collect()
    }
}

fn json(called: Called) -> Value {
    assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    serde_json::from_str(&called.out).unwrap()
}

fn until<T>(what: &str, server: &Server<'_>, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        if begun.elapsed() > PATIENCE {
            let runs = server.call(&["runs"]).shown();
            let all = server.call(&["status", "--all"]).shown();
            panic!("{what}\n{runs}\n{all}\n{}", server.log());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The address of the server that leads a duty, as a server says it.
fn leads(server: &Server<'_>, duty: &str) -> Option<String> {
    let all = json(server.call(&["status", "--all", "--json"]));
    let servers = all["servers"]["servers"].as_array().unwrap().clone();
    let led = |one: &&Value| one["leads"].as_array().unwrap().iter().any(|led| led["duty"] == duty);
    servers
        .iter()
        .find(led)
        .map(|one| one["url"].as_str().unwrap().to_owned())
}

/// What staging holds, when nothing is on its way there.
fn staged(server: &Server<'_>) -> Option<u64> {
    let environments = json(server.call(&["environments", "--json"]));
    let placed = &environments["environments"][0]["components"][0];
    placed["coming"].is_null().then(|| placed["generation"].as_u64())?
}

/// Kinds and results of all runs, as a server lists them.
fn runs(server: &Server<'_>) -> Vec<String> {
    let runs = json(server.call(&["runs", "--json"]));
    let runs = runs["runs"].as_array().unwrap().iter();
    let mut all: Vec<String> = runs.map(|run| format!("{} {}", run["kind"], run["result"])).collect();
    all.sort();
    all
}

fn no_view_differs(server: &Server<'_>) {
    let rebuilt = json(server.call(&["ledger", "rebuild", "--json"]));
    let views = rebuilt["views"].as_array().unwrap();
    assert!(views.iter().all(|view| view["differed"] == false), "{rebuilt}");
}

fn unique(all: &[String]) {
    let mut seen: Vec<_> = all.to_vec();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all.len(), "{all:?}");
}

#[test]
fn several_servers_answer_and_take_in_and_when_the_one_is_killed_that_leads_another_goes_on() {
    let Some(database) = Postgres::start() else { return };
    let (home, runtime, world) = (Home::new(), runtime(), World::new());
    let (address, policy) = (database.address(), world.policy());
    let arguments = ["--database", address.as_str(), "--environments", policy.as_str()];
    let first = Server::start(&home, &runtime, "data", &arguments).ready();
    let second = first.beside("second", &arguments);
    assert_eq!(leads(&second, "runs").as_ref(), Some(&first.at));
    assert_eq!(leads(&second, "retention").as_ref(), Some(&first.at));
    let shown = second.call(&["status", "--all"]).shown();
    assert!(
        shown.contains("leads everything") && shown.contains("stands by"),
        "{shown}"
    );

    // Pushed to the one that stands by, built by the one that leads, seen at both.
    std::fs::write(world.hold(), "").unwrap();
    world.push(&second, 1);
    until("the build begins", &first, || (world.ran() == ["1"]).then_some(()));
    until("the run is seen at both", &second, || {
        (runs(&first) == ["\"build\" null"] && runs(&second) == runs(&first)).then_some(())
    });

    // Killed in the middle of the run: the other takes over and finds the step at work.
    let (ending, _) = first.stop(Signal::KILL);
    assert_eq!(ending, Ending::Signal(9));
    until("the second leads", &second, || {
        (leads(&second, "runs").as_ref() == Some(&second.at)).then_some(())
    });
    std::fs::remove_file(world.hold()).unwrap();
    until("it is deployed", &second, || {
        staged(&second).filter(|generation| *generation == 1)
    });
    assert_eq!(world.ran(), ["1"]);
    let ended = ["\"build\" \"succeeded\"", "\"deployment\" \"succeeded\""];
    until("the runs have ended", &second, || {
        (runs(&second) == ended).then_some(())
    });
    unique(&world.applied());
    verified(&second);
    no_view_differs(&second);

    // The first comes back and stands by; what is wished for there is done.
    let first = second.beside("data", &arguments);
    assert_eq!(leads(&first, "runs").as_ref(), Some(&second.at));
    std::fs::write(world.hold(), "").unwrap();
    world.push(&first, 2);
    until("the build begins", &first, || (world.ran() == ["1", "2"]).then_some(()));
    let all = json(first.call(&["runs", "--json"]));
    let open = all["runs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|run| run["result"].is_null());
    let open = open.unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.call(&["cancel", &open]).exit, Exit::Done);
    until("the run is cancelled", &first, || {
        runs(&first)
            .contains(&"\"build\" \"cancelled\"".to_owned())
            .then_some(())
    });
    std::fs::remove_file(world.hold()).unwrap();
    assert_eq!(first.call(&["retry", &open]).exit, Exit::Done);
    until("it is deployed", &first, || {
        staged(&first).filter(|generation| *generation == 2)
    });

    // Stopped in order, it gives everything back.
    let (ending, log) = second.stop(Signal::TERM);
    assert_eq!(ending, Ending::Code(0), "{log}");
    until("the first leads", &first, || {
        (leads(&first, "runs").as_ref() == Some(&first.at)).then_some(())
    });
    world.push(&first, 3);
    until("it is deployed", &first, || {
        staged(&first).filter(|generation| *generation == 3)
    });
    assert_eq!(world.ran(), ["1", "2", "2", "3"]);
    unique(&world.applied());
    verified(&first);
    no_view_differs(&first);
    let (ending, log) = first.stop(Signal::TERM);
    assert_eq!(ending, Ending::Code(0), "{log}");
}

#[test]
fn a_server_that_was_stopped_and_woken_after_another_took_over_does_nothing_more() {
    let Some(database) = Postgres::start() else { return };
    let (home, runtime, world) = (Home::new(), runtime(), World::new());
    let (address, policy) = (database.address(), world.policy());
    let arguments = ["--database", address.as_str(), "--environments", policy.as_str()];
    let first = Server::start(&home, &runtime, "data", &arguments).ready();
    let second = first.beside("second", &arguments);
    std::fs::write(world.hold(), "").unwrap();
    world.push(&first, 1);
    until("the build begins", &first, || (world.ran() == ["1"]).then_some(()));

    // Stopped as a whole, like a machine that sleeps, for longer than its leases hold.
    assert!(first.child.signal(Signal::STOP).unwrap());
    assert_eq!(second.record("meanwhile").exit, Exit::Done);
    until("the second leads", &second, || {
        (leads(&second, "runs").as_ref() == Some(&second.at)).then_some(())
    });
    until("it is seen that the first does nothing", &second, || {
        let all = second.call(&["status", "--all"]).shown();
        all.contains("has not been at work since").then_some(())
    });
    std::fs::remove_file(world.hold()).unwrap();
    until("it is deployed", &second, || {
        staged(&second).filter(|generation| *generation == 1)
    });
    let facts = verified(&second);

    // Woken: it says why, and ends; what it was at is not done again.
    assert!(first.child.signal(Signal::CONT).unwrap());
    let (ending, log) = first.ended();
    assert_eq!(ending, Ending::Code(1), "{log}");
    assert!(
        log.contains("another server has taken over the runs from this one"),
        "{log}"
    );
    assert_eq!(world.ran(), ["1"]);
    unique(&world.applied());
    assert_eq!(verified(&second), facts);
    assert_eq!(
        runs(&second),
        ["\"build\" \"succeeded\"", "\"deployment\" \"succeeded\""]
    );

    // Started again, it works beside the other.
    let first = second.beside("data", &arguments);
    assert_eq!(leads(&first, "runs").as_ref(), Some(&second.at));
    assert_eq!(first.record("after").exit, Exit::Done);
    no_view_differs(&first);
    for server in [first, second] {
        let (ending, log) = server.stop(Signal::TERM);
        assert_eq!(ending, Ending::Code(0), "{log}");
    }
}
