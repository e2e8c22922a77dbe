//! Access tokens: `tl_` and 256 random bits. Only their hashes are stored.

use std::time::Duration;

use facts::{Actor, ActorId, Timestamp, TokenId};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use zeroize::Zeroizing;

use crate::authorize::Principal;
use crate::error::AccessError;
use crate::random;
use crate::role::{Rights, Role};
use crate::store::{Access, damaged, stored, time};

/// What each token begins with, so that people and scanners recognise one.
pub const PREFIX: &str = "tl_";

/// How exactly the last use of a token is known: a write for each request would cost too much.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// The person it acts for; without one it acts as a machine of its own.
    pub person: Option<ActorId>,
    /// What it holds.
    pub rights: Rights,
    /// For how long; for good where absent.
    pub lifetime: Option<Duration>,
}

/// A token that was just made. Its secret is shown once and cannot be had again.
pub struct MadeToken {
    /// Its id.
    pub id: TokenId,
    /// The person it acts for.
    pub person: Option<ActorId>,
    /// The text that opens the door.
    pub secret: Zeroizing<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The tokens that were revoked because this one takes their place.
    pub replaced: Vec<TokenId>,
}

impl std::fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// The person it acts for.
    pub person: Option<ActorId>,
    /// What it holds.
    pub rights: Rights,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl TokenInfo {
    /// Whether it opens the door at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Who facts say acts with it.
    pub fn actor(&self) -> Actor {
        self.person.map_or(Actor::Token(self.id), Actor::User)
    }
}

/// Somebody who showed a valid token or session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// Who they are and what they hold.
    pub principal: Principal,
    /// The token behind it.
    pub token: TokenId,
}

/// What the first token is called until somebody saw it, and from then on.
const NOT_SHOWN: &str = "first token, not shown yet";
const SHOWN: &str = "first token";

const COLUMNS: &str = "id, name, person, rights, created_at, expires_at, last_used_at, revoked_at";

type TokenRow = (
    String,
    String,
    Option<String>,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

fn token_row(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
    ))
}

fn token_info(row: TokenRow) -> Result<TokenInfo, AccessError> {
    let (id, name, person, rights, created_at, expires_at, last_used_at, revoked_at) = row;
    Ok(TokenInfo {
        id: id.parse().map_err(damaged)?,
        name,
        person: person.map(|id| id.parse()).transpose().map_err(damaged)?,
        rights: serde_json::from_str(&rights).map_err(damaged)?,
        created_at: time(created_at)?,
        expires_at: expires_at.map(time).transpose()?,
        last_used_at: last_used_at.map(time).transpose()?,
        revoked_at: revoked_at.map(time).transpose()?,
    })
}

impl Access {
    /// Makes a token.
    ///
    /// # Errors
    /// When its person is not in the directory, or the store fails.
    pub fn create_token(&self, new: &NewToken) -> Result<MadeToken, AccessError> {
        if let Some(id) = new.person
            && self.person(id)?.is_none_or(|person| person.erased_at.is_some())
        {
            return Err(AccessError::NoActor(id));
        }
        self.change(|transaction| self.insert_token(transaction, new))
    }

    /// The administrator's first token, when no valid token can administer: on the first start, or
    /// after all of them ended. Whoever starts the server sees it, once, and says so with
    /// [`Access::first_token_shown`]; one that nobody saw is replaced the next time.
    ///
    /// # Errors
    /// When the store fails.
    pub fn first_token(&self) -> Result<Option<MadeToken>, AccessError> {
        let now = self.clock.now();
        let administering = self.tokens()?.into_iter().filter(|token| {
            let everything = crate::role::Grant::everywhere(Role::Admin);
            token.is_valid(now) && token.rights.grants.contains(&everything)
        });
        // One that was used was seen, whatever its name says.
        let (unseen, seen): (Vec<TokenInfo>, Vec<TokenInfo>) =
            administering.partition(|token| token.name == NOT_SHOWN && token.last_used_at.is_none());
        if !seen.is_empty() {
            return Ok(None);
        }
        self.change(|transaction| {
            for token in &unseen {
                transaction.execute(
                    "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1",
                    params![token.id.to_string(), stored(now)],
                )?;
            }
            let person = match unseen.iter().find_map(|token| token.person) {
                Some(person) => person,
                None => {
                    let person = ActorId::new(now, self.entropy.as_ref());
                    crate::directory::add_person(transaction, person, "administrator", None, now)?;
                    person
                }
            };
            let new = NewToken {
                name: NOT_SHOWN.to_owned(),
                person: Some(person),
                rights: Rights::everywhere(Role::Admin),
                lifetime: None,
            };
            let mut made = self.insert_token(transaction, &new)?;
            made.replaced = unseen.iter().map(|token| token.id).collect();
            Ok(made)
        })
        .map(Some)
    }

    /// Notes that somebody saw the first token.
    ///
    /// # Errors
    /// When the store fails.
    pub fn first_token_shown(&self, id: TokenId) -> Result<(), AccessError> {
        self.change(|transaction| {
            transaction.execute(
                "UPDATE tokens SET name = ?2 WHERE id = ?1 AND name = ?3",
                params![id.to_string(), SHOWN, NOT_SHOWN],
            )?;
            Ok(())
        })
    }

    fn insert_token(&self, transaction: &Transaction<'_>, new: &NewToken) -> Result<MadeToken, AccessError> {
        let now = self.clock.now();
        let id = TokenId::new(now, self.entropy.as_ref());
        let secret = random::text(PREFIX, self.entropy.as_ref());
        let hash = random::hash(&secret);
        let expires_at = new
            .lifetime
            .map(|lifetime| now.checked_add(lifetime))
            .transpose()
            .map_err(damaged)?;
        transaction.execute(
            "INSERT INTO tokens (id, shelf, hash, name, person, rights, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                id.to_string(),
                random::shelf(&hash),
                hash,
                new.name,
                new.person.map(|id| id.to_string()),
                serde_json::to_string(&new.rights).map_err(damaged)?,
                stored(now),
                expires_at.map(stored),
            ],
        )?;
        Ok(MadeToken {
            id,
            person: new.person,
            secret,
            expires_at,
            replaced: Vec::new(),
        })
    }

    /// Who shows this text; `None` when it is no valid token.
    ///
    /// # Errors
    /// When the store fails.
    pub fn authenticate(&self, presented: &str) -> Result<Option<Authenticated>, AccessError> {
        if !presented.starts_with(PREFIX) || presented.len() > 200 {
            return Ok(None);
        }
        let hash = random::hash(presented);
        let found = {
            let connection = self.connection();
            let mut select = connection.prepare_cached("SELECT id, hash FROM tokens WHERE shelf = ?1")?;
            let rows = select.query_map([random::shelf(&hash)], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
            })?;
            let mut found = None;
            for row in rows {
                let (id, stored) = row?;
                if random::same(&stored, &hash) {
                    found = Some(id);
                }
            }
            found
        };
        match found {
            Some(id) => self.authenticated(id.parse().map_err(damaged)?),
            None => Ok(None),
        }
    }

    /// The holder of a token that was recognised, if it is valid now; its use is noted.
    pub(crate) fn authenticated(&self, id: TokenId) -> Result<Option<Authenticated>, AccessError> {
        let now = self.clock.now();
        let Some(token) = self.token(id)?.filter(|token| token.is_valid(now)) else {
            return Ok(None);
        };
        let noted = token
            .last_used_at
            .and_then(|last| now.duration_since(last).try_into().ok());
        if noted.is_none_or(|since: Duration| since >= USE_NOTED_EVERY) {
            self.connection().execute(
                "UPDATE tokens SET last_used_at = ?2 WHERE id = ?1",
                params![id.to_string(), stored(now)],
            )?;
        }
        Ok(Some(Authenticated {
            principal: Principal::Known {
                actor: token.actor(),
                rights: token.rights,
            },
            token: id,
        }))
    }

    /// The token with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn token(&self, id: TokenId) -> Result<Option<TokenInfo>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens WHERE id = ?1"))?;
        select
            .query_row([id.to_string()], token_row)
            .optional()?
            .map(token_info)
            .transpose()
    }

    /// All tokens, also those that ended, in the order in which they were made.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tokens(&self) -> Result<Vec<TokenInfo>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens ORDER BY id"))?;
        let rows = select.query_map([], token_row)?;
        rows.map(|row| token_info(row?)).collect()
    }

    /// Ends a token and all sessions that came of it. Returns whether it was not revoked before.
    ///
    /// # Errors
    /// When there is no such token, or the store fails.
    pub fn revoke_token(&self, id: TokenId) -> Result<bool, AccessError> {
        let known = self.token(id)?.ok_or(AccessError::NoToken(id))?;
        let key = id.to_string();
        self.change(|transaction| {
            transaction.execute(
                "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1",
                params![key, stored(self.clock.now())],
            )?;
            transaction.execute("DELETE FROM sessions WHERE token = ?1", [&key])?;
            transaction.execute("DELETE FROM login_links WHERE token = ?1", [&key])?;
            Ok(())
        })?;
        Ok(known.revoked_at.is_none())
    }
}
