//! `throughline repo webhook`.

use super::done;
use super::repo::of_repository;
use crate::cli::{WebhookArgs, WebhookCommand, WebhookRotateArgs};
use crate::client::{Address, Answer};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::{MadeWebhook, RotateWebhook, Webhook};

/// Does what is asked about a webhook.
pub(super) fn run(command: WebhookCommand, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        WebhookCommand::Create(args) => create(&args, session, printer),
        WebhookCommand::Show(args) => show(&args, session, printer),
        WebhookCommand::Rotate(args) => rotate(&args, session, printer),
        WebhookCommand::Remove(args) => {
            let answer = session.client.delete(&address(&args.repository, &[])?)?;
            done(&answer, printer);
            Ok(())
        }
    }
}

/// The address of a repository's webhook in the API.
fn address(repository: &str, more: &[&str]) -> Result<Address, Failure> {
    of_repository(repository, &[&["webhook"], more].concat())
}

fn create(args: &WebhookArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session
        .client
        .post::<MadeWebhook>(&address(&args.repository, &[])?, &serde_json::json!({}))?;
    print(&answer, args.json.json, "the webhook", printer)?;
    if !args.json.json {
        printer.say(show::webhook::WHERE);
        if answer.document.url.starts_with("http://127.") || answer.document.url.starts_with("http://[::1]") {
            printer.hint("this address is known to this machine alone: tell `throughline serve` with --public-url the one that others reach it at");
        }
    }
    Ok(())
}

fn rotate(args: &WebhookRotateArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let body = RotateWebhook {
        overlap_seconds: Some(args.overlap.0.as_secs()),
    };
    let answer = session
        .client
        .post::<MadeWebhook>(&address(&args.repository, &["rotate"])?, &body)?;
    print(&answer, args.json.json, "the webhook's new secret", printer)?;
    if !args.json.json {
        printer.say(&match answer.document.previous_until {
            Some(until) => format!("the secret before counts too until {}", printer.sight.clock(until)),
            None => "the secret before counts no more".to_owned(),
        });
    }
    Ok(())
}

fn print(answer: &Answer<MadeWebhook>, json: bool, what: &str, printer: &mut Printer) -> Result<(), Failure> {
    if json {
        return printer.document(&answer.raw);
    }
    printer.say(&format!(
        "{what} for {}; the secret is shown this once:",
        show::paint::clean(&answer.document.component)
    ));
    printer.data(&show::webhook::made(&answer.document))
}

fn show(args: &WebhookArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session.client.get::<Webhook>(&address(&args.repository, &[])?)?;
    if args.json.json {
        return printer.document(&answer.raw);
    }
    let text = show::webhook::webhook(&answer.document, &printer.sight);
    printer.data(&text)
}
