//! What stands in ledgers: the bodies of the server's facts never change their shape.

use std::path::Path;

use serde::Deserialize as _;
use serde_json::Value;
use server::backup::kinds::{RESTORED, Restored, TAKEN, Taken};
use server::changes::kinds::{
    CHANGE_ARRIVED, CHANGE_DESCRIBED, CHANGE_LINKED, CHANGE_SORTED, COMPONENT_CREATED, COMPONENT_PLACED, ChangeArrived,
    ChangeDescribed, ChangeLinked, ChangeSorted, ComponentCreated, ComponentPlaced, MODULES_RESOLVED, ModulesResolved,
    POLICY_CHANGED, PolicyChanged, REF_UPDATED, REMOTE_FOLLOWED, RefUpdated, RemoteFollowed,
};
use server::checkpoints::kinds::{CHECKPOINT_SIGNED, CheckpointSigned, SIGNING_KEY_ADDED, SigningKeyAdded};
use server::hooks::kinds::{WEBHOOK_RECEIVED, WebhookReceived};
use server::notifications::kinds::{ENDED, Ended};
use server::retention::kinds::{SWEPT, Swept};
use server::statuses::kinds::{STATUSES_CHANGED, StatusesChanged};
use server::watch::kinds::{BROKEN, Broken};
use testkit::{check_fixture, fixtures};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_fact_of_the_server_that_was_ever_written_is_read_and_written_the_same() {
    let mut checked = vec![
        check_fixture::<ComponentCreated>(HERE, COMPONENT_CREATED, 1),
        check_fixture::<ComponentPlaced>(HERE, COMPONENT_PLACED, 1),
        check_fixture::<ChangeSorted>(HERE, CHANGE_SORTED, 1),
        check_fixture::<RefUpdated>(HERE, REF_UPDATED, 1),
        check_fixture::<ChangeArrived>(HERE, CHANGE_ARRIVED, 1),
        check_fixture::<ChangeDescribed>(HERE, CHANGE_DESCRIBED, 1),
        check_fixture::<ChangeLinked>(HERE, CHANGE_LINKED, 1),
        check_fixture::<ModulesResolved>(HERE, MODULES_RESOLVED, 1),
        check_fixture::<RemoteFollowed>(HERE, REMOTE_FOLLOWED, 1),
        check_fixture::<WebhookReceived>(HERE, WEBHOOK_RECEIVED, 1),
        check_fixture::<StatusesChanged>(HERE, STATUSES_CHANGED, 1),
        check_fixture::<PolicyChanged>(HERE, POLICY_CHANGED, 1),
        check_fixture::<Swept>(HERE, SWEPT, 1),
        check_fixture::<SigningKeyAdded>(HERE, SIGNING_KEY_ADDED, 1),
        check_fixture::<CheckpointSigned>(HERE, CHECKPOINT_SIGNED, 1),
        check_fixture::<Ended>(HERE, ENDED, 1),
        check_fixture::<Broken>(HERE, BROKEN, 1),
        check_fixture::<Taken>(HERE, TAKEN, 1),
        check_fixture::<Restored>(HERE, RESTORED, 1),
    ];
    checked.sort();
    assert_eq!(
        checked,
        fixtures(HERE),
        "each fixture is of a kind, and each kind has one"
    );
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
