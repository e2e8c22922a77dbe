//! What stands in ledgers: the bodies of delivery's facts never change their shape.

use std::path::Path;

use delivery::DeliveryFact;
use delivery::kinds::KINDS;
use serde_json::Value;

/// One file for each kind and version: `KIND.vN.json`, with several bodies where a kind has several
/// forms.
#[test]
fn every_fact_of_delivery_that_was_ever_written_is_read_and_written_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for kind in KINDS {
        let path = folder.join(format!("{kind}.v1.json"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for body in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
            let read = DeliveryFact::read(kind, &body).unwrap().unwrap();
            assert_eq!(read.kind(), *kind);
            assert_eq!(
                serde_json::to_value(&read).unwrap().to_string(),
                body.to_string(),
                "{kind}"
            );
        }
    }
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, KINDS.len(), "a fixture without a kind");
}
