//! What stands in ledgers: the bodies of delivery's facts never change their shape.

use delivery::DeliveryFact;
use delivery::kinds::KINDS;
use testkit::{check_fixture_with, fixtures};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// One file for each kind and version: `KIND.vN.json`, with several bodies where a kind has several
/// forms.
#[test]
fn every_fact_of_delivery_that_was_ever_written_is_read_and_written_the_same() {
    let check = |kind: &&str| {
        check_fixture_with(HERE, kind, 1, |body| {
            let read = DeliveryFact::read(kind, body)?.unwrap();
            assert_eq!(read.kind(), *kind);
            Ok(read)
        })
    };
    let mut checked: Vec<String> = KINDS.iter().map(check).collect();
    checked.sort();
    assert_eq!(
        checked,
        fixtures(HERE),
        "each fixture is of a kind, and each kind has one"
    );
}
