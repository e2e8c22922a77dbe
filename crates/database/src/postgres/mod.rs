//! The engine for PostgreSQL, 15 or later.
//!
//! - The lock is an advisory lock of the session in which everything runs. It is asked for, never waited
//!   for: a session that waits for a lock holds a snapshot, which `CREATE INDEX CONCURRENTLY` of whoever has
//!   the lock would wait for in turn. Because it is the session's own, it outlives a process that was killed
//!   for as long as the database goes on with what that had begun; and the database looks every second
//!   whether anybody is still there.
//! - A pooler that gives each transaction another connection would make a lock of sessions worthless. So a
//!   second connection is made beside the first, and the two must be different.
//! - A statement waits for locks of others for some seconds, then gives way. One that is built not to be in
//!   the way (`... CONCURRENTLY`) waits as long as it must.
//! - One statement is prepared and run at a time, so that a text in which the database sees more than one is
//!   refused and not run.

mod observe;

use std::error::Error as _;
use std::time::Duration;

use facts::Digest;
use postgresql::{Address, Encryption};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::error::{ErrorPosition, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::dialect::{Dialect, Effect};
use crate::engine::{Cell, Engine, EngineError, Observed, Trouble};
use crate::statement::Statement;

/// How long a statement waits for a lock before it gives way. Whoever comes after it waits as long.
const LOCK: &str = "5s";
/// How long a statement may take.
const STATEMENT: &str = "1h";
/// How long one may take that is built not to be in the way of others.
const LONG_STATEMENT: &str = "24h";

/// How long closing a connection may take.
const CLOSING: Duration = Duration::from_secs(1);

/// What every session needs, whatever is set for the role or the database.
const SETTINGS: &str = "SET standard_conforming_strings TO on; SET idle_in_transaction_session_timeout TO 0; \
     SET idle_session_timeout TO 0; SET client_connection_check_interval TO '1s'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// A connection, and what is known of it.
struct Session {
    client: Client,
    /// The number of the process that serves it.
    process: i32,
    /// The schema of the journal: the first one in which this role makes tables.
    schema: String,
    /// The number of the lock, once it is held.
    lock: Option<i64>,
    /// Whether the limits of time are ours, and not a script's.
    our_limits: bool,
    /// What moves the connection's bytes.
    driver: JoinHandle<()>,
}

/// One database of a PostgreSQL server.
pub struct PostgresEngine {
    address: Address,
    password: Option<String>,
    runtime: Option<Runtime>,
    session: Option<Session>,
}

impl PostgresEngine {
    /// The database at `address`, which is shown; with this password, which is not.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn new(address: &str, password: Option<&str>) -> Result<Self, EngineError> {
        let mut address: Address = address
            .parse()
            .map_err(|error: postgresql::AddressError| EngineError::Address(error.to_string()))?;
        if let Some(password) = password {
            address = address.with_password(password);
        }
        Ok(Self {
            password: address.password().filter(|password| !password.is_empty()),
            address,
            runtime: None,
            session: None,
        })
    }

    /// The text of an error, in which the password cannot be.
    fn told(&self, text: &str) -> String {
        match &self.password {
            Some(password) => text.replace(password.as_str(), "***"),
            None => text.to_owned(),
        }
    }

    fn store(&self, error: &tokio_postgres::Error) -> EngineError {
        EngineError::Store(self.told(&text_of(error)))
    }

    fn cannot_open(&self, reason: &str) -> EngineError {
        EngineError::Open {
            location: self.location(),
            reason: self.told(reason),
        }
    }

    fn runtime(&mut self) -> Result<&Runtime, EngineError> {
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| EngineError::Store(error.to_string()))?,
        };
        Ok(self.runtime.insert(runtime))
    }

    /// Makes a connection; the driver works whenever this engine waits for an answer.
    fn connect(&mut self) -> Result<(Client, JoinHandle<()>), EngineError> {
        let encryption = Encryption::new(&self.address).map_err(|error| self.cannot_open(&error.to_string()))?;
        let config = self.address.config().clone();
        let runtime = self.runtime()?;
        let made = runtime.block_on(async {
            let (client, connection) = config.connect(encryption).await?;
            // What it ends with is what the next question ends with.
            let driver = tokio::spawn(async { drop(connection.await) });
            client.batch_execute(SETTINGS).await?;
            Ok((client, driver))
        });
        made.map_err(|error: tokio_postgres::Error| self.cannot_open(&text_of(&error)))
    }

    /// The session, made where there is none.
    fn session(&mut self) -> Result<&mut Session, EngineError> {
        if self.session.as_ref().is_some_and(|session| session.client.is_closed()) {
            let had_lock = self.session.take().is_some_and(|session| session.lock.is_some());
            if had_lock {
                let location = self.location();
                return Err(EngineError::LockLost { location });
            }
        }
        if self.session.is_none() {
            let (client, driver) = self.connect()?;
            let asked = self
                .runtime()?
                .block_on(client.query_one("SELECT pg_backend_pid(), current_schema()::text", &[]));
            let row = asked.map_err(|error| self.store(&error))?;
            let schema: Option<String> = row.get(1);
            let Some(schema) = schema else {
                return Err(self.cannot_open("no schema of its search path is there\n  hint: make one, or name another in the address with `options=-csearch_path=...`"));
            };
            self.session = Some(Session {
                client,
                process: row.get(0),
                schema,
                lock: None,
                our_limits: true,
                driver,
            });
        }
        match &mut self.session {
            Some(session) => Ok(session),
            None => Err(EngineError::Store("the session is gone".to_owned())),
        }
    }

    /// Runs statements of our own that give nothing.
    fn batch(&mut self, sql: &str) -> Result<(), EngineError> {
        self.session()?;
        let (Some(runtime), Some(session)) = (&self.runtime, &self.session) else {
            return Err(EngineError::Store("the connection was closed".to_owned()));
        };
        let done = runtime.block_on(session.client.batch_execute(sql));
        done.map_err(|error| self.store(&error))
    }

    /// Says how long to wait and to work, unless the script did.
    fn limit(&mut self, lock: &str, statement: &str) -> Result<(), EngineError> {
        if !self.session()?.our_limits {
            return Ok(());
        }
        self.batch(&format!(
            "SET lock_timeout TO '{lock}'; SET statement_timeout TO '{statement}'"
        ))
    }

    /// Whether two connections at once are two, and the first is what it was.
    fn sees_itself(&mut self) -> Result<(), EngineError> {
        let ask = "SELECT pg_backend_pid()";
        let (beside, _) = self.connect()?;
        let other: Row = {
            let asked = self.runtime()?.block_on(beside.query_one(ask, &[]));
            asked.map_err(|error| self.store(&error))?
        };
        let process = self.session()?.process;
        let (Some(runtime), Some(session)) = (&self.runtime, &self.session) else {
            return Err(EngineError::Store("the connection was closed".to_owned()));
        };
        let own = runtime.block_on(session.client.query_one(ask, &[]));
        let own = own.map_err(|error| self.store(&error))?;
        if own.get::<_, i32>(0) != process || other.get::<_, i32>(0) == process {
            let location = self.location();
            return Err(EngineError::Pooler { location });
        }
        Ok(())
    }

    fn run(&mut self, statement: &Statement) -> Result<(), Trouble> {
        self.session().map_err(Trouble::Engine)?;
        let (Some(runtime), Some(session)) = (&self.runtime, &self.session) else {
            return Err(Trouble::Engine(EngineError::Store(
                "the connection was closed".to_owned(),
            )));
        };
        let done = runtime.block_on(session.client.execute(&statement.sql, &[]));
        done.map(|_| ()).map_err(|error| self.trouble(&error, statement))
    }

    fn trouble(&self, error: &tokio_postgres::Error, statement: &Statement) -> Trouble {
        let Some(found) = error.as_db_error() else {
            return Trouble::Engine(self.store(error));
        };
        let code = found.code();
        if is_lost(code) {
            return Trouble::Engine(self.store(error));
        }
        let mut text = self.told(&text_of(error));
        if let Some(ErrorPosition::Original(position)) = found.position() {
            let before = statement.sql.chars().take(*position as usize);
            let line = statement.line as usize + before.filter(|c| *c == '\n').count();
            if line > statement.line as usize {
                text = format!("{text}, in line {line}");
            }
        }
        if [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
        ]
        .contains(code)
        {
            return Trouble::Blocked(text);
        }
        if *code == SqlState::QUERY_CANCELED {
            text = format!("{text}; `SET statement_timeout` before it gives it more time");
        }
        Trouble::Failed(text)
    }
}

/// Whether the session ended with the error, or could not begin.
fn is_lost(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
        ]
        .contains(code)
}

/// What an error says. Its details are left out: they hold values of rows.
fn text_of(error: &tokio_postgres::Error) -> String {
    if let Some(found) = error.as_db_error() {
        let hint = found.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        return format!("{}{hint} ({})", found.message(), found.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}

/// `?` after `?` becomes `$1`, `$2`, and so on.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (number, part) in (1..).zip(parts) {
        text.push_str(&format!("${number}{part}"));
    }
    text
}

/// A name as it stands in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn cells_of(row: &Row) -> Result<Vec<Cell>, tokio_postgres::Error> {
    let cell = |(place, column): (usize, &tokio_postgres::Column)| {
        Ok(if *column.type_() == Type::INT8 {
            row.try_get::<_, Option<i64>>(place)?.map_or(Cell::Null, Cell::Integer)
        } else {
            row.try_get::<_, Option<String>>(place)?.map_or(Cell::Null, Cell::Text)
        })
    };
    row.columns().iter().enumerate().map(cell).collect()
}

impl Engine for PostgresEngine {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn location(&self) -> String {
        self.address.to_string()
    }

    fn try_lock(&mut self) -> Result<bool, EngineError> {
        let schema = self.session()?.schema.clone();
        let digest = Digest::of(format!("migrations of the schema {schema}"));
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        let lock = i64::from_be_bytes(first);
        let taken = self.query(
            "SELECT CASE WHEN pg_try_advisory_lock(?) THEN 1::bigint ELSE 0 END",
            &[Cell::Integer(lock)],
        )?;
        if taken != [[Cell::Integer(1)]] {
            return Ok(false);
        }
        self.session()?.lock = Some(lock);
        let sound = self.sees_itself().and_then(|()| self.check_lock());
        if sound.is_err() {
            self.unlock();
        }
        sound.map(|()| true)
    }

    fn check_lock(&mut self) -> Result<(), EngineError> {
        let Some(lock) = self.session()?.lock else {
            return Ok(());
        };
        let held = self.query(
            "SELECT count(*) FROM pg_locks
             WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid()
               AND ((classid::bigint << 32) | objid::bigint) = ?",
            &[Cell::Integer(lock)],
        )?;
        if held != [[Cell::Integer(1)]] {
            let location = self.location();
            return Err(EngineError::LockLost { location });
        }
        Ok(())
    }

    fn unlock(&mut self) {
        if let Some(lock) = self.session.as_mut().and_then(|session| session.lock.take()) {
            // Now, and not when the server notices that the connection is gone.
            let _ = self.query("SELECT pg_advisory_unlock(?)::text", &[Cell::Integer(lock)]);
        }
        // Whatever a script set in the session goes with it.
        if let (Some(runtime), Some(Session { client, driver, .. })) = (&self.runtime, self.session.take()) {
            drop(client);
            let _ = runtime.block_on(async { tokio::time::timeout(CLOSING, driver).await });
        }
    }

    fn refresh(&mut self) -> Result<(), EngineError> {
        self.batch(&format!("RESET ROLE; RESET ALL; {SETTINGS}"))?;
        self.session()?.our_limits = true;
        self.limit(LOCK, STATEMENT)
    }

    fn prefix(&mut self) -> Result<String, EngineError> {
        Ok(format!("{}.", quoted(&self.session()?.schema)))
    }

    fn begin(&mut self) -> Result<(), EngineError> {
        self.batch("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE")
    }

    fn begin_reading(&mut self) -> Result<(), EngineError> {
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        self.batch("COMMIT")
    }

    fn roll_back(&mut self) {
        if self.session.as_ref().is_some_and(|session| !session.client.is_closed()) {
            let _ = self.batch("ROLLBACK");
        }
    }

    fn query(&mut self, sql: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, EngineError> {
        self.session()?;
        let (Some(runtime), Some(session)) = (&self.runtime, &self.session) else {
            return Err(EngineError::Store("the connection was closed".to_owned()));
        };
        let nothing: Option<String> = None;
        let cells: Vec<&(dyn ToSql + Sync)> = cells
            .iter()
            .map(|cell| match cell {
                Cell::Null => &nothing as &(dyn ToSql + Sync),
                Cell::Integer(number) => number,
                Cell::Text(text) => text,
            })
            .collect();
        let rows = runtime.block_on(session.client.query(&numbered(sql), &cells));
        let rows = rows.and_then(|rows| rows.iter().map(cells_of).collect::<Result<_, _>>());
        rows.map_err(|error| self.store(&error))
    }

    fn apply(&mut self, statement: &Statement) -> Result<(), Trouble> {
        if Dialect::Postgres.effect(statement) == Effect::ByItself {
            self.limit("0", LONG_STATEMENT).map_err(Trouble::Engine)?;
            let done = self.run(statement);
            self.limit(LOCK, STATEMENT).map_err(Trouble::Engine)?;
            done?;
            return match observe::leaves_invalid(self, statement).map_err(Trouble::Engine)? {
                None => Ok(()),
                Some(index) => Err(Trouble::Failed(format!(
                    "the index {index} was there already and is invalid, since whoever built it did not come to the end: \
                     drop it first"
                ))),
            };
        }
        if matches!(statement.keyword(), "SET" | "RESET") {
            let text = statement.sql.to_ascii_lowercase();
            if text.contains("timeout") || text.starts_with("reset all") {
                self.session().map_err(Trouble::Engine)?.our_limits = false;
            }
        }
        self.run(statement)
    }

    fn mark(&mut self, statement: &Statement) -> Result<String, EngineError> {
        observe::mark(self, statement)
    }

    fn observe(&mut self, statement: &Statement, mark: &str) -> Result<Observed, EngineError> {
        self.limit("0", LONG_STATEMENT)?;
        let observed = observe::observe(self, statement, mark);
        self.limit(LOCK, STATEMENT)?;
        observed
    }
}

impl Drop for PostgresEngine {
    fn drop(&mut self) {
        // Without waiting, because this may be where a thread may not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_marks_are_numbered() {
        assert_eq!(numbered("a = ? AND b > ?"), "a = $1 AND b > $2");
        assert_eq!(numbered("a"), "a");
    }

    #[test]
    fn an_address_that_cannot_be_read_is_refused_and_no_password_is_shown() {
        let refused = PostgresEngine::new("mysql://a:s3cret@b/c", None)
            .err()
            .unwrap()
            .to_string();
        assert!(
            refused.contains("postgres://") && !refused.contains("s3cret"),
            "{refused}"
        );
        let engine = PostgresEngine::new("postgres://app@db.example/shop", Some("s3cret")).unwrap();
        assert_eq!(engine.location(), "postgres://app@db.example:5432/shop");
        assert_eq!(engine.told("no s3cret here"), "no *** here");
    }
}
