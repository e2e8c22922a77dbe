//! The story as lines that are added one after the other, where there is no terminal.

use std::collections::BTreeSet;
use std::time::Duration;

use super::draw::grouped;
use super::story::{Outcome, Story};
use crate::show::change::words;
use crate::show::paint::{Tone, short};
use crate::show::screen::Line;
use crate::show::time::{between, length};

/// How often the load is told.
const LOAD: Duration = Duration::from_secs(10);
/// After how long without news what still runs is told, and how often.
const STILL: Duration = Duration::from_secs(10);

/// What was told already.
#[derive(Debug, Default)]
pub(super) struct News {
    told: BTreeSet<String>,
    load_at: Option<Duration>,
    /// When something of the story was told last.
    news_at: Duration,
    /// When what still runs was told last.
    still_at: Duration,
}

impl News {
    /// The lines that are new, each once.
    pub fn of(&mut self, story: &Story, elapsed: Duration) -> Vec<Line> {
        let mut lines = Vec::new();
        for (index, chapter) in story.chapters.iter().enumerate() {
            let Some(commit) = &chapter.commit else { continue };
            let name = chapter
                .version()
                .map_or_else(|| format!("change {}", index + 1), str::to_owned);
            self.once(format!("pushed {index}"), &mut lines, elapsed, || {
                (
                    Tone::Strong,
                    format!("pushed {}  {}", short(commit), chapter.sample.title()),
                )
            });
            for run in &chapter.runs {
                let place = match (run.run.kind.as_str(), &run.run.environment) {
                    ("return", Some(name)) => format!("return of {name}"),
                    (_, Some(name)) => name.clone(),
                    (kind, None) => kind.to_owned(),
                };
                for step in run.steps.iter().filter(|step| step.state == "finished") {
                    let result = step.result.as_deref().unwrap_or("ended");
                    self.once(format!("{}/{}", run.run.id, step.name), &mut lines, elapsed, || {
                        let took = step
                            .started_at
                            .zip(step.finished_at)
                            .map(|(from, to)| length(between(from, to)));
                        let took = took.map(|took| format!(" in {took}")).unwrap_or_default();
                        let tone = if result == "succeeded" { Tone::Good } else { Tone::Bad };
                        let why = step.message.as_ref().filter(|_| result != "succeeded");
                        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                        (tone, format!("{name} {place}: {} {result}{took}{why}", step.name))
                    });
                }
            }
            if let Some(outcome) = chapter.outcome() {
                let (tone, word) = match &outcome {
                    Outcome::InProduction => (Tone::Good, "in-production"),
                    Outcome::RolledBack => (Tone::Bad, "rolled-back"),
                    Outcome::Other(state) => (Tone::Bad, state.as_str()),
                };
                self.once(format!("outcome {index} {word}"), &mut lines, elapsed, || {
                    (tone, format!("{name} is {}", words(word)))
                });
            }
        }
        if let Some(said) = &story.canary {
            self.once(format!("canary {said}"), &mut lines, elapsed, || {
                (Tone::Quiet, format!("canary: {said}"))
            });
        }
        lines.extend(self.still(story, elapsed));
        if let Some(load) = &story.load
            && self.load_at.is_none_or(|at| elapsed >= at + LOAD)
        {
            self.load_at = Some(elapsed);
            let totals = &load.totals;
            let text = format!(
                "load: {} requests sent, {} failed",
                grouped(totals.sent),
                grouped(totals.failed)
            );
            lines.push(line(elapsed, Tone::Quiet, &text));
        }
        lines
    }

    /// What still runs, where nothing was told for a while: a long build says nothing by itself.
    fn still(&mut self, story: &Story, elapsed: Duration) -> Option<Line> {
        if elapsed < self.news_at.max(self.still_at) + STILL {
            return None;
        }
        let runs = story.chapters.iter().flat_map(|chapter| &chapter.runs);
        let mut steps = runs.flat_map(|run| run.steps.iter().filter(|step| step.state == "running"));
        let step = steps.next()?;
        self.still_at = elapsed;
        let silent = Duration::from_secs((elapsed - self.news_at).as_secs());
        let text = format!("{} goes on; nothing new for {}", step.name, length(silent));
        Some(line(elapsed, Tone::Quiet, &text))
    }

    fn once(&mut self, key: String, lines: &mut Vec<Line>, elapsed: Duration, say: impl FnOnce() -> (Tone, String)) {
        if self.told.insert(key) {
            self.news_at = elapsed;
            let (tone, text) = say();
            lines.push(line(elapsed, tone, &text));
        }
    }
}

fn line(elapsed: Duration, tone: Tone, text: &str) -> Line {
    Line::default()
        .with(Tone::Quiet, format!("{:>6.1}s  ", elapsed.as_secs_f64()))
        .with(tone, text)
}
