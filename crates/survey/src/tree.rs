//! The files of one commit, read from the repository's objects. No working folder is looked at, and no link
//! followed.

use std::sync::{Arc, Mutex};

use evidence::{Entry, EntryKind, Tree, TreeError};
use gix::objs::Kind;

use crate::memory::Memory;
use crate::progress::{Phase, Progress};
use crate::rows::CommitId;
use crate::store::{Lacking, Reader, Store};

/// How deep folders may lie in one another.
const MOST_DEPTH: usize = 500;

/// How many bytes of paths are kept.
const MOST_PATH_BYTES: usize = 256 * 1024 * 1024;

/// How a file begins whose contents are elsewhere.
const LARGE_FILE_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

/// The files of a commit.
pub struct GitTree {
    entries: Vec<Entry>,
    ids: Vec<CommitId>,
    /// What is not in the list, and why; such a list proves the absence of nothing.
    lacks: Vec<String>,
    store: Arc<Store>,
    memory: Option<Arc<Memory>>,
    readers: Mutex<Vec<Reader>>,
}

impl std::fmt::Debug for GitTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitTree").field("files", &self.entries.len()).finish()
    }
}

impl GitTree {
    /// Lists the files below a tree, `most` of them at most.
    pub(crate) fn list(
        store: &Arc<Store>,
        memory: Option<Arc<Memory>>,
        top: CommitId,
        most: usize,
        progress: &dyn Progress,
    ) -> Self {
        let reader = store.reader();
        let mut found: Vec<(Entry, CommitId)> = Vec::new();
        let mut lacks = Vec::new();
        let mut bytes = 0;
        let mut folders = vec![(String::new(), 0, top)];
        let mut buffer = Vec::new();
        'all: while let Some((prefix, depth, id)) = folders.pop() {
            let kept = memory.as_ref().and_then(|memory| memory.get(&id));
            let content = match &kept {
                Some(kept) => Ok(&**kept),
                None => reader.read(&id, Kind::Tree, &mut buffer).inspect(|content| {
                    if let Some(memory) = &memory {
                        memory.keep(id, content);
                    }
                }),
            };
            let content = match content {
                Ok(content) => content,
                Err(lacking) => {
                    let shown = if prefix.is_empty() { "/" } else { prefix.as_str() };
                    lacks.push(format!("the folder `{shown}` cannot be read: {lacking}"));
                    continue;
                }
            };
            let mut rest = content;
            loop {
                let (mode, name, id) = match take(&mut rest) {
                    Ok(Some(entry)) => entry,
                    Ok(None) => break,
                    Err(()) => {
                        lacks.push(format!("the folder `{prefix}` is not well-formed"));
                        break;
                    }
                };
                let path = format!("{prefix}{}", String::from_utf8_lossy(name));
                bytes += path.len();
                if found.len() + folders.len() >= most || bytes > MOST_PATH_BYTES {
                    lacks.push(format!("there are more files than the {} that are listed", found.len()));
                    break 'all;
                }
                let kind = match mode {
                    b"40000" | b"040000" if depth >= MOST_DEPTH => {
                        lacks.push(format!("folders lie more than {MOST_DEPTH} deep in one another"));
                        continue;
                    }
                    b"40000" | b"040000" => {
                        folders.push((path + "/", depth + 1, id));
                        continue;
                    }
                    b"120000" => EntryKind::Link,
                    b"160000" => EntryKind::Submodule,
                    b"100755" => EntryKind::Executable,
                    _ => EntryKind::File,
                };
                found.push((Entry { path, kind }, id));
            }
            progress.at(Phase::Files, found.len() as u64, None);
        }
        progress.at(Phase::Files, found.len() as u64, Some(found.len() as u64));
        found.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        // Names that differ only in bytes that are no text read alike; the first one stands.
        found.dedup_by(|(later, _), (earlier, _)| later.path == earlier.path);
        let (entries, ids) = found.into_iter().unzip();
        lacks.truncate(20);
        Self {
            entries,
            ids,
            lacks,
            store: Arc::clone(store),
            memory,
            readers: Mutex::new(vec![reader]),
        }
    }

    /// What is not in the list, and why, as sentences.
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }

    /// Whether a file's contents are kept outside of the repository, in LFS.
    pub(crate) fn is_elsewhere(&self, path: &str) -> bool {
        let Some(place) = self.place(path) else { return false };
        self.with_reader(|reader| {
            let mut buffer = Vec::new();
            let is_small = reader.size(&self.ids[place]).is_ok_and(|size| size < 1_024);
            is_small
                && reader
                    .read(&self.ids[place], Kind::Blob, &mut buffer)
                    .is_ok_and(|bytes| bytes.starts_with(LARGE_FILE_POINTER))
        })
    }

    fn place(&self, path: &str) -> Option<usize> {
        self.entries
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .ok()
    }

    fn with_reader<T>(&self, read: impl FnOnce(&Reader) -> T) -> T {
        let idle = self.readers.lock().ok().and_then(|mut readers| readers.pop());
        let reader = idle.unwrap_or_else(|| self.store.reader());
        let result = read(&reader);
        if let Ok(mut readers) = self.readers.lock() {
            readers.push(reader);
        }
        result
    }
}

/// Mode, name and id of the first entry of a folder's bytes, which is taken off.
type Taken<'a> = (&'a [u8], &'a [u8], CommitId);

fn take<'a>(bytes: &mut &'a [u8]) -> Result<Option<Taken<'a>>, ()> {
    crate::difference::entry(bytes).map(|entry| entry.map(|entry| (entry.mode, entry.name, entry.id)))
}

impl Tree for GitTree {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let Some(place) = self.place(path) else { return Ok(None) };
        if !matches!(self.entries[place].kind, EntryKind::File | EntryKind::Executable) {
            return Ok(None);
        }
        let id = self.ids[place];
        let unreadable = |reason: String| TreeError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        if let Some(kept) = self.memory.as_ref().and_then(|memory| memory.get(&id)) {
            return match kept.len() as u64 {
                size if size > most => Err(TreeError::TooLong {
                    path: path.to_owned(),
                    size,
                    most,
                }),
                _ => Ok(Some(kept.to_vec())),
            };
        }
        self.with_reader(|reader| {
            let wrong = |lacking: Lacking| unreadable(lacking.to_string());
            let size = reader.size(&id).map_err(wrong)?;
            if size > most {
                return Err(TreeError::TooLong {
                    path: path.to_owned(),
                    size,
                    most,
                });
            }
            let mut buffer = Vec::new();
            reader.read(&id, Kind::Blob, &mut buffer).map_err(wrong)?;
            if buffer.starts_with(LARGE_FILE_POINTER) {
                return Err(unreadable(
                    "its contents are kept in LFS, outside of the repository".to_owned(),
                ));
            }
            if let Some(memory) = &self.memory {
                memory.keep(id, &buffer);
            }
            Ok(Some(buffer))
        })
    }
}
