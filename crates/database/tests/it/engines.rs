//! The servers that the tests run against, and what is asked of each of them in its own words.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use database::engine::engine_of;
use database::{Dialect, MigrateError, MigrationSet, Options, Patience, Progress, Report, Runner};
use testkit::{Mariadb, Postgres};

use crate::support::{Noon, set_in};

/// How long a test waits for another run. None waits as long; a machine may be slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server of databases.
pub enum Server {
    Sqlite(tempfile::TempDir),
    Postgres(Postgres),
    Mysql(Mariadb),
}

/// An empty database of its own.
pub struct Site<'a> {
    pub server: &'a Server,
    pub dialect: Dialect,
    pub location: String,
    schema: String,
}

static SITES: AtomicU32 = AtomicU32::new(0);

impl Server {
    pub fn sqlite() -> Option<Self> {
        Some(Self::Sqlite(tempfile::tempdir().unwrap()))
    }

    pub fn postgres() -> Option<Self> {
        Postgres::start().map(Self::Postgres)
    }

    pub fn mysql() -> Option<Self> {
        Mariadb::start().map(Self::Mysql)
    }

    pub fn site(&self) -> Site<'_> {
        let number = SITES.fetch_add(1, Ordering::SeqCst);
        let schema = format!("site_{number}");
        let (dialect, location) = match self {
            Self::Sqlite(folder) => {
                let file = folder.path().join(format!("{schema}.db"));
                (Dialect::Sqlite, file.display().to_string())
            }
            Self::Postgres(postgres) => {
                postgres.ask(&format!("CREATE SCHEMA {schema}")).unwrap();
                let location = format!("{}&options=-csearch_path%3D{schema}", postgres.address());
                (Dialect::Postgres, location)
            }
            Self::Mysql(mariadb) => {
                mariadb.ask("", &format!("CREATE DATABASE {schema}")).unwrap();
                (Dialect::Mysql, mariadb.address(&schema))
            }
        };
        Site {
            server: self,
            dialect,
            location,
            schema,
        }
    }
}

impl Site<'_> {
    pub fn set(&self, files: &[(&str, &str)]) -> MigrationSet {
        set_in(self.dialect, files)
    }

    pub fn runner(&self) -> Runner {
        runner(self.dialect, &self.location)
    }

    pub fn apply(&self, set: &MigrationSet) -> Result<Report, MigrateError> {
        self.runner().apply(set, &mut go_on)
    }

    /// The first value that a query gives, as text; empty where there is none.
    pub fn ask(&self, sql: &str) -> String {
        match self.server {
            Server::Sqlite(_) => {
                let connection = rusqlite::Connection::open(&self.location).unwrap();
                let mut select = connection.prepare(sql).unwrap();
                let mut rows = select.query([]).unwrap();
                match rows.next().unwrap() {
                    None => String::new(),
                    Some(row) => match row.get_ref(0).unwrap() {
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        rusqlite::types::ValueRef::Null => String::new(),
                        text => text.as_str().unwrap().to_owned(),
                    },
                }
            }
            Server::Postgres(postgres) => postgres
                .ask(&format!("SET search_path TO {}; {sql}", self.schema))
                .unwrap(),
            Server::Mysql(mariadb) => mariadb.ask(&self.schema, sql).unwrap(),
        }
    }

    pub fn postgres(&self) -> &Postgres {
        match self.server {
            Server::Postgres(postgres) => postgres,
            Server::Sqlite(_) | Server::Mysql(_) => panic!("this test is PostgreSQL's"),
        }
    }

    /// A session of MariaDB's in which this has been done.
    pub fn hold(&self, sql: &str) -> impl Sized {
        match self.server {
            Server::Mysql(mariadb) => mariadb.hold(&self.schema, sql),
            Server::Sqlite(_) | Server::Postgres(_) => panic!("this test is MariaDB's"),
        }
    }

    /// The name of a table as others on the server write it.
    pub fn named(&self, table: &str) -> String {
        format!("{}.{table}", self.schema)
    }
}

pub fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A runner that waits for others as long as a slow machine needs, and is quick to try again.
pub fn runner(dialect: Dialect, location: &str) -> Runner {
    let options = Options {
        lock_wait: PATIENCE,
        patience: Patience {
            tries: 1_000,
            first_pause: Duration::from_millis(10),
            longest_pause: Duration::from_millis(50),
        },
        ..Options::default()
    };
    let engine = engine_of(dialect, location, None).unwrap();
    Runner::new(engine, Arc::new(Noon)).with_options(options)
}
