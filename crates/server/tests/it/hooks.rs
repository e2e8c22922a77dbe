//! Hosts of followed repositories say by webhook what moves there.

use std::io::{Read as _, Write as _};

use forge::signature::sign;
use serde_json::{Value, json};

use crate::house::{Answer, ENVIRONMENTS, House, ask};
use crate::repository::{Repository, steps};

/// So long that nothing is found by looking now and then.
const NEVER_MS: u64 = 3_600_000;
const ZEROS: &str = "0000000000000000000000000000000000000000";

/// A webhook: where it goes and what is known of it.
#[derive(Clone)]
struct Hook {
    url: String,
    secret: String,
}

/// A server that follows a repository, which has a commit that was built.
fn following(interval_ms: u64) -> (House, Repository) {
    let house = House::with(ENVIRONMENTS, json!({ "poll_interval_ms": interval_ms }));
    let elsewhere = Repository::new();
    elsewhere.define(&steps("  a: { run: 'true' }\n"));
    let first = elsewhere.commit("first");
    let body = json!({ "component": "team/far", "url": elsewhere.path() });
    house.post("/api/v1/repositories", &body).is(201);
    house.built(&first);
    (house, elsewhere)
}

const WEBHOOK: &str = "/api/v1/repositories/team/far/webhook";

fn hook(house: &House) -> Hook {
    let made = house.post(WEBHOOK, &json!({})).is(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Hook {
        url: text("url"),
        secret: text("secret"),
    }
}

/// What a host says of a branch or tag.
fn moved(name: &str, after: &str) -> Value {
    json!({ "ref": name, "before": ZEROS, "after": after, "repository": { "full_name": "team/far" }, "commits": [] })
}

impl Hook {
    fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        ask("POST", &self.url, &all, body).unwrap()
    }

    /// Sends it as GitHub does.
    fn send(&self, event: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let signature = sign(self.secret.as_bytes(), body.as_bytes());
        self.post(
            &[("x-github-event", event), ("x-hub-signature-256", &signature)],
            body.as_bytes(),
        )
    }

    fn push(&self, after: &str) -> Answer {
        self.send("push", &moved("refs/heads/main", after))
    }
}

fn shown(house: &House) -> Value {
    house.get(WEBHOOK).is(200)
}

fn received(house: &House) -> Vec<Value> {
    let facts = house.facts();
    facts
        .into_iter()
        .filter(|fact| fact["kind"] == "webhook.received")
        .collect()
}

#[test]
fn what_each_host_tells_of_is_fetched_at_once_and_built() {
    let (house, elsewhere) = following(NEVER_MS);
    let hook = hook(&house);
    for (number, host) in ["github", "gitlab", "gitea", "forgejo"].into_iter().enumerate() {
        let commit = elsewhere.commit(host);
        let body = moved("refs/heads/main", &commit).to_string();
        let signature = sign(hook.secret.as_bytes(), body.as_bytes());
        let digits = signature.strip_prefix("sha256=").unwrap();
        let headers: Vec<(&str, &str)> = match host {
            "github" => vec![
                ("x-github-event", "push"),
                ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
                ("x-hub-signature-256", &signature),
            ],
            "gitlab" => vec![
                ("x-gitlab-event", "Push Hook"),
                ("x-gitlab-event-uuid", "13792a34-cac6-4fda-95a8-c58e00a3954e"),
                ("x-gitlab-token", &hook.secret),
            ],
            "gitea" => vec![
                ("x-github-event", "push"),
                ("x-gitea-event", "push"),
                ("x-gitea-signature", digits),
                ("x-hub-signature-256", &signature),
            ],
            _ => vec![
                ("x-github-event", "push"),
                ("x-gitea-event", "push"),
                ("x-forgejo-event", "push"),
                ("x-gitea-signature", digits),
                ("x-forgejo-signature", digits),
            ],
        };
        let answer = hook.post(&headers, body.as_bytes()).is(202);
        assert_eq!(answer["verdict"], "accepted", "{host}: {answer}");
        house.built(&commit);
        let facts = received(&house);
        assert_eq!(facts.len(), number + 1);
        assert_eq!(facts[number]["body"]["host"], host);
        assert_eq!(facts[number]["body"]["after"], commit.as_str());
        let last = &shown(&house)["deliveries"][0];
        assert_eq!(last["host"], host);
        assert_eq!(last["outcome"], "it is here", "{last}");
        assert!(last["run"].as_str().unwrap().starts_with("run_"), "{last}");
    }
    assert_eq!(shown(&house)["works"], true);
    assert_eq!(
        house.measured("throughline_webhooks_total{verdict=\"accepted\"}"),
        Some(4)
    );
    house.is_whole();
}

#[test]
fn tags_and_branches_that_go_are_followed_and_what_concerns_nobody_is_named() {
    let (house, elsewhere) = following(NEVER_MS);
    let hook = hook(&house);
    assert_eq!(hook.send("ping", &json!({ "zen": "x" })).is(202)["verdict"], "ping");
    let seen = |name: &str, there: bool| {
        house.until("the ref", || {
            let of_it = |fact: &&Value| fact["kind"] == "ref.updated" && fact["body"]["name"] == name;
            let facts = house.facts();
            let last = facts.iter().rfind(of_it)?;
            (last["body"]["new"].is_string() == there).then_some(())
        });
    };
    let commit = elsewhere.git(&["rev-parse", "main"]).trim().to_owned();
    elsewhere.git(&["tag", "v1.0.0"]);
    hook.send("push", &moved("refs/tags/v1.0.0", &commit)).is(202);
    seen("refs/tags/v1.0.0", true);
    elsewhere.git(&["branch", "side"]);
    hook.send("push", &moved("refs/heads/side", &commit)).is(202);
    seen("refs/heads/side", true);
    elsewhere.git(&["branch", "-D", "side"]);
    hook.send("push", &moved("refs/heads/side", ZEROS)).is(202);
    seen("refs/heads/side", false);
    let pull = json!({ "action": "opened", "number": 7, "pull_request": { "head": { "sha": commit } } });
    assert_eq!(hook.send("pull_request", &pull).is(202)["verdict"], "noted");
    assert_eq!(
        hook.send("issues", &json!({ "action": "opened" })).is(202)["verdict"],
        "ignored"
    );
    assert_eq!(received(&house).len(), 3, "what concerns nobody is no fact");
    let listed = shown(&house);
    let verdicts: Vec<&str> = listed["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(
        verdicts,
        ["ignored", "noted", "accepted", "accepted", "accepted", "ping"]
    );
    assert_eq!(listed["deliveries"][2]["outcome"], "it is gone here too", "{listed}");
}

#[test]
fn whoever_does_not_know_the_secret_moves_nothing_and_learns_nothing() {
    let (house, elsewhere) = following(NEVER_MS);
    let hook = hook(&house);
    let commit = elsewhere.commit("not told of");
    let body = moved("refs/heads/main", &commit).to_string();
    let signature = sign(hook.secret.as_bytes(), body.as_bytes());
    let other = sign(b"another secret", body.as_bytes());
    let event = ("x-github-event", "push");
    let mut changed = body.clone().into_bytes();
    *changed.last_mut().unwrap() = b' ';
    let cut = &signature[..signature.len() - 1];
    let facts = house.facts().len();
    let mut told = Vec::new();
    for (headers, body) in [
        (vec![event, ("x-hub-signature-256", &*other)], body.as_bytes()),
        (vec![event, ("x-hub-signature-256", cut)], body.as_bytes()),
        (vec![event], body.as_bytes()),
        (
            vec![
                event,
                ("x-hub-signature-256", &*signature),
                ("x-hub-signature-256", &*signature),
            ],
            body.as_bytes(),
        ),
        (vec![event, ("x-hub-signature-256", &*signature)], &changed),
        (vec![("x-hub-signature-256", &*signature)], body.as_bytes()),
        (
            vec![("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "wrong")],
            body.as_bytes(),
        ),
        (vec![event, ("x-hub-signature-256", &*other)], b"not even JSON"),
    ] {
        told.push(hook.post(&headers, body).expect_problem(401, "signature"));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "each is told the same: {told:#?}");
    assert!(!told[0].contains("team") && !told[0].contains(&hook.secret), "{told:?}");
    // An address that is none, and what is said of it, is the same whatever exists.
    let none = format!("{}/hooks/hook_{}", house.url(), "A".repeat(43));
    for url in [
        none,
        format!("{}/hooks/team%2Ffar", house.url()),
        format!("{}/hooks/x", house.url()),
    ] {
        let answer = ask("POST", &url, &[("content-type", "application/json")], b"{}").unwrap();
        let told = answer.expect_problem(404, "not-found");
        assert!(!told.contains("team"), "{told}");
    }
    assert_eq!(house.facts().len(), facts, "nothing that was refused is a fact");
    assert_eq!(
        house.measured("throughline_webhooks_total{verdict=\"refused\"}"),
        Some(8)
    );
    assert_eq!(
        house.measured("throughline_webhooks_total{verdict=\"unknown\"}"),
        Some(3)
    );
    let listed = shown(&house);
    assert_eq!(listed["deliveries"][0]["verdict"], "refused", "{listed}");
    assert_eq!(listed["works"], false);
    assert!(!listed.to_string().contains(&hook.secret), "{listed}");
    assert!(!house.log().contains(&hook.secret));
    assert_eq!(house.runs("kind=build").len(), 1);
}

#[test]
fn what_is_signed_but_cannot_be_read_is_told_so() {
    let (house, _elsewhere) = following(NEVER_MS);
    let hook = hook(&house);
    let told = hook
        .send("push", &json!({ "zen": "x" }))
        .expect_problem(400, "bad-input");
    assert!(told.contains("missing field `ref`"), "{told}");
    let told = hook
        .send("push", &moved("refs/heads/a\u{7}b", ZEROS))
        .expect_problem(400, "bad-input");
    assert!(told.contains("is no branch and no tag"), "{told}");
    let form = b"payload=%7B%7D";
    let signature = sign(hook.secret.as_bytes(), form);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-github-event", "push"),
        ("x-hub-signature-256", &*signature),
    ];
    let told = ask("POST", &hook.url, &headers, form)
        .unwrap()
        .expect_problem(415, "media-type");
    assert!(told.contains("choose the content type `application/json`"), "{told}");
    // It is refused before it is sent.
    let (address, path) = hook.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    let length = server::hooks::LARGEST_BODY + 1;
    let head = format!(
        "POST /{path} HTTP/1.1\r\nhost: {address}\r\nx-github-event: push\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut told = String::new();
    connection.read_to_string(&mut told).unwrap();
    assert!(
        told.starts_with("HTTP/1.1 413 ") && told.contains("larger than 8 MiB"),
        "{told}"
    );
    ask("GET", &hook.url, &[], b"").unwrap().expect_problem(405, "method");
    assert!(received(&house).is_empty());
}

#[test]
fn a_burst_of_webhooks_builds_each_commit_once_and_what_is_said_again_does_nothing() {
    let (house, elsewhere) = following(NEVER_MS);
    let hook = hook(&house);
    let commits: Vec<String> = (0..5)
        .map(|number| elsewhere.commit(&format!("change {number}")))
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    for commit in &commits {
                        let answer = hook.push(commit).is(202);
                        assert!(
                            ["accepted", "repeated"].contains(&answer["verdict"].as_str().unwrap()),
                            "{answer}"
                        );
                    }
                }
            });
        }
    });
    for commit in &commits {
        house.built(commit);
    }
    assert_eq!(hook.push(&commits[4]).is(202)["verdict"], "repeated");
    // An old one, sent again by somebody who caught it.
    assert_eq!(hook.push(&commits[0]).is(202)["verdict"], "repeated");
    assert_eq!(received(&house).len(), commits.len());
    assert_eq!(house.runs("kind=build").len(), 1 + commits.len());
    assert_eq!(
        house.measured("throughline_webhooks_total{verdict=\"accepted\"}"),
        Some(5)
    );
    assert_eq!(
        house.measured("throughline_webhooks_total{verdict=\"repeated\"}"),
        Some(97)
    );
    house.is_whole();
}

#[test]
fn a_server_that_dies_when_it_has_answered_or_right_before_builds_what_was_told_once() {
    let (mut house, elsewhere) = following(NEVER_MS);
    let hook = hook(&house);
    let of_now = |house: &House| {
        let path = hook.url.rsplit_once('/').unwrap().1;
        Hook {
            url: format!("{}/hooks/{path}", house.url()),
            secret: hook.secret.clone(),
        }
    };
    let first = elsewhere.commit("told, answered, killed");
    of_now(&house).push(&first).is(202);
    house.kill();
    house.start();
    house.built(&first);
    let mut builds = 2;
    for place in ["server.hook.before:1", "server.hook.after:1"] {
        house.kill();
        house.crashes_at(place);
        house.start();
        let commit = elsewhere.commit(place);
        let body = moved("refs/heads/main", &commit).to_string();
        let signature = sign(hook.secret.as_bytes(), body.as_bytes());
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", "push"),
            ("x-hub-signature-256", &*signature),
        ];
        assert!(
            ask("POST", &of_now(&house).url, &headers, body.as_bytes()).is_err(),
            "{place}"
        );
        house.dies();
        house.start();
        // The host sends again what was not answered.
        of_now(&house).push(&commit).is(202);
        house.built(&commit);
        builds += 1;
        assert_eq!(house.runs("kind=build").len(), builds, "{place}");
    }
    assert_eq!(received(&house).len(), 3);
    house.is_whole();
}

#[test]
fn a_secret_is_changed_while_the_one_before_goes_on_working() {
    let (house, elsewhere) = following(NEVER_MS);
    let old = hook(&house);
    let rotate = format!("{WEBHOOK}/rotate");
    let made = house.post(&rotate, &json!({})).is(200);
    assert_eq!(made["url"], old.url.as_str(), "the address stays");
    let new = Hook {
        url: old.url.clone(),
        secret: made["secret"].as_str().unwrap().to_owned(),
    };
    assert_ne!(new.secret, old.secret);
    assert!(shown(&house)["previous_until"].is_string());
    for hook in [&old, &new] {
        let commit = elsewhere.commit("signed");
        hook.push(&commit).is(202);
        house.built(&commit);
    }
    let ended = house.post(&rotate, &json!({ "overlap_seconds": 0 })).is(200);
    let newest = Hook {
        url: old.url.clone(),
        secret: ended["secret"].as_str().unwrap().to_owned(),
    };
    let ping = json!({ "zen": "x" });
    old.send("ping", &ping).expect_problem(401, "signature");
    new.send("ping", &ping).expect_problem(401, "signature");
    newest.send("ping", &ping).is(202);
    house.send("DELETE", WEBHOOK, &Value::Null).is(200);
    newest.send("ping", &ping).expect_problem(404, "not-found");
    assert!(shown(&house)["url"].is_null());
    let facts = house.facts();
    let set: Vec<&Value> = facts
        .iter()
        .filter(|fact| fact["kind"] == "secret.set" && fact["body"]["name"] == "webhook/team/far")
        .collect();
    assert_eq!(set.len(), 3, "each secret is recorded, and no value");
    for secret in [&old.secret, &new.secret, &newest.secret] {
        assert!(!facts.iter().any(|fact| fact.to_string().contains(secret.as_str())));
        assert!(!house.log().contains(secret.as_str()));
    }
}

#[test]
fn where_a_webhook_works_looks_are_seldom_and_find_what_it_did_not_tell() {
    let (house, elsewhere) = following(100);
    let hook = hook(&house);
    let told = elsewhere.commit("told");
    hook.push(&told).is(202);
    house.built(&told);
    house.until("that it works", || (shown(&house)["works"] == true).then_some(()));
    let not_told = elsewhere.commit("not told");
    house.built(&not_told);
    house.until("that it does not", || (shown(&house)["works"] == false).then_some(()));
    // Back where it was, which was said before: found by looking, and built no second time.
    elsewhere.git(&["reset", "--hard", "--quiet", &told]);
    assert_eq!(hook.push(&told).is(202)["verdict"], "repeated");
    house.until("the branch where it was", || {
        let facts = house.facts();
        let last = facts.iter().rfind(|fact| fact["kind"] == "ref.updated")?;
        (last["body"]["new"] == told.as_str()).then_some(())
    });
    assert_eq!(house.runs("kind=build").len(), 3);
}

#[test]
fn only_a_repository_that_is_followed_has_a_webhook() {
    let house = House::new();
    let repository = Repository::new();
    repository.push_definition(&house, "team/here", &steps("  a: { run: 'true' }\n"));
    let path = "/api/v1/repositories/team/here/webhook";
    let told = house.post(path, &json!({})).expect_problem(409, "refused");
    assert!(told.contains("follows no repository elsewhere"), "{told}");
    house
        .post("/api/v1/repositories/team/nothing/webhook", &json!({}))
        .expect_problem(404, "not-found");
    let (house, _elsewhere) = following(NEVER_MS);
    let rotate = format!("{WEBHOOK}/rotate");
    house.post(&rotate, &json!({})).expect_problem(404, "not-found");
    hook(&house);
    let told = house.post(WEBHOOK, &json!({})).expect_problem(409, "refused");
    assert!(told.contains("rotate"), "{told}");
}
