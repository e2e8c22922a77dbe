//! Digests of files, remembered as long as the files look the same.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use facts::{Clock, Digest, Hasher};

use crate::manifest::Input;
use crate::tree::{SeenFile, SeenKind, Stamp, TreeError};

/// A file may be written twice within a tick of the file system's clock, and look the same after both.
/// So a digest counts only when the file was already this old when it was read, in nanoseconds.
const SETTLED: i128 = 50_000_000;

/// The digests of a workspace's files.
///
/// Kept in a file of lines `size modified changed inode digest path`, which may be lost at any time.
#[derive(Debug)]
pub struct Memory {
    file: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    digests: HashMap<String, (Stamp, Digest)>,
    dirty: bool,
}

impl Memory {
    /// Reads what was remembered in `file`; a file that is missing or broken is an empty memory.
    pub fn open(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let digests = text.lines().filter_map(read_line).collect();
        Self {
            file: file.to_owned(),
            known: Mutex::new(Known { digests, dirty: false }),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seen file as an input, its bytes read only where they may have changed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn input(&self, root: &Path, file: &SeenFile, clock: &dyn Clock) -> Result<Input, TreeError> {
        Ok(Input {
            path: file.path.clone(),
            executable: file.kind == SeenKind::File { executable: true },
            digest: self.digest(root, file, clock)?,
            link: file.kind == SeenKind::Link,
        })
    }

    /// The digest of a seen file's bytes; of a link, of where it points.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn digest(&self, root: &Path, file: &SeenFile, clock: &dyn Clock) -> Result<Digest, TreeError> {
        if let Some(digest) = self.remembered(file) {
            return Ok(digest);
        }
        let place = root.join(&file.path);
        let wrong = |source| TreeError::Read {
            path: place.clone(),
            source,
        };
        // The time before the bytes are read: what is written after it looks different.
        let now = clock.now().as_nanosecond();
        let digest = match file.kind {
            SeenKind::Link => Digest::of(std::fs::read_link(&place).map_err(wrong)?.as_os_str().as_bytes()),
            SeenKind::File { .. } => of_file(&place).map_err(wrong)?,
        };
        if now - file.stamp.changed.max(file.stamp.modified) > SETTLED {
            let mut known = self.known();
            known.digests.insert(file.path.clone(), (file.stamp, digest));
            known.dirty = true;
        }
        Ok(digest)
    }

    /// What is remembered of a file that looks as it did then.
    fn remembered(&self, file: &SeenFile) -> Option<Digest> {
        let known = self.known();
        let (stamp, digest) = known.digests.get(&file.path)?;
        (*stamp == file.stamp).then_some(*digest)
    }

    /// Remembers the digest of a file that was just written. It is looked at again unless it is settled.
    pub(crate) fn forget(&self, path: &str) {
        let mut known = self.known();
        if known.digests.remove(path).is_some() {
            known.dirty = true;
        }
    }

    /// Writes the memory down, where anything is new.
    ///
    /// # Errors
    /// When the file cannot be written. Nothing is lost but time.
    pub fn save(&self) -> std::io::Result<()> {
        let mut known = self.known();
        if !known.dirty {
            return Ok(());
        }
        let mut text = String::with_capacity(known.digests.len() * 160);
        for (path, (stamp, digest)) in &known.digests {
            if path.contains('\n') {
                continue;
            }
            let Stamp {
                size,
                modified,
                changed,
                inode,
            } = stamp;
            text.push_str(&format!(
                "{size} {modified} {changed} {inode} {} {path}\n",
                digest.hex()
            ));
        }
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let fresh = self.file.with_extension("fresh");
        std::fs::write(&fresh, text)?;
        std::fs::rename(&fresh, &self.file)?;
        known.dirty = false;
        Ok(())
    }
}

fn read_line(line: &str) -> Option<(String, (Stamp, Digest))> {
    let mut parts = line.splitn(6, ' ');
    let stamp = Stamp {
        size: parts.next()?.parse().ok()?,
        modified: parts.next()?.parse().ok()?,
        changed: parts.next()?.parse().ok()?,
        inode: parts.next()?.parse().ok()?,
    };
    let digest = format!("sha256:{}", parts.next()?).parse().ok()?;
    Some((parts.next()?.to_owned(), (stamp, digest)))
}

/// The digest of a file's bytes, read in pieces.
pub(crate) fn of_file(path: &Path) -> std::io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&buffer[..length]),
        }
    }
}
