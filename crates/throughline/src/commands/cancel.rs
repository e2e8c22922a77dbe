//! `throughline cancel`.

use super::done;
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;

/// Ends a run, or the waiting of a change.
pub(super) fn cancel(what: &str, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let address = match session.run(what) {
        Ok(run) => Address::of(&["runs", &run.to_string(), "cancel"]),
        // A change that waits has no run yet.
        Err(no_run) if no_run.exit == Exit::NotFound => {
            let component = session.component().map_err(|_| no_run)?;
            let commit = session.change(&component, what)?.document.change.commit;
            Address::of(&[
                "components",
                component.team(),
                component.short(),
                "changes",
                &commit,
                "cancel",
            ])
        }
        Err(failure) => return Err(failure),
    };
    let answer = session.client.post(&address, &serde_json::json!({}))?;
    done(&answer, printer);
    Ok(())
}
