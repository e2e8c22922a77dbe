//! `throughline promote`.

use super::done;
use crate::cli::PromoteArgs;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::wire::Promote;

/// Sends a change to an environment.
pub(super) fn promote(args: PromoteArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let component = session.component()?.to_string();
    let body = Promote {
        component,
        change: session.meant(&args.change)?,
    };
    let answer = session
        .client
        .post(&Address::of(&["environments", &args.environment, "promote"]), &body)?;
    done(&answer, printer);
    Ok(())
}
