//! One run: its steps, their attempts, their logs.

use std::time::Duration;

use facts::published::Judgement;
use facts::{Commit, ComponentName, Digest, EnvironmentName, ReleaseLine, RunId, StepName, Timestamp, Trust};
use serde::Serialize;

use super::{Button, ChangeName, Progress, Usually};

/// A run in a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunLine {
    /// Its id.
    pub id: RunId,
    /// What it is for.
    pub kind: RunKind,
    /// Of which component.
    pub component: ComponentName,
    /// The change it runs for; a run for a branch that is gone has none.
    pub change: Option<ChangeName>,
    /// The release line it came by.
    pub line: Option<ReleaseLine>,
    /// Where it deploys to.
    pub environment: Option<EnvironmentName>,
    /// How far it is.
    pub progress: Progress,
    /// Why it ended so, or why it is needed, one sentence.
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When its first step started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who asked for it, by the name to show.
    pub by: Option<String>,
    /// The step that runs now or that failed.
    pub at_step: Option<StepName>,
}

/// What a run is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// Builds and tests a commit, and makes its package.
    Build,
    /// Brings a package into an environment.
    Deployment,
    /// Takes an environment back.
    Return,
    /// Anything else, by its own word.
    Other(String),
}

/// The page of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunPage {
    /// The run.
    pub run: RunLine,
    /// The commit it runs on.
    pub commit: Option<Commit>,
    /// How far what started it is trusted.
    pub trust: Trust,
    /// The digest of the definition it follows.
    pub definition: Option<Digest>,
    /// How long such a run usually takes.
    pub usually: Option<Usually>,
    /// The definition could not be read.
    pub broken: Option<Broken>,
    /// Of a rebuild that was judged: how what came out compares.
    pub rebuilt: Option<Rebuilt>,
    /// Its steps, in the order of the plan.
    pub steps: Vec<Step>,
    /// Steps that are not in `steps` because there are too many.
    pub more_steps: usize,
    /// The log that is open.
    pub log: Option<LogView>,
    /// What the viewer may do: cancel, retry.
    pub actions: Vec<Button>,
}

/// What a rebuild came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rebuilt {
    /// Whether the same package came out.
    pub result: Judgement,
    /// Why.
    pub reasons: Vec<String>,
    /// The package that stands.
    pub stands: Digest,
    /// What came out.
    pub rebuilt: Option<Digest>,
    /// The entries that differ.
    pub files: Vec<RebuiltFile>,
    /// Entries that differ and are not in `files` because there are too many.
    pub more: usize,
}

/// An entry that came out otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuiltFile {
    /// Its path in the package.
    pub path: String,
    /// How it differs, in words.
    pub how: String,
    /// In the package that stands, in words.
    pub stands: Option<String>,
    /// In what came out.
    pub rebuilt: Option<String>,
}

/// Why a definition could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// The text of that line.
    pub excerpt: Option<String>,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its name.
    pub name: StepName,
    /// Its action: `run`, `package`, `rollout`.
    pub action: String,
    /// The module that it comes from, with its version.
    pub module: Option<String>,
    /// The steps before it.
    pub needs: Vec<StepName>,
    /// How far it is.
    pub progress: Progress,
    /// When its first attempt started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it ended so, or what it does now.
    pub message: Option<String>,
    /// Its attempts, first to last.
    pub attempts: Vec<Attempt>,
    /// How many attempts it may have.
    pub attempts_allowed: u32,
    /// What its tests say.
    pub tests: Option<Tests>,
    /// What it ran in and beside.
    pub around: Option<Around>,
    /// What it asks a person.
    pub question: Option<Question>,
    /// How long it usually takes.
    pub usually: Option<Usually>,
}

impl Step {
    /// How long it took or has taken so far.
    pub fn took(&self, now: Timestamp) -> Option<Duration> {
        let to = self.finished_at.unwrap_or(now);
        Duration::try_from(to.duration_since(self.started_at?)).ok()
    }
}

/// What a step ran in and beside.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Around {
    /// The image of its container.
    pub image: Option<ImageLine>,
    /// What it was limited to, and how far it was held to that.
    pub limits: Option<String>,
    /// Its services.
    pub services: Vec<ServiceLine>,
}

/// The image of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImageLine {
    /// By the name that the definition gives it.
    pub name: String,
    /// Which one that was.
    pub digest: String,
    /// Who ran it.
    pub engine: String,
}

/// What became of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ServiceLine {
    /// Its name.
    pub name: String,
    /// The image of its container; a process has none.
    pub image: Option<ImageLine>,
    /// How it did, in words.
    pub did: String,
    /// Whether it did as it should.
    pub is_well: bool,
    /// What it said last, where its step did not succeed.
    pub last: Vec<String>,
}

/// What the tests of a step say.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tests {
    /// The counts, in words.
    pub words: String,
    /// How many failed.
    pub failed: u64,
    /// The first that failed.
    pub failures: Vec<FailedCase>,
    /// What could not be read, and why.
    pub notes: Vec<String>,
}

/// A case that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FailedCase {
    /// Its name.
    pub name: String,
    /// What it belongs to.
    pub suite: Option<String>,
    /// What it said.
    pub message: Option<String>,
    /// Where it stands.
    pub file: Option<String>,
}

/// One attempt of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// How far it is.
    pub progress: Progress,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it ended so.
    pub message: Option<String>,
    /// Whether it wrote a log.
    pub has_log: bool,
}

/// What a step asks a person, because nobody can say whether it happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// The question.
    pub text: String,
    /// What was seen when somebody looked.
    pub seen: Option<String>,
    /// The answers the viewer may give.
    pub answers: Vec<Button>,
}

/// A log that is open.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogView {
    /// Of which run.
    pub run: RunId,
    /// Of which step.
    pub step: StepName,
    /// Of which attempt.
    pub attempt: u32,
    /// The lines, first to last; the last ones when there are too many.
    pub lines: Vec<LogLine>,
    /// Lines before the first one shown.
    pub skipped: u64,
    /// More lines may come.
    pub open: bool,
    /// The step wrote more than its budget, and the rest was not kept.
    pub truncated: bool,
    /// The log is past its retention.
    pub expired: bool,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Its number, from 1.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Where to.
    pub output: Output,
    /// What, as it was written: may hold colour escapes, control characters, anything.
    pub text: String,
}

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// Throughline itself says it.
    Note,
}

/// The list of runs.
#[derive(Debug, Clone, Serialize)]
pub struct RunsPage {
    /// What is shown.
    pub filter: RunsFilter,
    /// Components to choose from.
    pub components: Vec<ComponentName>,
    /// The runs, newest first.
    pub runs: Vec<RunLine>,
    /// The query of the page with newer runs, without the question mark.
    pub newer: Option<String>,
    /// The query of the page with older runs, without the question mark.
    pub older: Option<String>,
}

/// What the list of runs shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunsFilter {
    /// Only of this component.
    pub component: Option<ComponentName>,
    /// Only those that are open, or that ended badly.
    pub show: RunsShown,
}

/// Which runs are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunsShown {
    /// All.
    #[default]
    All,
    /// Those that are not finished.
    Open,
    /// Those that failed, timed out or are unknown.
    Failed,
}
