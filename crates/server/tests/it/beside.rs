//! What stands beside a step, pushed: a real database, the groups it is in, the reports of its tests.

use serde_json::{Value, json};

use crate::house::House;
use crate::repository::{Repository, steps};
use crate::web::Browser;

/// The programs of the PostgreSQL that is here.
fn postgres() -> Option<std::path::PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let found = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .find(|bin| bin.join("initdb").is_file());
    if found.is_none() {
        testkit::skip(testkit::Need::Postgres, "PostgreSQL is not installed");
    }
    found
}

#[test]
fn a_pushed_step_works_with_a_real_database_beside_it() {
    let Some(bin) = postgres() else { return };
    let bin = bin.display();
    let house = House::new();
    let repository = Repository::new();
    // PostgreSQL does not run as root, and its user must reach the folder.
    let is_root = rustix::process::geteuid().is_root();
    let (own, become_user) = match is_root {
        true => (
            "chown postgres $data",
            "setpriv --reuid=postgres --regid=postgres --clear-groups",
        ),
        false => ("true", ""),
    };
    let definition = steps(&format!(
        "  test:
    services:
      db:
        run: |
          data=$(mktemp -d /tmp/throughline-test-postgres.XXXXXX); trap 'rm -rf $data' EXIT
          {own}; cd /
          {become_user} {bin}/initdb -D $data -A trust -U tester >&2
          {become_user} {bin}/postgres -D $data -p $PORT -c unix_socket_directories= &
          trap 'kill $!; wait $!; rm -rf $data' TERM; wait $!
        ready: {{ run: '{bin}/pg_isready -q -h 127.0.0.1 -p $PORT', within: 60s }}
    run: |
      {bin}/psql -h $DB_HOST -p $DB_PORT -U tester -d postgres -Atc 'create table t(x int)'
      {bin}/psql -h $DB_HOST -p $DB_PORT -U tester -d postgres -Atc 'insert into t values (42)'
      {bin}/psql -h $DB_HOST -p $DB_PORT -U tester -d postgres -Atc \"select 'the answer is ' || x from t\"
      echo $DB_PORT > port
"
    ));
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    let id = build["run"]["id"].as_str().unwrap();
    let said = house.log_of(id, "test");
    assert_eq!(build["run"]["result"], "succeeded", "{build} {said}");
    assert!(said.contains("the answer is 42"), "{said}");
}

#[test]
fn a_service_that_does_not_come_up_is_named_on_the_page_with_what_it_said_last() {
    let house = House::new();
    let repository = Repository::new();
    let definition =
        steps("  test:\n    run: echo never\n    services:\n      db: { run: 'echo no room for tables; exit 3' }\n");
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "failed", "{build}");
    let id = build["run"]["id"].as_str().unwrap();
    let step = house.step(id, "test");
    let message = step["message"].as_str().unwrap();
    assert!(
        message.contains("the service `db` ended before it was ready (exit code 3)"),
        "{step}"
    );
    let page = Browser::logged_in(&house, &house.token).page(&format!("/runs/{id}"));
    assert!(page.contains("no room for tables"), "{page}");
}

/// The build of a commit once it is there, and what its step says that it waits for.
fn waiting(house: &House, commit: &str, step: &str) -> (String, String) {
    house.until("a step that waits for its group", || {
        let runs = house.runs(&format!("kind=build&commit={commit}"));
        let id = runs.first()?["id"].as_str()?.to_owned();
        let run = house.run(&id);
        let steps = run["steps"].as_array()?;
        let step = steps.iter().find(|line| line["name"] == step)?;
        let message = step["message"].as_str()?;
        (step["state"] != "finished").then(|| (id, message.to_owned()))
    })
}

#[test]
fn of_two_pushed_runs_one_works_in_a_group_and_the_other_says_what_it_waits_for() {
    let house = House::new();
    let repository = Repository::new();
    let place = house.folder().join("place");
    let gate = house.folder().join("gate");
    let (place, gate) = (place.display(), gate.display());
    repository.define(&steps(&format!(
        "  site:\n    concurrency: {{ group: site, rule: queue }}\n    run: |\n      mkdir {place}\n      \
         while ! [ -e {gate} ]; do sleep 0.02; done\n      rmdir {place}\n"
    )));
    let first = repository.commit("first");
    repository.push(&house, "team/app", &["main"]);
    let first = house.is_at(&first, "site");
    let second = repository.commit("second");
    repository.push(&house, "team/app", &["main"]);
    let (second, waits) = waiting(&house, &second, "site");
    assert!(waits.contains("site"), "{waits}");
    let page = Browser::logged_in(&house, &house.token).page(&format!("/runs/{second}"));
    assert!(page.contains("group"), "{page}");
    std::fs::write(house.folder().join("gate"), "").unwrap();
    // Had they been in the place at once, the second could not have made it.
    for run in [&first, &second] {
        assert_eq!(house.ended(run)["run"]["result"], "succeeded");
    }
}

#[test]
fn a_newer_pushed_run_replaces_the_one_that_works_in_its_group() {
    let house = House::new();
    let repository = Repository::new();
    let definition = |script: &str| {
        format!(
            "throughline: 1\nconcurrency: {{ group: build-$THROUGHLINE_BRANCH, rule: replace }}\nsteps:\n  test: {{ run: '{script}' }}\n"
        )
    };
    repository.define(&definition("sleep 1000"));
    let first = repository.commit("first");
    repository.push(&house, "team/app", &["main"]);
    let first = house.is_at(&first, "test");
    repository.define(&definition("true"));
    let second = repository.commit("second");
    repository.push(&house, "team/app", &["main"]);
    let ended = house.ended(&first);
    assert_eq!(ended["run"]["result"], "cancelled", "{ended}");
    assert!(
        ended["run"]["reason"].to_string().contains("build-main"),
        "it says by which group: {ended}"
    );
    assert_eq!(house.built(&second)["run"]["result"], "succeeded");
}

#[test]
fn what_the_tests_of_a_pushed_step_say_stands_in_the_api_and_on_the_page() {
    let house = House::new();
    let repository = Repository::new();
    repository.write(
        "results.xml",
        br#"<testsuite name="cart"><testcase name="adds"/><testcase name="rounds" file="cart.rs"><failure message="2 is not 3"/></testcase></testsuite>"#,
    );
    let definition =
        steps("  test: { run: 'mkdir out; cp results.xml out/junit.xml; exit 1', reports: [\"out/*.xml\"] }\n");
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "failed", "{build}");
    let id = build["run"]["id"].as_str().unwrap();
    let tests: Value = house.step(id, "test")["outputs"]["reports"].clone();
    assert_eq!(
        (&tests["tests"], &tests["passed"], &tests["failed"]),
        (&json!(2), &json!(1), &json!(1)),
        "{tests}"
    );
    assert_eq!(tests["failures"][0]["name"], "rounds", "{tests}");
    let page = Browser::logged_in(&house, &house.token).page(&format!("/runs/{id}"));
    for text in ["1 of 2 tests failed", "rounds", "2 is not 3", "cart.rs"] {
        assert!(page.contains(text), "{text}: {page}");
    }
}
