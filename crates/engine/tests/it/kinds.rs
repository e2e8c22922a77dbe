use std::path::Path;

use engine::kinds::{ALL, RunFact, VERSION};
use facts::{Actor, FactId, NewFact, Stream, Timestamp, Trust};

/// One file for each kind and version: `KIND.vN.json`. They never change; what they hold stands in
/// ledgers.
#[test]
fn every_fact_of_a_run_that_was_ever_written_is_read_and_written_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for kind in ALL {
        let path = folder.join(format!("{kind}.v{VERSION}.json"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // A file holds several bodies where a kind has several forms.
        for body in serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap() {
            let fact = NewFact {
                stream: Stream::from("run/x".to_owned()),
                id: FactId::of_key(kind),
                kind: (*kind).to_owned(),
                kind_version: VERSION,
                occurred_at: Timestamp::UNIX_EPOCH,
                actor: Actor::System,
                on_behalf_of: None,
                trust: Trust::Trusted,
                cause: None,
                correlation: None,
                external_key: None,
                body: body.clone(),
            };
            let read = RunFact::read(&fact).unwrap().unwrap();
            assert_eq!(read.kind(), *kind);
            assert_eq!(read.body().to_string(), body.to_string(), "{kind}");
        }
    }
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, ALL.len(), "a fixture without a kind");
}
