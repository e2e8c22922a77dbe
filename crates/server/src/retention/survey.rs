//! What is there: told by the facts and by the folders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artifact::BlobStore;
use engine::kinds::{ATTEMPT_FINISHED, REQUESTED};
use facts::{ComponentId, Digest, Position, RunId, Timestamp};
use ledger::Ledger;
use serde_json::Value;

use super::decide::{Blob, Cache, Log};
use crate::error::ServerError;

/// How many facts are read at a time.
const PAGE: usize = 1000;
/// A larger blob is no document that names others.
const LARGEST_DOCUMENT: u64 = 4 << 20;

/// What the facts tell of blobs.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The logs of attempts.
    pub logs: Vec<Log>,
    /// Every other digest that a fact names.
    pub named: BTreeSet<Digest>,
    /// The newest run of each component, of each kind and in each environment.
    pub newest: BTreeSet<RunId>,
}

/// Reads all facts.
pub(super) async fn told(ledger: &dyn Ledger) -> Result<Told, ServerError> {
    let mut told = Told::default();
    let mut newest: BTreeMap<(ComponentId, String, String), RunId> = BTreeMap::new();
    let mut position: Position = 0;
    loop {
        let facts = ledger.read(position, PAGE).await?;
        let Some(last) = facts.last() else { break };
        position = last.seq;
        for fact in &facts {
            let mut body = fact.new.body.clone();
            let run: Option<RunId> = fact.stream().key().parse().ok();
            if let (ATTEMPT_FINISHED, Some(run)) = (fact.kind(), run)
                && let Some(log) = body.as_object_mut().and_then(|body| body.remove("log"))
                && let Some(digest) = log.as_str().and_then(|text| text.parse().ok())
            {
                told.logs.push(Log {
                    digest,
                    run,
                    ended_at: fact.recorded_at,
                });
            }
            if let (REQUESTED, Some(run)) = (fact.kind(), run) {
                let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                if let Ok(component) = text("component").parse() {
                    newest.insert((component, text("kind"), text("environment")), run);
                }
            }
            digests(&body, &mut |digest| {
                told.named.insert(digest);
            });
        }
    }
    told.newest = newest.into_values().collect();
    Ok(told)
}

/// Every digest that a document names, wherever it stands in it: as a value, within a text, or as a name.
fn digests(value: &Value, found: &mut impl FnMut(Digest)) {
    match value {
        Value::String(text) => in_text(text, found),
        Value::Array(all) => all.iter().for_each(|value| digests(value, found)),
        Value::Object(all) => {
            for (name, value) in all {
                in_text(name, found);
                digests(value, found);
            }
        }
        _ => {}
    }
}

fn in_text(text: &str, found: &mut impl FnMut(Digest)) {
    const BEGINNING: &str = "sha256:";
    for (at, _) in text.match_indices(BEGINNING) {
        if let Some(Ok(digest)) = text.get(at..at + BEGINNING.len() + 64).map(str::parse) {
            found(digest);
        }
    }
}

/// The blobs that are there, with what they name.
pub(super) fn blobs(store: &BlobStore) -> Result<Vec<Blob>, ServerError> {
    let mut blobs = Vec::new();
    for digest in store.list()? {
        let Some((bytes, stored_at)) = look(&store.path(&digest)) else {
            continue;
        };
        let mut blob = Blob {
            digest,
            stored_at,
            names: Vec::new(),
            about: None,
        };
        if bytes <= LARGEST_DOCUMENT
            && let Ok(text) = std::fs::read(store.path(&digest))
            && text.first() == Some(&b'{')
            && let Ok(document) = serde_json::from_slice::<Value>(&text)
        {
            digests(&document, &mut |named| blob.names.push(named));
            let subject = document.pointer("/subject/digest").and_then(Value::as_str);
            blob.about = subject.and_then(|text| text.parse().ok());
        }
        blobs.push(blob);
    }
    Ok(blobs)
}

/// Size and time of a file or folder; nothing when it is gone.
pub(super) fn look(path: &Path) -> Option<(u64, Timestamp)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.len(), Timestamp::try_from(found.modified().ok()?).ok()?))
}

/// How many bytes are below a folder. Links are not followed.
pub(super) fn size(path: &Path) -> u64 {
    let mut total = 0;
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                _ => total += entry.metadata().map_or(0, |found| found.len()),
            }
        }
    }
    total
}

/// The folders kept from run to run: below component (two levels) and trust.
pub(super) fn caches(folder: &Path) -> Vec<Cache> {
    const LEVELS: usize = 4;
    let mut level = vec![folder.to_owned()];
    for _ in 0..LEVELS {
        let below = level
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
        level = below.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    }
    let cache = |path: std::path::PathBuf| {
        let (_, used_at) = look(&path)?;
        Some(Cache {
            bytes: size(&path),
            path,
            used_at,
        })
    };
    level.into_iter().filter_map(cache).collect()
}
