//! One change and its way from commit to users.

use std::time::Duration;

use facts::published::Judgement;
use facts::{Digest, EnvironmentName, ReleaseLine, RunId, Timestamp, Trust};
use serde::Serialize;

use super::{Button, Canary, ChangeName, Tone, Usually, Waiting};

/// The page of a change.
#[derive(Debug, Clone, Serialize)]
pub struct ChangePage {
    /// The change.
    pub change: ChangeName,
    /// The rest of the commit's message.
    pub body: String,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// When it came.
    pub arrived_at: Timestamp,
    /// The release line it came by.
    pub line: Option<ReleaseLine>,
    /// How far it is trusted.
    pub trust: Trust,
    /// Its package, once built.
    pub package: Option<Digest>,
    /// What it touches.
    pub parts: Vec<ChangePart>,
    /// Where it stands.
    pub state: ChangeState,
    /// Its way, in order: commit, run, package, then each environment.
    pub stations: Vec<Station>,
    /// What its build waits for, each a sentence; nothing once it is built.
    pub held: Vec<String>,
    /// While its build waits, a newer change of its branch that holds it too.
    pub overtaken: Option<ChangeName>,
    /// What holds it now; more than one only where the path forks.
    pub waiting: Vec<Waiting>,
    /// How long the whole way, from commit to the last environment, usually takes.
    pub usually: Option<Usually>,
    /// Why it concerns this component, where the repository holds several.
    pub concern: Option<String>,
    /// The same commit in the other components that it concerns, by name.
    pub together: Vec<Together>,
    /// The changes in other repositories that it depends on.
    pub depends_on: Vec<DependsOn>,
    /// The changes in other repositories that depend on it.
    pub depended_on_by: Vec<ChangeName>,
    /// Its canaries, latest first.
    pub canaries: Vec<Canary>,
    /// When and why an environment went back from it; latest first.
    pub returns: Vec<Return>,
    /// Its package may not go anywhere any more.
    pub never_again: Option<NeverAgain>,
    /// What happened, latest first.
    pub entries: Vec<Entry>,
    /// What the viewer may do, such as promote or roll back.
    pub actions: Vec<Button>,
}

/// The same commit in another component of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Together {
    /// The change of that component.
    pub change: ChangeName,
    /// Why the commit concerns it.
    pub concern: String,
    /// Where it stands there.
    pub state: ChangeState,
    /// What it waits for before it is built, each a sentence.
    pub held: Vec<String>,
}

/// A change in another repository that one depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependsOn {
    /// What its message says.
    pub said: String,
    /// The change, where it is here and the viewer may see it.
    pub change: Option<ChangeName>,
    /// Where it stands with the build, as a sentence.
    pub what: String,
    /// How far it is in each environment: whether it may be followed there, and a sentence.
    pub places: Vec<(EnvironmentName, bool, String)>,
}

/// A part of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangePart {
    /// Program code.
    Code,
    /// A database migration.
    Migration,
    /// Settings of environments.
    Configuration,
    /// A feature flag.
    Flag,
    /// A model.
    Model,
    /// Infrastructure.
    Infrastructure,
    /// Tests.
    Test,
    /// The pipeline's definition.
    Pipeline,
}

/// Where a change stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeState {
    /// Something moves it now.
    Underway,
    /// It waits before a gate.
    Waiting,
    /// It is in the last environment of its path.
    Delivered,
    /// It was in an environment that went back from it.
    Returned,
    /// Its run failed, or a deployment of it did.
    Failed,
    /// A newer change took its place; by ancestry it is delivered with that one.
    Superseded {
        /// The newer one.
        by: ChangeName,
    },
    /// Its run was cancelled.
    Cancelled,
    /// It was built and goes no further: its commit is on no release line, or is not trusted.
    BuiltOnly,
}

/// A stop on the way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Station {
    /// Which.
    pub place: Place,
    /// How the change stands to it.
    pub state: StationState,
    /// When the way to it began: the run or deployment started.
    pub started_at: Option<Timestamp>,
    /// When the change arrived, or when it ended here.
    pub reached_at: Option<Timestamp>,
    /// What happens or happened, in a few words: `canary at 20 %`, `3 steps`.
    pub note: Option<String>,
    /// The verdicts that counted here.
    pub verdicts: Vec<VerdictMark>,
    /// The run or deployment that leads here.
    pub run: Option<RunId>,
    /// How long the way to this station usually takes.
    pub usually: Option<Usually>,
}

impl Station {
    /// How long the way here took, where it is over.
    pub fn took(&self) -> Option<Duration> {
        let (from, to) = (self.started_at?, self.reached_at?);
        Duration::try_from(to.duration_since(from)).ok()
    }
}

/// What a station is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The commit.
    Commit,
    /// The run that builds and tests it.
    Run,
    /// Its package.
    Package,
    /// An environment.
    Environment(EnvironmentName),
    /// The people who use it; the note says what share of their requests it answers.
    Users,
}

/// How a change stands to a station. A package that may not be deployed any more is `Returned`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StationState {
    /// Not begun.
    NotYet,
    /// It stands before it and waits.
    Waiting,
    /// On its way in.
    Underway,
    /// It is there.
    Reached,
    /// It is there, verified and soaked.
    Proven,
    /// It was there; a newer change is there now.
    Passed,
    /// It went wrong.
    Failed,
    /// It was there, or partly, and was taken back.
    Returned,
    /// It will not come here.
    NotComing,
}

/// A verdict, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictMark {
    /// What was judged: `tests`, `smoke`, `canary`, a gate's name.
    pub about: String,
    /// What it came to.
    pub result: Judgement,
    /// Why, in sentences.
    pub reasons: Vec<String>,
}

/// An environment went back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Return {
    /// Which environment.
    pub environment: EnvironmentName,
    /// What it went back to.
    pub to: ChangeName,
    /// The package it went back to.
    pub to_package: Digest,
    /// When the decision fell.
    pub decided_at: Timestamp,
    /// When it was complete.
    pub finished_at: Option<Timestamp>,
    /// Who or what decided: `the canary's verdict`, a person's name.
    pub by: String,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    /// What was returned with it: `configuration`, `flags`.
    pub with: Vec<String>,
    /// The run that did it.
    pub run: Option<RunId>,
}

/// A package that may not be deployed any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NeverAgain {
    /// The package.
    pub package: Digest,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// What lifts it.
    pub hint: String,
}

/// Something that happened, as a line of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub tone: Tone,
    /// What, one sentence.
    pub text: String,
    /// More, where there is more.
    pub detail: Option<String>,
    /// Who, by the name to show.
    pub by: Option<String>,
    /// Where it can be looked at, a path on this server.
    pub link: Option<String>,
}
