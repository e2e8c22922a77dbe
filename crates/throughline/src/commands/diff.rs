//! `throughline diff`.

use crate::cli::DiffArgs;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::Difference;

/// Shows what differs between two environments.
pub(super) fn diff(args: &DiffArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let address = Address::of(&["environments", &args.left, "difference", &args.right]);
    let answer = session.client.get::<Difference>(&address)?;
    if args.json.json {
        return printer.document(&answer.raw);
    }
    let text = show::environment::difference(&answer.document, &printer.sight);
    printer.data(&text)
}
