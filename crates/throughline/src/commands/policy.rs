//! `throughline policy`.

use std::path::Path;

use super::{Around, capped, done, read_file};
use crate::cli::PolicySetArgs;
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;

/// Prints the policy in force.
pub(super) fn show(session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let text = session.client.text(&Address::of(&["policy"]))?;
    printer.bytes(text.as_bytes())
}

/// Puts a file in force. It is checked here first, so that each mistake is told with its place.
pub(super) fn set(args: &PolicySetArgs, around: &mut Around, printer: &mut Printer) -> Result<(), Failure> {
    let (bytes, name) = if args.file == Path::new("-") {
        (
            capped(&mut around.input, "standard input")?,
            "standard input".to_owned(),
        )
    } else {
        (
            read_file(&around.folder.join(&args.file), &args.file)?,
            args.file.display().to_string(),
        )
    };
    if let Err(diagnostics) = pipeline::Environments::parse_bytes(&bytes, &name) {
        super::check::tell(&diagnostics, printer)?;
        return Err(Failure::new(Exit::BadFile, format!("{name} is not put in force")));
    }
    let session = around.session(printer)?;
    let answer = session.client.put_yaml(&Address::of(&["policy"]), &bytes)?;
    done(&answer, printer);
    Ok(())
}
