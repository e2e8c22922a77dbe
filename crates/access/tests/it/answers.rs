//! Requests that are sent again.

use std::time::Duration;

use access::answers::KEPT;
use access::{KeptAnswer, Repetition};
use facts::Actor;

use crate::support::Place;

fn answer(body: Option<&str>) -> KeptAnswer {
    KeptAnswer {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.map(|body| body.as_bytes().to_vec()),
    }
}

#[test]
fn a_request_is_done_once_and_answered_again_until_it_is_forgotten() {
    let place = Place::new();
    let access = place.open();
    let begin = |parts: &[&[u8]]| access.begin_request(Actor::System, "key", parts).unwrap();
    assert_eq!(begin(&[b"a", b"b"]), Repetition::First);
    assert_eq!(begin(&[b"a", b"b"]), Repetition::Unanswered);
    access.keep_answer(Actor::System, "key", &answer(Some("{}"))).unwrap();
    assert_eq!(begin(&[b"a", b"b"]), Repetition::Answered(answer(Some("{}"))));
    assert_eq!(
        begin(&[b"ab", b""]),
        Repetition::Another,
        "parts do not run into one another"
    );
    access.forget_request(Actor::System, "key").unwrap();
    assert_eq!(begin(&[b"c"]), Repetition::First);
    place.pass(KEPT + Duration::from_secs(1));
    assert_eq!(begin(&[b"d"]), Repetition::First, "old keys are free again");
}

#[test]
fn the_store_holds_no_text_of_a_request_or_its_key() {
    let place = Place::new();
    let access = place.open();
    let canary: &[u8] = b"correct horse battery";
    access
        .begin_request(Actor::System, "key-of-a-request", &[canary])
        .unwrap();
    access
        .keep_answer(Actor::System, "key-of-a-request", &answer(None))
        .unwrap();
    drop(access);
    let bytes = std::fs::read(place.folder.path().join(access::Access::FILE)).unwrap();
    for text in [canary, b"key-of-a-request"] {
        assert!(!bytes.windows(text.len()).any(|window| window == text));
    }
}

#[test]
fn a_store_of_the_first_version_gets_what_it_lacks() {
    let place = Place::new();
    drop(place.open());
    place
        .raw()
        .execute_batch("DROP TABLE answers; DROP TABLE outbox; DROP TABLE outbox_position; DROP TABLE read_positions; DROP TABLE deliveries; DROP TABLE hooks; DROP TABLE statuses; DROP TABLE status_targets; PRAGMA user_version = 1")
        .unwrap();
    let begun = place.open().begin_request(Actor::System, "key", &[]).unwrap();
    assert_eq!(begun, Repetition::First);
}
