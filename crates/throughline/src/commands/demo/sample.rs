//! The sample: a small service, and what its second and third commit change. Part of this program, so
//! that the demo needs no other file.

use std::io;
use std::path::Path;

/// A file of the sample: its path in the repository, and what it holds.
type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../../examples/guestbook/", $folder, "/", $path)))),+]
    };
}

/// A commit: its message, and the files that it adds or replaces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Commit {
    /// The message.
    pub message: &'static str,
    /// What it is in the story, for whoever watches.
    pub role: &'static str,
    /// Who wrote it.
    pub author: (&'static str, &'static str),
    /// The files.
    pub files: &'static [File],
    /// Where they lie in `examples/guestbook`.
    #[cfg(test)]
    pub folder: &'static str,
}

/// The rules of the demo's environments.
pub(super) const POLICY: &str = include_str!("../../../../../examples/guestbook/environments.yaml");

/// The commits, in order.
pub(super) const COMMITS: [Commit; 3] = [
    Commit {
        message: "feat: a guestbook that keeps what visitors write",
        role: "a first version",
        author: ("Ada Byron", "ada@example.org"),
        files: files!("service":
            ".gitignore",
            "Cargo.lock",
            "Cargo.toml",
            "README.md",
            "migrations/V1__entries.sql",
            "src/bin/smoke.rs",
            "src/entries.rs",
            "src/http.rs",
            "src/main.rs",
            "src/settings.rs",
            "tests/acceptance.rs",
            "throughline.yaml",
        ),
        #[cfg(test)]
        folder: "service",
    },
    Commit {
        message: "feat: an entry may say the visitor's mood\n\nThe schema grows by a column that old instances do not read. Production shows more entries a page.",
        role: "a feature with a migration and a changed setting",
        author: ("Grace Murray", "grace@example.org"),
        files: files!("changes/2-moods":
            "migrations/V2__moods.sql",
            "src/entries.rs",
            "src/http.rs",
            "tests/acceptance.rs",
            "throughline.yaml",
        ),
        #[cfg(test)]
        folder: "changes/2-moods",
    },
    Commit {
        message: "feat: answers carry the initial of the visitor's name",
        role: "passes all its tests, and fails for some visitors",
        author: ("Ada Byron", "ada@example.org"),
        files: files!("changes/3-initials": "src/entries.rs"),
        #[cfg(test)]
        folder: "changes/3-initials",
    },
];

impl Commit {
    /// The first line of the message.
    pub fn title(&self) -> &'static str {
        self.message.lines().next().unwrap_or_default()
    }

    /// Writes its files below `folder`.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (path, text) in self.files {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::PathBuf;

    fn examples() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/guestbook")
    }

    fn below(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true if name == "target" => {}
                true => below(&entry.path(), &format!("{name}/"), found),
                false => drop(found.insert(name)),
            }
        }
    }

    #[test]
    fn every_file_of_the_sample_is_part_of_the_program() {
        for commit in COMMITS {
            let mut found = BTreeSet::new();
            below(&examples().join(commit.folder), "", &mut found);
            let embedded: BTreeSet<String> = commit.files.iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(embedded, found, "{}", commit.folder);
        }
    }

    #[test]
    fn a_later_commit_changes_each_file_that_it_brings() {
        let mut files: BTreeMap<&str, &str> = BTreeMap::new();
        for commit in COMMITS {
            for (path, text) in commit.files {
                assert_ne!(files.insert(path, text), Some(*text), "{path} in {}", commit.folder);
            }
        }
    }

    /// Name, version and checksum of each package of a lock file that comes from a registry.
    fn locked(path: PathBuf) -> BTreeSet<[String; 3]> {
        let lock: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let packages = lock["package"].as_array().unwrap().iter();
        let registry = packages.filter(|package| package.get("checksum").is_some());
        registry
            .map(|package| ["name", "version", "checksum"].map(|key| package[key].as_str().unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn the_crates_of_the_sample_are_those_that_this_program_was_built_from() {
        let ours = locked(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock"));
        let theirs = locked(examples().join("service/Cargo.lock"));
        let missing: Vec<_> = theirs.difference(&ours).collect();
        assert!(missing.is_empty(), "the demo would have to download {missing:?}");
    }
}
