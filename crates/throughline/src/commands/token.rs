//! `throughline token`.

use facts::TokenId;

use super::done;
use crate::cli::TokenCreateArgs;
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::{MadeToken, NewToken, Tokens};

/// Makes a token and prints it: the only time.
pub(super) fn create(args: TokenCreateArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let lifetime_seconds = args.lifetime.map(|span| span.0.as_secs());
    let body = NewToken {
        name: args.name,
        role: args.role,
        components: args.components,
        environments: args.environments,
        duties: args.duty,
        lifetime_seconds,
    };
    let answer = session.client.post::<MadeToken>(&Address::of(&["tokens"]), &body)?;
    if args.json.json {
        return printer.document(&answer.raw);
    }
    let ends = args.lifetime.map(|span| format!(", for {span}")).unwrap_or_default();
    printer.say(&format!(
        "the token of `{}` ({}{ends}); it is shown this once:",
        body.name,
        reach(&body)
    ));
    printer.data(&format!("{}\n", answer.document.token))
}

/// What the token may, in words.
fn reach(token: &NewToken) -> String {
    let list = |word: &str, all: &[String]| match all {
        [] => String::new(),
        _ => format!(" {word} {}", all.join(", ")),
    };
    let place = list("of", &token.components) + &list("in", &token.environments);
    let duties = match token.duties.as_slice() {
        [] => String::new(),
        duties => format!("; approves as {}", duties.join(", ")),
    };
    format!("{}{place}{duties}", token.role)
}

/// Lists the tokens.
pub(super) fn list(json: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session.client.get::<Tokens>(&Address::of(&["tokens"]))?;
    if json {
        return printer.document(&answer.raw);
    }
    let text = show::access::tokens(&answer.document, &printer.sight);
    printer.data(&text)
}

/// Ends a token's rights.
pub(super) fn revoke(token: &str, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let id = match token.parse::<TokenId>() {
        Ok(id) => id,
        Err(_) => named(
            token,
            &session.client.get::<Tokens>(&Address::of(&["tokens"]))?.document,
        )?,
    };
    let answer = session.client.delete(&Address::of(&["tokens", &id.to_string()]))?;
    done(&answer, printer);
    Ok(())
}

/// The one token of a name that has not been revoked.
fn named(name: &str, tokens: &Tokens) -> Result<TokenId, Failure> {
    let meant: Vec<TokenId> = tokens
        .tokens
        .iter()
        .filter(|each| each.name == name && !each.revoked)
        .map(|each| each.id)
        .collect();
    match meant.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new(Exit::NotFound, format!("there is no token `{name}`"))
            .hint("`throughline token list` shows them")),
        several => Err(
            Failure::new(Exit::Usage, format!("{} tokens are named `{name}`", several.len()))
                .hint("name it by its id; `throughline token list` shows it"),
        ),
    }
}
