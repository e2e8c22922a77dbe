//! Folders of migrations and databases for the tests.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use database::{Dialect, MigrateError, MigrationSet, Options, Progress, Report, Runner, SqliteEngine};
use facts::{Clock, Timestamp};

/// A clock that stands still.
pub struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }
}

/// A folder with a database in it.
pub struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("app.db")
    }

    pub fn runner(&self) -> Runner {
        runner(&self.file())
    }

    pub fn apply(&self, set: &MigrationSet) -> Result<Report, MigrateError> {
        self.runner().apply(set, &mut |_| ControlFlow::Continue(()))
    }

    /// What a query returns in its first row and column.
    pub fn value(&self, query: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.file()).unwrap();
        connection.query_row(query, [], |row| row.get(0)).unwrap()
    }

    pub fn tables(&self) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.file()).unwrap();
        let mut select = connection
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'throughline_%' ORDER BY name",
            )
            .unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }
}

pub fn runner(file: &Path) -> Runner {
    Runner::new(Box::new(SqliteEngine::new(file)), Arc::new(Noon)).with_options(Options {
        lock_wait: std::time::Duration::ZERO,
        ..Options::default()
    })
}

pub fn set(files: &[(&str, &str)]) -> MigrationSet {
    set_in(Dialect::Sqlite, files)
}

/// The same in another dialect.
pub fn set_in(dialect: Dialect, files: &[(&str, &str)]) -> MigrationSet {
    MigrationSet::of_files(
        dialect,
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())),
    )
    .unwrap()
}

pub fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
