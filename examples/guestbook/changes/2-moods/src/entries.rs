//! The entries of the guestbook, in SQLite. The schema comes from the migrations.

use std::sync::Mutex;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

/// The stored entries.
pub struct Entries(Mutex<Connection>);

impl Entries {
    /// Opens the database.
    pub fn open(file: &str) -> rusqlite::Result<Self> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        Ok(Self(Mutex::new(connection)))
    }

    fn connection(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Keeps an entry and returns it as it is shown.
    pub fn add(&self, name: &str, message: &str, mood: Option<&str>) -> rusqlite::Result<Value> {
        let connection = self.connection();
        connection.execute(
            "INSERT INTO entries (name, message, mood) VALUES (?1, ?2, ?3)",
            (name, message, mood),
        )?;
        Ok(json!({ "id": connection.last_insert_rowid(), "name": name, "message": message, "mood": mood }))
    }

    /// The newest entries.
    pub fn newest(&self, most: u32) -> rusqlite::Result<Vec<Value>> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT id, name, message, mood FROM entries ORDER BY id DESC LIMIT ?1")?;
        let rows = statement.query_map([most], |row| {
            Ok(json!({
                "id": row.get::<_, i64>(0)?,
                "name": row.get::<_, String>(1)?,
                "message": row.get::<_, String>(2)?,
                "mood": row.get::<_, Option<String>>(3)?,
            }))
        })?;
        rows.collect()
    }

    /// Whether the database answers.
    pub fn answers(&self) -> bool {
        self.connection()
            .query_row("SELECT count(*) FROM entries LIMIT 1", [], |_| Ok(()))
            .is_ok()
    }
}
