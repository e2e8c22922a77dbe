//! Leases: of several servers on one ledger, one has a duty at a time.
//!
//! A lease has an epoch, which grows whenever it is taken. Whoever holds it says so again and again; who
//! has not done so for its term, by the store's clock, may be replaced. A server that was stopped meanwhile
//! does not know that it was replaced, so each append of a duty carries a [`Fence`], and the store looks in
//! the same transaction: of two servers that both believe to have the duty, one alone can record anything.
//!
//! Who may be replaced before, because it has ended, is for whoever takes the lease to know.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use facts::{Clock, Timestamp};

use crate::append::AppendError;
use crate::contract::LedgerError;

/// Who takes a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What it is known by. Whoever comes with the same one replaces it at once.
    pub id: String,
    /// Where it is, for people.
    pub place: String,
}

/// What an append of a duty's holder is checked against: it is refused once the lease was taken by
/// somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub(crate) duty: Arc<str>,
    pub(crate) epoch: i64,
}

impl Fence {
    /// The duty.
    pub fn duty(&self) -> &str {
        &self.duty
    }

    /// How often the lease had been taken when it was taken for this.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Refuses what counts on this lease, where it is not the one that holds; `now` is that one's epoch and
    /// place.
    pub(crate) fn check(&self, now: Option<(i64, &str)>) -> Result<(), AppendError> {
        match now {
            Some((epoch, _)) if epoch == self.epoch => Ok(()),
            now => Err(AppendError::Fenced {
                duty: self.duty.to_string(),
                by: now.map(|(_, place)| place.to_owned()),
            }),
        }
    }
}

/// A lease as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The duty.
    pub duty: String,
    /// How often it was taken.
    pub epoch: i64,
    /// Who has it, or had it last.
    pub holder: Holder,
    /// Since when.
    pub since: Timestamp,
    /// For how long it holds, unless it is renewed; zero where it has run out or was given back.
    pub left: Duration,
}

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taking {
    /// It is taken.
    Taken(Fence),
    /// Somebody else has it.
    Held(Lease),
}

/// The leases of a ledger. The methods ask the store, and are called where a thread may block.
pub trait Leases: Send + Sync {
    /// Takes the lease of `duty` for `term`, unless somebody holds it who is neither `holder` nor one of
    /// `ended`.
    ///
    /// # Errors
    /// When the store fails.
    fn take(&self, duty: &str, holder: &Holder, ended: &[String], term: Duration) -> Result<Taking, LedgerError>;

    /// Holds these leases for another `term`, from now; without one, gives them back. Answers those that
    /// somebody else has taken, as they are now.
    ///
    /// # Errors
    /// When the store fails.
    fn renew(&self, fences: &[Fence], term: Duration) -> Result<Vec<Lease>, LedgerError>;

    /// All leases that were ever taken, by duty.
    ///
    /// # Errors
    /// When the store fails.
    fn all(&self) -> Result<Vec<Lease>, LedgerError>;
}

/// The leases of a store that one process has: they live and end with it.
pub(crate) struct Table {
    clock: Arc<dyn Clock>,
    rows: Mutex<Rows>,
}

/// The leases by duty, and until when they hold.
pub(crate) type Rows = BTreeMap<String, (Lease, Timestamp)>;

impl Table {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            rows: Mutex::default(),
        })
    }

    /// The leases as they are. Nobody takes one while this is held.
    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        // No change is left half done by a panic.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses an append whose fence is not the one that holds.
pub(crate) fn check(rows: &Rows, fence: Option<&Fence>) -> Result<(), AppendError> {
    let Some(fence) = fence else { return Ok(()) };
    let now = rows.get(fence.duty());
    fence.check(now.map(|(lease, _)| (lease.epoch, lease.holder.place.as_str())))
}

fn seen((lease, until): &(Lease, Timestamp), now: Timestamp) -> Lease {
    Lease {
        left: Duration::try_from(until.duration_since(now)).unwrap_or_default(),
        ..lease.clone()
    }
}

fn after(now: Timestamp, term: Duration) -> Timestamp {
    now.checked_add(term).unwrap_or(Timestamp::MAX)
}

impl Leases for Table {
    fn take(&self, duty: &str, holder: &Holder, ended: &[String], term: Duration) -> Result<Taking, LedgerError> {
        let now = self.clock.now();
        let mut rows = self.rows();
        let epoch = match rows.get(duty) {
            Some(row) => {
                let lease = seen(row, now);
                if !lease.left.is_zero() && lease.holder.id != holder.id && !ended.contains(&lease.holder.id) {
                    return Ok(Taking::Held(lease));
                }
                lease.epoch + 1
            }
            None => 1,
        };
        let lease = Lease {
            duty: duty.to_owned(),
            epoch,
            holder: holder.clone(),
            since: now,
            left: term,
        };
        rows.insert(duty.to_owned(), (lease, after(now, term)));
        Ok(Taking::Taken(Fence {
            duty: duty.into(),
            epoch,
        }))
    }

    fn renew(&self, fences: &[Fence], term: Duration) -> Result<Vec<Lease>, LedgerError> {
        let now = self.clock.now();
        let mut rows = self.rows();
        let mut lost = Vec::new();
        for fence in fences {
            match rows.get_mut(fence.duty()) {
                Some((lease, until)) if lease.epoch == fence.epoch => *until = after(now, term),
                Some(row) => lost.push(seen(row, now)),
                None => {}
            }
        }
        Ok(lost)
    }

    fn all(&self) -> Result<Vec<Lease>, LedgerError> {
        let now = self.clock.now();
        Ok(self.rows().values().map(|row| seen(row, now)).collect())
    }
}
