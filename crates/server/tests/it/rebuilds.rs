//! Commits that are built again, to see whether the same package comes out.

use serde_json::{Value, json};

use crate::house::{ENVIRONMENTS, House};
use crate::repository::Repository;

/// A service whose build runs these commands before it is packaged.
pub fn building(commands: &str, more: &str) -> String {
    let definition = crate::repository::service("VERSION: one", more);
    definition.replace("{ run: 'true' }", &format!("{{ run: {commands:?} }}"))
}

fn rebuild(house: &House, change: &str) -> Value {
    let path = format!("/api/v1/components/team/app/changes/{change}/rebuild");
    let started = house.post(&path, &json!({})).is(201);
    assert_eq!(started["schema"], "rebuild/1");
    let run = started["run"]["id"].as_str().unwrap().to_owned();
    house.until("the rebuild's verdict", || {
        let told = house.get(&format!("/api/v1/runs/{run}/rebuild")).is(200);
        (told["run"]["state"] == "finished" && !told["result"].is_null()).then_some(told)
    })
}

#[test]
fn the_same_package_comes_out_again_and_nothing_else_follows_from_it() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let marks = house.folder().join("marks");
    std::fs::create_dir(&marks).unwrap();
    let publish = format!(
        "  publish:\n    run: 'echo x >> {0}/published'\n    effect: effect\n    observe: 'test -e {0}/published'\n",
        marks.display()
    );
    let command = format!("echo x >> {}/versioned; echo 1.0.$THROUGHLINE_COMMIT", marks.display());
    let definition = building(
        "echo $SOURCE_DATE_EPOCH > app/when",
        &format!("version: {{ command: {command:?}, tag: true }}\n"),
    );
    repository.define(&definition.replace("steps:\n", &format!("steps:\n{publish}")));
    let commit = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let production = house.comes_to("team/app", "production", &commit);
    house.until("the tag", || {
        let tagging = house.runs("kind=tag");
        (!tagging.is_empty() && tagging.iter().all(|run| run["state"] == "finished")).then_some(())
    });
    let told = rebuild(&house, &commit);
    assert_eq!(told["result"], "pass", "{told}");
    assert_eq!(
        (&told["rebuilt"], &told["differing"]),
        (&production["package"], &json!(0))
    );
    assert_eq!(told["package"], production["package"]);
    assert!(told["reasons"][0].as_str().unwrap().contains("byte for byte"), "{told}");
    // What changes the world was done once, and no version was asked for again.
    let lines = |file: &str| std::fs::read_to_string(marks.join(file)).unwrap().lines().count();
    assert_eq!((lines("published"), lines("versioned")), (1, 1));
    let accepted = house
        .facts()
        .into_iter()
        .filter(|fact| fact["kind"] == "package.accepted");
    assert_eq!(accepted.count(), 1);
    for (kind, count) in [("build", 1), ("tag", 1), ("deployment", 2), ("rebuild", 1)] {
        assert_eq!(house.runs(&format!("kind={kind}")).len(), count, "{kind}");
    }
    let change = house.change("team/app", &commit);
    let verdicts = change["verdicts"].as_array().unwrap();
    assert!(
        verdicts
            .iter()
            .any(|one| one["about"] == "reproducible" && one["result"] == "pass"),
        "{change}"
    );
    let run = told["run"]["id"].as_str().unwrap();
    assert!(!house.data().join("runs").join(run).join("rebuilt").exists());
    house.is_whole();
}

#[test]
fn what_differs_is_told_file_by_file_and_caches_are_left_alone() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let commands = "echo $THROUGHLINE_RUN > app/run; pwd > app/where; test -e kept/mark || echo fresh > app/fresh; \
                    mkdir -p kept; echo $THROUGHLINE_RUN > kept/mark; cp kept/mark app/cached; \
                    ln -s run app/link";
    let definition = building(commands, "");
    repository.define(&definition.replace("\" }", "\", cache: [{ path: kept, key: k }] }"));
    let first = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    house.built(&first);
    let second = repository.commit("feat: two");
    repository.push(&house, "team/app", &["main"]);
    let built = house.built(&second);
    assert_eq!(built["run"]["result"], "succeeded", "{built}");
    let kept = || {
        let kept = crate::house::files_below(&house.data().join("caches"));
        let mark = kept.iter().find(|path| path.ends_with("mark")).unwrap();
        std::fs::read_to_string(mark).unwrap()
    };
    let before = house.until("the kept folder", || {
        let there = crate::house::files_below(&house.data().join("caches"));
        there.iter().any(|path| path.ends_with("mark")).then(kept)
    });
    let told = rebuild(&house, &second);
    assert_eq!(told["result"], "fail", "{told}");
    assert_ne!(told["rebuilt"], told["package"]);
    let files = told["files"].as_array().unwrap();
    let of = |path: &str| {
        files
            .iter()
            .find(|file| file["path"] == format!("app/{path}"))
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(
        (&of("run")["change"], &of("run")["how"]),
        (&json!("changed"), &json!(["bytes"])),
        "{told}"
    );
    assert_eq!(of("fresh")["change"], "added", "no cache was read: {told}");
    assert_eq!(of("link"), Value::Null);
    let reason = told["reasons"][0].as_str().unwrap();
    assert!(
        reason.contains("entries differ (app/cached: bytes; app/fresh: only in the rebuild"),
        "{reason}"
    );
    assert!(reason.contains("1 file holds the path of the workspace"), "{reason}");
    assert_eq!(kept(), before, "no cache was written");
    // The package that stands is still the one that is delivered, and the rebuild's is nowhere.
    let production = house.comes_to("team/app", "production", &second);
    assert_eq!(production["package"], told["package"]);
    let rebuilt = told["rebuilt"].as_str().unwrap();
    assert_eq!(house.get(&format!("/v2/team/app/manifests/{rebuilt}")).status, 404);
    house.is_whole();
}

#[test]
fn a_rebuild_that_fails_is_unknown_with_its_reason_and_is_not_retried() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let gone = house.folder().join("gone");
    std::fs::write(&gone, "").unwrap();
    repository.define(&building(&format!("test -e {}", gone.display()), ""));
    let commit = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    house.comes_to("team/app", "production", &commit);
    std::fs::remove_file(&gone).unwrap();
    let told = rebuild(&house, &commit[..9]);
    assert_eq!(told["result"], "unknown", "{told}");
    let reason = told["reasons"][0].as_str().unwrap();
    assert!(
        reason.contains("did not come to its end") && reason.contains("build"),
        "{reason}"
    );
    let run = told["run"]["id"].as_str().unwrap();
    let refused = house.post(&format!("/api/v1/runs/{run}/retry"), &json!({}));
    assert!(refused.expect_problem(409, "refused").contains("throughline rebuild"));
    let build = house.runs("kind=build")[0]["id"].as_str().unwrap().to_owned();
    house
        .get(&format!("/api/v1/runs/{build}/rebuild"))
        .expect_problem(404, "not-found");
    house.is_whole();
}

#[test]
fn a_gate_may_ask_for_a_rebuild() {
    let gate = "    gates: [{ name: reproducible, when: \"verdicts.exists(v, v.about == 'reproducible' && v.result == 'pass')\", message: no rebuild came out the same }]\n";
    let house = House::with(&format!("{ENVIRONMENTS}{gate}"), json!({}));
    let repository = Repository::of_service("one");
    let commit = repository.commit("feat: one");
    let path = format!("/api/v1/components/team/app/changes/{commit}/rebuild");
    house.post(&path, &json!({})).expect_problem(404, "not-found");
    repository.push(&house, "team/app", &["main"]);
    house.comes_to("team/app", "staging", &commit);
    let waiting = house.until("the gate to hold it back", || {
        let change = house.change("team/app", &commit);
        change["waiting"]
            .as_array()
            .filter(|waiting| !waiting.is_empty())
            .cloned()
    });
    assert!(waiting.iter().any(|one| one["gate"] == "reproducible"), "{waiting:?}");
    assert_eq!(house.runs("kind=deployment").len(), 1);
    let told = rebuild(&house, &commit);
    assert_eq!(told["result"], "pass", "{told}");
    house.comes_to("team/app", "production", &commit);
    house.is_whole();
}

#[test]
fn a_rebuild_whose_server_dies_comes_to_its_verdict_once() {
    for (place, wanted) in [
        ("server.rebuild.before:1", None),
        ("server.rebuild.unknown:1", Some("unknown")),
        ("artifact.package.manifest:2", Some("pass")),
    ] {
        let mut house = House::prepared(ENVIRONMENTS, json!({}));
        house.crashes_at(place);
        house.start();
        let repository = Repository::of_service("one");
        let gone = house.folder().join("gone");
        std::fs::write(&gone, "").unwrap();
        repository.define(&building(&format!("test -e {}", gone.display()), ""));
        let commit = repository.commit("feat: one");
        repository.push(&house, "team/app", &["main"]);
        house.comes_to("team/app", "production", &commit);
        if wanted == Some("unknown") {
            std::fs::remove_file(&gone).unwrap();
        }
        let path = format!("{}/api/v1/components/team/app/changes/{commit}/rebuild", house.url());
        let bearer = format!("Bearer {}", house.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let _ = crate::house::ask("POST", &path, &headers, b"{}");
        house.dies();
        house.start();
        let Some(wanted) = wanted else {
            assert_eq!(house.runs("kind=rebuild").len(), 0, "{place}: nobody was told of one");
            continue;
        };
        let run = house.runs("kind=rebuild")[0]["id"].as_str().unwrap().to_owned();
        let told = house.until("the verdict", || {
            let told = house.get(&format!("/api/v1/runs/{run}/rebuild")).is(200);
            (!told["result"].is_null()).then_some(told)
        });
        assert_eq!(told["result"], wanted, "{place}: {told}");
        let verdicts = house
            .facts()
            .into_iter()
            .filter(|fact| fact["kind"] == "verdict.recorded" && fact["body"]["about"] == "reproducible");
        assert_eq!(verdicts.count(), 1, "{place}");
        house.is_whole();
    }
}
