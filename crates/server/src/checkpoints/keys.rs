//! The key that signs: its file in the data folder, and the facts that name it.
//!
//! A new key is announced by a fact before it is used, and the earlier key signs a checkpoint that
//! covers this fact. So whoever trusts the first key can follow from key to key.

use std::path::{Path, PathBuf};

use facts::Entropy;
use ledger::Ledger;
use signing::{KeyId, SigningKey};

use super::CheckpointError;
use super::kinds::{SIGNING_KEY_ADDED, SigningKeyAdded, keys_stream};

/// How many keys are read: nobody changes a key that often.
const KEYS: usize = 10_000;

/// The files of keys.
#[derive(Debug)]
pub(super) struct KeyFiles {
    /// The key in use.
    pub current: PathBuf,
    /// The key that takes its place, while it is not in use yet.
    pub next: PathBuf,
}

impl KeyFiles {
    pub fn below(data: &Path) -> Self {
        Self {
            current: data.join("signing.key"),
            next: data.join("signing.next.key"),
        }
    }

    /// The key in use; made at the first start.
    pub fn open(&self, entropy: &dyn Entropy) -> Result<SigningKey, CheckpointError> {
        match SigningKey::read(&self.current)? {
            Some(key) => Ok(key),
            None => Ok(SigningKey::create(&self.current, entropy)?),
        }
    }

    /// The key of a change that was begun and not finished, where it was announced; one that was not is
    /// removed.
    pub async fn begun(&self, ledger: &dyn Ledger) -> Result<Option<SigningKey>, CheckpointError> {
        let Some(next) = SigningKey::read(&self.next)? else {
            return Ok(None);
        };
        if known(ledger).await?.iter().any(|(_, added)| added.key == *next.id()) {
            return Ok(Some(next));
        }
        std::fs::remove_file(&self.next).map_err(|error| CheckpointError::file(&self.next, &error))?;
        Ok(None)
    }

    /// The next key comes into use.
    pub fn take_next(&self) -> Result<(), CheckpointError> {
        let renamed = std::fs::rename(&self.next, &self.current).and_then(|()| match self.current.parent() {
            Some(folder) => std::fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        });
        renamed.map_err(|error| CheckpointError::file(&self.current, &error))
    }
}

/// The keys that were announced, the newest last, each with when.
pub(super) async fn known(ledger: &dyn Ledger) -> Result<Vec<(facts::Timestamp, SigningKeyAdded)>, CheckpointError> {
    let facts = ledger.read_stream(&keys_stream(), 0, KEYS).await?;
    let bodies = facts
        .iter()
        .filter(|fact| fact.kind() == SIGNING_KEY_ADDED)
        .map(|fact| {
            let body = serde_json::from_value(fact.new.body.clone());
            body.map(|body| (fact.recorded_at, body))
                .map_err(|error| CheckpointError::Fact(error.to_string()))
        });
    bodies.collect()
}

/// The claim of a key's announcement: it is announced once.
pub(super) fn claim(key: &KeyId) -> String {
    format!("signing-key:{key}")
}
