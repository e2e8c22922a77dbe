//! Login links and sessions.

use std::time::Duration;

use access::{NewToken, Rights, Role, sessions};

use crate::support::Place;

fn new() -> NewToken {
    NewToken {
        name: "laptop".into(),
        person: None,
        rights: Rights::everywhere(Role::Developer),
        lifetime: None,
    }
}

#[test]
fn a_login_link_works_once() {
    let place = Place::new();
    let access = place.open();
    let token = access.create_token(&new()).unwrap();
    let link = access.create_login_link(token.id).unwrap();
    assert!(!place.holds(link.secret.as_bytes()));
    let session = access.log_in_by_link(&link.secret).unwrap().unwrap();
    assert!(!place.holds(session.secret.as_bytes()));
    assert!(access.log_in_by_link(&link.secret).unwrap().is_none());
    let holder = access.authenticate_session(&session.secret).unwrap().unwrap();
    assert_eq!(holder, access.authenticate(&token.secret).unwrap().unwrap());
}

#[test]
fn a_link_used_by_many_at_once_lets_one_in() {
    let place = Place::new();
    let access = place.open();
    let token = access.create_token(&new()).unwrap();
    let link = access.create_login_link(token.id).unwrap();
    let entered: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| usize::from(access.log_in_by_link(&link.secret).unwrap().is_some())))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(entered, 1);
}

#[test]
fn links_and_sessions_end_by_time() {
    let place = Place::new();
    let access = place.open();
    let token = access.create_token(&new()).unwrap();
    let link = access.create_login_link(token.id).unwrap();
    place.pass(sessions::LINK_LIFETIME);
    assert!(access.log_in_by_link(&link.secret).unwrap().is_none());
    let session = access.log_in_by_token(&token.secret).unwrap().unwrap();
    place.pass(sessions::SESSION_LIFETIME - Duration::from_secs(1));
    assert!(access.authenticate_session(&session.secret).unwrap().is_some());
    place.pass(Duration::from_secs(1));
    assert!(access.authenticate_session(&session.secret).unwrap().is_none());
}

#[test]
fn a_session_ends_with_its_token_or_by_logging_out() {
    let place = Place::new();
    let access = place.open();
    let token = access.create_token(&new()).unwrap();
    let one = access.log_in_by_token(&token.secret).unwrap().unwrap();
    let other = access.log_in_by_token(&token.secret).unwrap().unwrap();
    access.log_out(&one.secret).unwrap();
    assert!(access.authenticate_session(&one.secret).unwrap().is_none());
    assert!(access.authenticate_session(&other.secret).unwrap().is_some());
    let link = access.create_login_link(token.id).unwrap();
    access.revoke_token(token.id).unwrap();
    assert!(access.authenticate_session(&other.secret).unwrap().is_none());
    assert!(access.log_in_by_link(&link.secret).unwrap().is_none());
    assert!(access.log_in_by_token(&token.secret).unwrap().is_none());
}

#[test]
fn tokens_links_and_sessions_are_not_taken_for_one_another() {
    let place = Place::new();
    let access = place.open();
    let token = access.create_token(&new()).unwrap();
    let session = access.log_in_by_token(&token.secret).unwrap().unwrap();
    let link = access.create_login_link(token.id).unwrap();
    assert!(access.authenticate(&session.secret).unwrap().is_none());
    assert!(access.authenticate(&link.secret).unwrap().is_none());
    assert!(access.authenticate_session(&token.secret).unwrap().is_none());
    assert!(access.log_in_by_link(&session.secret).unwrap().is_none());
}

#[test]
fn a_form_carries_what_only_its_own_session_gives() {
    let token = sessions::form_token("tls_one");
    assert!(sessions::is_form_token("tls_one", &token));
    assert!(!sessions::is_form_token("tls_two", &token));
    assert!(!sessions::is_form_token("tls_one", ""));
    assert!(!sessions::is_form_token("tls_one", &token[1..]));
}
