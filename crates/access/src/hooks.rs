//! Webhooks that hosts of followed repositories send here: their addresses, which secrets count, and what came last.
//!
//! A hook has a name that nobody can guess and that says nothing; its secret is kept with the others, each value a
//! version. After a change the one before counts too until a time that is kept here, so that nothing is refused while
//! somebody brings the new one to the host. What came is kept for people who want to see whether it works, and only
//! the newest of it.

use std::fmt;
use std::time::Duration;

use facts::{Commit, ComponentId, ComponentName, SecretId, Timestamp};
use rusqlite::{OptionalExtension as _, Row, params};
use zeroize::Zeroizing;

use crate::error::AccessError;
use crate::random;
use crate::secrets::{SecretInfo, SecretName};
use crate::store::{Access, damaged, stored, time};

/// How many deliveries of a hook are kept that somebody sent who knows its secret.
pub const KEPT: usize = 100;
/// How many are kept of those that were refused, so that these do not drive out the others.
pub const KEPT_REFUSED: usize = 20;

/// What names a hook in its address: 256 random bits behind a prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(String);

impl HookId {
    /// Checks a text from an address; nothing where it cannot be one.
    pub fn new(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (digits.len() == 43 && digits.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const PREFIX: &str = "hook_";
const SECRET_PREFIX: &str = "tlh_";

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// What names it.
    pub id: HookId,
    /// The component whose repository it is for.
    pub component: ComponentId,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when the secret before the newest one counts too.
    pub previous_until: Option<Timestamp>,
    /// Whether what moved there was said by it when it last moved.
    pub works: bool,
}

/// A hook's secret that was just made: the only time that it is shown.
pub struct MadeHook {
    /// The hook.
    pub hook: Hook,
    /// The secret's text.
    pub secret: Zeroizing<String>,
    /// Which version of which secret it is.
    pub info: SecretInfo,
}

impl fmt::Debug for MadeHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeHook")
            .field("hook", &self.hook)
            .finish_non_exhaustive()
    }
}

macro_rules! verdicts {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal;)*) => {
        /// What a delivery was taken for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Verdict {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Verdict {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

verdicts! {
    /// News: it is recorded, and the repository is looked at.
    Accepted = "accepted";
    /// It was said before.
    Repeated = "repeated";
    /// Somebody tried whether it arrives.
    Ping = "ping";
    /// About a pull or merge request: seen, and nothing follows from it.
    Noted = "noted";
    /// About something else.
    Ignored = "ignored";
    /// The sender does not know the secret, or what was sent cannot be read.
    Refused = "refused";
}

/// Something that came, to be kept for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Who seems to have sent it.
    pub host: Option<String>,
    /// The event that it says it is.
    pub event: Option<String>,
    /// What the sender calls it.
    pub delivery: Option<String>,
    /// What it was taken for.
    pub verdict: Verdict,
    /// Why, for people.
    pub detail: String,
    /// The branch or tag that it is about.
    pub name: Option<String>,
    /// Where that is said to be.
    pub head: Option<Commit>,
}

/// Something that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: NewDelivery,
}

type HookRow = (String, String, i64, Option<i64>, Option<i64>, Option<i64>);

fn hook_row(row: &Row<'_>) -> rusqlite::Result<HookRow> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
    ))
}

fn hook((id, component, created_at, previous_until, heard_at, missed_at): HookRow) -> Result<Hook, AccessError> {
    Ok(Hook {
        id: HookId::new(&id).ok_or_else(|| damaged("the name of a hook"))?,
        component: component.parse().map_err(damaged)?,
        created_at: time(created_at)?,
        previous_until: previous_until.map(time).transpose()?,
        works: heard_at.is_some_and(|heard| missed_at.is_none_or(|missed| heard > missed)),
    })
}

const COLUMNS: &str = "id, component, created_at, previous_until, heard_at, missed_at";

impl Access {
    /// Makes a hook for a component's repository, with a secret of its own. Nothing where there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub fn make_hook(&self, component: ComponentId, name: &ComponentName) -> Result<Option<MadeHook>, AccessError> {
        if self.hook_of(component)?.is_some() {
            return Ok(None);
        }
        let id = random::text(PREFIX, self.entropy.as_ref());
        // First the secret: one without a hook opens nothing.
        let secret = random::text(SECRET_PREFIX, self.entropy.as_ref());
        let info = self.set_secret(&SecretName::of_hook(name), secret.as_bytes())?;
        let now = stored(self.clock.now());
        self.change(|transaction| {
            transaction.execute(
                "INSERT INTO hooks (id, component, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (component) DO NOTHING",
                params![id.as_str(), component.to_string(), now],
            )?;
            Ok(())
        })?;
        Ok(self.hook_of(component)?.map(|hook| MadeHook { hook, secret, info }))
    }

    /// Gives a component's hook another secret. The one before counts too for as long as `overlap`. Nothing where
    /// there is no hook.
    ///
    /// # Errors
    /// When the store fails.
    pub fn change_hook_secret(
        &self,
        component: ComponentId,
        name: &ComponentName,
        overlap: Duration,
    ) -> Result<Option<MadeHook>, AccessError> {
        let until = self.clock.now().checked_add(overlap).map_err(damaged)?;
        let changed = self.change(|transaction| {
            Ok(transaction.execute(
                "UPDATE hooks SET previous_until = ?2 WHERE component = ?1",
                params![component.to_string(), stored(until)],
            )?)
        })?;
        if changed == 0 {
            return Ok(None);
        }
        let secret = random::text(SECRET_PREFIX, self.entropy.as_ref());
        let info = self.set_secret(&SecretName::of_hook(name), secret.as_bytes())?;
        Ok(self.hook_of(component)?.map(|hook| MadeHook { hook, secret, info }))
    }

    /// Removes a component's hook with its secret, and what came to it. Which secret it was; nothing where there was
    /// none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove_hook(&self, component: ComponentId, name: &ComponentName) -> Result<Option<SecretId>, AccessError> {
        self.change(|transaction| {
            transaction.execute("DELETE FROM hooks WHERE component = ?1", [component.to_string()])?;
            Ok(())
        })?;
        self.remove_secret(&SecretName::of_hook(name))
    }

    /// The hook of a component's repository.
    ///
    /// # Errors
    /// When the store fails.
    pub fn hook_of(&self, component: ComponentId) -> Result<Option<Hook>, AccessError> {
        self.one_hook("component", &component.to_string())
    }

    /// The hook with this name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn hook(&self, id: &HookId) -> Result<Option<Hook>, AccessError> {
        self.one_hook("id", id.as_str())
    }

    fn one_hook(&self, column: &str, value: &str) -> Result<Option<Hook>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM hooks WHERE {column} = ?1"))?;
        select.query_row([value], hook_row).optional()?.map(hook).transpose()
    }

    /// All hooks.
    ///
    /// # Errors
    /// When the store fails.
    pub fn hooks(&self) -> Result<Vec<Hook>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM hooks ORDER BY component"))?;
        let rows = select.query_map([], hook_row)?;
        rows.map(|row| hook(row?)).collect()
    }

    /// The secrets that count for a hook now: the newest one, and the one before while that counts too.
    ///
    /// # Errors
    /// When one does not open, or the store fails.
    pub fn hook_secrets(&self, hook: &Hook, component: &ComponentName) -> Result<Vec<Zeroizing<Vec<u8>>>, AccessError> {
        let name = SecretName::of_hook(component);
        let newest = match self.secret(&name) {
            Ok(secret) => secret,
            // Somebody has just removed it: nothing counts.
            Err(AccessError::NoSecret(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::with_capacity(2);
        let counts = hook.previous_until.is_some_and(|until| self.clock.now() < until);
        if counts && newest.version > 1 {
            match self.secret_version(&name, newest.version - 1) {
                Ok(before) => all.push(before.value),
                Err(AccessError::NoSecret(_)) => {}
                Err(error) => return Err(error),
            }
        }
        all.push(newest.value);
        Ok(all)
    }

    /// Keeps that a component's hook told now that something moved.
    ///
    /// # Errors
    /// When the store fails.
    pub fn hook_heard(&self, component: ComponentId) -> Result<(), AccessError> {
        let now = stored(self.clock.now());
        self.change(|transaction| {
            transaction.execute(
                "UPDATE hooks SET heard_at = ?2 WHERE component = ?1",
                params![component.to_string(), now],
            )?;
            Ok(())
        })
    }

    /// Keeps that a look that began `at` some time found what a component's hook had not told. Whether it was taken
    /// to work until now; what it told since counts more.
    ///
    /// # Errors
    /// When the store fails.
    pub fn hook_missed(&self, component: ComponentId, at: Timestamp) -> Result<bool, AccessError> {
        if self.hook_of(component)?.is_none_or(|hook| !hook.works) {
            return Ok(false);
        }
        self.change(|transaction| {
            transaction.execute(
                "UPDATE hooks SET missed_at = ?2 WHERE component = ?1",
                params![component.to_string(), stored(at)],
            )?;
            Ok(())
        })?;
        Ok(self.hook_of(component)?.is_some_and(|hook| !hook.works))
    }

    /// Keeps that something came to a hook, in the place of the oldest of its kind.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keep_delivery(&self, hook: &HookId, new: &NewDelivery) -> Result<(), AccessError> {
        let now = stored(self.clock.now());
        let refused = new.verdict == Verdict::Refused;
        let most = if refused { KEPT_REFUSED } else { KEPT };
        let most = i64::try_from(most).map_err(damaged)?;
        self.change(|transaction| {
            // A hook that was removed in this moment keeps nothing.
            transaction.execute(
                "INSERT INTO deliveries (hook, at, host, event, delivery, verdict, detail, ref, head)
                 SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM hooks WHERE id = ?1",
                params![
                    hook.as_str(),
                    now,
                    new.host,
                    new.event,
                    new.delivery,
                    new.verdict.as_str(),
                    new.detail,
                    new.name,
                    new.head.as_ref().map(Commit::as_str),
                ],
            )?;
            transaction.execute(
                "DELETE FROM deliveries WHERE hook = ?1 AND (verdict = 'refused') = ?2 AND number <= (
                     SELECT number FROM deliveries WHERE hook = ?1 AND (verdict = 'refused') = ?2
                     ORDER BY number DESC LIMIT 1 OFFSET ?3)",
                params![hook.as_str(), refused, most],
            )?;
            Ok(())
        })
    }

    /// What came to a hook last, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn deliveries(&self, hook: &HookId, limit: usize) -> Result<Vec<Delivery>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT at, host, event, delivery, verdict, detail, ref, head FROM deliveries
             WHERE hook = ?1 ORDER BY number DESC LIMIT ?2",
        )?;
        let rows = select.query_map(
            params![hook.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, String>(4)?,
                    row.get::<_, Option<String>>(7)?,
                    NewDelivery {
                        host: row.get(1)?,
                        event: row.get(2)?,
                        delivery: row.get(3)?,
                        verdict: Verdict::Refused,
                        detail: row.get(5)?,
                        name: row.get(6)?,
                        head: None,
                    },
                ))
            },
        )?;
        rows.map(|row| {
            let (at, verdict, head, mut what) = row?;
            let known = Verdict::ALL.iter().find(|known| known.as_str() == verdict);
            what.verdict = *known.ok_or_else(|| damaged("the verdict of a delivery"))?;
            what.head = head.map(Commit::new).transpose().map_err(damaged)?;
            Ok(Delivery { at: time(at)?, what })
        })
        .collect()
    }
}
