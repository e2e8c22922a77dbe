//! `throughline backup`: taking, listing and checking backups.

use facts::Timestamp;

use super::Around;
use super::ledger::trusted;
use crate::cli::{BackupListArgs, BackupTakeArgs, BackupVerifyArgs};
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::house::backup::BackupError;
use crate::house::backup::folder::{Backups, Named, Progress};
use crate::printer::Printer;
use crate::show;
use crate::show::paint::{Tone, cut, paint};
use crate::wire::{BackupLine, BackupTaken, BackupVerified, TakeBackup};

/// How many digests are sent along at most; what is beyond comes once more.
const KNOWN: usize = 1_000_000;

/// Takes a backup of the running server.
pub(super) fn take(args: &BackupTakeArgs, around: &mut Around, printer: &mut Printer) -> Result<(), Failure> {
    let session = around.session(printer)?;
    let backups = Backups::make(&around.folder.join(&args.folder)).map_err(failed)?;
    let mut known = backups.known().map_err(failed)?;
    known.truncate(KNOWN);
    let address = Address::of(&["backup"]);
    let mut stream = session.client.post_stream(&address, &TakeBackup { known })?;
    let taken = watched(around, printer, |told| backups.receive(&mut stream, told));
    let (Named { name, backup }, progress) = taken.map_err(failed)?;
    let taken = BackupTaken {
        schema: "backup-taken/1".to_owned(),
        backup: BackupLine::new(&name, &backup),
        brought: progress.brought,
    };
    if args.json {
        return printer.document(&taken);
    }
    printer.data(&show::backup::taken(&taken))?;
    printer.hint(&format!(
        "check it with `throughline backup verify {}`, and keep a copy of the server's secrets.key elsewhere: without it \
         nobody can read the secrets",
        args.folder.display()
    ));
    Ok(())
}

/// Lists the backups in a folder.
pub(super) fn list(args: &BackupListArgs, around: &Around, printer: &mut Printer) -> Result<(), Failure> {
    let backups = Backups::open(&around.folder.join(&args.folder)).map_err(failed)?;
    let all = backups.all().map_err(failed)?;
    let backups = crate::wire::Backups {
        schema: "backups/1".to_owned(),
        backups: all.iter().map(|one| BackupLine::new(&one.name, &one.backup)).collect(),
    };
    match args.json {
        true => printer.document(&backups),
        false => printer.data(&show::backup::list(&backups, &printer.sight)),
    }
}

/// Checks every byte of a backup. One that is not as it was taken makes the command fail.
pub(super) fn verify(args: &BackupVerifyArgs, around: &Around, printer: &mut Printer) -> Result<(), Failure> {
    let keys = trusted(&args.key, &around.folder)?;
    let backups = Backups::open(&around.folder.join(&args.folder)).map_err(failed)?;
    let Named { name, backup } = backups.one(args.backup.as_deref()).map_err(failed)?;
    let verified = watched(around, printer, |told| backups.verify(&backup, &keys, told));
    let problem = match verified {
        Ok(()) => None,
        Err(BackupError::Damaged { what, problem }) => Some(format!("{what}: {problem}")),
        Err(error) => return Err(failed(error)),
    };
    let verified = BackupVerified {
        schema: "backup-verified/1".to_owned(),
        backup: BackupLine::new(&name, &backup),
        verified: problem.is_none(),
        problem,
    };
    match args.json {
        true => printer.document(&verified)?,
        false => printer.data(&show::backup::verified(&verified, !keys.is_empty()))?,
    }
    match (verified.verified, args.json) {
        (true, _) => Ok(()),
        (false, true) => Err(Failure::told(Exit::Failed)),
        (false, false) => Err(Failure::told(Exit::Failed).hint("take another backup, or use an earlier one")),
    }
}

/// A failure as a person is told it.
pub(super) fn failed(error: BackupError) -> Failure {
    let exit = match &error {
        BackupError::None(_) | BackupError::Unknown(_) => Exit::NotFound,
        BackupError::Foreign(_) | BackupError::NotEmpty(_) => Exit::Usage,
        BackupError::Facts(ledger::RestoreError::NotEmpty(_)) => Exit::Usage,
        BackupError::Newer(_) | BackupError::Damaged { .. } | BackupError::Facts(ledger::RestoreError::Fault(_)) => {
            Exit::BadFile
        }
        BackupError::BrokenOff(_) => Exit::NotReachable,
        BackupError::File { .. }
        | BackupError::Server(_)
        | BackupError::Blob(_)
        | BackupError::Facts(ledger::RestoreError::Store(_)) => Exit::Failed,
    };
    let text = error.to_string();
    match text.split_once("\nhint: ") {
        Some((message, hint)) => Failure::new(exit, message).hint(hint),
        None => Failure::new(exit, text),
    }
}

/// At least so many milliseconds lie between two pictures, and before the first.
const PACE: i64 = 200;

/// Does `work`, and shows on a terminal how far it is.
pub(super) fn watched<T>(
    around: &Around,
    printer: &mut Printer,
    work: impl FnOnce(&mut dyn FnMut(&Progress)) -> T,
) -> T {
    let Some(screen) = around.screen else {
        return work(&mut |_| {});
    };
    let clock = &around.clock;
    let (mut last, mut shown): (Timestamp, bool) = (clock.now(), false);
    let done = work(&mut |progress| {
        let now = clock.now();
        if now.as_millisecond() - last.as_millisecond() < PACE {
            return;
        }
        (last, shown) = (now, true);
        let line = format!(
            "{}: {} files, {}",
            progress.room,
            progress.files,
            pages::package::size(progress.bytes)
        );
        printer.steer("\r\x1b[K");
        printer.prompt(&paint(Tone::Quiet, &cut(&line, screen().0.saturating_sub(1))));
    });
    if shown {
        printer.steer("\r\x1b[K");
        printer.prompt("");
    }
    done
}
