//! Secrets on their way to an instance.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// The value of a secret: not shown, wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// Takes a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

impl Serialize for SecretValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal())
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// One secret for an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSecret {
    /// Its name, and that of its file.
    pub name: String,
    /// Its value.
    pub value: SecretValue,
    /// The variable that holds it too, where that is wanted.
    #[serde(default)]
    pub variable: Option<String>,
}

impl LaunchSecret {
    /// Whether the name can be that of a file in a folder.
    pub(crate) fn has_plain_name(&self) -> bool {
        !self.name.is_empty()
            && !self.name.starts_with('.')
            && !self.name.contains(['/', '\0'])
            && self.name.len() < 200
    }
}
