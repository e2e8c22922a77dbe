//! Migrations of the databases that packages use.
//!
//! - [`migration`]: what a folder of a package holds: versioned, repeatable and undo scripts, their
//!   phases and checksums.
//! - [`statement`]: a script cut into statements, each with its line.
//! - [`plan`]: what is to be done, given the folder and the journal; pure.
//! - [`compatibility`]: whether an older package works on a newer schema; pure.
//! - [`runner`]: applies a plan on an [`engine::Engine`] and tells the progress.
//! - [`sqlite`]: the engine for SQLite.
//!
//! The journal lives in the target database itself and commits together with what it records, so a
//! process that dies at any moment leaves a database that knows what was done. Everything here blocks:
//! call it from a thread that may.

pub mod compatibility;
pub mod engine;
pub mod migration;
pub mod plan;
pub mod runner;
pub mod sqlite;
pub mod statement;

pub use compatibility::{CanReturn, can_return};
pub use engine::{Applied, Engine, EngineError, Entry, EntryState};
pub use migration::{Kind, Migration, MigrationKey, MigrationSet, Phase, ScanError, SchemaVersion};
pub use plan::{Order, Plan, PlannedMigration, Problem};
pub use runner::{MigrateError, Options, Progress, Report, Runner, Status};
pub use sqlite::SqliteEngine;
