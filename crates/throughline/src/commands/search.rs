//! `throughline search`.

use crate::cli::SearchArgs;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::Search;

/// Finds whatever begins with the words.
pub(super) fn search(args: &SearchArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let address = Address::of(&["search"])
        .with("q", Some(args.words.join(" ")))
        .with("limit", Some(args.limit));
    let answer = session.client.get::<Search>(&address)?;
    if args.json.json {
        return printer.document(&answer.raw);
    }
    let text = show::search::search(&answer.document, &printer.sight);
    printer.data(&text)
}
