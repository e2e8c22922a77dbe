//! What stands in ledgers: the bodies of the published kinds never change their shape.

use facts::published::{STATE_OBSERVED, StateObserved, VERDICT_RECORDED, VerdictRecorded};
use testkit::{check_fixture, fixtures};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_published_fact_that_was_ever_written_is_read_and_written_the_same() {
    let checked = [
        check_fixture::<StateObserved>(HERE, STATE_OBSERVED, 1),
        check_fixture::<VerdictRecorded>(HERE, VERDICT_RECORDED, 1),
    ];
    assert_eq!(
        fixtures(HERE),
        checked,
        "each fixture is of a kind, and each kind has one"
    );
}
