//! The directory: which names and addresses belong to the ids that facts carry.
//!
//! An id is random, so it says nothing about a person once their row is erased.

use std::collections::BTreeMap;

use facts::{Actor, ActorId, Timestamp};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use crate::error::AccessError;
use crate::store::{Access, damaged, stored, time};

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What facts call them.
    pub id: ActorId,
    /// Their name; `None` once erased.
    pub name: Option<String>,
    /// Their e-mail address, where known.
    pub address: Option<String>,
    /// Since when they are in the directory.
    pub created_at: Timestamp,
    /// When they were erased.
    pub erased_at: Option<Timestamp>,
}

type PersonRow = (String, Option<String>, Option<String>, i64, Option<i64>);

fn person_row(row: &Row<'_>) -> rusqlite::Result<PersonRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn person((id, name, address, created_at, erased_at): PersonRow) -> Result<Person, AccessError> {
    Ok(Person {
        id: id.parse().map_err(damaged)?,
        name,
        address,
        created_at: time(created_at)?,
        erased_at: erased_at.map(time).transpose()?,
    })
}

/// Addresses are compared without regard to case and surrounding blanks.
fn normal_address(address: &str) -> Option<String> {
    let address = address.trim().to_lowercase();
    (!address.is_empty()).then_some(address)
}

impl Access {
    /// The person with this address, added if nobody has it: for the authors of commits. The second
    /// value says whether they are new.
    ///
    /// # Errors
    /// When the store fails.
    pub fn person_of_address(&self, address: &str, name: &str) -> Result<(ActorId, bool), AccessError> {
        let now = self.clock.now();
        let fresh = ActorId::new(now, self.entropy.as_ref());
        let address = normal_address(address);
        let found = match &address {
            Some(address) => self
                .connection()
                .query_row("SELECT id FROM actors WHERE address = ?1", [address], |row| {
                    row.get::<_, String>(0)
                })
                .optional()?,
            None => None,
        };
        if let Some(id) = found {
            return Ok((id.parse().map_err(damaged)?, false));
        }
        self.change(|transaction| {
            // Somebody else may have been quicker.
            if let Some(address) = &address
                && let Some(id) = transaction
                    .query_row("SELECT id FROM actors WHERE address = ?1", [address], |row| {
                        row.get::<_, String>(0)
                    })
                    .optional()?
            {
                return Ok((id.parse().map_err(damaged)?, false));
            }
            add_person(transaction, fresh, name, address.as_deref(), now)?;
            Ok((fresh, true))
        })
    }

    /// Adds a person.
    ///
    /// # Errors
    /// When the store fails, for instance because another person has the address.
    pub fn add_person(&self, name: &str, address: Option<&str>) -> Result<ActorId, AccessError> {
        let now = self.clock.now();
        let id = ActorId::new(now, self.entropy.as_ref());
        let address = address.and_then(normal_address);
        self.change(|transaction| add_person(transaction, id, name, address.as_deref(), now))?;
        Ok(id)
    }

    /// The person with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn person(&self, id: ActorId) -> Result<Option<Person>, AccessError> {
        self.connection()
            .query_row(
                "SELECT id, name, address, created_at, erased_at FROM actors WHERE id = ?1",
                [id.to_string()],
                person_row,
            )
            .optional()?
            .map(person)
            .transpose()
    }

    /// All people, in the order in which they came.
    ///
    /// # Errors
    /// When the store fails.
    pub fn people(&self) -> Result<Vec<Person>, AccessError> {
        let connection = self.connection();
        let mut select =
            connection.prepare_cached("SELECT id, name, address, created_at, erased_at FROM actors ORDER BY id")?;
        let rows = select.query_map([], person_row)?;
        rows.map(|row| person(row?)).collect()
    }

    /// Erases a person's name and address for good, revokes their tokens and ends their sessions. The
    /// facts that carry the id stay as they are.
    ///
    /// # Errors
    /// When there is no such person, or the store fails.
    pub fn erase_person(&self, id: ActorId) -> Result<(), AccessError> {
        let now = stored(self.clock.now());
        let key = id.to_string();
        self.change(|transaction| {
            let address: Option<Option<String>> = transaction
                .query_row("SELECT address FROM actors WHERE id = ?1", [&key], |row| row.get(0))
                .optional()?;
            if let Some(address) = address.flatten() {
                crate::outbox::forget_address(transaction, &address)?;
            }
            let erased = transaction.execute(
                "UPDATE actors SET name = NULL, address = NULL, erased_at = coalesce(erased_at, ?2) WHERE id = ?1",
                params![key, now],
            )?;
            if erased == 0 {
                return Err(AccessError::NoActor(id));
            }
            // A token's name was written by hand and may hold the person's.
            transaction.execute(
                "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2), name = 'erased' WHERE person = ?1",
                params![key, now],
            )?;
            for table in ["sessions", "login_links"] {
                let sql = format!("DELETE FROM {table} WHERE token IN (SELECT id FROM tokens WHERE person = ?1)");
                transaction.execute(&sql, [&key])?;
            }
            Ok(())
        })?;
        // The name must not live on in the write-ahead log.
        let connection = self.connection();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// What pages show for an actor: a name, or words that say why there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn name_of(&self, actor: Actor) -> Result<String, AccessError> {
        Ok(match actor {
            Actor::System => "throughline".to_owned(),
            Actor::Run(run) => run.to_string(),
            Actor::User(id) => match self.person(id)? {
                Some(Person { name: Some(name), .. }) => name,
                Some(_) => "erased person".to_owned(),
                None => id.to_string(),
            },
            Actor::Token(id) => self.token(id)?.map_or_else(|| id.to_string(), |token| token.name),
        })
    }

    /// [`Access::name_of`] for many actors at once, each looked up once.
    ///
    /// # Errors
    /// When the store fails.
    pub fn names_of(&self, actors: impl IntoIterator<Item = Actor>) -> Result<BTreeMap<Actor, String>, AccessError> {
        let mut names = BTreeMap::new();
        for actor in actors {
            if let std::collections::btree_map::Entry::Vacant(place) = names.entry(actor) {
                place.insert(self.name_of(actor)?);
            }
        }
        Ok(names)
    }
}

pub(crate) fn add_person(
    transaction: &Transaction<'_>,
    id: ActorId,
    name: &str,
    address: Option<&str>,
    now: Timestamp,
) -> Result<(), AccessError> {
    transaction.execute(
        "INSERT INTO actors (id, name, address, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![id.to_string(), name, address, stored(now)],
    )?;
    Ok(())
}
