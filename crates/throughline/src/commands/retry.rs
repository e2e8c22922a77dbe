//! `throughline retry`.

use super::done;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;

/// Tries the failed steps of a run again.
pub(super) fn retry(run: &str, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let run = session.run(run)?.to_string();
    let answer = session
        .client
        .post(&Address::of(&["runs", &run, "retry"]), &serde_json::json!({}))?;
    done(&answer, printer);
    printer.hint(&format!("follow it with `throughline logs -f {run}`"));
    Ok(())
}
