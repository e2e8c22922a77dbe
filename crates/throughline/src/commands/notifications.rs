//! `throughline notifications`.

use super::done;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::{Notifications, TestNotification};

/// Lists what was told last.
pub(super) fn list(json: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session.client.get::<Notifications>(&Address::of(&["notifications"]))?;
    if json {
        return printer.document(&answer.raw);
    }
    let text = show::notifications::list(&answer.document, &printer.sight);
    printer.data(&text)?;
    if !answer.document.on {
        printer.hint("start the server with `--notifications FILE`; docs/notifications.md says what stands in it");
    }
    Ok(())
}

/// Sends a test.
pub(super) fn test(name: &str, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let address = Address::of(&["notifications", "test"]);
    let asked = TestNotification { to: name.to_owned() };
    let answer = session.client.post(&address, &asked)?;
    done(&answer, printer);
    Ok(())
}
