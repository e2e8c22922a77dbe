//! What is said of commits, kept until it has been: the newest state alone, never an older one after it.

use std::time::Duration;

use access::NewStatus;
use facts::Clock as _;

use crate::support::Place;

const HOST: &str = "component_a";

fn new(key: &str, position: u64, body: &str) -> NewStatus {
    NewStatus {
        key: key.to_owned(),
        target: HOST.to_owned(),
        position,
        body: body.to_owned(),
    }
}

#[test]
fn of_each_thing_the_newest_state_is_said_and_an_older_one_never_comes_back() {
    let place = Place::new();
    let access = place.open();
    assert_eq!(access.statuses_position().unwrap(), None);
    access
        .put_statuses(&[new("a", 1, "pending"), new("b", 2, "pending")], 2)
        .unwrap();
    access.put_statuses(&[new("a", 3, "success")], 3).unwrap();
    drop(access);
    let access = place.open();
    assert_eq!(access.statuses_position().unwrap(), Some(3));
    // The same facts are read again after a crash, or a backup was put back.
    access.put_statuses(&[new("a", 1, "pending")], 3).unwrap();
    let now = place.clock.now();
    let mut said = Vec::new();
    while let Some(one) = access.next_status(HOST, now).unwrap() {
        access.status_taken(HOST, &one).unwrap();
        said.push((one.key, one.body));
    }
    said.sort();
    let pair = |key: &str, body: &str| (key.to_owned(), body.to_owned());
    assert_eq!(said, [pair("a", "success"), pair("b", "pending")]);
    assert!(access.due_statuses().unwrap().is_empty());
    let recent = access.recent_statuses(HOST, 9).unwrap();
    assert_eq!(recent.len(), 2);
    assert!(
        recent
            .iter()
            .all(|one| one.told_at.is_some() && one.told.as_deref() == Some(one.body.as_str()))
    );
}

#[test]
fn what_changes_while_it_is_being_said_is_said_afterwards() {
    let place = Place::new();
    let access = place.open();
    let now = place.clock.now();
    access.put_statuses(&[new("a", 1, "pending")], 1).unwrap();
    let one = access.next_status(HOST, now).unwrap().unwrap();
    access.put_statuses(&[new("a", 2, "failure")], 2).unwrap();
    access.status_taken(HOST, &one).unwrap();
    let next = access.next_status(HOST, now).unwrap().unwrap();
    assert_eq!((next.body.as_str(), next.told.as_deref()), ("failure", Some("pending")));
    // The end of an attempt that was about the state before changes nothing of this one.
    access.status_refused(HOST, &one, "no", None, None).unwrap();
    assert_eq!(access.next_status(HOST, now).unwrap().unwrap(), next);
}

#[test]
fn a_host_that_wants_a_pause_gets_one_and_a_problem_lasts_until_something_is_taken() {
    let place = Place::new();
    let access = place.open();
    let now = place.clock.now();
    access.put_statuses(&[new("a", 1, "x"), new("b", 2, "x")], 2).unwrap();
    let one = access.next_status(HOST, now).unwrap().unwrap();
    let pause = now.checked_add(Duration::from_secs(60)).unwrap();
    access
        .status_refused(HOST, &one, "429", Some(pause), Some(pause))
        .unwrap();
    assert_eq!(
        access.due_statuses().unwrap(),
        [(HOST.to_owned(), pause)],
        "the other one waits too"
    );
    let state = access.target_state(HOST).unwrap();
    assert_eq!(state.paused_until, Some(pause));
    assert_eq!(state.problem, Some(("429".to_owned(), now)));
    place.pass(Duration::from_secs(60));
    access.status_refused(HOST, &one, "401", None, None).unwrap();
    let since = access.target_state(HOST).unwrap().problem.unwrap();
    assert_eq!(since, ("401".to_owned(), now), "since when, not when it was last tried");
    let other = access.next_status(HOST, place.clock.now()).unwrap().unwrap();
    assert_eq!(other.key, "b");
    access.status_taken(HOST, &other).unwrap();
    assert_eq!(access.target_state(HOST).unwrap(), access::TargetState::default());
    assert!(
        access.due_statuses().unwrap().is_empty(),
        "what was given up is not tried again"
    );
}

#[test]
fn what_is_over_is_forgotten_after_a_while_and_what_is_not_is_not() {
    let place = Place::new();
    let access = place.open();
    access.put_statuses(&[new("a", 1, "x"), new("b", 2, "x")], 2).unwrap();
    let one = access.next_status(HOST, place.clock.now()).unwrap().unwrap();
    access.status_taken(HOST, &one).unwrap();
    place.pass(access::statuses::SHOWN);
    access.forget_statuses().unwrap();
    let left = access.recent_statuses(HOST, 9).unwrap();
    assert_eq!(left.len(), 1);
    assert!(left[0].due_at.is_some());
    access.forget_target(HOST).unwrap();
    assert!(access.recent_statuses(HOST, 9).unwrap().is_empty());
}
