//! Several components in one repository: what a change concerns is built, once, and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::house::{ENVIRONMENTS, House};
use crate::repository::{Repository, service, steps};

/// The list of a repository of three: `web` needs `api`, `tools` stands alone.
const LIST: &str = "throughline: 1
components:
  web: { needs: [api], also: [assets] }
  api: { path: services/api }
  tools: {}
";

/// A component's definition: it packages the file `name`.
pub fn packages(more: &str) -> String {
    format!(
        "{}package: {{ files: [{{ from: name }}] }}\n{more}",
        steps("  build: { run: 'true' }\n")
    )
}

/// A repository of three components.
pub fn shop() -> Repository {
    let repository = Repository::new();
    repository.define(LIST);
    for (folder, name) in [("web", "web"), ("services/api", "api"), ("tools", "tools")] {
        repository.write(&format!("{folder}/throughline.yaml"), packages("").as_bytes());
        repository.write(&format!("{folder}/name"), name.as_bytes());
    }
    repository
}

/// How many builds each component has of each commit.
fn builds(house: &House) -> BTreeMap<(String, String), usize> {
    let mut builds = BTreeMap::new();
    for run in house.runs("kind=build") {
        let text = |key: &str| run[key].as_str().unwrap().to_owned();
        *builds.entry((text("commit"), text("component"))).or_default() += 1;
    }
    builds
}

/// Waits until these builds are there and have ended, and no others.
#[track_caller]
pub fn settled(house: &House, expected: &[(&str, &[&str])]) {
    let expected: BTreeMap<(String, String), usize> = expected
        .iter()
        .flat_map(|(commit, members)| {
            members
                .iter()
                .map(|member| (((*commit).to_owned(), format!("team/shop.{member}")), 1))
        })
        .collect();
    house.until("the builds", || {
        let runs = house.runs("kind=build");
        (runs.len() >= expected.len() && runs.iter().all(|run| run["state"] == "finished")).then_some(())
    });
    assert_eq!(builds(house), expected);
}

fn version(house: &House, member: &str, commit: &str) -> String {
    house.until("a version", || {
        house.change(&format!("team/shop.{member}"), commit)["change"]["version"]
            .as_str()
            .map(str::to_owned)
    })
}

#[test]
fn what_a_change_touches_and_what_needs_it_is_built_and_nothing_else() {
    let house = House::new();
    let repository = shop();
    let first = repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    settled(&house, &[(&first, &["web", "api", "tools"])]);
    repository.write("tools/name", b"better tools");
    let tools = repository.commit("feat: better tools");
    repository.write("services/api/name", b"better api");
    let api = repository.commit("fix: the api");
    repository.write("README.md", b"a shop");
    repository.commit("docs: what it is");
    repository.write("assets/logo.svg", b"<svg/>");
    let assets = repository.commit("feat: a logo");
    repository.push(&house, "team/shop", &["main"]);
    settled(
        &house,
        &[
            (&first, &["web", "api", "tools"]),
            (&tools, &["tools"]),
            (&api, &["api", "web"]),
            (&assets, &["web"]),
        ],
    );
    // Each has versions of its own: what does not concern it does not count.
    for (member, commit, expected) in [
        ("tools", &tools, "0.2.0"),
        ("api", &api, "0.1.1"),
        ("web", &api, "0.1.1"),
        ("web", &assets, "0.2.0"),
    ] {
        assert_eq!(version(&house, member, commit), expected, "{member}");
    }
    house.is_whole();
}

#[test]
fn each_component_comes_to_the_environments_by_itself() {
    let house = House::new();
    let repository = Repository::of_service("one");
    repository.git(&["init", "--quiet"]);
    repository.write("web/throughline.yaml", service("VERSION: web", "").as_bytes());
    repository.write("api/throughline.yaml", service("VERSION: api", "").as_bytes());
    for folder in ["web", "api"] {
        let served = std::fs::read(repository.path().join("app/serve")).unwrap();
        repository.write(&format!("{folder}/app/serve"), &served);
        let path = repository.path().join(folder).join("app/serve");
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    std::fs::remove_dir_all(repository.path().join("app")).unwrap();
    repository.define("throughline: 1\ncomponents: { web: {}, api: {} }\n");
    let commit = repository.commit("feat: both");
    repository.push(&house, "team/shop", &["main"]);
    for member in ["web", "api"] {
        let place = house.comes_to(&format!("team/shop.{member}"), "production", &commit);
        let answer = crate::house::ask("GET", place["url"].as_str().unwrap(), &[], b"").unwrap();
        assert_eq!(answer.text(), member);
    }
    assert_eq!(house.place("team/shop", "production")["package"], Value::Null);
    house.is_whole();
}

#[test]
fn a_broken_definition_fails_its_own_component_and_a_broken_list_none() {
    let house = House::new();
    let repository = shop();
    repository.write(
        "services/api/throughline.yaml",
        b"throughline: 1\nsteps:\n  a: { rnu: 'true' }\n",
    );
    let commit = repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    house.until("the builds", || {
        let runs = house.runs("kind=build&state=finished");
        (runs.len() >= 2).then_some(())
    });
    let of = |member: &str| {
        let runs = house.runs(&format!("kind=build&commit={commit}"));
        let run = runs
            .into_iter()
            .find(|run| run["component"] == format!("team/shop.{member}"));
        run.unwrap()
    };
    assert_eq!(
        house.ended(of("tools")["id"].as_str().unwrap())["run"]["result"],
        "succeeded"
    );
    let broken = house.run(of("api")["id"].as_str().unwrap());
    let reason = broken["run"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("services/api/throughline.yaml:3:8: "), "{reason}");
    assert!(reason.contains("did you mean `run`?"), "{reason}");

    // A list that cannot be read is a failed run of the repository's own.
    repository.define("throughline: 1\ncomponents: { web: { pth: x } }\n");
    let commit = repository.commit("fix: the list");
    repository.push(&house, "team/shop", &["main"]);
    let failed = house.built(&commit);
    assert_eq!(failed["run"]["component"], "team/shop");
    let reason = failed["run"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("throughline.yaml:2:22: "), "{reason}");
    house.is_whole();
}

#[test]
fn branches_merges_and_rewritten_histories_miss_nothing_and_repeat_nothing() {
    let environments = ENVIRONMENTS.replace("  staging:\n", "  staging:\n    lines: [main, release/1.x]\n");
    let house = House::with(&environments, json!({}));
    let repository = shop();
    let first = repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    settled(&house, &[(&first, &["web", "api", "tools"])]);
    for member in ["web", "api", "tools"] {
        version(&house, member, &first);
    }
    // A new branch brings its tip, compared with where it left the main one.
    repository.git(&["checkout", "--quiet", "-b", "topic"]);
    repository.write("tools/name", b"topic");
    repository.commit("feat: of the topic");
    repository.write("web/name", b"topic");
    let topic = repository.commit("feat: more of it");
    repository.push(&house, "team/shop", &["topic"]);
    settled(
        &house,
        &[(&first, &["web", "api", "tools"]), (&topic, &["web", "tools"])],
    );
    // A merge concerns what it brings to its line.
    repository.git(&["checkout", "--quiet", "main"]);
    repository.write("README.md", b"a shop");
    repository.commit("docs: what it is");
    repository.git(&["merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic"]);
    let merge = repository.git(&["rev-parse", "HEAD"]);
    repository.push(&house, "team/shop", &["main"]);
    let all: &[(&str, &[&str])] = &[
        (&first, &["web", "api", "tools"]),
        (&topic, &["web", "tools"]),
        (&merge, &["web", "tools"]),
    ];
    settled(&house, all);
    // A rewritten branch: what it lost concerns its new tip as well.
    repository.git(&["reset", "--quiet", "--hard", &first]);
    repository.write("services/api/name", b"rewritten");
    let rewritten = repository.commit("fix: the api");
    repository.push(&house, "team/shop", &["--force", "main"]);
    let all = [all, &[(rewritten.as_str(), ["web", "api", "tools"].as_slice())]].concat();
    settled(&house, &all);
    // A new line begins with what was built before, without another build.
    repository.git(&["branch", "release/1.x", &first]);
    repository.push(&house, "team/shop", &["release/1.x"]);
    house.until("the packages of the line", || {
        let joined = house
            .facts()
            .into_iter()
            .filter(|fact| fact["kind"] == "package.joined");
        (joined.count() == 3).then_some(())
    });
    settled(&house, &all);
    house.is_whole();
}

#[test]
fn a_server_that_dies_around_a_push_builds_each_component_once() {
    for place in ["server.intake.before:1", "server.intake.after:1"] {
        let mut house = House::prepared(ENVIRONMENTS, json!({}));
        house.crashes_at(place);
        house.start();
        let repository = shop();
        let first = repository.commit("feat: a shop");
        let _ = repository.try_push(&house, "team/shop", &["main"]);
        house.dies();
        house.start();
        settled(&house, &[(&first, &["web", "api", "tools"])]);
        house.is_whole();
    }
}

#[test]
fn a_component_of_a_repository_is_no_repository() {
    let house = House::new();
    let repository = shop();
    let first = repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    settled(&house, &[(&first, &["web", "api", "tools"])]);
    let refused = repository.try_push(&house, "team/shop.web", &["main"]);
    assert!(!refused.is_success());
    let told = refused.complaint();
    assert!(
        told.contains("team/shop.web is a component of the repository team/shop"),
        "{told}"
    );
    let listed = house.get("/api/v1/repositories").is(200);
    assert_eq!(listed["repositories"].as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn tags_of_components_begin_with_their_names() {
    let house = House::new();
    let repository = shop();
    repository.write(
        "tools/throughline.yaml",
        packages("version: { tag: true }\n").as_bytes(),
    );
    repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    let remote = Repository::remote(&house, "team/shop");
    house.until("the tag", || {
        repository
            .git(&["ls-remote", "--tags", &remote])
            .contains("tools-v0.1.0")
            .then_some(())
    });
}

#[test]
fn a_commit_that_comes_to_two_lines_at_once_is_named_by_the_one_whose_build_was_asked_for() {
    let environments = ENVIRONMENTS.replace("  staging:\n", "  staging:\n    lines: [main, release/1.x]\n");
    let house = House::with(&environments, json!({}));
    let cases: &[(&[&str], &str)] = &[
        // The builds are asked for in the order of the names.
        (&["HEAD:main", "HEAD:release/1.x"], "0.1.0"),
        (&["HEAD:a", "HEAD:main", "HEAD:release/1.x"], "0.1.0"),
        (&["HEAD:a", "HEAD:release/1.x"], "1.0.0-release-1-x.1"),
    ];
    for (number, (branches, expected)) in cases.iter().cycle().take(9).enumerate() {
        let repository = Repository::new();
        repository.define(&packages(""));
        repository.write("name", b"x");
        let commit = repository.commit(&format!("feat: {number}"));
        let component = format!("team/app{number}");
        repository.push(&house, &component, branches);
        let version = house.until("the version", || {
            let version = &house.change(&component, &commit)["change"]["version"];
            version.as_str().map(str::to_owned)
        });
        assert_eq!(version, *expected, "{branches:?}");
    }
}

/// A step that waits until the file `go` is there and says what the component's dependency holds.
fn waits_for(file: &std::path::Path) -> String {
    format!("while [ ! -e '{}' ]; do sleep 0.02; done", file.display())
}

#[test]
fn a_component_is_built_after_what_it_needs_and_with_its_package() {
    let mut house = House::new();
    let go = house.folder().join("go");
    let repository = shop();
    let api = packages("").replace("'true'", &format!("\"{}\"", waits_for(&go)));
    repository.write("services/api/throughline.yaml", api.as_bytes());
    let web = packages("").replace(
        "'true'",
        "'cat \"$THROUGHLINE_NEEDS/api/name\"; echo \" $THROUGHLINE_NEED_API\"'",
    );
    repository.write("web/throughline.yaml", web.as_bytes());
    let first = repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    let waits = |house: &House| {
        house.until("web waiting", || {
            let change = house.change("team/shop.web", &first).to_string();
            change.contains("team/shop.api at ").then_some(change)
        })
    };
    assert!(waits(&house).contains("is built first"));
    // It waits also for a server that was killed.
    house.kill();
    house.start();
    waits(&house);
    std::fs::write(&go, "").unwrap();
    settled(&house, &[(&first, &["web", "api", "tools"])]);
    let run_of = |house: &House, member: &str, commit: &str| {
        let runs = house.runs(&format!("kind=build&commit={commit}"));
        let run = runs
            .into_iter()
            .find(|run| run["component"] == format!("team/shop.{member}"));
        run.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let package = house.step(&run_of(&house, "api", &first), "package")["outputs"]["package"].clone();
    let web = run_of(&house, "web", &first);
    let said = house.log_of(&web, "build");
    assert!(
        said.trim().ends_with(&format!("api {}", package.as_str().unwrap())),
        "{said}"
    );

    // What does not concern the other is built with its package of before.
    repository.write("web/name", b"new");
    let second = repository.commit("feat: of web alone");
    repository.push(&house, "team/shop", &["main"]);
    settled(&house, &[(&first, &["web", "api", "tools"]), (&second, &["web"])]);
    let web = run_of(&house, "web", &second);
    let said = house.log_of(&web, "build");
    assert!(
        said.trim().ends_with(&format!("api {}", package.as_str().unwrap())),
        "{said}"
    );
    house.is_whole();
}

#[test]
fn a_repository_pushed_under_another_name_is_another_one_and_takes_nothing_from_the_first() {
    let house = House::new();
    let repository = shop();
    let first = repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    settled(&house, &[(&first, &["web", "api", "tools"])]);
    repository.push(&house, "team/store", &["main"]);
    house.until("the builds of the other", || {
        let runs = house.runs("kind=build&state=finished");
        let of_other = runs
            .iter()
            .filter(|run| run["component"].as_str().unwrap().starts_with("team/store."));
        (of_other.count() == 3).then_some(())
    });
    for name in ["team/shop", "team/store"] {
        for member in ["web", "api", "tools"] {
            let change = house.change(&format!("{name}.{member}"), &first);
            assert_eq!(change["change"]["branch"], "main", "{change}");
        }
    }
    // What is pushed on goes to the one that it is pushed to.
    repository.write("tools/name", b"better tools");
    let second = repository.commit("feat: better tools");
    repository.push(&house, "team/store", &["main"]);
    house.until("its build", || {
        let runs = house.runs(&format!("kind=build&state=finished&commit={second}"));
        (!runs.is_empty()).then(|| {
            assert!(
                runs.iter().all(|run| run["component"] == "team/store.tools"),
                "{runs:?}"
            )
        })
    });
    house
        .get(&format!("/api/v1/components/team/shop.tools/changes/{second}"))
        .expect_problem(404, "not-found");
    house.is_whole();
}

#[test]
fn what_needs_a_build_that_failed_waits_until_it_is_mended() {
    let house = House::new();
    let good = house.folder().join("good");
    let repository = shop();
    let api = packages("").replace("'true'", &format!("\"test -e '{}'\"", good.display()));
    repository.write("services/api/throughline.yaml", api.as_bytes());
    let first = repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    settled(&house, &[(&first, &["api", "tools"])]);
    house.until("why it waits", || {
        let change = house.change("team/shop.web", &first);
        change
            .to_string()
            .contains("did not succeed; mend it, or retry it")
            .then_some(())
    });
    // Its own page says so plainly, with what to do; it counts as waiting, not as under way.
    let page = house.get(&format!("/components/team/shop.web/changes/{first}")).text();
    for expected in [
        "It is not built yet",
        "team/shop.api at ",
        "did not succeed",
        "tried again on its own page",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert_eq!(house.change("team/shop.web", &first)["change"]["state"], "held");
    // The page of one shows the others, and why they wait.
    let page = house
        .get(&format!("/components/team/shop.tools/changes/{first}"))
        .text();
    for expected in [
        "team/shop.web",
        "team/shop.api",
        "did not succeed; mend it, or retry it",
        "it lists the component anew",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    // Mended by a newer commit, the old change stays held and says that the newer one holds it too.
    repository.write("services/api/throughline.yaml", packages("").as_bytes());
    let second = repository.commit("fix: the api");
    repository.push(&house, "team/shop", &["main"]);
    settled(&house, &[(&first, &["api", "tools"]), (&second, &["api", "web"])]);
    let page = house.get(&format!("/components/team/shop.web/changes/{first}")).text();
    assert!(
        page.contains("holds this one too") && page.contains("fix: the api"),
        "{page}"
    );
    let told = house.change("team/shop.web", &first).to_string();
    assert!(told.contains("has come since and holds this change too"), "{told}");
    // Tried again with success, it goes on.
    std::fs::write(&good, "").unwrap();
    let runs = house.runs(&format!("kind=build&commit={first}"));
    let failed = runs.iter().find(|run| run["result"] == "failed").unwrap();
    house
        .post(
            &format!("/api/v1/runs/{}/retry", failed["id"].as_str().unwrap()),
            &json!({}),
        )
        .is(200);
    settled(
        &house,
        &[(&first, &["web", "api", "tools"]), (&second, &["api", "web"])],
    );
    house.is_whole();
}
