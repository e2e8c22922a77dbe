//! What stands in ledgers: the bodies of the server's facts never change their shape.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use server::changes::kinds::{
    CHANGE_ARRIVED, CHANGE_DESCRIBED, CHANGE_SORTED, COMPONENT_CREATED, COMPONENT_PLACED, ChangeArrived,
    ChangeDescribed, ChangeSorted, ComponentCreated, ComponentPlaced, POLICY_CHANGED, PolicyChanged, REF_UPDATED,
    REMOTE_FOLLOWED, RefUpdated, RemoteFollowed,
};
use server::checkpoints::kinds::{CHECKPOINT_SIGNED, CheckpointSigned, SIGNING_KEY_ADDED, SigningKeyAdded};
use server::retention::kinds::{SWEPT, Swept};

fn check<T: Serialize + DeserializeOwned>(kind: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{kind}.v1.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for body in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
        let read = T::deserialize(&body).unwrap();
        assert_eq!(
            serde_json::to_value(&read).unwrap().to_string(),
            body.to_string(),
            "{kind}"
        );
    }
}

#[test]
fn every_fact_of_the_server_that_was_ever_written_is_read_and_written_the_same() {
    check::<ComponentCreated>(COMPONENT_CREATED);
    check::<ComponentPlaced>(COMPONENT_PLACED);
    check::<ChangeSorted>(CHANGE_SORTED);
    check::<RefUpdated>(REF_UPDATED);
    check::<ChangeArrived>(CHANGE_ARRIVED);
    check::<ChangeDescribed>(CHANGE_DESCRIBED);
    check::<RemoteFollowed>(REMOTE_FOLLOWED);
    check::<PolicyChanged>(POLICY_CHANGED);
    check::<Swept>(SWEPT);
    check::<SigningKeyAdded>(SIGNING_KEY_ADDED);
    check::<CheckpointSigned>(CHECKPOINT_SIGNED);
}

/// The fixture's checkpoint was signed by the program openssl.
#[test]
fn a_checkpoint_that_another_program_signed_opens_with_its_key() {
    let fixture = |kind: &str| -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{kind}.v1.json"));
        serde_json::from_str::<Value>(&std::fs::read_to_string(path).unwrap()).unwrap()[0].clone()
    };
    let key = SigningKeyAdded::deserialize(fixture(SIGNING_KEY_ADDED)).unwrap();
    assert_eq!(key.public_key.id(), key.key);
    let signed = CheckpointSigned::deserialize(fixture(CHECKPOINT_SIGNED)).unwrap();
    let (statement, by) = ledger::Statement::open(&signed.envelope, &[key.public_key]).unwrap();
    assert_eq!(
        (statement.position, statement.hash, by),
        (signed.position, signed.hash, signed.key)
    );
}
