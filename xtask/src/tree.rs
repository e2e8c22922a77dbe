//! The project's files, as git knows them: read once, then every check looks at the same texts.

use std::cell::OnceCell;
use std::path::Path;

use crate::command::Program;
use crate::rust::{self, Layers};

/// A file with its text. Files that are not text have an empty one.
#[derive(Debug)]
pub struct File {
    /// From the root, with forward slashes.
    pub path: String,
    /// What is in it.
    pub text: String,
    layers: OnceCell<Layers>,
}

impl File {
    fn new(path: String, text: String) -> Self {
        Self {
            path,
            text,
            layers: OnceCell::new(),
        }
    }

    /// The layers of a Rust file; taken apart once, however many ask.
    pub fn layers(&self) -> &Layers {
        self.layers.get_or_init(|| rust::layers(&self.text))
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it belongs to tests or examples only, by where it lies.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self
                .path
                .split('/')
                .any(|part| part == "tests" || part == "examples" || part == "benches")
    }

    /// Whether it is a page of the documentation.
    pub fn is_document(&self) -> bool {
        matches!(self.path.as_str(), "README.md" | "ARCHITECTURE.md")
            || (self.path.starts_with("docs/") && self.path.ends_with(".md"))
    }
}

/// All files of the project.
#[derive(Debug, Default)]
pub struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// What git tracks, and what is new and not ignored.
    pub fn read(root: &Path) -> Result<Self, String> {
        let listed = Program::new(
            "git",
            &["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            root,
        )
        .output()?;
        let mut files: Vec<File> = listed
            .split('\0')
            .filter(|path| !path.is_empty())
            .filter_map(|path| {
                // A file that was just removed is still listed.
                let bytes = std::fs::read(root.join(path)).ok()?;
                Some(File::new(path.to_owned(), String::from_utf8(bytes).unwrap_or_default()))
            })
            .collect();
        files.sort_by(|left, right| left.path.cmp(&right.path));
        files.dedup_by(|left, right| left.path == right.path);
        Ok(Self { files })
    }

    /// All files.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// The pages of the documentation.
    pub fn documents(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_document())
    }

    /// One file.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file of this path, or a folder with something in it.
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files
            .iter()
            .any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// A tree for a test.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File::new((*path).to_owned(), (*text).to_owned()));
        Self { files: files.collect() }
    }
}
