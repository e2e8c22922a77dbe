//! The folder into which checkpoints are put for somebody else to keep.

use std::io;
use std::path::{Path, PathBuf};

use facts::Position;
use signing::{Envelope, PublicKey};

/// The name of a checkpoint's file; names sort as positions do.
fn name_of(position: Position) -> String {
    format!("checkpoint-{position:012}.json")
}

/// Puts a checkpoint into the folder, which is made where it is missing, and the key that checks it
/// beside it. What is there already stays as it is.
pub(super) fn put(folder: &Path, position: Position, envelope: &Envelope, key: &PublicKey) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    write_once(folder, &format!("{}.pub", key.id()), &key.pem())?;
    write_once(
        folder,
        &name_of(position),
        &format!("{}\n", serde_json::to_string(envelope)?),
    )
}

fn write_once(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let path = folder.join(name);
    if path.exists() {
        return Ok(path);
    }
    disk::replace(&disk::LocalDisk, &path, 0o644, text.as_bytes())?;
    Ok(path)
}
