//! Definitions and environments: read, or refused with places in the file; both ways to read YAML agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipeline::{Definition, Diagnostics, Environments};

fn places(wrong: &Diagnostics, text: &[u8]) {
    // In YAML a carriage return of its own ends a line too.
    let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).count();
    let mut told = 0;
    for each in wrong.iter() {
        assert!(each.line >= 1 && each.line as usize <= lines, "{each}");
        told += 1;
    }
    assert!(told > 0, "refused without a word");
}

fuzz_target!(|bytes: &[u8]| {
    if let Err(wrong) = Definition::parse_bytes(bytes, "throughline.yaml") {
        places(&wrong, bytes);
    }
    if let Err(wrong) = Environments::parse_bytes(bytes, "environments.yaml") {
        places(&wrong, bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(
            pipeline::fuzzing::readers_agree(text),
            "the two readers differ: {text:?}"
        );
    }
});
