//! Who acts, and how far a source event is trusted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::{ActorId, RunId, TokenId};

/// Whoever made a fact come about. People are opaque ids here; their names live in an erasable
/// directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A person.
    User(ActorId),
    /// A machine that holds an access token.
    Token(TokenId),
    /// A run of a pipeline.
    Run(RunId),
    /// Throughline itself.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Token(id) => write!(f, "token:{id}"),
            Self::Run(id) => write!(f, "run:{id}"),
            Self::System => f.write_str("system"),
        }
    }
}

/// A text that names no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no actor: `user:ID`, `token:ID`, `run:ID` or `system` is expected")]
pub struct ActorError(String);

impl FromStr for Actor {
    type Err = ActorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ActorError(text.chars().take(80).collect());
        if text == "system" {
            return Ok(Self::System);
        }
        match text.split_once(':').ok_or_else(wrong)? {
            ("user", id) => id.parse().map(Self::User).map_err(|_| wrong()),
            ("token", id) => id.parse().map(Self::Token).map_err(|_| wrong()),
            ("run", id) => id.parse().map(Self::Run).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// How far the event that started something is trusted. The server computes it from where the event
/// came from; nothing in a payload can raise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// From outside: a fork, or an author nobody vouches for.
    Untrusted,
    /// Pushed by somebody who may write here.
    Trusted,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untrusted => "untrusted",
            Self::Trusted => "trusted",
        })
    }
}
