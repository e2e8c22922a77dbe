//! `throughline secret`.

use super::{Around, done, read_file};
use crate::cli::SecretSetArgs;
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::{NewSecret, Secrets};

/// Sets a secret.
pub(super) fn set(args: &SecretSetArgs, around: &mut Around, printer: &mut Printer) -> Result<(), Failure> {
    let session = around.session(printer)?;
    let value = match &args.file {
        Some(file) => {
            let bytes = read_file(&around.folder.join(file), file)?;
            String::from_utf8(bytes).map_err(|_| {
                Failure::new(Exit::BadFile, format!("{} holds no text", file.display()))
                    .hint("encode it, for instance with `base64`, and decode it in the step")
            })?
        }
        None => without_line_end(around.value(&format!("value of {}: ", args.name), printer)?),
    };
    if value.is_empty() {
        return Err(
            Failure::new(Exit::Usage, format!("the value of `{}` is empty", args.name)).hint(format!(
                "pipe it in: `printf %s VALUE | throughline secret set {}`",
                args.name
            )),
        );
    }
    let mut parts = vec!["secrets"];
    parts.extend(args.name.split('/'));
    let answer = session.client.put(&Address::of(&parts), &NewSecret { value })?;
    done(&answer, printer);
    Ok(())
}

/// A single line without its end; several lines, such as a key, as they are.
fn without_line_end(mut value: String) -> String {
    if value.matches('\n').count() == 1 && value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    value
}

/// Lists the secrets.
pub(super) fn list(json: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session.client.get::<Secrets>(&Address::of(&["secrets"]))?;
    if json {
        return printer.document(&answer.raw);
    }
    let text = show::access::secrets(&answer.document, &printer.sight);
    printer.data(&text)
}

#[cfg(test)]
mod tests {
    use super::without_line_end;

    #[test]
    fn a_single_line_loses_its_end_and_a_key_stays_as_it_is() {
        assert_eq!(without_line_end("hunter2\n".into()), "hunter2");
        assert_eq!(without_line_end("hunter2\r\n".into()), "hunter2");
        assert_eq!(without_line_end("hunter2".into()), "hunter2");
        assert_eq!(without_line_end("-----BEGIN\nabc\n".into()), "-----BEGIN\nabc\n");
    }
}
