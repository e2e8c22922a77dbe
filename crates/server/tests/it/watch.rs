//! The rules of the protocol are watched while the server works.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::house::House;
use crate::repository::{Repository, service};

fn broken(house: &House) -> Vec<Value> {
    let facts = house.facts();
    facts
        .into_iter()
        .filter(|fact| fact["kind"] == "invariant.broken")
        .collect()
}

#[test]
fn a_fact_that_breaks_a_rule_is_told_once_as_a_fact_and_as_a_number() {
    let mut house = House::new();
    house.checked();
    assert_eq!(
        house.measured("throughline_invariants_broken_total{rule=\"bar\"}"),
        Some(0)
    );
    house.interrupt();
    let package = format!("sha256:{}", "7".repeat(64));
    let stream = "delivery/component_01hq3v9k2n7y8x4w5z6a1b2c3d";
    let fact = json!({
        "stream": stream,
        "kind": "package.unbarred",
        "body": { "package": package, "cause": "it was never barred" },
    });
    house.set("record", fact);
    house.start();
    house.set("record", Value::Null);
    house.checked();
    let found = broken(&house);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["body"]["rule"], "bar");
    assert_eq!(found[0]["body"]["stream"], stream);
    let text = found[0]["body"]["text"].as_str().unwrap();
    assert!(text.contains(&package), "{text}");
    assert_eq!(
        house.measured("throughline_invariants_broken_total{rule=\"bar\"}"),
        Some(1)
    );
    assert!(house.log().contains("a rule of the protocol does not hold"));

    house.kill();
    house.start();
    house.checked();
    assert_eq!(broken(&house).len(), 1);
}

#[test]
fn what_was_recorded_right_before_a_crash_is_checked_after_it() {
    let mut house = House::new();
    house.checked();
    let before = house.measured("throughline_invariants_position").unwrap();
    house.kill();
    house.crashes_at("server.intake.after:1");
    house.start();
    let repository = Repository::new();
    repository.define(&crate::repository::steps("  build: { run: 'true' }\n"));
    repository.commit("feat: one");
    let _ = repository.try_push(&house, "team/app", &["main"]);
    house.dies();
    house.start();
    house.checked();
    assert!(house.measured("throughline_invariants_position").unwrap() > before);
    house.is_whole();
}

/// As if the last daily look had been long ago.
fn is_due(house: &House) {
    let (clock, entropy) = (testkit::ManualClock::new(), testkit::SeededEntropy::new(1));
    let access = access::Access::open(house.data(), None, Arc::new(clock), Arc::new(entropy)).unwrap();
    access.keep_read_position("stores", 1).unwrap();
}

#[test]
fn a_blob_that_is_damaged_or_gone_is_told_by_the_daily_look() {
    let mut house = House::new();
    let repository = Repository::of_service("one");
    repository.define(&service("VERSION: one", ""));
    let commit = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let place = house.comes_to("team/app", "production", &commit);
    house.checked();
    house.interrupt();
    let digest = |value: &Value| value.as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let blob = |digest: &str| house.data().join("blobs/sha256").join(digest);
    let manifest = std::fs::read(blob(&digest(&place["package"]))).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let (layer, config) = (
        digest(&manifest["layers"][0]["digest"]),
        digest(&manifest["config"]["digest"]),
    );
    std::fs::remove_file(blob(&layer)).unwrap();
    std::fs::write(blob(&layer), "others").unwrap();
    is_due(&house);
    house.start();
    let i11 = "throughline_invariants_broken_total{rule=\"I11\"}";
    house.until("the damaged layer to be told", || {
        (house.measured(i11)? > 0).then_some(())
    });
    let found = house.until("the fact", || broken(&house).pop());
    assert_eq!(found["body"]["rule"], "I11");
    let text = found["body"]["text"].as_str().unwrap();
    assert!(
        text.contains(&layer) && text.contains("damaged") && !text.contains(&config),
        "{text}"
    );
    // Views were folded again in the same look, and are what the facts say.
    assert_eq!(
        house.measured("throughline_invariants_broken_total{rule=\"I10\"}"),
        Some(0)
    );
    // A restart does not look anew before its day has come, and what is looked at again is told once.
    house.kill();
    house.start();
    house.checked();
    assert_eq!(house.measured(i11), Some(0));
    house.kill();
    is_due(&house);
    house.start();
    house.until("the next look", || (house.measured(i11)? > 0).then_some(()));
    assert_eq!(broken(&house).len(), 1);
}

#[test]
fn measurements_are_for_those_who_may_enter() {
    let house = House::new();
    let stranger = house.ask_as("", "GET", "/metrics", b"", &[]);
    stranger.expect_problem(401, "log-in");
    let viewer = house.token_of("viewer");
    let answer = house.ask_as(&viewer, "GET", "/metrics", b"", &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in answer.text().lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<u64>().is_ok(), "{line}");
    }
    assert!(house.measured("process_resident_memory_bytes").unwrap() > 1_000_000);
    assert!(house.measured("process_open_fds").unwrap() > 5);
}
