//! `throughline rebuild`.

use crate::cli::RebuildArgs;
use crate::client::{Address, Answer, events};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::Rebuild;

/// Builds a change again and says whether the same package came out.
pub(super) fn rebuild(args: &RebuildArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let component = session.component()?;
    let here = || session.checkout().and_then(|checkout| checkout.commit.clone());
    let named = args.change.as_deref().map(|change| session.meant(change)).transpose()?;
    let Some(change) = named.or_else(here) else {
        return Err(Failure::new(Exit::Usage, "no commit is checked out here").hint("name the change"));
    };
    let (team, name) = (component.team(), component.short());
    let address = Address::of(&["components", team, name, "changes", &change, "rebuild"]);
    let started: Answer<Rebuild> = session.client.post(&address, &serde_json::json!({}))?;
    let run = started.document.run.id.to_string();
    if args.no_wait {
        if args.json.json {
            return printer.document(&started.raw);
        }
        printer.hint(&format!("follow it with `throughline logs -f {run}`"));
        return printer.data(&format!("{run}\n"));
    }
    if !args.json.json {
        printer.say(&format!("it is built again by {run}"));
    }
    let ended = wait(&run, session)?;
    if args.json.json {
        printer.document(&ended.raw)?;
    } else {
        let text = show::rebuild::rebuild(&ended.document, &printer.sight);
        printer.data(&text)?;
        if ended.document.result.as_deref() != Some("pass") {
            printer.hint(&format!("`throughline logs {run}` tells what the rebuild did"));
        }
    }
    match ended.document.result.as_deref() {
        Some("pass") => Ok(()),
        _ => Err(Failure::told(Exit::Failed)),
    }
}

/// The rebuild once it is judged, or ended without a verdict because somebody cancelled it.
fn wait(run: &str, session: &Session) -> Result<Answer<Rebuild>, Failure> {
    let address = Address::of(&["runs", run, "rebuild"]);
    let mut ended: Result<Option<Answer<Rebuild>>, Failure> = Ok(None);
    events::follow(&session.client, |_| match session.client.get::<Rebuild>(&address) {
        Ok(answer) => {
            let document = &answer.document;
            if document.result.is_none() && document.run.result.as_deref() != Some("cancelled") {
                return true;
            }
            ended = Ok(Some(answer));
            false
        }
        Err(failure) => {
            ended = Err(failure);
            false
        }
    })?;
    ended?.ok_or_else(|| {
        Failure::new(Exit::NotReachable, "the server went away before the verdict").hint(format!(
            "the rebuild goes on with it; `throughline runs {run}` shows it"
        ))
    })
}
