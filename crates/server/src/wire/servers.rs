//! The servers that work on the facts, and what each leads.

use facts::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The servers that live, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Servers {
    /// `servers/1`.
    pub schema: String,
    /// The servers.
    pub servers: Vec<Server>,
    /// Duties that no server leads now, such as right after the one that led them has ended.
    pub unled: Vec<String>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// Where it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its process.
    pub process: u32,
    /// The name of its machine.
    pub host: String,
    /// Its version.
    pub version: String,
    /// Since when it is there.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it was at work last, as far as is known.
    #[schema(value_type = String, format = DateTime)]
    pub heard_at: Timestamp,
    /// Whether it is at work; one that was stopped without having ended is not.
    pub at_work: bool,
    /// Whether it is the one that answers here.
    pub this: bool,
    /// What it leads.
    pub leads: Vec<Led>,
}

/// A duty that a server leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Led {
    /// The duty.
    pub duty: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}
