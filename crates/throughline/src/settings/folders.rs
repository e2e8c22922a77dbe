//! Where a user's files lie: the XDG base directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folders of a user.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Settings and the login store.
    pub configuration: PathBuf,
    /// The data folder of a local server.
    pub data: PathBuf,
    /// What may be lost at any time.
    pub cache: PathBuf,
}

impl Folders {
    /// From the variables `XDG_CONFIG_HOME`, `XDG_DATA_HOME`, `XDG_CACHE_HOME` and `HOME`. Without any of them, the
    /// folder `.throughline` in the current one.
    pub fn of(variables: &BTreeMap<String, String>, current: &Path) -> Self {
        let absolute = |name: &str| variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let folder = |variable: &str, below_home: &str, alone: &str| {
            absolute(variable)
                .or_else(|| home.as_ref().map(|home| home.join(below_home)))
                .map_or_else(
                    || current.join(".throughline").join(alone),
                    |base| base.join("throughline"),
                )
        };
        Self {
            configuration: folder("XDG_CONFIG_HOME", ".config", "configuration"),
            data: folder("XDG_DATA_HOME", ".local/share", "data"),
            cache: folder("XDG_CACHE_HOME", ".cache", "cache"),
        }
    }
}
