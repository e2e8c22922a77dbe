//! `throughline unbar`.

use facts::Digest;

use super::done;
use crate::cli::UnbarArgs;
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::wire::Unbar;

/// Lets a package be deployed again.
pub(super) fn unbar(args: UnbarArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let component = session.component()?;
    let package = match args.change.parse::<Digest>() {
        Ok(digest) => digest,
        Err(_) => session
            .change(&component, &args.change)?
            .document
            .change
            .package
            .ok_or_else(|| Failure::new(Exit::NotFound, format!("the change `{}` has no package", args.change)))?,
    };
    let body = Unbar {
        component: component.to_string(),
        cause: args.cause,
    };
    let answer = session
        .client
        .post(&Address::of(&["packages", &package.to_string(), "unbar"]), &body)?;
    done(&answer, printer);
    Ok(())
}
