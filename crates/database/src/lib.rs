//! Migrations of the databases that packages use.
//!
//! - [`migration`]: what a folder of a package holds: versioned, repeatable and undo scripts, their
//!   phases and checksums.
//! - [`dialect`]: which SQL it is, and what follows for how statements are run.
//! - [`statement`]: a script cut into statements, each with its line.
//! - [`plan`]: what is to be done, given the folder and the journal; pure.
//! - [`compatibility`]: whether an older package works on a newer schema; pure.
//! - [`runner`]: applies a plan on an [`engine::Engine`] and tells the progress.
//! - [`sqlite`], [`postgres`], [`mysql`]: the engines.
//!
//! The journal lives in the target database itself and commits together with what it records, or before
//! and after it where the database cannot do that. So a process that dies at any moment leaves a database
//! that knows what was done, or shows it. Everything here blocks: call it from a thread that may.

pub mod compatibility;
pub mod dialect;
pub mod engine;
mod journal;
pub mod migration;
pub mod mysql;
mod pass;
pub mod plan;
pub mod postgres;
pub mod runner;
pub mod sqlite;
pub mod statement;

pub use compatibility::{CanReturn, can_return};
pub use dialect::{Dialect, UnknownDialect};
pub use engine::{Applied, Engine, EngineError, Entry, EntryState};
pub use migration::{Kind, Migration, MigrationKey, MigrationSet, Phase, ScanError, SchemaVersion};
pub use mysql::MysqlEngine;
pub use pass::Patience;
pub use plan::{Order, Plan, PlannedMigration, Problem};
pub use postgres::PostgresEngine;
pub use runner::{MigrateError, Options, Progress, Report, Runner, Status};
pub use sqlite::SqliteEngine;
