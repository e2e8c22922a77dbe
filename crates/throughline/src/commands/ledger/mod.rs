//! `throughline ledger`.

mod verify;

use std::io::{Read as _, Write as _};
use std::path::Path;

pub(super) use verify::{trusted, verify};

use crate::cli::{CheckpointArgs, KeysArgs};
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::show::paint::{Tone, paint};
use crate::wire::{Checkpoint, Rebuilt, SigningKeys};

/// Signs a checkpoint of what is recorded by now.
pub(super) fn checkpoint(args: &CheckpointArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let nothing = serde_json::json!({});
    let answer = session
        .client
        .post::<Checkpoint>(&Address::of(&["ledger", "checkpoint"]), &nothing)?;
    let checkpoint = &answer.document;
    let line = serde_json::to_string(&checkpoint.envelope)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write the checkpoint: {error}")))?;
    if let Some(file) = &args.output {
        let path = session.settings.current.join(file);
        write_whole(&path, &format!("{line}\n")).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot write the checkpoint to {}: {error}", file.display()),
            )
        })?;
    }
    if args.json {
        return printer.document(&answer.raw);
    }
    if args.output.is_none() {
        printer.data(&format!("{line}\n"))?;
    }
    let tick = paint(Tone::Good, "✓");
    printer.say(&format!(
        "{tick} facts up to {} are signed by the key {}",
        checkpoint.position,
        show::access::short_key(&checkpoint.key)
    ));
    printer.hint("keep it where nobody who can write the ledger can write too");
    Ok(())
}

/// Writes a file whole or not at all.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let mut file = std::fs::File::create(&draft)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written
}

/// Shows the keys that sign checkpoints.
pub(super) fn keys(args: &KeysArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session.client.get::<SigningKeys>(&Address::of(&["ledger", "keys"]))?;
    if args.json {
        return printer.document(&answer.raw);
    }
    let keys = &answer.document;
    if args.pem {
        let pem: String = keys.keys.iter().map(|key| key.public_key.as_str()).collect();
        return printer.data(&pem);
    }
    let shown = show::access::signing_keys(keys, &printer.sight);
    printer.data(&shown)
}

/// Signs with another key from now on.
pub(super) fn change_key(json: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let nothing = serde_json::json!({});
    let answer = session
        .client
        .post::<SigningKeys>(&Address::of(&["ledger", "keys"]), &nothing)?;
    if json {
        return printer.document(&answer.raw);
    }
    let shown = show::access::signing_keys(&answer.document, &printer.sight);
    printer.data(&shown)?;
    printer.hint("give the new key to whoever keeps checkpoints: `throughline ledger keys --pem`");
    Ok(())
}

/// Folds all views anew.
pub(super) fn rebuild(json: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session
        .client
        .post::<Rebuilt>(&Address::of(&["ledger", "rebuild"]), &serde_json::json!({}))?;
    if json {
        return printer.document(&answer.raw);
    }
    printer.data(&show::access::rebuilt(&answer.document))
}

/// Prints the facts as they come.
pub(super) fn export(after: u64, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let mut reader = session
        .client
        .stream(&Address::of(&["ledger", "export"]).with("after", Some(after)))?;
    let mut bytes = vec![0; 64 << 10];
    loop {
        match reader.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(read) => printer.bytes(&bytes[..read])?,
            Err(error) => {
                return Err(Failure::new(Exit::Failed, format!("the export broke off: {error}"))
                    .hint("go on with --after and the number of the last fact that came"));
            }
        }
    }
}
