//! The API's manners: problems, keys for repetitions, events, logs, and the ledger taken out.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::house::{House, PATIENCE};
use crate::repository::{Repository, steps};

/// Lines of an answer as they come.
fn stream(house: &House, path: &str, headers: &[(&str, &str)]) -> impl Iterator<Item = String> + use<> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let mut request = agent
        .get(format!("{}{path}", house.url()))
        .header("authorization", format!("Bearer {}", house.token));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.call().unwrap();
    BufReader::new(answer.into_body().into_reader())
        .lines()
        .map_while(Result::ok)
}

#[test]
fn every_error_is_a_problem_document_with_a_hint() {
    let house = House::new();
    let json = [("content-type", "application/json")];
    let send = |method: &str, path: &str, body: &[u8], headers: &[(&str, &str)]| {
        house.ask_as(&house.token, method, path, body, headers)
    };
    house.get("/api/v1/nowhere").expect_problem(404, "not-found");
    house.get("/api/v1/runs/nonsense").expect_problem(400, "bad-input");
    house.get("/api/v1/runs?limit=many").expect_problem(400, "bad-input");
    house
        .get("/api/v1/components/team/app/changes/main")
        .expect_problem(404, "not-found");
    house
        .get("/api/v1/components/Team/app/changes/main")
        .expect_problem(400, "bad-input");
    house
        .get("/api/v1/runs?component=nonsense")
        .expect_problem(400, "bad-input");
    house
        .get("/api/v1/ledger/export?after=-1")
        .expect_problem(400, "bad-input");
    house
        .get("/api/v1/environments/staging/difference/nowhere")
        .expect_problem(404, "not-found");
    house.get("/git/team").expect_problem(404, "not-found");
    send("DELETE", "/api/v1/whoami", b"", &[]).expect_problem(405, "method");
    send("POST", "/api/v1/tokens", b"{ no json", &json).expect_problem(400, "bad-input");
    let lacking = send("POST", "/api/v1/tokens", b"{}", &json).expect_problem(400, "bad-input");
    assert!(lacking.contains("missing field `name`"), "{lacking}");
    let untyped = send("POST", "/api/v1/tokens", b"{}", &[]).expect_problem(415, "media-type");
    assert!(untyped.contains("hint: send JSON"), "{untyped}");
    let huge = vec![b' '; 9 << 20];
    send("POST", "/api/v1/tokens", &huge, &json).expect_problem(413, "too-large");
    send("PUT", "/api/v1/policy", b"\xff\xfe", &[]).expect_problem(400, "bad-input");
    let policy = send(
        "PUT",
        "/api/v1/policy",
        b"throughline: 1\nenvironments: { a: { after: [b] } }\n",
        &[],
    );
    let policy = policy.expect_problem(400, "bad-input");
    assert!(policy.contains("environments.yaml:2:"), "{policy}");
    let empty = house.send("PUT", "/api/v1/secrets/empty", &json!({ "value": "" }));
    empty.expect_problem(400, "bad-input");
    house
        .send("PUT", "/api/v1/secrets/1nope", &json!({ "value": "x" }))
        .expect_problem(400, "bad-input");
    let long = house.post(
        "/api/v1/tokens",
        &json!({ "name": "x", "role": "viewer", "lifetime_seconds": u64::MAX }),
    );
    long.expect_problem(400, "bad-input");
}

#[test]
fn a_write_with_a_key_is_done_once() {
    let house = House::new();
    let json = ("content-type", "application/json");
    let repository = Repository::new();
    repository.git(&["commit", "--quiet", "--allow-empty", "-m", "x"]);
    let follow = |component: &str, key: &str| {
        let body = json!({ "component": component, "url": repository.path() }).to_string();
        let headers = [json, ("idempotency-key", key)];
        house.ask_as(&house.token, "POST", "/api/v1/repositories", body.as_bytes(), &headers)
    };
    let first = follow("team/app", "one");
    assert_eq!(first.header("idempotency-replayed"), "");
    let followed = || {
        house
            .facts()
            .iter()
            .filter(|fact| fact["kind"] == "remote.followed")
            .count()
    };
    assert_eq!(followed(), 1);
    let again = follow("team/app", "one");
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(followed(), 1);
    follow("team/other", "one").expect_problem(422, "key-reused");
    follow("team/other", "two").is(201);
    assert_eq!(followed(), 2);
    follow("team/third", "").expect_problem(400, "bad-input");

    // Another actor's key is another key.
    let operator = house.token_of("operator");
    let body = json!({ "component": "team/other", "url": repository.path() }).to_string();
    let answer = house.ask_as(
        &operator,
        "POST",
        "/api/v1/repositories",
        body.as_bytes(),
        &[json, ("idempotency-key", "one")],
    );
    answer.is(201);

    // What was refused may be sent again with its key.
    let wrong = json!({ "component": "team/app", "url": "ftp://x" }).to_string();
    for _ in 0..2 {
        let headers = [json, ("idempotency-key", "three")];
        let answer = house.ask_as(&house.token, "POST", "/api/v1/repositories", wrong.as_bytes(), &headers);
        answer.expect_problem(400, "bad-input");
    }

    // A secret is given once and not kept.
    let body = json!({ "name": "x", "role": "viewer" }).to_string();
    let headers = [json, ("idempotency-key", "four")];
    let made = house
        .ask_as(&house.token, "POST", "/api/v1/tokens", body.as_bytes(), &headers)
        .is(201);
    house
        .ask_as(&house.token, "POST", "/api/v1/tokens", body.as_bytes(), &headers)
        .expect_problem(409, "answered");
    for file in house.files() {
        let bytes = crate::house::bytes_of(&file);
        let token = made["token"].as_str().unwrap().as_bytes();
        assert!(
            !bytes.windows(token.len()).any(|window| window == token),
            "{}",
            file.display()
        );
    }
}

#[test]
fn events_resume_after_the_last_one_seen_without_a_gap() {
    let mut house = House::new();
    let repository = Repository::new();
    let commit = repository.push_definition(&house, "team/app", &steps("  a: { run: 'true' }\n"));
    house.built(&commit);
    let read = |house: &House, headers: &[(&str, &str)], path: &str, count: usize| -> Vec<(u64, Value)> {
        let mut events = Vec::new();
        let mut id = 0;
        for line in stream(house, path, headers) {
            if let Some(text) = line.strip_prefix("id: ").or_else(|| line.strip_prefix("id:")) {
                id = text.trim().parse().unwrap();
            } else if let Some(text) = line.strip_prefix("data:") {
                events.push((id, serde_json::from_str(text.trim()).unwrap()));
            }
            if events.len() == count {
                break;
            }
        }
        events
    };
    let first = read(&house, &[], "/api/v1/events?after=0", 5);
    assert_eq!(first.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    house.kill();
    house.start();
    let then = read(&house, &[("last-event-id", "5")], "/api/v1/events?after=0", 4);
    assert_eq!(then.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [6, 7, 8, 9]);
    let all: Vec<_> = first.into_iter().chain(then).collect();
    for ((id, event), fact) in all.iter().zip(house.facts()) {
        assert_eq!(event["seq"], *id);
        assert_eq!((&event["kind"], &event["stream"]), (&fact["kind"], &fact["stream"]));
    }
    // Each event also names its kind, so that a reader can listen for some of them.
    let lines: Vec<_> = stream(&house, "/api/v1/events?after=0", &[]).take(3).collect();
    assert!(lines.iter().any(|line| line.starts_with("event:")), "{lines:?}");
}

#[test]
fn a_followed_log_is_streamed_while_it_is_written_and_ends_with_its_attempt() {
    let house = House::new();
    let repository = Repository::new();
    let go = house.folder().join("go");
    let script = format!(
        "  talk: {{ run: 'echo begun; until [ -e {} ]; do sleep 0.02; done; echo over >&2; printf end' }}\n",
        go.display()
    );
    let commit = repository.push_definition(&house, "team/app", &steps(&script));
    let run = house.is_at(&commit, "talk");
    let mut lines = stream(&house, &format!("/api/v1/runs/{run}/steps/talk/log?follow=true"), &[]);
    let first = lines.next().unwrap();
    assert!(first.ends_with(" o begun"), "{first}");
    assert_eq!(house.step(&run, "talk")["state"], "running");
    std::fs::write(go, "").unwrap();
    let rest: Vec<_> = lines.collect();
    assert_eq!(rest.len(), 2, "{rest:?}");
    assert!(rest[0].ends_with(" e over") && rest[1].ends_with(" o end"), "{rest:?}");
    let whole = house.log_of(&run, "talk");
    assert_eq!(whole.lines().collect::<Vec<_>>(), [&first, &rest[0], &rest[1]]);
    house
        .get(&format!("/api/v1/runs/{run}/steps/nothing/log"))
        .expect_problem(404, "not-found");
}

#[test]
fn the_ledger_taken_out_verifies_against_its_hashes() {
    let house = House::new();
    let repository = Repository::new();
    let commit = repository.push_definition(&house, "team/app", &steps("  a: { run: 'true' }\n"));
    house.built(&commit);
    let export = house.get("/api/v1/ledger/export");
    assert_eq!(export.header("content-type"), "application/jsonl");
    let mut previous = Value::Null;
    let text = export.text();
    for (number, line) in text.lines().enumerate() {
        let (front, fact) = line.split_once("\"fact\":").unwrap();
        let fact = &fact[..fact.len() - 1];
        let hash = facts::Digest::of(fact.as_bytes()).to_string();
        assert!(front.contains(&hash), "line {number} has another hash: {front}");
        let fact: Value = serde_json::from_str(fact).unwrap();
        assert_eq!(fact["seq"], number as u64 + 1);
        if number > 0 {
            assert_eq!(fact["previous"], previous, "line {number}");
        }
        previous = json!(hash);
    }
    assert_eq!(house.get("/api/v1/ledger/verify").is(200)["hash"], previous);
    let rebuilt = house.post("/api/v1/ledger/rebuild", &Value::Null).is(200);
    for view in rebuilt["views"].as_array().unwrap() {
        assert_eq!(view["differed"], false, "{view}");
    }
    let last = text.lines().count() - 2;
    let tail = house.get(&format!("/api/v1/ledger/export?after={last}")).text();
    assert_eq!(tail.lines().count(), 2);
}

#[test]
fn a_changed_fact_is_named_by_the_verification() {
    let mut house = House::new();
    let repository = Repository::new();
    let commit = repository.push_definition(&house, "team/app", &steps("  a: { run: 'true' }\n"));
    house.built(&commit);
    house.interrupt();
    let ledger = house.data().join("ledger.db");
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'facts' LIMIT 1";
    let sqlite = |sql: &str| crate::repository::command(house.folder(), "sqlite3", &[ledger.to_str().unwrap(), sql]);
    assert!(
        !sqlite("UPDATE facts SET stream = 'x' WHERE seq = 3").is_success(),
        "{}",
        sqlite(sql).text()
    );
    let triggers = sqlite("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .text()
        .into_owned();
    let drops: String = triggers
        .lines()
        .map(|name| format!("DROP TRIGGER \"{name}\";"))
        .collect();
    let changed = sqlite(&format!("{drops} DELETE FROM facts WHERE seq = 3"));
    assert!(changed.is_success(), "{}", changed.complaint());
    house.start();
    let verified = house.get("/api/v1/ledger/verify").is(200);
    assert_eq!(
        (&verified["verified"], &verified["first_bad"]),
        (&json!(false), &json!(3)),
        "{verified}"
    );
}
