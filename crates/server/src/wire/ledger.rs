//! The ledger, looked at as a whole.

use facts::Digest;
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
