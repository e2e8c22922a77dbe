//! Where local runs keep what they keep.

use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use facts::Digest;

use crate::runs::LocalError;

/// The folders of local runs, below one of the user's.
///
/// `results/` holds the kept results of steps and `blobs/` the packages, both of all components.
/// `components/NAME-DIGEST/` is one component's: `runs/` with the logs of its last runs, `digests` with
/// what is remembered of its files, `lock`, which a run holds.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The kept results of steps.
    pub results: PathBuf,
    /// Packages.
    pub blobs: PathBuf,
    /// What belongs to this component's folder alone.
    pub own: PathBuf,
}

impl Folders {
    /// The folders below `base`, for the component that lies in `folder`.
    pub fn of(base: &Path, folder: &Path) -> Self {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let digest = Digest::of(folder.as_os_str().as_bytes()).short();
        Self {
            results: base.join("results"),
            blobs: base.join("blobs"),
            own: base.join("components").join(format!("{name}-{digest}")),
        }
    }

    /// The file that remembers the digests of the component's files.
    pub fn digests(&self) -> PathBuf {
        self.own.join("digests")
    }

    /// The folder of the runs.
    pub fn runs(&self) -> PathBuf {
        self.own.join("runs")
    }

    /// Takes the component's folder for one run; the kernel lets go when the process ends.
    ///
    /// # Errors
    /// [`LocalError::Busy`] when another run has it.
    pub(crate) fn lock(&self) -> Result<File, LocalError> {
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |source| LocalError::Folder { path, source }
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.runs())
            .map_err(wrong(&self.own))?;
        let path = self.own.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(wrong(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(LocalError::Busy),
            Err(std::fs::TryLockError::Error(source)) => Err(wrong(&path)(source)),
        }
    }
}
