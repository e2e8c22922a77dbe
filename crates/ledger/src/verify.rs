//! Whether the ledger still is what was recorded.

use std::fmt;

use facts::envelope::GENESIS;
use facts::{Digest, Fact, FactId, Position};
use serde::{Deserialize, Serialize};

/// A place in the ledger and the hash of the fact there: what somebody keeps elsewhere to see later
/// that nothing up to there was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The position of the fact; 0 before the first.
    pub position: Position,
    /// Its hash; all zeros before the first.
    pub hash: Digest,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// How many facts were checked and found good.
    pub checked: u64,
    /// The last good fact.
    pub checkpoint: Checkpoint,
    /// The first bad fact, if there is one.
    pub fault: Option<Fault>,
}

impl Verification {
    /// Nothing bad was found.
    pub fn is_good(&self) -> bool {
        self.fault.is_none()
    }
}

/// The first bad fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its position.
    pub seq: Position,
    /// What is wrong with it.
    pub problem: Problem,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fact {}: {}", self.seq, self.problem)
    }
}

/// What can be wrong with a recorded fact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is gone, and later ones are there.
    #[error("it is missing")]
    Missing,
    /// The ledger ends before it.
    #[error("the ledger ends before it, but facts up to {recorded} were recorded")]
    CutOff {
        /// The position that the ledger had reached.
        recorded: Position,
    },
    /// The bytes were changed.
    #[error("its bytes do not have the hash stored with them")]
    Hash,
    /// It does not follow the fact before it.
    #[error("it does not follow the fact before it: the chain of hashes is broken")]
    Chain,
    /// The bytes are no fact.
    #[error("its bytes are no fact: {0}")]
    Bytes(String),
    /// A column says something else than the bytes.
    #[error("the column `{0}` says something else than its bytes")]
    Column(&'static str),
    /// It is not the next of its stream.
    #[error("it is version {found} of `{stream}`, where {expected} is expected")]
    Version {
        /// The stream.
        stream: String,
        /// The version that should come.
        expected: u64,
        /// The version that came.
        found: u64,
    },
    /// It is not the fact that the checkpoint, or the ledger's own note of its last fact, names.
    #[error("it is another fact than the one recorded there")]
    Checkpoint,
    /// It is another fact than the one that a checkpoint kept elsewhere names, though the chain is whole.
    #[error("the history was written anew: the fact here is not the one that was signed; facts up to {intact} are")]
    Rewritten {
        /// The last position whose checkpoint is good; 0 where there is none.
        intact: Position,
    },
    /// The ledger begins otherwise than the one of which something was kept.
    #[error(
        "the ledger begins with another fact than `{expected}`: it is another ledger, or one that was written anew from its beginning"
    )]
    OtherLedger {
        /// The first fact of the ledger that is expected.
        expected: FactId,
    },
    /// It stands after the last fact that the ledger recorded.
    #[error("it was not recorded by the ledger: it stands after the last fact that was")]
    Foreign,
}

/// A fact as a store holds it, columns beside bytes.
pub(crate) struct Held {
    pub seq: Position,
    pub stream: String,
    pub version: u64,
    /// The greatest smaller version of the stream among the facts before this one; 0 if there is none.
    pub version_before: u64,
    pub id: String,
    pub kind: String,
    pub recorded_at: i64,
    pub external_key: Option<String>,
    pub bytes: Vec<u8>,
    pub hash: Vec<u8>,
}

impl Held {
    /// A fact that was sealed just now, with the bytes that it was sealed to.
    pub(crate) fn sealed(fact: &Fact, bytes: Vec<u8>) -> Self {
        Self {
            seq: fact.seq,
            stream: fact.stream().as_str().to_owned(),
            version: fact.stream_version,
            version_before: fact.stream_version.saturating_sub(1),
            id: fact.new.id.to_string(),
            kind: fact.kind().to_owned(),
            recorded_at: fact.recorded_at.as_microsecond(),
            external_key: fact.new.external_key.clone(),
            hash: fact.hash.as_bytes().to_vec(),
            bytes,
        }
    }
}

/// Goes along the chain, fact by fact.
#[derive(Debug)]
pub(crate) struct Verifier {
    last: Checkpoint,
    checked: u64,
}

impl Verifier {
    /// Begins after `last`, which is good.
    pub(crate) fn after(last: Checkpoint) -> Self {
        Self { last, checked: 0 }
    }

    /// The last good fact.
    pub(crate) fn last(&self) -> Checkpoint {
        self.last
    }

    /// Checks the next fact.
    pub(crate) fn check(&mut self, held: &Held) -> Result<(), Fault> {
        let expected = self.last.position + 1;
        let bad = |problem| Err(Fault { seq: expected, problem });
        if held.seq != expected {
            return bad(Problem::Missing);
        }
        let hash = Digest::of(&held.bytes);
        if held.hash != hash.as_bytes() {
            return bad(Problem::Hash);
        }
        let fact = match Fact::from_stored(&held.bytes) {
            Ok(fact) => fact,
            Err(error) => return bad(Problem::Bytes(error.to_string())),
        };
        if fact.previous != self.last.hash {
            return bad(Problem::Chain);
        }
        if let Some(column) = differing_column(held, &fact) {
            return bad(Problem::Column(column));
        }
        if held.version != held.version_before + 1 {
            return bad(Problem::Version {
                stream: held.stream.clone(),
                expected: held.version_before + 1,
                found: held.version,
            });
        }
        self.last = Checkpoint {
            position: expected,
            hash,
        };
        self.checked += 1;
        Ok(())
    }

    /// Whether the log does not end where it should: where the ledger says it had come to, and not before
    /// what is known to have been `committed`.
    pub(crate) fn end(&self, recorded: &Checkpoint, committed: Position) -> Option<Fault> {
        let end = recorded.position.max(committed);
        let (seq, problem) = if self.last.position < end {
            (self.last.position + 1, Problem::CutOff { recorded: end })
        } else if self.last.position > recorded.position {
            (recorded.position + 1, Problem::Foreign)
        } else if self.last.hash != recorded.hash {
            (self.last.position, Problem::Checkpoint)
        } else {
            return None;
        };
        Some(Fault { seq, problem })
    }

    /// The result, with the fault that ended it.
    pub(crate) fn finish(self, fault: Option<Fault>) -> Verification {
        Verification {
            checked: self.checked,
            checkpoint: self.last,
            fault,
        }
    }
}

fn differing_column(held: &Held, fact: &Fact) -> Option<&'static str> {
    [
        ("seq", held.seq == fact.seq),
        ("stream", held.stream == fact.stream().as_str()),
        ("version", held.version == fact.stream_version),
        ("id", held.id == fact.new.id.to_string()),
        ("kind", held.kind == fact.kind()),
        ("recorded_at", held.recorded_at == fact.recorded_at.as_microsecond()),
        ("external_key", held.external_key == fact.new.external_key),
    ]
    .into_iter()
    .find_map(|(column, same)| (!same).then_some(column))
}

/// What is wrong with the fact that a checkpoint names: another one stands there, or none. `found` are the bytes at its
/// position, `last` is the position of the last fact.
pub(crate) fn named_otherwise(checkpoint: &Checkpoint, found: Option<&[u8]>, last: Position) -> Option<Fault> {
    let position = checkpoint.position;
    let (seq, problem) = match found {
        _ if position == 0 && checkpoint.hash == GENESIS => return None,
        Some(bytes) if position > 0 && Digest::of(bytes) == checkpoint.hash => return None,
        Some(_) => (position, Problem::Checkpoint),
        None if position == 0 => (position, Problem::Checkpoint),
        None if last > position => (position, Problem::Missing),
        None => (last + 1, Problem::CutOff { recorded: position }),
    };
    Some(Fault { seq, problem })
}
