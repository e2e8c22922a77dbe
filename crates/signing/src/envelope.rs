//! DSSE envelopes, version 1: bytes of a named type, and signatures over both.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use crate::key::{KeyId, PublicKey, SigningKey};

/// Signed bytes of a type, as the specification of DSSE has them in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// What the bytes are.
    pub payload_type: String,
    /// The bytes in base 64.
    pub payload: String,
    /// Who signed them.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The name of the key; a hint, and no more, for whoever looks for the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyid: Option<String>,
    /// The signature in base 64.
    pub sig: String,
}

/// Why an envelope is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It holds something else.
    #[error("it holds `{found}`, and `{expected}` is expected")]
    Type {
        /// What it holds.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// The bytes are no base 64.
    #[error("its payload is not in base 64")]
    Payload,
    /// No key that is trusted signed it.
    #[error("it is signed by the key {signed}, not by {trusted}")]
    Untrusted {
        /// The keys that it says signed it.
        signed: String,
        /// The keys that are trusted.
        trusted: String,
    },
    /// A trusted key is said to have signed it, and has not.
    #[error("its signature is not that of the key {0}: it was changed, or made up")]
    Forged(String),
}

/// What is signed: the pre-authentication encoding of DSSE.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    /// Signs bytes of a type.
    pub fn sign(payload_type: &str, payload: &[u8], key: &SigningKey) -> Self {
        Self {
            payload_type: payload_type.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Signature {
                keyid: Some(key.id().to_string()),
                sig: STANDARD.encode(key.sign(&signed_bytes(payload_type, payload))),
            }],
        }
    }

    /// The bytes, if one of `keys` signed them as this type, and which did.
    ///
    /// # Errors
    /// When they are not to be believed.
    pub fn open(&self, payload_type: &'static str, keys: &[PublicKey]) -> Result<(Vec<u8>, KeyId), EnvelopeError> {
        if self.payload_type != payload_type {
            return Err(EnvelopeError::Type {
                found: self.payload_type.chars().take(100).collect(),
                expected: payload_type,
            });
        }
        let payload = decoded(&self.payload).ok_or(EnvelopeError::Payload)?;
        let message = signed_bytes(payload_type, &payload);
        // The name of the key is a hint: what counts is whose signature it is.
        for signature in self.signatures.iter().filter_map(|signature| decoded(&signature.sig)) {
            if let Some(key) = keys.iter().find(|key| key.verifies(&message, &signature)) {
                return Ok((payload, key.id()));
            }
        }
        let named: Vec<&str> = self
            .signatures
            .iter()
            .filter_map(|signature| signature.keyid.as_deref())
            .collect();
        if let Some(key) = keys.iter().find(|key| named.contains(&key.id().as_str())) {
            return Err(EnvelopeError::Forged(key.id().short().to_owned()));
        }
        let short = |text: &&str| text.chars().take(12).collect::<String>();
        let signed: Vec<String> = named.iter().map(short).collect();
        let trusted: Vec<String> = keys.iter().map(|key| key.id().short().to_owned()).collect();
        Err(EnvelopeError::Untrusted {
            signed: listed(&signed),
            trusted: listed(&trusted),
        })
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "(none)".to_owned()
    } else {
        names.join(", ")
    }
}

/// Base 64 in either alphabet, as the specification wants readers to take both.
fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testkit::SeededEntropy;

    use super::*;

    const TYPE: &str = "application/vnd.example+json";

    fn key(seed: u64) -> SigningKey {
        let folder = tempfile::tempdir().unwrap();
        SigningKey::create(&folder.path().join("key"), &SeededEntropy::new(seed)).unwrap()
    }

    /// The example in the specification of DSSE.
    #[test]
    fn what_is_signed_is_what_the_specification_says() {
        assert_eq!(
            signed_bytes("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn an_envelope_opens_with_the_key_that_signed_it_also_among_others() {
        let (ours, other) = (key(1), key(2));
        let envelope = Envelope::sign(TYPE, b"{}", &ours);
        let keys = [other.public().clone(), ours.public().clone()];
        assert_eq!(envelope.open(TYPE, &keys).unwrap(), (b"{}".to_vec(), ours.id().clone()));
        let text = serde_json::to_string(&envelope).unwrap();
        assert!(
            text.starts_with(
                r#"{"payloadType":"application/vnd.example+json","payload":"e30=","signatures":[{"keyid":""#
            )
        );
        assert_eq!(serde_json::from_str::<Envelope>(&text).unwrap(), envelope);
        let mut nameless = envelope;
        nameless.signatures[0].keyid = None;
        assert!(nameless.open(TYPE, &keys).is_ok());
    }

    #[test]
    fn whatever_was_changed_does_not_open() {
        let (ours, other) = (key(1), key(2));
        let envelope = Envelope::sign(TYPE, b"{}", &ours);
        let keys = [ours.public().clone()];
        let changed = |change: &dyn Fn(&mut Envelope)| {
            let mut envelope = envelope.clone();
            change(&mut envelope);
            envelope.open(TYPE, &keys).unwrap_err()
        };
        assert!(matches!(
            changed(&|envelope| envelope.payload = STANDARD.encode("{ }")),
            EnvelopeError::Forged(_)
        ));
        assert!(matches!(
            changed(&|envelope| envelope.signatures[0].sig = STANDARD.encode([0; 64])),
            EnvelopeError::Forged(_)
        ));
        assert!(matches!(
            changed(&|envelope| envelope.payload_type = "application/json".to_owned()),
            EnvelopeError::Type { .. }
        ));
        assert_eq!(
            changed(&|envelope| envelope.payload = "***".to_owned()),
            EnvelopeError::Payload
        );
        assert!(matches!(
            changed(&|envelope| envelope.signatures.clear()),
            EnvelopeError::Untrusted { .. }
        ));
        let error = envelope.open(TYPE, &[other.public().clone()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "it is signed by the key {}, not by {}",
                ours.id().short(),
                other.id().short()
            )
        );
        // A signature over another type does not count for this one.
        let elsewhere = Envelope::sign("application/other", b"{}", &ours);
        let relabelled = Envelope {
            payload_type: TYPE.to_owned(),
            ..elsewhere
        };
        assert!(matches!(relabelled.open(TYPE, &keys), Err(EnvelopeError::Forged(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// A signed envelope with anything changed in its text opens to what was signed, or not at all.
        #[test]
        fn no_change_of_an_envelope_opens_to_something_else(
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, any::<u8>(), "[A-Za-z0-9+/=_\"{}:,-]{0,6}"), 1..4),
        ) {
            static OURS: std::sync::LazyLock<SigningKey> = std::sync::LazyLock::new(|| key(1));
            let ours = &*OURS;
            let text = serde_json::to_string(&Envelope::sign(TYPE, b"{\"position\":7}", ours)).unwrap();
            let mut bytes = text.into_bytes();
            for (at, what, byte, piece) in edits {
                if bytes.is_empty() {
                    break;
                }
                let at = at.index(bytes.len());
                match what {
                    0 => bytes[at] = byte,
                    1 => _ = bytes.remove(at),
                    2 => bytes.truncate(at.max(1)),
                    _ => _ = bytes.splice(at..at, piece.into_bytes()).count(),
                }
            }
            if let Ok(envelope) = serde_json::from_slice::<Envelope>(&bytes)
                && let Ok((payload, by)) = envelope.open(TYPE, std::slice::from_ref(ours.public()))
            {
                prop_assert_eq!(payload, b"{\"position\":7}");
                prop_assert_eq!(&by, ours.id());
            }
        }

        #[test]
        fn no_text_brings_the_readers_of_keys_down(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----", "-----BEGIN PRIVATE KEY-----", "\n", "\r\n", " ",
                    "MCowBQYDK2VwAyEA", "AAAA", "=", "é", "-----",
                ]),
                0..12,
            ),
        ) {
            let text = parts.concat();
            let _ = PublicKey::from_pem(&text, "it");
            if let Ok(keys) = PublicKey::all_in(&text, "it") {
                prop_assert!(!keys.is_empty());
            }
        }
    }
}
