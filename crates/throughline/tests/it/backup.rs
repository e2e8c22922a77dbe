//! Backups of a server at work, and a server made of one: with its facts in files and in a database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use process::{Ending, Signal};
use serde_json::Value;
use testkit::Postgres;
use throughline::Exit;

use crate::served::{PATIENCE, Server, runtime, verified};
use crate::support::{Called, Home};

/// A place that is deployed to by commands, and keeps the intention that it was given last: the world, which no backup
/// takes back.
struct World(PathBuf);

impl World {
    fn of(home: &Home) -> Self {
        let folder = home.folder.path().join("world");
        std::fs::create_dir(&folder).unwrap();
        Self(folder.join("staging.json"))
    }

    fn policy(&self) -> String {
        let file = self.0.display();
        format!(
            "throughline: 1
environments:
  staging:
    lines: [main]
    target:
      kind: command
      apply: \"cat > {file}.new && mv {file}.new {file}\"
      observe: \"test ! -e {file} && echo '{{}}' || sed 's/\\\"instances\\\":/\\\"healthy\\\":1,\\\"instances\\\":/g' {file}\"
      stop: \"rm -f {file}\"
"
        )
    }

    /// The generation that it was brought to.
    fn generation(&self) -> Option<u64> {
        let text = std::fs::read(&self.0).ok()?;
        serde_json::from_slice::<Value>(&text).ok()?["stamp"]["generation"].as_u64()
    }
}

/// A working copy whose commits are pushed.
struct Author {
    home: Home,
    /// As long as this file is there, builds of the branches `held` and `half` wait, the latter in their second step.
    hold: PathBuf,
}

impl Author {
    fn new(place: &Path) -> Self {
        let home = Home::new();
        home.git(&["init", "--quiet", "--initial-branch=main"]);
        Self {
            home,
            hold: place.join("hold"),
        }
    }

    /// Commits a version and pushes it to a branch: the commit.
    fn push(&self, server: &Server<'_>, version: u32, branch: &str) -> String {
        let hold = self.hold.display();
        let wait = format!("while [ -e {hold} ]; do sleep 0.1; done; ");
        let make = "mkdir -p out && cp text out/";
        let steps = match branch {
            "held" => format!("build: {{ run: \"{wait}{make}\" }}"),
            "half" => {
                format!("first: {{ run: \"{make}\" }}\n  build: {{ run: \"{wait}cat out/text\", needs: [first] }}")
            }
            _ => format!("build: {{ run: \"{make}\" }}"),
        };
        // Each upon the first, so that a branch brings its own commit alone.
        if version > 1 {
            self.home.git(&["checkout", "--quiet", "--detach", "main"]);
        }
        self.home.file("text", &format!("{version}\n"));
        self.home.file(
            "throughline.yaml",
            &format!(
                "throughline: 1
steps:
  {steps}
package: {{ needs: [build], files: [{{ from: out, to: app }}] }}
service: {{ command: [app/serve] }}
"
            ),
        );
        self.home.git(&["add", "--all"]);
        self.home.git(&["commit", "--quiet", "-m", &format!("feat: {version}")]);
        let remote = format!(
            "http://ada:{}@{}/git/team/app.git",
            server.token(),
            server.at.trim_start_matches("http://")
        );
        self.home.git(&[
            "push",
            "--quiet",
            "--force",
            &remote,
            &format!("HEAD:refs/heads/{branch}"),
        ]);
        self.home.git(&["rev-parse", "HEAD"])
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
            panic!("{what}\n{runs}\n{}", server.log());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What staging holds of the component: generation and commit, when nothing is on its way there.
fn staged(server: &Server<'_>) -> Option<(u64, String)> {
    let environments = json(server.call(&["environments", "--json"]));
    let placed = &environments["environments"][0]["components"][0];
    let commit = placed["commit"].as_str()?.to_owned();
    placed["coming"].is_null().then_some(())?;
    Some((placed["generation"].as_u64()?, commit))
}

fn runs(server: &Server<'_>) -> Vec<Value> {
    json(server.call(&["runs", "--json"]))["runs"]
        .as_array()
        .unwrap()
        .clone()
}

/// The run of that commit in its build.
fn build(server: &Server<'_>, commit: &str) -> Option<Value> {
    runs(server)
        .into_iter()
        .find(|run| run["commit"] == commit && run["kind"] == "build")
}

/// Whether the build of that commit is at this step.
fn is_at(server: &Server<'_>, commit: &str, step: &str) -> Option<()> {
    let run = build(server, commit)?;
    let document = json(server.call(&["runs", run["id"].as_str().unwrap(), "--json"]));
    let steps = document["steps"].as_array().unwrap();
    steps
        .iter()
        .any(|one| one["name"] == step && one["state"] == "running")
        .then_some(())
}

fn taken(server: &Server<'_>, folder: &str) -> Value {
    json(server.call(&["backup", "take", folder, "--json"]))
}

/// The whole story; `database` says where facts are, and where they are put back.
#[allow(clippy::too_many_lines)]
fn a_server_comes_back(database: Option<(&str, &str)>) {
    let (home, runtime) = (Home::new(), runtime());
    let world = World::of(&home);
    home.file("environments.yaml", &world.policy());
    let folder = home.folder.path().join("backups").display().to_string();
    let mut serve = vec!["--environments", "environments.yaml", "--max-parallel", "4"];
    let mut facts = Vec::new();
    if let Some((before, after)) = database {
        serve.extend(["--database", before]);
        facts.extend(["--database", after]);
    }
    let server = Server::start(&home, &runtime, "one", &serve).ready();
    let author = Author::new(home.folder.path());
    let first = author.push(&server, 1, "main");
    until("the first version is there", &server, || {
        staged(&server).filter(|(_, commit)| *commit == first)
    });
    let mut typing = server.home_of();
    typing.input = "hunter2-and-more\n".to_owned();
    assert_eq!(typing.call(&["secret", "set", "shop/registry"]).exit, Exit::Done);

    // Under load: tokens, which are facts and rows of what operates, and pushes, which bring builds.
    let done = Arc::new(AtomicBool::new(false));
    let load = {
        let (done, home) = (done.clone(), server.home_of());
        std::thread::spawn(move || {
            let mut count = 0_u32;
            while !done.load(Ordering::Relaxed) {
                count += 1;
                let made = home.call(&["token", "create", &format!("t{count}"), "--role", "viewer"]);
                assert_eq!(made.exit, Exit::Done, "{}", made.shown());
            }
            count
        })
    };
    let before = taken(&server, &folder);
    for version in 10..13 {
        author.push(&server, version, &format!("work-{version}"));
    }
    // A build that is open when the backup is taken.
    std::fs::write(&author.hold, "").unwrap();
    let held = author.push(&server, 20, "held");
    let half = author.push(&server, 21, "half");
    until("the builds are at work", &server, || {
        is_at(&server, &held, "build").zip(is_at(&server, &half, "build"))
    });
    let backup = taken(&server, &folder);
    done.store(true, Ordering::Relaxed);
    assert!(load.join().unwrap() > 0);
    assert!(backup["backup"]["facts"].as_u64() > before["backup"]["facts"].as_u64());
    // What was there is not brought again.
    let (brought, all) = (
        backup["brought"].as_u64().unwrap(),
        backup["backup"]["bytes"].as_u64().unwrap(),
    );
    assert!(brought < all, "{brought} of {all}");

    // After the backup the world goes on.
    std::fs::remove_file(&author.hold).unwrap();
    let second = author.push(&server, 2, "main");
    until("the second version is there", &server, || {
        staged(&server).filter(|(_, commit)| *commit == second)
    });
    assert_eq!(world.generation(), Some(2));
    let facts_then = verified(&server);
    server.stop(Signal::KILL);

    for arguments in [&["list"][..], &["verify"]] {
        let called = home.call(&[&["backup"], arguments, &[&folder]].concat());
        assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    }

    // A folder is filled, and waits for somebody to say that the other server has ended.
    let called = home.call(&[&["restore", &folder, "--data", "two"], facts.as_slice()].concat());
    assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    assert!(called.err.contains("secrets.key"), "{}", called.err);
    let again = home.call(&[&["restore", &folder, "--data", "two"], facts.as_slice()].concat());
    assert_eq!(again.exit, Exit::Usage, "{}", again.shown());
    assert!(again.err.contains("is not empty"), "{}", again.err);
    let (ending, log) = Server::start(&home, &runtime, "two", &facts).ended();
    assert_eq!(ending, Ending::Code(4), "{log}");
    assert!(
        log.contains("may still be at work") && log.contains("--take-over"),
        "{log}"
    );
    let called = home.call(&["restore", "--take-over", "--data", "two"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    let (ending, log) = Server::start(&home, &runtime, "two", &facts).ended();
    assert_eq!(ending, Ending::Code(1), "{log}");
    assert!(log.contains("secrets.key is missing"), "{log}");
    std::fs::copy(
        home.current.join("one/secrets.key"),
        home.current.join("two/secrets.key"),
    )
    .unwrap();

    // It starts, with the tokens of the one before, and says that its facts are older than the world.
    std::fs::copy(home.current.join("one.token"), home.current.join("two.token")).unwrap();
    let server = Server::start(&home, &runtime, "two", &facts).ready();
    let log = server.log();
    assert!(
        log.contains("team/app in staging: generation 2 is there, and the facts end at 1"),
        "{log}"
    );
    let restored = verified(&server);
    assert!(restored > backup["backup"]["facts"].as_u64().unwrap());
    assert!(restored < facts_then + 1_000);
    let found = json(server.call(&["secret", "list", "--json"]));
    assert!(found.to_string().contains("shop/registry"), "{found}");
    assert_eq!(staged(&server).map(|(_, commit)| commit).as_ref(), Some(&first));
    // What was open goes on: its attempt is lost and made again.
    let ended = until("the open build has ended", &server, || {
        build(&server, &held).filter(|run| run["state"] == "finished")
    });
    assert_eq!(ended["result"], "succeeded", "{ended}");
    // But not upon what is gone.
    let ended = until("the half done build has ended", &server, || {
        build(&server, &half).filter(|run| run["state"] == "finished")
    });
    assert_eq!(ended["result"], "failed", "{ended}");
    let told = server.call(&["runs", ended["id"].as_str().unwrap(), "--json"]).out;
    assert!(
        told.contains("what `first` left in the run's workspace is gone"),
        "{told}"
    );

    // An older generation is never applied: it is refused before anything is touched, and said.
    let third = author.push(&server, 3, "main");
    let refused = until("a deployment is refused", &server, || {
        let deployed = |run: &Value| run["kind"] == "deployment" && run["commit"] == third.as_str();
        runs(&server)
            .into_iter()
            .find(deployed)
            .filter(|run| run["state"] == "finished")
    });
    assert_eq!(refused["result"], "failed", "{refused}");
    let told = server.call(&["runs", refused["id"].as_str().unwrap(), "--json"]).out;
    assert!(
        told.contains("brought to generation 2 already, and this would be 2"),
        "{told}"
    );
    assert_eq!(world.generation(), Some(2));
    // Somebody who has looked goes on from there.
    until("it goes on", &server, || {
        let asked = server.call(&["promote", &third, "staging", "--component", "team/app"]);
        assert_eq!(asked.exit, Exit::Done, "{}", asked.shown());
        staged(&server).filter(|(_, commit)| *commit == third)
    });
    assert!(world.generation() > Some(2));

    // All branches are there, and a backup of it is as good as the first.
    let url = format!(
        "http://ada:{}@{}/git/team/app.git",
        server.token(),
        server.at.trim_start_matches("http://")
    );
    let refs = author.home.git(&["ls-remote", &url]);
    assert!(refs.contains(&held) && refs.contains(&third), "{refs}");
    taken(&server, &folder);
    let called = home.call(&["backup", "verify", &folder]);
    assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    let down = server.call(&["down", "--everything"]);
    assert_eq!(down.exit, Exit::Done, "{}", down.shown());
    server.ended();
}

#[test]
fn a_server_under_load_is_backed_up_and_comes_back_from_files() {
    a_server_comes_back(None);
}

#[test]
fn a_server_under_load_is_backed_up_and_comes_back_in_a_database() {
    let Some(database) = Postgres::start() else { return };
    let of = |schema: &str| format!("{}&schema={schema}", database.address());
    a_server_comes_back(Some((&of("one"), &of("two"))));
}

#[test]
fn a_backup_that_was_changed_is_found_and_not_put_back() {
    let (home, runtime) = (Home::new(), runtime());
    let server = Server::start(&home, &runtime, "data", &[]).ready();
    let folder = home.folder.path().join("backups");
    let name = folder.display().to_string();
    let backup = taken(&server, &name);
    let key = server.call(&["ledger", "keys", "--pem"]).out;
    server.stop(Signal::TERM);
    home.file("trusted.pub", &key);
    let good = home.call(&["backup", "verify", &name, "--key", "trusted.pub"]);
    assert!(good.out.contains("a trusted key signed it"), "{}", good.shown());

    let described = folder
        .join("backups")
        .join(format!("{}.json", backup["backup"]["name"].as_str().unwrap()));
    let text = std::fs::read_to_string(&described).unwrap();
    let files: Value = serde_json::from_str(&text).unwrap();
    let file = files["files"]
        .as_array()
        .unwrap()
        .iter()
        .find(|file| file["path"] == "operations.db")
        .unwrap();
    let hex = file["digest"]
        .as_str()
        .unwrap()
        .trim_start_matches("sha256:")
        .to_owned();
    let content = folder.join("sha256").join(hex);
    let bytes = std::fs::read(&content).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::remove_file(&content).unwrap();
    std::fs::write(&content, &changed).unwrap();
    let bad = home.call(&["backup", "verify", &name]);
    assert_eq!(bad.exit, Exit::Failed, "{}", bad.shown());
    assert!(bad.out.contains("operations.db"), "{}", bad.shown());
    let put = home.call(&["restore", &name, "--data", "half"]);
    assert_eq!(put.exit, Exit::BadFile, "{}", put.shown());
    // What is not whole is not started.
    let (ending, log) = Server::start(&home, &runtime, "half", &[]).ended();
    assert_eq!(ending, Ending::Code(1), "{log}");
    assert!(log.contains("was not filled to its end"), "{log}");
    std::fs::write(&content, &bytes).unwrap();

    // A fact less is noticed, though each file is what it was.
    let facts: Vec<Value> = files["files"].as_array().unwrap().clone();
    let fewer: Vec<Value> = facts
        .into_iter()
        .filter(|file| !file["path"].as_str().unwrap().starts_with("facts/"))
        .collect();
    let mut without = files.clone();
    without["files"] = Value::Array(fewer);
    std::fs::write(&described, without.to_string()).unwrap();
    let bad = home.call(&["backup", "verify", &name]);
    assert_eq!(bad.exit, Exit::Failed, "{}", bad.shown());
    assert!(bad.out.contains("the facts"), "{}", bad.shown());
    // Nor one that a later version has written.
    let mut newer = files;
    newer["schema"] = "backup/9".into();
    std::fs::write(&described, newer.to_string()).unwrap();
    let called = home.call(&["backup", "verify", &name]);
    assert_eq!(called.exit, Exit::BadFile, "{}", called.shown());
    assert!(
        called.err.contains("hint: use the version of throughline that took it"),
        "{}",
        called.err
    );
}

#[test]
fn what_is_no_backup_is_said_to_be_none() {
    let home = Home::new();
    home.file("something/else", "x");
    for (arguments, exit, text) in [
        (
            vec!["backup", "list", "nowhere"],
            Exit::NotFound,
            "nowhere holds no backup",
        ),
        (
            vec!["backup", "verify", "something"],
            Exit::NotFound,
            "something holds no backup",
        ),
        (
            vec!["restore", "nowhere", "--data", "data"],
            Exit::NotFound,
            "nowhere holds no backup",
        ),
        (vec!["restore", "--data", "data"], Exit::Usage, "FOLDER"),
        (
            vec!["restore", "--take-over", "--data", "data"],
            Exit::NotFound,
            "waits for this",
        ),
    ] {
        let called = home.call(&arguments);
        assert_eq!(called.exit, exit, "{arguments:?}: {}", called.shown());
        assert!(called.err.contains(text), "{arguments:?}: {}", called.err);
    }
    let running = Home::new();
    running.file("something/else", "x");
    let called = running.call(&["--server", "http://127.0.0.1:1", "backup", "take", "something"]);
    assert_eq!(called.exit, Exit::Usage, "{}", called.shown());
    assert!(
        called.err.contains("holds something else than backups"),
        "{}",
        called.err
    );
}
