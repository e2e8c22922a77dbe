//! People and machines outside are told what happened: once, also over crashes, and those whom it concerns.

use serde_json::{Value, json};
use testkit::{Encryption, MailServer, Receiver, Request};

use crate::house::{ENVIRONMENTS, House};
use crate::repository::{Repository, steps};

const COMPONENT: &str = "team/app";

/// A server that tells by this file, not started yet.
fn prepared(environments: &str, file: &str) -> House {
    let mut house = House::prepared(environments, json!({}));
    let path = house.folder().join("notifications.toml");
    std::fs::write(&path, format!("allow = [\"127.0.0.0/8\"]\n{file}")).unwrap();
    house.set("notifications", json!(path));
    house
}

fn started(environments: &str, file: &str) -> House {
    let mut house = prepared(environments, file);
    house.start();
    house
}

fn document(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn build(command: &str) -> String {
    steps(&format!("  build: {{ run: '{command}' }}\n"))
}

fn ended(house: &House) -> Vec<Value> {
    let facts = house.facts();
    facts
        .into_iter()
        .filter(|fact| fact["kind"] == "notification.ended")
        .collect()
}

#[test]
fn what_happened_is_told_once_also_over_crashes_and_after_views_were_folded_again() {
    let receiver = Receiver::start();
    let mut house = prepared(
        ENVIRONMENTS,
        &format!(
            "[webhooks.audit]\nurl = \"http://{}/hook\"\nsecret = \"hooks/audit\"\n[[rules]]\nevents = [\"run-failed\", \"line-broken\", \"line-recovered\"]\nto = [\"webhook:audit\"]\n",
            receiver.address()
        ),
    );
    house.start();
    house.set_secret("hooks/audit", "a secret of the test");
    // It dies when the first one was sent and that is not noted yet.
    house.kill();
    house.crashes_at("server.notifications.sent:1");
    house.start();
    let repository = Repository::new();
    repository.define(&build("exit 3"));
    repository.commit("feat: it breaks");
    let _ = repository.try_push(&house, COMPONENT, &["main"]);
    house.dies();
    house.start();
    let again = receiver.wait_for(2);
    let broken = document(&again[0]);
    assert_eq!(again[0].header("webhook-id"), again[1].header("webhook-id"));
    assert_eq!(document(&again[1]), broken, "the same thing is said");
    assert_eq!(broken["event"], "line-broken");
    assert_eq!(broken["subject"], "feat: it breaks");
    assert_eq!(broken["line"], "main");
    let url = broken["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}/runs/run_", house.url())), "{url}");
    house.until("the end as a fact", || (ended(&house).len() == 1).then_some(()));

    // It dies whenever: what the push led to is told in any case.
    repository.push_definition(&house, COMPONENT, &build("exit 4"));
    house.kill();
    house.start();
    let still = document(&receiver.wait_for(3)[2]);
    assert_eq!(still["event"], "run-failed", "the line was broken before");
    repository.push_definition(&house, COMPONENT, &build("true"));
    let recovered = receiver.wait_for(4)[3].clone();
    assert_eq!(document(&recovered)["event"], "line-recovered");
    let at: i64 = recovered.header("webhook-timestamp").parse().unwrap();
    let signature = notification::signature::sign(
        "a secret of the test",
        recovered.header("webhook-id"),
        at,
        &recovered.body,
    );
    assert_eq!(recovered.header("webhook-signature"), signature);

    house.until("all ends as facts", || (ended(&house).len() == 3).then_some(()));
    house.post("/api/v1/ledger/rebuild", &json!({})).is(200);
    house.interrupt();
    house.start();
    repository.push_definition(&house, COMPONENT, &build("exit 5"));
    let ids: Vec<String> = receiver
        .wait_for(5)
        .iter()
        .skip(1)
        .map(|request| request.header("webhook-id").to_owned())
        .collect();
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), 4, "{ids:?}");
    house.until("the last end as a fact", || (ended(&house).len() == 4).then_some(()));
    let facts = ended(&house);
    assert!(
        facts.iter().all(|fact| fact["body"]["outcome"] == "delivered"),
        "{facts:?}"
    );
    assert!(
        facts.iter().all(|fact| fact["body"]["channel"] == "webhook:audit"),
        "{facts:?}"
    );
    house.is_whole();
}

#[test]
fn what_is_not_taken_is_sent_again_with_the_same_id_and_said_to_whoever_looks() {
    let receiver = Receiver::start();
    receiver.answers(&["503 Busy", "410 Gone"]);
    let house = started(
        ENVIRONMENTS,
        &format!(
            "[webhooks.audit]\nurl = \"http://{}/hook\"\n[[rules]]\nevents = [\"run-failed\"]\nto = [\"webhook:audit\"]\n",
            receiver.address()
        ),
    );
    let repository = Repository::new();
    repository.define(&build("exit 3"));
    repository.commit("feat: it breaks");
    repository.push(&house, COMPONENT, &["main"]);
    let requests = receiver.wait_for(2);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    let given_up = house.until("that it is given up", || {
        let told = house.get("/api/v1/notifications").is(200);
        (told["deliveries"][0]["state"] == "given-up").then(|| told["deliveries"][0].clone())
    });
    assert_eq!(given_up["attempts"], 2);
    assert!(given_up["problem"].as_str().unwrap().contains("410"), "{given_up}");
    house.until("the end as a fact", || {
        ended(&house)
            .iter()
            .any(|fact| fact["body"]["outcome"] == "given-up")
            .then_some(())
    });
    let viewer = house.token_of("viewer");
    house
        .ask_as(&viewer, "GET", "/api/v1/notifications", b"", &[])
        .expect_problem(403, "denied");
}

#[test]
fn those_who_are_asked_hear_by_mail_what_waits_for_them() {
    let server = MailServer::start(&Encryption::None, None);
    let port = server.address().port();
    let environments = "throughline: 1
environments:
  production:
    target: { kind: process, instances: 1 }
    approvals: [{ role: operations, of: 1 }]
";
    let house = started(
        environments,
        &format!(
            "gather = \"2s\"\n[mail]\nserver = \"localhost:{port}\"\nsecurity = \"none\"\nfrom = \"t@example.org\"\nauthors = [\"example.org\"]\n\
             [duties]\noperations = [\"ops@example.org\"]\n\
             [[rules]]\nevents = [\"run-failed\", \"deployment-done\"]\nto = [\"authors\"]\n\
             [[rules]]\nevents = [\"approval-waits\", \"gate-waits\"]\nlonger-than = \"1s\"\nto = [\"approvers\", \"boss@example.org\"]\n"
        ),
    );
    let repository = Repository::of_service("one");
    let commit = repository.commit("feat: one");
    repository.push(&house, COMPONENT, &["main"]);
    let to = |address: &str| {
        let mails = server.mails().into_iter();
        mails.filter(|mail| mail.to == [address]).collect::<Vec<_>>()
    };
    let asked = house.until("a mail to those who are asked", || {
        to("ops@example.org").into_iter().next()
    });
    assert!(asked.body().contains("an approval by operations"), "{}", asked.body());
    assert!(
        asked
            .body()
            .contains(&format!("{}/components/{COMPONENT}/changes/{commit}", house.url())),
        "{}",
        asked.body()
    );
    assert!(
        house
            .facts()
            .iter()
            .all(|fact| !fact.to_string().contains("ops@example.org")),
        "no address is a fact"
    );
}

#[test]
fn what_waits_for_long_is_told_with_the_reason_and_what_comes_together_is_one_mail() {
    let server = MailServer::start(&Encryption::None, None);
    let receiver = Receiver::start();
    let port = server.address().port();
    let environments = "throughline: 1
environments:
  production:
    target: { kind: process, instances: 1 }
    approvals: [{ role: operations, of: 1 }]
";
    let house = started(
        environments,
        &format!(
            "gather = \"3s\"\n[mail]\nserver = \"localhost:{port}\"\nsecurity = \"none\"\nfrom = \"t@example.org\"\n\
             [webhooks.audit]\nurl = \"http://{}/hook\"\n\
             [[rules]]\nevents = [\"gate-waits\"]\nlonger-than = \"1s\"\nto = [\"boss@example.org\", \"webhook:audit\"]\n",
            receiver.address()
        ),
    );
    let repository = Repository::of_service("one");
    repository.commit("feat: one");
    repository.push(&house, COMPONENT, &["HEAD:main"]);
    repository.push(&house, "team/other", &["HEAD:main"]);
    repository.push(&house, "team/third", &["HEAD:main"]);
    let mails = house.until("all three by mail", || {
        let mails: Vec<_> = server
            .mails()
            .into_iter()
            .filter(|mail| mail.to == ["boss@example.org"])
            .collect();
        let told: usize = mails
            .iter()
            .map(|mail| mail.body().matches("has waited 1 s before production").count())
            .sum();
        (told == 3).then_some(mails)
    });
    for mail in &mails {
        println!("{}\n---", mail.text);
        assert!(
            mail.body().contains("approved by operations: 0 of 1"),
            "{}",
            mail.body()
        );
        assert!(
            mail.body().contains(&format!("{}/components/team/", house.url())),
            "{}",
            mail.body()
        );
        assert_eq!(mail.body().matches("Throughline writes because").count(), 1);
        let several = mail.body().matches("has waited").count() > 1;
        assert_eq!(
            mail.text.contains(" more"),
            several,
            "the subject says that there is more: {}",
            mail.text
        );
        assert_eq!(
            mail.body().contains("  since "),
            several,
            "each of several says since when: {}",
            mail.body()
        );
    }
    assert!(mails.len() < 3, "what comes together is told together");
    let told = document(&receiver.wait_for(3)[0]);
    println!("{told:#}");
    assert_eq!(
        (&told["event"], &told["environment"]),
        (&json!("gate-waits"), &json!("production"))
    );
    assert!(told["reasons"][0].as_str().unwrap().contains("operations"), "{told}");
    assert!(told["url"].as_str().unwrap().contains("/changes/"), "{told}");
    assert!(told.get("fact").is_none(), "no fact says that nothing happens: {told}");
}

#[test]
fn a_test_goes_the_way_that_a_notification_goes() {
    let receiver = Receiver::start();
    let house = started(
        ENVIRONMENTS,
        &format!(
            "[webhooks.chat]\nurl-secret = \"hooks/chat\"\nformat = \"slack\"\n[webhooks.far]\nurl = \"http://169.254.169.254/{}\"\n",
            "x"
        ),
    );
    let test = |to: &str| house.post("/api/v1/notifications/test", &json!({ "to": to }));
    let lacks = test("chat").expect_problem(502, "not-taken");
    assert!(lacks.contains("throughline secret set hooks/chat"), "{lacks}");
    house.set_secret(
        "hooks/chat",
        &format!("http://{}/services/T0/secret", receiver.address()),
    );
    test("chat").is(200);
    let request = &receiver.wait_for(1)[0];
    assert!(document(request)["text"].as_str().unwrap().contains("A test"));
    let far = test("webhook:far").expect_problem(502, "not-taken");
    assert!(far.contains("169.254.169.254") && far.contains("allow"), "{far}");
    let unknown = test("nobody@example.org").expect_problem(404, "not-found");
    assert!(unknown.contains("webhook:chat"), "{unknown}");
    let developer = house.token_of("developer");
    let body = json!({ "to": "chat" }).to_string();
    house
        .ask_as(
            &developer,
            "POST",
            "/api/v1/notifications/test",
            body.as_bytes(),
            &[("content-type", "application/json")],
        )
        .expect_problem(403, "denied");
    let silent = House::new();
    silent
        .post("/api/v1/notifications/test", &json!({ "to": "chat" }))
        .expect_problem(409, "refused");
}

#[test]
fn a_file_that_is_wrong_stops_the_start_with_its_place() {
    let mut house = prepared(
        ENVIRONMENTS,
        "[[rules]]\nevents = [\"run-failed\"]\nto = [\"authors\"]\n",
    );
    let said = house.try_start().unwrap_err();
    assert!(
        said.contains("notifications.toml:4:7: nothing says how mail is sent"),
        "{said}"
    );
    assert!(said.contains("hint: "), "{said}");
}
