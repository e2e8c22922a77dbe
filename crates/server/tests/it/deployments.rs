//! Deployments that go wrong leave what was there, and what people may ask of environments.

use serde_json::{Value, json};

use crate::house::{House, ask, bytes_of};
use crate::repository::{Repository, command, service};

const COMPONENT: &str = "team/app";

fn answer(place: &Value) -> String {
    ask("GET", place["url"].as_str().unwrap(), &[], b"").unwrap().text()
}

/// A house in which version one is everywhere.
fn delivered(environments: &str, more: &str) -> (House, Repository, String) {
    let house = House::with(environments, json!({}));
    let repository = Repository::of_service("one");
    repository.define(&service("VERSION: one", more));
    let commit = repository.commit("feat: one");
    repository.push(&house, COMPONENT, &["main"]);
    house.comes_to(COMPONENT, "production", &commit);
    (house, repository, commit)
}

/// Pushes a bad commit and waits for the end of its deployment and of what follows; the failed run.
fn fails_in(house: &House, repository: &Repository, environment: &str, definition: &str) -> (String, Value) {
    repository.define(definition);
    let bad = repository.commit("feat: bad");
    repository.push(house, COMPONENT, &["main"]);
    let run = house.until("the failed deployment", || {
        let runs = house.runs(&format!(
            "kind=deployment&commit={bad}&environment={environment}&result=failed"
        ));
        runs.into_iter().next()
    });
    (bad, run)
}

#[test]
fn a_service_that_never_gets_healthy_is_barred_and_the_old_one_goes_on() {
    let (house, repository, first) = delivered(crate::house::ENVIRONMENTS, "");
    let (bad, run) = fails_in(
        &house,
        &repository,
        "staging",
        &service("VERSION: two, HEALTH: never", ""),
    );
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("/health") && reason.contains("503"), "{reason}");
    for environment in ["staging", "production"] {
        let place = house.comes_to(COMPONENT, environment, &first);
        assert_eq!(answer(&place), "one", "{environment}");
    }
    let change = house.change(COMPONENT, &bad);
    let never = change["never_again"][0].as_str().unwrap();
    assert!(never.contains("/health"), "{change}");
    assert_eq!(house.runs(&format!("commit={bad}&environment=production")).len(), 0);
    // A mended one takes the path.
    repository.define(&service("VERSION: three", ""));
    let third = repository.commit("fix: healthy again");
    repository.push(&house, COMPONENT, &["main"]);
    assert_eq!(answer(&house.comes_to(COMPONENT, "production", &third)), "three");
    house.is_whole();
}

#[test]
fn a_service_that_ends_at_once_is_told_of_with_its_last_words() {
    let (house, repository, first) = delivered(crate::house::ENVIRONMENTS, "");
    let (_, run) = fails_in(
        &house,
        &repository,
        "staging",
        &service("VERSION: two, HEALTH: exit", ""),
    );
    let id = run["id"].as_str().unwrap();
    let told = format!("{}\n{}", run["reason"], house.log_of(id, "roll-out"));
    assert!(
        told.contains("exit code 7") && told.contains("cellar is flooded"),
        "{told}"
    );
    assert_eq!(answer(&house.comes_to(COMPONENT, "staging", &first)), "one");
}

const DATABASES: &str = "throughline: 1
environments:
  staging: { database: { kind: sqlite } }
  production: { after: [staging], database: { kind: sqlite } }
";

#[test]
fn a_migration_that_fails_half_way_leaves_the_schema_and_the_service_as_they_were() {
    let more = "database: { engine: sqlite, migrations: migrations }\n";
    let house = House::with(DATABASES, json!({}));
    let repository = Repository::of_service("one");
    repository.write(
        "migrations/V1__start.sql",
        b"-- phase: expand\nCREATE TABLE things (id INTEGER PRIMARY KEY);\n",
    );
    repository.define(&service("VERSION: one", more));
    let first = repository.commit("feat: one");
    repository.push(&house, COMPONENT, &["main"]);
    let place = house.comes_to(COMPONENT, "production", &first);
    let schema = place["schema_state"].clone();
    assert!(schema.to_string().contains('1'), "{place}");
    repository.write(
        "migrations/V2__more.sql",
        b"-- phase: expand\nCREATE TABLE half (id INTEGER PRIMARY KEY);\nINSERT INTO nowhere VALUES (1);\n",
    );
    let (bad, run) = fails_in(&house, &repository, "staging", &service("VERSION: two", more));
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("V2") && reason.contains("nowhere"), "{reason}");
    let place = house.comes_to(COMPONENT, "staging", &first);
    assert_eq!((&place["schema_state"], answer(&place)), (&schema, "one".to_owned()));
    let databases = crate::house::files_below(&house.data().join("databases"));
    let databases = databases
        .iter()
        .filter(|path| bytes_of(path).starts_with(b"SQLite format 3"));
    let tables: Vec<_> = databases
        .map(|path| {
            command(house.folder(), "sqlite3", &[path.to_str().unwrap(), ".tables"])
                .text()
                .into_owned()
        })
        .collect();
    assert!(
        tables.len() == 2
            && tables
                .iter()
                .all(|tables| tables.contains("things") && !tables.contains("half")),
        "{tables:?}"
    );
    assert_eq!(house.runs(&format!("commit={bad}&environment=production")).len(), 0);

    repository.write(
        "migrations/V2__more.sql",
        b"-- phase: expand\nCREATE TABLE half (id INTEGER PRIMARY KEY);\n",
    );
    repository.define(&service("VERSION: three", more));
    let third = repository.commit("fix: a whole migration");
    repository.push(&house, COMPONENT, &["main"]);
    let place = house.comes_to(COMPONENT, "production", &third);
    assert_eq!(answer(&place), "three");
    assert_ne!(place["schema_state"], schema);
    house.is_whole();
}

#[test]
fn a_check_that_fails_takes_the_environment_back_as_a_whole_and_bars_the_package() {
    let check = "verify: [{ name: smoke, run: 'test \"$(app/curl)\" = well' }]\n";
    let house = House::new();
    let repository = Repository::of_service("one");
    // The check asks the address that it is given.
    repository.write("app/curl", b"#!/bin/sh\ncurl -s \"$THROUGHLINE_URL/health\"\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(repository.path().join("app/curl"), executable).unwrap();
    repository.define(&service("VERSION: one", check));
    let first = repository.commit("feat: one");
    repository.push(&house, COMPONENT, &["main"]);
    house.comes_to(COMPONENT, "production", &first);
    let bad_check = "verify: [{ name: smoke, run: 'echo the soup is cold; exit 3' }]\n";
    let (bad, run) = fails_in(&house, &repository, "staging", &service("VERSION: two", bad_check));
    assert!(run["reason"].as_str().unwrap().contains("smoke"), "{run}");
    assert!(
        house
            .log_of(run["id"].as_str().unwrap(), "verify-smoke")
            .contains("the soup is cold")
    );
    let back = house.until("the return", || {
        house
            .runs("kind=return&environment=staging&state=finished")
            .into_iter()
            .next()
    });
    assert_eq!(back["result"], "succeeded", "{back}");
    assert_eq!(answer(&house.comes_to(COMPONENT, "staging", &first)), "one");
    let change = house.change(COMPONENT, &bad);
    assert_eq!(change["change"]["state"], "rolled-back", "{change}");
    assert!(change["never_again"].to_string().contains("smoke"), "{change}");
    assert_eq!(house.runs(&format!("commit={bad}&environment=production")).len(), 0);

    // It does not come back by itself or by wish, until somebody names the cause.
    let promote = |change: &str| {
        house.post(
            "/api/v1/environments/staging/promote",
            &json!({ "component": COMPONENT, "change": change }),
        )
    };
    let refused = promote(&bad).expect_problem(409, "refused");
    assert!(
        refused.contains("smoke") || refused.contains("barred") || refused.contains("never"),
        "{refused}"
    );
    let package = change["change"]["package"].as_str().unwrap();
    let unbar = |package: &str| {
        let body = json!({ "component": COMPONENT, "cause": "the soup was reheated" });
        house.post(&format!("/api/v1/packages/{package}/unbar"), &body)
    };
    let good = house.change(COMPONENT, &first)["change"]["package"]
        .as_str()
        .unwrap()
        .to_owned();
    unbar(&good).expect_problem(409, "refused");
    unbar("sha256:0000").expect_problem(404, "not-found");
    unbar(package).is(200);
    assert_eq!(house.change(COMPONENT, &bad)["never_again"], Value::Null);
    promote(&bad).is(200);
    house.is_whole();
}

#[test]
fn a_package_waits_for_approvals_and_its_author_cannot_give_them() {
    let environments = "throughline: 1
environments:
  staging: {}
  production: { after: [staging], approvals: [{ role: operations }] }
";
    let house = House::with(environments, json!({}));
    let developer = house.token_of("developer");
    let operator = house.token_of("operator");
    let repository = Repository::of_service("one");
    let commit = repository.commit("feat: one");
    repository.git(&[
        "push",
        "--quiet",
        &Repository::remote_as(&house, COMPONENT, &house.token),
        "main",
    ]);
    house.comes_to(COMPONENT, "staging", &commit);
    let waiting = house.until("the wait", || {
        let change = house.change(COMPONENT, &commit);
        change["waiting"]
            .as_array()
            .unwrap()
            .iter()
            .find(|w| w["environment"] == "production")
            .cloned()
    });
    assert!(waiting["whom"].to_string().contains("operations"), "{waiting}");
    let approve = |token: &str, environment: &str, role: Value| {
        let body = json!({ "component": COMPONENT, "change": commit, "role": role }).to_string();
        let path = format!("/api/v1/environments/{environment}/approve");
        house.ask_as(
            token,
            "POST",
            &path,
            body.as_bytes(),
            &[("content-type", "application/json")],
        )
    };
    approve(&developer, "production", Value::Null).expect_problem(403, "denied");
    let no_duty = approve(&operator, "production", Value::Null).expect_problem(403, "denied");
    assert!(no_duty.contains("operations"), "{no_duty}");
    let own = approve(&house.token, "production", Value::Null).expect_problem(403, "denied");
    assert!(own.contains("brought the change"), "{own}");
    // Who may approve elsewhere may not here.
    let made = |wish: Value| house.post("/api/v1/tokens", &wish);
    let wish = |name: &str, more: Value| {
        let mut wish = json!({ "name": name, "role": "operator", "duties": ["operations"] });
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        made(wish).is(201)["token"].as_str().unwrap().to_owned()
    };
    let of_others = wish("others", json!({ "components": ["elsewhere/*"] }));
    approve(&of_others, "production", Value::Null).expect_problem(403, "denied");
    let of_staging = wish("staging", json!({ "environments": ["staging"] }));
    approve(&of_staging, "production", Value::Null).expect_problem(403, "denied");
    made(json!({ "name": "x", "role": "operator", "components": ["a/b/c"] })).expect_problem(400, "bad-input");
    made(json!({ "name": "x", "role": "operator", "duties": ["Ops Team"] })).expect_problem(400, "bad-input");
    let admin = house.token_of("admin");
    approve(&admin, "production", json!("legal")).expect_problem(409, "refused");
    approve(&admin, "staging", json!("operations")).expect_problem(409, "refused");
    approve(&admin, "nowhere", Value::Null).expect_problem(404, "not-found");
    assert_eq!(house.place(COMPONENT, "production")["package"], Value::Null);
    let team = COMPONENT.split_once('/').unwrap().0;
    let here = json!({ "components": [format!("{team}/*")], "environments": ["production"] });
    let asked = wish("grace", here);
    let who = house.ask_as(&asked, "GET", "/api/v1/whoami", b"", &[]).is(200);
    let grant = json!({ "role": "operator", "components": format!("{team}/*"), "environment": "production" });
    assert_eq!(
        (&who["grants"], &who["duties"]),
        (&json!([grant]), &json!(["operations"]))
    );
    approve(&asked, "production", Value::Null).is(200);
    assert_eq!(answer(&house.comes_to(COMPONENT, "production", &commit)), "one");
    let approved: Vec<_> = house
        .facts()
        .into_iter()
        .filter(|fact| fact["kind"] == "approval.given")
        .collect();
    assert_eq!(approved.len(), 1);
    assert_ne!(approved[0]["actor"], house.get("/api/v1/whoami").is(200)["actor"]);
}

#[test]
fn a_rollback_brings_the_earlier_package_back_and_it_stays() {
    let (house, repository, first) = delivered(crate::house::ENVIRONMENTS, "");
    let roll_back = |environment: &str, to: Value| {
        let body = json!({ "component": COMPONENT, "to": to, "reason": "it smells" });
        house.post(&format!("/api/v1/environments/{environment}/rollback"), &body)
    };
    let nothing = roll_back("production", Value::Null).expect_problem(409, "refused");
    assert!(nothing.contains("no earlier package"), "{nothing}");
    roll_back("nowhere", Value::Null).expect_problem(404, "not-found");
    roll_back("production", json!("v9.9.9")).expect_problem(404, "not-found");
    repository.define(&service("VERSION: two", ""));
    let second = repository.commit("feat: two");
    repository.push(&house, COMPONENT, &["main"]);
    house.comes_to(COMPONENT, "production", &second);
    let answered = roll_back("production", Value::Null).is(200);
    let run = house.ended(answered["run"].as_str().unwrap());
    assert_eq!(
        (&run["run"]["result"], &run["run"]["kind"]),
        (&json!("succeeded"), &json!("return")),
        "{run}"
    );
    let place = house.comes_to(COMPONENT, "production", &first);
    assert_eq!(answer(&place), "one");
    let change = house.change(COMPONENT, &second);
    assert!(change["never_again"].to_string().contains("it smells"), "{change}");
    // The newer one stays away; one still newer comes.
    repository.define(&service("VERSION: three", ""));
    let third = repository.commit("feat: three");
    repository.push(&house, COMPONENT, &["main"]);
    assert_eq!(answer(&house.comes_to(COMPONENT, "production", &third)), "three");
    let there = house
        .facts()
        .into_iter()
        .filter(|fact| fact["kind"] == "deployment.intended" && fact["body"]["environment"] == "production");
    assert_eq!(there.count(), 4, "one, two, back to one, three");
    house.is_whole();
}

#[test]
fn a_change_on_another_line_is_built_and_stays_where_its_lines_end() {
    let environments = "throughline: 1
environments:
  staging: { lines: [main] }
";
    let house = House::with(environments, json!({}));
    let repository = Repository::of_service("one");
    let side = repository.commit("feat: one");
    repository.push(&house, COMPONENT, &["HEAD:refs/heads/side"]);
    house.built(&side);
    let body = json!({ "component": COMPONENT, "change": side });
    let refused = house
        .post("/api/v1/environments/staging/promote", &body)
        .expect_problem(409, "refused");
    assert!(refused.contains("hint: "), "{refused}");
    // The same commit on the line that is delivered needs no other build.
    repository.push(&house, COMPONENT, &["HEAD:refs/heads/main"]);
    house.comes_to(COMPONENT, "staging", &side);
    assert_eq!(house.runs("kind=build").len(), 1);
}

#[test]
fn a_new_policy_is_in_force_at_once_and_after_a_restart() {
    let (mut house, repository, _) = delivered(
        "throughline: 1\nenvironments: { staging: {}, production: { after: [staging] } }\n",
        "",
    );
    let policy = "throughline: 1\nenvironments:\n  staging: {}\n  production: { after: [staging], gates: [{ name: no, when: \"candidate.line == 'never'\", message: not today }] }\n";
    house
        .ask_as(&house.token, "PUT", "/api/v1/policy", policy.as_bytes(), &[])
        .is(200);
    assert_eq!(house.get("/api/v1/policy").text(), policy);
    repository.define(&service("VERSION: two", ""));
    let second = repository.commit("feat: two");
    repository.push(&house, COMPONENT, &["main"]);
    house.comes_to(COMPONENT, "staging", &second);
    let body = json!({ "component": COMPONENT, "change": second });
    let refused = house
        .post("/api/v1/environments/production/promote", &body)
        .expect_problem(409, "refused");
    assert!(refused.contains("not today"), "{refused}");
    house.interrupt();
    house.start();
    assert_eq!(house.get("/api/v1/policy").text(), policy);
    house
        .post("/api/v1/environments/production/promote", &body)
        .expect_problem(409, "refused");
}
