//! Signed checkpoints: what is kept elsewhere, to see later that nothing up to there was changed.

use facts::{Digest, FactId, Position, Timestamp};
use serde::{Deserialize, Serialize};
use signing::{Envelope, EnvelopeError, KeyId, PublicKey, SigningKey};

use crate::verify::Checkpoint;

/// The type of what is signed.
pub const CHECKPOINT_TYPE: &str = "application/vnd.throughline.checkpoint.v1+json";

/// What a signed checkpoint says: at this time, the ledger's fact at the position had this hash, and with
/// it every fact before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The id of the ledger's first fact, which tells it from other ledgers.
    pub ledger: FactId,
    /// The position of the last fact that is covered.
    pub position: Position,
    /// The hash of that fact.
    pub hash: Digest,
    /// When it was signed.
    pub time: Timestamp,
}

impl Statement {
    /// Signs it.
    ///
    /// # Errors
    /// Never: it is plain data.
    pub fn sign(&self, key: &SigningKey) -> Result<Envelope, serde_json::Error> {
        Ok(Envelope::sign(CHECKPOINT_TYPE, &serde_json::to_vec(self)?, key))
    }

    /// What an envelope says, if one of `keys` signed it, and which did.
    ///
    /// # Errors
    /// When it is not to be believed, or says something else.
    pub fn open(envelope: &Envelope, keys: &[PublicKey]) -> Result<(Self, KeyId), StatementError> {
        let (payload, key) = envelope.open(CHECKPOINT_TYPE, keys)?;
        let statement: Self = serde_json::from_slice(&payload)?;
        Ok((statement, key))
    }

    /// The place that it covers.
    pub const fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            position: self.position,
            hash: self.hash,
        }
    }
}

/// Why a signed checkpoint is not to be believed.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// The envelope does not open.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// It says something else.
    #[error("what was signed is no checkpoint: {0}")]
    Body(#[from] serde_json::Error),
}
