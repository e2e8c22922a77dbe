//! What is kept long enough is removed, and nothing that is needed.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use facts::Digest;
use serde_json::{Value, json};

use crate::house::{ENVIRONMENTS, House};
use crate::repository::{Repository, service, steps};

const COMPONENT: &str = "team/app";

fn swept(house: &House) -> Vec<Value> {
    let facts = house.facts().into_iter();
    facts.filter(|fact| fact["kind"] == "retention.swept").collect()
}

/// As if all blobs had been there for long, and with some that nobody needs.
fn age_blobs(house: &House, forgotten: &[&str]) -> Vec<PathBuf> {
    let folder = house.data().join("blobs/sha256");
    let paths: Vec<PathBuf> = forgotten
        .iter()
        .map(|text| folder.join(Digest::of(text.as_bytes()).hex()))
        .collect();
    for (path, text) in paths.iter().zip(forgotten) {
        std::fs::write(path, text).unwrap();
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = std::fs::File::open(entry.unwrap().path()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
            .unwrap();
    }
    paths
}

/// Everything of a package comes out of the registry.
fn comes_whole(house: &House, package: &str) {
    let manifest = house.get(&format!("/v2/{COMPONENT}/manifests/{package}")).is(200);
    let manifest: Value = match manifest {
        Value::String(text) => serde_json::from_str(&text).unwrap(),
        read => read,
    };
    let layers = manifest["layers"].as_array().unwrap().iter();
    for part in layers.chain([&manifest["config"]]) {
        let digest = part["digest"].as_str().unwrap();
        assert_eq!(
            house.get(&format!("/v2/{COMPONENT}/blobs/{digest}")).status,
            200,
            "{digest}"
        );
    }
}

/// Runs that fail, a cache, and two versions in production. The ids of the failed runs, oldest first, and the
/// packages.
fn lived_in(house: &House, failing: usize) -> (Repository, Vec<String>, Vec<String>) {
    let repository = Repository::of_service("one");
    let mut packages = Vec::new();
    for version in ["one", "two"] {
        repository.define(&service(&format!("VERSION: {version}"), ""));
        let commit = repository.commit(&format!("feat: {version}"));
        repository.push(house, COMPONENT, &["main"]);
        let place = house.comes_to(COMPONENT, "production", &commit);
        packages.push(place["package"].as_str().unwrap().to_owned());
    }
    let mut failed = Vec::new();
    for number in 0..failing {
        let definition = format!(
            "  a: {{ cache: [{{ path: kept, key: k }}], run: 'echo said {number}; : > kept/x; test -e mended' }}\n"
        );
        let commit = repository.push_definition(house, COMPONENT, &steps(&definition));
        let build = house.built(&commit);
        assert_eq!(build["run"]["result"], "failed", "{build}");
        let run = build["run"]["id"].as_str().unwrap().to_owned();
        // The folder it kept is back when the note of it is gone.
        let note = house.data().join("runs").join(&run).join("caches.json");
        house.until("the kept folder", || (!note.exists()).then_some(()));
        failed.push(run);
    }
    (repository, failed, packages)
}

#[test]
fn what_was_kept_long_enough_goes_and_what_is_needed_stays() {
    let mut house = House::new();
    let (_repository, failed, packages) = lived_in(&house, 2);
    let forgotten = age_blobs(&house, &["forgotten"]);
    let folder = |house: &House, run: &str| house.data().join("runs").join(run);
    assert!(folder(&house, &failed[0]).join("work").exists());

    // By the usual rules nothing is old but what nobody needs.
    house.kill();
    house.start();
    let told = house.until("a sweep", || swept(&house).pop());
    assert_eq!(told["body"]["blobs"], json!({ "count": 1, "bytes": 9 }), "{told}");
    for sort in ["logs", "runs", "caches"] {
        assert_eq!(told["body"][sort]["count"], 0, "{told}");
    }
    assert!(!forgotten[0].exists());
    assert!(house.log_of(&failed[0], "a").contains("said 0"));

    house.kill();
    for rule in ["keep_logs_ms", "keep_workspaces_ms", "keep_caches_ms"] {
        house.set(rule, json!(1));
    }
    house.start();
    let told = house.until("another sweep", || swept(&house).get(1).cloned());
    assert!(told["body"]["logs"]["count"].as_u64().unwrap() >= 1, "{told}");
    assert_eq!(told["body"]["caches"]["count"], 1, "{told}");
    assert!(told["body"]["runs"]["count"].as_u64().unwrap() >= 2, "{told}");
    for run in &failed {
        assert!(!folder(&house, run).exists());
    }
    // A log that is gone says why; that of the newest run stays.
    let log = house.log_of(&failed[0], "a");
    assert!(
        log.contains("removed after 0 days, by the setting `keep-logs`"),
        "{log}"
    );
    assert!(house.log_of(&failed[1], "a").contains("said 1"));
    let page = house.get(&format!("/runs/{}", failed[0])).text();
    assert!(!page.contains("cannot be read"));
    // Packages, old and new, are whole, and so is the record.
    for package in &packages {
        comes_whole(&house, package);
    }
    house.is_whole();
    // A run whose folder is gone can still be attempted again.
    house
        .post(&format!("/api/v1/runs/{}/retry", failed[1]), &json!(null))
        .is(200);
    house.until("the end of the other attempt", || {
        (house.run(&failed[1])["run"]["state"] == "finished"
            && house.step(&failed[1], "a")["attempts"]
                .as_array()
                .is_some_and(|all| all.len() == 2))
        .then_some(())
    });
    assert!(house.log_of(&failed[1], "a").contains("said 1"));
}

#[test]
fn a_sweep_that_dies_anywhere_leaves_nothing_half_and_the_next_goes_on() {
    let mut house = House::with(ENVIRONMENTS, json!({}));
    let (_repository, failed, packages) = lived_in(&house, 4);
    let forgotten = age_blobs(&house, &["one", "two", "three"]);
    house.kill();
    for rule in ["keep_logs_ms", "keep_workspaces_ms", "keep_caches_ms"] {
        house.set(rule, json!(1));
    }
    for place in [
        "retention.going",
        "retention.run-removed",
        "retention.cache-removed",
        "retention.log-removed",
        "retention.blob-removed",
        "retention.record",
    ] {
        house.crashes_at(&format!("{place}:1"));
        // It may die before it says that it is ready.
        if house.try_start().is_ok() {
            house.dies();
        }
    }
    house.start();
    // Nothing is left to be removed after that.
    house.until("everything gone", || {
        let runs = std::fs::read_dir(house.data().join("runs")).unwrap();
        let left: Vec<_> = runs.map(|entry| entry.unwrap().file_name()).collect();
        (left.is_empty() && !forgotten.iter().any(|path| path.exists())).then_some(())
    });
    for package in &packages {
        comes_whole(&house, package);
    }
    let log = house.log_of(&failed[0], "a");
    assert!(log.contains("by the setting `keep-logs`"), "{log}");
    assert!(house.log_of(&failed[3], "a").contains("said 3"));
    house.is_whole();
}

/// Deploys the small service with what a step with `inputs` leaves in its package; the packages of two versions, and
/// the commit of the first.
fn built_of_results(house: &House) -> (Repository, Vec<String>, String) {
    let repository = Repository::of_service("one");
    let (mut packages, mut commits) = (Vec::new(), Vec::new());
    for version in ["one", "two"] {
        repository.write("src/text", version.as_bytes());
        let definition = service(&format!("VERSION: {version}"), "")
            .replace(
                "build: { run: 'true' }",
                "build: { run: 'mkdir -p gen && cp src/text gen/text', inputs: [src], outputs: [gen] }",
            )
            .replace("{ from: app }", "{ from: app }, { from: gen/text, to: share/text }");
        repository.define(&definition);
        let commit = repository.commit(&format!("feat: {version}"));
        repository.push(house, COMPONENT, &["main"]);
        let place = house.comes_to(COMPONENT, "production", &commit);
        packages.push(place["package"].as_str().unwrap().to_owned());
        commits.push(commit);
    }
    (repository, packages, commits.swap_remove(0))
}

#[test]
fn results_that_are_collected_take_nothing_from_packages_environments_and_ways_back() {
    let mut house = House::new();
    let (repository, packages, first) = built_of_results(&house);
    let results = |house: &House| {
        let files = crate::house::files_below(&house.data().join("results/results"));
        files.len()
    };
    assert_eq!(results(&house), 2);
    house.kill();
    house.set("keep_caches_ms", json!(1));
    age_blobs(&house, &[]);
    house.start();
    house.until("the results collected", || (results(&house) == 0).then_some(()));
    house.until("the sweep recorded", || swept(&house).pop());

    // Both packages are whole, and what runs in production still answers for the newer one.
    for package in &packages {
        comes_whole(&house, package);
    }
    let running = house.place(COMPONENT, "production");
    assert_eq!(running["package"], packages[1].as_str());
    // The way back is there: not a byte of it came from what was collected.
    let body = json!({ "component": COMPONENT, "reason": "to see that it is possible" });
    let answered = house.post("/api/v1/environments/production/rollback", &body).is(200);
    let back = house.ended(answered["run"].as_str().unwrap());
    assert_eq!(back["run"]["result"], "succeeded", "{back}");
    let place = house.comes_to(COMPONENT, "production", &first);
    assert_eq!(place["package"], packages[0].as_str());
    // And a change that needs the collected result makes it anew, into the same package.
    repository.write("other", b"of no step");
    let commit = repository.commit("feat: three");
    repository.push(&house, COMPONENT, &["main"]);
    let built = house.built(&commit);
    assert_eq!(built["run"]["result"], "succeeded", "{built}");
    assert_eq!(results(&house), 1);
    house.is_whole();
}
