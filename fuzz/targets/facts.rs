//! Facts as they are stored, and exports of them: read or refused; what is no chain is never called good.
#![no_main]

use facts::Fact;
use ledger::{ExportCheck, Kept};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Fact::from_stored(bytes);
    let mut check = ExportCheck::new(Vec::<Kept>::new());
    for line in bytes.split(|byte| *byte == b'\n') {
        if !check.line(line) {
            break;
        }
    }
    let good = check.finish().is_good();
    // No search finds the hash of a fact by trying.
    assert!(
        !good || bytes.iter().all(|byte| *byte == b'\n'),
        "taken for a chain: {bytes:?}"
    );
});
