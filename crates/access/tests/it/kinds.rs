//! What stands in ledgers: the bodies of the facts about access never change their shape.

use access::kinds::{
    ACTOR_ADDED, ACTOR_ERASED, ActorAdded, ActorErased, SECRET_REMOVED, SECRET_SET, SecretRemoved, SecretSet,
    TOKEN_CREATED, TOKEN_REVOKED, TokenCreated, TokenRevoked,
};
use testkit::{check_fixture, fixtures};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_fact_about_access_that_was_ever_written_is_read_and_written_the_same() {
    let mut checked = vec![
        check_fixture::<TokenCreated>(HERE, TOKEN_CREATED, 1),
        check_fixture::<TokenRevoked>(HERE, TOKEN_REVOKED, 1),
        check_fixture::<ActorAdded>(HERE, ACTOR_ADDED, 1),
        check_fixture::<ActorErased>(HERE, ACTOR_ERASED, 1),
        check_fixture::<SecretSet>(HERE, SECRET_SET, 1),
        check_fixture::<SecretRemoved>(HERE, SECRET_REMOVED, 1),
    ];
    checked.sort();
    assert_eq!(
        checked,
        fixtures(HERE),
        "each fixture is of a kind, and each kind has one"
    );
}
