//! One fact as it is stored, with its place in the chain.

use facts::envelope::GENESIS;
use facts::{Digest, Position};
use ledger::{Ledger, LedgerError, Op, Select};
use serde_json::Value;

use super::view::RECORDED;
use crate::error::ServerError;

/// A fact whole.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    /// The stored fields, in their order.
    pub stored: Value,
    /// The hash that the store holds.
    pub hash: Digest,
    /// The hash of the bytes that are stored.
    pub computed: Digest,
    /// How many bytes that are.
    pub bytes: usize,
    /// The hash of the fact before, as the store holds it.
    pub before: Digest,
    /// The fact after, with its hash.
    pub after: Option<(Position, Digest)>,
    /// Where the fact stands that led to this one.
    pub cause: Option<Position>,
}

impl Whole {
    /// The hash that the fact says the one before has.
    pub fn previous(&self) -> Option<&str> {
        self.stored["previous"].as_str()
    }

    /// Whether the bytes have the hash stored with them, and continue the fact before.
    pub fn is_whole(&self) -> bool {
        self.hash == self.computed
            && self
                .previous()
                .is_some_and(|previous| previous == self.before.to_string())
    }
}

/// The fact at `seq`, if there is one.
pub(crate) async fn one(ledger: &dyn Ledger, seq: Position) -> Result<Option<Whole>, ServerError> {
    if seq == 0 {
        return Ok(None);
    }
    let from = seq.saturating_sub(2);
    let around = ledger.export(from, 3).await?;
    let at = |position: Position| around.iter().find(|one| one.seq == position);
    let Some(fact) = at(seq) else { return Ok(None) };
    let stored: Value = serde_json::from_slice(&fact.bytes).map_err(|error| LedgerError::Damaged {
        seq,
        reason: error.to_string(),
    })?;
    let cause = match stored["cause"].as_str() {
        Some(id) => {
            let found = ledger.select(Select::from(RECORDED).filter("id", Op::Eq, id)).await?;
            found.rows.first().map(|row| row.natural("seq")).transpose()?
        }
        None => None,
    };
    Ok(Some(Whole {
        stored,
        hash: fact.hash,
        computed: Digest::of(&fact.bytes),
        bytes: fact.bytes.len(),
        before: at(seq - 1).map_or(GENESIS, |before| before.hash),
        after: at(seq + 1).map(|after| (after.seq, after.hash)),
        cause,
    }))
}
