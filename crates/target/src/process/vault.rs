//! Secrets of instances between two starts of them.
//!
//! A keeper must start an instance again when no server is there to tell the secrets anew, even after
//! it was killed itself. They are held in memory and in a private folder of the machine's memory
//! (`/dev/shm`), never on a disk; where that cannot be used, a killed keeper does not know them and
//! waits for the next application.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use facts::{Digest, InstanceId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::state::Make;
use crate::secret::LaunchSecret;

/// The secrets of one make.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// What needs them.
    pub make: Make,
    /// What it needs.
    pub secrets: Vec<LaunchSecret>,
}

/// The secrets of one placement.
pub struct Vault {
    shelf: Option<PathBuf>,
    fallback: PathBuf,
    known: BTreeMap<Make, Vec<LaunchSecret>>,
}

impl Vault {
    /// The vault of the placement in `folder`, with what an earlier keeper left in memory.
    pub fn open(folder: &Path) -> Self {
        let shelf = private_shelf(Path::new("/dev/shm"), folder).ok();
        let mut vault = Self {
            shelf,
            fallback: folder.join("secrets"),
            known: BTreeMap::new(),
        };
        if let Some(bytes) = vault.file().and_then(|file| fs::read(file).ok()) {
            let bytes = Zeroizing::new(bytes);
            if let Ok(entries) = serde_json::from_slice::<Vec<Entry>>(&bytes) {
                vault.learn(entries);
            }
        }
        vault
    }

    /// Takes note of secrets; those of makes not named stay.
    pub fn learn(&mut self, entries: Vec<Entry>) {
        self.known
            .extend(entries.into_iter().map(|entry| (entry.make, entry.secrets)));
    }

    /// Forgets the secrets of makes that `wanted` does not want, and keeps the others for a later keeper.
    pub fn keep(&mut self, wanted: impl Fn(&Make) -> bool) {
        self.known.retain(|make, _| wanted(make));
        let Some(file) = self.file() else { return };
        let kept = if self.known.is_empty() {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        } else {
            self.write(&file)
        };
        if let Err(error) = kept {
            eprintln!("cannot keep secrets in {}: {error}", file.display());
        }
    }

    fn write(&self, file: &Path) -> io::Result<()> {
        let bytes = Zeroizing::new(serde_json::to_vec(&self.entries())?);
        let fresh = file.with_extension("new");
        private_file(&fresh, 0o600)?.write_all(&bytes)?;
        fs::rename(fresh, file)
    }

    /// All that is known.
    pub fn entries(&self) -> Vec<Entry> {
        self.known
            .iter()
            .map(|(make, secrets)| Entry {
                make: *make,
                secrets: secrets.clone(),
            })
            .collect()
    }

    /// The secrets of a make, where they are known.
    pub fn of(&self, make: &Make) -> Option<&[LaunchSecret]> {
        self.known.get(make).map(Vec::as_slice)
    }

    /// Writes `secrets` as files for an instance; the answer is their folder.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn lay_out(&self, instance: InstanceId, secrets: &[LaunchSecret]) -> io::Result<PathBuf> {
        let folder = self.files_of(instance);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        for secret in secrets {
            private_file(&folder.join(&secret.name), 0o400)?.write_all(secret.value.reveal().as_bytes())?;
        }
        Ok(folder)
    }

    /// Removes the files of an instance.
    pub fn clear(&self, instance: InstanceId) {
        // Most instances have none.
        let _ = fs::remove_dir_all(self.files_of(instance));
    }

    /// Removes everything.
    pub fn clear_all(&mut self) {
        self.known.clear();
        // What is not there needs no removing.
        let _ = fs::remove_dir_all(&self.fallback);
        if let Some(shelf) = &self.shelf {
            let _ = fs::remove_dir_all(shelf);
        }
    }

    fn file(&self) -> Option<PathBuf> {
        self.shelf.as_ref().map(|shelf| shelf.join("secrets.json"))
    }

    fn files_of(&self, instance: InstanceId) -> PathBuf {
        self.shelf.as_ref().unwrap_or(&self.fallback).join(instance.to_string())
    }
}

fn private_file(path: &Path, mode: u32) -> io::Result<fs::File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// A folder below `memory` that is ours alone, named for the placement's folder.
fn private_shelf(memory: &Path, folder: &Path) -> io::Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let ours = memory.join(format!("throughline-{user}"));
    let folder = fs::canonicalize(folder)?;
    let shelf = ours.join(Digest::of(folder.as_os_str().as_encoded_bytes()).short());
    for path in [&ours, &shelf] {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // Anybody may have made it before us.
        let found = fs::symlink_metadata(path)?;
        if !found.is_dir() || found.uid() != user || found.mode() & 0o077 != 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
    }
    Ok(shelf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    fn make(package: &str) -> Make {
        Make {
            package: Digest::of(package),
            configuration: Digest::of("c"),
        }
    }

    #[test]
    fn secrets_are_known_after_a_kill_and_gone_when_nobody_wants_them() {
        let folder = tempfile::tempdir().unwrap();
        let secret = LaunchSecret {
            name: "key".into(),
            value: SecretValue::new("hidden-value"),
            variable: None,
        };
        let mut vault = Vault::open(folder.path());
        vault.learn(vec![Entry {
            make: make("a"),
            secrets: vec![secret.clone()],
        }]);
        vault.keep(|_| true);
        let again = Vault::open(folder.path());
        if again.shelf.is_some() {
            assert_eq!(again.of(&make("a")), Some(&[secret][..]));
        }
        vault.keep(|_| false);
        assert!(Vault::open(folder.path()).entries().is_empty());
        vault.clear_all();
    }

    #[test]
    fn the_files_of_an_instance_are_for_it_alone_and_go_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut vault = Vault::open(folder.path());
        let secret = LaunchSecret {
            name: "key".into(),
            value: SecretValue::new("hidden-value"),
            variable: None,
        };
        let id = InstanceId::of_key("1");
        let files = vault.lay_out(id, &[secret]).unwrap();
        let file = fs::metadata(files.join("key")).unwrap();
        assert_eq!(file.mode() & 0o777, 0o400);
        assert_eq!(fs::read_to_string(files.join("key")).unwrap(), "hidden-value");
        vault.clear(id);
        assert!(!files.exists());
        vault.clear_all();
    }
}
