//! Signed checkpoints: when they are made, where they go, and the key's life.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::house::{ENVIRONMENTS, House};

/// A checkpoint made now.
fn checkpoint(house: &House) -> Value {
    house.post("/api/v1/ledger/checkpoint", &json!({})).is(200)
}

fn kept(checkpoint: &Value) -> Value {
    json!({ "ledger": checkpoint["ledger"], "position": checkpoint["position"], "hash": checkpoint["hash"] })
}

fn verified(house: &House, checkpoints: &[Value]) -> Value {
    house
        .post("/api/v1/ledger/verify", &json!({ "checkpoints": checkpoints }))
        .is(200)
}

fn facts_of(house: &House, kind: &str) -> Vec<Value> {
    house.facts().into_iter().filter(|fact| fact["kind"] == kind).collect()
}

#[test]
fn the_key_is_its_owners_alone_and_announced_once() {
    let mut house = House::new();
    let mode = house
        .data()
        .join("signing.key")
        .metadata()
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o600);
    let keys = house.get("/api/v1/ledger/keys").is(200);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(keys["keys"][0]["current"], true);
    house.interrupt();
    house.start();
    assert_eq!(house.get("/api/v1/ledger/keys").is(200), keys);
    assert_eq!(facts_of(&house, "signing_key.added").len(), 1);
    let pem = keys["keys"][0]["public_key"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
    house.is_whole();
}

#[test]
fn a_key_that_others_can_use_is_refused_at_the_start() {
    let mut house = House::new();
    house.interrupt();
    let path = house.data().join("signing.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = house.try_start().unwrap_err();
    assert!(
        said.contains("can be used by others") && said.contains("hint: "),
        "{said}"
    );
}

#[test]
fn a_checkpoint_covers_everything_and_the_ledger_is_compared_with_it() {
    let house = House::new();
    let first = checkpoint(&house);
    let facts = house.facts();
    assert_eq!(
        first["position"].as_u64().unwrap(),
        facts.len() as u64 - 1,
        "the last fact is about it"
    );
    assert_eq!(first["ledger"], facts[0]["id"]);
    assert_eq!(checkpoint(&house), first, "nothing is new: it is the same one");
    assert_eq!(facts_of(&house, "checkpoint.signed").len(), 1);
    house.set_secret("team/x", "a value that is long");
    let second = checkpoint(&house);
    assert!(second["position"].as_u64() > first["position"].as_u64());
    let answer = verified(&house, &[kept(&second), kept(&first)]);
    assert_eq!(
        (&answer["verified"], &answer["checkpoints"]),
        (&json!(true), &json!(2)),
        "{answer}"
    );

    let mut other = kept(&second);
    other["hash"] = first["hash"].clone();
    let answer = verified(&house, &[other, kept(&first)]);
    assert_eq!(answer["verified"], false);
    assert_eq!(answer["first_bad"], second["position"]);
    let expected = format!("facts up to {} are", first["position"]);
    assert!(answer["problem"].as_str().unwrap().ends_with(&expected), "{answer}");
    let mut later = kept(&second);
    later["position"] = json!(1000);
    let answer = verified(&house, &[later]);
    assert_eq!(answer["first_bad"].as_u64().unwrap(), house.facts().len() as u64 + 1);
    let answer = verified(&House::new(), &[kept(&first)]);
    assert_eq!(
        (&answer["verified"], &answer["first_bad"]),
        (&json!(false), &json!(1)),
        "{answer}"
    );
}

#[test]
fn what_is_new_is_covered_after_a_while_and_nothing_more_is_done_then() {
    let folder = testkit::folder();
    let kept = folder.path().join("made/here");
    let settings = json!({ "checkpoint_interval_ms": 300, "checkpoints": kept });
    let mut house = House::with(ENVIRONMENTS, settings);
    // Everything is covered when the last fact is about a checkpoint of all others.
    let covered = |house: &House| {
        let facts = house.facts();
        let last = facts.last().unwrap();
        let all = last["kind"] == "checkpoint.signed" && last["body"]["position"] == json!(facts.len() - 1);
        all.then_some(facts.len())
    };
    house.until("the first checkpoint", || covered(&house));
    house.set_secret("team/x", "a value that is long");
    let all = house.until("the second checkpoint", || covered(&house));
    // Twice the interval: the fact about a checkpoint is not something new.
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(house.facts().len(), all);

    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(&kept)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let there = names();
    let (keys, checkpoints): (Vec<_>, Vec<_>) = there.iter().partition(|name| name.ends_with(".pub"));
    assert_eq!(keys.len(), 1, "{there:?}");
    assert_eq!(checkpoints.len(), facts_of(&house, "checkpoint.signed").len());
    assert!(checkpoints[0].starts_with("checkpoint-0000000000"), "{there:?}");
    let newest_file = kept.join(checkpoints.last().unwrap());
    let newest = facts_of(&house, "checkpoint.signed").pop().unwrap();
    let text = std::fs::read_to_string(&newest_file).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        newest["body"]["envelope"]
    );

    // The newest one is put there again where it did not come to it; nothing else is touched.
    std::fs::remove_file(&newest_file).unwrap();
    house.interrupt();
    house.start();
    assert_eq!(names(), there);
    house.is_whole();
}

#[test]
fn a_folder_that_cannot_be_written_stops_neither_checkpoints_nor_the_server() {
    let folder = testkit::folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let house = House::with(ENVIRONMENTS, json!({ "checkpoints": file.join("below") }));
    checkpoint(&house);
    assert!(
        house.log().contains("could not be put into its folder"),
        "{}",
        house.log()
    );
    house.is_whole();
}

#[test]
fn another_key_is_covered_by_the_earlier_one_and_both_stay_known() {
    let mut house = House::new();
    let first = house.get("/api/v1/ledger/keys").is(200)["keys"][0]["id"].clone();
    let keys = house.post("/api/v1/ledger/keys", &json!({})).is(200);
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["id"]), (2, &first));
    assert_eq!(
        (&keys[0]["current"], &keys[1]["current"]),
        (&json!(false), &json!(true))
    );
    let second = keys[1]["id"].clone();
    let facts = house.facts();
    let at = |kind: &str, key: &Value| {
        let found = facts
            .iter()
            .find(|fact| fact["kind"] == kind && fact["body"]["key"] == *key);
        found.unwrap_or_else(|| panic!("no {kind} of {key}")).clone()
    };
    let announced = at("signing_key.added", &second);
    let last_of_first = at("checkpoint.signed", &first);
    assert!(last_of_first["body"]["position"].as_u64() >= announced["seq"].as_u64());
    house.set_secret("team/x", "a value that is long");
    assert_eq!(checkpoint(&house)["key"], second);
    house.interrupt();
    house.start();
    house.set_secret("team/x", "another value that is long");
    assert_eq!(checkpoint(&house)["key"], second);
    assert!(!house.data().join("signing.next.key").exists());
    // Who only reads does not change keys.
    let viewer = house.token_of("viewer");
    assert_eq!(
        house.ask_as(&viewer, "POST", "/api/v1/ledger/keys", b"{}", &[]).status,
        403
    );
    assert_eq!(
        house
            .ask_as(&viewer, "POST", "/api/v1/ledger/checkpoint", b"{}", &[])
            .status,
        403
    );
    house.is_whole();
}

#[test]
fn a_change_of_keys_that_a_crash_ends_is_finished_or_given_up() {
    let mut house = House::new();
    let first = house.get("/api/v1/ledger/keys").is(200)["keys"][0]["id"].clone();
    house.interrupt();
    house.crashes_at("server.signing.announced:1");
    house.start();
    let asked = crate::house::ask(
        "POST",
        &format!("{}/api/v1/ledger/keys", house.url()),
        &[("authorization", &format!("Bearer {}", house.token))],
        b"{}",
    );
    assert!(asked.is_err());
    house.dies();
    house.start();
    let keys = house.get("/api/v1/ledger/keys").is(200);
    assert_eq!(keys["keys"][0]["id"], first);
    assert_eq!(keys["keys"][1]["current"], true, "the announced key is in use: {keys}");
    let last = facts_of(&house, "checkpoint.signed").pop().unwrap();
    assert_eq!(
        last["body"]["key"], first,
        "the earlier key covers what announced the new one"
    );
    assert!(!house.data().join("signing.next.key").exists());
    house.is_whole();
}
