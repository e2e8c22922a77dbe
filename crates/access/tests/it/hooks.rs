//! The doors for webhooks: named by nobody's guess, two secrets while one is changed, and what came last.

use std::time::Duration;

use access::hooks::{KEPT, KEPT_REFUSED};
use access::{HookId, NewDelivery, Verdict};
use facts::{Clock as _, ComponentId, ComponentName};

use crate::support::Place;

fn name() -> ComponentName {
    ComponentName::new("team/app").unwrap()
}

fn id() -> ComponentId {
    ComponentId::of_key("team/app")
}

fn came(verdict: Verdict, detail: &str) -> NewDelivery {
    NewDelivery {
        host: Some("github".to_owned()),
        event: Some("push".to_owned()),
        delivery: None,
        verdict,
        detail: detail.to_owned(),
        name: Some("refs/heads/main".to_owned()),
        head: Some(facts::Commit::new("a".repeat(40)).unwrap()),
    }
}

#[test]
fn a_hook_is_made_once_and_its_secret_stands_in_no_file() {
    let place = Place::new();
    let access = place.open();
    let made = access.make_hook(id(), &name()).unwrap().unwrap();
    assert!(access.make_hook(id(), &name()).unwrap().is_none());
    assert!(!place.holds(made.secret.as_bytes()));
    assert!(!format!("{made:?}").contains(made.secret.as_str()));
    drop(access);
    let access = place.open();
    let found = access.hook(&made.hook.id).unwrap().unwrap();
    assert_eq!(found, made.hook);
    assert_eq!(access.hooks().unwrap(), std::slice::from_ref(&found));
    let secrets = access.hook_secrets(&found, &name()).unwrap();
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets[0].as_slice(), made.secret.as_bytes());
    for text in [
        "",
        "hook_",
        "hook_a/b",
        &made.hook.id.as_str()[1..],
        &format!("{}x", made.hook.id),
    ] {
        assert!(HookId::new(text).is_none(), "{text}");
    }
    assert!(
        access
            .hook(&HookId::new(&format!("hook_{}", "A".repeat(43))).unwrap())
            .unwrap()
            .is_none()
    );
}

#[test]
fn while_a_secret_is_changed_both_count_and_afterwards_the_new_one_alone() {
    let place = Place::new();
    let access = place.open();
    let hour = Duration::from_secs(3_600);
    assert!(access.change_hook_secret(id(), &name(), hour).unwrap().is_none());
    let first = access.make_hook(id(), &name()).unwrap().unwrap();
    let second = access.change_hook_secret(id(), &name(), hour).unwrap().unwrap();
    assert_eq!(second.hook.id, first.hook.id, "its address stays");
    let count = || -> Vec<String> {
        let hook = access.hook_of(id()).unwrap().unwrap();
        let all = access.hook_secrets(&hook, &name()).unwrap();
        all.iter().map(|one| String::from_utf8(one.to_vec()).unwrap()).collect()
    };
    assert_eq!(count(), [first.secret.as_str(), second.secret.as_str()]);
    // A third drives out the first: two count at a time.
    let third = access.change_hook_secret(id(), &name(), hour).unwrap().unwrap();
    assert_eq!(count(), [second.secret.as_str(), third.secret.as_str()]);
    place.pass(hour);
    assert_eq!(count(), [third.secret.as_str()]);
    let fourth = access
        .change_hook_secret(id(), &name(), Duration::ZERO)
        .unwrap()
        .unwrap();
    assert_eq!(count(), [fourth.secret.as_str()]);
}

#[test]
fn a_hook_that_is_removed_takes_its_secret_and_what_came_with_it() {
    let place = Place::new();
    let access = place.open();
    let made = access.make_hook(id(), &name()).unwrap().unwrap();
    access.keep_delivery(&made.hook.id, &came(Verdict::Ping, "")).unwrap();
    assert_eq!(access.remove_hook(id(), &name()).unwrap(), Some(made.info.id));
    assert_eq!(access.remove_hook(id(), &name()).unwrap(), None);
    assert!(access.hook(&made.hook.id).unwrap().is_none());
    assert!(access.hook_secrets(&made.hook, &name()).unwrap().is_empty());
    // What comes in this moment is kept nowhere.
    access
        .keep_delivery(&made.hook.id, &came(Verdict::Accepted, ""))
        .unwrap();
    assert!(access.deliveries(&made.hook.id, 9).unwrap().is_empty());
    let again = access.make_hook(id(), &name()).unwrap().unwrap();
    assert_ne!(again.hook.id, made.hook.id);
    assert_eq!(access.hook_secrets(&again.hook, &name()).unwrap().len(), 1);
}

#[test]
fn the_newest_deliveries_are_kept_and_those_refused_do_not_drive_out_the_others() {
    let place = Place::new();
    let access = place.open();
    let hook = access.make_hook(id(), &name()).unwrap().unwrap().hook.id;
    access
        .keep_delivery(&hook, &came(Verdict::Accepted, "the first"))
        .unwrap();
    for number in 0..KEPT_REFUSED + 5 {
        access
            .keep_delivery(&hook, &came(Verdict::Refused, &number.to_string()))
            .unwrap();
    }
    let all = access.deliveries(&hook, 1_000).unwrap();
    assert_eq!(all.len(), 1 + KEPT_REFUSED);
    assert_eq!(all[0].what.detail, (KEPT_REFUSED + 4).to_string());
    assert_eq!(all.last().unwrap().what, came(Verdict::Accepted, "the first"));
    for number in 0..KEPT {
        access
            .keep_delivery(&hook, &came(Verdict::Repeated, &number.to_string()))
            .unwrap();
    }
    let all = access.deliveries(&hook, 1_000).unwrap();
    assert_eq!(all.len(), KEPT + KEPT_REFUSED);
    assert!(all.iter().all(|one| one.what.detail != "the first"));
    assert_eq!(access.deliveries(&hook, 3).unwrap().len(), 3);
}

#[test]
fn a_hook_works_from_when_it_told_something_until_something_is_found_that_it_did_not_tell() {
    let place = Place::new();
    let access = place.open();
    let works = || access.hook_of(id()).unwrap().is_some_and(|hook| hook.works);
    access.hook_heard(id()).unwrap();
    assert!(!access.hook_missed(id(), place.clock.now()).unwrap(), "there is none");
    access.make_hook(id(), &name()).unwrap();
    assert!(!works());
    let before = place.clock.now();
    place.pass(Duration::from_secs(1));
    access.hook_heard(id()).unwrap();
    assert!(works());
    assert!(
        !access.hook_missed(id(), before).unwrap(),
        "it was told while somebody looked"
    );
    assert!(works());
    place.pass(Duration::from_secs(1));
    assert!(access.hook_missed(id(), place.clock.now()).unwrap());
    assert!(!works());
    assert!(!access.hook_missed(id(), place.clock.now()).unwrap(), "it is told once");
    place.pass(Duration::from_secs(1));
    access.hook_heard(id()).unwrap();
    assert!(works());
}
