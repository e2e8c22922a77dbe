//! Tokens.

use std::time::Duration;

use access::{AccessError, NewToken, Principal, Rights, Role};
use facts::Actor;

use crate::support::Place;

fn new(role: Role) -> NewToken {
    NewToken {
        name: "a machine".into(),
        person: None,
        rights: Rights::everywhere(role),
        lifetime: None,
    }
}

#[test]
fn the_first_start_makes_one_administrator_and_later_starts_none() {
    let place = Place::new();
    // A server that died before anybody saw the token has left none behind.
    let unseen = place.open().first_token().unwrap().unwrap();
    let first = place.open().first_token().unwrap().unwrap();
    let access = place.open();
    assert!(access.authenticate(&unseen.secret).unwrap().is_none());
    assert_eq!(first.person, unseen.person);
    access.first_token_shown(first.id).unwrap();
    assert!(access.first_token().unwrap().is_none());
    let holder = access.authenticate(&first.secret).unwrap().unwrap();
    let Principal::Known { actor, rights } = holder.principal else {
        panic!()
    };
    assert_eq!(actor, Actor::User(first.person.unwrap()));
    assert_eq!(rights, Rights::everywhere(Role::Admin));
    assert_eq!(access.name_of(actor).unwrap(), "administrator");
    // Locked out of everything, whoever starts the server gets a new one.
    access.revoke_token(first.id).unwrap();
    assert!(access.first_token().unwrap().is_some());
}

#[test]
fn a_token_is_random_and_only_its_hash_is_stored() {
    let place = Place::new();
    let access = place.open();
    let one = access.create_token(&new(Role::Viewer)).unwrap();
    let other = access.create_token(&new(Role::Viewer)).unwrap();
    assert_ne!(*one.secret, *other.secret);
    assert!(
        one.secret.starts_with("tl_") && one.secret.len() == 3 + 43,
        "{}",
        one.secret.len()
    );
    assert!(!place.holds(one.secret.as_bytes()));
    assert!(!place.holds(&one.secret.as_bytes()[3..]));
    assert!(!format!("{one:?}").contains(&one.secret[3..]));
}

#[test]
fn other_texts_open_nothing() {
    let place = Place::new();
    let access = place.open();
    let token = access.create_token(&new(Role::Admin)).unwrap();
    assert!(access.authenticate(&token.secret).unwrap().is_some());
    let mut wrong = token.secret.to_string();
    let last = wrong.pop().unwrap();
    assert!(access.authenticate(&wrong).unwrap().is_none());
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    for text in [
        "",
        "tl_",
        &wrong,
        &token.secret[3..],
        &token.id.to_string(),
        &"tl_x".repeat(100),
    ] {
        assert!(access.authenticate(text).unwrap().is_none(), "{text}");
    }
}

#[test]
fn a_hash_in_the_wrong_row_opens_nothing() {
    let place = Place::new();
    let access = place.open();
    let token = access.create_token(&new(Role::Admin)).unwrap();
    // Whoever can write the place but not the hash gains nothing by the part it is found by.
    place
        .raw()
        .execute("UPDATE tokens SET hash = randomblob(32)", [])
        .unwrap();
    assert!(access.authenticate(&token.secret).unwrap().is_none());
}

#[test]
fn expired_and_revoked_tokens_open_nothing() {
    let place = Place::new();
    let access = place.open();
    let short = access
        .create_token(&NewToken {
            lifetime: Some(Duration::from_secs(60)),
            ..new(Role::Viewer)
        })
        .unwrap();
    let long = access.create_token(&new(Role::Viewer)).unwrap();
    place.pass(Duration::from_secs(59));
    assert!(access.authenticate(&short.secret).unwrap().is_some());
    place.pass(Duration::from_secs(1));
    assert!(access.authenticate(&short.secret).unwrap().is_none());
    assert!(access.authenticate(&long.secret).unwrap().is_some());
    assert!(access.revoke_token(long.id).unwrap());
    assert!(!access.revoke_token(long.id).unwrap());
    assert!(access.authenticate(&long.secret).unwrap().is_none());
    let unknown = facts::TokenId::of_key("no such token");
    assert!(matches!(access.revoke_token(unknown), Err(AccessError::NoToken(_))));
}

#[test]
fn the_list_says_when_a_token_was_last_used() {
    let place = Place::new();
    let access = place.open();
    let token = access.create_token(&new(Role::Viewer)).unwrap();
    assert_eq!(access.tokens().unwrap()[0].last_used_at, None);
    place.pass(Duration::from_secs(100));
    access.authenticate(&token.secret).unwrap();
    let used = access.tokens().unwrap()[0].last_used_at;
    place.pass(Duration::from_secs(30));
    access.authenticate(&token.secret).unwrap();
    assert_eq!(access.tokens().unwrap()[0].last_used_at, used, "to the minute");
    place.pass(Duration::from_secs(30));
    access.authenticate(&token.secret).unwrap();
    assert!(access.tokens().unwrap()[0].last_used_at > used);
    assert_eq!(access.name_of(Actor::Token(token.id)).unwrap(), "a machine");
}
