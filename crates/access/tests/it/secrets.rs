//! Secrets at rest.

use access::{Access, AccessError, Credentials, SecretName, Zeroizing};
use facts::ComponentName;

use crate::support::Place;

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

const CANARY: &[u8] = b"canary-8f2c1d-not-to-be-found";

#[test]
fn a_value_is_found_in_no_file_and_comes_back() {
    let place = Place::new();
    let access = place.open();
    let set = access.set_secret(&name("DATABASE_PASSWORD"), CANARY).unwrap();
    assert_eq!(set.version, 1);
    assert!(!place.holds(CANARY));
    drop(access);
    assert!(!place.holds(CANARY));
    let access = place.open();
    let secret = access.secret(&name("DATABASE_PASSWORD")).unwrap();
    assert_eq!((secret.id, secret.version), (set.id, 1));
    assert_eq!(secret.value.as_slice(), CANARY);
    assert!(!format!("{secret:?}").contains("canary"));
    assert_eq!(access.secrets().unwrap(), [set]);
}

#[test]
fn a_new_value_is_a_new_version_and_the_old_one_stays_for_those_who_began_with_it() {
    let place = Place::new();
    let access = place.open();
    let first = access.set_secret(&name("key"), b"one").unwrap();
    let second = access.set_secret(&name("key"), b"two").unwrap();
    assert_eq!((first.id, second.version), (second.id, 2));
    assert_eq!(*access.secret(&name("key")).unwrap().text().unwrap(), "two");
    assert_eq!(access.secret_version(&name("key"), 1).unwrap().value.as_slice(), b"one");
    assert!(matches!(
        access.secret_version(&name("key"), 3),
        Err(AccessError::NoSecret(_))
    ));
    assert_eq!(access.remove_secret(&name("key")).unwrap(), Some(first.id));
    assert_eq!(access.remove_secret(&name("key")).unwrap(), None);
    assert!(matches!(access.secret(&name("key")), Err(AccessError::NoSecret(_))));
    // A name that is used again is another secret.
    assert_ne!(access.set_secret(&name("key"), b"three").unwrap().id, first.id);
}

#[test]
fn a_ciphertext_moved_to_another_name_or_version_does_not_open() {
    let exchange = |sql: &str| {
        let place = Place::new();
        let access = place.open();
        access.set_secret(&name("a"), b"value of a, version 1").unwrap();
        access.set_secret(&name("a"), b"value of a, version 2").unwrap();
        access.set_secret(&name("b"), b"value of b").unwrap();
        access.set_secret(&name("b"), b"value of b, 2").unwrap();
        place.raw().execute_batch(sql).unwrap();
        access
            .secret(&name("a"))
            .map(|secret| secret.text().unwrap().to_string())
    };
    assert_eq!(exchange("").unwrap(), "value of a, version 2");
    let of = |secret: &str, version: u32| {
        format!(
            "SELECT nonce, ciphertext FROM secret_versions WHERE secret = (SELECT id FROM secrets WHERE name = '{secret}') AND version = {version}"
        )
    };
    let into_a = "WHERE secret = (SELECT id FROM secrets WHERE name = 'a') AND version = 2";
    for (secret, version) in [("b", 2), ("a", 1)] {
        let swapped = exchange(&format!(
            "UPDATE secret_versions SET (nonce, ciphertext) = ({}) {into_a};",
            of(secret, version)
        ));
        assert!(matches!(swapped, Err(AccessError::SecretDamaged(_))), "{swapped:?}");
    }
    let renamed =
        exchange("UPDATE secrets SET name = 'c' WHERE name = 'a'; UPDATE secrets SET name = 'a' WHERE name = 'b';");
    assert!(matches!(renamed, Err(AccessError::SecretDamaged(_))), "{renamed:?}");
    let flipped = exchange(&format!(
        "UPDATE secret_versions SET ciphertext = zeroblob(length(ciphertext)) {into_a};"
    ));
    assert!(matches!(flipped, Err(AccessError::SecretDamaged(_))), "{flipped:?}");
}

#[test]
fn names_and_values_that_cannot_be_are_refused() {
    let place = Place::new();
    let access = place.open();
    for text in ["", "1a", "-a", "a b", "a/../b", "a/", "ä", &"a".repeat(129)] {
        assert!(SecretName::new(text).is_err(), "{text}");
    }
    assert!(matches!(
        access.set_secret(&name("a"), b""),
        Err(AccessError::SecretSize { .. })
    ));
    let large = vec![1; access::secrets::LARGEST_VALUE + 1];
    assert!(matches!(
        access.set_secret(&name("a"), &large),
        Err(AccessError::SecretSize { .. })
    ));
    assert!(access.secrets().unwrap().is_empty());
}

#[test]
fn the_credentials_of_a_remote_are_a_secret() {
    let place = Place::new();
    let access = place.open();
    let component = ComponentName::new("shop/cart").unwrap();
    assert!(access.remote_credentials(&component).unwrap().is_none());
    let credentials = Credentials::Password {
        user: "git".into(),
        password: Zeroizing::new(String::from_utf8(CANARY.to_vec()).unwrap()),
    };
    assert!(!format!("{credentials:?}").contains("canary"));
    access.set_remote_credentials(&component, &credentials).unwrap();
    assert!(!place.holds(CANARY));
    let Some(Credentials::Password { user, password }) = access.remote_credentials(&component).unwrap() else {
        panic!()
    };
    assert_eq!((user.as_str(), password.as_bytes()), ("git", CANARY));
}

#[test]
fn without_the_key_or_with_another_one_the_store_does_not_open() {
    let place = Place::new();
    place.open().set_secret(&name("a"), CANARY).unwrap();
    let file = place.folder.path().join(Access::KEY_FILE);
    let kept = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(place.try_open(None), Err(AccessError::KeyMissing(_))));
    assert!(!file.exists(), "no other key is made in its place");
    assert!(matches!(
        place.try_open(Some(&"0".repeat(64))),
        Err(AccessError::KeyWrong)
    ));
    assert!(matches!(place.try_open(Some("short")), Err(AccessError::KeyShape(_))));
    // The same key from a variable opens it, without a file.
    let access = place.try_open(Some(&kept)).unwrap();
    assert_eq!(access.secret(&name("a")).unwrap().value.as_slice(), CANARY);
    assert!(!file.exists());
}
