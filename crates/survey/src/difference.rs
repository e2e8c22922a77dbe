//! Reads what commits changed from their trees, on all processors.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering as Order};

use gix::objs::Kind;

use crate::change::{Change, Changes, Touched, compare, count_lines, is_binary};
use crate::object::CommitObject;
use crate::paths::{Class, classify};
use crate::progress::{Phase, Progress};
use crate::rows::{CommitId, Index, Rows};
use crate::store::{Lacking, Reader, Store};

/// A commit whose change is wanted, and what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub commit: Index,
    pub depth: Depth,
}

/// How closely a change is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// The paths.
    Paths,
    /// The paths, and whether tests inside of product files were changed.
    Tests,
    /// All of it, with lines counted.
    Lines,
}

/// How many files of a change are kept.
const MOST_KEPT: usize = 3_000;

/// How many files of a change are looked into.
const MOST_COUNTED: usize = 400;

/// How many entries of folders are compared for one change. Trees can be made that have more entries than
/// there are atoms.
const MOST_ENTRIES: usize = 100_000;

/// How deep folders may lie in one another.
const MOST_DEPTH: usize = 500;

/// The longest file that is compared line by line, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// How many commits a thread takes at once; they are neighbours, which share folders.
const BATCH: usize = 16;

/// What was read, and what could not be.
#[derive(Default)]
pub(crate) struct Differences {
    pub changes: Changes,
    /// Commits whose change cannot be read, and why.
    pub unreadable: Vec<(Index, String)>,
}

/// One thread's share, with paths in a table of its own.
#[derive(Default)]
struct Part {
    paths: HashMap<Vec<u8>, (u32, Class)>,
    order: Vec<Box<str>>,
    changes: Vec<(Index, Change)>,
    unreadable: Vec<(Index, String)>,
}

/// Reads the changes that are wanted.
pub(crate) fn read(store: &Store, rows: &Rows, wanted: &[Wanted], progress: &dyn Progress) -> Differences {
    let threads = std::thread::available_parallelism()
        .map_or(1, |count| count.get().min(8))
        .min(wanted.len().div_ceil(BATCH).max(1));
    let next = AtomicUsize::new(0);
    let done = AtomicU64::new(0);
    let total = wanted.len() as u64;
    let work = || {
        let mut worker = Worker::new(store, rows);
        loop {
            let start = next.fetch_add(BATCH, Order::Relaxed);
            let Some(batch) = wanted.get(start..(start + BATCH).min(wanted.len())) else {
                break;
            };
            if batch.is_empty() {
                break;
            }
            for want in batch {
                worker.read(*want);
            }
            let now = done.fetch_add(batch.len() as u64, Order::Relaxed) + batch.len() as u64;
            progress.at(Phase::Changes, now, Some(total));
        }
        worker.part
    };
    let parts: Vec<Part> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut parts = vec![work()];
        for other in others {
            match other.join() {
                Ok(part) => parts.push(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        parts
    });
    merge(parts)
}

/// Puts the shares together, so that nothing depends on which thread read what: paths are in order.
fn merge(parts: Vec<Part>) -> Differences {
    let mut all: Vec<&str> = parts
        .iter()
        .flat_map(|part| part.order.iter().map(AsRef::as_ref))
        .collect();
    all.sort_unstable();
    all.dedup();
    let mut differences = Differences::default();
    differences.changes.paths = all.iter().map(|path| (*path).into()).collect();
    for part in &parts {
        let places: Vec<u32> = part
            .order
            .iter()
            .map(|path| all.binary_search(&path.as_ref()).unwrap_or_default() as u32)
            .collect();
        for (commit, change) in &part.changes {
            let mut change = change.clone();
            for touched in &mut change.touched {
                touched.path = places[touched.path as usize];
            }
            differences.changes.insert(*commit, change);
        }
        differences.unreadable.extend(part.unreadable.iter().cloned());
    }
    differences.unreadable.sort();
    differences
}

struct Worker<'s> {
    rows: &'s Rows,
    reader: Reader,
    part: Part,
    spare: Vec<Vec<u8>>,
}

/// One side of a file that differs.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Side {
    id: CommitId,
    is_file: bool,
}

struct Found {
    path: Vec<u8>,
    old: Option<Side>,
    new: Option<Side>,
}

impl<'s> Worker<'s> {
    fn new(store: &Store, rows: &'s Rows) -> Self {
        Self {
            rows,
            reader: store.reader(),
            part: Part::default(),
            spare: Vec::new(),
        }
    }

    fn read(&mut self, want: Wanted) {
        match self.change(want) {
            Ok(change) => self.part.changes.push((want.commit, change)),
            Err(lacking) => self.part.unreadable.push((want.commit, lacking.to_string())),
        }
    }

    fn change(&mut self, want: Wanted) -> Result<Change, Lacking> {
        let new = self.tree_of(want.commit)?;
        let old = match self.rows.parents(want.commit).first() {
            Some(parent) => Some(self.tree_of(*parent)?),
            None => None,
        };
        let (found, is_whole) = self.differing(old, new)?;
        let mut touched = Vec::with_capacity(found.len().min(MOST_KEPT));
        let mut counted = 0;
        for file in found.iter().take(MOST_KEPT) {
            let (path, class) = self.path(&file.path);
            let mut one = Touched {
                path,
                class,
                lines: None,
            };
            let may_hold_tests = class.has(Class::PRODUCT) && file.path.ends_with(b".rs");
            let is_wanted = want.depth == Depth::Lines || want.depth == Depth::Tests && may_hold_tests;
            if is_wanted && !class.has(Class::MACHINE) && counted < MOST_COUNTED {
                counted += 1;
                self.count(file, may_hold_tests, &mut one)?;
            }
            touched.push(one);
        }
        Ok(Change {
            files: u32::try_from(found.len()).unwrap_or(u32::MAX),
            touched: touched.into_boxed_slice(),
            is_whole,
            has_lines: want.depth == Depth::Lines,
        })
    }

    fn tree_of(&mut self, commit: Index) -> Result<CommitId, Lacking> {
        if let Some(told) = self.rows.told(commit) {
            return Ok(told.tree);
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        let tree = self
            .reader
            .read(&self.rows.commit(commit).id, Kind::Commit, &mut buffer)
            .map(|bytes| CommitObject::read(bytes).map(|commit| commit.tree));
        self.spare.push(buffer);
        tree?.ok_or_else(|| Lacking::Broken("it is no well-formed commit".to_owned()))
    }

    /// The number of a path, and what it is.
    fn path(&mut self, path: &[u8]) -> (u32, Class) {
        if let Some(known) = self.part.paths.get(path) {
            return *known;
        }
        let text = String::from_utf8_lossy(path);
        let entry = (self.part.order.len() as u32, classify(&text));
        self.part.order.push(text.into());
        self.part.paths.insert(path.to_owned(), entry);
        entry
    }

    /// Counts the lines of a file that differ, and finds out whether tests inside of it do.
    fn count(&mut self, file: &Found, may_hold_tests: bool, touched: &mut Touched) -> Result<(), Lacking> {
        let sides = [file.old, file.new];
        if sides.iter().flatten().any(|side| !side.is_file) {
            return Ok(());
        }
        let mut contents = [
            self.spare.pop().unwrap_or_default(),
            self.spare.pop().unwrap_or_default(),
        ];
        let mut is_text = true;
        for (side, content) in sides.iter().zip(&mut contents) {
            content.clear();
            let Some(side) = side else { continue };
            if self.reader.size(&side.id)? > LONGEST {
                is_text = false;
                break;
            }
            self.reader.read(&side.id, Kind::Blob, content)?;
            if is_binary(content) {
                is_text = false;
                break;
            }
        }
        if is_text {
            let [old, new] = &contents;
            let change = match (file.old, file.new) {
                (Some(_), Some(_)) => compare(old, new, may_hold_tests),
                // A new file of Rust with tests at its end has both.
                _ if may_hold_tests => compare(old, new, true),
                _ => crate::change::TextChange {
                    lines: count_lines(old) + count_lines(new),
                    before_tests: true,
                    in_tests: false,
                },
            };
            touched.lines = Some(change.lines);
            if change.in_tests {
                let product = if change.before_tests {
                    Class::PRODUCT
                } else {
                    Class::default()
                };
                touched.class = touched.class.without(Class::PRODUCT).with(Class::TEST).with(product);
            }
        }
        self.spare.extend(contents);
        Ok(())
    }

    /// The files that differ between two trees, renamed ones once, and whether that is all of them.
    fn differing(&mut self, old: Option<CommitId>, new: CommitId) -> Result<(Vec<Found>, bool), Lacking> {
        let mut found = Vec::new();
        let mut pairs = vec![(Vec::new(), old, Some(new))];
        let mut budget = MOST_ENTRIES;
        let mut is_whole = true;
        while let Some((prefix, old, new)) = pairs.pop() {
            if old == new {
                continue;
            }
            if prefix.iter().filter(|byte| **byte == b'/').count() > MOST_DEPTH || budget == 0 {
                is_whole = false;
                break;
            }
            let mut buffers = [
                self.spare.pop().unwrap_or_default(),
                self.spare.pop().unwrap_or_default(),
            ];
            for (id, buffer) in [old, new].iter().zip(&mut buffers) {
                buffer.clear();
                if let Some(id) = id {
                    self.reader.read(id, Kind::Tree, buffer)?;
                }
            }
            let [before, after] = &buffers;
            together(before, after, |old, new| {
                budget = budget.saturating_sub(1);
                let name = new.or(old).map(|entry| entry.name).unwrap_or_default();
                let tree = |entry: Option<Entry<'_>>| entry.filter(|e| e.is_folder).map(|e| e.id);
                let leaf = |entry: Option<Entry<'_>>| {
                    entry.filter(|e| !e.is_folder).map(|entry| Side {
                        id: entry.id,
                        is_file: entry.is_file,
                    })
                };
                let mut path = prefix.clone();
                path.extend_from_slice(name);
                let (old_leaf, new_leaf) = (leaf(old), leaf(new));
                if old_leaf.is_some() || new_leaf.is_some() {
                    found.push(Found {
                        path,
                        old: old_leaf,
                        new: new_leaf,
                    });
                } else {
                    path.push(b'/');
                    pairs.push((path, tree(old), tree(new)));
                }
            })
            .map_err(|()| Lacking::Broken("it is no well-formed folder".to_owned()))?;
            self.spare.extend(buffers);
        }
        pair_renames(&mut found);
        found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok((found, is_whole))
    }
}

/// Makes one of a file that went and one that came with the same contents, if any.
fn pair_renames(found: &mut Vec<Found>) {
    let gone: HashMap<CommitId, usize> = found
        .iter()
        .enumerate()
        .filter(|(_, file)| file.new.is_none())
        .filter_map(|(at, file)| Some((file.old?.id, at)))
        .collect();
    if gone.is_empty() {
        return;
    }
    let mut moved = vec![false; found.len()];
    for at in 0..found.len() {
        if found[at].old.is_none()
            && let Some(from) = found[at].new.and_then(|new| gone.get(&new.id)).copied()
            && !moved[from]
        {
            moved[from] = true;
            found[at].old = found[from].old;
        }
    }
    let mut moved = moved.into_iter();
    found.retain(|_| !moved.next().unwrap_or(false));
}

/// An entry of a folder.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub name: &'a [u8],
    pub id: CommitId,
    pub mode: &'a [u8],
    is_folder: bool,
    is_file: bool,
}

/// Takes the first entry off the bytes of a folder.
pub(crate) fn entry<'a>(bytes: &mut &'a [u8]) -> Result<Option<Entry<'a>>, ()> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let space = bytes.iter().position(|byte| *byte == b' ').ok_or(())?;
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .filter(|end| *end > space)
        .ok_or(())?;
    let id = bytes
        .get(end + 1..end + 21)
        .and_then(|id| id.try_into().ok())
        .ok_or(())?;
    let (mode, name) = (&bytes[..space], &bytes[space + 1..end]);
    *bytes = &bytes[end + 21..];
    Ok(Some(Entry {
        name,
        id: CommitId(id),
        mode,
        is_folder: matches!(mode, b"40000" | b"040000"),
        is_file: mode.starts_with(b"100"),
    }))
}

/// Walks two folders side by side and calls `each` for what differs: a file against a file, a folder against a
/// folder, or either against nothing.
fn together<'a>(
    mut old: &'a [u8],
    mut new: &'a [u8],
    mut each: impl FnMut(Option<Entry<'a>>, Option<Entry<'a>>),
) -> Result<(), ()> {
    let (mut left, mut right) = (entry(&mut old)?, entry(&mut new)?);
    loop {
        let order = match (&left, &right) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => in_folder_order(a, b),
        };
        match order {
            Ordering::Less => {
                each(left, None);
                left = entry(&mut old)?;
            }
            Ordering::Greater => {
                each(None, right);
                right = entry(&mut new)?;
            }
            Ordering::Equal => {
                if let (Some(a), Some(b)) = (left, right)
                    && (a.id != b.id || a.mode != b.mode)
                {
                    each(left, right);
                }
                left = entry(&mut old)?;
                right = entry(&mut new)?;
            }
        }
    }
}

/// Git sorts a folder as if its name ended in `/`.
fn in_folder_order(a: &Entry<'_>, b: &Entry<'_>) -> Ordering {
    let shorter = a.name.len().min(b.name.len());
    a.name[..shorter].cmp(&b.name[..shorter]).then_with(|| {
        let next = |entry: &Entry<'_>| {
            entry
                .name
                .get(shorter)
                .copied()
                .unwrap_or(if entry.is_folder { b'/' } else { 0 })
        };
        next(a).cmp(&next(b)).then_with(|| a.name.len().cmp(&b.name.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(entries: &[(&str, &str, u8)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend_from_slice(&[*id; 20]);
        }
        bytes
    }

    fn differing(old: &[u8], new: &[u8]) -> Vec<(String, bool, bool)> {
        let mut found = Vec::new();
        together(old, new, |a, b| {
            let name = a.or(b).map(|e| String::from_utf8_lossy(e.name).into_owned()).unwrap();
            found.push((name, a.is_some(), b.is_some()));
        })
        .unwrap();
        found
    }

    #[test]
    fn folders_are_compared_in_the_order_of_git() {
        let old = folder(&[
            ("100644", "a", 1),
            ("100644", "a.b", 2),
            ("40000", "a", 3),
            ("100644", "z", 4),
        ]);
        let new = folder(&[
            ("100644", "a", 1),
            ("100644", "a.b", 9),
            ("40000", "a", 3),
            ("100755", "z", 4),
        ]);
        assert_eq!(
            differing(&old, &new),
            [("a.b".to_owned(), true, true), ("z".to_owned(), true, true)]
        );
        assert_eq!(
            differing(&[], &folder(&[("100644", "a", 1)])),
            [("a".to_owned(), false, true)]
        );
    }

    #[test]
    fn a_file_that_becomes_a_folder_went_and_came() {
        let old = folder(&[("100644", "a", 1)]);
        let new = folder(&[("40000", "a", 2)]);
        assert_eq!(
            differing(&old, &new),
            [("a".to_owned(), true, false), ("a".to_owned(), false, true)]
        );
    }

    #[test]
    fn broken_folders_are_refused() {
        for bytes in [&b"100644"[..], b"100644 a", b"100644 a\0short", b"\0 "] {
            assert!(together(bytes, &[], |_, _| {}).is_err());
        }
    }

    #[test]
    fn a_renamed_file_is_one_file() {
        let side = |id| {
            Some(Side {
                id: CommitId([id; 20]),
                is_file: true,
            })
        };
        let file = |path: &str, old, new| Found {
            path: path.as_bytes().to_vec(),
            old,
            new,
        };
        let mut found = vec![
            file("a", side(1), None),
            file("b", None, side(1)),
            file("c", None, side(1)),
            file("d", side(2), side(3)),
        ];
        pair_renames(&mut found);
        let left: Vec<_> = found.iter().map(|f| (f.path.as_slice(), f.old.is_some())).collect();
        assert_eq!(left, [(&b"b"[..], true), (b"c", false), (b"d", true)]);
    }
}
