//! The directory of names.

use access::{AccessError, NewToken, Rights, Role};
use facts::{Actor, ActorId, RunId};

use crate::support::Place;

#[test]
fn an_address_is_one_person_however_it_is_written() {
    let place = Place::new();
    let access = place.open();
    let (one, new) = access.person_of_address("Ada@Example.org", "Ada").unwrap();
    assert!(new);
    assert_eq!(
        access.person_of_address(" ada@example.org ", "A. L.").unwrap(),
        (one, false)
    );
    let (other, _) = access.person_of_address("bob@example.org", "Bob").unwrap();
    assert_ne!(one, other);
    // Without an address nobody is known again.
    assert_ne!(
        access.person_of_address("", "x").unwrap(),
        access.person_of_address("", "x").unwrap()
    );
    assert_eq!(access.name_of(Actor::User(one)).unwrap(), "Ada");
}

#[test]
fn an_id_says_nothing_about_the_person() {
    let (one, other) = (Place::new(), Place::new());
    let id = |place: &Place| place.open().person_of_address("ada@example.org", "Ada").unwrap().0;
    assert_ne!(id(&one), id(&other));
}

#[test]
fn erasing_leaves_no_name_anywhere_and_ends_what_the_person_held() {
    let place = Place::new();
    let access = place.open();
    let person = access
        .add_person("Adelheid Q. Unmistakable", Some("adelheid@unmistakable.example"))
        .unwrap();
    let token = access
        .create_token(&NewToken {
            name: "laptop of Adelheid Unmistakable".into(),
            person: Some(person),
            rights: Rights::everywhere(Role::Developer),
            lifetime: None,
        })
        .unwrap();
    let session = access.log_in_by_token(&token.secret).unwrap().unwrap();
    assert!(place.holds(b"Unmistakable"));
    access.erase_person(person).unwrap();
    assert!(!place.holds(b"Unmistakable") && !place.holds(b"unmistakable"));
    assert!(access.authenticate(&token.secret).unwrap().is_none());
    assert!(access.authenticate_session(&session.secret).unwrap().is_none());
    assert_eq!(access.name_of(Actor::User(person)).unwrap(), "erased person");
    assert!(access.people().unwrap()[0].erased_at.is_some());
    // The address may come back, as somebody new.
    let (again, new) = access.person_of_address("adelheid@unmistakable.example", "A").unwrap();
    assert!(new && again != person);
    let nobody = ActorId::of_key("nobody");
    assert!(matches!(access.erase_person(nobody), Err(AccessError::NoActor(_))));
    let for_nobody = NewToken {
        name: "x".into(),
        person: Some(person),
        rights: Rights::default(),
        lifetime: None,
    };
    assert!(matches!(access.create_token(&for_nobody), Err(AccessError::NoActor(_))));
}

#[test]
fn every_actor_has_something_to_show() {
    let place = Place::new();
    let access = place.open();
    let run = RunId::of_key("a run");
    let unknown = ActorId::of_key("unknown");
    let names = access
        .names_of([Actor::System, Actor::Run(run), Actor::User(unknown), Actor::System])
        .unwrap();
    assert_eq!(names[&Actor::System], "throughline");
    assert_eq!(names[&Actor::Run(run)], run.to_string());
    assert_eq!(names[&Actor::User(unknown)], unknown.to_string());
}
