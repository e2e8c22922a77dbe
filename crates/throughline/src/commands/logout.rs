//! `throughline logout`.

use super::Around;
use crate::cli::LogoutArgs;
use crate::client::logins::Logins;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::{local_server, tidy};
use crate::settings::resolve::Token;
use crate::show::paint::{Tone, paint};

/// Forgets the token of a server, or of all. No server is asked.
pub(super) fn logout(args: &LogoutArgs, around: &Around, printer: &mut Printer) -> Result<(), Failure> {
    let settings = around.layers.client()?;
    let mut logins = Logins::read(&settings.logins)?;
    let named = args
        .url
        .as_deref()
        .or_else(|| settings.server.as_ref().map(|found| found.value.as_str()));
    let forgotten: Vec<String> = if args.all {
        logins.tokens.keys().cloned().collect()
    } else {
        let server = match named {
            Some(url) => Some(tidy(url)),
            None if settings.data_named => local_server(&settings.data)?,
            None => logins.current.clone(),
        };
        server
            .into_iter()
            .filter(|server| logins.tokens.contains_key(server))
            .collect()
    };
    if forgotten.is_empty() {
        let message = match named {
            Some(url) => format!("not logged in to {}", tidy(url)),
            None => "not logged in".to_owned(),
        };
        let failure = Failure::new(Exit::NotFound, message);
        let others: Vec<&str> = logins.tokens.keys().map(String::as_str).collect();
        return Err(if others.is_empty() {
            failure
        } else {
            failure.hint(format!("name one of {}, or say --all", others.join(", ")))
        });
    }
    for server in &forgotten {
        logins.tokens.remove(server);
        if logins.current.as_ref() == Some(server) {
            logins.current = None;
        }
    }
    logins.write(&settings.logins)?;
    for server in &forgotten {
        printer.say(&format!("{} logged out of {server}", paint(Tone::Good, "✓")));
    }
    if !matches!(settings.token, Token::Stored) {
        printer.warn("a token is given by a variable or a file too, and goes on being used");
    }
    printer.hint("the token itself goes on working; `throughline token revoke` ends it");
    Ok(())
}
