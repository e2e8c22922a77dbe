//! The files themselves.

use std::os::unix::fs::PermissionsExt as _;

use access::{Access, AccessError, NewToken, Rights, Role, kinds};
use facts::TokenId;

use crate::support::Place;

#[test]
fn all_files_are_private_from_the_start() {
    let place = Place::new();
    let access = place.open();
    access.first_token().unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        names.push(entry.file_name().into_string().unwrap());
        assert_eq!(mode, 0o600, "{names:?}");
    }
    names.sort();
    assert_eq!(
        names,
        ["operations.db", "operations.db-shm", "operations.db-wal", "secrets.key"]
    );
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_mend() {
    for file in [Access::FILE, Access::KEY_FILE] {
        let place = Place::new();
        drop(place.open());
        let path = place.folder.path().join(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = place.try_open(None).unwrap_err();
        assert!(matches!(error, AccessError::Permissions { mode: 0o640, .. }), "{error}");
        assert!(error.to_string().contains("hint: chmod 600"), "{error}");
    }
}

#[test]
fn a_newer_store_and_another_programs_database_are_refused() {
    let place = Place::new();
    drop(place.open());
    place.raw().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(
        place.try_open(None),
        Err(AccessError::Newer { found: 99, .. })
    ));

    let place = Place::new();
    place.raw().execute_batch("CREATE TABLE other (a)").unwrap();
    let path = place.folder.path().join(Access::FILE);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(place.try_open(None), Err(AccessError::Foreign(_))));
}

#[test]
fn the_facts_of_access_keep_their_shape() {
    let token = TokenId::of_key("a token");
    let created = kinds::TokenCreated {
        token,
        person: None,
        rights: Rights::everywhere(Role::Viewer),
        expires_at: None,
    };
    let text = r#"{"token":"token_000000001yekvk8wayyw35j8rr","rights":{"grants":[{"role":"viewer","components":"all","environments":"all"}]}}"#;
    let written = serde_json::to_string(&created).unwrap();
    assert_eq!(
        written.replace(&token.to_string(), "ID"),
        text.replace("token_000000001yekvk8wayyw35j8rr", "ID")
    );
    assert_eq!(serde_json::from_str::<kinds::TokenCreated>(&written).unwrap(), created);
    let set = kinds::SecretSet {
        secret: facts::SecretId::of_key("a"),
        name: "a".into(),
        version: 2,
    };
    let document = serde_json::to_value(&set).unwrap();
    assert_eq!(document["version"], 2);
    assert_eq!(document.as_object().unwrap().len(), 3);
}

#[test]
fn what_is_committed_outlives_a_death_at_any_place() {
    let counting = Place::new();
    let names = counting.folder.path().join("reached");
    assert!(run_child(&counting, &format!("count:{}", names.display())));
    let reached = std::fs::read_to_string(&names).unwrap().lines().count();
    assert!(reached >= 10, "{reached}");
    for place_to_die in 1..=reached {
        let place = Place::new();
        assert!(!run_child(&place, &place_to_die.to_string()));
        // Two places belong to the key; then each of four commits has one before and one after it.
        let committed = place_to_die.saturating_sub(2) / 2;
        let access = place.open();
        let there = access.tokens().unwrap().len() + access.secrets().unwrap().len();
        // The first makes a token, the second notes that it was seen.
        assert_eq!(there, [0, 1, 1, 2, 3][committed], "place {place_to_die}");
        assert_eq!(
            access.first_token().unwrap().is_some(),
            committed < 2,
            "place {place_to_die}"
        );
        let secret = access::SecretName::new("a").unwrap();
        access.set_secret(&secret, b"value").unwrap();
        assert_eq!(access.secret(&secret).unwrap().value.as_slice(), b"value");
    }
}

const FOLDER: &str = "ACCESS_CRASH_TEST";

/// Not a test of its own: the process that the test above starts.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let access = Access::open(
        folder.as_ref(),
        None,
        std::sync::Arc::new(facts::SystemClock),
        std::sync::Arc::new(facts::SystemEntropy),
    )
    .unwrap();
    let first = access.first_token().unwrap().unwrap();
    access.first_token_shown(first.id).unwrap();
    access
        .set_secret(&access::SecretName::new("a").unwrap(), b"early")
        .unwrap();
    let token = NewToken {
        name: "x".into(),
        person: None,
        rights: Rights::default(),
        lifetime: None,
    };
    access.create_token(&token).unwrap();
}

#[allow(clippy::disallowed_methods)] // the test binary itself, so that a crash ends no other test
fn run_child(place: &Place, crash: &str) -> bool {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::child"])
        .env(FOLDER, place.folder.path())
        .env("THROUGHLINE_CRASH", crash)
        .output()
        .unwrap()
        .status
        .success()
}

#[test]
fn a_store_as_each_version_wrote_it_is_read_and_brought_to_today_s() {
    let dumps = [
        include_str!("../stores/operations-1.sql"),
        include_str!("../stores/operations-2.sql"),
        include_str!("../stores/operations-3.sql"),
        include_str!("../stores/operations-4.sql"),
        include_str!("../stores/operations-5.sql"),
        include_str!("../stores/operations-6.sql"),
    ];
    let key = "ab".repeat(32);
    let tables = |place: &Place| -> Vec<String> {
        let raw = place.raw();
        let mut names = raw.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
        let names = names.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let today = Place::new();
    drop(today.try_open(Some(&key)).unwrap());
    for dump in dumps {
        let place = Place::new();
        place.raw().execute_batch(dump).unwrap();
        let path = place.folder.path().join(Access::FILE);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let access = place.try_open(Some(&key)).unwrap();
        let found = access
            .authenticate("tl_u2aNh4nosV9WUpMq8OqVfg6LeXmG8tbkLzD4bIcyD4c")
            .unwrap();
        assert!(found.is_some(), "the token of those days goes on working");
        let secret = access
            .secret(&access::SecretName::new("shop/registry").unwrap())
            .unwrap();
        assert_eq!(secret.text().unwrap().as_str(), "hunter2-value");
        drop(access);
        assert_eq!(tables(&place), tables(&today));
    }
}

#[test]
fn a_copy_is_of_one_moment_and_opens_with_the_same_key_alone() {
    let place = Place::new();
    let access = place.open();
    let token = access.first_token().unwrap().unwrap();
    let copied = Place::new();
    let to = copied.folder.path().join(Access::FILE);
    access.copy_to(&to).unwrap();
    access.revoke_token(token.id).unwrap();
    std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(copied.try_open(None), Err(AccessError::KeyMissing(_))));
    assert!(matches!(
        copied.try_open(Some(&"cd".repeat(32))),
        Err(AccessError::KeyWrong)
    ));
    let key = place.folder.path().join(Access::KEY_FILE);
    std::fs::copy(key, copied.folder.path().join(Access::KEY_FILE)).unwrap();
    assert!(copied.open().authenticate(&token.secret).unwrap().is_some());
    assert!(access.authenticate(&token.secret).unwrap().is_none());
}
