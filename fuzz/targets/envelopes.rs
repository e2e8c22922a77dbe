//! Signed envelopes and keys: what was not signed never opens, and no text brings the readers of keys down.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use signing::{Envelope, PublicKey, SigningKey};

const TYPE: &str = "application/vnd.example";
const SIGNED: &[u8] = br#"{"position":7}"#;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let name = format!("throughline-fuzz-{}.key", std::process::id());
    let file = std::env::temp_dir().join(name);
    let key = SigningKey::create(&file, &facts::SystemEntropy).expect("a key in the folder of temporary files");
    std::fs::remove_file(&file).expect("the key's file is there");
    key
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes)
        && let Ok((payload, _)) = envelope.open(TYPE, &[KEY.public().clone()])
    {
        assert_eq!(payload, SIGNED);
    }
    // The same with a signature that is one, and a payload that is whatever it is.
    let mut changed = Envelope::sign(TYPE, SIGNED, &KEY);
    if let Ok(text) = std::str::from_utf8(bytes) {
        changed.payload = text.to_owned();
        if let Ok((payload, _)) = changed.open(TYPE, &[KEY.public().clone()]) {
            assert_eq!(payload, SIGNED);
        }
        let _ = PublicKey::from_pem(text, "it");
        if let Ok(keys) = PublicKey::all_in(text, "it") {
            assert!(!keys.is_empty());
        }
    }
});
