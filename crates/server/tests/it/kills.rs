//! The server killed in each phase of a delivery. What runs goes on, what is open is taken up again,
//! and nothing is done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{House, ask};
use crate::repository::{Repository, service};

const COMPONENT: &str = "team/app";
const ENVIRONMENTS: &str = "throughline: 1
environments:
  production:
    target: { kind: process, instances: 2 }
    database: { kind: sqlite }
";
const DATABASE: &str = "database: { engine: sqlite, migrations: migrations }\n";

/// Asks production all the time, from the moment there is something to ask.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    worker: Option<JoinHandle<Vec<String>>>,
}

impl Load {
    fn on(url: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicU64::new(0));
        let (url, stopped, count) = (url.to_owned(), stop.clone(), asked.clone());
        let worker = std::thread::spawn(move || {
            let mut wrong = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                match ask("GET", &url, &[], b"") {
                    Ok(answer) if answer.status == 200 => {}
                    Ok(answer) => wrong.push(format!("{} {}", answer.status, answer.text())),
                    Err(error) => wrong.push(error.to_string()),
                }
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(4));
            }
            wrong
        });
        Self {
            stop,
            asked,
            worker: Some(worker),
        }
    }

    fn ends(mut self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let wrong = self.worker.take().unwrap().join().unwrap();
        (self.asked.load(Ordering::Relaxed), wrong)
    }
}

fn delivered(environments: &str) -> (House, Repository, Value) {
    let house = House::with(environments, json!({}));
    let repository = Repository::of_service("one");
    repository.write(
        "migrations/V1__start.sql",
        b"-- phase: expand\nCREATE TABLE things (id INTEGER PRIMARY KEY);\n",
    );
    repository.define(&service("VERSION: one", DATABASE));
    let first = repository.commit("feat: one");
    repository.push(&house, COMPONENT, &["main"]);
    let place = house.comes_to(COMPONENT, "production", &first);
    (house, repository, place)
}

/// How often each generation was intended and finished, and each package accepted.
fn nothing_twice(house: &House) {
    let mut seen = std::collections::BTreeSet::new();
    for fact in house.facts() {
        let body = &fact["body"];
        let kind = fact["kind"].as_str().unwrap();
        let what = match kind {
            "deployment.intended" | "deployment.finished" | "environment.proven" => {
                format!("{kind} {} {}", body["environment"], body["generation"])
            }
            "package.accepted" => format!("{kind} {} {}", body["package"], body["line"]),
            "run.requested" => format!("{kind} {}", fact["external_key"]),
            "run.finished" => format!("{kind} {}", fact["stream"]),
            "change.arrived" => format!("{kind} {} {}", body["commit"], body["branch"]),
            _ => continue,
        };
        assert!(seen.insert(what.clone()), "twice: {what}");
    }
}

/// Delivers a second version with a migration, with the server dying at `place` on the way, and looks
/// at everything afterwards.
fn dies_at(house: &mut House, repository: &Repository, load: &str, place: &str, version: usize) {
    house.interrupt();
    house.crashes_at(place);
    house.start();
    repository.write(
        &format!("migrations/V{version}__more.sql"),
        format!("-- phase: expand\nCREATE TABLE more_{version} (id INTEGER PRIMARY KEY);\nINSERT INTO more_{version} VALUES (1);\n").as_bytes(),
    );
    let definition = service(&format!("VERSION: v{version}"), DATABASE);
    repository.define(&definition.replace(
        "{ run: 'true' }",
        "{ run: 'echo once >> made; test $(wc -l < made) = 1' }",
    ));
    let commit = repository.commit(&format!("feat: {version}"));
    let _ = repository.try_push(house, COMPONENT, &["main"]);
    house.dies();
    assert_eq!(
        ask("GET", load, &[], b"").unwrap().status,
        200,
        "{place}: services go on without the server"
    );
    house.start();
    let now = house.comes_to(COMPONENT, "production", &commit);
    let url = now["url"].as_str().unwrap();
    assert_eq!(
        ask("GET", url, &[], b"").unwrap().text(),
        format!("v{version}"),
        "{place}"
    );
    let groups = now["traffic"].as_array().unwrap();
    assert_eq!((groups.len(), &groups[0]["healthy"]), (1, &json!(2)), "{place}: {now}");
    assert_eq!(house.built(&commit)["run"]["result"], "succeeded", "{place}");
}

#[test]
fn a_server_that_dies_at_any_step_of_a_delivery_goes_on_from_there() {
    let (mut house, repository, place) = delivered(ENVIRONMENTS);
    let url = place["url"].as_str().unwrap().to_owned();
    let load = Load::on(&url);
    let places = [
        "source.checkout.done:1",
        "engine.perform.before:1",
        "artifact.package.manifest:1",
        "artifact.blob.renamed:3",
        "database.statement.after:1",
        "database.commit.before:1",
        "database.commit.after:1",
        "target.apply.before:1",
        "delivery.apply.after:1",
    ];
    for (number, place) in places.iter().enumerate() {
        dies_at(&mut house, &repository, &url, place, number + 2);
    }
    let (asked, wrong) = load.ends();
    assert!(asked > 100, "{asked}");
    assert!(
        wrong.is_empty(),
        "{} of {asked} requests failed: {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    nothing_twice(&house);
    house.is_whole();
}

#[test]
fn a_step_goes_on_while_its_server_is_killed_and_its_end_is_not_lost() {
    let mut house = House::new();
    let repository = Repository::new();
    let (go, count) = (house.folder().join("go"), house.folder().join("count"));
    let definition = crate::repository::steps(&format!(
        "  long: {{ run: 'echo once >> {}; until [ -e {} ]; do sleep 0.02; done; echo over' }}\n  after: {{ run: 'true', needs: [long] }}\n",
        count.display(),
        go.display()
    ));
    let commit = repository.push_definition(&house, COMPONENT, &definition);
    let run = house.is_at(&commit, "long");
    house.until("the step's begin", || count.exists().then_some(()));
    house.kill();
    house.start();
    assert_eq!(house.step(&run, "long")["state"], "running");
    // Once it ends while the server is there, once while it is not.
    house.kill();
    std::fs::write(&go, "").unwrap();
    let folder = house.data().join("runs").join(&run).join("attempts");
    house.until("an outcome without a server", || {
        crate::house::files_below(&folder)
            .iter()
            .any(|path| path.ends_with("outcome.json"))
            .then_some(())
    });
    house.start();
    let ended = house.ended(&run);
    assert_eq!(ended["run"]["result"], "succeeded", "{ended}");
    assert_eq!(std::fs::read_to_string(count).unwrap(), "once\n");
    assert_eq!(house.step(&run, "long")["attempts"].as_array().unwrap().len(), 1);
    assert!(house.log_of(&run, "long").contains("over"));
    house.is_whole();
}

#[test]
fn what_stands_by_for_a_run_goes_although_the_server_died_at_its_end() {
    let mut house = House::prepared(crate::house::ENVIRONMENTS, json!({}));
    house.crashes_at("server.run-ended:1");
    house.start();
    let repository = Repository::new();
    repository.define(&crate::repository::steps("  quick: { run: 'true' }\n"));
    let commit = repository.commit("feat: quick");
    // The server may die before the push is answered.
    repository.try_push(&house, COMPONENT, &["main"]);
    house.dies();
    let shims = || crate::house::processes_with(&house.data().join("runs").display().to_string());
    assert!(!shims().is_empty(), "they wait for another attempt");
    house.start();
    assert_eq!(house.built(&commit)["run"]["result"], "succeeded");
    let shims = || crate::house::processes_with(&house.data().join("runs").display().to_string());
    house.until("no process of the run", || shims().is_empty().then_some(()));
    house.is_whole();
}

const CANARY: &str = "throughline: 1
environments:
  production:
    target: { kind: process, instances: 2 }
    strategy: { kind: canary, weight: 40, margin: 0.1, minimum_requests: 30, deadline: 60s }
";

#[test]
fn a_canary_goes_on_over_a_killed_server_and_the_bad_one_goes_back_as_a_whole() {
    let (mut house, repository, place) = delivered_plain(CANARY);
    let url = place["url"].as_str().unwrap().to_owned();
    let load = Load::on(&url);
    let other = Load::on(&url);
    // A good one.
    repository.define(&service("VERSION: good", ""));
    let good = repository.commit("feat: good");
    repository.push(&house, COMPONENT, &["main"]);
    analyzes(&house, &good);
    house.kill();
    std::thread::sleep(Duration::from_millis(200));
    house.start();
    house.comes_to(COMPONENT, "production", &good);
    let analyzed = deployment(&house, &good);
    let step = house.step(&analyzed, "analyze");
    assert_eq!(step["result"], "succeeded", "{step}");

    // A bad one: it fails for each third request, and the server dies in the midst of the judgement and
    // again in the midst of the return.
    repository.define(&service("VERSION: bad, FAIL: 3", ""));
    let bad = repository.commit("feat: bad");
    repository.push(&house, COMPONENT, &["main"]);
    analyzes(&house, &bad);
    house.kill();
    house.crashes_at("delivery.apply.before:1");
    // It may die before it says that it is ready.
    if house.try_start().is_ok() {
        house.dies();
    }
    house.start();
    let back = house.comes_to(COMPONENT, "production", &good);
    house.until("the good one alone", || {
        let place = house.place(COMPONENT, "production");
        let groups = place["traffic"].as_array().unwrap();
        (groups.len() == 1 && groups[0]["package"] == back["package"]).then_some(())
    });
    let change = house.change(COMPONENT, &bad);
    assert_eq!(change["change"]["state"], "rolled-back", "{change}");
    let never = change["never_again"].to_string();
    assert!(never.contains("percentage points"), "the verdict has numbers: {never}");
    load.ends();
    other.ends();
    nothing_twice(&house);
    house.is_whole();
}

fn delivered_plain(environments: &str) -> (House, Repository, Value) {
    let house = House::with(environments, json!({}));
    let repository = Repository::of_service("one");
    let first = repository.commit("feat: one");
    repository.push(&house, COMPONENT, &["main"]);
    let place = house.comes_to(COMPONENT, "production", &first);
    (house, repository, place)
}

fn deployment(house: &House, commit: &str) -> String {
    house.until("the deployment", || {
        let runs = house.runs(&format!("kind=deployment&commit={commit}"));
        Some(runs.first()?["id"].as_str()?.to_owned())
    })
}

fn analyzes(house: &House, commit: &str) {
    let run = deployment(house, commit);
    house.until("the judgement's begin", || {
        let run = house.run(&run);
        let steps = run["steps"].as_array()?;
        let step = steps.iter().find(|step| step["name"] == "analyze")?;
        (step["state"] == "running").then_some(())
    });
}

#[test]
fn ctrl_c_ends_the_server_and_leaves_services_and_steps() {
    let (mut house, repository, place) =
        delivered_plain(crate::house::ENVIRONMENTS.replace("staging", "first").as_str());
    let go = house.folder().join("go");
    let definition = crate::repository::steps(&format!(
        "  long: {{ run: 'until [ -e {} ]; do sleep 0.02; done' }}\n",
        go.display()
    ));
    let commit = repository.push_definition(&house, COMPONENT, &definition);
    let run = house.is_at(&commit, "long");
    assert!(house.data().join("server.json").exists());
    assert_eq!(house.interrupt(), process::Ending::Code(0));
    assert!(!house.data().join("server.json").exists());
    assert_eq!(
        ask("GET", place["url"].as_str().unwrap(), &[], b"").unwrap().text(),
        "one"
    );
    std::fs::write(go, "").unwrap();
    house.start();
    assert_eq!(house.ended(&run)["run"]["result"], "succeeded");
}

#[test]
fn down_with_everything_leaves_no_process() {
    let (mut house, repository, place) = delivered_plain(crate::house::ENVIRONMENTS);
    let commit = repository.push_definition(
        &house,
        COMPONENT,
        &crate::repository::steps("  long: { run: sleep 4714 }\n"),
    );
    let run = house.is_at(&commit, "long");
    house.post("/api/v1/down", &json!({ "everything": true })).is(200);
    house.dies();
    house.until("all processes' end", || {
        crate::house::processes_with(house.data().to_str().unwrap())
            .is_empty()
            .then_some(())
    });
    assert!(ask("GET", place["url"].as_str().unwrap(), &[], b"").is_err());
    house.start();
    assert_eq!(house.ended(&run)["run"]["result"], "cancelled");
}
