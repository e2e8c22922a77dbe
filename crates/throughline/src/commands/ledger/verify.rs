//! `throughline ledger verify`: the chain, and what was kept of it elsewhere.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use ledger::{ExportCheck, Statement};
use signing::{Envelope, PublicKey};

use super::super::{Around, read_file};
use crate::cli::VerifyArgs;
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::show;
use crate::wire::{KeptCheckpoint, Verified, VerifyAgainst};

/// The longest line of an export that is read: twice the largest append.
const LONGEST_LINE: u64 = 64 << 20;

/// Checks every fact, of a server or of an export, and what was kept of them. A fact that is not as it
/// was recorded makes the command fail.
pub(in super::super) fn verify(args: &VerifyArgs, around: &mut Around, printer: &mut Printer) -> Result<(), Failure> {
    let kept = kept(args, &around.folder)?;
    let (verified, raw) = match &args.export {
        Some(file) => {
            let verified = of_export(file, around, &kept)?;
            let raw = serde_json::to_value(&verified).unwrap_or_default();
            (verified, raw)
        }
        None => {
            let session = around.session(printer)?;
            let address = Address::of(&["ledger", "verify"]);
            let answer = if kept.is_empty() {
                session.client.get::<Verified>(&address)?
            } else {
                let checkpoints = kept.iter().map(|statement| KeptCheckpoint {
                    ledger: statement.ledger,
                    position: statement.position,
                    hash: statement.hash,
                });
                let body = VerifyAgainst {
                    checkpoints: checkpoints.collect(),
                };
                session.client.post::<Verified>(&address, &body)?
            };
            (answer.document, answer.raw)
        }
    };
    if args.json {
        printer.document(&raw)?;
    } else {
        printer.data(&show::access::verified(&verified))?;
    }
    if verified.verified {
        return Ok(());
    }
    let failure = Failure::told(Exit::Failed);
    Err(if args.json {
        failure
    } else {
        failure.hint("compare with an earlier export before anything is written on top")
    })
}

/// The public keys in files that were named.
pub(in super::super) fn trusted(files: &[PathBuf], folder: &Path) -> Result<Vec<PublicKey>, Failure> {
    let mut keys = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&read_file(&folder.join(file), file)?).into_owned();
        let found = PublicKey::all_in(&text, &file.display().to_string());
        keys.extend(found.map_err(|error| {
            Failure::new(Exit::BadFile, error.to_string())
                .hint("`throughline ledger keys --pem` prints them; take them when you trust the server")
        })?);
    }
    Ok(keys)
}

/// What the checkpoints say that were named: each is signed by a key that is trusted.
fn kept(args: &VerifyArgs, folder: &Path) -> Result<Vec<Statement>, Failure> {
    let keys = trusted(&args.key, folder)?;
    let mut statements = Vec::new();
    for file in &args.checkpoint {
        let path = folder.join(file);
        for (path, shown) in files_of(&path, file)? {
            statements.push(statement(&path, &shown, &keys)?);
        }
    }
    Ok(statements)
}

/// The checkpoint itself, or those in a folder.
fn files_of(path: &Path, shown: &Path) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    if !path.is_dir() {
        return Ok(vec![(path.to_owned(), shown.to_owned())]);
    }
    let wrong =
        |error: std::io::Error| Failure::new(Exit::BadFile, format!("cannot read {}: {error}", shown.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        let name = entry.map_err(wrong)?.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("checkpoint-") && name.ends_with(".json"))
        {
            found.push((path.join(&name), shown.join(&name)));
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(
            Failure::new(Exit::NotFound, format!("{} holds no checkpoint", shown.display()))
                .hint("their names are `checkpoint-POSITION.json`"),
        );
    }
    Ok(found)
}

fn statement(path: &Path, shown: &Path, keys: &[PublicKey]) -> Result<Statement, Failure> {
    let wrong = |reason: String| Failure::new(Exit::BadFile, format!("{}: {reason}", shown.display()));
    let bytes = read_file(path, shown)?;
    let envelope: Envelope =
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("it is no signed checkpoint: {error}")))?;
    let opened = Statement::open(&envelope, keys);
    opened.map(|(statement, _)| statement).map_err(|error| {
        Failure::new(Exit::Failed, format!("{}: {error}", shown.display()))
            .hint("a checkpoint that no trusted key signed shows nothing; `throughline ledger keys` lists the keys")
    })
}

/// Checks an export, line by line.
fn of_export(file: &Path, around: &mut Around, kept: &[Statement]) -> Result<Verified, Failure> {
    let name = file.display();
    let mut check = ExportCheck::new(kept);
    let mut reader: Box<dyn BufRead + '_> = if file == Path::new("-") {
        Box::new(BufReader::new(&mut around.input))
    } else {
        let opened = std::fs::File::open(around.folder.join(file));
        Box::new(BufReader::new(opened.map_err(|error| {
            let exit = match error.kind() {
                std::io::ErrorKind::NotFound => Exit::NotFound,
                _ => Exit::BadFile,
            };
            Failure::new(exit, format!("cannot read {name}: {error}"))
        })?))
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        let read = read.map_err(|error| Failure::new(Exit::BadFile, format!("cannot read {name}: {error}")))?;
        if read == 0 || !check.line(line.strip_suffix(b"\n").unwrap_or(&line)) {
            break;
        }
    }
    let verification = check.finish();
    Ok(Verified {
        schema: "ledger-verified/1".to_owned(),
        verified: verification.is_good(),
        facts: verification.checked,
        hash: (verification.checked > 0).then_some(verification.checkpoint.hash),
        first_bad: verification.fault.as_ref().map(|fault| fault.seq),
        problem: verification.fault.map(|fault| fault.problem.to_string()),
        checkpoints: kept.len() as u64,
    })
}
