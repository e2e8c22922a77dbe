//! The facts of delivery, as they stand in the ledger.
//!
//! All facts of one component are in one stream, so that a decision about any of its environments is
//! refused when another decision came in between. What other domains may read is published as
//! [`facts::published::StateObserved`] and [`facts::published::VerdictRecorded`].

use std::collections::BTreeMap;

use facts::published::StateVector;
use facts::{
    Actor, Commit, ComponentId, ComponentName, DeploymentId, Digest, EnvironmentName, ReleaseLine, RunId, Stream,
    Version,
};
use pipeline::document::Gate;
use serde::{Deserialize, Serialize};

/// What the names of the streams of delivery begin with.
pub const STREAM: &str = "delivery";

/// The stream of all delivery facts of a component.
pub fn stream(component: ComponentId) -> Stream {
    Stream::new(STREAM, component)
}

/// The stream in which the observed states of a component's environment are published.
pub fn state_stream(component: ComponentId, environment: &EnvironmentName) -> Stream {
    Stream::new("state", format!("{component}/{environment}"))
}

/// The external key by which a package claims its version.
pub fn version_claim(component: ComponentId, version: &Version) -> String {
    format!("version:{component}/{version}")
}

/// A fact of delivery. The name of each variant's kind is given by [`DeliveryFact::kind`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DeliveryFact {
    /// A trusted build finished well: its package may go on the path.
    Accepted(PackageAccepted),
    /// The commit of a package came to another release line.
    Joined(PackageJoined),
    /// A package that came onto the path depends on changes of other components.
    Depends(PackageDepends),
    /// A deployment is about to begin.
    Intended(DeploymentIntended),
    /// A deployment came to its end.
    Finished(DeploymentFinished),
    /// What runs somewhere was verified for as long as the soak time asks.
    Proven(EnvironmentProven),
    /// A package must never be deployed again, until the cause is linked.
    Barred(PackageBarred),
    /// The cause of a bar was linked: the package may be deployed again.
    Unbarred(PackageUnbarred),
    /// A package will not be deployed here, since a newer one takes its place.
    Superseded(PackageSuperseded),
    /// Somebody approves a package for an environment.
    Approved(ApprovalGiven),
    /// Somebody asks for a package in an environment, out of the automatic order.
    Requested(PromotionRequested),
}

macro_rules! kinds {
    ($($variant:ident => $kind:literal, $body:ident;)*) => {
        impl DeliveryFact {
            /// The kind under which the fact is recorded.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind,)*
                }
            }

            /// Reads a fact of one of this domain's kinds; `None` for any other kind.
            ///
            /// # Errors
            /// When the body does not have the kind's shape.
            pub fn read(kind: &str, body: &serde_json::Value) -> Result<Option<Self>, serde_json::Error> {
                Ok(match kind {
                    $($kind => Some(Self::$variant($body::deserialize(body)?)),)*
                    _ => None,
                })
            }
        }

        $(impl From<$body> for DeliveryFact {
            fn from(body: $body) -> Self {
                Self::$variant(body)
            }
        })*

        /// All kinds of this domain.
        pub const KINDS: &[&str] = &[$($kind),*];
    };
}

kinds! {
    Accepted => "package.accepted", PackageAccepted;
    Joined => "package.joined", PackageJoined;
    Depends => "package.depends", PackageDepends;
    Intended => "deployment.intended", DeploymentIntended;
    Finished => "deployment.finished", DeploymentFinished;
    Proven => "environment.proven", EnvironmentProven;
    Barred => "package.barred", PackageBarred;
    Unbarred => "package.unbarred", PackageUnbarred;
    Superseded => "package.superseded", PackageSuperseded;
    Approved => "approval.given", ApprovalGiven;
    Requested => "promotion.requested", PromotionRequested;
}

/// The kind of [`DeploymentIntended`].
pub(crate) const INTENDED: &str = "deployment.intended";

/// The body of `package.accepted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageAccepted {
    /// The package.
    pub package: Digest,
    /// The name claimed for it.
    pub version: Version,
    /// The component's name at that time.
    pub component_name: ComponentName,
    /// What it was built from.
    pub commit: Commit,
    /// The release line whose tip the commit was.
    pub line: ReleaseLine,
    /// The order of arrival: of two packages of a line the one with the higher number is newer. It
    /// is the ledger position of the push that brought the commit.
    pub order: u64,
    /// The run that built it.
    pub run: RunId,
    /// Who pushed the commit.
    pub author: Actor,
    /// The digest of the definition that is frozen in the package.
    pub definition: Digest,
    /// The gates that the component itself adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
}

/// The body of `package.joined`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageJoined {
    /// The package.
    pub package: Digest,
    /// The release line that its commit came to, without another build.
    pub line: ReleaseLine,
    /// The order of arrival there; see [`PackageAccepted::order`].
    pub order: u64,
}

/// The body of `package.depends`: recorded together with `package.accepted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageDepends {
    /// The package.
    pub package: Digest,
    /// What it depends on.
    pub on: Vec<Dependency>,
}

/// A change of another component that a package depends on: it was built and tested beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// The other component.
    pub component: ComponentId,
    /// What it was called then.
    pub component_name: ComponentName,
    /// The commit that was beside.
    pub commit: Commit,
    /// The `Change-Id` that named it: another commit that has it is the same change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// Whether it is delivered at all: whether its build makes a package.
    pub delivered: bool,
}

/// Why a deployment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A newer package, by itself.
    Advance,
    /// A package that somebody asked for.
    Promotion,
    /// Back to what was proven, because the last deployment failed.
    Return,
    /// Back to what was proven, because somebody asked for it.
    Rollback,
}

impl Purpose {
    /// Whether it brings an earlier state back.
    pub fn is_return(self) -> bool {
        matches!(self, Self::Return | Self::Rollback)
    }

    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::Promotion => "promotion",
            Self::Return => "return",
            Self::Rollback => "rollback",
        }
    }
}

/// The body of `deployment.intended`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentIntended {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Where.
    pub environment: EnvironmentName,
    /// One more than the generation before: one deployment at a time in an environment.
    pub generation: u64,
    /// Why.
    pub purpose: Purpose,
    /// What to bring there.
    pub package: Digest,
    /// The state before.
    pub from: StateVector,
    /// The run that does it.
    pub run: RunId,
    /// The digest of `environments.yaml` in force.
    pub policy: Digest,
    /// Sentences: why the gates let it in.
    pub reasons: Vec<String>,
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentResult {
    /// It is there and verified.
    Succeeded,
    /// The package was judged and found bad.
    Rejected,
    /// Something went wrong that says nothing about the package, or nothing for sure.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Nobody can say what is there; a person has to look.
    Unknown,
}

/// The body of `deployment.finished`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentFinished {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Where.
    pub environment: EnvironmentName,
    /// Its generation.
    pub generation: u64,
    /// How it ended.
    pub result: DeploymentResult,
    /// What the environment holds now. After a failure: what was there before, together with what
    /// stays behind, such as the schema.
    pub state: StateVector,
    /// Whether the environment may hold traces of the failed package, so that a return is due.
    pub disturbed: bool,
    /// Sentences: why it ended so.
    pub reasons: Vec<String>,
}

/// The body of `environment.proven`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentProven {
    /// Where.
    pub environment: EnvironmentName,
    /// The deployment's generation.
    pub generation: u64,
    /// The package that is proven there.
    pub package: Digest,
}

/// The body of `package.barred`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageBarred {
    /// The package.
    pub package: Digest,
    /// Where it was found bad.
    pub environment: EnvironmentName,
    /// The deployment that showed it.
    pub deployment: DeploymentId,
    /// Sentences: what was found.
    pub reasons: Vec<String>,
}

/// The body of `package.unbarred`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageUnbarred {
    /// The package.
    pub package: Digest,
    /// What made it fail, as a link or a sentence.
    pub cause: String,
}

/// The body of `package.superseded`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageSuperseded {
    /// The package that will not be deployed.
    pub package: Digest,
    /// Where.
    pub environment: EnvironmentName,
    /// The newer package.
    pub by: Digest,
}

/// The body of `approval.given`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalGiven {
    /// What is approved.
    pub package: Digest,
    /// For where.
    pub environment: EnvironmentName,
    /// The generation of the environment that was looked at: after another deployment the approval
    /// is void.
    pub generation: u64,
    /// In which role.
    pub role: String,
    /// By whom.
    pub by: Actor,
}

/// The body of `promotion.requested`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromotionRequested {
    /// What is asked for.
    pub package: Digest,
    /// For where.
    pub environment: EnvironmentName,
    /// By whom.
    pub by: Actor,
}

/// What a step of a deployment's run reports, gathered by step name.
pub type StepOutputs = BTreeMap<String, serde_json::Value>;
