//! Checked names: what comes in as text is checked once and trusted afterwards.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that cannot be the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {rule}")]
pub struct NameError {
    /// The text, cut after 80 characters.
    pub text: String,
    /// What it should have named.
    pub what: &'static str,
    /// What such a name looks like.
    pub rule: &'static str,
}

/// Letters, digits and `-_.`, at most 63, a letter or digit first and last.
fn is_word(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 63
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
        && !text.contains("..")
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks `text`.
            ///
            /// # Errors
            /// When the text breaks the rule that the error states.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) {
                    Ok(Self(text))
                } else {
                    Err(NameError { text: text.chars().take(80).collect(), what: $what, rule: $rule })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

name!(
    /// A component's name, `team/component`.
    ComponentName,
    "component name",
    "`team/component` is expected, each part of lower-case letters, digits and `-_.`",
    |text| text.split_once('/').is_some_and(|(team, name)| is_word(team) && is_word(name) && !name.ends_with(".git"))
);
name!(
    /// An environment's name, such as `production`.
    EnvironmentName,
    "environment name",
    "lower-case letters, digits and `-_.` are expected, at most 63",
    is_word
);
name!(
    /// A step's name within its pipeline.
    StepName,
    "step name",
    "lower-case letters, digits and `-_.` are expected, at most 63",
    is_word
);
name!(
    /// A git commit: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
    Commit,
    "commit id",
    "40 or 64 lower-case hex digits are expected",
    |text| matches!(text.len(), 40 | 64)
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);
name!(
    /// A branch that is delivered, without `refs/heads/`.
    ReleaseLine,
    "branch name",
    "a git branch name is expected, without `..`, spaces or control characters, and not beginning with `-`",
    |text| !text.is_empty()
        && text.len() <= 200
        && !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && !text.ends_with(".lock")
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("@{")
        && !text.contains("/.")
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c))
);
name!(
    /// The name of a package within its component, such as `1.4.0`.
    Version,
    "version",
    "letters, digits and `.-_` are expected, at most 128, a letter or digit first",
    |text| text.len() <= 128
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
);

impl ComponentName {
    /// The part before the slash.
    pub fn team(&self) -> &str {
        self.0.split_once('/').map_or("", |(team, _)| team)
    }

    /// The part after the slash.
    pub fn short(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl Commit {
    /// The first ten digits: what people read.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }

    /// The commit id of all zeros, by which git says "no commit".
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_options_or_paths_are_refused() {
        for text in ["", "-x", "a/../b", "/a", "a b", "a\n", "refs/..", ".hidden", "x.lock"] {
            assert!(ReleaseLine::new(text).is_err(), "{text:?}");
        }
        for text in ["a", "a/b/c", "../a", "a/..", "A/b", "a/-b", "a/b.git"] {
            assert!(ComponentName::new(text).is_err(), "{text:?}");
        }
        assert!(ReleaseLine::new("release/2.x").is_ok());
        assert_eq!(ComponentName::new("shop/cart").unwrap().team(), "shop");
    }
}
