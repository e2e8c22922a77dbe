//! Following the changes by the API: events say that something happened, documents say what.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::Arc;
use std::time::Duration;

use facts::RunId;
use tokio::sync::{Notify, mpsc};

use super::story::{Look, is_finished};
use crate::client::{Address, Client, events};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Change, Environments, Run, Runs};

/// How long to wait before events are asked for again after the stream broke.
const PAUSE: Duration = Duration::from_millis(200);
/// How many runs are looked at; the story has fewer.
const RUNS: u32 = 50;

/// Notifies with each event of the server, for as long as somebody listens.
pub(super) fn listen(client: Client) -> Arc<Notify> {
    let heard = Arc::new(Notify::new());
    let weak = Arc::downgrade(&heard);
    std::thread::spawn(move || {
        while weak.strong_count() > 0 {
            let _ = events::follow(&client, |_| match weak.upgrade() {
                Some(heard) => {
                    heard.notify_one();
                    true
                }
                None => false,
            });
            std::thread::sleep(PAUSE);
        }
    });
    heard
}

/// The lines of a step's log as they come.
pub(super) fn log(client: Client, run: RunId, step: &str) -> mpsc::UnboundedReceiver<String> {
    let (lines, reader) = mpsc::unbounded_channel();
    let address = Address::of(&["runs", &run.to_string(), "steps", step, "log"]).with("follow", Some("true"));
    std::thread::spawn(move || {
        let Ok(mut stream) = client.stream(&address) else {
            return;
        };
        let mut line = String::new();
        while matches!(stream.read_line(&mut line), Ok(read) if read > 0) {
            // `<unix ms> <o|e> text`
            if let Some(text) = line.trim_end().splitn(3, ' ').nth(2)
                && lines.send(text.to_owned()).is_err()
            {
                return;
            }
            line.clear();
        }
    });
    reader
}

/// Reads what there is to know about the pushed commits; `known` are runs that are over.
///
/// # Errors
/// When the server does not answer.
pub(super) fn look(client: &Client, commits: &[String], known: &BTreeMap<RunId, Run>) -> Result<Look, Failure> {
    let mut look = Look::default();
    let lines = client
        .get::<Runs>(&Address::of(&["runs"]).with("limit", Some(RUNS)))?
        .document
        .runs;
    for line in lines.into_iter().rev() {
        let run = match known.get(&line.id) {
            Some(run) if is_finished(&line) => run.clone(),
            _ => {
                client
                    .get::<Run>(&Address::of(&["runs", &line.id.to_string()]))?
                    .document
            }
        };
        look.runs.push(run);
    }
    for commit in commits {
        let address = Address::of(&["components", "demo", "guestbook", "changes", commit]);
        match client.get::<Change>(&address) {
            Ok(answer) => {
                look.changes.insert(commit.clone(), answer.document);
            }
            // It was pushed, and the server has not looked at it yet.
            Err(failure) if failure.exit == Exit::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    look.environments = Some(client.get::<Environments>(&Address::of(&["environments"]))?.document);
    Ok(look)
}
