//! `throughline restore`: a server made of a backup.

use super::Around;
use super::backup::{failed, watched};
use crate::cli::RestoreArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::house::backup::folder::Backups;
use crate::house::backup::restore::Place;
use crate::house::backup::{self, restored};
use crate::printer::Printer;
use crate::show;
use crate::show::paint::{Tone, paint};
use crate::wire::{BackupLine, ServerRestored};

/// Fills the data folder, or says that what is in it may be used.
pub(super) fn restore(args: &RestoreArgs, around: &Around, printer: &mut Printer) -> Result<(), Failure> {
    let (data, database) = around.layers.restore()?;
    let Some(folder) = &args.folder else {
        return take_over(&data, printer);
    };
    let backups = Backups::open(&around.folder.join(folder)).map_err(failed)?;
    let named = backups.one(args.backup.as_deref()).map_err(failed)?;
    let place = Place {
        data,
        database,
        take_over: args.take_over,
    };
    let done = watched(around, printer, |told| {
        backup::restore::restore(&backups, &named, &place, told)
    });
    done.map_err(failed)?;
    let restored = ServerRestored {
        schema: "server-restored/1".to_owned(),
        backup: BackupLine::new(&named.name, &named.backup),
        data: place.data.display().to_string(),
        take_over: args.take_over,
    };
    if args.json {
        return printer.document(&restored);
    }
    printer.data(&show::backup::restored(&restored))?;
    printer.hint(&format!(
        "put the key of the secrets to {}, readable by its owner alone; it is not part of a backup",
        place.data.join("secrets.key").display()
    ));
    if !args.take_over {
        printer.hint(&format!(
            "when the server that the backup is of has ended for good, say `throughline restore --take-over --data {}`; \
             until then nothing starts here",
            place.data.display()
        ));
    }
    Ok(())
}

/// The server that the backup was of has ended for good.
fn take_over(data: &std::path::Path, printer: &mut Printer) -> Result<(), Failure> {
    let mark = restored::read(data).map_err(failed)?;
    let Some(mark) = mark.filter(|mark| mark.whole) else {
        let text = format!("{} holds nothing that was put back and waits for this", data.display());
        return Err(Failure::new(Exit::NotFound, text).hint("`throughline restore FOLDER` puts a backup back"));
    };
    restored::write(
        data,
        &restored::Mark {
            take_over: true,
            ..mark
        },
    )
    .map_err(failed)?;
    let tick = paint(Tone::Good, "✓");
    printer.say(&format!(
        "{tick} {} may be started in the place of the server that the backup is of",
        data.display()
    ));
    Ok(())
}
