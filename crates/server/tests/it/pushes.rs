//! What pushes bring about: one build for each commit, and its package in every environment.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::house::House;
use crate::repository::{Repository, steps};

/// How many builds each commit has.
fn builds(house: &House) -> BTreeMap<String, usize> {
    let mut builds = BTreeMap::new();
    for run in house.runs("kind=build") {
        *builds.entry(run["commit"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    builds
}

/// Waits until no build goes on and as many as `count` are there.
fn settled(house: &House, count: usize) {
    house.until(&format!("{count} builds"), || {
        let runs = house.runs("kind=build");
        (runs.len() >= count && runs.iter().all(|run| run["state"] == "finished")).then_some(())
    });
}

#[test]
fn what_is_refused_is_told_by_git_in_words() {
    let house = House::new();
    let repository = Repository::new();
    repository.define(&steps("  a: { run: 'true' }\n"));
    repository.commit("first");
    let told = |component: &str, token: &str, arguments: &[&str]| {
        let remote = Repository::remote_as(&house, component, token);
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|argument| if *argument == "REMOTE" { &remote } else { *argument })
            .collect();
        let output = repository.try_git(&arguments);
        assert!(!output.is_success(), "{arguments:?}");
        output.complaint()
    };
    let push = ["push", "--quiet", "REMOTE", "HEAD:main"];
    let wrong = told("team/app", "tl_wrong", &push);
    assert!(
        wrong.contains("remote: the password is not a token that works here"),
        "{wrong}"
    );
    assert!(
        wrong.contains("remote: hint: `throughline token create` makes one"),
        "{wrong}"
    );
    let viewer = house.token_of("viewer");
    let denied = told("team/app", &viewer, &push);
    assert!(
        denied.contains("remote: ") && denied.contains("remote: hint: ask an admin for the role"),
        "{denied}"
    );
    let nothing = told("team/nothing", &house.token, &["ls-remote", "REMOTE"]);
    assert!(
        nothing.contains("remote: ") && nothing.contains("team/nothing"),
        "{nothing}"
    );
    let badly = told("Team/app", &house.token, &push);
    assert!(badly.contains("remote: `Team/app` is no"), "{badly}");
}

#[test]
fn a_push_is_built_packaged_and_brought_to_every_environment() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let commit = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "succeeded", "{build}");
    let staging = house.comes_to("team/app", "staging", &commit);
    let production = house.comes_to("team/app", "production", &commit);
    assert_eq!(staging["package"], production["package"], "the package is built once");
    let packaged = build["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["name"] == "package")
        .unwrap();
    assert_eq!(packaged["outputs"]["package"], staging["package"]);
    for place in [&staging, &production] {
        let url = place["url"].as_str().unwrap();
        let answer = crate::house::ask("GET", url, &[], b"").unwrap();
        assert_eq!(answer.text(), "one");
        assert_eq!(
            answer.header("throughline-package"),
            staging["package"].as_str().unwrap()
        );
    }
    house.until("the change in production", || {
        let change = house.change("team/app", &commit[..8]);
        (change["change"]["state"] == "in-production").then_some(())
    });
    assert_eq!(house.runs("kind=deployment").len(), 2);

    // The next one takes the same path and replaces it.
    repository.define(&crate::repository::service("VERSION: two", ""));
    let second = repository.commit("feat: two");
    repository.push(&house, "team/app", &["main"]);
    let production = house.comes_to("team/app", "production", &second);
    let answer = crate::house::ask("GET", production["url"].as_str().unwrap(), &[], b"").unwrap();
    assert_eq!(answer.text(), "two");
    assert_eq!(production["traffic"].as_array().unwrap().len(), 1, "{production}");
    house.is_whole();
}

#[test]
fn a_commit_is_built_once_whatever_brings_it() {
    let house = House::new();
    let repository = Repository::new();
    let first = repository.push_definition(&house, "team/app", &steps("  a: { run: 'true' }\n"));
    house.built(&first);
    repository.push(&house, "team/app", &["HEAD:refs/heads/other"]);
    repository.git(&["tag", "v1"]);
    repository.git(&["tag", "-a", "-m", "an annotated tag", "v2"]);
    repository.push(&house, "team/app", &["--tags"]);
    repository.push(&house, "team/app", &["main", "HEAD:refs/heads/third"]);
    repository.push(&house, "team/app", &["main"]);
    let second = repository.commit("another");
    repository.push(&house, "team/app", &["main", "HEAD:refs/heads/other"]);
    settled(&house, 2);
    assert_eq!(builds(&house), BTreeMap::from([(first.clone(), 1), (second, 1)]));
    // The commit's way is told for the first branch; the others add to it and build nothing.
    let arrived = house
        .facts()
        .into_iter()
        .filter(|fact| fact["kind"] == "change.arrived");
    let arrived: Vec<_> = arrived
        .filter(|fact| fact["body"]["commit"] == first.as_str())
        .collect();
    assert_eq!(arrived.len(), 3, "{arrived:?}");
}

#[test]
fn each_commit_of_a_burst_is_built_once() {
    let house = House::new();
    let repository = Repository::new();
    let mut commits = vec![repository.push_definition(&house, "team/app", &steps("  a: { run: 'true' }\n"))];
    house.built(&commits[0]);
    for number in 0..30 {
        commits.push(repository.commit(&format!("number {number}")));
    }
    repository.push(&house, "team/app", &["main"]);
    settled(&house, 31);
    assert_eq!(builds(&house), commits.into_iter().map(|commit| (commit, 1)).collect());
    let runs = house.runs("kind=build");
    assert!(runs.iter().all(|run| run["result"] == "succeeded"));
    house.is_whole();
}

#[test]
fn a_force_push_builds_what_is_new_and_keeps_what_was() {
    let house = House::new();
    let repository = Repository::new();
    let base = repository.push_definition(&house, "team/app", &steps("  a: { run: 'true' }\n"));
    let old = repository.commit("old");
    repository.push(&house, "team/app", &["main"]);
    settled(&house, 2);
    repository.git(&["reset", "--quiet", "--hard", &base]);
    let new = repository.commit("new");
    assert!(
        !repository.try_push(&house, "team/app", &["main"]).is_success(),
        "git itself asks for force"
    );
    repository.push(&house, "team/app", &["--force", "main"]);
    settled(&house, 3);
    assert_eq!(
        builds(&house),
        [&base, &old, &new].map(|commit| (commit.clone(), 1)).into()
    );
    assert_eq!(house.change("team/app", &old)["change"]["commit"], old.as_str());
    // Back again: the commit was here before.
    repository.push(&house, "team/app", &["--force", &format!("{old}:refs/heads/main")]);
    let third = repository.commit("third");
    repository.push(&house, "team/app", &["--force", "main"]);
    house.built(&third);
    assert_eq!(builds(&house)[&old], 1);
    let forced = house.facts().into_iter().filter(|fact| fact["kind"] == "ref.updated");
    assert_eq!(forced.filter(|fact| fact["body"]["forced"] == true).count(), 3);
}

#[test]
fn a_deleted_branch_builds_nothing_and_may_come_back() {
    let house = House::new();
    let repository = Repository::new();
    let commit = repository.push_definition(&house, "team/app", &steps("  a: { run: 'true' }\n"));
    repository.push(&house, "team/app", &["HEAD:refs/heads/side"]);
    house.built(&commit);
    repository.push(&house, "team/app", &[":refs/heads/side"]);
    let deleted = |fact: &Value| fact["kind"] == "ref.updated" && fact["body"]["new"].is_null();
    assert_eq!(house.facts().iter().filter(|fact| deleted(fact)).count(), 1);
    repository.push(&house, "team/app", &["HEAD:refs/heads/side"]);
    repository.push(&house, "team/app", &[":refs/heads/side"]);
    let first = repository.try_push(&house, "team/app", &[":refs/heads/main"]);
    assert!(
        first.complaint().contains("refusing to delete the current branch"),
        "{}",
        first.complaint()
    );
    assert_eq!(builds(&house), BTreeMap::from([(commit, 1)]));
    house.is_whole();
}

#[test]
fn a_push_whose_server_died_before_it_was_recorded_is_found_at_the_next_start() {
    for place in [
        "source.push.received:2",
        "server.intake.before:1",
        "server.intake.after:1",
        "engine.submit.before:1",
    ] {
        let mut house = House::prepared(crate::house::ENVIRONMENTS, json!({}));
        house.crashes_at(place);
        house.start();
        let repository = Repository::new();
        repository.define(&steps("  a: { run: 'true' }\n"));
        let commit = repository.commit("a change");
        let pushed = repository.try_push(&house, "team/app", &["main"]);
        house.dies();
        let bare = house.data().join("repositories/team/app.git");
        let heads = crate::repository::command(&bare, "git", &["for-each-ref"]);
        assert!(
            heads.text().contains(&commit),
            "{place}: {} {}",
            heads.text(),
            pushed.complaint()
        );
        house.start();
        let build = house.built(&commit);
        assert_eq!(build["run"]["result"], "succeeded", "{place}: {build}");
        repository.push(&house, "team/app", &["main"]);
        assert_eq!(builds(&house), BTreeMap::from([(commit, 1)]), "{place}");
        house.is_whole();
    }
}

#[test]
fn who_may_not_push_or_add_a_component_is_told_so_by_git() {
    let house = House::new();
    let repository = Repository::new();
    repository.define(&steps("  a: { run: 'true' }\n"));
    repository.commit("a change");
    let viewer = house.token_of("viewer");
    let remote = Repository::remote_as(&house, "team/app", &viewer);
    assert!(!repository.try_git(&["push", &remote, "main"]).is_success());
    assert_eq!(house.get("/api/v1/repositories").is(200)["repositories"], json!([]));
    repository.push(&house, "team/app", &["main"]);
    repository.git(&["ls-remote", &remote]);
    assert!(!repository.try_git(&["push", &remote, "main:more"]).is_success());
}

#[test]
fn a_line_that_forbids_caches_gets_a_build_without_them() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let definition = crate::rebuilds::building("ls kept; touch kept/mark", "");
    let definition = definition.replace("\" }", "\", cache: [{ path: kept, key: k }] }");
    repository.define(&format!(
        "{definition}lines: {{ main: {{ tool_caches: forbidden }} }}\n"
    ));
    let first = repository.commit("feat: one");
    repository.push(&house, "team/app", &["HEAD:refs/heads/topic"]);
    let with = house.built(&first);
    let with = with["run"]["id"].as_str().unwrap();
    let says = |run: &str| house.log_of(run, "build");
    assert!(!says(with).contains("forbids"), "{}", says(with));
    // The same commit comes to the line: what was built with caches is no candidate there.
    repository.push(&house, "team/app", &["main"]);
    house.comes_to("team/app", "production", &first);
    let runs = house.runs("kind=build");
    assert_eq!(runs.len(), 2, "{runs:?}");
    let without = runs
        .iter()
        .map(|run| run["id"].as_str().unwrap())
        .find(|run| *run != with);
    let without = without.unwrap();
    let told = "the line forbids tools' caches: kept began empty in this run, and is not kept";
    assert!(says(without).contains(told), "{}", says(without));
    let facts = house.facts();
    let accepted: Vec<&Value> = facts.iter().filter(|fact| fact["kind"] == "package.accepted").collect();
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    assert_eq!(accepted[0]["body"]["run"], without, "{accepted:?}");
    // Nothing of it is kept for the next one.
    let second = repository.commit("feat: two");
    repository.push(&house, "team/app", &["main"]);
    let again = house.built(&second);
    assert_eq!(again["run"]["result"], "succeeded", "{again}");
    let said = says(again["run"]["id"].as_str().unwrap());
    assert!(said.contains(told) && !said.contains("mark"), "{said}");
    house.is_whole();
}
