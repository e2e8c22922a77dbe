//! What the pages show, as plain data.
//!
//! The server fills these structs; the pages turn them into HTML. Every time is a [`Timestamp`], and
//! the time now comes with the [`Frame`]. Every status is an enum, and a state that cannot be has no
//! value. Texts are raw: whatever they hold, the pages escape it.

pub mod assessment;
mod canary;
mod change;
mod component;
mod difference;
mod environment;
mod ledger;
mod overview;
mod package;
mod repository;
mod run;
mod search;
mod settings;

pub use canary::{Canary, CanaryGroup, Comparison, GroupKind, OnDeadline, RouteFailures, Unit};
pub use change::{
    ChangePage, ChangePart, ChangeState, DependsOn, Entry, NeverAgain, Place, Return, Station, StationState, Together,
    VerdictMark,
};
pub use component::{ComponentPage, DefinitionView, Owners, PlaceView, PlannedStep, RemoteView};
pub use difference::{ComponentDifference, DifferencePage, Differing, DifferingLine, Held, Order};
pub use environment::{DeploymentKind, DeploymentLine, EnvironmentComponent, EnvironmentPage};
pub use ledger::{Chain, FactFilter, FactLine, FactPage, LedgerPage, Verification, VerifyPage};
pub use overview::{
    Cell, Column, Coming, ComponentRow, Health, Overview, Placed, RecentChange, Share, Standing, Trouble, WaitingChange,
};
pub use package::{
    DifferingFile, EntryKind, MadeAbout, MadeDifferently, MadePart, MadeValue, Making, OpenFile, OtherPackage,
    PackageDifference, PackageEntry, PackagePage, PackageVerdict, Stay, StayState,
};
pub use repository::{CommitLine, CommitPage, ListedComponent, RepositoryPage};
pub use run::{
    Around, Attempt, Broken, FailedCase, ImageLine, LogLine, LogView, Output, Question, Rebuilt, RebuiltFile, RunKind,
    RunLine, RunPage, RunsFilter, RunsPage, RunsShown, ServiceLine, Step, Tests,
};
pub use search::{SearchGroup, SearchHit, SearchPage};
pub use settings::{
    Channel, DeliveryNote, DeliveryState, NotificationsView, PersonLine, ServerLine, ServersView, SettingLine,
    SettingsPage, TokenLine,
};

use std::time::Duration;

use facts::{Commit, ComponentName, Position, Timestamp, Version};
use serde::Serialize;

/// What surrounds every page.
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    /// The time now.
    pub now: Timestamp,
    /// The ledger's position the page was read at: "as of fact N". Live updates begin after it.
    pub as_of: Position,
    /// Who looks; `None` before login.
    pub viewer: Option<Viewer>,
    /// The look the viewer chose, kept in a cookie.
    pub theme: Theme,
    /// Path and query of this page, to come back to after a form.
    pub path: String,
    /// The token that every form carries back, bound to the session.
    pub form_token: String,
    /// What everybody should know now, such as a full disk.
    pub notices: Vec<Notice>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone, Serialize)]
pub struct Viewer {
    /// The name to show.
    pub name: String,
    /// Whether they may look through the ledger.
    pub reads_ledger: bool,
}

/// Light, dark, or as the viewer's system says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// As the system says (`prefers-color-scheme`).
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// All of them, in the order the toggle offers them.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The word in the cookie and in the form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads the word of a cookie or a form; anything else is [`Theme::System`].
    pub fn from_word(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|theme| theme.as_str() == word)
            .unwrap_or_default()
    }
}

/// A message above the page.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// How much it matters.
    pub tone: Tone,
    /// What happened, one sentence.
    pub text: String,
    /// What to do now.
    pub hint: Option<String>,
}

/// How much something matters. Colour follows it, and never carries it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Active,
    /// Somebody should look, or something waits.
    Attention,
    /// It went wrong.
    Bad,
    /// Neither.
    Quiet,
}

/// A change, named: enough to show it in a line and to link to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeName {
    /// Of which component.
    pub component: ComponentName,
    /// The commit.
    pub commit: Commit,
    /// The first line of its message.
    pub title: String,
    /// Who wrote it, by the name to show.
    pub author: Option<String>,
    /// Its version, once claimed.
    pub version: Option<Version>,
}

/// How far something that runs has come. State and result are two enums; only what is finished has
/// a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// It waits for something before it.
    Waiting,
    /// It may start.
    Ready,
    /// It runs.
    Running,
    /// It failed and will be tried again at this time.
    Backoff {
        /// When it is tried again.
        until: Timestamp,
    },
    /// It asks a person.
    Asking,
    /// It is over.
    Finished(Outcome),
}

impl Progress {
    /// Whether nothing more will happen by itself or otherwise.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Finished(_))
    }
}

/// What something that ran came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// Its condition did not hold, or something before it failed.
    Skipped,
    /// It took too long.
    TimedOut,
    /// Nobody can say whether it happened.
    Unknown,
}

/// What holds a change, and for whom it waits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// What kind of wait it is.
    pub reason: WaitReason,
    /// The gate or the step that holds it, by name.
    pub gate: String,
    /// What is missing, one sentence.
    pub what: String,
    /// Whom it waits for: people or roles by the names to show. Empty when it goes on by itself.
    pub whom: Vec<String>,
    /// Since when.
    pub since: Timestamp,
    /// When it goes on or gives up by itself, where that is known.
    pub until: Option<Timestamp>,
    /// How long this wait usually takes here.
    pub usually: Option<Usually>,
    /// What the viewer may do about it.
    pub answers: Vec<Button>,
}

/// Why something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitReason {
    /// A person must approve.
    Approval,
    /// A gate's condition does not hold yet.
    Gate,
    /// Another deployment has the environment.
    Turn,
    /// It must stay verified for a while.
    Soak,
    /// More evidence is needed.
    Evidence,
    /// A step asks a person what happened.
    Question,
    /// Nobody may deploy here now.
    Freeze,
}

/// How long something took before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usually {
    /// Half of them took no longer.
    pub median: Duration,
    /// Nine of ten took no longer.
    pub ninetieth: Duration,
    /// Over how many this was computed.
    pub of: u32,
}

/// Something the viewer may do: a form with one button, sent by POST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Button {
    /// What it says: a verb.
    pub label: String,
    /// Where the form goes, a path on this server; see [`crate::links`].
    pub path: String,
    /// Further fields, as names and values.
    pub fields: Vec<(String, String)>,
    /// How it looks.
    pub weight: ButtonWeight,
    /// What whoever presses it has to say.
    pub asks: Option<Asks>,
}

/// A line of text that goes with a button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asks {
    /// The field's name in the form.
    pub name: String,
    /// What it says before something is typed.
    pub label: String,
}

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ButtonWeight {
    /// The one thing to do here; at most one of them in a group.
    Primary,
    /// Something one may do.
    Plain,
    /// Something that stops or undoes.
    Danger,
}

/// The page before login.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoginPage {
    /// Where to go afterwards, a path on this server.
    pub next: String,
    /// What was wrong with the last try.
    pub problem: Option<String>,
}

/// A page that says what went wrong.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorPage {
    /// The HTTP status.
    pub status: u16,
    /// What happened, one sentence.
    pub message: String,
    /// What to do now.
    pub hint: Option<String>,
    /// The error's code, as in the API.
    pub code: Option<String>,
}
