//! A data folder, and a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use access::{Access, AccessError};
use facts::{Clock, SystemEntropy, Timestamp};

pub struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub struct Place {
    pub folder: tempfile::TempDir,
    pub clock: Arc<Hand>,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(Hand(AtomicI64::new(1_800_000_000))),
        }
    }

    pub fn open(&self) -> Access {
        self.try_open(None).unwrap()
    }

    pub fn try_open(&self, key: Option<&str>) -> Result<Access, AccessError> {
        Access::open(self.folder.path(), key, self.clock.clone(), Arc::new(SystemEntropy))
    }

    pub fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(time.as_secs() as i64, Ordering::SeqCst);
    }

    /// Whether any file of the data folder holds these bytes.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        std::fs::read_dir(self.folder.path()).unwrap().any(|entry| {
            let content = std::fs::read(entry.unwrap().path()).unwrap();
            content.windows(bytes.len()).any(|window| window == bytes)
        })
    }

    /// The store as somebody sees it who has the file.
    pub fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join(Access::FILE)).unwrap()
    }
}
