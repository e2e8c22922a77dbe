//! Secrets in what a step says: however it arrives, what goes on is what the definition says. The first byte says how
//! long the secret is, the second how long the pieces are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use process::mask::{Masker, Secrets};

fuzz_target!(|bytes: &[u8]| {
    let [length, piece, rest @ ..] = bytes else { return };
    let (secret, text) = rest.split_at(usize::from(*length).min(rest.len()));
    let (one, other) = secret.split_at(secret.len() / 2);
    for secrets in [
        vec![secret.to_vec()],
        vec![one.to_vec(), other.to_vec(), secret.to_vec()],
    ] {
        let mut masker = Masker::new(Secrets::new(&secrets));
        let mut out = Vec::new();
        for part in text.chunks(usize::from(*piece).max(1)) {
            masker.push(part, &mut out);
        }
        masker.finish(&mut out);
        assert_eq!(out, process::mask::by_definition(&secrets, text));
    }
});
