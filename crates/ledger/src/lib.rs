//! The ledger: an append-only, hash-chained log of facts, and the views folded from it.
//!
//! Here live the trait [`Ledger`], the way to append ([`Append`]: conditional on what was read, with
//! claims), the declaration of views ([`View`]), the way to read them ([`Select`]), and three stores:
//! [`MemoryLedger`], [`SqliteLedger`] and [`PostgresLedger`], which pass one conformance suite.
//!
//! A fact is never changed and never removed. A view is a pure fold of the facts. An inline one commits
//! in the same transaction as they do, so whoever reads it at position N sees exactly the facts up to
//! N; a followed one comes after them, and says how far it has come ([`Folding`]).
//!
//! Where several servers have one ledger, [`Leases`] say who has which duty, and the appends of a duty
//! carry a [`Fence`], by which those of a server that was replaced are refused.
//!
//! What a fact of some kind *means* does not live here: domains own their kinds, views and
//! [upcasters](Upcasters).

mod against;
mod append;
mod contract;
mod fenced;
mod lease;
mod memory;
mod postgres;
mod restore;
mod row;
mod select;
mod signed;
mod sqlite;
mod upcast;
mod verify;
mod view;

pub use against::{ExportCheck, Kept, against};
pub use append::{Append, AppendError, Appended, MAX_APPEND_BYTES};
pub use contract::{Exported, Ledger, LedgerError, Rebuilt, RebuiltView};
pub use fenced::Fenced;
pub use lease::{Fence, Holder, Lease, Leases, Taking};
pub use memory::MemoryLedger;
pub use postgres::{Address, AddressError, PostgresLedger};
pub use restore::{RestoreError, Restoring};
pub use row::{Row, RowError, Value};
pub use select::{Cursor, Direction, Op, Select, Selected};
pub use signed::{CHECKPOINT_TYPE, Statement, StatementError};
pub use sqlite::SqliteLedger;
pub use upcast::{Upcaster, Upcasters};
pub use verify::{Checkpoint, Fault, Problem, Verification};
pub use view::{Column, ColumnKind, FoldError, Folding, Rows, Table, View};
