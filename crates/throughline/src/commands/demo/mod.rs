//! `throughline demo`: the whole path, on a machine that has git, cargo and a C compiler.
//!
//! The demo uses what everybody can use: `throughline serve`, `git push`, and the API. Nothing outside
//! this folder knows of it.

mod canary;
mod document;
mod draw;
mod end;
mod follow;
mod load;
mod needs;
mod news;
mod play;
mod processes;
mod repository;
mod sample;
mod story;
mod summary;
#[cfg(test)]
mod tests;

pub(super) use self::load::load;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::document::{Document, Ledger};
use self::needs::Places;
use self::play::{Stage, View};
use self::story::Next;
use self::summary::{Summary, invitation};
use super::Around;
use super::signals::Signals;
use crate::cli::DemoArgs;
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::wire::{LoginLink, Verified};

/// Requests a second while the story goes on.
const RATE: u32 = 300;
/// Requests a second afterwards: enough to see something, little enough for a machine that is used.
const LATER_RATE: u32 = 20;
/// How long the load stays on after the end of the story.
const AFTERWARDS: Duration = Duration::from_millis(1_500);

/// Plays the demo.
pub(super) fn demo(args: &DemoArgs, around: &mut Around, printer: &mut Printer) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    let played = runtime.block_on(whole(args, around, printer));
    // A thread that reads from a server that is gone is not waited for.
    runtime.shutdown_background();
    played
}

async fn whole(args: &DemoArgs, around: &mut Around, printer: &mut Printer) -> Result<(), Failure> {
    let begun = Instant::now();
    let variables = around.variables.clone();
    let mut signals = Signals::listen()?;
    needs::programs(&variables).await?;
    let address = needs::address(args.address)?;
    let named = args.folder.as_ref().map(|folder| around.folder.join(folder));
    let places = needs::folder(named, &variables, around.entropy.as_ref())?;
    end::adopt().map_err(|error| Failure::new(Exit::Failed, format!("cannot look after processes: {error}")))?;

    // No screen is steered where the terminal says that it cannot be.
    let screen = around
        .screen
        .filter(|_| variables.get("TERM").is_none_or(|term| term != "dumb"));
    let mut stage = Stage::new(places.clone(), View::new(screen, begun, around.clock.clone()));
    let played = tokio::select! {
        played = played(args, address, &variables, &mut stage, around, printer) => played,
        () = signals.any() => Err(Failure::new(Exit::Interrupted, "interrupted")),
    };
    stage.view.still(&stage.story, printer);
    let interrupted = matches!(&played, Err(failure) if failure.exit == Exit::Interrupted);
    let served = match &played {
        Ok(_) if !args.exit => {
            let served = tokio::select! {
                served = stage.serve(printer) => served,
                () = signals.any() => Ok(()),
            };
            stage.view.clear(printer);
            served
        }
        _ => Ok(()),
    };
    if !args.exit || interrupted {
        printer.say("ending: the load, all instances, the server");
    }
    let gone = tokio::select! {
        gone = stage.end() => gone,
        () = signals.any() => {
            end::at_once().await;
            return Err(Failure::new(Exit::Interrupted, "interrupted again; everything was killed"));
        }
    };
    if !gone {
        printer.warn("a process does not end; it may belong to another user");
    }
    let right = finish(args, begun, &stage, played, printer);
    keep_or_remove(&places, right.is_ok(), printer);
    served.and(right)
}

/// The story from its first line to its end, told.
async fn played(
    args: &DemoArgs,
    address: std::net::SocketAddr,
    variables: &BTreeMap<String, String>,
    stage: &mut Stage,
    around: &Around,
    printer: &mut Printer,
) -> Result<Document, Failure> {
    needs::crates(&stage.places, variables).await?;
    stage.open(address, variables, around).await?;
    let link = stage.get_link().await?;
    stage.view.begin(&link, &stage.places, printer);
    while stage.story.next() != Next::End {
        stage.step(printer).await?;
    }
    stage.linger(AFTERWARDS, printer).await?;
    let totals = stage.finish_load(!args.exit).await?;
    let ledger = stage
        .ask(|client| client.get::<Verified>(&Address::of(&["ledger", "verify"])))
        .await?;
    let ledger = Ledger {
        facts: ledger.facts,
        verified: ledger.verified,
    };
    let seconds = stage.view.elapsed().as_secs_f64();
    let document = Document::of(&stage.story.chapters, &totals, ledger, seconds);
    if !args.exit {
        stage.view.still(&stage.story, printer);
        let link = stage.get_link().await?;
        tell(args, stage, &document, printer)?;
        let program = std::env::current_exe().map(|path| path.display().to_string());
        let program = program.unwrap_or_else(|_| "throughline".to_owned());
        printer.say(&invitation(&stage.places, &link, &program));
    }
    Ok(document)
}

impl Stage {
    async fn get_link(&self) -> Result<String, Failure> {
        let nothing = serde_json::json!({});
        Ok(self
            .ask(move |client| client.post::<LoginLink>(&Address::of(&["login-link"]), &nothing))
            .await?
            .url)
    }
}

/// Tells what happened: as a document or as a text.
fn tell(args: &DemoArgs, stage: &Stage, document: &Document, printer: &mut Printer) -> Result<(), Failure> {
    if args.json {
        return printer.document(document);
    }
    let amiss = document.amiss(&stage.story.chapters);
    let summary = Summary {
        story: &stage.story,
        document,
        amiss: &amiss,
    };
    printer.data(&summary.text())
}

/// With everything ended: the document of a demo that ends by itself, and whether the story came out
/// right.
fn finish(
    args: &DemoArgs,
    begun: Instant,
    stage: &Stage,
    played: Result<Document, Failure>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut document = played?;
    if args.exit {
        document.seconds = (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        tell(args, stage, &document, printer)?;
    }
    let amiss = document.amiss(&stage.story.chapters);
    match amiss.first() {
        None => Ok(()),
        Some(first) => {
            let more = if amiss.len() > 1 {
                format!(" (and {} more)", amiss.len() - 1)
            } else {
                String::new()
            };
            Err(Failure::new(
                Exit::Failed,
                format!("the story did not come out right: {first}{more}"),
            ))
        }
    }
}

/// A temporary folder goes when everything was right; what may explain a failure stays.
fn keep_or_remove(places: &Places, right: bool, printer: &mut Printer) {
    let folder = places.folder.display();
    if !places.temporary {
        printer.say(&format!("everything is kept in {folder}"));
    } else if right {
        if let Err(error) = std::fs::remove_dir_all(&places.folder) {
            printer.warn(&format!("the folder {folder} is left: {error}"));
        }
    } else {
        printer.say(&format!(
            "what may explain it is kept in {folder}; the server's words stand in {}",
            places.log.display()
        ));
    }
}
