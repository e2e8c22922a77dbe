//! Changes that depend on changes in other repositories: built beside them, delivered after them.

use serde_json::{Value, json};

use crate::house::House;
use crate::repository::{Repository, service, steps};
use crate::search::scoped;

/// A library: it packages the file `name`.
fn library(name: &str) -> Repository {
    let repository = Repository::new();
    repository.define(&format!(
        "{}package: {{ files: [{{ from: name }}] }}\n",
        steps("  build: { run: 'true' }\n")
    ));
    repository.write("name", name.as_bytes());
    repository
}

/// What says all that a build has beside it.
const SAYS: &str = "echo \"$(cat \"$THROUGHLINE_DEPENDS/core/name\") $THROUGHLINE_DEPENDS_CORE \
                    $(cat \"$THROUGHLINE_NEEDS/core/name\") $THROUGHLINE_NEED_CORE\"";

/// One that depends on the library.
fn dependent() -> Repository {
    let repository = Repository::new();
    repository.define(&steps(&format!("  test: {{ run: '{SAYS}' }}\n")));
    repository
}

#[track_caller]
fn waits(house: &House, component: &str, commit: &str, expected: &str) {
    house.until(&format!("{component} waiting for: {expected}"), || {
        let change = house.change(component, commit).to_string();
        change.contains(expected).then_some(())
    });
}

/// What is wrong with the build of a commit, and what to do.
fn refused(house: &House, commit: &str) -> String {
    let run = house.built(commit);
    assert_eq!(run["run"]["result"], "failed", "{run}");
    run["run"]["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_change_waits_for_the_one_it_depends_on_and_is_built_beside_it() {
    let mut house = House::new();
    let core = library("core");
    core.commit("feat: a library");
    core.push(&house, "team/core", &["main"]);
    core.write("name", b"better core");
    let better = core.commit("feat: better");
    let web = dependent();
    let change = web.commit(&format!(
        "feat: uses it\n\nMore of it.\n\ndepends-on: team/core@{}\n",
        &better[..10]
    ));
    web.push(&house, "team/web", &["HEAD:topic"]);
    waits(
        &house,
        "team/web",
        &change,
        &format!("team/core has no commit {} yet", &better[..10]),
    );
    // What builds upon it waits with it, also for a server that was killed.
    let next = web.commit("fix: more");
    web.push(&house, "team/web", &["HEAD:topic"]);
    let builds_upon = format!("it builds upon {}, which waits", &change[..10]);
    waits(&house, "team/web", &next, &builds_upon);
    house.kill();
    house.start();
    waits(&house, "team/web", &change, "has no commit");
    waits(&house, "team/web", &next, &builds_upon);
    assert!(
        house
            .runs("kind=build")
            .iter()
            .all(|run| run["component"] == "team/core")
    );

    core.push(&house, "team/core", &["main"]);
    let run = house.built(&change);
    assert_eq!(run["run"]["result"], "succeeded", "{run}");
    let id = run["run"]["id"].as_str().unwrap();
    let of_core = house.built(&better);
    let package = house.step(of_core["run"]["id"].as_str().unwrap(), "package")["outputs"]["package"].clone();
    let package = package.as_str().unwrap();
    let said = house.log_of(id, "test");
    assert!(
        said.trim()
            .ends_with(&format!("better core {better} better core {package}")),
        "{said}"
    );
    // Its record says with what it was built.
    let beside = &house.step(id, "needs")["outputs"]["beside"];
    let expected = json!([
        { "name": "core", "commit": { "repository": "team/core", "commit": better } },
        { "name": "core", "package": package },
    ]);
    assert_eq!(beside, &expected);
    // The next one says nothing of it and has nothing beside it.
    let run = house.built(&next);
    let said = house.log_of(run["run"]["id"].as_str().unwrap(), "test");
    assert!(!said.contains("better"), "{said}");
    house.is_whole();
}

#[test]
fn a_dependency_whose_build_failed_is_waited_for_until_it_is_retried() {
    let house = House::new();
    let good = house.folder().join("good");
    let core = library("core");
    core.define(&format!(
        "{}package: {{ files: [{{ from: name }}] }}\n",
        steps(&format!("  build: {{ run: \"test -e '{}'\" }}\n", good.display()))
    ));
    let commit = core.commit("feat: a library");
    core.push(&house, "team/core", &["main"]);
    let web = dependent();
    let change = web.commit(&format!("feat: uses it\n\nDepends-On: team/core@{commit}\n"));
    web.push(&house, "team/web", &["main"]);
    waits(
        &house,
        "team/web",
        &change,
        "did not succeed; retry it, or depend on a commit that mends it",
    );
    std::fs::write(&good, "").unwrap();
    let failed = house.built(&commit);
    let retry = format!("/api/v1/runs/{}/retry", failed["run"]["id"].as_str().unwrap());
    house.post(&retry, &json!({})).is(200);
    assert_eq!(house.built(&change)["run"]["result"], "succeeded");
}

#[test]
fn a_change_id_names_the_newest_commit_that_has_it_and_a_merge_has_what_it_brings() {
    let house = House::new();
    let id = format!("I{}", "5".repeat(40));
    let core = library("core");
    core.commit("feat: a library");
    core.git(&["checkout", "--quiet", "-b", "topic"]);
    core.write("name", b"first try");
    core.commit(&format!("feat: better\n\nChange-Id: {id}\n"));
    core.push(&house, "team/core", &["main", "topic"]);
    core.write("name", b"second try");
    core.git(&["add", "--all"]);
    core.git(&["commit", "--quiet", "--amend", "--no-edit"]);
    let second = core.git(&["rev-parse", "HEAD"]);
    core.push(&house, "team/core", &["+topic"]);
    house.built(&second);
    let web = dependent();
    web.commit("feat: nothing yet");
    web.git(&["checkout", "--quiet", "-b", "topic"]);
    web.commit(&format!("feat: uses it\n\nDepends-On: team/core@{id}\n"));
    web.git(&["checkout", "--quiet", "main"]);
    web.commit("docs: meanwhile");
    web.git(&["merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic"]);
    let merge = web.git(&["rev-parse", "HEAD"]);
    web.push(&house, "team/web", &["main"]);
    let run = house.built(&merge);
    let said = house.log_of(run["run"]["id"].as_str().unwrap(), "test");
    assert!(said.contains(&format!("second try {second} second try ")), "{said}");
}

#[test]
fn what_can_never_be_is_refused_and_told_what_to_do() {
    let house = House::new();
    let core = library("core");
    let commit = core.commit("feat: a library");
    core.push(&house, "team/core", &["main"]);
    house.built(&commit);
    core.git(&["checkout", "--quiet", "-b", "gone"]);
    let gone = core.commit("feat: soon gone");
    core.push(&house, "team/core", &["gone"]);
    house.built(&gone);
    core.push(&house, "team/core", &[":gone"]);
    house.until("the branch gone", || {
        let facts = house.facts();
        let deleted = |fact: &Value| fact["kind"] == "ref.updated" && fact["body"]["new"].is_null();
        facts.iter().any(deleted).then_some(())
    });
    let web = dependent();
    let own = format!("I{}", "1".repeat(40));
    let cases: [(String, &str, &str); 5] = [
        (
            "team/core".to_owned(),
            "`Depends-On: team/core` does not name a change",
            "TEAM/NAME@COMMIT",
        ),
        (
            "team/core@main".to_owned(),
            "`main` is no commit and no Change-Id",
            "tomorrow",
        ),
        (
            "team/corr@1234567".to_owned(),
            "there is no repository or component `team/corr`",
            "push it first",
        ),
        (
            format!("team/core@{gone}"),
            "is on no branch of team/core any more",
            "took its place",
        ),
        (
            format!("team/web@{own}\nChange-Id: {own}"),
            "a change cannot depend on itself",
            "other repository",
        ),
    ];
    for (trailer, expected, hint) in cases {
        let change = web.commit(&format!("feat: x\n\nDepends-On: {trailer}\n"));
        web.push(&house, "team/web", &["HEAD:main"]);
        let reason = refused(&house, &change);
        assert!(reason.contains(expected) && reason.contains(hint), "{reason}");
        assert!(
            reason.contains(&format!("the message of {}:3", &change[..10])),
            "{reason}"
        );
    }
    // Another commit of the same repository is behind it anyway.
    let before = web.git(&["rev-parse", "HEAD"]);
    let change = web.commit(&format!("feat: x\n\nDepends-On: team/web@{before}\n"));
    web.push(&house, "team/web", &["HEAD:main"]);
    assert!(refused(&house, &change).contains("is in the same repository"));
    // A circle is told with its chain, on each side.
    let (one, two) = (format!("I{}", "a".repeat(40)), format!("I{}", "b".repeat(40)));
    let web_side = web.commit(&format!("feat: x\n\nDepends-On: team/core@{two}\nChange-Id: {one}\n"));
    web.push(&house, "team/web", &["HEAD:main"]);
    waits(&house, "team/web", &web_side, &format!("has the Change-Id {two} yet"));
    core.git(&["checkout", "--quiet", "main"]);
    let core_side = core.commit(&format!("feat: x\n\nDepends-On: team/web@{one}\nChange-Id: {two}\n"));
    core.push(&house, "team/core", &["main"]);
    let at = |name: &str, commit: &str| format!("{name} at {}", &commit[..10]);
    let (web_at, core_at) = (at("team/web", &web_side), at("team/core", &core_side));
    let reason = refused(&house, &core_side);
    assert!(
        reason.contains(&format!("in a circle: {core_at} → {web_at} → {core_at}")),
        "{reason}"
    );
    let reason = refused(&house, &web_side);
    assert!(
        reason.contains(&format!("in a circle: {web_at} → {core_at} → {web_at}")),
        "{reason}"
    );
    house.is_whole();
}

#[test]
fn a_person_ends_the_waiting_of_a_change_and_what_builds_upon_it_goes_on() {
    let mut house = House::new();
    let core = library("core");
    core.commit("feat: a library");
    core.push(&house, "team/core", &["main"]);
    let web = Repository::new();
    web.define(&steps("  test: { run: 'true' }\n"));
    let missing = "0123456789";
    let change = web.commit(&format!("feat: uses it\n\nDepends-On: team/core@{missing}\n"));
    web.push(&house, "team/web", &["HEAD:main"]);
    waits(
        &house,
        "team/web",
        &change,
        &format!("team/core has no commit {missing} yet"),
    );
    let next = web.commit("fix: more");
    web.push(&house, "team/web", &["HEAD:main"]);
    let builds_upon = format!("it builds upon {}, which waits", &change[..10]);
    waits(&house, "team/web", &next, &builds_upon);
    // Since when is said.
    let told = house.change("team/web", &change);
    let stations = told["stations"].as_array().unwrap();
    let build = stations
        .iter()
        .find(|station| station["place"]["kind"] == "run")
        .unwrap();
    assert_eq!(build["started_at"], told["change"]["arrived_at"], "{told}");

    let cancel = format!("/api/v1/components/team/web/changes/{change}/cancel");
    house.post(&cancel, &json!(null)).is(200);
    let reason = refused(&house, &change);
    assert!(
        reason.contains("somebody ended its waiting") && reason.contains(&format!("has no commit {missing} yet")),
        "{reason}"
    );
    let run = house.built(&next);
    assert_eq!(run["run"]["result"], "succeeded", "{run}");
    house.post(&cancel, &json!(null)).is(409);
    // It stays so, also for a server that was killed.
    house.kill();
    house.start();
    let later = web.commit("fix: still more");
    web.push(&house, "team/web", &["HEAD:main"]);
    assert_eq!(house.built(&later)["run"]["result"], "succeeded");
    let builds = house.runs("kind=build");
    let of_change = builds.iter().filter(|run| run["commit"] == change.as_str());
    assert_eq!(of_change.count(), 1, "{builds:?}");
    house.is_whole();
}

#[test]
fn nobody_gets_at_a_repository_by_depending_on_it() {
    let mut house = House::new();
    let core = library("core");
    let commit = core.commit("feat: a secret library");
    core.push(&house, "private/core", &["main"]);
    house.built(&commit);
    let web = dependent();
    web.commit("feat: nothing yet");
    web.push(&house, "team/web", &["main"]);
    let token = scoped(
        &mut house,
        access::Grant {
            role: access::Role::Developer,
            components: access::ComponentScope::Team("team".to_owned()),
            environments: access::EnvironmentScope::All,
        },
    );
    for named in [format!("private/core@{commit}"), "private/other@1234567".to_owned()] {
        let change = web.commit(&format!("feat: x\n\nDepends-On: {named}\n"));
        let remote = Repository::remote_as(&house, "team/web", &token);
        let pushed = web.try_git(&["push", "--quiet", &remote, "HEAD:main"]);
        assert!(pushed.is_success(), "{}", pushed.complaint());
        let reason = refused(&house, &change);
        let name = named.split_once('@').unwrap().0;
        assert!(
            reason.contains(&format!("whoever brought this change may not fetch from `{name}`")),
            "{reason}"
        );
    }
}

#[test]
fn a_package_comes_after_what_it_depends_on_and_a_rollback_of_that_is_told() {
    let environments = "throughline: 1
environments:
  staging: {}
  production: { after: [staging], approvals: [{ role: operations }] }
";
    let mut house = House::with(environments, json!({}));
    let admin = house.token_of("admin");
    let approve = |house: &House, component: &str, change: &str| {
        let path = "/api/v1/environments/production/approve";
        let body = json!({ "component": component, "change": change });
        let bytes = serde_json::to_vec(&body).unwrap();
        let json = [("content-type", "application/json")];
        house.until("the approval", || {
            let answer = house.ask_as(&admin, "POST", path, &bytes, &json);
            (answer.status == 200).then_some(())
        });
    };
    let core = Repository::of_service("one");
    let first = core.commit("feat: a service");
    core.push(&house, "team/core", &["main"]);
    house.comes_to("team/core", "staging", &first);
    approve(&house, "team/core", &first);
    house.comes_to("team/core", "production", &first);
    core.define(&service("VERSION: two", ""));
    let second = core.commit("feat: the new API");
    core.push(&house, "team/core", &["main"]);
    house.comes_to("team/core", "staging", &second);

    let web = Repository::of_service("web");
    let change = web.commit(&format!("feat: uses the new API\n\nDepends-On: team/core@{second}\n"));
    web.push(&house, "team/web", &["main"]);
    house.comes_to("team/web", "staging", &change);
    approve(&house, "team/web", &change);
    let held = format!(
        "{} of team/core is in staging, and not in production yet",
        &second[..10]
    );
    waits(&house, "team/web", &change, &held);
    house.kill();
    house.start();
    waits(&house, "team/web", &change, &held);
    // The other one goes on: so does this one, by itself.
    approve(&house, "team/core", &second);
    house.comes_to("team/core", "production", &second);
    house.comes_to("team/web", "production", &change);

    // The other one goes back. What needs it says so, and a newer one does not come before it is mended.
    let body = json!({ "component": "team/core", "reason": "slow" });
    house.post("/api/v1/environments/production/rollback", &body).is(200);
    house.comes_to("team/core", "production", &first);
    let next = web.commit(&format!("feat: more of it\n\nDepends-On: team/core@{second}\n"));
    web.push(&house, "team/web", &["main"]);
    waits(
        &house,
        "team/web",
        &next,
        &format!("{} of team/core was found bad in production", &second[..10]),
    );
    house.is_whole();
}
