//! What can be told.

use std::fmt;
use std::time::Duration;

use facts::{Commit, ComponentName, Digest, EnvironmentName, FactId, Position, ReleaseLine, RunId, Timestamp};
use serde::{Deserialize, Serialize};

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal;)*) => {
        /// A kind of event. The order is that of how much it says: of two about the same fact, the
        /// earlier is told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Event {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Event {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it, in rules and documents.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// What it is, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+),)*
                }
            }
        }
    };
}

events! {
    /// The first build of a release line that failed, after one that succeeded or as the first of all.
    LineBroken = "line-broken";
    /// The first build of a release line that succeeded, after one that failed.
    LineRecovered = "line-recovered";
    /// A build failed.
    RunFailed = "run-failed";
    /// An environment goes back to an earlier package, by itself or because somebody asked for it.
    PackageReturned = "package-returned";
    /// A deployment did not succeed.
    DeploymentFailed = "deployment-failed";
    /// A deployment succeeded.
    DeploymentDone = "deployment-done";
    /// A step asks a person whether it was done.
    AnswerWaits = "answer-waits";
    /// A package stands before an environment and waits for an approval.
    ApprovalWaits = "approval-waits";
    /// A package has stood before an environment for as long as the rule says, whatever it waits for.
    GateWaits = "gate-waits";
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that happened, with what rules ask about and what people are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// What.
    pub event: Event,
    /// What makes it this one and no other: the id of its fact, or what waits where and for what. What
    /// a recipient is told twice under the same key is the same thing.
    pub key: String,
    /// Its fact, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<(Position, FactId)>,
    /// When it happened, or since when it is so.
    pub at: Timestamp,
    /// About which component.
    pub component: ComponentName,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// On which release line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<ReleaseLine>,
    /// The run that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The commit that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The package that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Digest>,
    /// The package that was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// In which role somebody is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// How long it has waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Duration>,
    /// Why, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}
