//! The engine for MariaDB, 10.6 or later, and MySQL, 8.0 or later.
//!
//! - A statement that defines something (`CREATE`, `ALTER`, `DROP`, ...) commits whatever is open, before it
//!   and after it. So no file with one is a transaction: each statement stands for itself, and one of these is
//!   journaled before and after. When nobody saw its end, the catalogue says what came of it (`catalogue`):
//!   since these versions such a statement takes effect as a whole or not at all.
//! - There are two named locks. One is held by a connection of its own and keeps runners apart. The other is
//!   that of the connection in which statements run, and outlives a process that was killed for as long as the
//!   server goes on with what that had begun.
//! - Each script has a connection of its own, so that nothing which one sets holds for the next.
//! - A statement waits for locks of others for some seconds, then gives way.

mod address;
mod catalogue;

use std::time::Duration;

use facts::Digest;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Params, Row, Value};
use tokio::runtime::{Builder, Runtime};

use crate::dialect::Dialect;
use crate::engine::{Cell, Engine, EngineError, Observed, Trouble};
use crate::statement::Statement;
use address::Address;

/// How long making or ending a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// What every connection needs, whatever the server's defaults are. Texts are cut into statements as they
/// are read without `NO_BACKSLASH_ESCAPES`.
const SETTINGS: [&str; 3] = [
    "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'NO_BACKSLASH_ESCAPES', '')",
    "SET SESSION lock_wait_timeout = 5, SESSION innodb_lock_wait_timeout = 5",
    "SET SESSION wait_timeout = 86400, SESSION autocommit = 1",
];

/// What limits the time of a statement to an hour, where the server has that for all statements.
const LIMIT: &str = "SET SESSION max_statement_time = 3600";

/// What MySQL needs so that its catalogue tells what is, and not what was.
const FRESH: &str = "SET SESSION information_schema_stats_expiry = 0";

/// One database of a MariaDB or MySQL server.
pub struct MysqlEngine {
    address: Address,
    password: Option<String>,
    runtime: Option<Runtime>,
    /// The connection that keeps other runners away.
    keeper: Option<Conn>,
    /// The connection in which statements run.
    work: Option<Conn>,
}

impl MysqlEngine {
    /// The database at `address`, which is shown; with this password, which is not.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn new(address: &str, password: Option<&str>) -> Result<Self, EngineError> {
        let address = Address::parse(address, password)?;
        let password = address
            .opts
            .pass()
            .filter(|password| !password.is_empty())
            .map(str::to_owned);
        Ok(Self {
            address,
            password,
            runtime: None,
            keeper: None,
            work: None,
        })
    }

    fn told(&self, text: &str) -> String {
        match &self.password {
            Some(password) => text.replace(password.as_str(), "***"),
            None => text.to_owned(),
        }
    }

    fn store(&self, error: &Error) -> EngineError {
        EngineError::Store(self.told(&text_of(error)))
    }

    fn cannot_open(&self, reason: &str) -> EngineError {
        EngineError::Open {
            location: self.location(),
            reason: self.told(reason),
        }
    }

    fn lock_lost(&self) -> EngineError {
        EngineError::LockLost {
            location: self.location(),
        }
    }

    /// The names of the two locks. They are the server's, so they name the database.
    fn locks(&self) -> [String; 2] {
        let database = Digest::of(&self.address.database).hex();
        ["runner", "work"].map(|kind| format!("throughline.{}.{kind}", &database[..32]))
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

    fn connect(&mut self) -> Result<Conn, EngineError> {
        let opts = self.address.opts.clone();
        let made = self.runtime()?.block_on(async {
            tokio::time::timeout(CONNECT, async {
                let mut conn = Conn::new(opts).await?;
                for setting in SETTINGS {
                    conn.query_drop(setting).await?;
                }
                let version: Option<String> = conn.query_first("SELECT VERSION()").await?;
                let is_mariadb = version.is_some_and(|version| version.contains("MariaDB"));
                conn.query_drop(if is_mariadb { LIMIT } else { FRESH }).await?;
                Ok::<_, Error>(conn)
            })
            .await
        });
        match made {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(error)) => Err(self.cannot_open(&text_of(&error))),
            Err(_) => Err(self.cannot_open("it does not answer")),
        }
    }

    /// The connection in which statements run, made where there is none.
    fn work(&mut self) -> Result<(&Runtime, &mut Conn), EngineError> {
        if self.work.is_none() {
            self.work = Some(self.connect()?);
        }
        match (&self.runtime, &mut self.work) {
            (Some(runtime), Some(conn)) => Ok((runtime, conn)),
            _ => Err(EngineError::Store("the connection was closed".to_owned())),
        }
    }

    fn disconnect(&mut self, conn: Option<Conn>) {
        if let (Some(runtime), Some(conn)) = (&self.runtime, conn) {
            let _ = runtime.block_on(async { tokio::time::timeout(CONNECT, conn.disconnect()).await });
        }
    }

    /// Asks one number of a connection.
    fn number(&mut self, of_keeper: bool, sql: &str, name: &str) -> Result<Option<i64>, EngineError> {
        let conn = if of_keeper { &mut self.keeper } else { &mut self.work };
        let (Some(runtime), Some(conn)) = (&self.runtime, conn) else {
            return Err(EngineError::Store("the connection was closed".to_owned()));
        };
        let asked = runtime.block_on(conn.exec_first::<Option<i64>, _, _>(sql, (name,)));
        asked.map(Option::flatten).map_err(|error| self.store(&error))
    }

    /// Takes both locks, without waiting.
    fn take(&mut self) -> Result<bool, EngineError> {
        const TAKE: &str = "SELECT GET_LOCK(?, 0)";
        let [runner, work] = self.locks();
        if self.number(true, TAKE, &runner)? != Some(1) {
            return Ok(false);
        }
        if self.work.is_none() {
            self.work = Some(self.connect()?);
        }
        if self.number(false, TAKE, &work)? != Some(1) {
            self.number(true, "SELECT RELEASE_LOCK(?)", &runner)?;
            return Ok(false);
        }
        Ok(true)
    }

    /// The rows of a question of our own, as texts.
    fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, EngineError> {
        let (runtime, conn) = self.work()?;
        let asked = runtime.block_on(conn.query::<Row, _>(sql));
        let rows = asked.map_err(|error| self.store(&error))?;
        let text = |value: Value| match value {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            other => Some(other.as_sql(true)),
        };
        Ok(rows
            .into_iter()
            .map(|row| row.unwrap().into_iter().map(text).collect())
            .collect())
    }
}

/// What an error says. The values of rows that stand in some are left out.
fn text_of(error: &Error) -> String {
    match error {
        Error::Server(found) => {
            // "Duplicate entry 'value' for key 'name'".
            let text = match (found.code, found.message.rsplit_once("' for key ")) {
                (1062 | 1586 | 1761, Some((_, key))) => format!("a duplicate entry for key {key}"),
                _ => found.message.clone(),
            };
            format!("{text} ({})", found.code)
        }
        other => other.to_string(),
    }
}

/// Errors of whoever waited too long for a lock, or was chosen to end a circle of those who wait.
const BLOCKED: [u16; 3] = [1205, 1213, 3572];

/// Errors of a server that stops, or of a session that was ended.
const LOST: [u16; 6] = [1053, 1152, 1158, 1159, 1160, 1927];

fn cell_of(value: Value) -> Cell {
    match value {
        Value::NULL => Cell::Null,
        Value::Int(number) => Cell::Integer(number),
        Value::UInt(number) => i64::try_from(number).map_or(Cell::Null, Cell::Integer),
        Value::Bytes(bytes) => Cell::Text(String::from_utf8_lossy(&bytes).into_owned()),
        other => Cell::Text(other.as_sql(true)),
    }
}

impl Engine for MysqlEngine {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn location(&self) -> String {
        self.address.to_string()
    }

    fn try_lock(&mut self) -> Result<bool, EngineError> {
        if self.keeper.is_none() {
            self.keeper = Some(self.connect()?);
        }
        let taken = self.take();
        if taken.is_err() {
            // Whatever is wrong with them, the next attempt has others.
            self.unlock();
        }
        taken
    }

    fn check_lock(&mut self) -> Result<(), EngineError> {
        const HELD: &str = "SELECT IS_USED_LOCK(?) = CONNECTION_ID()";
        let [runner, work] = self.locks();
        if self.number(true, HELD, &runner)? != Some(1) || self.number(false, HELD, &work)? != Some(1) {
            return Err(self.lock_lost());
        }
        Ok(())
    }

    fn unlock(&mut self) {
        // Said, because the server lets go of those of a closed connection only after a while.
        const RELEASE: &str = "SELECT RELEASE_LOCK(?)";
        let [runner, work] = self.locks();
        let _ = self.number(false, RELEASE, &work);
        let _ = self.number(true, RELEASE, &runner);
        let (work, keeper) = (self.work.take(), self.keeper.take());
        self.disconnect(work);
        self.disconnect(keeper);
    }

    fn refresh(&mut self) -> Result<(), EngineError> {
        let used = self.work.take();
        self.disconnect(used);
        self.work = Some(self.connect()?);
        // The server may be a moment behind in letting go of it.
        let [_, work] = self.locks();
        match self.number(false, "SELECT GET_LOCK(?, 30)", &work)? {
            Some(1) => Ok(()),
            _ => Err(self.lock_lost()),
        }
    }

    fn prefix(&mut self) -> Result<String, EngineError> {
        Ok(format!("`{}`.", self.address.database.replace('`', "``")))
    }

    fn begin(&mut self) -> Result<(), EngineError> {
        self.query_plain("START TRANSACTION")
    }

    fn begin_reading(&mut self) -> Result<(), EngineError> {
        self.query_plain("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        self.query_plain("COMMIT")
    }

    fn roll_back(&mut self) {
        if self.work.is_some() {
            let _ = self.query_plain("ROLLBACK");
        }
    }

    fn query(&mut self, sql: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, EngineError> {
        let values = cells.iter().map(|cell| match cell {
            Cell::Null => Value::NULL,
            Cell::Integer(number) => Value::Int(*number),
            Cell::Text(text) => Value::Bytes(text.clone().into_bytes()),
        });
        let values = match cells {
            [] => Params::Empty,
            _ => Params::Positional(values.collect()),
        };
        let (runtime, conn) = self.work()?;
        let asked = runtime.block_on(conn.exec::<Row, _, _>(sql, values));
        let rows = asked.map_err(|error| self.store(&error))?;
        Ok(rows
            .into_iter()
            .map(|row| row.unwrap().into_iter().map(cell_of).collect())
            .collect())
    }

    fn apply(&mut self, statement: &Statement) -> Result<(), Trouble> {
        let (runtime, conn) = self.work().map_err(Trouble::Engine)?;
        let done = runtime.block_on(async {
            let result = conn.query_iter(statement.sql.as_str()).await?;
            result.drop_result().await
        });
        done.map_err(|error| match &error {
            Error::Server(found) if BLOCKED.contains(&found.code) => Trouble::Blocked(text_of(&error)),
            Error::Server(found) if !LOST.contains(&found.code) => Trouble::Failed(self.told(&text_of(&error))),
            _ => Trouble::Engine(self.store(&error)),
        })
    }

    fn mark(&mut self, statement: &Statement) -> Result<String, EngineError> {
        catalogue::mark(self, statement)
    }

    fn observe(&mut self, statement: &Statement, mark: &str) -> Result<Observed, EngineError> {
        catalogue::observe(self, statement, mark)
    }
}

impl MysqlEngine {
    fn query_plain(&mut self, sql: &str) -> Result<(), EngineError> {
        let (runtime, conn) = self.work()?;
        let done = runtime.block_on(conn.query_drop(sql));
        done.map_err(|error| self.store(&error))
    }
}

impl Drop for MysqlEngine {
    fn drop(&mut self) {
        // Without waiting, because this may be where a thread may not block.
        if let Some(runtime) = self.runtime.take() {
            let entered = runtime.enter();
            drop((self.work.take(), self.keeper.take()));
            drop(entered);
            runtime.shutdown_background();
        }
    }
}
