//! Messages of commits and names of tags.
#![no_main]

use libfuzzer_sys::fuzz_target;
use source::message::{change_id, depends_on, trailers};

fuzz_target!(|text: &str| {
    for trailer in trailers(text) {
        let line = usize::try_from(trailer.line).expect("a line");
        let said = text
            .split('\n')
            .nth(line - 1)
            .unwrap_or_else(|| panic!("no line {line}: {text:?}"));
        assert!(!trailer.key.is_empty() && said.starts_with(&trailer.key), "{text:?}");
    }
    let _ = (depends_on(text), change_id(text));
});
