//! How far a long look at a repository is, on standard error where that is a terminal.

use std::sync::mpsc;

use facts::Timestamp;
use survey::{Phase, Progress};

use crate::commands::Around;
use crate::printer::Printer;
use crate::show::paint::{Tone, cut, paint};

/// Nothing is shown of work that is done sooner, in milliseconds.
const PATIENCE: i64 = 400;
/// At least so many milliseconds lie between two pictures.
const PACE: i64 = 80;

/// A message on its way to the one who shows it.
struct Messages(mpsc::Sender<(Phase, u64, Option<u64>)>);

impl Progress for Messages {
    fn at(&self, phase: Phase, done: u64, total: Option<u64>) {
        // When nobody listens any more, nothing is lost.
        let _ = self.0.send((phase, done, total));
    }
}

/// Does `work` and shows meanwhile how far it is.
pub(super) fn watched<T: Send>(
    around: &Around,
    printer: &mut Printer,
    work: impl FnOnce(&dyn Progress) -> T + Send,
) -> T {
    let Some(screen) = around.screen else {
        return work(&());
    };
    let (messages, arrived) = mpsc::channel();
    let clock = around.clock.clone();
    let begun = clock.now();
    std::thread::scope(|threads| {
        let worker = threads.spawn(move || {
            let messages = Messages(messages);
            work(&messages)
        });
        let mut shown: Option<Timestamp> = None;
        for (phase, done, total) in arrived {
            let now = clock.now();
            let since = |then: Timestamp| now.as_millisecond() - then.as_millisecond();
            if since(begun) < PATIENCE || shown.is_some_and(|shown| since(shown) < PACE) {
                continue;
            }
            shown = Some(now);
            let line = cut(&told(phase, done, total), screen().0.saturating_sub(1));
            printer.steer("\r\x1b[K");
            printer.prompt(&paint(Tone::Quiet, &line));
        }
        if shown.is_some() {
            printer.steer("\r\x1b[K");
            printer.prompt("");
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn told(phase: Phase, done: u64, total: Option<u64>) -> String {
    let what = match phase {
        Phase::Refs => "branches and tags",
        Phase::Commits => "commits",
        Phase::Changes => "changes",
        Phase::Files => "files",
        Phase::Reading => "files looked into",
        Phase::Moments => "months",
    };
    match total {
        Some(total) if total > 0 => format!("{what}: {} of {}", grouped(done), grouped(total)),
        _ => format!("{what}: {}", grouped(done)),
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_words() {
        assert_eq!(told(Phase::Commits, 1_234_567, None), "commits: 1,234,567");
        assert_eq!(told(Phase::Moments, 3, Some(12)), "months: 3 of 12");
    }
}
