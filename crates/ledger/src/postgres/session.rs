//! One connection to the database, used by one thread at a time.
//!
//! The driver is asynchronous; here it is driven by the thread that asks, so that a fold, which is
//! ordinary code, can read rows without a hop between threads. Several statements may go out together:
//! the answers to all come back in the time of one.

use std::cell::Cell;
use std::collections::HashMap;
use std::error::Error;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use postgresql::{Encrypted, Encryption};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Connection, Row, Socket, Statement};

use super::address::Address;
use super::failure::Failure;
use crate::contract::LedgerError;
use crate::row::Value;

/// How many readers work at the same time.
const READERS: usize = 4;

/// How many statements a connection keeps prepared.
const STATEMENTS: usize = 1_000;

/// After how long a transaction lets the database know that it is still at work.
const SILENCE: Duration = Duration::from_secs(2);

/// What stands in a statement's place `$n`.
#[derive(Debug, Clone)]
pub(super) enum Parameter {
    /// A name, as `text`.
    Name(String),
    /// Bytes, as `bytea`; so are texts kept that may hold anything.
    Bytes(Option<Vec<u8>>),
    /// A number, as `int8`.
    Integer(Option<i64>),
    /// A number, as `float8`.
    Real(Option<f64>),
    /// `text[]`.
    Names(Vec<String>),
    /// `bytea[]`.
    ManyBytes(Vec<Option<Vec<u8>>>),
    /// `int8[]`.
    Integers(Vec<Option<i64>>),
    /// `float8[]`.
    Reals(Vec<Option<f64>>),
}

impl Parameter {
    /// Bytes, of a text or otherwise.
    pub(super) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(Some(bytes.into()))
    }

    /// A name.
    pub(super) fn name(text: impl Into<String>) -> Self {
        Self::Name(text.into())
    }

    /// A natural number. No position gets near the end of PostgreSQL's integers.
    pub(super) fn natural(number: u64) -> Self {
        Self::Integer(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// A limit.
    pub(super) fn count(limit: usize) -> Self {
        Self::natural(limit as u64)
    }
}

impl From<&Value> for Parameter {
    fn from(value: &Value) -> Self {
        match value {
            // Whatever the column's type is, it takes it.
            Value::Null => Self::Integer(None),
            Value::Text(text) => Self::bytes(text.as_bytes()),
            Value::Integer(number) => Self::Integer(Some(*number)),
            Value::Real(number) => Self::Real(Some(*number)),
        }
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Name(name) => name.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Real(number) => number.to_sql(kind, out),
            Self::Names(names) => names.to_sql(kind, out),
            Self::ManyBytes(many) => many.to_sql(kind, out),
            Self::Integers(numbers) => numbers.to_sql(kind, out),
            Self::Reals(numbers) => numbers.to_sql(kind, out),
        }
    }

    /// The statements say the types of their parameters.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A statement with its parameters.
#[derive(Debug)]
pub(super) struct Ask {
    pub sql: String,
    pub parameters: Vec<Parameter>,
}

impl Ask {
    pub(super) fn new(sql: impl Into<String>, parameters: impl Into<Vec<Parameter>>) -> Self {
        Self {
            sql: sql.into(),
            parameters: parameters.into(),
        }
    }
}

/// Makes a connection. The messages that nobody asked for come out of it when it is driven.
pub(super) async fn connect(address: &Address) -> Result<(Client, Connection<Socket, Encrypted>), Failure> {
    let encryption = Encryption::new(&address.database).map_err(|error| Failure::Other(error.to_string()))?;
    let (client, connection) = address.database.config().connect(encryption).await?;
    Ok((client, connection))
}

/// Says what every connection needs: where the tables are, and that nothing which was set for the role
/// or the database takes durability away or ends a long fold.
pub(super) fn settings(address: &Address) -> String {
    format!(
        "SET search_path TO \"{}\"; SET statement_timeout TO 0; SET lock_timeout TO 0; SET bytea_output TO 'hex'; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')",
        address.schema
    )
}

/// One connection.
pub(super) struct Session {
    client: Client,
    statements: Mutex<HashMap<String, Statement>>,
    /// When it was used last.
    used: Cell<Instant>,
    runtime: Option<Runtime>,
}

impl Session {
    /// Connects. Not to be called where a thread may not block.
    pub(super) fn open(address: &Address) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(async {
            let (client, connection) = connect(address).await?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to the database ended");
                }
            });
            client.batch_execute(&settings(address)).await?;
            Ok::<_, Failure>(client)
        })?;
        Ok(Self {
            client,
            statements: Mutex::default(),
            used: Cell::new(Instant::now()),
            runtime: Some(runtime),
        })
    }

    /// Drives the connection until `work` is done.
    fn block_on<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let done = match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(Failure::Lost("the connection was closed".into())),
        };
        self.used.set(Instant::now());
        done
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, Failure> {
        let known = |statements: &HashMap<String, Statement>| statements.get(sql).cloned();
        if let Some(statement) = known(&self.statements.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Forgets what is prepared, because tables were exchanged.
    pub(super) fn forget_statements(&self) {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The rows that a statement gives.
    pub(super) fn query(&self, sql: &str, parameters: &[Parameter]) -> Result<Vec<Row>, Failure> {
        self.block_on(async {
            let statement = self.prepared(sql).await?;
            let parameters: Vec<_> = parameters
                .iter()
                .map(|parameter| parameter as &(dyn ToSql + Sync))
                .collect();
            Ok(self.client.query(&statement, &parameters).await?)
        })
    }

    /// The first row that a statement gives, if it gives one.
    pub(super) fn first(&self, sql: &str, parameters: &[Parameter]) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, parameters)?.into_iter().next())
    }

    /// Statements without parameters, separated by `;`, that give no rows.
    pub(super) fn batch(&self, sql: &str) -> Result<(), Failure> {
        self.block_on(async { Ok(self.client.batch_execute(sql).await?) })
    }

    /// The rows of each statement. All go out before the first answer is waited for; the first that fails
    /// is the error.
    pub(super) fn all(&self, asks: &[Ask]) -> Result<Vec<Vec<Row>>, Failure> {
        self.block_on(async {
            let mut statements = Vec::with_capacity(asks.len());
            for ask in asks {
                statements.push(self.prepared(&ask.sql).await?);
            }
            let parameters: Vec<Vec<_>> = asks
                .iter()
                .map(|ask| ask.parameters.iter().map(|one| one as &(dyn ToSql + Sync)).collect())
                .collect();
            let answers = statements
                .iter()
                .zip(&parameters)
                .map(|(statement, parameters)| self.client.query(statement, parameters));
            in_order(answers)
                .await
                .into_iter()
                .map(|answer| answer.map_err(Failure::from))
                .collect()
        })
    }

    /// Lets the database know that this process is alive, where it has asked nothing for a while: a session
    /// that is silent in a transaction is ended.
    pub(super) fn show_life(&self) -> Result<(), Failure> {
        match self.used.get().elapsed() > SILENCE {
            true => self.batch("SELECT 1"),
            false => Ok(()),
        }
    }

    /// Begins a transaction, and takes it back when `work` fails. What `work` does last is to commit.
    pub(super) fn transaction<T, E: From<Failure>>(
        &self,
        begin: &str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.batch(begin)?;
        let result = work();
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    /// Takes back what the open transaction did. A lost connection has done so by itself.
    pub(super) fn roll_back(&self) {
        if let Err(failure) = self.batch("ROLLBACK") {
            tracing::debug!(?failure, "a transaction could not be rolled back");
        }
    }

    /// Whether the server has closed the connection, as far as is known.
    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Without waiting, because this may be where a thread may not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Begins a transaction that writes.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";

/// Begins a transaction that sees one state, and writes what nobody else does.
pub(super) const BEGIN_BESIDE: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ WRITE";

/// Begins a transaction that sees one state.
pub(super) const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Awaits all futures side by side. Each is begun before the next, so what they send goes out in their order.
async fn in_order<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Some(Box::pin(future)), None)).collect();
    poll_fn(|context| {
        for (future, output) in &mut running {
            if let Some(pending) = future
                && let Poll::Ready(ready) = pending.as_mut().poll(context)
            {
                (*future, *output) = (None, Some(ready));
            }
        }
        match running.iter().all(|(future, _)| future.is_none()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

/// Connections for reading, each used by one thread at a time.
#[derive(Clone)]
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    address: Address,
    idle: Mutex<Vec<Session>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(address: &Address) -> Self {
        Self(Arc::new(Pool {
            address: address.clone(),
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(READERS)),
        }))
    }

    /// Runs `work` on a connection, on a thread where it may block; once more on another connection
    /// where the first turns out to be gone.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&Session) -> Result<T, ReadFailure> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let stopped = |what: &dyn std::fmt::Display| LedgerError::Store(format!("a reader stopped: {what}"));
        let permit = self
            .0
            .free
            .clone()
            .acquire_owned()
            .await
            .map_err(|error| stopped(&error))?;
        let pool = self.0.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let session = pool.take()?;
            let (session, result) = match work(&session) {
                Err(ReadFailure::Store(failure)) if failure.is_passing() => {
                    tracing::debug!(?failure, "a question is asked again over another connection");
                    // The others are as old.
                    pool.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    let session = Session::open(&pool.address)?;
                    let result = work(&session);
                    (session, result)
                }
                result => (session, result),
            };
            // After a failure it may be in the middle of something.
            if !matches!(result, Err(ReadFailure::Store(_))) {
                pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
            }
            result.map_err(LedgerError::from)
        });
        done.await.map_err(|error| stopped(&error))?
    }
}

impl Pool {
    fn take(&self) -> Result<Session, Failure> {
        while let Some(session) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            if !session.is_closed() {
                return Ok(session);
            }
        }
        Session::open(&self.address)
    }
}

/// Why something could not be read: the store, which may be asked again, or what stands in it.
#[derive(Debug)]
pub(super) enum ReadFailure {
    Store(Failure),
    Found(LedgerError),
}

impl From<Failure> for ReadFailure {
    fn from(failure: Failure) -> Self {
        Self::Store(failure)
    }
}

impl From<tokio_postgres::Error> for ReadFailure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<LedgerError> for ReadFailure {
    fn from(error: LedgerError) -> Self {
        Self::Found(error)
    }
}

impl From<ReadFailure> for LedgerError {
    fn from(failure: ReadFailure) -> Self {
        match failure {
            ReadFailure::Store(failure) => failure.into(),
            ReadFailure::Found(error) => error,
        }
    }
}
