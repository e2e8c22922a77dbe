//! What happened, what is where, and what to open: the end of the story as a text.

use super::document::Document;
use super::draw::grouped;
use super::needs::Places;
use super::story::{Chapter, Outcome, Story};
use crate::show::change::{sign, words};
use crate::show::paint::{Tone, clean, paint, short};

/// Everything of the summary.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    /// The story.
    pub story: &'a Story,
    /// What came of it.
    pub document: &'a Document,
    /// What is amiss.
    pub amiss: &'a [String],
}

impl Summary<'_> {
    /// The text, with a line end at its end.
    pub fn text(&self) -> String {
        let mut text = heading(&format!("What happened in {:.0} s", self.document.seconds));
        for chapter in &self.story.chapters {
            text.push_str(&happened(chapter));
        }
        text.push_str(&heading("What is where"));
        for environment in ["staging", "production"] {
            text.push_str(&self.held(environment));
        }
        text.push_str(&heading("Requests"));
        text.push_str(&self.requests());
        text.push_str(&heading("Ledger"));
        let ledger = &self.document.ledger;
        let (mark, tone, verified) = match ledger.verified {
            true => ("✓", Tone::Good, "each as it was recorded"),
            false => ("✗", Tone::Bad, "not as recorded"),
        };
        let facts = grouped(ledger.facts);
        text.push_str(&format!("  {} {facts} facts, {verified}\n", paint(tone, mark)));
        if !self.amiss.is_empty() {
            text.push_str(&heading("Amiss"));
            for one in self.amiss {
                text.push_str(&format!("  {} {}\n", paint(Tone::Bad, "✗"), clean(one)));
            }
        }
        text
    }

    fn held(&self, environment: &str) -> String {
        let Some(placed) = self.story.placed(environment) else {
            return format!("  {environment:<11}nothing\n");
        };
        let version = placed.version.as_deref().unwrap_or("nothing");
        let package = placed
            .package
            .map(|package| format!("sha256:{}", package.short()))
            .unwrap_or_default();
        let url = placed.url.as_deref().unwrap_or_default();
        format!(
            "  {environment:<11}{}  {}  {}\n",
            paint(Tone::Strong, &clean(version)),
            paint(Tone::Quiet, &package),
            paint(Tone::Busy, &clean(url))
        )
    }

    fn requests(&self) -> String {
        let requests = &self.document.requests;
        let mut text = format!(
            "  {} requests to production, {} failed\n",
            grouped(requests.sent),
            grouped(requests.failed)
        );
        for one in &requests.by_package {
            let version = self.story.version_of(&one.package).unwrap_or("?");
            let tone = if one.failed == 0 { Tone::Quiet } else { Tone::Bad };
            text.push_str(&format!(
                "    {:<8} {}  {:>8} sent  {}\n",
                clean(version),
                paint(Tone::Quiet, short(&one.package)),
                grouped(one.sent),
                paint(tone, &format!("{} failed", grouped(one.failed)))
            ));
        }
        if requests.unattributed_failed > 0 {
            let lost = format!(
                "    {} failed without a package's name\n",
                grouped(requests.unattributed_failed)
            );
            text.push_str(&paint(Tone::Bad, &lost));
        }
        text
    }
}

/// What one may do while it keeps serving.
/// `program` is this program's own file.
pub(super) fn invitation(places: &Places, link: &str, program: &str) -> String {
    let folder = places.folder.display();
    let mut text = heading("Look around");
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("  {} {value}\n", paint(Tone::Quiet, &format!("{name:<9}"))));
    };
    line(
        "pages",
        &format!(
            "{}  {}",
            paint(Tone::Busy, link),
            paint(Tone::Quiet, "(logs you in, once)")
        ),
    );
    line(
        "commands",
        &format!("{program} --settings {folder}/throughline.toml status"),
    );
    line(
        "push",
        &format!("cd {folder}/guestbook && git commit --allow-empty -m 'feat: mine' && git push"),
    );
    line("requests", &format!("{folder}/requests.jsonl"));
    text.push_str(&format!(
        "\n{}\n",
        paint(Tone::Quiet, "Ctrl-C ends everything; no process is left behind.")
    ));
    text
}

fn heading(text: &str) -> String {
    format!("\n{}\n", paint(Tone::Strong, text))
}

fn happened(chapter: &Chapter) -> String {
    let Some(change) = &chapter.change else {
        return format!(
            "  {} {}\n",
            paint(Tone::Quiet, "○"),
            paint(Tone::Quiet, chapter.sample.title())
        );
    };
    let (mark, tone) = sign(&change.change.state);
    let version = chapter.version().unwrap_or_else(|| short(&change.change.commit));
    let mut text = format!(
        "  {} {}  {}  {}\n",
        paint(tone, mark),
        paint(Tone::Strong, &clean(version)),
        chapter.sample.title(),
        paint(tone, &words(&clean(&change.change.state)))
    );
    let mut why = |sentences: &str| {
        for sentence in sentences.split("; ") {
            text.push_str(&format!("      {}\n", paint(Tone::Quiet, &clean(sentence))));
        }
    };
    match chapter.outcome() {
        Some(Outcome::InProduction) => match chapter.verdict("pass") {
            Some(reason) => why(&format!("by canary: {reason}")),
            None => why("built once, tested, the same package in staging and in production"),
        },
        Some(Outcome::RolledBack) => {
            for reason in change.never_again.iter().flatten() {
                why(&format!("never again: {reason}"));
            }
        }
        _ => {
            let notes = change.stations.iter().filter_map(|station| station.note.as_deref());
            notes.for_each(why);
        }
    }
    text
}
