//! What a package carries for its deployments: frozen when it is built, the same everywhere.

use std::collections::BTreeMap;

use facts::EnvironmentName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::modules::UsedModule;

/// The part of a definition that is frozen into the package.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PackageDocument {
    /// How the package's version is made. The version itself is a name and not in the package.
    #[serde(default, skip_serializing_if = "VersionScheme::is_default")]
    pub version_scheme: VersionScheme,
    /// The service to run, where the package holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Its configuration: the schema, and the values by environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
    /// What it needs of a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseNeeds>,
    /// Checks that run against each environment after a rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<VerifyStep>,
    /// Gates that the component adds to those of the environments. They can only hold back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// The modules that the build's steps came from, so that it can be said later of what it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<UsedModule>,
}

/// How the version of a package is made from the commits behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionScheme {
    /// Semantic versions from conventional commits.
    #[default]
    Semantic,
    /// Year, month and count.
    Calendar,
    /// What the component's own command printed.
    Command,
}

impl VersionScheme {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A long-running process that answers HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The program and its arguments; a relative program is looked for in the package.
    pub command: Vec<String>,
    /// How to find out whether it is well.
    #[serde(default)]
    pub health: Health,
    /// The variable that tells it which port to listen on.
    #[serde(default = "default_port_variable")]
    pub port_variable: String,
    /// Variables set for it in every environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// How long it may take to finish its requests after it is asked to stop, in seconds.
    #[serde(default = "default_stop_grace_seconds")]
    pub stop_grace_seconds: u64,
}

/// `PORT`.
pub(crate) fn default_port_variable() -> String {
    "PORT".to_owned()
}

/// 10 seconds.
pub(crate) const fn default_stop_grace_seconds() -> u64 {
    10
}

/// How to find out whether an instance is well: `GET path` answers with 2xx or 3xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// The path asked for; `/` by default.
    pub path: String,
    /// The pause between two questions, in milliseconds; 200 by default.
    pub interval_ms: u64,
    /// How long one answer may take, in seconds; 2 by default.
    pub timeout_seconds: u64,
    /// How long a new instance may take until it is well, in seconds; 60 by default.
    pub deadline_seconds: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval_ms: 200,
            timeout_seconds: 2,
            deadline_seconds: 60,
        }
    }
}

/// The configuration of every environment, and what it must look like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// By name of a setting, what its value must be: an object of objects with the keys `type`,
    /// `enum`, `minimum`, `maximum`, `pattern`, `required`, `default`, `secret`, `variable`,
    /// `description`.
    pub schema: Value,
    /// By environment, the values of settings. Those under `default` hold where an environment says
    /// nothing else.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, Value>>,
}

/// What a package needs of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseNeeds {
    /// The folder of the migrations in the package.
    pub migrations: String,
    /// What kind of database it is written for.
    pub engine: DatabaseEngine,
}

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseEngine {
    /// SQLite, a file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
}

impl DatabaseEngine {
    /// The engine as it stands in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

impl std::fmt::Display for DatabaseEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A check that runs after a rollout, with the address in the variable `THROUGHLINE_URL`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyStep {
    /// Its name.
    pub name: String,
    /// The commands; exit code 0 is well.
    pub script: String,
    /// How long it may take, in seconds; 300 by default.
    #[serde(default = "default_verify_timeout_seconds")]
    pub timeout_seconds: u64,
}

/// 5 minutes.
pub(crate) const fn default_verify_timeout_seconds() -> u64 {
    300
}

/// A condition that a package must meet to enter an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// The environment it guards; `None` is every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The condition, in CEL.
    pub when: String,
    /// What to tell a person when it does not hold.
    pub message: String,
}
