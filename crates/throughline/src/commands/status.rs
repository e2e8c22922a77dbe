//! `throughline status`.

use facts::ComponentName;
use serde::Serialize;

use crate::cli::StatusArgs;
use crate::client::{Address, events};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::show::paint::{Tone, paint};
use crate::wire::{Changes, Environments, Repositories, Servers};

/// How many of the newest changes the overview lists.
const NEWEST: u32 = 10;

/// What is where, what came last, from where, and which servers do it: four documents of the API in one.
#[derive(Debug, Serialize)]
struct Overview<'a> {
    schema: &'static str,
    environments: &'a serde_json::Value,
    changes: &'a serde_json::Value,
    repositories: &'a serde_json::Value,
    servers: &'a serde_json::Value,
}

/// Shows a change, or everything.
pub(super) fn status(args: &StatusArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    match meant(args, session)? {
        Some((component, change)) if args.follow => follow(session, |first| {
            one(&component, &change, args.json.json, first, session, printer)
        }),
        Some((component, change)) => one(&component, &change, args.json.json, true, session, printer).map(|_| ()),
        None if args.follow => follow(session, |_| overview(args, session, printer).map(|()| false)),
        None => overview(args, session, printer),
    }
}

/// The change that is meant, where one is.
fn meant(args: &StatusArgs, session: &Session) -> Result<Option<(ComponentName, String)>, Failure> {
    if let Some(change) = &args.change {
        return Ok(Some((session.component()?, session.meant(change)?)));
    }
    if args.all || session.named_component()?.is_some() {
        return Ok(None);
    }
    let (Some(component), Some(commit)) = (
        session.component_here()?,
        session.checkout().and_then(|checkout| checkout.commit.clone()),
    ) else {
        return Ok(None);
    };
    // A commit that was not pushed yet is no change of the server.
    match session.change(&component, &commit) {
        Ok(_) => Ok(Some((component, commit))),
        Err(failure) if failure.exit == Exit::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Calls `show` whenever something happened, until it says that the end has come.
fn follow(session: &Session, mut show: impl FnMut(bool) -> Result<bool, Failure>) -> Result<(), Failure> {
    let mut result = Ok(());
    let mut first = true;
    let heard = events::follow(&session.client, |_| match show(std::mem::take(&mut first)) {
        Ok(end) => !end,
        Err(failure) => {
            result = Err(failure);
            false
        }
    });
    result.and(heard)
}

/// Shows a change; says whether it has come to its end.
fn one(
    component: &ComponentName,
    change: &str,
    json: bool,
    first: bool,
    session: &Session,
    printer: &mut Printer,
) -> Result<bool, Failure> {
    let answer = session.change(component, change)?;
    printer.sight.now = session.now();
    if json {
        printer.document(&answer.raw)?;
    } else {
        if !first {
            printer.data("\n")?;
        }
        let text = show::change::change(&answer.document, &printer.sight);
        printer.data(&text)?;
    }
    Ok(!matches!(
        answer.document.change.state.as_str(),
        "held" | "building" | "waiting" | "deploying"
    ))
}

/// Shows what is where, and the newest changes.
fn overview(args: &StatusArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let component = session.named_component()?;
    let environments = session.client.get::<Environments>(&Address::of(&["environments"]))?;
    let address = Address::of(&["changes"])
        .with("component", component.as_ref())
        .with("limit", Some(NEWEST));
    let changes = session.client.get::<Changes>(&address)?;
    let repositories = session.client.get::<Repositories>(&Address::of(&["repositories"]))?;
    let servers = session.client.get::<Servers>(&Address::of(&["servers"]))?;
    if args.json.json {
        return printer.document(&Overview {
            schema: "overview/1",
            environments: &environments.raw,
            changes: &changes.raw,
            repositories: &repositories.raw,
            servers: &servers.raw,
        });
    }
    printer.sight.now = session.now();
    let mut document = environments.document;
    if let Some(component) = &component {
        for environment in &mut document.environments {
            environment
                .components
                .retain(|placed| placed.component == component.as_str());
        }
    }
    let mut text = show::environment::environments(&document, &printer.sight);
    text.push('\n');
    text.push_str(&paint(Tone::Strong, "Newest changes"));
    text.push('\n');
    text.push_str(&show::change::changes(&changes.document, &printer.sight));
    let mut sources = repositories.document;
    if let Some(component) = &component {
        sources.repositories.retain(|line| line.component == component.as_str());
    }
    text.push_str(&show::access::troubles(&sources, &printer.sight));
    text.push_str(&show::servers::servers(&servers.document, &printer.sight));
    printer.data(&text)
}
