//! The servers that work on a data folder: each has a file there, which it holds locked while it lives.
//!
//! The kernel lets go of the lock when the process ends, however it ends; so whoever wants to know whether a
//! server is alive, or to hear of its end, asks for the lock. That is faster than the end of a lease, and as
//! sure, since all servers of a folder are processes of one machine.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use facts::{Clock, Digest, Entropy, Timestamp};
use serde::{Deserialize, Serialize};

use crate::serve::WHERE;

/// The folder of the files, in the data folder.
const FOLDER: &str = "servers";

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What its leases know it by.
    pub id: String,
    /// Its process.
    pub pid: u32,
    /// The name of its machine.
    pub host: String,
    /// Its version.
    pub version: String,
    /// Since when it is there.
    pub started_at: Timestamp,
    /// Where it answers; nothing until it does.
    pub url: Option<String>,
}

/// A server that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// What it says of itself.
    pub about: About,
    /// When it last said that it is at work.
    pub heard_at: Timestamp,
}

/// This server among those of its folder.
pub(crate) struct Servers {
    data: PathBuf,
    clock: Arc<dyn Clock>,
    own: About,
    /// Locked as long as it is open.
    file: File,
}

impl Servers {
    /// Enters this process among the servers of the folder.
    pub fn enter(data: &Path, clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> std::io::Result<Self> {
        let folder = data.join(FOLDER);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let own = About {
            id: format!("{}-{}", place_of(data)?, new_id(entropy)),
            pid: std::process::id(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: clock.now(),
            url: None,
        };
        // It is locked before anybody can find it.
        let draft = folder.join(format!(".{}", own.id));
        let file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.lock()?;
        let servers = Self {
            data: data.to_owned(),
            clock,
            own,
            file,
        };
        servers.write(&servers.own)?;
        std::fs::rename(&draft, servers.path(&servers.own.id))?;
        Ok(servers)
    }

    /// What this server's leases know it by.
    pub fn id(&self) -> &str {
        &self.own.id
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where this server is, for people.
    pub fn place(&self) -> String {
        format!("process {} on {}", self.own.pid, self.own.host)
    }

    fn path(&self, id: &str) -> PathBuf {
        path(&self.data, id)
    }

    fn write(&self, about: &About) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(about)?;
        text.push(b'\n');
        self.file.write_all_at(&text, 0)?;
        self.file.set_len(text.len() as u64)
    }

    /// This server answers at `url` from now on, and commands of this machine find it.
    pub fn listens(&self, url: &str) -> std::io::Result<()> {
        let about = About {
            url: Some(url.to_owned()),
            ..self.own.clone()
        };
        self.write(&about)?;
        tell(&self.data, &about)
    }

    /// This server is at work.
    pub fn beat(&self) {
        if let Err(error) = self.file.set_modified(SystemTime::from(self.clock.now())) {
            tracing::debug!(%error, "when this server was at work last cannot be noted");
        }
    }

    /// The other servers of the folder.
    pub fn others(&self) -> Vec<Living> {
        let mut all = living(&self.data);
        all.retain(|one| one.about.id != self.own.id);
        all
    }

    /// Whether the server with this id works on the same folder of the same machine, so that locks tell of it.
    pub fn is_here(&self, id: &str) -> bool {
        place_in(id) == place_in(&self.own.id)
    }

    /// Whether the server with this id is known to have ended. Its file goes.
    pub fn has_ended(&self, id: &str) -> bool {
        id != self.own.id && self.is_here(id) && open_ended(&self.path(id)).is_none()
    }

    /// Commands of this machine find a server that lives, if there is one.
    pub fn point_to_the_living(&self) {
        let all = living(&self.data);
        let told = std::fs::read(self.data.join(WHERE)).ok();
        let told: Option<Told> = told.and_then(|text| serde_json::from_slice(&text).ok());
        if told.is_some_and(|told| all.iter().any(|one| one.about.pid == told.pid)) {
            return;
        }
        if let Some(one) = all.iter().find(|one| one.about.url.is_some())
            && let Err(error) = tell(&self.data, &one.about)
        {
            tracing::warn!(%error, "where a server is could not be written into the data folder");
        }
    }

    /// This server does not answer any more.
    pub fn leave(&self) {
        let _ = std::fs::remove_file(self.path(&self.own.id));
        let path = self.data.join(WHERE);
        let told = std::fs::read(&path).ok();
        let told: Option<Told> = told.and_then(|text| serde_json::from_slice(&text).ok());
        if told.is_some_and(|told| told.pid == self.own.pid) {
            let _ = std::fs::remove_file(&path);
            self.point_to_the_living();
        }
    }
}

/// What stands in [`WHERE`].
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    url: String,
    pid: u32,
}

/// Says in the data folder where a server is.
fn tell(data: &Path, about: &About) -> std::io::Result<()> {
    let Some(url) = about.url.clone() else { return Ok(()) };
    let told = serde_json::to_string(&Told { url, pid: about.pid })?;
    // Whole or not at all: several may write it, and commands read it at any time.
    let draft = data.join(format!("{WHERE}.{}", std::process::id()));
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(format!("{told}\n").as_bytes())?;
    std::fs::rename(&draft, data.join(WHERE))
}

/// The servers of a data folder that live, the oldest first.
pub fn living(data: &Path) -> Vec<Living> {
    let entries = std::fs::read_dir(data.join(FOLDER)).into_iter().flatten().flatten();
    let mut all: Vec<Living> = entries
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .filter_map(|entry| {
            let mut file = open_ended(&entry.path())?;
            let modified = file.metadata().and_then(|about| about.modified()).ok()?;
            let mut text = String::new();
            file.read_to_string(&mut text).ok()?;
            Some(Living {
                about: serde_json::from_str(&text).ok()?,
                heard_at: Timestamp::try_from(modified).ok()?,
            })
        })
        .collect();
    all.sort_by(|one, other| (one.about.started_at, &one.about.id).cmp(&(other.about.started_at, &other.about.id)));
    all
}

/// Waits until the server of a data folder with this id has ended. It blocks.
pub fn wait_for(data: &Path, id: &str) {
    let path = path(data, id);
    if let Ok(file) = File::open(&path) {
        let _ = file.lock_shared();
        let _ = std::fs::remove_file(&path);
    }
}

fn path(data: &Path, id: &str) -> PathBuf {
    data.join(FOLDER).join(format!("{id}.json"))
}

/// The file of a server that lives; that of one that has ended is removed.
fn open_ended(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Err(_) => Some(file),
        Ok(()) => {
            let _ = std::fs::remove_file(path);
            None
        }
    }
}

/// What a data folder is known by while this machine is up: a copy of it is another one, and so is what lies
/// under the same name on another machine.
pub(crate) fn place_of(data: &Path) -> std::io::Result<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let about = std::fs::metadata(data)?;
    let place = Digest::of(format!("{boot} {} {}", about.dev(), about.ino())).to_string();
    let digits = place.rsplit(':').next().unwrap_or(&place);
    Ok(digits.chars().take(16).collect())
}

/// The place in the id of a server.
pub(crate) fn place_in(id: &str) -> &str {
    id.split_once('-').map_or("", |(place, _)| place)
}

/// Digits that nobody else has.
pub(crate) fn new_id(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use facts::{SystemClock, SystemEntropy};

    use super::*;

    fn enter(data: &Path) -> Servers {
        Servers::enter(data, Arc::new(SystemClock), &SystemEntropy).unwrap()
    }

    fn told(data: &Path) -> Option<String> {
        let text = std::fs::read(data.join(WHERE)).ok()?;
        Some(serde_json::from_slice::<Told>(&text).unwrap().url)
    }

    #[test]
    fn a_server_is_among_the_living_until_its_file_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let one = enter(data);
        let two = enter(data);
        two.listens("http://127.0.0.1:2").unwrap();
        let urls: Vec<_> = living(data).into_iter().map(|one| one.about.url).collect();
        assert_eq!(urls, [None, Some("http://127.0.0.1:2".to_owned())]);
        assert_eq!(one.others().len(), 1);
        assert!(!one.has_ended(two.id()) && !one.has_ended(one.id()));
        let id = two.id().to_owned();
        let waiting = {
            let (data, id) = (data.to_owned(), id.clone());
            std::thread::spawn(move || wait_for(&data, &id))
        };
        // As the kernel does for a process that was killed.
        drop(two);
        waiting.join().unwrap();
        assert!(one.has_ended(&id));
        assert!(one.others().is_empty());
        let other = |place: &str| format!("{place}-nobody");
        assert!(one.has_ended(&other(place_in(one.id()))));
        assert!(!one.has_ended(&other("elsewhere")), "no lock tells of another machine");
    }

    #[test]
    fn commands_of_the_machine_find_a_server_that_lives() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let one = enter(data);
        one.listens("http://127.0.0.1:1").unwrap();
        one.point_to_the_living();
        assert_eq!(told(data).as_deref(), Some("http://127.0.0.1:1"));
        one.leave();
        assert_eq!(told(data), None);
    }
}
