//! What somebody wants to append, and what comes of it.

use std::collections::HashSet;

use facts::{Clock, FactId, NewFact, Position, Stream, Timestamp};

use crate::lease::Fence;
use crate::view::FoldError;

/// The most bytes that the facts of one append may have in their stored form. What is larger belongs
/// into a blob that the fact names by digest.
pub const MAX_APPEND_BYTES: usize = 64 * 1024 * 1024;

/// Facts that are recorded together or not at all.
#[derive(Debug, Clone)]
pub struct Append {
    /// The position up to which the decision behind these facts had read.
    pub read_at: Position,
    /// The streams the decision rests on: the append is refused when one of them has a fact after
    /// `read_at`. Empty means unconditional.
    pub subjects: Vec<Stream>,
    /// The facts, in order. None at all only checks the condition.
    pub facts: Vec<NewFact>,
    /// The lease of a duty that these facts count on: the append is refused once somebody else has taken
    /// it, also where it would repeat what is recorded.
    pub fence: Option<Fence>,
}

impl Append {
    /// Appends `facts` whatever else happened. Claims still hold.
    pub fn unconditional(facts: Vec<NewFact>) -> Self {
        Self {
            read_at: 0,
            subjects: Vec::new(),
            facts,
            fence: None,
        }
    }

    /// Appends `facts` only if no stream of `subjects` has a fact after `read_at`.
    pub fn after(read_at: Position, subjects: Vec<Stream>, facts: Vec<NewFact>) -> Self {
        Self {
            read_at,
            subjects,
            facts,
            fence: None,
        }
    }
}

/// Where appended facts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The position of the first fact. The head, when the append held no facts.
    pub first: Position,
    /// The position of the last fact. The head, when the append held no facts.
    pub last: Position,
    /// Facts with the same ids were already there; nothing was added.
    pub repeated: bool,
    /// When they were recorded (the first time, if repeated).
    pub recorded_at: Timestamp,
}

/// Why nothing of an append was recorded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The lease that the append counts on has gone to somebody else: whoever appends has been replaced in
    /// the duty, and records nothing more for it.
    #[error(
        "another server has taken over `{duty}`{}; this one records nothing more for it",
        by.as_ref().map(|by| format!(": {by}")).unwrap_or_default()
    )]
    Fenced {
        /// The duty.
        duty: String,
        /// Where whoever has it now is; `None` where the lease is gone.
        by: Option<String>,
    },
    /// Something came after what the decision had read: read again and decide again.
    #[error("`{stream}` has changed since it was read: fact {at} came after")]
    Conflict {
        /// The first subject that has changed.
        stream: Stream,
        /// The position of its last fact.
        at: Position,
    },
    /// Another fact holds the claim.
    #[error("`{key}` is already claimed by fact {by}")]
    Claimed {
        /// The external key.
        key: String,
        /// The fact that holds it; 0 when the append itself claims the key twice.
        by: Position,
    },
    /// A fact with this id is recorded, but the append is no repetition of what was recorded with it.
    #[error("the id `{id}` belongs to another fact, {by}")]
    Reused {
        /// The id.
        id: FactId,
        /// The fact that has it; 0 when the append itself uses the id twice.
        by: Position,
    },
    /// The disk has no room. The ledger stays usable: reads go on, and appends do when there is room.
    #[error(
        "the disk that holds the ledger is full\nhint: make room; nothing is lost, and what was refused can be sent again"
    )]
    Full,
    /// A view cannot take the fact in.
    #[error("the view `{view}` cannot take in a fact of kind `{kind}`: {error}")]
    Fold {
        /// The view.
        view: &'static str,
        /// The kind of the fact.
        kind: String,
        /// Why not.
        error: FoldError,
    },
    /// The stored form is too large.
    #[error("the facts take {bytes} bytes, more than the {limit} that one append may have")]
    TooLarge {
        /// How large the facts are, as far as they were counted.
        bytes: usize,
        /// How large they may be.
        limit: usize,
    },
    /// The fact has no stored form that reads back, such as a body nested too deep.
    #[error("a fact of kind `{kind}` cannot be stored: {reason}")]
    Unstorable {
        /// The kind of the fact.
        kind: String,
        /// Why not.
        reason: String,
    },
    /// The store failed. Whether the facts are recorded is not known; the same append (same ids) can
    /// be sent again and is then either a repetition or recorded.
    #[error("the ledger's store failed: {0}")]
    Store(String),
}

/// The time at which something is recorded now, in the microseconds that stores keep.
pub(crate) fn recording_time(clock: &dyn Clock) -> Timestamp {
    let now = clock.now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Whether an append repeats what is recorded, from each fact's id and where that id is recorded:
/// the first and last position if so.
pub(crate) fn repetition(
    places: impl Iterator<Item = (FactId, Option<Position>)>,
) -> Result<Option<(Position, Position)>, AppendError> {
    let mut seen = HashSet::new();
    let mut new = false;
    let mut known: Option<(FactId, Position, Position)> = None;
    for (id, place) in places {
        if !seen.insert(id) {
            return Err(AppendError::Reused { id, by: 0 });
        }
        match place {
            None => new = true,
            Some(at) => {
                known = Some(known.map_or((id, at, at), |(first_id, first, last)| {
                    (first_id, first.min(at), last.max(at))
                }));
            }
        }
    }
    match known {
        Some((id, by, _)) if new => Err(AppendError::Reused { id, by }),
        Some((_, first, last)) => Ok(Some((first, last))),
        None => Ok(None),
    }
}

/// Refuses an append that claims one key twice.
pub(crate) fn claimed_twice(append: &Append) -> Result<(), AppendError> {
    let mut keys = HashSet::new();
    match append
        .facts
        .iter()
        .filter_map(|fact| fact.external_key.as_ref())
        .find(|key| !keys.insert(*key))
    {
        Some(key) => Err(AppendError::Claimed {
            key: key.clone(),
            by: 0,
        }),
        None => Ok(()),
    }
}
