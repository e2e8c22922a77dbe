//! Prefixed, sortable ids.
//!
//! An id is a prefix that says what it names, and 26 digits of Crockford's base 32 (lower case): a
//! UUID version 7, so ids sort by the time they were made. Ids are never made inside a decision: a
//! command brings them, or they are derived from the stream and the version of the fact that makes
//! them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::entropy::Entropy;
use crate::envelope::Stream;

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text that is not the expected kind of id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form `{prefix}_` and 26 digits")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

fn version_seven(milliseconds: u64, rest: [u8; 10]) -> u128 {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&milliseconds.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&rest);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    u128::from_be_bytes(bytes)
}

/// Writes `PREFIX_` and the 26 digits. Ids are written often, so no text is made for it.
fn write(f: &mut fmt::Formatter<'_>, prefix: &str, value: u128) -> fmt::Result {
    let (mut digits, mut rest) = ([0; 26], value);
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest & 31) as usize];
        rest >>= 5;
    }
    f.write_str(prefix)?;
    f.write_str("_")?;
    f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != 26 {
        return None;
    }
    let mut value: u128 = 0;
    for (place, byte) in text.bytes().enumerate() {
        let digit = DIGITS.iter().position(|d| *d == byte)? as u128;
        if place == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | digit;
    }
    Some(value)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id for something made at `now`.
            pub fn new(now: Timestamp, entropy: &dyn Entropy) -> Self {
                let mut rest = [0; 10];
                entropy.fill(&mut rest);
                Self(version_seven(now.as_millisecond().max(0) as u64, rest))
            }

            /// The id of the `index`-th thing that the fact at `version` of `stream` makes: always
            /// the same one for the same place.
            pub fn derived(now: Timestamp, stream: &Stream, version: u64, index: u32) -> Self {
                let seed = Digest::of(format!("{}\n{}\n{version}\n{index}", $prefix, stream.as_str()));
                let mut rest = [0; 10];
                rest.copy_from_slice(&seed.as_bytes()[..10]);
                Self(version_seven(now.as_millisecond().max(0) as u64, rest))
            }

            /// The id that belongs to a text key for good, such as a name first seen.
            pub fn of_key(key: &str) -> Self {
                let seed = Digest::of(format!("{}\n{key}", $prefix));
                let mut rest = [0; 10];
                rest.copy_from_slice(&seed.as_bytes()[..10]);
                Self(version_seven(0, rest))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(f, $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or_else(|| IdError { text: text.chars().take(80).collect(), prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

id!(
    /// One fact in the ledger.
    FactId, "fact"
);
id!(
    /// One run of a pipeline or of a deployment.
    RunId, "run"
);
id!(
    /// One attempt of one step of a run.
    AttemptId, "attempt"
);
id!(
    /// A component, whatever it is called today.
    ComponentId, "component"
);
id!(
    /// One deployment.
    DeploymentId, "deployment"
);
id!(
    /// One running instance of a package.
    InstanceId, "instance"
);
id!(
    /// A person or a machine that acts.
    ActorId, "actor"
);
id!(
    /// An access token (not its secret).
    TokenId, "token"
);
id!(
    /// A stored secret (not its value).
    SecretId, "secret"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = RunId::new(Timestamp::from_second(1_000).unwrap(), &SystemEntropy);
        let late = RunId::new(Timestamp::from_second(1_001).unwrap(), &SystemEntropy);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn an_id_reads_back_and_keeps_to_its_kind() {
        let id = RunId::new(Timestamp::from_second(1_800_000_000).unwrap(), &SystemEntropy);
        assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        assert!(id.to_string().parse::<FactId>().is_err());
        assert!("run_".parse::<RunId>().is_err());
        assert!("run_zzzzzzzzzzzzzzzzzzzzzzzzzz".parse::<RunId>().is_err());
    }

    #[test]
    fn a_derived_id_depends_on_its_place_alone() {
        let at = Timestamp::from_second(5).unwrap();
        let stream = Stream::new("run", "a");
        assert_eq!(FactId::derived(at, &stream, 1, 0), FactId::derived(at, &stream, 1, 0));
        assert_ne!(FactId::derived(at, &stream, 1, 0), FactId::derived(at, &stream, 2, 0));
    }
}
