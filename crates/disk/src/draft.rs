//! One file on its way to its name.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Disk, DiskFile};

/// A file that is being written, beside its place. Dropped, it leaves nothing.
pub struct Draft<'a> {
    aside: Aside<'a>,
    file: Box<dyn DiskFile>,
}

/// A file whose bytes are durable, and which has no name yet. Dropped, it leaves nothing.
pub struct Sealed<'a>(Aside<'a>);

/// A file that has its name. Until its folder is synced a power cut may take the name away.
#[must_use = "the name is not durable before it is synced"]
pub struct Named<'a> {
    disk: &'a dyn Disk,
    folder: PathBuf,
}

/// Where a file is until it has its name.
struct Aside<'a> {
    disk: &'a dyn Disk,
    place: PathBuf,
    /// Empty once it has its name.
    path: PathBuf,
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What cannot be removed now is removed by the next draft for the same place.
            let _ = self.disk.remove(&self.path);
        }
    }
}

impl Aside<'_> {
    fn name(mut self) -> io::Result<PathBuf> {
        self.disk.rename(&self.path, &self.place)?;
        self.path = PathBuf::new();
        Ok(self.place.parent().map(Path::to_owned).unwrap_or_default())
    }
}

impl<'a> Draft<'a> {
    /// Begins a file for this place, with these permissions. What a dead writer left of another is removed. One
    /// process at a time may write to a place.
    ///
    /// # Errors
    /// When the place has no file's name, or the disk fails.
    pub fn begin(disk: &'a dyn Disk, place: &Path, mode: u32) -> io::Result<Self> {
        let mut name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(".draft");
        let path = place.with_file_name(name);
        match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(&path, mode)?;
        let place = place.to_owned();
        Ok(Self {
            aside: Aside { disk, place, path },
            file,
        })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes the bytes durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn seal(mut self) -> io::Result<Sealed<'a>> {
        self.file.sync()?;
        Ok(Sealed(self.aside))
    }

    /// Gives the file its name although a power cut may take its bytes: for what may be lost then, and whose
    /// reader tells a part of it from the whole.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn name_unsealed(self) -> io::Result<()> {
        self.aside.name().map(drop)
    }
}

impl<'a> Sealed<'a> {
    /// Gives the file its name.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn name(self) -> io::Result<Named<'a>> {
        let disk = self.0.disk;
        let folder = self.0.name()?;
        Ok(Named { disk, folder })
    }
}

impl Named<'_> {
    /// Makes the name durable.
    ///
    /// # Errors
    /// When the disk fails; then the file may be there or what was there before.
    pub fn sync(self) -> io::Result<()> {
        self.disk.sync_folder(&self.folder)
    }
}

/// Puts these bytes in the place of whatever is there. When this returns, no power cut undoes it; until then what
/// was there before is there as a whole.
///
/// # Errors
/// When the disk fails or is full.
pub fn replace(disk: &dyn Disk, place: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut draft = Draft::begin(disk, place, mode)?;
    draft.add(bytes)?;
    draft.seal()?.name()?.sync()
}
