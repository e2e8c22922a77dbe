//! Tests of the writer on a disk that loses power or room at any operation.
//!
//! The disk keeps, beside what a reader sees now, what would survive a power cut: bytes of a file
//! only as far as they were synced, names of a folder only as of its last sync, except that the
//! system may write back a name early (the worst case for a blob: its name is there, its bytes not).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use facts::Digest;

use super::disk::{Disk, DiskFile};
use super::{BlobError, BlobStore};

#[derive(Default)]
struct State {
    /// Bytes in memory, and how many of them are durable, by file number.
    files: Vec<(Vec<u8>, usize)>,
    /// Names as seen now.
    names: BTreeMap<PathBuf, usize>,
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

#[derive(Clone, Default)]
struct SimulatedDisk(Arc<Mutex<State>>);

struct SimulatedFile {
    disk: SimulatedDisk,
    number: usize,
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        let number = state.files.len();
        state.files.push((Vec::new(), 0));
        state.names.insert(path.to_owned(), number);
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            number,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        let number = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), number);
        Ok(())
    }

    fn sync_folder(&self, _path: &Path) -> io::Result<()> {
        self.0.lock().unwrap().step()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        state.names.remove(path);
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock().unwrap();
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
        let mut state = self.disk.0.lock().unwrap();
        state.step()?;
        let length = state.files[self.number].0.len();
        state.files[self.number].1 = length;
        Ok(())
    }
}

fn store(disk: &SimulatedDisk) -> BlobStore {
    BlobStore::on("/store/sha256".into(), "/store/incoming".into(), Box::new(disk.clone()))
}

fn write(store: &BlobStore) -> Result<super::Stored, BlobError> {
    let mut writer = store.writer()?;
    writer.add(b"one")?;
    writer.add(b"two")?;
    writer.finish()
}

#[test]
fn a_power_cut_at_any_operation_leaves_no_short_blob_under_its_digest() {
    let all = {
        let disk = SimulatedDisk::default();
        write(&store(&disk)).unwrap();
        disk.0.lock().unwrap().operations
    };
    assert!(all >= 6, "create, two writes, sync, rename, sync of the folder");
    for cut in 0..=all {
        let disk = SimulatedDisk::default();
        disk.0.lock().unwrap().cut_at = Some(cut);
        let result = write(&store(&disk));
        assert_eq!(
            result.is_ok(),
            cut == all,
            "a blob is confirmed only when all is durable"
        );
        let state = disk.0.lock().unwrap();
        for (path, number) in state.names.iter().filter(|(path, _)| path.starts_with("/store/sha256")) {
            let (bytes, durable) = &state.files[*number];
            let survives = &bytes[..*durable];
            assert_eq!(
                path.file_name().unwrap().to_str().unwrap(),
                Digest::of(survives).hex(),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn a_full_disk_is_said_clearly_and_leaves_nothing_behind() {
    for room in 0..6 {
        let disk = SimulatedDisk::default();
        disk.0.lock().unwrap().room = Some(room);
        let error = write(&store(&disk)).unwrap_err();
        assert!(error.is_full(), "{error}");
        assert!(error.to_string().contains("no space left"), "{error}");
        assert!(error.hint().is_some());
        assert!(disk.0.lock().unwrap().names.is_empty(), "room for {room} bytes");
    }
}
