//! How a browser comes in: a login link that works once, and the session that follows.
//!
//! A session never holds more than the token it came of, and ends with it.

use std::time::Duration;

use facts::{Timestamp, TokenId};
use rusqlite::{OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::AccessError;
use crate::random;
use crate::store::{Access, damaged, stored, time};
use crate::tokens::Authenticated;

/// How long a login link works.
pub const LINK_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// How long a session lasts.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

const LINK_PREFIX: &str = "tll_";
const SESSION_PREFIX: &str = "tls_";

/// A login link that was just made.
pub struct LoginLink {
    /// The text that the link carries.
    pub secret: Zeroizing<String>,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// A session that just began.
pub struct Session {
    /// The text that the cookie carries.
    pub secret: Zeroizing<String>,
    /// Until when it lasts.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for LoginLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginLink")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What a form of this session carries, so that no other site can send it. It cannot be turned back
/// into the session's text.
pub fn form_token(session: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"throughline form\0");
    hasher.update(session.as_bytes());
    hex::encode(hasher.finalize())
}

/// Whether a form carries its session's token; takes equally long wherever they differ.
pub fn is_form_token(session: &str, presented: &str) -> bool {
    random::same(form_token(session).as_bytes(), presented.as_bytes())
}

impl Access {
    /// Makes a link that logs in as the holder of `token`, once, within five minutes.
    ///
    /// # Errors
    /// When the store fails.
    pub fn create_login_link(&self, token: TokenId) -> Result<LoginLink, AccessError> {
        let now = self.clock.now();
        let secret = random::text(LINK_PREFIX, self.entropy.as_ref());
        let hash = random::hash(&secret);
        let expires_at = now.checked_add(LINK_LIFETIME).map_err(damaged)?;
        self.change(|transaction| {
            transaction.execute("DELETE FROM login_links WHERE expires_at <= ?1", [stored(now)])?;
            transaction.execute(
                "INSERT INTO login_links (shelf, hash, token, expires_at) VALUES (?1, ?2, ?3, ?4)",
                params![random::shelf(&hash), hash, token.to_string(), stored(expires_at)],
            )?;
            Ok(())
        })?;
        Ok(LoginLink { secret, expires_at })
    }

    /// Uses a link up and begins a session; `None` when it does not work (any more).
    ///
    /// # Errors
    /// When the store fails.
    pub fn log_in_by_link(&self, presented: &str) -> Result<Option<Session>, AccessError> {
        if !presented.starts_with(LINK_PREFIX) || presented.len() > 200 {
            return Ok(None);
        }
        let hash = random::hash(presented);
        let used = self.change(|transaction| {
            let found = transaction
                .query_row(
                    "SELECT hash, token, expires_at FROM login_links WHERE shelf = ?1",
                    [random::shelf(&hash)],
                    |row| {
                        Ok((
                            row.get::<_, Vec<u8>>(0)?,
                            row.get::<_, String>(1)?,
                            row.get::<_, i64>(2)?,
                        ))
                    },
                )
                .optional()?
                .filter(|(stored, _, _)| random::same(stored, &hash));
            if found.is_some() {
                transaction.execute("DELETE FROM login_links WHERE hash = ?1", [hash])?;
            }
            Ok(found)
        })?;
        match used {
            Some((_, token, expires_at)) if self.clock.now() < time(expires_at)? => {
                self.begin_session(token.parse().map_err(damaged)?)
            }
            _ => Ok(None),
        }
    }

    /// Begins a session for whoever shows a token in the login form; `None` when it is not valid.
    ///
    /// # Errors
    /// When the store fails.
    pub fn log_in_by_token(&self, presented: &str) -> Result<Option<Session>, AccessError> {
        match self.authenticate(presented)? {
            Some(authenticated) => self.begin_session(authenticated.token),
            None => Ok(None),
        }
    }

    fn begin_session(&self, token: TokenId) -> Result<Option<Session>, AccessError> {
        if self.authenticated(token)?.is_none() {
            return Ok(None);
        }
        let now = self.clock.now();
        let secret = random::text(SESSION_PREFIX, self.entropy.as_ref());
        let hash = random::hash(&secret);
        let expires_at = now.checked_add(SESSION_LIFETIME).map_err(damaged)?;
        self.change(|transaction| {
            transaction.execute("DELETE FROM sessions WHERE expires_at <= ?1", [stored(now)])?;
            transaction.execute(
                "INSERT INTO sessions (shelf, hash, token, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    random::shelf(&hash),
                    hash,
                    token.to_string(),
                    stored(now),
                    stored(expires_at)
                ],
            )?;
            Ok(())
        })?;
        Ok(Some(Session { secret, expires_at }))
    }

    /// Whose session this is; `None` when it is none, or it or its token ended.
    ///
    /// # Errors
    /// When the store fails.
    pub fn authenticate_session(&self, presented: &str) -> Result<Option<Authenticated>, AccessError> {
        match self.session_token(presented)? {
            Some(token) => self.authenticated(token),
            None => Ok(None),
        }
    }

    fn session_token(&self, presented: &str) -> Result<Option<TokenId>, AccessError> {
        if !presented.starts_with(SESSION_PREFIX) || presented.len() > 200 {
            return Ok(None);
        }
        let hash = random::hash(presented);
        let found = {
            let connection = self.connection();
            let mut select =
                connection.prepare_cached("SELECT hash, token, expires_at FROM sessions WHERE shelf = ?1")?;
            select
                .query_row([random::shelf(&hash)], |row| {
                    Ok((
                        row.get::<_, Vec<u8>>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, i64>(2)?,
                    ))
                })
                .optional()?
        };
        match found {
            Some((kept, token, expires_at)) if random::same(&kept, &hash) && stored(self.clock.now()) < expires_at => {
                Ok(Some(token.parse().map_err(damaged)?))
            }
            _ => Ok(None),
        }
    }

    /// Ends a session. One that is none is ended already.
    ///
    /// # Errors
    /// When the store fails.
    pub fn log_out(&self, presented: &str) -> Result<(), AccessError> {
        let hash = random::hash(presented);
        self.connection()
            .execute("DELETE FROM sessions WHERE hash = ?1", [hash])?;
        Ok(())
    }
}
