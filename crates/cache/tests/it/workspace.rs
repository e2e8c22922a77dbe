//! A workspace and a store for tests.

use std::path::{Path, PathBuf};

use cache::{CacheError, Kept, Key, Manifest, Memory, Restored, Store, Tree};
use facts::{Digest, SystemClock};
use pipeline::Globs;

/// A workspace with a store beside it.
pub struct Workspace {
    folder: tempfile::TempDir,
    pub store: Store,
    pub memory: Memory,
}

impl Workspace {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self {
            store: Store::open(&folder.path().join("store"), None).unwrap(),
            memory: Memory::open(&folder.path().join("memory")),
            folder,
        }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let place = self.root().join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, text).unwrap();
        place
    }

    pub fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root().join(path)).ok()
    }

    /// The manifest of a step with these inputs.
    pub fn manifest(&self, inputs: &[&str]) -> Manifest {
        let patterns: Vec<String> = inputs.iter().map(|text| (*text).to_owned()).collect();
        let globs = Globs::new(inputs.iter().copied()).unwrap();
        let tree = Tree::look(&self.root()).unwrap();
        let files = tree.matching(&patterns, &globs).unwrap();
        let inputs = files
            .iter()
            .map(|file| self.memory.input(&self.root(), file, &SystemClock).unwrap())
            .collect();
        Manifest {
            version: Manifest::VERSION,
            trust: "trusted".into(),
            component: "shop/web".into(),
            platform: "linux/amd64".into(),
            image: None,
            script: "make".into(),
            shell: vec!["sh".into()],
            folder: String::new(),
            variables: [].into(),
            tools: [].into(),
            services: Default::default(),
            outputs: vec!["out".into()],
            needs: [].into(),
            inputs,
        }
    }

    /// The paths of the inputs that these patterns mean.
    pub fn paths(&self, inputs: &[&str]) -> Vec<String> {
        self.manifest(inputs)
            .inputs
            .into_iter()
            .map(|input| input.path)
            .collect()
    }

    /// Keeps what lies in `out` under `key`.
    pub fn keep(&self, store: &Store, key: &Key) -> Kept {
        let kept = Kept {
            version: Store::VERSION,
            outputs: store.keep_outputs(&self.root(), &out()).unwrap(),
            log: Some(store.keep_bytes(b"said something").unwrap()),
            took_ms: 1200,
            made_by: "run_1".into(),
            made_at: facts::Timestamp::UNIX_EPOCH,
        };
        store.keep(key, &kept).unwrap();
        kept
    }

    /// Puts back what is kept under `key`.
    pub fn restore(&self, store: &Store, key: &Key) -> Result<Restored, CacheError> {
        let kept = store.find(key).expect("a result is kept");
        cache::restore(&self.root(), store, key, &kept, &out(), &self.memory, &SystemClock)
    }
}

pub fn out() -> Globs {
    Globs::new(["out"]).unwrap()
}

/// The files of a folder two folders deep.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// A key of the domain of trusted changes.
pub fn key(text: &str) -> Key {
    Key::new("trusted", Digest::of(text))
}
