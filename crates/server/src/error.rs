//! What can go wrong inside the server.

/// Why the server could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
    /// The ledger refused.
    #[error(transparent)]
    Append(#[from] ledger::AppendError),
    /// A row could not be read.
    #[error(transparent)]
    Row(#[from] ledger::RowError),
    /// A run could not be read.
    #[error(transparent)]
    Query(#[from] engine::query::QueryError),
    /// The engine refused.
    #[error("the engine refused: {0}")]
    Engine(String),
    /// Delivery refused.
    #[error(transparent)]
    Delivery(#[from] delivery::DeliveryError),
    /// The register could not be read or written.
    #[error(transparent)]
    Register(#[from] crate::changes::RegisterError),
    /// A push could not be recorded.
    #[error(transparent)]
    Intake(#[from] crate::changes::IntakeError),
    /// A repository could not be read.
    #[error(transparent)]
    Repository(#[from] crate::changes::RepositoryError),
    /// A version could not be found.
    #[error(transparent)]
    Version(#[from] crate::changes::VersionError),
    /// A blob could not be read or written.
    #[error(transparent)]
    Blob(#[from] artifact::BlobError),
    /// A document could not be read.
    #[error("a stored document cannot be read: {0}")]
    Document(#[from] serde_json::Error),
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}
