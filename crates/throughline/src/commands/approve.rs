//! `throughline approve`.

use super::done;
use crate::cli::ApproveArgs;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::wire::Approve;

/// Approves a change for an environment.
pub(super) fn approve(args: ApproveArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let component = session.component()?.to_string();
    let body = Approve {
        component,
        change: session.meant(&args.change)?,
        role: args.role,
    };
    let answer = session
        .client
        .post(&Address::of(&["environments", &args.environment, "approve"]), &body)?;
    done(&answer, printer);
    Ok(())
}
