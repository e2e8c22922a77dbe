//! What was answered to requests that carry a key, so that one sent again is answered again and not
//! done again.
//!
//! A key is its sender's: two actors may use the same one. Requests are kept as keyed hashes, because
//! their bodies may hold secrets, and everything is forgotten after [`KEPT`].

use std::time::Duration;

use facts::Actor;
use rusqlite::{OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use crate::error::AccessError;
use crate::random;
use crate::store::{Access, damaged, stored};

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// What the body is.
    pub content_type: String,
    /// The body; `None` where it must not be kept.
    pub body: Option<Vec<u8>>,
}

/// What is known of a request that carries a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repetition {
    /// The key is new: do it, then [`Access::keep_answer`] or [`Access::forget_request`].
    First,
    /// It was done, and answered so.
    Answered(KeptAnswer),
    /// It began and has no answer: it is under way, or the server ended in the midst of it.
    Unanswered,
    /// The key belongs to another request.
    Another,
}

impl Access {
    /// Takes `key` for the request of `actor` that consists of `parts`, or says what became of it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn begin_request(&self, actor: Actor, key: &str, parts: &[&[u8]]) -> Result<Repetition, AccessError> {
        let now = self.clock.now();
        let oldest = now.checked_sub(KEPT).map_err(damaged)?;
        let request = self.request_hash(parts);
        let (actor, key) = (actor.to_string(), random::hash(key));
        self.change(|transaction| {
            transaction.execute("DELETE FROM answers WHERE asked_at <= ?1", [stored(oldest)])?;
            let found = transaction
                .query_row(
                    "SELECT request, status, content_type, body FROM answers WHERE actor = ?1 AND key = ?2",
                    params![actor, key],
                    |row| {
                        Ok((
                            row.get::<_, Vec<u8>>(0)?,
                            row.get::<_, Option<u16>>(1)?,
                            row.get::<_, Option<String>>(2)?,
                            row.get::<_, Option<Vec<u8>>>(3)?,
                        ))
                    },
                )
                .optional()?;
            Ok(match found {
                Some((kept, ..)) if !random::same(&kept, &request) => Repetition::Another,
                Some((_, Some(status), content_type, body)) => Repetition::Answered(KeptAnswer {
                    status,
                    content_type: content_type.unwrap_or_default(),
                    body,
                }),
                Some(_) => Repetition::Unanswered,
                None => {
                    transaction.execute(
                        "INSERT INTO answers (actor, key, request, asked_at) VALUES (?1, ?2, ?3, ?4)",
                        params![actor, key, request, stored(now)],
                    )?;
                    Repetition::First
                }
            })
        })
    }

    /// Keeps what was answered.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keep_answer(&self, actor: Actor, key: &str, answer: &KeptAnswer) -> Result<(), AccessError> {
        self.change(|transaction| {
            transaction.execute(
                "UPDATE answers SET status = ?3, content_type = ?4, body = ?5 WHERE actor = ?1 AND key = ?2",
                params![
                    actor.to_string(),
                    random::hash(key),
                    answer.status,
                    answer.content_type,
                    answer.body
                ],
            )?;
            Ok(())
        })
    }

    /// Forgets a request that changed nothing, so that it may be sent again with its key.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_request(&self, actor: Actor, key: &str) -> Result<(), AccessError> {
        self.change(|transaction| {
            transaction.execute(
                "DELETE FROM answers WHERE actor = ?1 AND key = ?2",
                params![actor.to_string(), random::hash(key)],
            )?;
            Ok(())
        })
    }

    fn request_hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(b"throughline request\0");
        hasher.update(self.key.bytes());
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}
