//! `throughline environments`.

use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::Environments;

/// Shows what is where.
pub(super) fn environments(json: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session.client.get::<Environments>(&Address::of(&["environments"]))?;
    if json {
        return printer.document(&answer.raw);
    }
    let text = show::environment::environments(&answer.document, &printer.sight);
    printer.data(&text)
}
