//! The key that opens the secrets.
//!
//! It is given by a variable, or lies in a file of its own beside the store, readable by its owner
//! alone. It is never part of a backup: a backup with the key in it would be a list of secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use disk::{Disk, Draft, LocalDisk};
use facts::Entropy;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::AccessError;

/// A 256-bit key. It is wiped from memory when it goes.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> AccessError {
    AccessError::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

/// A crash or a power cut leaves no half of a key.
fn write(disk: &dyn Disk, path: &Path, digits: &str) -> std::io::Result<()> {
    let mut draft = Draft::begin(disk, path, 0o600)?;
    draft.add(digits.as_bytes())?;
    let sealed = draft.seal()?;
    crashpoint::reach("access.key.before");
    sealed.name()?.sync()?;
    crashpoint::reach("access.key.after");
    Ok(())
}

/// Refuses a file that group or others can use.
pub(crate) fn check_private(path: &Path) -> Result<(), AccessError> {
    let metadata = std::fs::metadata(path).map_err(|error| unusable(path, &error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(AccessError::Permissions {
            path: path.display().to_string(),
            mode,
        });
    }
    Ok(())
}

impl MasterKey {
    /// A key from its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key from its 64 hex digits. `source` names where they stood, for the error.
    ///
    /// # Errors
    /// When they are not 64 hex digits.
    pub fn from_hex(digits: &str, source: &str) -> Result<Self, AccessError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        hex::decode_to_slice(digits.trim(), bytes.as_mut_slice())
            .map_err(|_| AccessError::KeyShape(source.to_owned()))?;
        Ok(Self(bytes))
    }

    /// The key in the file; `None` where there is no such file.
    ///
    /// # Errors
    /// When the file can be read by others, cannot be read, or holds no key.
    pub fn read(path: &Path) -> Result<Option<Self>, AccessError> {
        if !path.exists() {
            return Ok(None);
        }
        check_private(path)?;
        let text = std::fs::read_to_string(path).map_err(|error| unusable(path, &error))?;
        Self::from_hex(&Zeroizing::new(text), &path.display().to_string()).map(Some)
    }

    /// Makes a new key and its file, durably. Only for a place where there is no key yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, entropy: &dyn Entropy) -> Result<Self, AccessError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        entropy.fill(bytes.as_mut_slice());
        let digits = Zeroizing::new(format!("{}\n", Zeroizing::new(hex::encode(bytes.as_slice())).as_str()));
        write(&LocalDisk, path, &digits).map_err(|error| unusable(path, &error))?;
        Ok(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells this key from others without giving it away.
    pub(crate) fn mark(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(b"throughline key mark\0");
        hasher.update(self.0.as_slice());
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::SimulatedDisk;

    #[test]
    fn a_power_cut_at_any_operation_leaves_the_whole_key_or_none() {
        let (path, digits) = (Path::new("/data/secrets.key"), "12ab\n");
        SimulatedDisk::cut_everywhere(
            SimulatedDisk::new,
            |disk| write(disk, path, digits),
            |survivors, done| match survivors.get(path) {
                Some(key) => assert_eq!(key, digits.as_bytes()),
                None => assert!(!done, "secrets may be closed with it"),
            },
        );
    }
}
