//! What a step does: purposes, the tables that say which program has which, and the way through the
//! tree from a step to the program that is started in the end.

mod doings;
mod files;
mod found;
mod names;
mod parts;
mod programs;
mod resolve;
mod targets;
mod wording;

use crate::model::At;

pub use parts::of_part;
pub use resolve::{Context, Resolver};
pub(crate) use wording::{join, parent};

macro_rules! purposes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// What something is done for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Purpose {
            $($(#[$doc])* $variant,)*
        }

        impl Purpose {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word in the tables.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

purposes! {
    /// To compile or bundle.
    Build = "build",
    /// To test, in the way that unit tests do.
    Test = "test",
    /// To test with other parts.
    Integration = "integration",
    /// To test from the outside.
    Acceptance = "acceptance",
    /// To measure speed or load.
    Performance = "performance",
    /// To fail when speed or size is not as it should be.
    Threshold = "threshold",
    /// To look for bad style or likely mistakes.
    Lint = "lint",
    /// To check the format.
    Format = "format",
    /// To check types.
    Types = "types",
    /// To analyse quality.
    Analysis = "analysis",
    /// To measure coverage.
    Coverage = "coverage",
    /// To fail when coverage is too low.
    CoverageGate = "coverage-gate",
    /// To hand coverage to a service.
    CoverageUpload = "coverage-upload",
    /// To scan dependencies for weaknesses.
    Dependencies = "dependencies",
    /// To scan the code for weaknesses.
    Code = "code",
    /// To hand the results of a scan to a service.
    CodeUpload = "code-upload",
    /// To scan for secrets.
    Secrets = "secrets",
    /// To scan images.
    Images = "images",
    /// To make what is installed or shipped.
    Package = "package",
    /// To build a container image.
    ImagesBuilt = "images-built",
    /// To push an image to a registry.
    Push = "push",
    /// To build an image of a machine.
    MachineImage = "machine-image",
    /// To publish a package.
    Publish = "publish",
    /// To build a site beside the product.
    SiteBuilt = "site-built",
    /// To publish a static site.
    Pages = "pages",
    /// To compute or raise a version.
    Version = "version",
    /// To make a tag.
    Tag = "tag",
    /// To make a tag when there is none.
    TagIfNone = "tag-if-none",
    /// To make a release.
    Release = "release",
    /// To write release notes.
    Notes = "notes",
    /// To deploy.
    Deploy = "deploy",
    /// To migrate a database.
    Migrate = "migrate",
    /// To show what an application of infrastructure or a deployment would change.
    Plan = "plan",
    /// To apply infrastructure.
    Apply = "apply",
    /// To apply configuration.
    Configure = "configure",
    /// To sign.
    Sign = "sign",
    /// To bring the keys for signing.
    SignSetup = "sign-setup",
    /// To list what is inside.
    Sbom = "sbom",
    /// To attest where it comes from.
    Provenance = "provenance",
    /// To train a model.
    Train = "train",
    /// To evaluate a model.
    Evaluate = "evaluate",
    /// To validate data.
    ValidateData = "validate-data",
    /// To deploy or register a model.
    DeployModel = "deploy-model",
    /// To check a contract.
    Contract = "contract",
    /// To check feature flags.
    Flags = "flags",
    /// To keep what was built.
    Keep = "keep",
    /// To keep a report.
    KeepReport = "keep-report",
    /// To fetch what was kept.
    Fetch = "fetch",
    /// To keep something between runs.
    Cache = "cache",
    /// To make a cluster for the job itself.
    Cluster = "cluster",
    /// To start services for the job itself.
    Compose = "compose",
    /// To check what was deployed.
    Smoke = "smoke",
    /// To go back.
    Rollback = "rollback",
    /// To roll out in parts.
    Gradual = "gradual",
    /// To tell people.
    Notify = "notify",
    /// To ask a person.
    Approve = "approve",
    /// To prepare the machine.
    Setup = "setup",
    /// To give an artifact that exists another name or place.
    Promote = "promote",
    /// To write the name of an artifact into a file that deploys it.
    PromoteFile = "promote-file",
    /// To verify a signature.
    Verify = "verify",
    /// To upload files somewhere.
    Upload = "upload",
    /// To copy files to another machine.
    Copy = "copy",
    /// To run something on another machine.
    Remote = "remote",
    /// To start another pipeline.
    Start = "start",
    /// To propose a change.
    Request = "request",
    /// To merge a proposed change.
    Merge = "merge",
    /// To see which paths changed.
    Changes = "changes",
    /// To deploy a proposed change.
    Preview = "preview",
    /// What an input of the part says, as a script.
    Script = "script",
    /// What the arguments of Gradle say.
    Gradle = "gradle",
    /// What an input says as an npm command.
    NpmCustom = "npm-custom",
    /// What the name of the target says.
    ByTarget = "by-target",
    /// Integration tests, where Maven's failsafe plugin is configured.
    IntegrationIfConfigured = "integration-if-configured",
    /// To publish, if it uploads.
    PublishIfUpload = "publish-if-upload",
    /// A push or a request of a Git resource.
    RequestOrPush = "request-or-push",
    /// What the image that is run does.
    ImageRun = "image-run",
}

impl Purpose {
    /// The purpose of a word of the tables.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|purpose| purpose.word() == word)
    }

    /// Whether it is a test of some kind.
    pub fn is_test(self) -> bool {
        matches!(self, Self::Test | Self::Integration | Self::Acceptance)
    }
}

/// Something that a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doing {
    /// What for.
    pub purpose: Purpose,
    /// What with, or what kind: `npm`, `terraform`.
    pub detail: String,
    /// An environment that is named by it.
    pub environment: Option<String>,
    /// The program or part.
    pub tool: String,
    /// Where it is started.
    pub at: At,
    /// The places between the step and that one, the step's first; empty when it is the step's own.
    pub chain: Vec<At>,
    /// Whether its failure is passed over.
    pub ignored: bool,
    /// Whether only a name says so.
    pub by_name: bool,
    /// The words of the command, or the names around it, for whoever looks for environments.
    pub words: String,
}

impl Doing {
    /// The way to it as a person would say it: `jest (ci.yml:31 -> package.json:14)`.
    pub fn way(&self) -> String {
        if self.chain.is_empty() {
            return self.tool.clone();
        }
        let mut way: Vec<String> = self.chain.iter().skip(1).map(At::to_string).collect();
        if self.chain.last() != Some(&self.at) {
            way.push(self.at.to_string());
        }
        if way.is_empty() {
            self.tool.clone()
        } else {
            format!("{} ({})", self.tool, way.join(" -> "))
        }
    }

    /// The place in the definition that leads to it.
    pub fn first(&self) -> &At {
        self.chain.first().unwrap_or(&self.at)
    }
}

/// What a line of a table gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub purpose: Purpose,
    pub detail: String,
    pub environment: Option<String>,
}

/// Reads the right side of a line: `publish=npm, deploy=hokusai@production`.
pub(crate) fn given(text: &str) -> Option<Vec<Given>> {
    text.split(',')
        .map(|item| {
            let item = item.trim();
            let (word, detail) = item.split_once('=').unwrap_or((item, ""));
            let (detail, environment) = match detail.split_once('@') {
                Some((detail, environment)) => (detail, Some(environment.to_owned())),
                None => (detail, None),
            };
            Some(Given {
                purpose: Purpose::of(word)?,
                detail: detail.to_owned(),
                environment,
            })
        })
        .collect()
}

/// The lines of a table that say something.
pub(crate) fn lines(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table.lines().filter_map(|line| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        line.split_once(" => ")
    })
}
