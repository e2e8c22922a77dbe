//! The first start, and the defaults that nobody has to think of.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::house::{ENVIRONMENTS, House, bytes_of, files_below};

#[test]
fn the_first_start_gives_one_admin_token_and_no_later_start_gives_another() {
    let mut house = House::new();
    let token = house.token.clone();
    assert!(token.starts_with("tl_"), "{token}");
    assert_eq!(house.get("/api/v1/whoami").is(200)["roles"], json!(["admin"]));

    house.interrupt();
    house.token.clear();
    house.start();
    assert_eq!(house.token, "", "a later start gives no token");
    house.token = token;
    house.get("/api/v1/whoami").is(200);
    let tokens = house.get("/api/v1/tokens").is(200);
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 1);
    for path in house.files() {
        let text = String::from_utf8_lossy(&bytes_of(&path)).into_owned();
        assert!(!text.contains(&house.token), "{} holds the token", path.display());
    }
    assert!(!house.log().contains(&house.token), "the log holds the token");
}

#[test]
fn a_first_token_that_nobody_saw_is_replaced_and_its_end_is_a_fact() {
    let mut house = House::prepared(ENVIRONMENTS, json!({}));
    house.crashes_at("server.first-token.made:1");
    assert!(house.try_start().is_err());
    house.start();
    let tokens = house.get("/api/v1/tokens").is(200);
    let tokens = tokens["tokens"].as_array().unwrap();
    let revoked: Vec<_> = tokens.iter().filter(|token| token["revoked"] == true).collect();
    assert_eq!((tokens.len(), revoked.len()), (2, 1), "{tokens:?}");
    let facts = house.facts();
    let of = |kind: &str| facts.iter().filter(|fact| fact["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of("token.created").len(), 2);
    let ended = of("token.revoked");
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["body"]["token"], revoked[0]["id"]);
    assert_eq!(ended[0]["actor"], of("token.created")[0]["actor"]);
}

#[test]
fn the_data_folder_is_its_owners_alone() {
    let house = House::new();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(house.data()), 0o700);
    for entry in std::fs::read_dir(house.data()).unwrap().flatten() {
        if entry.path().is_dir() {
            assert_eq!(mode(&entry.path()), 0o700, "{}", entry.path().display());
        }
    }
    for name in ["operations.db", "secrets.key"] {
        assert_eq!(mode(&house.data().join(name)), 0o600, "{name}");
    }
    assert!(!files_below(house.data()).is_empty());
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let house = House::new();
    let mut other = House::prepared(ENVIRONMENTS, json!({ "data": house.data() }));
    let said = other.try_start().unwrap_err();
    assert!(said.contains("is used by another server"), "{said}");
    assert!(said.contains("hint: "), "{said}");
    house.get("/api/v1/whoami").is(200);
}

#[test]
fn a_policy_that_is_wrong_is_refused_with_its_place() {
    let mut house = House::prepared("throughline: 1\nenvironments:\n  staging: { soack: 1s }\n", json!({}));
    let said = house.try_start().unwrap_err();
    assert!(said.contains("environments.yaml:3:"), "{said}");
    assert!(said.contains("did you mean `soak`?"), "{said}");
}
