//! A folder of backups: `sha256/` holds each file's bytes once, under their digest, and `backups/` what each backup
//! holds. A backup is there when its description is, which is written last.

use std::io::{BufRead, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use artifact::BlobStore;
use facts::{Digest, Timestamp};
use ledger::{ExportCheck, Kept, Statement};
use signing::{Envelope, PublicKey};

use super::{BackupError, FACTS};
use crate::data::private_folder;
use crate::wire::{Backup, BackupFile, BackupPiece};

/// The folder of descriptions.
const BACKUPS: &str = "backups";
/// The longest line that announces a piece.
const LONGEST_LINE: u64 = 64 << 20;
/// The longest line with a fact: twice the largest append.
const LONGEST_FACT: u64 = 128 << 20;

/// How far long work has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub room: String,
    /// How many files are done, of all rooms.
    pub files: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// How many of these had to be brought here.
    pub brought: u64,
}

/// A backup by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name: when it was taken, such as `20260301T140500Z`.
    pub name: String,
    /// What it holds.
    pub backup: Backup,
}

/// A folder of backups.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    content: BlobStore,
}

impl Backups {
    /// The backups in `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// When it holds something else, or cannot be used.
    pub fn make(folder: &Path) -> Result<Self, BackupError> {
        if !folder.join(BACKUPS).is_dir() && !is_empty(folder)? {
            return Err(BackupError::Foreign(folder.to_owned()));
        }
        for path in [folder.to_owned(), folder.join(BACKUPS)] {
            private_folder(&path)
                .map_err(|error| BackupError::file(&path, std::io::Error::other(error.to_string())))?;
        }
        Self::open(folder)
    }

    /// The backups in `folder`.
    ///
    /// # Errors
    /// When there are none.
    pub fn open(folder: &Path) -> Result<Self, BackupError> {
        if !folder.join(BACKUPS).is_dir() {
            return Err(BackupError::None(folder.to_owned()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            content: BlobStore::open(folder)?,
        })
    }

    /// The digests of all files that are here.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn known(&self) -> Result<Vec<Digest>, BackupError> {
        Ok(self.content.list()?)
    }

    /// The bytes of files, by their digest.
    pub(super) fn content(&self) -> &BlobStore {
        &self.content
    }

    /// All backups, the newest last.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn all(&self) -> Result<Vec<Named>, BackupError> {
        let folder = self.folder.join(BACKUPS);
        let wrong = |error| BackupError::file(&folder, error);
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            let (name, ending) = (
                path.file_stem().unwrap_or_default(),
                path.extension().unwrap_or_default(),
            );
            if ending == "json" {
                all.push(Named {
                    name: name.to_string_lossy().into_owned(),
                    backup: read(&path)?,
                });
            }
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// The backup of that name; the newest without one.
    ///
    /// # Errors
    /// When there is none.
    pub fn one(&self, name: Option<&str>) -> Result<Named, BackupError> {
        let mut all = self.all()?;
        match name {
            None => all.pop().ok_or_else(|| BackupError::None(self.folder.clone())),
            Some(name) => all
                .into_iter()
                .find(|one| one.name == name)
                .ok_or_else(|| BackupError::Unknown(name.to_owned())),
        }
    }

    /// Takes in what a server sends.
    ///
    /// # Errors
    /// When it is not whole, or cannot be kept. What has come by then stays, and is not sent again.
    pub fn receive(
        &self,
        from: &mut dyn BufRead,
        told: &mut dyn FnMut(&Progress),
    ) -> Result<(Named, Progress), BackupError> {
        let broken = |error: std::io::Error| BackupError::BrokenOff(error.to_string());
        let mut progress = Progress::default();
        let mut files: Vec<BackupFile> = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            from.take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(broken)?;
            let piece = match line.last() {
                None => return Err(BackupError::BrokenOff("it ends in the middle".to_owned())),
                Some(_) => serde_json::from_slice(&line),
            };
            match piece.map_err(|error| BackupError::BrokenOff(error.to_string()))? {
                BackupPiece::Room { name } => progress.room = name,
                BackupPiece::File { file, sent } => {
                    if sent {
                        self.keep(&file, from)?;
                        progress.brought += file.size;
                    } else if self.content.size(&file.digest)? != Some(file.size) {
                        return Err(damaged(&file.path, "it was neither sent nor is it here"));
                    }
                    progress.files += 1;
                    progress.bytes += file.size;
                    files.push(file);
                }
                BackupPiece::End(backup) => {
                    let backup = Backup { files, ..backup };
                    let name = self.describe(&backup)?;
                    return Ok((Named { name, backup }, progress));
                }
                BackupPiece::Failed { detail, hint } => {
                    let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
                    return Err(BackupError::Server(format!("{detail}{hint}")));
                }
            }
            told(&progress);
        }
    }

    fn keep(&self, file: &BackupFile, from: &mut dyn BufRead) -> Result<(), BackupError> {
        let mut writer = self.content.writer()?;
        let mut left = file.size;
        let mut bytes = vec![0; 256 << 10];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            match from.read(&mut bytes[..most]) {
                Ok(0) => return Err(BackupError::BrokenOff(format!("{} is not whole", file.path))),
                Ok(count) => {
                    writer.add(&bytes[..count])?;
                    left -= count as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(BackupError::BrokenOff(error.to_string())),
            }
        }
        writer.finish_as(&file.digest)?;
        Ok(())
    }

    /// Writes down what a backup holds: from here on it is there.
    fn describe(&self, backup: &Backup) -> Result<String, BackupError> {
        use std::io::Write as _;
        let folder = self.folder.join(BACKUPS);
        let text = serde_json::to_vec(backup).map_err(|error| damaged("what it holds", error))?;
        let (taken, mut number) = (name_of(backup.taken_at), 1);
        loop {
            let name = match number {
                1 => taken.clone(),
                number => format!("{taken}-{number}"),
            };
            let (path, draft) = (
                folder.join(format!("{name}.json")),
                folder.join(format!("{name}.draft")),
            );
            if path.exists() {
                number += 1;
                continue;
            }
            let written = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)
                .and_then(|mut file| {
                    file.write_all(&text)?;
                    file.sync_all()
                })
                .and_then(|()| std::fs::rename(&draft, &path))
                .and_then(|()| std::fs::File::open(&folder)?.sync_all());
            return match written {
                Ok(()) => Ok(name),
                Err(error) => Err(BackupError::file(&path, error)),
            };
        }
    }

    /// Checks every byte of a backup: each file against its digest, the facts as a chain up to their end, and the
    /// checkpoint against the facts. With `keys`, one of them must have signed it.
    ///
    /// # Errors
    /// When something is not as it was taken.
    pub fn verify(
        &self,
        backup: &Backup,
        keys: &[PublicKey],
        told: &mut dyn FnMut(&Progress),
    ) -> Result<(), BackupError> {
        let mut progress = Progress::default();
        for file in &backup.files {
            progress.room = file.path.split('/').next().unwrap_or_default().to_owned();
            let stored = self.content.verify(&file.digest);
            let stored = stored.map_err(|error| damaged(&file.path, error))?;
            if stored.size != file.size {
                return Err(damaged(
                    &file.path,
                    format!("it has {} bytes instead of {}", stored.size, file.size),
                ));
            }
            progress.files += 1;
            progress.bytes += file.size;
            told(&progress);
        }
        let signed = signed(backup, keys)?;
        let mut check = ExportCheck::new([signed]);
        self.facts(backup, &mut |line| Ok(check.line(line)))?;
        let found = check.finish();
        match found.fault {
            Some(fault) => Err(damaged("the facts", fault)),
            None if found.checkpoint.position != backup.facts || found.checkpoint.hash != backup.hash => {
                Err(damaged("the facts", "they do not end where the backup says"))
            }
            None => Ok(()),
        }
    }

    /// Goes through the facts, line by line, until `take` has enough of them.
    pub(super) fn facts(
        &self,
        backup: &Backup,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, BackupError>,
    ) -> Result<(), BackupError> {
        let mut line = Vec::new();
        for file in files_of(backup, FACTS) {
            let reader = self.content.open_verified(&file.digest);
            let mut reader =
                std::io::BufReader::with_capacity(256 << 10, reader.map_err(|error| damaged(&file.path, error))?);
            loop {
                line.clear();
                let read = reader.by_ref().take(LONGEST_FACT).read_until(b'\n', &mut line);
                match read.map_err(|error| damaged(&file.path, error))? {
                    0 => break,
                    _ if !take(line.strip_suffix(b"\n").unwrap_or(&line))? => return Ok(()),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// The files of a room, in their order.
pub(super) fn files_of<'a>(backup: &'a Backup, room: &'a str) -> impl Iterator<Item = &'a BackupFile> {
    let is_of = move |file: &&BackupFile| file.path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'));
    backup.files.iter().filter(is_of)
}

/// What the checkpoint says. It is compared with the facts in either case; who signed it is known only with keys.
fn signed(backup: &Backup, keys: &[PublicKey]) -> Result<Kept, BackupError> {
    use base64::Engine as _;
    let wrong = |problem: String| damaged("the checkpoint", problem);
    let envelope: Envelope =
        serde_json::from_value(backup.checkpoint.clone()).map_err(|error| wrong(error.to_string()))?;
    let statement = match keys {
        [] => {
            let payload = base64::engine::general_purpose::STANDARD.decode(&envelope.payload);
            let payload = payload.map_err(|error| wrong(error.to_string()))?;
            serde_json::from_slice(&payload).map_err(|error| wrong(error.to_string()))?
        }
        keys => {
            Statement::open(&envelope, keys)
                .map_err(|error| wrong(error.to_string()))?
                .0
        }
    };
    match statement.ledger == backup.ledger && statement.position <= backup.facts {
        true => Ok(Kept::from(&statement)),
        false => Err(wrong("it is of another ledger".to_owned())),
    }
}

pub(super) fn damaged(what: &str, problem: impl std::fmt::Display) -> BackupError {
    let problem = problem.to_string();
    let problem = problem
        .split_once("\nhint: ")
        .map_or(problem.as_str(), |(text, _)| text);
    BackupError::Damaged {
        what: what.to_owned(),
        problem: problem.to_owned(),
    }
}

fn read(path: &Path) -> Result<Backup, BackupError> {
    let text = std::fs::read(path).map_err(|error| BackupError::file(path, error))?;
    let what = path.display().to_string();
    let document: serde_json::Value = serde_json::from_slice(&text).map_err(|error| damaged(&what, error))?;
    match document.get("schema").and_then(serde_json::Value::as_str) {
        Some("backup/1") => serde_json::from_value(document).map_err(|error| damaged(&what, error)),
        Some(schema) if schema.starts_with("backup/") => Err(BackupError::Newer(schema.to_owned())),
        _ => Err(damaged(&what, "it does not describe a backup")),
    }
}

/// A backup taken at this time.
fn name_of(taken_at: Timestamp) -> String {
    taken_at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Whether nothing is in a folder, or no folder is there.
pub(super) fn is_empty(folder: &Path) -> Result<bool, BackupError> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(BackupError::file(folder, error)),
    }
}
