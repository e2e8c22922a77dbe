//! `throughline down`.

use std::fs::File;

use super::done;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::{Session, local_server};
use crate::wire::Down;

/// Stops the server, and returns when it has ended, where that can be seen from here.
pub(super) fn down(everything: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let data = &session.settings.data;
    let here = local_server(data)?.as_deref() == Some(session.client.contact().server.as_str());
    let answer = session.client.post(&Address::of(&["down"]), &Down { everything })?;
    done(&answer, printer);
    // The server holds the lock of its data folder as long as it lives.
    if here && let Ok(lock) = File::open(data.join("lock")) {
        let _ = lock.lock_shared();
        printer.say("the server has ended");
    }
    Ok(())
}
