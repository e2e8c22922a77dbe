//! What search finds.

use facts::{Position, Timestamp};
use serde::Serialize;

/// The page of search.
#[derive(Debug, Clone, Serialize)]
pub struct SearchPage {
    /// What was asked; empty before anything is.
    pub query: String,
    /// The fact up to which the search knows.
    pub as_of: Position,
    /// What was found, one group a kind.
    pub groups: Vec<SearchGroup>,
}

/// What was found of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct SearchGroup {
    /// `component`, `environment`, `change`, `package`, `run`, `person`.
    pub kind: String,
    /// The hits, closest and newest first.
    pub hits: Vec<SearchHit>,
    /// Whether there are more than these.
    pub more: bool,
}

/// Something that was found.
#[derive(Debug, Clone, Serialize)]
pub struct SearchHit {
    /// What names it: a commit, a digest, an id, a name.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// Whose it is.
    pub component: Option<String>,
    /// What else is known.
    pub note: Option<String>,
    /// When it came.
    pub at: Option<Timestamp>,
    /// Its page, a path on this server.
    pub path: Option<String>,
}
