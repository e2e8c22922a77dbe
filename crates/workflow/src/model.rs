//! What pipeline definitions say, whatever system they are written for.

use evidence::{Finding, Place};

use crate::occasion::Occasions;
use crate::purpose::Doing;

/// All definitions of a tree.
#[derive(Debug, Clone, Default)]
pub struct Workflows {
    /// The pipelines, in the order of their files.
    pub list: Vec<Workflow>,
    /// What could not be read or understood.
    pub findings: Vec<Finding>,
    /// What was left out: included from elsewhere, made while it runs, broken.
    pub unread: Vec<At>,
}

/// A system that runs pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// GitHub Actions; Gitea and Forgejo read the same.
    GithubActions,
    /// GitLab CI.
    GitlabCi,
    /// Jenkins.
    Jenkins,
    /// CircleCI.
    CircleCi,
    /// Azure Pipelines.
    AzurePipelines,
    /// Buildkite.
    Buildkite,
    /// Woodpecker.
    Woodpecker,
    /// Drone.
    Drone,
    /// Travis CI.
    Travis,
    /// Tekton.
    Tekton,
    /// Concourse.
    Concourse,
    /// AppVeyor.
    Appveyor,
    /// Cirrus CI.
    Cirrus,
    /// Bitbucket Pipelines.
    Bitbucket,
    /// Throughline.
    Throughline,
}

impl System {
    /// Its name in measures.
    pub fn name(self) -> &'static str {
        match self {
            Self::GithubActions => "github-actions",
            Self::GitlabCi => "gitlab-ci",
            Self::Jenkins => "jenkins",
            Self::CircleCi => "circleci",
            Self::AzurePipelines => "azure-pipelines",
            Self::Buildkite => "buildkite",
            Self::Woodpecker => "woodpecker",
            Self::Drone => "drone",
            Self::Travis => "travis",
            Self::Tekton => "tekton",
            Self::Concourse => "concourse",
            Self::Appveyor => "appveyor",
            Self::Cirrus => "cirrus",
            Self::Bitbucket => "bitbucket",
            Self::Throughline => "throughline",
        }
    }

    /// Whether each job runs on a machine or in a container of its own, given anew.
    pub fn is_hosted(self) -> bool {
        !matches!(self, Self::Throughline | Self::Jenkins)
    }
}

/// A file and a line in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl At {
    /// A line of a file.
    pub fn new(file: impl Into<String>, line: u32) -> Self {
        Self {
            file: file.into(),
            line,
        }
    }

    /// As a place, with what is there.
    pub fn place(&self, what: impl Into<String>) -> Place {
        Place::line(self.file.clone(), self.line, what)
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One pipeline.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// The system that runs it.
    pub system: System,
    /// The file that defines it.
    pub file: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The line its triggers stand in, or 1.
    pub line: u32,
    /// When it starts.
    pub occasions: Occasions,
    /// Whether it is started by asking the repository at intervals.
    pub polls: bool,
    /// The pipelines after whose end it starts.
    pub after: Vec<String>,
    /// Whether it is only a part that others call.
    pub called_only: bool,
    /// The paths whose changes start it; empty for all.
    pub paths: Vec<String>,
    /// Where runs are kept from overlapping.
    pub concurrency: Option<u32>,
    /// Its jobs; those of called parts stand after the one that calls them.
    pub jobs: Vec<Job>,
    /// Parts that are not read: included from elsewhere or made while it runs.
    pub unread: Vec<At>,
    /// Parts that are shared: called workflows, templates, orbs, libraries.
    pub shared: Vec<At>,
}

/// Where a deployment goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name as written.
    pub name: String,
    /// Where that stands.
    pub at: At,
}

/// One job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name in the file; those of called parts have the caller's name and ` / ` before.
    pub id: String,
    /// What it is called for people.
    pub name: Option<String>,
    /// Where it begins.
    pub at: At,
    /// The places it is called from, the outermost first.
    pub chain: Vec<At>,
    /// The jobs it waits for.
    pub needs: Vec<String>,
    /// The stage it belongs to.
    pub stage: Option<String>,
    /// When it runs.
    pub occasions: Occasions,
    /// The environments it names.
    pub environments: Vec<Environment>,
    /// The machine it asks for.
    pub runners: Vec<String>,
    /// The image it runs in.
    pub image: Option<String>,
    /// The services beside it.
    pub services: Vec<Service>,
    /// Whether it runs for several values.
    pub matrix: Option<u32>,
    /// The axes of its matrix with their values, where they are written down; of GitHub Actions and GitLab CI only.
    pub axes: Vec<(String, Vec<String>)>,
    /// The combinations of its matrix, where all values are written down; of GitHub Actions and GitLab CI only.
    pub combinations: Vec<Combination>,
    /// The variables that are set for all it does, as written; of GitLab CI only.
    pub variables: Vec<(String, String)>,
    /// Where it says that a person has to go on.
    pub manual: Option<u32>,
    /// Whether its failure is passed over.
    pub ignored: bool,
    /// Where its time is limited.
    pub timeout: Option<u32>,
    /// Where it keeps something between runs.
    pub cache: Option<u32>,
    /// Where it keeps overlapping runs apart.
    pub concurrency: Option<u32>,
    /// The folder it works in.
    pub folder: String,
    /// The paths whose changes it is for; empty for all.
    pub paths: Vec<String>,
    /// The shared definition it is made from, where it is: the same text for several jobs.
    pub template: Option<String>,
    /// What it keeps for later or for other jobs.
    pub keeps: Option<u32>,
    /// The values it gives to a shared definition, or sets as variables.
    pub inputs: Vec<(String, String)>,
    /// What it does.
    pub steps: Vec<Step>,
    /// Where a step can be added.
    pub end: Option<End>,
}

/// One of the combinations of values that a job is done for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Combination {
    /// The values by their names, in the order in which they are written.
    pub values: Vec<(String, String)>,
    /// The machine that the job asks for with these values.
    pub runners: Vec<String>,
}

impl Combination {
    /// One of which no machine is known.
    pub fn of(values: Vec<(String, String)>) -> Self {
        Self {
            values,
            runners: Vec::new(),
        }
    }

    /// The value of a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Something beside a job that its steps talk to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// What the job calls it, where it has a name of its own.
    pub name: Option<String>,
    /// Its image as written, or its name where it has none.
    pub image: String,
    /// The variables that are set for it, as written.
    pub variables: Vec<(String, String)>,
    /// The ports that it publishes, as written.
    pub ports: Vec<String>,
    /// The commands that say whether it is well.
    pub health: Option<String>,
    /// The line it begins in, from 1.
    pub line: u32,
}

impl Service {
    /// A service of which only the image is known.
    pub fn of(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            ..Self::default()
        }
    }

    /// Services of which only the images are known.
    pub fn all(images: impl IntoIterator<Item = String>) -> Vec<Self> {
        images.into_iter().map(Self::of).collect()
    }
}

/// The end of a list of steps, where one can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The last line of the last step, from 1.
    pub line: u32,
    /// The column its steps begin in, from 1: the sign of a list's element.
    pub column: u32,
}

/// One step of a job.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where it stands.
    pub at: At,
    /// The places it is called from, the outermost first.
    pub chain: Vec<At>,
    /// What it is called.
    pub name: Option<String>,
    /// What it is.
    pub kind: StepKind,
    /// When it runs.
    pub occasions: Occasions,
    /// Whether its failure is passed over.
    pub ignored: bool,
    /// The folder it works in.
    pub folder: String,
    /// The variables that are set for it, as written, by whatever level of the definition; of GitHub Actions only.
    pub variables: Vec<(String, String)>,
    /// What it does.
    pub doings: Vec<Doing>,
}

/// What a step is.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// A text for a shell.
    Run {
        /// The text.
        text: String,
    },
    /// Something that others made, or a part in the tree.
    Use(Used),
    /// Something else that the system knows.
    Builtin(String),
}

/// A part that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Its name without a version.
    pub name: String,
    /// The version it is used in.
    pub version: Option<String>,
    /// How firmly.
    pub pinning: Pinning,
    /// What it is given.
    pub inputs: Vec<(String, String)>,
}

/// How firmly a part is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pinning {
    /// It is in the tree itself.
    Local,
    /// By a digest or a commit.
    Digest,
    /// By a version or tag that can be moved.
    Version,
    /// Not at all, or by a branch.
    Floating,
}

impl Job {
    /// A job with nothing but its name and place.
    pub fn new(id: impl Into<String>, at: At, occasions: Occasions) -> Self {
        Self {
            id: id.into(),
            name: None,
            at,
            chain: Vec::new(),
            needs: Vec::new(),
            stage: None,
            occasions,
            environments: Vec::new(),
            runners: Vec::new(),
            image: None,
            services: Vec::new(),
            matrix: None,
            axes: Vec::new(),
            combinations: Vec::new(),
            variables: Vec::new(),
            manual: None,
            ignored: false,
            timeout: None,
            cache: None,
            concurrency: None,
            folder: String::new(),
            paths: Vec::new(),
            template: None,
            keeps: None,
            inputs: Vec::new(),
            steps: Vec::new(),
            end: None,
        }
    }

    /// Its names as words: what it calls itself.
    pub fn words(&self) -> String {
        let mut words = self.id.clone();
        for more in [&self.name, &self.stage].into_iter().flatten() {
            words.push(' ');
            words.push_str(more);
        }
        words
    }
}

impl Workflow {
    /// A pipeline without jobs.
    pub fn new(system: System, file: impl Into<String>, occasions: Occasions) -> Self {
        Self {
            system,
            file: file.into(),
            name: None,
            line: 1,
            occasions,
            polls: false,
            after: Vec::new(),
            called_only: false,
            paths: Vec::new(),
            concurrency: None,
            jobs: Vec::new(),
            unread: Vec::new(),
            shared: Vec::new(),
        }
    }
}

impl Used {
    /// `name@version`, as most systems write it.
    pub fn parse(text: &str) -> Self {
        let (name, version) = match text.rsplit_once('@') {
            Some((name, version)) if !name.is_empty() => (name, Some(version.to_owned())),
            _ => (text, None),
        };
        let pinning = if name.starts_with("./") || name.starts_with("../") {
            Pinning::Local
        } else {
            pinning_of(version.as_deref())
        };
        Self {
            name: name.to_owned(),
            version,
            pinning,
            inputs: Vec::new(),
        }
    }

    /// What an input is given.
    pub fn input(&self, name: &str) -> Option<&str> {
        self.inputs
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// How firm a version is.
pub fn pinning_of(version: Option<&str>) -> Pinning {
    let Some(version) = version else {
        return Pinning::Floating;
    };
    let is_hex = |text: &str| text.len() >= 40 && text.chars().all(|c| c.is_ascii_hexdigit());
    if is_hex(version) || version.strip_prefix("sha256:").is_some_and(is_hex) {
        Pinning::Digest
    } else if version.chars().any(|c| c.is_ascii_digit()) {
        Pinning::Version
    } else {
        Pinning::Floating
    }
}
