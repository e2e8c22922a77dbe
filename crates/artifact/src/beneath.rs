//! Paths that cannot leave the folder they are meant for.
//!
//! Two defences, one behind the other: [`RelativePath`] refuses by its text whatever is absolute or
//! climbs, and `Folder` opens with `openat2` and `RESOLVE_BENEATH`, so that the kernel refuses
//! whatever a symlink would make of the rest.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// A path of plain names below some folder, such as `bin/server`; the empty path is the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(String);

/// A text that is no path below a folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no path below the folder: {rule}", text.escape_debug())]
pub struct PathError {
    /// The text, cut after 200 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl RelativePath {
    /// Checks `text`. Empty parts and `.` are dropped, so `./a//b/` is `a/b`.
    ///
    /// # Errors
    /// When the path is absolute, climbs with `..`, has control characters, or is too long.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let wrong = |rule| PathError {
            text: text.chars().take(200).collect(),
            rule,
        };
        if text.starts_with('/') {
            return Err(wrong("it must not begin with `/`"));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong("control characters are not allowed in names"));
        }
        let mut path = String::new();
        for part in text.split('/') {
            match part {
                "" | "." => continue,
                ".." => return Err(wrong("`..` is not allowed")),
                _ if part.len() > 255 => return Err(wrong("a name has at most 255 bytes")),
                _ => {}
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(part);
        }
        if path.len() > 3_000 {
            return Err(wrong("a path has at most 3000 bytes"));
        }
        Ok(Self(path))
    }

    /// The folder itself.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// The path as text; empty for the folder itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the folder itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// How many names the path has.
    pub fn depth(&self) -> usize {
        self.parts().count()
    }

    /// The names, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The path of `below`, seen from where this path begins.
    ///
    /// # Errors
    /// When the whole is too long.
    pub fn join(&self, below: &Self) -> Result<Self, PathError> {
        Self::new(format!("{}/{}", self.0, below.0).trim_start_matches('/'))
    }

    /// All folders above this path, outermost first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl std::fmt::Display for RelativePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

/// Whether a symlink at depth `depth` (names above it) with the text `target` stays in its folder,
/// whatever other such links do: only leading `..`, and no more of them than there are folders above.
pub(crate) fn link_stays_beneath(depth: usize, target: &str) -> bool {
    if target.is_empty() || target.starts_with('/') || target.chars().any(char::is_control) || target.len() > 3_000 {
        return false;
    }
    let mut climbed = 0;
    let mut descended = false;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if descended => return false,
            ".." => climbed += 1,
            _ => descended = true,
        }
    }
    climbed <= depth
}

/// How symlinks on the way are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Followed as long as they stay beneath.
    FollowBeneath,
    /// Refused, wherever they point.
    Refuse,
}

/// An open folder; what is opened through it is beneath it.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// Opens a trusted path.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// The folder's own handle.
    pub(crate) fn handle(&self) -> &OwnedFd {
        &self.0
    }

    fn open_with(&self, path: &str, flags: OFlags, mode: Mode, links: Links) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH
            | match links {
                Links::FollowBeneath => ResolveFlags::NO_MAGICLINKS,
                Links::Refuse => ResolveFlags::NO_SYMLINKS,
            };
        let path = if path.is_empty() { "." } else { path };
        loop {
            match rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, mode, resolve) {
                // The kernel cannot be sure while another process renames something above.
                Err(Errno::AGAIN) => {}
                result => return Ok(result?),
            }
        }
    }

    /// Opens what is at `path` for reading, file or folder; a pipe without a writer does not block.
    pub(crate) fn read(&self, path: &RelativePath, links: Links) -> io::Result<(OwnedFd, Stat)> {
        // Looked at before it is opened: opening some devices does something.
        let seen = rustix::fs::fstat(self.open_with(path.as_str(), OFlags::PATH, Mode::empty(), links)?)?;
        if !matches!(file_type(&seen), FileType::RegularFile | FileType::Directory) {
            return Err(io::Error::other("neither a file nor a folder"));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let handle = self.open_with(path.as_str(), flags, Mode::empty(), links)?;
        let stat = rustix::fs::fstat(&handle)?;
        Ok((handle, stat))
    }

    /// Makes a new file, refusing every symlink on the way.
    pub(crate) fn create(&self, path: &RelativePath) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        Ok(self
            .open_with(path.as_str(), flags, Mode::RUSR | Mode::WUSR, Links::Refuse)?
            .into())
    }

    /// Makes the folder `path` and those above it, refusing every symlink on the way.
    pub(crate) fn make_folders(&self, path: &RelativePath) -> io::Result<()> {
        let mut at = self.open_with("", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty(), Links::Refuse)?;
        for name in path.parts() {
            match rustix::fs::mkdirat(&at, name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            at = Self(at).open_with(name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty(), Links::Refuse)?;
        }
        Ok(())
    }

    /// Makes a symlink, refusing every symlink on the way to its folder.
    pub(crate) fn make_link(&self, path: &RelativePath, target: &str) -> io::Result<()> {
        let (above, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        let above = self.open_with(above, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty(), Links::Refuse)?;
        Ok(rustix::fs::symlinkat(target, above, name)?)
    }
}

/// One name in a folder, as it is there: links are not followed.
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) kind: FileType,
    /// Where a symlink points.
    pub(crate) target: Option<String>,
}

/// The names in an open folder, sorted by their bytes.
///
/// # Errors
/// When the folder cannot be read or a name or a link's target is not UTF-8.
pub(crate) fn list(folder: &OwnedFd) -> io::Result<Vec<Listed>> {
    let text = |bytes: CString| {
        bytes.into_string().map_err(|error| {
            let name = error.into_cstring();
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the name `{}` is not UTF-8", name.to_bytes().escape_ascii()),
            )
        })
    };
    let mut listed = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = rustix::fs::statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = file_type(&stat);
        let target = match kind {
            FileType::Symlink => Some(text(rustix::fs::readlinkat(folder, entry.file_name(), Vec::new())?)?),
            _ => None,
        };
        listed.push(Listed {
            name: text(entry.file_name().to_owned())?,
            kind,
            target,
        });
    }
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listed)
}

/// What kind of thing a `Stat` describes.
pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Whether an open was refused because the path would leave its folder.
pub(crate) fn is_escape(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::XDEV.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_plain_names_below_a_folder() {
        for (text, path) in [
            ("a", "a"),
            ("./a//b/", "a/b"),
            (".", ""),
            ("", ""),
            ("a..b/...", "a..b/..."),
        ] {
            assert_eq!(RelativePath::new(text).unwrap().as_str(), path);
        }
        for text in [
            "/",
            "/a",
            "..",
            "a/../b",
            "a/..",
            "a\0",
            "a\nb",
            &"x".repeat(256),
            &"x/".repeat(2_000),
        ] {
            assert!(RelativePath::new(text).is_err(), "{text:?}");
        }
        let path = RelativePath::new("a/b/c").unwrap();
        assert_eq!(path.ancestors().collect::<Vec<_>>(), ["a", "a/b"]);
    }

    #[test]
    fn a_link_climbs_no_higher_than_its_folder_and_only_at_its_beginning() {
        for (depth, target) in [(0, "a"), (1, "../a"), (2, "../../a/b"), (1, "./../a/.")] {
            assert!(link_stays_beneath(depth, target), "{depth} {target}");
        }
        for (depth, target) in [
            (0, ".."),
            (0, "/etc"),
            (1, "../../a"),
            (3, "a/../b"),
            (5, "a/a/../../../x"),
            (0, ""),
            (1, "a\n"),
        ] {
            assert!(!link_stays_beneath(depth, target), "{depth} {target}");
        }
    }

    #[test]
    fn opening_follows_links_that_stay_and_refuses_those_that_leave() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        std::fs::write(inside.join("file"), "f").unwrap();
        std::os::unix::fs::symlink("file", inside.join("stays")).unwrap();
        std::os::unix::fs::symlink("../secret", inside.join("leaves")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", inside.join("absolute")).unwrap();
        let root = Folder::open(&inside).unwrap();
        let read = |name, links| root.read(&RelativePath::new(name).unwrap(), links);
        assert!(read("stays", Links::FollowBeneath).is_ok());
        assert!(read("stays", Links::Refuse).is_err());
        assert!(is_escape(&read("leaves", Links::FollowBeneath).unwrap_err()));
        assert!(is_escape(&read("absolute", Links::FollowBeneath).unwrap_err()));
    }
}
