//! `throughline resolve`.

use super::done as tell;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::wire::Resolve;

/// Says whether a step was done.
pub(super) fn resolve(
    run: &str,
    step: &str,
    done: bool,
    session: &Session,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let run = session.run(run)?.to_string();
    let answer = session.client.post(
        &Address::of(&["runs", &run, "steps", step, "resolve"]),
        &Resolve { done },
    )?;
    tell(&answer, printer);
    Ok(())
}
