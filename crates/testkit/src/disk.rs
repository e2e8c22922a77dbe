//! A disk that loses power or room at any operation.
//!
//! It keeps, beside what a reader sees now, what would survive a power cut: bytes of a file only as far as
//! they were synced, and names as the system may have written them back.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::disk::{Disk, DiskFile};

/// Which names survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Those of the last sync of their folder alone.
    Synced,
    /// All of them: the system wrote them back early, before the bytes.
    All,
}

#[derive(Default)]
struct State {
    /// Bytes in memory, and how many of them are durable, by file number.
    files: Vec<(Vec<u8>, usize)>,
    /// Names as seen now.
    names: BTreeMap<PathBuf, usize>,
    /// Names as of the last syncs.
    synced: BTreeMap<PathBuf, usize>,
    /// Operations done, and the one at which the power goes.
    operations: usize,
    cut_at: Option<usize>,
    /// Bytes that still fit.
    room: Option<usize>,
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.cut_at {
            Some(at) if self.operations > at => Err(io::Error::other("no power")),
            _ => Ok(()),
        }
    }
}

/// A disk in memory. All clones are one disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

struct SimulatedFile {
    disk: SimulatedDisk,
    number: usize,
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file there that is durable.
    #[must_use]
    pub fn with(self, path: &Path, bytes: &[u8]) -> Self {
        let mut state = self.state();
        let number = state.files.len();
        state.files.push((bytes.to_owned(), bytes.len()));
        state.names.insert(path.to_owned(), number);
        state.synced.insert(path.to_owned(), number);
        drop(state);
        self
    }

    /// The disk has room for so many bytes more.
    #[must_use]
    pub fn with_room(self, bytes: usize) -> Self {
        self.state().room = Some(bytes);
        self
    }

    /// The names that a reader sees now.
    pub fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// What a power cut leaves.
    pub fn survivors(&self, names: Names) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let names = match names {
            Names::Synced => &state.synced,
            Names::All => &state.names,
        };
        let durable = |number: &usize| {
            let (bytes, durable) = &state.files[*number];
            bytes[..*durable].to_owned()
        };
        names
            .iter()
            .map(|(path, number)| (path.clone(), durable(number)))
            .collect()
    }

    /// Does some work again and again on a new disk, and cuts the power at each of its operations, and after the last.
    /// `holds` gets what survives, and whether the work was said to be done.
    ///
    /// # Panics
    /// When the work does nothing on the disk, or fails without a cut.
    pub fn cut_everywhere<T, E: std::fmt::Debug>(
        disk: impl Fn() -> Self,
        work: impl Fn(&Self) -> Result<T, E>,
        holds: impl Fn(&BTreeMap<PathBuf, Vec<u8>>, bool),
    ) {
        let whole = disk();
        let ended = work(&whole);
        assert!(ended.is_ok(), "without a cut: {:?}", ended.err());
        let operations = whole.state().operations;
        assert!(operations > 0, "the work does nothing on the disk");
        for cut in 0..=operations {
            let disk = disk();
            disk.state().cut_at = Some(cut);
            let done = work(&disk).is_ok();
            assert!(done || cut < operations, "cut at {cut} of {operations}");
            for names in [Names::Synced, Names::All] {
                holds(&disk.survivors(names), done);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path, _mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.step()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = state.files.len();
        state.files.push((Vec::new(), 0));
        state.names.insert(path.to_owned(), number);
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            number,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let number = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), number);
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let now: Vec<(PathBuf, usize)> = state
            .names
            .iter()
            .filter(|(name, _)| name.parent() == Some(path))
            .map(|(name, number)| (name.clone(), *number))
            .collect();
        state.synced.retain(|name, _| name.parent() != Some(path));
        state.synced.extend(now);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }
}

impl DiskFile for SimulatedFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        if let Some(room) = state.room {
            if room < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.room = Some(room - bytes.len());
        }
        state.files[self.number].0.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        let length = state.files[self.number].0.len();
        state.files[self.number].1 = length;
        Ok(())
    }
}
