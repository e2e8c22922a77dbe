//! Exports that somebody changed, anywhere and in any way, and bytes that are no facts.

use facts::Fact;
use ledger::{ExportCheck, Kept};
use proptest::prelude::*;

use crate::checkpoints::{checkpoint, exported, ten_facts};

/// The bytes of the facts in an export, one a line.
fn facts_in(export: &[u8]) -> Vec<Vec<u8>> {
    let lines = export.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let fact = |line: &[u8]| {
        let at = line.windows(8).position(|window| window == b",\"fact\":");
        at.map_or_else(Vec::new, |at| line[at + 8..].to_vec())
    };
    lines.map(fact).collect()
}

/// A change to a text.
#[derive(Debug, Clone)]
enum Edit {
    Byte(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    /// The bytes at the one place stand at the other too.
    Copy(prop::sample::Index, prop::sample::Index, usize),
    SwapLines(prop::sample::Index, prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    let pieces = vec![
        "}", "\"", ",", "0", "1", "\n", "\\u0000", "sha256:", " ", "e", "null", "\u{feff}",
    ];
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        (at(), 1usize..200).prop_map(|(at, length)| Edit::Remove(at, length)),
        (at(), prop::sample::select(pieces)).prop_map(|(at, piece)| Edit::Insert(at, piece.as_bytes().to_vec())),
        (at(), at(), 1usize..900).prop_map(|(from, to, length)| Edit::Copy(from, to, length)),
        (at(), at()).prop_map(|(one, other)| Edit::SwapLines(one, other)),
    ]
}

fn apply(bytes: &mut Vec<u8>, edit: Edit) {
    if bytes.is_empty() {
        return;
    }
    match edit {
        Edit::Byte(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        Edit::Remove(at, length) => {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Edit::Insert(at, piece) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, piece);
        }
        Edit::Copy(from, to, length) => {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
            bytes.splice(to..to, piece);
        }
        Edit::SwapLines(one, other) => {
            let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
            *bytes = lines.join(&b'\n');
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_change_of_an_export_goes_unnoticed_where_its_end_was_kept(edits in prop::collection::vec(edit(), 1..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (mut export, end) = runtime.block_on(async {
            let ledger = ten_facts().await;
            (exported(&ledger).await.join(&b'\n'), checkpoint(&ledger, 10).await)
        });
        let before = facts_in(&export);
        for edit in edits {
            apply(&mut export, edit);
        }
        let mut check = ExportCheck::new([Kept::from(end)]);
        for line in export.split(|byte| *byte == b'\n') {
            if !check.line(line) {
                break;
            }
        }
        if check.finish().is_good() {
            prop_assert_eq!(facts_in(&export), before);
        }
    }

    #[test]
    fn no_bytes_bring_the_reader_of_facts_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Fact::from_stored(&bytes);
        let mut check = ExportCheck::new(Vec::<Kept>::new());
        check.line(&bytes);
        prop_assert!(!check.finish().is_good() || bytes.is_empty());
    }
}
