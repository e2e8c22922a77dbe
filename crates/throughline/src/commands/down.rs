//! `throughline down`.

use super::done;
use crate::client::Address;
use crate::failure::Failure;
use crate::house;
use crate::printer::Printer;
use crate::session::{Session, tidy};
use crate::wire::Down;

/// Stops the server, and returns when it has ended, where that can be seen from here.
pub(super) fn down(everything: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let data = &session.settings.data;
    let server = session.client.contact().server.clone();
    let mut living = house::living(data).into_iter();
    let here = living.find(|one| one.about.url.as_deref().map(tidy).as_ref() == Some(&server));
    let answer = session.client.post(&Address::of(&["down"]), &Down { everything })?;
    done(&answer, printer);
    if let Some(one) = here {
        house::wait_for(data, &one.about.id);
        printer.say("the server has ended");
    }
    Ok(())
}
