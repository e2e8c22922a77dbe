//! What stands in ledgers: the bodies of the facts about access never change their shape.

use std::path::{Path, PathBuf};

use access::kinds::{
    ACTOR_ADDED, ACTOR_ERASED, ActorAdded, ActorErased, SECRET_REMOVED, SECRET_SET, SecretRemoved, SecretSet,
    TOKEN_CREATED, TOKEN_REVOKED, TokenCreated, TokenRevoked,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn check<T: Serialize + DeserializeOwned>(kind: &str) -> String {
    let name = format!("{kind}.v1.json");
    let path = fixtures().join(&name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for body in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
        let read = T::deserialize(&body).unwrap();
        assert_eq!(
            serde_json::to_value(&read).unwrap().to_string(),
            body.to_string(),
            "{kind}"
        );
    }
    name
}

#[test]
fn every_fact_about_access_that_was_ever_written_is_read_and_written_the_same() {
    let mut checked = vec![
        check::<TokenCreated>(TOKEN_CREATED),
        check::<TokenRevoked>(TOKEN_REVOKED),
        check::<ActorAdded>(ACTOR_ADDED),
        check::<ActorErased>(ACTOR_ERASED),
        check::<SecretSet>(SECRET_SET),
        check::<SecretRemoved>(SECRET_REMOVED),
    ];
    checked.sort();
    let mut there: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    assert_eq!(checked, there, "each fixture is of a kind, and each kind has one");
}
