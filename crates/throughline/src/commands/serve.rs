//! `throughline serve`.

use crate::failure::Failure;
use crate::house::{self, Started};
use crate::printer::Printer;
use crate::settings::ServeSettings;
use crate::show::paint::{Tone, paint};

/// Runs the server until it is told to stop.
pub(super) fn serve(settings: ServeSettings, printer: &mut Printer) -> Result<(), Failure> {
    house::serve(settings, |started| tell(started, printer))?;
    printer.say("stopped; deployed instances and running steps go on");
    Ok(())
}

fn tell(started: &Started, printer: &mut Printer) {
    let Started { url, data, first_token } = started;
    let name = |text: &str| paint(Tone::Quiet, &format!("{text:<8}"));
    printer.say(&format!(
        "{} {}",
        paint(Tone::Good, "●"),
        paint(Tone::Strong, "Throughline is ready")
    ));
    printer.say(&format!("  {} {}", name("pages"), paint(Tone::Busy, url)));
    printer.say(&format!(
        "  {} git push {url}/git/TEAM/NAME.git HEAD:main",
        name("push")
    ));
    printer.say(&format!("  {} {}", name("data"), data.display()));
    if let Some(token) = first_token {
        printer.say("");
        printer.say("This is the admin's token. It is shown this once:");
        printer.say("");
        // A reader that has gone is no reason to stop serving.
        let _ = printer.data(&format!("{token}\n"));
        printer.say("");
        printer.hint(&format!(
            "log in with `throughline login {url}`; git takes the token as password"
        ));
    }
    printer.say("");
    printer.say(&paint(
        Tone::Quiet,
        "Ctrl-C stops the server; deployed instances go on.",
    ));
}
