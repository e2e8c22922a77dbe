//! Secrets, encrypted at rest.
//!
//! Each version is sealed with XChaCha20-Poly1305 under the master key, a random nonce, and its name
//! and version as associated data: a ciphertext that is moved to another name or version does not
//! open. Facts hold a secret's id, name and version, never its value.

use std::fmt;
use std::str::FromStr;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use facts::{ComponentName, SecretId, Timestamp};
use rusqlite::{OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::AccessError;
use crate::store::{Access, damaged, stored, time};

/// The largest value, in bytes.
pub const LARGEST_VALUE: usize = 64 * 1024;

/// The name of a secret: letters, digits and `_.-/`, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SecretName(String);

impl SecretName {
    /// Checks `text`.
    ///
    /// # Errors
    /// When it cannot name a secret.
    pub fn new(text: &str) -> Result<Self, AccessError> {
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let all = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte));
        if first && all && text.len() <= 128 && !text.contains("..") && !text.ends_with('/') {
            Ok(Self(text.to_owned()))
        } else {
            Err(AccessError::SecretName(text.chars().take(80).collect()))
        }
    }

    /// The name of the secret with which a component's remote repository is read.
    pub fn of_remote(component: &ComponentName) -> Self {
        Self(format!("remote/{component}"))
    }

    /// The name of the secret that webhooks for a component's repository are signed with.
    pub fn of_hook(component: &ComponentName) -> Self {
        Self(format!("webhook/{component}"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SecretName {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// A secret without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its id.
    pub id: SecretId,
    /// Its name.
    pub name: SecretName,
    /// Its newest version, from 1.
    pub version: u64,
    /// When that was set.
    pub set_at: Timestamp,
}

/// One version of a secret, opened. It is wiped from memory when it goes.
pub struct SecretValue {
    /// Its id.
    pub id: SecretId,
    /// Which version it is.
    pub version: u64,
    /// The value.
    pub value: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretValue")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl SecretValue {
    /// The value as text, where it is text.
    pub fn text(&self) -> Option<Zeroizing<String>> {
        std::str::from_utf8(&self.value)
            .ok()
            .map(|text| Zeroizing::new(text.to_owned()))
    }
}

/// How a remote repository is read. It is kept as a secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Credentials {
    /// Over HTTPS, by name and password or token.
    Password {
        /// The name; many hosts want any.
        user: String,
        /// The password or token.
        password: Zeroizing<String>,
    },
    /// Over ssh, by a private key.
    SshKey {
        /// The key file's text.
        private_key: Zeroizing<String>,
        /// The host's public keys, as in `known_hosts`.
        #[serde(default)]
        known_hosts: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::SshKey { .. } => "SshKey",
        })
    }
}

/// What a ciphertext is bound to.
fn bound_to(name: &SecretName, version: u64) -> Vec<u8> {
    let mut data = b"throughline secret\0".to_vec();
    data.extend_from_slice(name.as_str().as_bytes());
    data.push(0);
    data.extend_from_slice(&version.to_be_bytes());
    data
}

impl Access {
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.key.bytes()).into())
    }

    /// Gives a secret a value: its first, or a new version. Older versions stay until it is removed,
    /// for runs that began with them.
    ///
    /// # Errors
    /// When the value is empty or too large, or the store fails.
    pub fn set_secret(&self, name: &SecretName, value: &[u8]) -> Result<SecretInfo, AccessError> {
        if value.is_empty() || value.len() > LARGEST_VALUE {
            return Err(AccessError::SecretSize {
                bytes: value.len(),
                most: LARGEST_VALUE,
            });
        }
        let now = self.clock.now();
        let fresh = SecretId::new(now, self.entropy.as_ref());
        let mut nonce = [0_u8; 24];
        self.entropy.fill(&mut nonce);
        self.change(|transaction| {
            let (id, version): (String, i64) = transaction.query_row(
                "INSERT INTO secrets (id, name, version) VALUES (?1, ?2, 1)
                 ON CONFLICT (name) DO UPDATE SET version = version + 1
                 RETURNING id, version",
                params![fresh.to_string(), name.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let version = u64::try_from(version).map_err(damaged)?;
            let sealed = self
                .cipher()
                .encrypt(
                    &XNonce::from(nonce),
                    Payload {
                        msg: value,
                        aad: &bound_to(name, version),
                    },
                )
                .map_err(damaged)?;
            transaction.execute(
                "INSERT INTO secret_versions (secret, version, nonce, ciphertext, set_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id, version as i64, nonce, sealed, stored(now)],
            )?;
            Ok(SecretInfo {
                id: id.parse().map_err(damaged)?,
                name: name.clone(),
                version,
                set_at: now,
            })
        })
    }

    /// The newest value of a secret.
    ///
    /// # Errors
    /// When there is none, when it does not open, or when the store fails.
    pub fn secret(&self, name: &SecretName) -> Result<SecretValue, AccessError> {
        self.open_secret(name, None)
    }

    /// One version of a secret.
    ///
    /// # Errors
    /// When there is none, when it does not open, or when the store fails.
    pub fn secret_version(&self, name: &SecretName, version: u64) -> Result<SecretValue, AccessError> {
        self.open_secret(name, Some(version))
    }

    fn open_secret(&self, name: &SecretName, version: Option<u64>) -> Result<SecretValue, AccessError> {
        let wanted = version.map(i64::try_from).transpose().map_err(damaged)?;
        let (id, version, nonce, sealed) = {
            let connection = self.connection();
            let mut select = connection.prepare_cached(
                "SELECT s.id, v.version, v.nonce, v.ciphertext FROM secrets s
                 JOIN secret_versions v ON v.secret = s.id AND v.version = coalesce(?2, s.version)
                 WHERE s.name = ?1",
            )?;
            select
                .query_row(params![name.as_str(), wanted], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, Vec<u8>>(2)?,
                        row.get::<_, Vec<u8>>(3)?,
                    ))
                })
                .optional()?
                .ok_or_else(|| AccessError::NoSecret(name.to_string()))?
        };
        let harmed = || AccessError::SecretDamaged(name.to_string());
        let version = u64::try_from(version).map_err(|_| harmed())?;
        let nonce: [u8; 24] = nonce.try_into().map_err(|_| harmed())?;
        let value = self
            .cipher()
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &sealed,
                    aad: &bound_to(name, version),
                },
            )
            .map_err(|_| harmed())?;
        Ok(SecretValue {
            id: id.parse().map_err(damaged)?,
            version,
            value: Zeroizing::new(value),
        })
    }

    /// All secrets by name, without values.
    ///
    /// # Errors
    /// When the store fails.
    pub fn secrets(&self) -> Result<Vec<SecretInfo>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT s.id, s.name, s.version, v.set_at FROM secrets s
             JOIN secret_versions v ON v.secret = s.id AND v.version = s.version ORDER BY s.name",
        )?;
        let rows = select.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, i64>(3)?,
            ))
        })?;
        rows.map(|row| {
            let (id, name, version, set_at) = row?;
            Ok(SecretInfo {
                id: id.parse().map_err(damaged)?,
                name: SecretName::new(&name)?,
                version: u64::try_from(version).map_err(damaged)?,
                set_at: time(set_at)?,
            })
        })
        .collect()
    }

    /// Removes a secret with all its versions; says which it was, `None` when there was none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove_secret(&self, name: &SecretName) -> Result<Option<SecretId>, AccessError> {
        let removed = self.change(|transaction| {
            Ok(transaction
                .query_row(
                    "DELETE FROM secrets WHERE name = ?1 RETURNING id",
                    [name.as_str()],
                    |row| row.get::<_, String>(0),
                )
                .optional()?)
        })?;
        removed.map(|id| id.parse().map_err(damaged)).transpose()
    }

    /// Keeps how a component's remote repository is read.
    ///
    /// # Errors
    /// As [`Access::set_secret`].
    pub fn set_remote_credentials(
        &self,
        component: &ComponentName,
        credentials: &Credentials,
    ) -> Result<SecretInfo, AccessError> {
        let value = Zeroizing::new(serde_json::to_vec(credentials).map_err(damaged)?);
        self.set_secret(&SecretName::of_remote(component), &value)
    }

    /// How a component's remote repository is read; `None` where nothing is kept, so it is public.
    ///
    /// # Errors
    /// When what is kept does not open or read, or the store fails.
    pub fn remote_credentials(&self, component: &ComponentName) -> Result<Option<Credentials>, AccessError> {
        let name = SecretName::of_remote(component);
        match self.secret(&name) {
            Ok(secret) => serde_json::from_slice(&secret.value)
                .map(Some)
                .map_err(|_| AccessError::SecretDamaged(name.to_string())),
            Err(AccessError::NoSecret(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
