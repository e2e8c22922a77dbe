//! `environments.yaml`: where packages run, in which order, and by which rules.

mod database;
mod file;
mod read;

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use facts::{Digest, EnvironmentName, ReleaseLine};
use policy::Gate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::text_of;
use crate::diagnostic::Diagnostics;
use crate::document::DatabaseEngine;
use crate::schema;

/// The name of the file.
pub const FILE: &str = "environments.yaml";

static SCHEMA: LazyLock<Value> = LazyLock::new(schema::of::<file::File>);

/// The JSON Schema of `environments.yaml`.
pub fn json_schema() -> &'static Value {
    &SCHEMA
}

/// What holds where the file is absent: staging, then production, as local processes.
pub const DEFAULT: &str = include_str!("default.yaml");

/// The environments, each after those it depends on, otherwise in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Environments {
    all: Vec<Environment>,
    revision: Digest,
}

/// An environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// The environments in which a package must have proven itself before it may come here.
    pub after: Vec<EnvironmentName>,
    /// What runs the package; one local process by default.
    pub target: Target,
    /// Where the service answers; `None` is a free port of this machine, kept for good.
    pub address: Option<SocketAddr>,
    /// Its database; `None` where the file says nothing.
    pub database: Option<Database>,
    /// How a package replaces the one before; rolling by default.
    pub strategy: Strategy,
    /// How long a package must have run here, verified, before it counts as proven; nothing by default.
    pub soak: Duration,
    /// Who must approve; nobody by default.
    pub approvals: Vec<Approval>,
    /// Conditions that a package must meet; none by default.
    pub gates: Vec<Gate>,
    /// The release lines whose packages may come here; empty means the main line, `main` or `master`.
    pub lines: Vec<ReleaseLine>,
}

/// What runs a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Target {
    /// Local processes behind a balancing proxy.
    Process {
        /// How many; 1 by default.
        instances: u32,
    },
    /// The user's own commands.
    Command {
        /// Brings about the state that it reads.
        apply: String,
        /// Prints the state that is there.
        observe: String,
        /// Shifts the shares of the requests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weight: Option<String>,
        /// Takes everything away.
        stop: String,
    },
}

impl Target {
    /// How many instances run when nothing is going on; 1 where the target decides for itself.
    pub fn instances(&self) -> u32 {
        match self {
            Self::Process { instances } => *instances,
            Self::Command { .. } => 1,
        }
    }
}

/// The database of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its kind.
    pub kind: DatabaseEngine,
    /// Where it is, without a password; `None` is one that the server keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The name of the secret that is its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// How a package replaces the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Strategy {
    /// One instance after another.
    Rolling,
    /// All new instances first, then all requests at once.
    BlueGreen,
    /// A few new instances beside the old ones, judged before the rest follows.
    Canary(Canary),
}

/// How a canary is run and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Instances of the canary, and as many of its baseline; 1 by default.
    pub instances: u32,
    /// Percent of the requests that go to the canary, and as many to its baseline; 20 by default.
    pub weight: u32,
    /// By how much the share of failed requests may exceed the baseline's; 0.01 by default.
    pub margin: f64,
    /// The probability of a wrong verdict that is accepted; 0.05 by default.
    pub alpha: f64,
    /// Requests that the baseline must have seen before anything is said; 50 by default.
    pub minimum_requests: u64,
    /// How long a verdict may take; 10 minutes by default.
    pub deadline: Duration,
    /// What happens when the deadline passes without a verdict; back by default.
    pub on_deadline: OnDeadline,
    /// How latency is judged; not at all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            instances: 1,
            weight: 20,
            margin: 0.01,
            alpha: 0.05,
            minimum_requests: 50,
            deadline: Duration::from_secs(600),
            on_deadline: OnDeadline::Return,
            latency: None,
        }
    }
}

/// What happens when the deadline of a canary passes without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDeadline {
    /// Back to what was there.
    Return,
    /// On to everybody.
    GoOn,
}

/// How latency is judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Which quantile; 0.95 by default.
    pub quantile: f64,
    /// By how much it may exceed the baseline's.
    pub margin: Duration,
}

/// Who must approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The role of the people asked.
    pub role: String,
    /// How many different people must approve; 1 by default.
    pub of: u32,
}

impl Environments {
    /// Reads the environments; `file` is what the file is called in messages.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn parse(text: &str, file: &str) -> Result<Self, Diagnostics> {
        read::environments(text, file)
    }

    /// Reads the environments from bytes, which may be anything.
    ///
    /// # Errors
    /// When the bytes are no text, or as for [`Environments::parse`].
    pub fn parse_bytes(bytes: &[u8], file: &str) -> Result<Self, Diagnostics> {
        Self::parse(text_of(bytes, file)?, file)
    }

    /// Each environment, after those it depends on.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Environment> {
        self.all.iter()
    }

    /// The environment `name`.
    pub fn get(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.all.iter().find(|environment| environment.name == *name)
    }

    /// The digest of the text it was read from.
    pub fn revision(&self) -> Digest {
        self.revision
    }
}

impl Default for Environments {
    /// What holds where the file is absent; see [`DEFAULT`].
    fn default() -> Self {
        #[allow(clippy::expect_used)] // a constant text, parsed in a test
        Self::parse(DEFAULT, FILE).expect("the default environments are well-formed")
    }
}
