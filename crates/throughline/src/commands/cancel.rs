//! `throughline cancel`.

use super::done;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;

/// Ends a run.
pub(super) fn cancel(run: &str, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let run = session.run(run)?.to_string();
    let answer = session
        .client
        .post(&Address::of(&["runs", &run, "cancel"]), &serde_json::json!({}))?;
    done(&answer, printer);
    Ok(())
}
