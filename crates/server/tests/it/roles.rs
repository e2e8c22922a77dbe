//! Who may do what: each role at each address of the API, and what strangers see.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::house::House;
use crate::repository::{Repository, command, steps};

const ROLES: [&str; 4] = ["viewer", "developer", "operator", "admin"];

/// The weakest role for each operation, and a body where it takes one.
fn table() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let none = Value::Null;
    let package = json!({ "component": "team/app", "change": "main" });
    vec![
        ("get", "/api/v1/whoami", "viewer", none.clone()),
        ("post", "/api/v1/login-link", "viewer", none.clone()),
        ("get", "/api/v1/tokens", "admin", none.clone()),
        (
            "post",
            "/api/v1/tokens",
            "admin",
            json!({ "name": "x", "role": "viewer" }),
        ),
        ("delete", "/api/v1/tokens/{id}", "admin", none.clone()),
        ("get", "/api/v1/secrets", "developer", none.clone()),
        (
            "put",
            "/api/v1/secrets/{name}",
            "operator",
            json!({ "value": "a value" }),
        ),
        ("get", "/api/v1/changes", "viewer", none.clone()),
        (
            "get",
            "/api/v1/components/{team}/{name}/changes/{change}",
            "viewer",
            none.clone(),
        ),
        ("get", "/api/v1/search", "viewer", none.clone()),
        ("get", "/api/v1/settings", "admin", none.clone()),
        ("get", "/api/v1/servers", "viewer", none.clone()),
        ("get", "/api/v1/packages/{digest}", "viewer", none.clone()),
        (
            "get",
            "/api/v1/packages/{digest}/difference/{other}",
            "viewer",
            none.clone(),
        ),
        ("get", "/api/v1/ledger/facts", "operator", none.clone()),
        ("get", "/api/v1/ledger/facts/{position}", "operator", none.clone()),
        ("get", "/api/v1/runs", "viewer", none.clone()),
        ("get", "/api/v1/runs/{run}", "viewer", none.clone()),
        ("post", "/api/v1/runs/{run}/cancel", "developer", none.clone()),
        (
            "post",
            "/api/v1/components/{team}/{name}/changes/{change}/cancel",
            "developer",
            none.clone(),
        ),
        ("post", "/api/v1/runs/{run}/retry", "developer", none.clone()),
        (
            "post",
            "/api/v1/runs/{run}/steps/{step}/resolve",
            "operator",
            json!({ "done": true }),
        ),
        (
            "post",
            "/api/v1/components/{team}/{name}/changes/{change}/rebuild",
            "developer",
            none.clone(),
        ),
        ("get", "/api/v1/runs/{run}/rebuild", "viewer", none.clone()),
        ("get", "/api/v1/runs/{run}/steps/{step}/log", "viewer", none.clone()),
        ("get", "/api/v1/environments", "viewer", none.clone()),
        (
            "get",
            "/api/v1/environments/{left}/difference/{right}",
            "viewer",
            none.clone(),
        ),
        (
            "post",
            "/api/v1/environments/{environment}/approve",
            "operator",
            package.clone(),
        ),
        (
            "post",
            "/api/v1/environments/{environment}/promote",
            "operator",
            package.clone(),
        ),
        (
            "post",
            "/api/v1/environments/{environment}/rollback",
            "operator",
            json!({ "component": "team/app", "reason": "a test" }),
        ),
        (
            "post",
            "/api/v1/packages/{digest}/unbar",
            "operator",
            json!({ "component": "team/app", "cause": "a test" }),
        ),
        ("get", "/api/v1/repositories", "viewer", none.clone()),
        (
            "post",
            "/api/v1/repositories",
            "developer",
            json!({ "component": "team/other", "url": "/nowhere.git" }),
        ),
        (
            "get",
            "/api/v1/repositories/{team}/{name}/webhook",
            "developer",
            none.clone(),
        ),
        (
            "post",
            "/api/v1/repositories/{team}/{name}/webhook",
            "operator",
            json!({}),
        ),
        (
            "post",
            "/api/v1/repositories/{team}/{name}/webhook/rotate",
            "operator",
            json!({}),
        ),
        (
            "delete",
            "/api/v1/repositories/{team}/{name}/webhook",
            "operator",
            none.clone(),
        ),
        (
            "get",
            "/api/v1/repositories/{team}/{name}/statuses",
            "developer",
            none.clone(),
        ),
        (
            "put",
            "/api/v1/repositories/{team}/{name}/statuses",
            "operator",
            json!({ "host": "github", "token": "statuses/x" }),
        ),
        (
            "delete",
            "/api/v1/repositories/{team}/{name}/statuses",
            "operator",
            none.clone(),
        ),
        ("get", "/api/v1/policy", "viewer", none.clone()),
        (
            "put",
            "/api/v1/policy",
            "admin",
            Value::String(crate::house::ENVIRONMENTS.to_owned()),
        ),
        ("get", "/api/v1/ledger/verify", "viewer", none.clone()),
        ("post", "/api/v1/ledger/verify", "viewer", json!({ "checkpoints": [] })),
        ("post", "/api/v1/ledger/checkpoint", "operator", none.clone()),
        ("get", "/api/v1/ledger/keys", "viewer", none.clone()),
        ("post", "/api/v1/ledger/keys", "admin", none.clone()),
        ("post", "/api/v1/ledger/rebuild", "admin", none.clone()),
        ("get", "/api/v1/ledger/export", "operator", none.clone()),
        ("get", "/api/v1/events", "viewer", none.clone()),
        ("get", "/api/v1/notifications", "admin", none.clone()),
        (
            "post",
            "/api/v1/notifications/test",
            "admin",
            json!({ "to": "somebody" }),
        ),
        ("post", "/api/v1/backup", "admin", json!({ "known": [] })),
        ("post", "/api/v1/down", "admin", json!({ "everything": true })),
    ]
}

/// The operations of the OpenAPI document.
fn operations(house: &House) -> BTreeSet<(String, String)> {
    let document = house.get("/api/v1/openapi.json").is(200);
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| (method.clone(), path.clone()))
    });
    each.collect()
}

#[test]
fn every_route_of_the_api_is_in_its_document_and_in_the_table_of_roles() {
    let house = House::new();
    let documented = operations(&house);
    let tabled: BTreeSet<_> = table().iter().map(|row| (row.0.to_owned(), row.1.to_owned())).collect();
    assert_eq!(documented, tabled);
    let source = include_str!("../../src/api/mod.rs");
    let mut routed = BTreeSet::new();
    for route in source.split(".route(").skip(1) {
        let mut parts = route.split('"');
        let path = parts.nth(1).unwrap().replace("{*name}", "{name}");
        let handlers: String = parts.next().unwrap().split_whitespace().collect();
        for method in ["get", "post", "put", "delete", "patch"] {
            let takes = [format!(",{method}("), format!(").{method}(")];
            if takes.iter().any(|text| handlers.contains(text.as_str())) {
                routed.insert((method.to_owned(), format!("/api/v1{path}")));
            }
        }
    }
    routed.remove(&("get".to_owned(), "/api/v1/openapi.json".to_owned()));
    assert_eq!(routed, documented);
}

#[test]
fn each_role_may_do_what_it_should_and_no_more() {
    let mut house = House::new();
    let repository = Repository::of_service("one");
    let commit = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let build = house.built(&commit)["run"]["id"].as_str().unwrap().to_owned();
    house.comes_to("team/app", "production", &commit);
    let tokens: BTreeMap<_, _> = ROLES.iter().map(|role| (*role, house.token_of(role))).collect();
    let spare = house
        .post("/api/v1/tokens", &json!({ "name": "spare", "role": "viewer" }))
        .is(201);
    let digest = house.change("team/app", "main")["change"]["package"]
        .as_str()
        .unwrap()
        .to_owned();
    let filled = |path: &str| {
        [
            ("{id}", spare["id"].as_str().unwrap()),
            ("{name}/changes/{change}", "app/changes/main"),
            ("{name}/webhook", "app/webhook"),
            ("{name}/statuses", "app/statuses"),
            ("{team}", "team"),
            ("{name}", "some/secret"),
            ("{run}", &build),
            ("{step}", "build"),
            ("{left}", "staging"),
            ("{right}", "production"),
            ("{environment}", "production"),
            ("{digest}", &digest),
            ("{other}", &digest),
            ("{position}", "1"),
        ]
        .iter()
        .fold(path.to_owned(), |path, (parameter, value)| {
            path.replace(parameter, value)
        })
    };
    let mut wrong = Vec::new();
    // `down` comes last: the admin's is obeyed.
    for (method, path, weakest, body) in table() {
        let bytes = match &body {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            other => other.to_string().into_bytes(),
        };
        let address = match path {
            // Without an end, its answer never ends.
            "/api/v1/events" => continue,
            other => filled(other),
        };
        let json = [("content-type", "application/json")];
        for role in ["nobody", "wrong"].iter().chain(&ROLES) {
            let token = match *role {
                "nobody" => "",
                "wrong" => "tl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                known => &tokens[known],
            };
            let rank = |role: &str| ROLES.iter().position(|other| *other == role);
            let answer = house.ask_as(token, &method.to_uppercase(), &address, &bytes, &json);
            let right = match rank(role) {
                None => answer.status == 401,
                Some(held) if Some(held) < rank(weakest) => answer.status == 403,
                // A build is no rebuild, and that this is said shows that one may ask.
                Some(_) if path.ends_with("{run}/rebuild") => answer.text().contains("is a build, not a rebuild"),
                Some(_) => ![401, 403, 404, 405, 500].contains(&answer.status) || answer.text().contains("remote"),
            };
            if !right {
                wrong.push(format!("{role}: {method} {path}: {} {}", answer.status, answer.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    house.dies();
}

#[test]
fn strangers_learn_nothing_not_even_what_is_there() {
    let house = House::new();
    let repository = Repository::new();
    let commit = repository.push_definition(&house, "team/app", &steps("  a: { run: 'true' }\n"));
    house.built(&commit);
    for path in [
        "/api/v1/components/team/app/changes/main",
        "/api/v1/components/team/nothing/changes/main",
        "/api/v1/runs/nonsense",
        "/api/v1/nowhere",
        "/api/v1/openapi.json",
        "/api/v1/events",
        "/v2/",
        "/v2/team/app/tags/list",
        "/git/team/app.git/info/refs?service=git-upload-pack",
        "/git/team/nothing.git/info/refs?service=git-upload-pack",
    ] {
        let answer = house.ask_as("", "GET", path, b"", &[]);
        assert_eq!(answer.status, 401, "{path}: {}", answer.text());
        assert!(!answer.text().contains("team"), "{path}: {}", answer.text());
        assert!(answer.header("www-authenticate").starts_with("Basic"), "{path}");
    }
    let answer = house.ask_as("", "POST", "/api/v1/tokens", b"{ no json", &[]);
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert_eq!(house.ask_as("", "GET", "/healthz", b"", &[]).text(), "ok");
    for path in [
        "/",
        "/runs",
        "/environments/production",
        "/components/team/app/changes/main",
    ] {
        let answer = house.ask_as("", "GET", path, b"", &[]);
        assert!([302, 303, 401].contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("a change"), "{path}");
    }
}

#[test]
fn who_acts_is_who_holds_the_token_whatever_a_request_says() {
    let house = House::new();
    let developer = house.token_of("developer");
    let own = house.ask_as(&developer, "GET", "/api/v1/whoami", b"", &[]).is(200);
    let admin = house.get("/api/v1/whoami").is(200)["actor"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(own["actor"], admin.as_str());

    let repository = Repository::new();
    repository.define(&steps("  wait: { run: sleep 60 }\n"));
    let commit = repository.commit("a change");
    let remote = Repository::remote_as(&house, "team/app", &developer).replace("anybody", "admin");
    repository.git(&["push", "--quiet", &remote, "main"]);
    let run = house.is_at(&commit, "wait");
    let forged = json!({ "actor": admin, "on_behalf_of": admin, "by": admin, "role": "admin" }).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("x-actor", &admin),
        ("x-forwarded-user", &admin),
    ];
    let path = format!("/api/v1/runs/{run}/cancel?actor={admin}");
    house
        .ask_as(&developer, "POST", &path, forged.as_bytes(), &headers)
        .is(200);
    house.ended(&run);
    let facts = house.facts();
    let by = |kind: &str| {
        let fact = facts.iter().find(|fact| fact["kind"] == kind);
        fact.unwrap_or_else(|| panic!("no {kind}")).clone()
    };
    for kind in ["change.arrived", "run.requested", "run.cancel-requested"] {
        assert_eq!(by(kind)["actor"], own["actor"], "{kind}");
    }
    let unknown = house.send("POST", "/api/v1/tokens", &json!({ "name": "x", "role": "root" }));
    assert!(
        unknown
            .expect_problem(400, "bad-input")
            .contains("`viewer`, `developer`")
    );
}

#[test]
fn a_revoked_or_expired_token_opens_nothing_any_more() {
    let house = House::new();
    let made = house
        .post("/api/v1/tokens", &json!({ "name": "x", "role": "admin" }))
        .is(201);
    let token = made["token"].as_str().unwrap();
    house.ask_as(token, "GET", "/api/v1/whoami", b"", &[]).is(200);
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    house.ask_as(&house.token, "DELETE", &path, b"", &[]).is(200);
    house.ask_as(&house.token, "DELETE", &path, b"", &[]).is(200);
    house
        .ask_as(token, "GET", "/api/v1/whoami", b"", &[])
        .expect_problem(401, "log-in");
    let made = house
        .post(
            "/api/v1/tokens",
            &json!({ "name": "y", "role": "admin", "lifetime_seconds": 0 }),
        )
        .is(201);
    let token = made["token"].as_str().unwrap();
    house
        .ask_as(token, "GET", "/api/v1/whoami", b"", &[])
        .expect_problem(401, "log-in");
    let listed = house.get("/api/v1/tokens").is(200).to_string();
    assert!(!listed.contains(token), "a list of tokens shows none");
    let output = command(
        house.folder(),
        "git",
        &["ls-remote", &Repository::remote_as(&house, "team/app", token)],
    );
    assert!(!output.is_success());
}
