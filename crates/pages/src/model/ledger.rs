//! The record of what happened, to be looked through and checked.

use std::time::Duration;

use facts::{Digest, Position, Timestamp};
use serde::Serialize;

/// The list of facts.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerPage {
    /// What the list is filtered by.
    pub filter: FactFilter,
    /// The kinds there are, with how many facts of each.
    pub kinds: Vec<(String, u64)>,
    /// The facts, newest first.
    pub facts: Vec<FactLine>,
    /// The fact up to which the list knows.
    pub as_of: Position,
    /// The query of the newest page, without the question mark.
    pub newest: Option<String>,
    /// The query of the page with older facts, without the question mark.
    pub older: Option<String>,
    /// What the last verification came to.
    pub verification: Verification,
}

/// What facts are filtered by; empty texts filter nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FactFilter {
    /// A stream, or what stands before the slash in it.
    pub stream: String,
    /// A kind.
    pub kind: String,
    /// An actor, as facts name it.
    pub actor: String,
    /// Not before.
    pub since: String,
    /// Before.
    pub until: String,
}

impl FactFilter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A fact in a line.
#[derive(Debug, Clone, Serialize)]
pub struct FactLine {
    /// Its place in the ledger.
    pub position: Position,
    /// When it was recorded.
    pub at: Timestamp,
    /// Its kind.
    pub kind: String,
    /// The line of facts it belongs to.
    pub stream: String,
    /// Who brought it about, by the name to show.
    pub by: String,
    /// Its hash.
    pub hash: Digest,
}

/// One fact whole.
#[derive(Debug, Clone, Serialize)]
pub struct FactPage {
    /// Its place in the ledger.
    pub position: Position,
    /// Its kind, with the version of its shape.
    pub kind: String,
    /// The version of the shape of its body.
    pub kind_version: u64,
    /// The line of facts it belongs to.
    pub stream: String,
    /// Its place there, from 1.
    pub version: u64,
    /// The page of what the stream is about, a path on this server.
    pub about: Option<String>,
    /// Its id.
    pub id: String,
    /// Who brought it about, by the name to show.
    pub by: String,
    /// The same as facts name it.
    pub actor: String,
    /// When it was recorded.
    pub recorded_at: Option<Timestamp>,
    /// When it happened.
    pub occurred_at: Option<Timestamp>,
    /// Further fields of the envelope that hold something, by name.
    pub more: Vec<(String, String)>,
    /// The fact that led to it: its id, and its place where that is known.
    pub cause: Option<(String, Option<Position>)>,
    /// Its body, as JSON on several lines.
    pub body: String,
    /// How many bytes are stored.
    pub bytes: u64,
    /// Its place in the chain.
    pub chain: Chain,
}

/// A fact between the one before and the one after.
#[derive(Debug, Clone, Serialize)]
pub struct Chain {
    /// The hash stored with the fact before; zeros before the first.
    pub before: Digest,
    /// The hash that the fact says the one before has.
    pub named: String,
    /// The hash stored with the fact.
    pub hash: Digest,
    /// The hash of its stored bytes.
    pub computed: Digest,
    /// The fact after, and its hash.
    pub after: Option<(Position, Digest)>,
}

impl Chain {
    /// Whether the fact names the hash of the one before.
    pub fn continues(&self) -> bool {
        self.named == self.before.to_string()
    }

    /// Whether its bytes have the hash that is stored with them.
    pub fn holds(&self) -> bool {
        self.hash == self.computed
    }
}

/// The page on which all facts are checked.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyPage {
    /// What it came to, or how far it is.
    pub verification: Verification,
}

/// A check of every fact since the server started.
#[derive(Debug, Clone, Serialize)]
pub enum Verification {
    /// None yet.
    Never,
    /// One is under way.
    Running {
        /// How many facts are checked.
        checked: u64,
        /// How many there are.
        of: u64,
        /// Since when.
        since: Timestamp,
    },
    /// Every fact is as it was recorded.
    Whole {
        /// How many there were.
        facts: u64,
        /// The hash of the last one.
        hash: Digest,
        /// When it ended.
        at: Timestamp,
        /// How long it took.
        took: Duration,
    },
    /// One is not.
    Broken {
        /// The first that is not.
        first_bad: Position,
        /// What is wrong with it.
        problem: String,
        /// When it was found.
        at: Timestamp,
    },
    /// It could not be done.
    Failed {
        /// Why not.
        problem: String,
        /// When.
        at: Timestamp,
    },
}
