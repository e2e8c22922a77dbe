//! `throughline whoami`.

use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::Whoami;

/// Shows who one is.
pub(super) fn whoami(json: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session.client.get::<Whoami>(&Address::of(&["whoami"]))?;
    if json {
        return printer.document(&answer.raw);
    }
    printer.data(&show::access::whoami(
        &answer.document,
        &session.client.contact().server,
    ))
}
