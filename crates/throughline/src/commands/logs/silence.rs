//! What a terminal shows while steps say nothing: which, for how long, and how long they have run. Time
//! is counted here; the server is asked nothing for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use facts::Timestamp;

use crate::printer::Printer;
use crate::show::paint::{Tone, clean, cut, paint};
use crate::show::time::{between, length};
use crate::wire::StepLine;

/// After how long without a line something is shown.
const LONG: Duration = Duration::from_secs(3);
/// How often it is drawn again.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// A step that runs.
struct Running {
    /// Since when.
    since: Option<Timestamp>,
    /// When its last line came.
    heard: Instant,
}

/// The steps that run, and whether a line about them is on the terminal.
pub(super) struct Silence {
    on_terminal: bool,
    running: BTreeMap<String, Running>,
    shown: bool,
}

impl Silence {
    /// Shows nothing where nobody looks.
    pub fn new(on_terminal: bool) -> Self {
        Self {
            on_terminal,
            running: BTreeMap::new(),
            shown: false,
        }
    }

    /// How long to wait for the next message before [`tell`](Self::tell); for good where `None`.
    pub fn patience(&self) -> Option<Duration> {
        (self.on_terminal && !self.running.is_empty()).then_some(TICK)
    }

    /// Takes in which steps run now.
    pub fn look(&mut self, steps: &[StepLine], printer: &mut Printer) {
        self.running
            .retain(|name, _| steps.iter().any(|step| step.name == *name && step.state == "running"));
        for step in steps.iter().filter(|step| step.state == "running") {
            self.running.entry(step.name.clone()).or_insert_with(|| Running {
                since: step.started_at,
                heard: Instant::now(),
            });
        }
        if self.running.is_empty() {
            self.clear(printer);
        }
    }

    /// A step said something.
    pub fn heard(&mut self, step: &str, printer: &mut Printer) {
        if let Some(running) = self.running.get_mut(step) {
            running.heard = Instant::now();
        }
        self.clear(printer);
    }

    /// Draws the line about what has been silent longest.
    pub fn tell(&mut self, now: Timestamp, printer: &mut Printer) {
        let longest = self.running.iter().min_by_key(|(_, running)| running.heard);
        let Some((step, running)) = longest.filter(|(_, running)| running.heard.elapsed() >= LONG) else {
            return;
        };
        let others = match self.running.len() - 1 {
            0 => String::new(),
            1 => ", and one more step runs".to_owned(),
            more => format!(", and {more} more steps run"),
        };
        let text = words(
            step,
            running.heard.elapsed(),
            running.since.map(|since| between(since, now)),
            &others,
        );
        let text = match printer.sight.width {
            Some(columns) => cut(&text, columns.saturating_sub(1)),
            None => text,
        };
        printer.steer("\r\x1b[K");
        printer.prompt(&paint(Tone::Quiet, &text));
        self.shown = true;
    }

    /// Takes the line away.
    pub fn clear(&mut self, printer: &mut Printer) {
        if std::mem::take(&mut self.shown) {
            printer.steer("\r\x1b[K");
            printer.prompt("");
        }
    }
}

fn words(step: &str, silent: Duration, running: Option<Duration>, others: &str) -> String {
    let whole = |duration: Duration| match duration.as_secs() {
        seconds @ 0..10 => format!("{seconds} s"),
        seconds => length(Duration::from_secs(seconds)),
    };
    let running = running
        .map(|running| format!(", runs for {}", whole(running)))
        .unwrap_or_default();
    format!("{}: no output for {}{running}{others}", clean(step), whole(silent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_step_is_told_with_how_long_and_whole_seconds() {
        let silent = Duration::from_millis(12_900);
        assert_eq!(
            words("build", silent, Some(Duration::from_millis(63_400)), ""),
            "build: no output for 12 s, runs for 1 min 3 s"
        );
        assert_eq!(
            words("build", silent, None, ", and one more step runs"),
            "build: no output for 12 s, and one more step runs"
        );
    }
}
