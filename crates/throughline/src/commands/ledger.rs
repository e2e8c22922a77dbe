//! `throughline ledger`.

use std::io::Read as _;

use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::{Rebuilt, Verified};

/// Checks every fact. A fact that is not as it was recorded makes the command fail.
pub(super) fn verify(json: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session.client.get::<Verified>(&Address::of(&["ledger", "verify"]))?;
    if json {
        printer.document(&answer.raw)?;
    } else {
        printer.data(&show::access::verified(&answer.document))?;
    }
    if answer.document.verified {
        return Ok(());
    }
    let failure = Failure::told(Exit::Failed);
    Err(if json {
        failure
    } else {
        failure.hint("compare with an earlier export before anything is written on top")
    })
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
