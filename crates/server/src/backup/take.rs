//! Taking a backup: a stream of files, in an order that makes them one state.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use facts::{Actor, Digest, FactId, Hasher, NewFact, Trust};
use ledger::Append;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::kinds::{TAKEN, Taken, stream};
use super::{BLOBS, DATABASES, FACTS, OPERATIONS, POLICY, REPOSITORIES};
use crate::data::{Keeping, keeping};
use crate::error::ServerError;
use crate::house::House;
use crate::wire::{Backup, BackupFile, BackupPiece};

/// How many facts, and about how many bytes of them, stand in one file. Where a file ends depends on the facts alone, so
/// that the next backup has the same files but for the last.
const MANY: usize = 5_000;
const MANY_BYTES: usize = 16 << 20;
/// How many facts are read at a time.
const PAGE: usize = 500;
/// How much of a file is sent at a time.
const PIECE: usize = 256 << 10;

/// The folder below the data folder in which copies stand as long as they are sent.
pub(crate) const DRAFTS: &str = "drafts";

/// What takes the pieces.
pub(crate) type Pieces = mpsc::Sender<Result<Bytes, std::convert::Infallible>>;

/// Why no more is sent.
enum Stop {
    /// Nobody listens any more.
    Gone,
    /// It cannot be done.
    Failed(String),
}

impl Stop {
    fn again(&self) -> Self {
        match self {
            Self::Gone => Self::Gone,
            Self::Failed(why) => Self::Failed(why.clone()),
        }
    }
}

impl<E: Into<ServerError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into().to_string())
    }
}

fn wrong(path: &Path) -> impl Fn(std::io::Error) -> Stop {
    move |error| Stop::Failed(format!("{} cannot be read: {error}", path.display()))
}

/// Sends a backup, but for the bytes of what is `known`. Blocks until it is sent.
pub(crate) fn take(house: &Arc<House>, known: BTreeSet<Digest>, actor: Actor, pieces: Pieces) {
    let runtime = Handle::current();
    // Nothing that was kept long enough is removed meanwhile, and no repository is packed.
    let _held = runtime.block_on(house.keeping.clone().read_owned());
    // Nor by another server.
    let held = keeping(&house.settings.data, Keeping::Counting);
    let held = held.map_err(wrong(&house.settings.data));
    let mut sink = Sink {
        pieces,
        known,
        count: 0,
        bytes: 0,
    };
    let sent = held
        .as_ref()
        .map_err(Stop::again)
        .and_then(|_| Drafts::make(&house.settings.data))
        .and_then(|drafts| send(house, &runtime, &drafts, actor, &mut sink));
    match sent {
        Ok(backup) => {
            let taken = Taken {
                facts: backup.facts,
                files: sink.count,
                bytes: sink.bytes,
            };
            // Who was given everything is known before the end of it is.
            let recorded = runtime.block_on(record(house, &taken, actor));
            let last = match recorded {
                Ok(()) => BackupPiece::End(backup),
                Err(error) => failed(error.to_string()),
            };
            let _ = sink.piece(&last);
        }
        Err(Stop::Failed(text)) => {
            tracing::error!(error = text, "a backup could not be taken");
            let _ = sink.piece(&failed(text));
        }
        Err(Stop::Gone) => tracing::info!("whoever asked for a backup has gone"),
    }
}

fn failed(text: String) -> BackupPiece {
    let (detail, hint) = match text.split_once("\nhint: ") {
        Some((detail, hint)) => (detail.to_owned(), Some(hint.to_owned())),
        None => (text, None),
    };
    BackupPiece::Failed { detail, hint }
}

async fn record(house: &House, taken: &Taken, actor: Actor) -> Result<(), ServerError> {
    let now = house.clock.now();
    let fact = NewFact {
        stream: stream(),
        id: FactId::new(now, &*house.entropy),
        kind: TAKEN.to_owned(),
        kind_version: 1,
        occurred_at: now,
        actor,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: None,
        body: serde_json::to_value(taken)?,
    };
    house.ledger.append(Append::unconditional(vec![fact])).await?;
    Ok(())
}

fn send(house: &Arc<House>, runtime: &Handle, drafts: &Drafts, actor: Actor, sink: &mut Sink) -> Result<Backup, Stop> {
    let data = &house.settings.data;
    // First what operates: how far others have read the facts must not lie after their end.
    let operations = drafts.path(OPERATIONS);
    house
        .access
        .copy_to(&operations)
        .map_err(|error| Stop::Failed(error.to_string()))?;
    let taken_at = house.clock.now();
    let made = runtime.block_on(house.checkpoints.make(actor));
    let made = made.map_err(|error| Stop::Failed(error.to_string()))?;
    let facts = runtime.block_on(house.ledger.head())?;
    let last = runtime.block_on(house.ledger.export(facts.saturating_sub(1), 1))?;
    let last = last
        .first()
        .ok_or_else(|| Stop::Failed("there is no fact".to_owned()))?;
    let backup = Backup {
        schema: "backup/1".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at,
        ledger: made.statement.ledger,
        facts,
        hash: last.hash,
        checkpoint: serde_json::to_value(&made.envelope).map_err(ServerError::from)?,
        files: Vec::new(),
    };
    sink.room("operations")?;
    sink.file(OPERATIONS, &operations, None)?;
    sink.bytes(POLICY, house.policy.text().as_bytes())?;
    sink.room(FACTS)?;
    send_facts(house, runtime, facts, sink)?;
    sink.room(DATABASES)?;
    for path in below(&data.join(DATABASES))?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "db"))
    {
        let draft = drafts.path("database.db");
        database::sqlite::copy(&path, &draft)
            .map_err(|error| Stop::Failed(format!("{} cannot be copied: {error}", path.display())))?;
        sink.file(&relative(data, &path)?, &draft, None)?;
        std::fs::remove_file(&draft).map_err(wrong(&draft))?;
    }
    sink.room(REPOSITORIES)?;
    let folder = data.join(REPOSITORIES);
    for repository in repositories(&folder)? {
        send_repository(data, &repository, sink)?;
    }
    sink.room(BLOBS)?;
    let mut digests = house.store.list()?;
    digests.sort_unstable();
    for digest in digests {
        sink.file(
            &format!("{BLOBS}/{}", digest.hex()),
            &house.store.path(&digest),
            Some(digest),
        )?;
    }
    Ok(backup)
}

fn send_facts(house: &Arc<House>, runtime: &Handle, facts: u64, sink: &mut Sink) -> Result<(), Stop> {
    let mut position = 0;
    let (mut first, mut many, mut lines) = (1, 0, Vec::new());
    while position < facts {
        let page = runtime.block_on(house.ledger.export(position, PAGE))?;
        if page.is_empty() {
            return Err(Stop::Failed(format!("fact {} cannot be read", position + 1)));
        }
        for fact in page.iter().take_while(|fact| fact.seq <= facts) {
            position = fact.seq;
            many += 1;
            lines.extend_from_slice(&fact.line());
            lines.push(b'\n');
            if many == MANY || lines.len() >= MANY_BYTES || position == facts {
                sink.bytes(&format!("{FACTS}/{first:012}.jsonl"), &lines)?;
                (first, many) = (position + 1, 0);
                lines.clear();
            }
        }
    }
    Ok(())
}

/// The repositories below a folder: `TEAM/NAME.git`.
fn repositories(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let mut found = Vec::new();
    for team in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let of_team = entries(&team)?.into_iter();
        found.extend(of_team.filter(|path| path.extension().is_some_and(|ending| ending == "git") && path.is_dir()));
    }
    Ok(found)
}

/// Sends a repository: its refs first, then the objects, so that whatever the refs name is among them. A ref that is
/// packed meanwhile is looked for among the single ones before.
fn send_repository(data: &Path, repository: &Path, sink: &mut Sink) -> Result<(), Stop> {
    let mut state = below(&repository.join("refs"))?;
    state.extend(["packed-refs", "HEAD", "config"].map(|name| repository.join(name)));
    for path in state {
        // Refs come and go.
        match std::fs::read(&path) {
            Ok(bytes) => sink.bytes(&relative(data, &path)?, &bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(wrong(&path)(error)),
        }
    }
    let objects = below(&repository.join("objects"))?;
    let packs: BTreeSet<&Path> = objects.iter().map(PathBuf::as_path).collect();
    for path in &objects {
        // An index whose pack came after the look at the folder is of something newer.
        if path.extension().is_none_or(|ending| ending == "pack")
            || packs.contains(path.with_extension("pack").as_path())
        {
            sink.file(&relative(data, path)?, path, None)?;
        }
    }
    Ok(())
}

/// What is below a folder, sorted: files that stay, and none that are being written.
fn below(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for path in entries(&folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let passing = name.starts_with("tmp_") || name.starts_with("incoming") || name.starts_with('.');
            let ending = path.extension().unwrap_or_default();
            if passing || ending == "lock" || ending == "keep" {
                continue;
            }
            match std::fs::symlink_metadata(&path) {
                Ok(there) if there.is_dir() => open.push(path),
                Ok(there) if there.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What stands in a folder; nothing where it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(folder)(error)),
    };
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(wrong(folder))?;
    paths.sort();
    Ok(paths)
}

fn relative(data: &Path, path: &Path) -> Result<String, Stop> {
    let name = path.strip_prefix(data).ok().and_then(Path::to_str);
    name.map(str::to_owned)
        .ok_or_else(|| Stop::Failed(format!("{} has a name that cannot be kept", path.display())))
}

/// A folder for copies, removed with what is in it.
struct Drafts(PathBuf);

impl Drafts {
    fn make(data: &Path) -> Result<Self, Stop> {
        let all = data.join(DRAFTS);
        crate::data::private_folder(&all).map_err(|error| Stop::Failed(error.to_string()))?;
        let mut number = 0_u32;
        loop {
            let folder = all.join(number.to_string());
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(wrong(&folder)(error)),
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "copies for a backup could not be removed");
        }
    }
}

/// Where the pieces go.
struct Sink {
    pieces: Pieces,
    /// What is not sent again.
    known: BTreeSet<Digest>,
    count: u64,
    bytes: u64,
}

impl Sink {
    fn piece(&self, piece: &BackupPiece) -> Result<(), Stop> {
        let mut line = serde_json::to_vec(piece).map_err(ServerError::from)?;
        line.push(b'\n');
        self.raw(line)
    }

    fn raw(&self, bytes: Vec<u8>) -> Result<(), Stop> {
        self.pieces.blocking_send(Ok(bytes.into())).map_err(|_| Stop::Gone)
    }

    fn room(&self, name: &str) -> Result<(), Stop> {
        self.piece(&BackupPiece::Room { name: name.to_owned() })
    }

    /// Announces a file: whether its bytes are to be sent.
    fn begin(&mut self, path: &str, digest: Digest, size: u64) -> Result<bool, Stop> {
        let sent = self.known.insert(digest);
        self.count += 1;
        self.bytes += size;
        let file = BackupFile {
            path: path.to_owned(),
            digest,
            size,
        };
        self.piece(&BackupPiece::File { file, sent })?;
        Ok(sent)
    }

    /// Sends a file that is in memory.
    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<(), Stop> {
        if self.begin(path, Digest::of(bytes), bytes.len() as u64)? {
            for piece in bytes.chunks(PIECE) {
                self.raw(piece.to_vec())?;
            }
        }
        Ok(())
    }

    /// Sends a file whose bytes stay as they are.
    fn file(&mut self, name: &str, path: &Path, digest: Option<Digest>) -> Result<(), Stop> {
        let mut file = File::open(path).map_err(wrong(path))?;
        let size = file.metadata().map_err(wrong(path))?.len();
        let digest = match digest {
            Some(digest) => digest,
            None => {
                let mut hasher = Hasher::new();
                read(&mut file, path, |piece| {
                    hasher.update(piece);
                    Ok(())
                })?;
                file = File::open(path).map_err(wrong(path))?;
                hasher.finish()
            }
        };
        if !self.begin(name, digest, size)? {
            return Ok(());
        }
        let mut left = size;
        read(&mut file, path, |piece| {
            left = left.checked_sub(piece.len() as u64).ok_or_else(|| changed(path))?;
            self.raw(piece.to_vec())
        })?;
        match left {
            0 => Ok(()),
            _ => Err(changed(path)),
        }
    }
}

fn changed(path: &Path) -> Stop {
    Stop::Failed(format!("{} changed while it was read", path.display()))
}

/// Reads a file piece by piece.
fn read(file: &mut File, path: &Path, mut take: impl FnMut(&[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&piece[..count])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(wrong(path)(error)),
        }
    }
}
