//! Facts, looked through.

use facts::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A list of facts, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Facts {
    /// `facts/1`.
    pub schema: String,
    /// The fact up to which the list knows.
    pub as_of: u64,
    /// The facts.
    pub facts: Vec<FactLine>,
    /// Hand this in as `after` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A fact in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FactLine {
    /// Its place in the ledger.
    pub position: u64,
    /// When it was recorded.
    #[schema(value_type = String)]
    pub recorded_at: Timestamp,
    /// Its kind.
    pub kind: String,
    /// The line of facts it belongs to.
    pub stream: String,
    /// Its place there, from 1.
    pub version: u64,
    /// Who brought it about: `user:ID`, `token:ID`, `run:ID` or `system`.
    pub actor: String,
    /// Its id.
    pub id: String,
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: Digest,
}

/// One fact whole, and its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fact {
    /// `fact/1`.
    pub schema: String,
    /// Its place in the ledger.
    pub position: u64,
    /// Whether its bytes have its hash and name the hash of the fact before.
    pub whole: bool,
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: Digest,
    /// The hash of the fact before; zeros for the first.
    #[schema(value_type = String)]
    pub previous: Digest,
    /// The hash of the fact after, where there is one.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Digest>,
    /// Where the fact stands that led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// The stored fields.
    #[schema(value_type = Object)]
    pub fact: serde_json::Value,
}
