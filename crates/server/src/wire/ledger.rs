//! The ledger, looked at as a whole.

use facts::{Digest, FactId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What came of checking every fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// `ledger-verified/1`.
    pub schema: String,
    /// Whether every fact is as it was recorded.
    pub verified: bool,
    /// How many facts there are.
    pub facts: u64,
    /// The hash of the last one.
    #[schema(value_type = Option<String>)]
    pub hash: Option<Digest>,
    /// The first fact that is not as it was recorded.
    pub first_bad: Option<u64>,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// With how many checkpoints it was compared.
    #[serde(default)]
    pub checkpoints: u64,
}

/// What somebody kept of the ledger, to be compared with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyAgainst {
    /// The checkpoints.
    pub checkpoints: Vec<KeptCheckpoint>,
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptCheckpoint {
    /// The id of the ledger's first fact.
    #[schema(value_type = String)]
    pub ledger: FactId,
    /// The position of the last fact that it covers.
    pub position: u64,
    /// The hash of that fact.
    #[schema(value_type = String)]
    pub hash: Digest,
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    /// `ledger-checkpoint/1`.
    pub schema: String,
    /// The id of the ledger's first fact.
    #[schema(value_type = String)]
    pub ledger: FactId,
    /// The position of the last fact that it covers.
    pub position: u64,
    /// The hash of that fact.
    #[schema(value_type = String)]
    pub hash: Digest,
    /// When it was signed.
    #[schema(value_type = String)]
    pub time: Timestamp,
    /// The id of the key that signed.
    pub key: String,
    /// What is kept elsewhere: a DSSE envelope.
    #[schema(value_type = Object)]
    pub envelope: serde_json::Value,
}

/// The keys that sign checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKeys {
    /// `ledger-keys/1`.
    pub schema: String,
    /// The keys, the newest last.
    pub keys: Vec<SigningKeyLine>,
}

/// A key that signs or signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKeyLine {
    /// Its id.
    pub id: String,
    /// The key that checks its signatures, as PEM.
    pub public_key: String,
    /// Since when it signs.
    #[schema(value_type = String)]
    pub since: Timestamp,
    /// Whether it is the one in use.
    pub current: bool,
}

/// What came of folding all views anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rebuilt {
    /// `ledger-rebuilt/1`.
    pub schema: String,
    /// Up to which fact.
    pub position: u64,
    /// The views.
    pub views: Vec<RebuiltView>,
}

/// A view that was folded anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RebuiltView {
    /// Its name.
    pub name: String,
    /// Whether it differed from what stood there before.
    pub differed: bool,
}
