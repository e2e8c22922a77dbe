//! How commits stand is said to the host of their repository: the newest state, once, over failures and crashes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::{Receiver, Request};

use crate::house::{ENVIRONMENTS, House};
use crate::repository::{Repository, steps};

const STATUSES: &str = "/api/v1/repositories/team/far/statuses";
const TOKEN: &str = "glpat-a-token-of-the-test";

/// A server that may reach this machine, not started yet.
fn prepared() -> House {
    let mut house = House::prepared(ENVIRONMENTS, json!({ "poll_interval_ms": 200 }));
    let path = house.folder().join("notifications.toml");
    std::fs::write(&path, "allow = [\"127.0.0.0/8\"]\n").unwrap();
    house.set("notifications", json!(path));
    house
}

/// A repository elsewhere, followed, and its states said to `receiver` as to this host.
fn following(house: &House, receiver: &Receiver, host: &str) -> Repository {
    let elsewhere = Repository::new();
    elsewhere.define(&steps("  a: { run: 'true' }\n"));
    let body = json!({ "component": "team/far", "url": elsewhere.path() });
    house.post("/api/v1/repositories", &body).is(201);
    house.set_secret("statuses/far", TOKEN);
    say(house, receiver, host);
    elsewhere
}

fn say(house: &House, receiver: &Receiver, host: &str) {
    let body = json!({
        "host": host, "token": "statuses/far", "api": format!("http://{}", receiver.address()), "project": "shop/cart",
    });
    house.send("PUT", STATUSES, &body).is(200);
    house.until("that it is known", || (shown(house)["host"] == host).then_some(()));
}

fn shown(house: &House) -> Value {
    house.get(STATUSES).is(200)
}

fn document(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// Waits until the host was told this last of the commit, and returns all that it was told of it, in order.
fn told(house: &House, receiver: &Receiver, commit: &str, last: &str) -> Vec<String> {
    let states = || -> Vec<String> {
        let of_it = receiver.requests();
        let of_it = of_it.iter().filter(|request| request.path.ends_with(commit));
        of_it
            .map(|request| document(request)["state"].as_str().unwrap().to_owned())
            .collect()
    };
    house.until("the last state", || {
        let states = states();
        (states.last().map(String::as_str) == Some(last)).then_some(states)
    })
}

/// Waits until the host has taken this of the commit, and that is noted.
fn noted(house: &House, commit: &str, state: &str) {
    house.until("that it is noted", || {
        let shown = shown(house);
        let all = shown["statuses"].as_array().unwrap();
        let fits = |one: &&Value| one["commit"] == commit && one["state"] == state && one["told"] == "told";
        all.iter().find(fits).map(drop)
    });
}

fn in_order(states: &[String], order: &[&str]) {
    let places: Vec<usize> = states
        .iter()
        .map(|state| {
            order
                .iter()
                .position(|known| known == state)
                .unwrap_or_else(|| panic!("{state}"))
        })
        .collect();
    assert!(places.is_sorted(), "{states:?}");
}

#[test]
fn each_host_is_told_in_its_own_way_how_a_commit_stands_and_no_secret_is_seen() {
    for (host, path, header, value, succeeded, failed) in [
        (
            "github",
            "/repos/shop/cart/statuses/",
            "authorization",
            format!("Bearer {TOKEN}"),
            "success",
            "failure",
        ),
        (
            "gitlab",
            "/projects/shop%2Fcart/statuses/",
            "private-token",
            TOKEN.to_owned(),
            "success",
            "failed",
        ),
        (
            "forgejo",
            "/repos/shop/cart/statuses/",
            "authorization",
            format!("token {TOKEN}"),
            "success",
            "failure",
        ),
    ] {
        let receiver = Receiver::start();
        let mut house = prepared();
        house.start();
        let elsewhere = following(&house, &receiver, host);
        let good = elsewhere.commit("good");
        in_order(
            &told(&house, &receiver, &good, succeeded),
            &["pending", "running", succeeded],
        );
        noted(&house, &good, "success");
        elsewhere.define(&steps("  a: { run: 'exit 3' }\n"));
        let bad = elsewhere.commit("bad");
        in_order(&told(&house, &receiver, &bad, failed), &["pending", "running", failed]);
        elsewhere.define("throughline: 1\nsteps: 7\n");
        let broken = elsewhere.commit("broken");
        told(&house, &receiver, &broken, failed);
        let requests = receiver.requests();
        let last = requests
            .iter()
            .rfind(|request| request.path == format!("{path}{good}"))
            .unwrap();
        assert_eq!(last.header(header), value, "{host}");
        let said = document(last);
        assert_eq!(said["context"], "throughline/team/far");
        let run = house.built(&good)["run"]["id"].as_str().unwrap().to_owned();
        assert_eq!(said["target_url"], format!("{}/runs/{run}", house.url()));
        assert!(!house.log().contains(TOKEN));
        assert!(!house.facts().iter().any(|fact| fact.to_string().contains(TOKEN)));
        assert!(!shown(&house).to_string().contains(TOKEN));
    }
}

#[test]
fn a_host_that_fails_now_and_then_is_told_in_the_end_and_a_pause_it_asks_for_is_made() {
    let receiver = Receiver::start();
    receiver.answers(&[
        "429 Slow\r\nretry-after: 1",
        "403 Enough\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1",
    ]);
    let mut house = prepared();
    house.start();
    let elsewhere = following(&house, &receiver, "github");
    let commit = elsewhere.commit("a change");
    in_order(&told(&house, &receiver, &commit, "success"), &["pending", "success"]);
    noted(&house, &commit, "success");
    assert!(shown(&house)["problem"].is_null());
    // Nothing at all reaches it: it is tried again later, by itself.
    receiver.answers(&["503 Busy", "204 Taken"]);
    let next = elsewhere.commit("another");
    told(&house, &receiver, &next, "success");
    noted(&house, &next, "success");
}

#[test]
fn what_a_host_refuses_for_good_is_told_to_people_once_and_mended_by_a_right_token() {
    let receiver = Receiver::start();
    let mut house = prepared();
    house.start();
    let refusing: Vec<&str> = vec!["401 Unauthorized"; 40];
    receiver.answers(&refusing);
    let elsewhere = following(&house, &receiver, "github");
    for message in ["one", "two"] {
        let commit = elsewhere.commit(message);
        house.built(&commit);
        house.until("that it was given up", || {
            let shown = shown(&house);
            let all = shown["statuses"].as_array().unwrap();
            let fits = |one: &&Value| {
                one["commit"] == commit.as_str() && one["state"] == "success" && one["told"] == "given-up"
            };
            all.iter().find(fits).map(drop)
        });
    }
    let problem = shown(&house)["problem"].as_str().unwrap().to_owned();
    assert!(
        problem.contains("GitHub answered 401") && problem.contains("does the token allow"),
        "{problem}"
    );
    let log = house.log();
    assert_eq!(log.matches("the state of a commit was not taken").count(), 1, "{log}");
    // What is refused is tried once a state, not again and again; what is left of the answers is used up.
    let left = refusing.len() - receiver.requests().len();
    receiver.forget_answers();
    assert!(left > 20, "{left}");
    let mended = elsewhere.commit("three");
    told(&house, &receiver, &mended, "success");
    noted(&house, &mended, "success");
    assert!(shown(&house)["problem"].is_null());
}

#[test]
fn a_server_that_dies_while_it_says_something_says_the_rest_and_nothing_older() {
    for place in [
        "server.statuses.read:1",
        "server.statuses.put:1",
        "server.statuses.said:1",
        "server.statuses.said:2",
    ] {
        let receiver = Receiver::start();
        let mut house = prepared();
        house.start();
        let elsewhere = following(&house, &receiver, "gitlab");
        house.kill();
        house.crashes_at(place);
        let commit = elsewhere.commit("a change");
        if house.try_start().is_ok() {
            house.dies();
        }
        house.start();
        in_order(
            &told(&house, &receiver, &commit, "success"),
            &["pending", "running", "success"],
        );
        noted(&house, &commit, "success");
        house.is_whole();
    }
}

#[test]
fn a_deployment_has_a_state_of_its_own_for_each_environment() {
    let receiver = Receiver::start();
    let mut house = prepared();
    house.start();
    let service = Repository::of_service("one");
    let body = json!({ "component": "team/far", "url": service.path() });
    house.post("/api/v1/repositories", &body).is(201);
    house.set_secret("statuses/far", TOKEN);
    say(&house, &receiver, "gitea");
    let commit = service.commit("feat: one");
    house.comes_to("team/far", "production", &commit);
    let newest = house.until("the deployments", || {
        let mut newest = BTreeMap::new();
        for request in receiver.requests() {
            let said = document(&request);
            newest.insert(said["context"].as_str().unwrap().to_owned(), said["state"].clone());
        }
        let all = newest.len() == 3 && newest.values().all(|state| state == "success");
        all.then_some(newest)
    });
    let contexts: Vec<&str> = newest.keys().map(String::as_str).collect();
    assert_eq!(
        contexts,
        [
            "throughline/team/far",
            "throughline/team/far:production",
            "throughline/team/far:staging"
        ]
    );
}

#[test]
fn no_other_secret_and_no_address_of_the_server_s_own_network_is_used() {
    let receiver = Receiver::start();
    // No file of notifications: public addresses alone.
    let house = House::with(ENVIRONMENTS, json!({ "poll_interval_ms": 200 }));
    let elsewhere = following(&house, &receiver, "github");
    let commit = elsewhere.commit("a change");
    house.built(&commit);
    let problem = house.until("the problem", || shown(&house)["problem"].as_str().map(str::to_owned));
    assert!(
        problem.contains("this machine") && problem.contains("`allow`"),
        "{problem}"
    );
    assert!(receiver.requests().is_empty());
    house.set_secret("production/database", "a password");
    let body = json!({ "host": "github", "token": "production/database", "api": "https://evil.example.org", "project": "a/b" });
    let told = house.send("PUT", STATUSES, &body).expect_problem(400, "bad-input");
    assert!(told.contains("does not begin with `statuses/`"), "{told}");
    for (name, wrong) in [
        ("api", json!("https://me:x@host")),
        ("project", json!("../x")),
        ("host", json!("bitbucket")),
    ] {
        let mut body =
            json!({ "host": "github", "token": "statuses/far", "api": "https://a.example.org", "project": "a/b" });
        body[name] = wrong;
        house.send("PUT", STATUSES, &body).expect_problem(400, "bad-input");
    }
    house.send("DELETE", STATUSES, &Value::Null).is(200);
    house.until("that nothing is said", || shown(&house)["host"].is_null().then_some(()));
    assert_eq!(shown(&house)["statuses"], json!([]));
}
