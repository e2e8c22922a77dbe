//! What search finds.

use facts::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was found, by kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Search {
    /// `search/1`.
    pub schema: String,
    /// What was asked.
    pub query: String,
    /// The fact up to which the search knows.
    pub as_of: u64,
    /// What was found, one group a kind; kinds without a hit are left out.
    pub groups: Vec<SearchGroup>,
}

/// What was found of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchGroup {
    /// `component`, `environment`, `change`, `package`, `run` or `person`.
    pub kind: String,
    /// The hits: those that hold the asked words whole come first, then the newest.
    pub hits: Vec<SearchHit>,
    /// Whether there are more than these.
    pub more: bool,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchHit {
    /// What names it: of a component and an environment the name, of a change the commit, of a package
    /// the digest, of runs and people the id.
    pub id: String,
    /// What it is called: a name, a commit's first line, a version, what a run is for.
    pub title: String,
    /// Whose it is, `team/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The branch of a change, the result of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it came.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Its page on the server, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
