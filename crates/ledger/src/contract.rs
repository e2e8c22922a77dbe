//! The trait that every store implements.

use std::sync::Arc;

use async_trait::async_trait;
use facts::{Digest, Fact, Position, Stream};

use crate::append::{Append, AppendError, Appended};
use crate::select::{Select, Selected};
use crate::verify::{Checkpoint, Verification};
use crate::view::FoldError;

/// The log of facts and the views folded from it.
///
/// Positions are dense from 1 and in the order of commit: who has read up to N misses nothing that
/// will ever stand at or before N.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Records the facts together, or none of them; returns after the durable commit. The checks come
    /// in this order: fence, repetition (all ids already recorded: answered as such, whatever the condition),
    /// condition, claims, views.
    ///
    /// Dropping the future does not take the append back.
    ///
    /// # Errors
    /// See [`AppendError`]. In every case but `Store` nothing was recorded.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// The position of the last fact, 0 when there is none.
    ///
    /// # Errors
    /// When the store fails.
    async fn head(&self) -> Result<Position, LedgerError>;

    /// Up to `limit` facts after the position `after`, in order.
    ///
    /// # Errors
    /// When the store fails or holds bytes that are no fact.
    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Arc<Fact>>, LedgerError>;

    /// Up to `limit` facts of `stream` after the version `after_version`, in order.
    ///
    /// # Errors
    /// As for [`Ledger::read`].
    async fn read_stream(
        &self,
        stream: &Stream,
        after_version: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Fact>>, LedgerError>;

    /// The fact that holds the claim `key` (its external key), if one does.
    ///
    /// # Errors
    /// As for [`Ledger::read`].
    async fn find_claim(&self, key: &str) -> Result<Option<Arc<Fact>>, LedgerError>;

    /// The head, as a value that changes after each commit.
    fn follow(&self) -> tokio::sync::watch::Receiver<Position>;

    /// The position up to which every followed view has come, as a value that changes after each of
    /// their commits. A view that cannot take in a fact stays before it. Without followed views it is
    /// the head.
    fn follow_views(&self) -> tokio::sync::watch::Receiver<Position> {
        self.follow()
    }

    /// Rows of a view, and the position they are of: of an inline view the head, of a followed one how
    /// far it has come.
    ///
    /// # Errors
    /// When there is no such table or column, a value does not fit its column, the cursor belongs to
    /// another query, or the store fails.
    async fn select(&self, query: Select) -> Result<Selected, LedgerError>;

    /// Checks the chain of hashes, the columns against the bytes, and that positions and the versions
    /// of each stream are dense. With `from` it checks that the fact there is the one the checkpoint
    /// names, and everything after; without, everything. The first bad fact is named in the answer.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    async fn verify(
        &self,
        from: Option<Checkpoint>,
        progress: &(dyn Fn(Position) + Sync),
    ) -> Result<Verification, LedgerError>;

    /// Folds all views again from the facts, beside the ones in use, compares, and swaps them in: the
    /// inline ones, then the followed ones. Appends go on meanwhile.
    ///
    /// # Errors
    /// When a view cannot take in a recorded fact, or the store fails; the views in use stay then.
    async fn rebuild(&self, progress: &(dyn Fn(Position) + Sync)) -> Result<Rebuilt, LedgerError>;

    /// Up to `limit` facts after the position `after` exactly as they are stored.
    ///
    /// # Errors
    /// When the store fails.
    async fn export(&self, after: Position, limit: usize) -> Result<Vec<Exported>, LedgerError>;
}

/// Why something could not be read from the ledger.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The store was written by a newer version.
    #[error(
        "the ledger has format {found}, this version reads up to {known}\nhint: use the version of throughline that wrote it, or a newer one"
    )]
    Newer {
        /// The format of the store.
        found: i64,
        /// The newest format this version reads.
        known: i64,
    },
    /// What is there is something else.
    #[error("`{path}` is not a ledger: {reason}\nhint: point to another place, or move away what is there")]
    NotALedger {
        /// The file, or the address of the database.
        path: String,
        /// What it is, as far as is known.
        reason: String,
    },
    /// The declared views do not fit together.
    #[error("the view `{view}` is declared wrongly: {problem}")]
    Declaration {
        /// The view.
        view: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A view cannot take in a recorded fact.
    #[error("the view `{view}` cannot take in fact {seq}: {error}")]
    Fold {
        /// The view.
        view: &'static str,
        /// The fact.
        seq: Position,
        /// Why not.
        error: FoldError,
    },
    /// A question that does not fit the tables.
    #[error("the query does not fit: {0}")]
    Select(String),
    /// A cursor that is none, or belongs to another question.
    #[error("`{0}` is no cursor of this question\nhint: leave it out to begin with the first page")]
    Cursor(String),
    /// A stored fact cannot be read.
    #[error("fact {seq} is damaged: {reason}\nhint: `throughline ledger verify` says what is intact; restore a backup")]
    Damaged {
        /// The fact.
        seq: Position,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk has no room.
    #[error("the disk that holds the ledger is full\nhint: make room and try again")]
    Full,
    /// The store failed.
    #[error("the ledger's store failed: {0}")]
    Store(String),
}

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The position the views are of.
    pub position: Position,
    /// Each view.
    pub views: Vec<RebuiltView>,
}

impl Rebuilt {
    /// A view was not what its facts say.
    pub fn differed(&self) -> bool {
        self.views.iter().any(|view| view.differed)
    }
}

/// What a rebuild found about one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltView {
    /// The view.
    pub name: &'static str,
    /// Its rows were not what its facts say.
    pub differed: bool,
}

/// A fact exactly as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its position.
    pub seq: Position,
    /// The bytes that the hash covers: one JSON object without a line break.
    pub bytes: Vec<u8>,
    /// The hash that the store holds.
    pub hash: Digest,
}

impl Exported {
    /// One line of JSON, without the line break: `{"hash":"sha256:...","fact":...}`, where the stored
    /// bytes stand after `"fact":` as they are, so the hash can be checked from the line alone.
    pub fn line(&self) -> Vec<u8> {
        let mut line = format!("{{\"hash\":\"{}\",\"fact\":", self.hash).into_bytes();
        line.extend_from_slice(&self.bytes);
        line.push(b'}');
        line
    }
}
