//! The login store: servers and tokens of this user, in one file that only this user can read.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::Failure;

/// What is kept.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Logins {
    /// The server of the last login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The token of each server.
    #[serde(default)]
    pub tokens: BTreeMap<String, String>,
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logins")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl Logins {
    /// Reads the store; one that is not there is empty.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::new(
                    Exit::Failed,
                    format!("cannot read the logins in {}: {error}", path.display()),
                ));
            }
        };
        serde_json::from_str(&text).map_err(|error| {
            Failure::new(
                Exit::BadFile,
                format!("{} does not hold logins: {error}", path.display()),
            )
            .hint("remove the file and log in again with `throughline login`")
        })
    }

    /// Writes the store whole, or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let wrong = |error: io::Error| {
            Failure::new(
                Exit::Failed,
                format!("cannot keep the login in {}: {error}", path.display()),
            )
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| wrong(error.into()))?;
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(wrong)?;
        }
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let written = (|| {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&fresh, path)
        })();
        written.map_err(|error| {
            let _ = fs::remove_file(&fresh);
            wrong(error)
        })
    }
}
