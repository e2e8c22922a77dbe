//! The file `operations.db`: what is needed to operate and is no fact.
//!
//! It holds names, hashes and ciphertexts, is readable by its owner alone, and erased rows are
//! overwritten. Everything in it has a place of its own: see the modules that use it.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use facts::{Clock, Entropy, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::error::AccessError;
use crate::key::{self, MasterKey};

/// `Tlop`: what SQLite's header says about the file.
const APPLICATION_ID: i64 = 0x546c_6f70;
/// The version of the tables below.
const VERSION: i64 = 6;

const TABLES: &str = "
CREATE TABLE actors (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT,
    address TEXT UNIQUE,
    created_at INTEGER NOT NULL,
    erased_at INTEGER
) STRICT;
CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    shelf BLOB NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    person TEXT REFERENCES actors (id),
    rights TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX tokens_by_shelf ON tokens (shelf);
CREATE TABLE login_links (
    shelf BLOB NOT NULL,
    hash BLOB NOT NULL PRIMARY KEY,
    token TEXT NOT NULL REFERENCES tokens (id),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE sessions (
    shelf BLOB NOT NULL,
    hash BLOB NOT NULL PRIMARY KEY,
    token TEXT NOT NULL REFERENCES tokens (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE secrets (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL
) STRICT;
CREATE TABLE secret_versions (
    secret TEXT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (secret, version)
) STRICT;
CREATE TABLE key_mark (mark BLOB NOT NULL) STRICT;
";

/// What version 2 adds.
const ANSWERS: &str = "
CREATE TABLE answers (
    actor TEXT NOT NULL,
    key BLOB NOT NULL,
    request BLOB NOT NULL,
    status INTEGER,
    content_type TEXT,
    body BLOB,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT;
CREATE INDEX answers_by_age ON answers (asked_at);
";

/// What version 3 adds.
const OUTBOX: &str = "
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    recipient TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    finished_at INTEGER,
    delivered INTEGER NOT NULL DEFAULT 0,
    recorded INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_by_due ON outbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_by_recipient ON outbox (recipient, finished_at);
CREATE INDEX outbox_by_age ON outbox (created_at);
CREATE INDEX outbox_unrecorded ON outbox (finished_at) WHERE NOT recorded;
CREATE TABLE outbox_position (position INTEGER NOT NULL) STRICT;
";

/// What version 4 adds.
const READERS: &str = "
CREATE TABLE read_positions (reader TEXT NOT NULL PRIMARY KEY, position INTEGER NOT NULL) STRICT;
";

/// What version 5 adds.
const HOOKS: &str = "
CREATE TABLE hooks (
    id TEXT NOT NULL PRIMARY KEY,
    component TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    previous_until INTEGER,
    heard_at INTEGER,
    missed_at INTEGER
) STRICT;
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    hook TEXT NOT NULL REFERENCES hooks (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    host TEXT,
    event TEXT,
    delivery TEXT,
    verdict TEXT NOT NULL,
    detail TEXT NOT NULL,
    ref TEXT,
    head TEXT
) STRICT;
CREATE INDEX deliveries_by_hook ON deliveries (hook, number);
";

/// What version 6 adds.
const STATUSES: &str = "
CREATE TABLE statuses (
    key TEXT NOT NULL PRIMARY KEY,
    target TEXT NOT NULL,
    position INTEGER NOT NULL,
    body TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    due_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    told_at INTEGER,
    told TEXT
) STRICT;
CREATE INDEX statuses_by_due ON statuses (target, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX statuses_by_position ON statuses (target, position);
CREATE TABLE status_targets (
    target TEXT NOT NULL PRIMARY KEY,
    paused_until INTEGER,
    problem TEXT NOT NULL,
    problem_since INTEGER NOT NULL
) STRICT;
";

/// The store of actors, tokens, sessions and secrets.
pub struct Access {
    connection: Mutex<Connection>,
    pub(crate) key: MasterKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

impl Access {
    /// The name of the store's file in the data folder.
    pub const FILE: &'static str = "operations.db";
    /// The name of the key's file in the data folder.
    pub const KEY_FILE: &'static str = "secrets.key";

    /// Opens the store in the data folder, or makes it. The key is `key_digits` (64 hex digits, from a
    /// variable) where given, else that of the file [`Access::KEY_FILE`], which is made with the store.
    ///
    /// # Errors
    /// When a file can be used by others, is another program's or a newer version's, when the key is
    /// missing or wrong, or when the store fails.
    pub fn open(
        folder: &Path,
        key_digits: Option<&str>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, AccessError> {
        let path = folder.join(Self::FILE);
        let mut connection = open_file(&path)?;
        make_tables(&mut connection, &path)?;
        let key = find_key(folder, key_digits, &connection, entropy.as_ref())?;
        Ok(Self {
            connection: Mutex::new(connection),
            key,
            clock,
            entropy,
        })
    }

    /// Copies the store as it is at one moment into the file `to`, which must not be there. Whoever uses the store goes
    /// on meanwhile. The copy holds hashes and ciphertexts, and not the key.
    ///
    /// # Errors
    /// When the store or the file fails.
    pub fn copy_to(&self, to: &Path) -> Result<(), AccessError> {
        let path = self.connection().path().map(PathBuf::from).unwrap_or_default();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(path, flags)?;
        reader.busy_timeout(std::time::Duration::from_secs(5))?;
        reader.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
        Ok(())
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere cannot leave a transaction half done: it was rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in one durable transaction.
    pub(crate) fn change<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, AccessError>,
    ) -> Result<T, AccessError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        crashpoint::reach("access.commit.before");
        transaction.commit()?;
        crashpoint::reach("access.commit.after");
        Ok(result)
    }
}

fn open_file(path: &Path) -> Result<Connection, AccessError> {
    // Made by hand, so that it is private from its first moment; SQLite gives its other files the
    // same permissions.
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => key::check_private(path)?,
        Err(error) => {
            return Err(AccessError::File {
                path: path.display().to_string(),
                reason: error.to_string(),
            });
        }
    }
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

fn make_tables(connection: &mut Connection, path: &Path) -> Result<(), AccessError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let application: i64 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (application != 0 || tables > 0) {
        return Err(AccessError::Foreign(path.display().to_string()));
    }
    if version > VERSION {
        return Err(AccessError::Newer {
            path: path.display().to_string(),
            found: version,
            known: VERSION,
        });
    }
    if version == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    if version < 2 {
        transaction.execute_batch(ANSWERS)?;
    }
    if version < 3 {
        transaction.execute_batch(OUTBOX)?;
    }
    if version < 4 {
        transaction.execute_batch(READERS)?;
    }
    if version < 5 {
        transaction.execute_batch(HOOKS)?;
    }
    if version < 6 {
        transaction.execute_batch(STATUSES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(transaction.commit()?)
}

fn find_key(
    folder: &Path,
    key_digits: Option<&str>,
    connection: &Connection,
    entropy: &dyn Entropy,
) -> Result<MasterKey, AccessError> {
    let path: PathBuf = folder.join(Access::KEY_FILE);
    let mark: Option<Vec<u8>> = connection
        .query_row("SELECT mark FROM key_mark", [], |row| row.get(0))
        .optional()?;
    let found = match key_digits {
        Some(digits) => Some(MasterKey::from_hex(digits, "the variable with the key")?),
        None => MasterKey::read(&path)?,
    };
    match (found, mark) {
        (Some(key), Some(mark)) if crate::random::same(&mark, &key.mark()) => Ok(key),
        (Some(_), Some(_)) => Err(AccessError::KeyWrong),
        (None, Some(_)) => Err(AccessError::KeyMissing(path.display().to_string())),
        (found, None) => {
            let key = match found {
                Some(key) => key,
                None => MasterKey::create(&path, entropy)?,
            };
            connection.execute("INSERT INTO key_mark (mark) VALUES (?1)", [key.mark()])?;
            Ok(key)
        }
    }
}

/// How a time is stored: microseconds since 1970.
pub(crate) fn stored(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(crate) fn time(stored: i64) -> Result<Timestamp, AccessError> {
    Timestamp::from_microsecond(stored).map_err(damaged)
}

pub(crate) fn damaged(error: impl std::fmt::Display) -> AccessError {
    AccessError::Damaged(error.to_string())
}
