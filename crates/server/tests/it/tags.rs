//! Versions that become tags, here and in followed repositories.

use serde_json::{Value, json};

use crate::house::{ENVIRONMENTS, House};
use crate::repository::{Repository, command};

/// A repository whose commits get their versions as tags.
fn tagged() -> Repository {
    let repository = Repository::of_service("one");
    let definition = crate::repository::service("VERSION: one", "version: { scheme: semantic, tag: true }\n");
    repository.define(&definition);
    repository
}

/// The run that tagged a commit, once it is over.
fn tagging(house: &House, commit: &str) -> Value {
    let run = house.until("the run that tags", || {
        let runs = house.runs("kind=tag");
        let run = runs.into_iter().find(|run| run["commit"] == commit)?;
        (run["state"] == "finished").then_some(run)
    });
    house.run(run["id"].as_str().unwrap())
}

/// Where a tag leads, and whether it is annotated.
fn leads(repository: &std::path::Path, tag: &str) -> (String, String) {
    let ask = |what: &str| {
        command(repository, "git", &["rev-parse", "--verify", what])
            .text()
            .trim()
            .to_owned()
    };
    let kind = command(repository, "git", &["cat-file", "-t", &format!("refs/tags/{tag}")]);
    (
        ask(&format!("refs/tags/{tag}^{{commit}}")),
        kind.text().trim().to_owned(),
    )
}

#[test]
fn a_hosted_repository_gets_the_tag_once_the_package_is_built_and_it_builds_nothing() {
    let house = House::new();
    let repository = tagged();
    let first = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let run = tagging(&house, &first);
    assert_eq!(run["run"]["result"], "succeeded", "{run}");
    assert_eq!(run["steps"][0]["outputs"]["tag"], "v0.1.0");
    let bare = house.data().join("repositories/team/app.git");
    assert_eq!(leads(&bare, "v0.1.0"), (first.clone(), "tag".to_owned()));
    let said = command(&bare, "git", &["cat-file", "-p", "refs/tags/v0.1.0"]);
    let said = said.text();
    let package = house.change("team/app", &first)["change"]["package"].clone();
    assert!(said.contains(package.as_str().unwrap()), "{said}");
    // It is recorded as a tag that somebody pushed, and is no change.
    house.until("the record of the tag", || {
        let updated = |fact: &Value| fact["kind"] == "ref.updated" && fact["body"]["name"] == "refs/tags/v0.1.0";
        house.facts().iter().any(updated).then_some(())
    });
    let second = repository.commit("fix: two");
    repository.push(&house, "team/app", &["main"]);
    assert_eq!(tagging(&house, &second)["run"]["result"], "succeeded");
    assert_eq!(leads(&bare, "v0.1.1").0, second);
    assert_eq!(house.runs("kind=build").len(), 2);
    let told = house.change("team/app", &second);
    assert!(told.to_string().contains("tagged v0.1.1"), "{told}");
    house.is_whole();
}

#[test]
fn a_tag_that_leads_elsewhere_is_never_moved_and_people_are_told() {
    let house = House::new();
    let repository = tagged();
    let first = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    tagging(&house, &first);
    // Somebody was faster with the next one, by hand and on another commit.
    repository.git(&["tag", "release-0.1.1", &first]);
    repository.define(&crate::repository::service(
        "VERSION: one",
        "version: { tag: true, prefix: release- }\n",
    ));
    repository.push(&house, "team/app", &["release-0.1.1"]);
    let second = repository.commit("fix: two");
    repository.push(&house, "team/app", &["main"]);
    let run = tagging(&house, &second);
    assert_eq!(run["run"]["result"], "failed");
    let message = run["steps"][0]["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("leads to {}, not to {}", &first[..10], &second[..10])),
        "{message}"
    );
    assert_eq!(
        run["steps"][0]["attempts"].as_array().unwrap().len(),
        1,
        "trying again does not help"
    );
    let bare = house.data().join("repositories/team/app.git");
    assert_eq!(leads(&bare, "release-0.1.1").0, first);
    let told = house.change("team/app", &second).to_string();
    assert!(told.contains("not to"), "{told}");
    house.comes_to("team/app", "production", &second);
    // Once it is out of the way, the run is tried again.
    repository.push(&house, "team/app", &[":refs/tags/release-0.1.1"]);
    let id = run["run"]["id"].as_str().unwrap();
    house.post(&format!("/api/v1/runs/{id}/retry"), &json!({})).is(200);
    house.until("the tag", || (leads(&bare, "release-0.1.1").0 == second).then_some(()));
    house.is_whole();
}

#[test]
fn a_followed_repository_gets_the_tag_pushed_and_builds_nothing_for_it() {
    let house = House::with(ENVIRONMENTS, json!({ "poll_interval_ms": 150 }));
    let elsewhere = tagged();
    let first = elsewhere.commit("feat: one");
    let body = json!({ "component": "team/app", "url": elsewhere.path() });
    house.post("/api/v1/repositories", &body).is(201);
    let run = tagging(&house, &first);
    assert_eq!(run["run"]["result"], "succeeded", "{run}");
    assert_eq!(leads(elsewhere.path(), "v0.1.0"), (first, "tag".to_owned()));
    // The next look brings it here.
    house.until("the record of the tag", || {
        let updated = |fact: &Value| fact["kind"] == "ref.updated" && fact["body"]["name"] == "refs/tags/v0.1.0";
        house.facts().iter().any(updated).then_some(())
    });
    let second = elsewhere.commit("feat: two");
    assert_eq!(tagging(&house, &second)["run"]["result"], "succeeded");
    assert_eq!(leads(elsewhere.path(), "v0.2.0").0, second);
    // One that leads elsewhere there is left alone.
    let definition = crate::repository::service("VERSION: one", "version: { tag: true, prefix: release- }\n");
    elsewhere.define(&definition);
    elsewhere.git(&["tag", "release-0.3.0", "HEAD~1"]);
    let third = elsewhere.commit("feat: three");
    let run = tagging(&house, &third);
    assert_eq!(run["run"]["result"], "failed", "{run}");
    assert!(run.to_string().contains("is never moved"), "{run}");
    assert_eq!(house.runs("kind=build").len(), 3);
    house.is_whole();
}

#[test]
fn a_server_that_dies_while_it_tags_finishes_the_tag_and_makes_it_once() {
    for remote in [false, true] {
        for place in ["source.tag.start:1", "source.tag.done:1", "server.tag.before:1"] {
            let mut house = House::prepared(ENVIRONMENTS, json!({ "poll_interval_ms": 150 }));
            house.crashes_at(place);
            house.start();
            let repository = tagged();
            let commit = repository.commit("feat: one");
            if remote {
                let body = json!({ "component": "team/app", "url": repository.path() });
                house.post("/api/v1/repositories", &body).is(201);
            } else {
                repository.push(&house, "team/app", &["main"]);
            }
            house.dies();
            house.start();
            let run = tagging(&house, &commit);
            assert_eq!(run["run"]["result"], "succeeded", "{place}: {run}");
            let bare = house.data().join("repositories/team/app.git");
            let at = if remote { repository.path() } else { &bare };
            assert_eq!(leads(at, "v0.1.0"), (commit.clone(), "tag".to_owned()), "{place}");
            assert_eq!(house.runs("kind=tag").len(), 1, "{place}");
            assert_eq!(house.runs("kind=build").len(), 1, "{place}");
            house.is_whole();
        }
    }
}
