//! All files of the tree with what their paths say, and ways to find them by name.

use std::collections::HashMap;

use evidence::{EntryKind, Tree};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::languages;
use crate::standing::{self, Standing};

/// A file and what its path says.
#[derive(Debug, Clone)]
pub(crate) struct FileFact {
    pub path: String,
    pub standing: Standing,
    /// The language, when it is a source file.
    pub language: Option<&'static str>,
    /// Whether it is a source file of tests.
    pub test: bool,
    /// Whether somebody owns it, where there is a file of owners.
    pub owned: Option<bool>,
    /// Whether it is executable.
    pub executable: bool,
}

impl FileFact {
    /// The last part of the path.
    pub fn name(&self) -> &str {
        name_of(&self.path)
    }
}

/// The files, found by name and ending.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    pub files: Vec<FileFact>,
    by_name: HashMap<String, Vec<u32>>,
    by_ending: HashMap<String, Vec<u32>>,
    /// Entries that are files or links, of any standing.
    pub count: usize,
}

/// The last part of a path.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder of a path, empty for the root.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether `path` lies in `folder` or below; the root holds everything.
pub(crate) fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/') || rest.is_empty())
}

/// A path below a folder, joined, with `.` and `..` taken away; absent when it leaves the tree.
pub(crate) fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = if path.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').filter(|part| !part.is_empty()).collect()
    };
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Catalogue {
    /// Files of a tree. `attributes` is the text of `.gitattributes` at its root: what it calls
    /// generated or vendored is taken so.
    pub fn of(tree: &dyn Tree, attributes: Option<&str>) -> Self {
        let marked = attributes.map(Marks::read).unwrap_or_default();
        let mut files = Vec::with_capacity(tree.entries().len());
        for entry in tree.entries() {
            if !matches!(entry.kind, EntryKind::File | EntryKind::Executable) {
                continue;
            }
            // Hidden files set up tools.
            let hidden = entry.path.starts_with('.') || entry.path.contains("/.");
            let language = languages::of(&entry.path).filter(|_| !hidden);
            files.push(FileFact {
                standing: marked.of(&entry.path).unwrap_or_else(|| standing::of(&entry.path)),
                test: language.is_some_and(|language| languages::is_test(&entry.path, language)),
                language,
                owned: None,
                executable: entry.kind == EntryKind::Executable,
                path: entry.path.clone(),
            });
        }
        let product = |file: &FileFact| file.language.is_some_and(languages::writes_products) && !file.test;
        let has_own = files.iter().any(|file| file.standing == Standing::Own && product(file));
        if !has_own {
            // A repository of examples: they are what it delivers.
            for file in &mut files {
                if matches!(file.standing, Standing::Example | Standing::Template) {
                    file.standing = Standing::Own;
                }
            }
        }
        let mut catalogue = Self {
            count: tree.entries().len(),
            ..Self::default()
        };
        for (index, file) in files.iter().enumerate() {
            if file.standing != Standing::Own {
                continue;
            }
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let name = file.name().to_ascii_lowercase();
            if let Some((_, ending)) = name.rsplit_once('.') {
                catalogue.by_ending.entry(ending.to_owned()).or_default().push(index);
            }
            catalogue.by_name.entry(name).or_default().push(index);
        }
        catalogue.files = files;
        catalogue
    }

    /// Own files.
    pub fn own(&self) -> impl Iterator<Item = &FileFact> {
        self.files.iter().filter(|file| file.standing == Standing::Own)
    }

    /// Own files of a name, whatever its case.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &FileFact> {
        self.pick(self.by_name.get(name))
    }

    /// Own files whose name ends in a dot and this, whatever its case.
    pub fn ending(&self, ending: &str) -> impl Iterator<Item = &FileFact> {
        self.pick(self.by_ending.get(ending))
    }

    /// The names of own files in lower case, each with the files that bear it.
    pub fn names(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &FileFact>)> {
        self.by_name
            .iter()
            .map(|(name, files)| (name.as_str(), self.pick(Some(files))))
    }

    /// The own file at exactly this path.
    pub fn at(&self, path: &str) -> Option<&FileFact> {
        let found = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(found).filter(|file| file.standing == Standing::Own)
    }

    /// Whether there is an own file at this path.
    pub fn has(&self, path: &str) -> bool {
        self.at(path).is_some()
    }

    /// Own files in or below a folder (in its own spelling).
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a FileFact> {
        let start = self.files.partition_point(|file| file.path.as_str() < folder);
        self.files[start..]
            .iter()
            .take_while(move |file| file.path.starts_with(folder))
            .filter(move |file| file.standing == Standing::Own && is_below(&file.path, folder))
    }

    fn pick(&self, indices: Option<&Vec<u32>>) -> impl Iterator<Item = &FileFact> {
        indices
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter_map(|index| self.files.get(*index as usize))
    }
}

/// What `.gitattributes` marks as generated or vendored.
#[derive(Default)]
struct Marks {
    patterns: GlobSet,
    kinds: Vec<Option<Standing>>,
}

impl Marks {
    fn read(text: &str) -> Self {
        let mut builder = GlobSetBuilder::new();
        let mut kinds = Vec::new();
        for line in text.lines().take(2_000) {
            let mut words = line.split_whitespace();
            let Some(pattern) = words.next().filter(|word| !word.starts_with('#')) else {
                continue;
            };
            for word in words {
                let kind = match word {
                    "linguist-generated" | "linguist-generated=true" => Some(Standing::Generated),
                    "linguist-vendored" | "linguist-vendored=true" => Some(Standing::Vendored),
                    "-linguist-generated"
                    | "linguist-generated=false"
                    | "-linguist-vendored"
                    | "linguist-vendored=false" => None,
                    _ => continue,
                };
                if let Some(glob) = glob(pattern) {
                    builder.add(glob);
                    kinds.push(kind);
                }
            }
        }
        Self {
            patterns: builder.build().unwrap_or_default(),
            kinds,
        }
    }

    fn of(&self, path: &str) -> Option<Standing> {
        if self.kinds.is_empty() {
            return None;
        }
        let last = self.patterns.matches(path).into_iter().max()?;
        self.kinds.get(last).copied().flatten()
    }
}

/// A pattern as git reads it in files of attributes: without a slash it holds for names anywhere.
fn glob(pattern: &str) -> Option<globset::Glob> {
    let anchored = pattern.trim_end_matches('/').contains('/');
    let trimmed = pattern.trim_start_matches('/');
    let whole = if anchored {
        trimmed.to_owned()
    } else {
        format!("**/{trimmed}")
    };
    GlobBuilder::new(&whole).literal_separator(true).build().ok()
}

#[cfg(test)]
mod tests {
    use evidence::MemoryTree;

    use super::*;

    #[test]
    fn what_the_attributes_call_generated_is_not_own() {
        let tree = MemoryTree::of([("api/types.go", ""), ("lib/a.go", ""), ("main.go", "")]);
        let catalogue = Catalogue::of(
            &tree,
            Some("/api/*.go linguist-generated\nlib/** linguist-vendored=true\n"),
        );
        let own: Vec<&str> = catalogue.own().map(|file| file.path.as_str()).collect();
        assert_eq!(own, ["main.go"]);
    }

    #[test]
    fn a_repository_of_nothing_but_examples_delivers_them() {
        let tree = MemoryTree::of([("examples/a/main.go", ""), ("README.md", "")]);
        assert!(Catalogue::of(&tree, None).has("examples/a/main.go"));
        let tree = MemoryTree::of([("examples/a/main.go", ""), ("lib.go", "")]);
        assert!(!Catalogue::of(&tree, None).has("examples/a/main.go"));
    }

    #[test]
    fn a_path_that_leaves_the_tree_is_no_path() {
        assert_eq!(join("a/b", "../c").as_deref(), Some("a/c"));
        assert_eq!(join("a", "../../c"), None);
        assert_eq!(join("", "./c/").as_deref(), Some("c"));
    }
}
