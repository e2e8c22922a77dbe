//! `throughline runs`.

use crate::cli::RunsArgs;
use crate::client::Address;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::{Run, Runs};

/// Lists runs, or shows one.
pub(super) fn runs(args: &RunsArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    if let Some(run) = &args.run {
        let run = session.run(run)?.to_string();
        let answer = session.client.get::<Run>(&Address::of(&["runs", &run]))?;
        if args.json.json {
            return printer.document(&answer.raw);
        }
        let text = show::run::run(&answer.document, &printer.sight);
        return printer.data(&text);
    }
    let component = session.named_component()?;
    let address = Address::of(&["runs"])
        .with("component", component.as_ref())
        .with("kind", args.kind.as_ref())
        .with("environment", args.environment.as_ref())
        .with("state", args.state.as_ref())
        .with("result", args.result.as_ref())
        .with("commit", args.commit.as_ref())
        .with("limit", Some(args.limit));
    let answer = session.client.get::<Runs>(&address)?;
    if args.json.json {
        return printer.document(&answer.raw);
    }
    let text = show::run::runs(&answer.document, &printer.sight);
    printer.data(&text)
}
