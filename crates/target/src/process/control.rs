//! What is said over a keeper's unix socket: one line of JSON for a question, one for each answer.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use process::Identity;
use rustix::fs::{Mode, OFlags};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::desired::Desired;
use crate::error::Refused;
use crate::observed::Observed;
use crate::secret::LaunchSecret;
use proxy::Evidence;

/// The socket's name in the folder of a placement.
const SOCKET: &str = "control.sock";
/// The longest line.
const LINE: u64 = 32 << 20;

/// A question to a keeper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Who are you?
    Who,
    /// Make it so. Answered by any number of [`Tell::Progress`] and then [`Tell::Observed`].
    Apply {
        /// What is wanted.
        desired: Box<Desired>,
        /// The secrets of each of its groups, in their order.
        secrets: Vec<Vec<LaunchSecret>>,
    },
    /// What is it now?
    Observe,
    /// What was seen of the requests?
    Evidence,
    /// End everything, yourself last.
    Stop,
    /// Give me your sockets; I am newer.
    HandOver,
}

/// An answer of a keeper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub enum Tell {
    /// This process, of this program.
    Keeper {
        /// Which process.
        process: Identity,
        /// Which file it was started from.
        build: String,
    },
    /// What is being done.
    Progress {
        /// A sentence.
        text: String,
    },
    /// What the placement is.
    Observed(Observed),
    /// What was seen of the requests.
    Evidence(Box<Evidence>),
    /// It was not done.
    Refused(Refused),
    /// All has ended.
    Stopped,
    /// After the sockets: what is in no file.
    Yielded {
        /// Secrets by package and configuration.
        secrets: Vec<super::vault::Entry>,
    },
    /// The new keeper accepts connections.
    Accepting,
    /// The old keeper tells of a request that ended there.
    Ended(Box<proxy::Record>),
}

/// A connection on which lines of JSON are said.
#[derive(Debug)]
pub struct Line {
    stream: BufReader<UnixStream>,
}

impl Line {
    /// Speaks over `stream`.
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Connects to the keeper of the placement in `folder`.
    ///
    /// # Errors
    /// When none listens.
    pub async fn connect(folder: &Path) -> io::Result<Self> {
        let (_open, path) = short_path(folder, SOCKET)?;
        UnixStream::connect(path).await.map(Self::new)
    }

    /// Says one thing.
    ///
    /// # Errors
    /// When the other side is gone.
    pub async fn say<T: Serialize>(&mut self, what: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        self.stream.write_all(&line).await
    }

    /// Hears one thing; `None` when the other side has ended.
    ///
    /// # Errors
    /// When what comes is not understood, or the connection breaks.
    pub async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        if (&mut self.stream).take(LINE).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }

    /// The connection itself, for what is no line.
    pub fn stream(&self) -> &UnixStream {
        self.stream.get_ref()
    }
}

/// Listens in `folder`, in place of whoever listened there before.
///
/// # Errors
/// When the folder cannot be written.
pub fn listen(folder: &Path) -> io::Result<UnixListener> {
    const FRESH: &str = "control.sock.new";
    let (_open, path) = short_path(folder, FRESH)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::rename(folder.join(FRESH), folder.join(SOCKET))?;
    Ok(listener)
}

/// A path of the file that is short enough for a socket, however deep the folder lies; good as long
/// as the first part of the answer is held.
fn short_path(folder: &Path, name: &str) -> io::Result<(OwnedFd, PathBuf)> {
    let open = rustix::fs::open(
        folder,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", open.as_raw_fd()));
    Ok((open, path))
}

/// The file that this program was started from: another one after an upgrade, even at the same path.
pub fn build() -> String {
    build_of(Path::new("/proc/self/exe"))
}

/// The same of a program that would be started from `path`.
pub fn build_of(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path)
        .map(|file| {
            format!(
                "{}-{}-{}-{}.{}",
                file.dev(),
                file.ino(),
                file.size(),
                file.mtime(),
                file.mtime_nsec()
            )
        })
        .unwrap_or_default()
}
