//! What is to be sent, kept until it has been.

use std::time::Duration;

use access::outbox::{KNOWN, NewOut, SHOWN};
use facts::Clock as _;

use crate::support::Place;

fn one(place: &Place, id: &str, recipient: &str) -> NewOut {
    NewOut {
        id: id.to_owned(),
        recipient: recipient.to_owned(),
        body: format!("{{\"to\":\"{recipient}\"}}"),
        due_at: place.clock.now(),
    }
}

fn ids(all: &[access::Out]) -> Vec<&str> {
    all.iter().map(|one| one.id.as_str()).collect()
}

#[test]
fn what_was_put_in_and_how_far_was_looked_is_there_again_after_a_restart() {
    let place = Place::new();
    let access = place.open();
    assert_eq!(access.outbox_position().unwrap(), None);
    let new = [one(&place, "n_1", "a@example.org"), one(&place, "n_2", "webhook:chat")];
    assert_eq!(access.put_out(&new, Some(17)).unwrap(), 2);
    drop(access);
    let access = place.open();
    assert_eq!(access.outbox_position().unwrap(), Some(17));
    assert_eq!(ids(&access.pending_out("a@example.org", 9).unwrap()), ["n_1"]);
    assert_eq!(access.due_recipients(place.clock.now()).unwrap().len(), 2);
}

#[test]
fn what_was_put_in_once_is_not_put_in_again_also_after_it_was_sent() {
    let place = Place::new();
    let access = place.open();
    let new = [one(&place, "n_1", "a@example.org")];
    access.put_out(&new, Some(1)).unwrap();
    access.delivered_out(&["n_1".to_owned()]).unwrap();
    access.recorded_out(&["n_1".to_owned()]).unwrap();
    assert_eq!(access.put_out(&new, Some(2)).unwrap(), 0);
    place.pass(SHOWN + Duration::from_secs(1));
    access.forget_out().unwrap();
    assert!(access.recent_out(9).unwrap().is_empty());
    assert!(!place.holds(b"a@example.org"), "the address is forgotten");
    assert_eq!(access.put_out(&new, None).unwrap(), 0);
    place.pass(KNOWN);
    access.forget_out().unwrap();
    assert!(!access.was_put_out("n_1").unwrap());
}

#[test]
fn what_failed_is_due_again_later_and_what_is_given_up_no_more() {
    let place = Place::new();
    let access = place.open();
    access
        .put_out(
            &[one(&place, "n_1", "webhook:x"), one(&place, "n_2", "webhook:y")],
            None,
        )
        .unwrap();
    let later = place.clock.now() + Duration::from_secs(30);
    access
        .failed_out(&["n_1".to_owned()], "it answered 503", Some(later))
        .unwrap();
    assert_eq!(access.due_recipients(place.clock.now()).unwrap(), ["webhook:y"]);
    assert_eq!(access.next_due(&["webhook:y".to_owned()]).unwrap(), Some(later));
    access.failed_out(&["n_2".to_owned()], "it answered 410", None).unwrap();
    place.pass(Duration::from_secs(30));
    assert_eq!(access.due_recipients(place.clock.now()).unwrap(), ["webhook:x"]);
    let recent = access.recent_out(9).unwrap();
    let given_up = recent.iter().find(|one| one.id == "n_2").unwrap();
    assert_eq!((given_up.delivered, given_up.attempts), (false, 1));
    assert_eq!(given_up.problem.as_deref(), Some("it answered 410"));
    assert_eq!(ids(&access.unrecorded_out(9).unwrap()), ["n_2"]);
    access.recorded_out(&["n_2".to_owned()]).unwrap();
    assert!(access.unrecorded_out(9).unwrap().is_empty());
}

#[test]
fn erasing_a_person_forgets_what_they_were_told() {
    let place = Place::new();
    let access = place.open();
    let (person, _) = access.person_of_address("gone@unmistakable.example", "G").unwrap();
    let all = [
        one(&place, "n_1", "gone@unmistakable.example"),
        one(&place, "n_2", "gone@unmistakable.example"),
    ];
    access.put_out(&all, None).unwrap();
    access.delivered_out(&["n_1".to_owned()]).unwrap();
    access.erase_person(person).unwrap();
    assert!(access.pending_out("gone@unmistakable.example", 9).unwrap().is_empty());
    drop(access);
    assert!(!place.holds(b"gone@unmistakable.example"));
}
