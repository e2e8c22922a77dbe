//! Machines that keep results and share them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache::{Access, CacheError, Kept, Key, Memory, Share, Sharing, Store};
use facts::{Digest, SystemClock, Timestamp};
use pipeline::Globs;

/// A machine: a workspace, a store of its own, and what it was told.
pub struct Machine {
    folder: tempfile::TempDir,
    pub store: Store,
    told: Arc<Mutex<Vec<String>>>,
}

fn out() -> Globs {
    Globs::new(["out"]).unwrap()
}

/// A key of a domain.
pub fn key(domain: &str, text: &str) -> Key {
    Key::new(domain, Digest::of(text))
}

/// Where the bytes of a text lie in a share.
pub fn blob(domain: &str, text: &str) -> String {
    let hex = Digest::of(text).hex();
    format!("{domain}/blobs/{}/{hex}", &hex[..2])
}

/// Where a record lies in a share.
pub fn record(key: &Key) -> String {
    let hex = key.digest().hex();
    format!("{}/results/{}/{hex}", key.domain(), &hex[..2])
}

impl Machine {
    pub fn new(share: &Arc<dyn Share>, access: Access) -> Self {
        let folder = testkit::folder();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let sharing = Sharing {
            share: share.clone(),
            access,
            again_after: None,
            tell: Arc::new(move |sentence| heard.lock().unwrap().push(sentence.to_owned())),
        };
        Self {
            store: Store::open(&folder.path().join("store"), Some(sharing)).unwrap(),
            folder,
            told,
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root().join(path)).ok()
    }

    /// Makes a result of these files, keeps it, and waits until it is shared.
    pub fn make(&self, key: &Key, files: &[(&str, &str)]) {
        for (path, text) in files {
            let place = self.root().join("out").join(path);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, text).unwrap();
        }
        let kept = Kept {
            version: Store::VERSION,
            outputs: self.store.keep_outputs(&self.root(), &out()).unwrap(),
            log: Some(self.store.keep_bytes(b"said something").unwrap()),
            took_ms: 1200,
            made_by: "run_1".into(),
            made_at: Timestamp::UNIX_EPOCH,
        };
        self.store.keep(key, &kept).unwrap();
        self.store.finish_sharing(Duration::from_secs(30));
    }

    /// Puts a result back; how many files that were.
    pub fn put_back(&self, key: &Key) -> Option<Result<u64, CacheError>> {
        let kept = self.store.find(key)?;
        let memory = Memory::open(&self.folder.path().join("memory"));
        let restored = cache::restore(&self.root(), &self.store, key, &kept, &out(), &memory, &SystemClock);
        Some(restored.map(|restored| restored.written))
    }

    /// The log of a result.
    pub fn log(&self, key: &Key) -> Option<Vec<u8>> {
        self.store.log(key, &self.store.find(key)?)
    }

    /// What it was told since it was asked last.
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}
