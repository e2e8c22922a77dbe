//! `throughline rollback`.

use crate::cli::RollbackArgs;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show::paint::{Tone, clean, paint};
use crate::wire::{RollBack, RolledBack};

/// Returns an environment to an earlier state.
pub(super) fn rollback(args: RollbackArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let component = session.component()?.to_string();
    let body = RollBack {
        component,
        to: args.to.map(|to| session.meant(&to)).transpose()?,
        reason: args.reason,
    };
    let answer = session
        .client
        .post::<RolledBack>(&Address::of(&["environments", &args.environment, "rollback"]), &body)?;
    let environment = clean(&args.environment);
    printer.say(&format!("{} {environment} goes back", paint(Tone::Good, "✓")));
    if let Some(run) = answer.document.run {
        printer.hint(&format!("follow it with `throughline logs -f {run}`"));
        printer.data(&format!("{run}\n"))?;
    }
    Ok(())
}
