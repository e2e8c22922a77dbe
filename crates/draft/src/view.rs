//! The tree as the readers of stacks see it: texts, names, folders.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use evidence::{EntryKind, Tree};

/// Longer files are no manifests.
const LONGEST: u64 = 1 << 20;
/// How deep manifests of parts are looked for: so many folders below the root.
const DEEPEST: usize = 3;
/// The names of folders that hold nothing that is built for its own sake.
const BESIDE: &[&str] = &[
    "bench",
    "benches",
    "benchmark",
    "benchmarks",
    "demo",
    "demos",
    "doc",
    "docs",
    "e2e",
    "example",
    "examples",
    "fixture",
    "fixtures",
    "fuzz",
    "integration",
    "node_modules",
    "playground",
    "sample",
    "samples",
    "site",
    "template",
    "templates",
    "test",
    "testdata",
    "testing",
    "tests",
    "third_party",
    "tools",
    "vendor",
    "website",
];

/// A tree that is read.
pub(crate) struct View<'t> {
    tree: &'t dyn Tree,
    texts: RefCell<BTreeMap<String, Option<Rc<str>>>>,
}

/// `name` in `folder`; the empty folder is the root.
pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// The folder of a path.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The name of a path's file.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a path lies among tests, examples, documents or what others made.
pub(crate) fn is_beside(path: &str) -> bool {
    path.split('/')
        .any(|part| part.starts_with('.') || BESIDE.contains(&part.to_ascii_lowercase().as_str()))
}

impl<'t> View<'t> {
    pub fn new(tree: &'t dyn Tree) -> Self {
        Self {
            tree,
            texts: RefCell::default(),
        }
    }

    pub fn tree(&self) -> &'t dyn Tree {
        self.tree
    }

    /// The text of a file; nothing where there is none, or it is long or no text.
    pub fn text(&self, path: &str) -> Option<Rc<str>> {
        if let Some(known) = self.texts.borrow().get(path) {
            return known.clone();
        }
        let bytes = if self.is_file(path) {
            self.tree.read(path, LONGEST).ok().flatten()
        } else {
            None
        };
        let text = bytes
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(|text| Rc::from(text.trim_start_matches('\u{feff}')));
        self.texts.borrow_mut().insert(path.to_owned(), text.clone());
        text
    }

    /// The text of a file, or an empty one.
    pub fn text_or_empty(&self, path: &str) -> Rc<str> {
        self.text(path).unwrap_or_else(|| Rc::from(""))
    }

    fn kind(&self, path: &str) -> Option<EntryKind> {
        let entries = self.tree.entries();
        let at = entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        Some(entries[at].kind)
    }

    /// Whether there is a file at a path.
    pub fn is_file(&self, path: &str) -> bool {
        matches!(self.kind(path), Some(EntryKind::File | EntryKind::Executable))
    }

    /// Whether the file at a path may be executed.
    pub fn is_executable(&self, path: &str) -> bool {
        self.kind(path) == Some(EntryKind::Executable)
    }

    /// The first of `names` that is a file in `folder`.
    pub fn first_of(&self, folder: &str, names: &[&str]) -> Option<String> {
        names
            .iter()
            .map(|name| join(folder, name))
            .find(|path| self.is_file(path))
    }

    /// All files below a folder, sorted by path.
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.tree
            .entries()
            .iter()
            .filter(|entry| matches!(entry.kind, EntryKind::File | EntryKind::Executable))
            .map(|entry| entry.path.as_str())
            .filter(move |path| {
                folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
            })
    }

    /// Whether a folder holds files.
    pub fn has_folder(&self, folder: &str) -> bool {
        self.below(folder).next().is_some()
    }

    /// The folders with a file of this name: the root, and those near it that hold no tests, examples and the like.
    pub fn folders_with(&self, name: &str) -> Vec<String> {
        let mut folders: Vec<String> = self
            .below("")
            .filter(|path| name_of(path) == name)
            .map(|path| folder_of(path).to_owned())
            .filter(|folder| folder.is_empty() || (folder.split('/').count() <= DEEPEST && !is_beside(folder)))
            .collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// A folder for what is built: the first of `names` in which no file of the tree lies, those first that git
    /// ignores; and whether git ignores it.
    pub fn scratch(&self, folder: &str, names: &[&'static str]) -> (&'static str, bool) {
        let free: Vec<&'static str> = names
            .iter()
            .copied()
            .filter(|name| {
                let path = join(folder, name);
                !self.has_folder(&path) && !self.is_file(&path)
            })
            .collect();
        if let Some(ignored) = free.iter().find(|name| self.ignores(folder, name)) {
            return (ignored, true);
        }
        (free.first().copied().unwrap_or("throughline-build"), false)
    }

    /// Whether git ignores a folder: one of the lists of the root or of the folder itself names it.
    fn ignores(&self, folder: &str, name: &str) -> bool {
        let mut lists = vec![self.text_or_empty(".gitignore")];
        if !folder.is_empty() {
            lists.push(self.text_or_empty(&join(folder, ".gitignore")));
        }
        let whole = join(folder, name);
        lists.iter().enumerate().any(|(at, list)| {
            list.lines().map(str::trim).any(|line| {
                // Of the list at the root, a line that begins with `/` is about the root alone.
                let is_of_root = at == 0 && !folder.is_empty() && line.starts_with('/');
                if is_of_root && line.trim_matches('/').trim_end_matches("/*") != whole {
                    return false;
                }
                let line = line.trim_start_matches("**/").trim_matches('/');
                let line = line.strip_suffix("/*").unwrap_or(line);
                line == name
                    || line == whole
                    || line
                        .strip_suffix('*')
                        .is_some_and(|stem| !stem.is_empty() && !stem.contains('*') && name.starts_with(stem))
            })
        })
    }
}

/// The number of the first line of `text` that holds `needle`, from 1.
pub(crate) fn line_of(text: &str, needle: &str) -> Option<u32> {
    let at = text.find(needle)?;
    u32::try_from(text[..at].matches('\n').count() + 1).ok()
}
