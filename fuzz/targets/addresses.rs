//! Addresses of repositories: what is accepted is an address and nothing else, and no password is repeated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use source::remote::{Address, Allowed};

const ALL: Allowed = Allowed {
    plain_http: true,
    files: true,
};

fuzz_target!(|text: &str| {
    // Told from the rest of the text, it can be looked for.
    let secret = "hunter2";
    match Address::parse(text, ALL) {
        Ok(address) => {
            assert!(!text.starts_with('-'), "{text:?}");
            assert!(!text.chars().any(|c| c.is_control() || c.is_whitespace()), "{text:?}");
            assert_eq!(Address::parse(address.as_str(), ALL).as_ref(), Ok(&address), "{text:?}");
        }
        Err(wrong) if text.contains(":hunter2@") && text.matches(secret).count() == 1 => {
            assert!(!wrong.to_string().contains(secret), "{text:?}: {wrong}");
        }
        Err(wrong) => assert!(!wrong.to_string().is_empty()),
    }
});
