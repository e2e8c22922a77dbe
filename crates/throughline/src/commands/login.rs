//! `throughline login`.

use super::Around;
use crate::cli::LoginArgs;
use crate::client::logins::Logins;
use crate::client::{Address, Client, Contact};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::{checked_token, local_server, roots_of, server_of, tidy, token_of};
use crate::settings::resolve::Token;
use crate::show::paint::{Tone, clean, paint};
use crate::wire::{LoginLink, Whoami};

/// Keeps a server's address and a token that the server accepts, and prints a link for a browser.
pub(super) fn login(args: &LoginArgs, around: &mut Around, printer: &mut Printer) -> Result<(), Failure> {
    let settings = around.layers.client()?;
    let mut logins = Logins::read(&settings.logins)?;
    let server = match &args.url {
        Some(url) => tidy(url),
        None => match local_server(&settings.data)? {
            Some(local) if settings.server.is_none() => local,
            _ => server_of(&settings, &logins)?,
        },
    };
    let mut contact = Contact {
        server,
        token: None,
        roots: roots_of(&settings)?,
    };
    if contact.is_in_the_clear() {
        return Err(Failure::new(
            Exit::Usage,
            format!("a token must not travel to {} for everybody to read", contact.server),
        )
        .hint("use its https address"));
    }
    contact.token = match &settings.token {
        Token::Stored => {
            let text = around.value(&format!("token for {}: ", contact.server), printer)?;
            let source = if around.ask.is_some() {
                "what was typed"
            } else {
                "standard input"
            };
            Some(checked_token(&text, source)?)
        }
        _ => token_of(&settings, &logins, &contact.server)?,
    };
    let client = Client::new(contact.clone(), around.entropy.clone())?;
    let whoami = client.get::<Whoami>(&Address::of(&["whoami"]))?.document;
    if let Some(token) = &contact.token {
        logins.tokens.insert(contact.server.clone(), token.0.clone());
    }
    logins.current = Some(contact.server.clone());
    logins.write(&settings.logins)?;
    let tick = paint(Tone::Good, "✓");
    let roles = whoami
        .roles
        .iter()
        .map(|role| clean(role))
        .collect::<Vec<_>>()
        .join(", ");
    printer.say(&format!(
        "{tick} logged in to {} as {} ({roles})",
        contact.server,
        clean(&whoami.name)
    ));
    if args.no_link {
        return Ok(());
    }
    let link = client
        .post::<LoginLink>(&Address::of(&["login-link"]), &serde_json::json!({}))?
        .document;
    printer.say(&format!(
        "open this in a browser; it works once, until {}:",
        printer.sight.clock(link.expires_at)
    ));
    printer.data(&format!("{}\n", clean(&link.url)))
}
