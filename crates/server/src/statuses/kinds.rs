//! The fact that says where commit statuses are said.

use facts::{ComponentId, Stream};
use forge::Target;
use serde::{Deserialize, Serialize};

/// The kind of [`StatusesChanged`].
pub const STATUSES_CHANGED: &str = "statuses.changed";

/// The stream of what is said of a repository's commits.
pub fn stream(component: ComponentId) -> Stream {
    Stream::new("statuses", component)
}

/// From now on the states of a repository's commits are said elsewhere, or no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusesChanged {
    /// Where; nothing where they are said no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
}

/// Where the states of commits are said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// To which host, and what it calls the repository.
    pub to: Target,
    /// The name of the secret with the token.
    pub token: String,
}
