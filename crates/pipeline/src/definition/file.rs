//! `throughline.yaml` as it is written. The descriptions here are what editors show.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::concurrency::InGroup;
use super::image::Image;
use super::lines::OnLine;
use super::matrix::Matrix;
use super::modules::Given;
use super::reports::Report;
use super::resources::Resources;
use super::services::Beside;
use crate::configuration::Setting;
use crate::duration;
use crate::named::Named;
use crate::plan::EffectClass;
use crate::schema::Scalar;

/// How a component is built, packaged and run. Stands as `throughline.yaml` in the component's folder
/// and is taken from the very commit that is built.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "throughline.yaml",
    extend("x-later" = ["contracts", "flags", "image", "matrix", "model",
        "notifications", "on", "secrets", "services"])
)]
pub(crate) struct File {
    /// The version of this file's language: 1.
    #[schemars(range(min = 1, max = 1))]
    #[allow(dead_code)] // read before everything else
    pub throughline: u32,
    /// How the package's version is made: `semantic` from conventional commits, `calendar` from their
    /// dates, or by a command; and whether it is pushed back as a tag.
    #[serde(default)]
    pub version: Version,
    /// Variables set for every step; a step's own come before them.
    #[serde(default)]
    pub variables: BTreeMap<String, Scalar>,
    /// The program that runs the commands of every step that names none; `sh` by default.
    pub shell: Option<String>,
    /// At a repository's top: the components that it holds, by their names, each with a folder and a file
    /// like this one in it. Only those that a change concerns are built for it.
    pub components: Option<Named<Component>>,
    /// The group that the whole run is in: of all runs in a group one works at a time.
    pub concurrency: Option<InGroup>,
    /// What holds on lines, by patterns of their names such as `release/*`.
    #[serde(default)]
    pub lines: Named<OnLine>,
    /// What is done, by the name of the step. Steps run beside one another unless one needs another.
    #[serde(default)]
    pub steps: Named<Step>,
    /// What the steps produce, put together once and deployed everywhere.
    pub package: Option<Package>,
    /// The long-running process that the package holds.
    pub service: Option<Service>,
    /// The settings of the service: what they must be, and what they are in each environment.
    pub configuration: Option<Configuration>,
    /// What the package needs of a database.
    pub database: Option<Database>,
    /// Checks that run against each environment after a rollout.
    #[serde(default)]
    pub verify: Vec<Verify>,
    /// Conditions that hold the package back, added to those of the environments.
    #[serde(default)]
    pub gates: Vec<Gate>,
}

/// A component of the repository: what is built and deployed as one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Component {
    /// Its folder, relative to the repository's top; a folder of its name by default.
    pub path: Option<String>,
    /// Patterns of further files that concern it, relative to the repository's top, such as shared folders;
    /// those that begin with `!` leave files out, also of its own folder.
    #[serde(default)]
    pub also: Vec<String>,
    /// The components that it is built after and with: it gets their packages, and a change that concerns
    /// one of them concerns it too.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// The version's scheme alone, or all there is to say about it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Version {
    Scheme(Scheme),
    Rule(VersionRule),
}

impl Default for Version {
    fn default() -> Self {
        Self::Scheme(Scheme::default())
    }
}

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<Scheme>(), generator.subschema_for::<VersionRule>()] })
    }
}

/// How the package's version is made from the commits behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("type" = "string",
    "x-instead" = { "command": "write the command itself: `version: { command: ./version.sh }`" }))]
pub(crate) enum Scheme {
    /// Semantic versions from conventional commits.
    #[default]
    Semantic,
    /// Year, month and count.
    Calendar,
}

/// How the package's version is made, and whether it is pushed back as a tag.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionRule {
    /// How it is made from the commits behind it; `semantic` by default.
    pub scheme: Option<Scheme>,
    /// Commands that print it, as one line on standard output. They run as a step named `version`.
    pub command: Option<String>,
    /// The steps that must have succeeded before the command runs; none by default.
    pub needs: Option<Vec<String>>,
    /// How long the command may take; `5m` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub timeout: Option<String>,
    /// Whether the commit gets the version as a tag, here or in the followed repository, once its
    /// package is built; not by default.
    #[serde(default)]
    pub tag: bool,
    /// What the tag's name begins with; `v` by default.
    pub prefix: Option<String>,
}

/// A step: commands that run in a fresh copy of the component's folder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["identity", "network"], "oneOf" = [{ "required": ["run"] }, { "required": ["uses"] }]))]
pub(crate) struct Step {
    /// The commands. The step fails with the first that fails.
    pub run: Option<String>,
    /// Instead of commands, the module that the step is: a file such as `./ci/test.yaml`, or one of another
    /// repository at a version, such as `tools/pipelines/test.yaml@v1`.
    pub uses: Option<String>,
    /// The inputs of the module that the step uses, by name.
    #[serde(default)]
    pub with: BTreeMap<String, Given>,
    /// The steps that must be finished before; unless `when` says otherwise, each must have succeeded.
    #[serde(default)]
    pub needs: Vec<String>,
    /// A condition in CEL over `needs` and `run`; the step is skipped where it does not hold.
    pub when: Option<String>,
    /// The step once for each combination of the values of these axes.
    pub matrix: Option<Matrix>,
    /// The image that the commands run in, by Podman or Docker; on the machine itself by default.
    pub image: Option<Image>,
    /// The program that runs the commands; `sh` by default.
    pub shell: Option<String>,
    /// The folder that the commands run in, relative to the component's folder.
    pub folder: Option<String>,
    /// Variables set for the commands.
    #[serde(default)]
    pub variables: BTreeMap<String, Scalar>,
    /// Secrets handed to the commands. Steps of untrusted changes get none.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// Patterns of the files that the result depends on. A step that names them runs only when one of
    /// them, its commands, variables, tools, or what the steps it needs leave has changed; else its
    /// outputs and its log are put back.
    pub inputs: Option<Vec<String>>,
    /// Patterns of the files that the step leaves, for a step with `inputs`.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Commands that print the versions of the tools that the result depends on, such as
    /// `rustc --version`, for a step with `inputs`.
    #[serde(default)]
    pub tools: Vec<String>,
    /// What runs beside the step, such as a database, by its name: ready before the step starts, gone when
    /// it has ended. The step finds it by the variables `NAME_HOST` and `NAME_PORT`.
    #[serde(default)]
    pub services: Named<Beside>,
    /// Folders kept from run to run, for the tools' own caches; per component and trust.
    #[serde(default)]
    pub cache: Vec<Cache>,
    /// The group that the step is in: of all steps in a group one works at a time.
    pub concurrency: Option<InGroup>,
    /// What it takes of the machine; how many steps work beside one another follows from it.
    pub resources: Option<Resources>,
    /// The files in which its tests say what came of them: JUnit XML, or TAP.
    #[serde(default)]
    pub reports: Vec<Report>,
    /// How long one attempt may take; without limit by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub timeout: Option<String>,
    /// Whether and how a failed attempt is repeated.
    pub retries: Option<Retries>,
    /// What a repetition would do to the world; `idempotent` by default.
    pub effect: Option<EffectClass>,
    /// For `effect: effect`: commands that say whether it was done, by their exit code: 0 is done, 1 is
    /// not done, anything else is unknown.
    pub observe: Option<String>,
}

/// A secret handed to a step, as a file and, where asked for, as a variable.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    /// The secret's name.
    pub secret: String,
    /// The variable that holds its value. A variable is easier to leak than a file.
    pub variable: Option<String>,
    /// The name of the file that holds its value, in the folder `$THROUGHLINE_SECRETS`; the secret's
    /// own name by default.
    pub file: Option<String>,
}

/// A folder kept from run to run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cache {
    /// The folder, relative to the component's folder.
    pub path: String,
    /// Folders with the same key are the same folder.
    pub key: String,
}

/// Whether and how a failed attempt is repeated.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retries {
    /// How many further attempts may follow the first.
    #[schemars(range(max = 100))]
    pub times: u32,
    /// The pause before the second attempt; `1s` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub first_delay: Option<String>,
    /// By what each further pause is longer than the one before; 2 by default.
    #[schemars(range(min = 1, max = 100))]
    pub factor: Option<u32>,
    /// The longest pause; `1m` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub longest_delay: Option<String>,
}

/// What goes into the package.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["image", "images", "name", "platforms", "sbom", "version"]))]
pub(crate) struct Package {
    /// The steps that must have succeeded before; every step by default.
    pub needs: Option<Vec<String>>,
    /// The files that go in.
    #[serde(default)]
    pub files: Vec<PackageFile>,
}

/// A file or folder that goes into the package.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackageFile {
    /// A file, a folder or a glob, relative to the component's folder.
    pub from: String,
    /// Its path in the package; the same path by default. For a glob it is the folder that the matches
    /// go into.
    pub to: Option<String>,
}

/// A process that answers HTTP requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["image", "instances", "ports", "protocol", "resources", "secrets"]))]
pub(crate) struct Service {
    /// The program and its arguments; a relative program is looked for in the package.
    pub command: Vec<String>,
    /// How to find out whether an instance is well.
    pub health: Option<Health>,
    /// The variable that tells it which port to listen on; `PORT` by default.
    pub port_variable: Option<String>,
    /// Variables set for it in every environment.
    #[serde(default)]
    pub variables: BTreeMap<String, Scalar>,
    /// How long it may take to finish its requests after it is asked to stop; `10s` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub stop_grace: Option<String>,
}

/// An instance is well when `GET path` is answered with 2xx or 3xx.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Health {
    /// The path asked for; `/` by default.
    pub path: Option<String>,
    /// The pause between two questions; `200ms` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub interval: Option<String>,
    /// How long one answer may take, in whole seconds; `2s` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub timeout: Option<String>,
    /// How long a new instance may take until it is well, in whole seconds; `60s` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub deadline: Option<String>,
}

/// The settings of the service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// By name, what the value of a setting must be.
    pub schema: BTreeMap<String, Setting>,
    /// By environment, the values of settings; those under `default` hold where an environment says
    /// nothing else.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

/// What the package needs of a database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["name", "seed", "lint", "phases"]))]
pub(crate) struct Database {
    /// The kind of database.
    pub engine: Engine,
    /// The folder of the migrations, relative to the component's folder; it goes into the package.
    pub migrations: String,
}

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Engine {
    /// SQLite, a file.
    Sqlite,
    /// PostgreSQL, 15 or later.
    Postgres,
    /// MariaDB, 10.6 or later, or MySQL, 8.0 or later.
    Mysql,
}

/// A check that runs after a rollout, with the address in `$THROUGHLINE_URL`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["environment", "needs", "retries", "secrets", "variables", "when"]))]
pub(crate) struct Verify {
    /// Its name.
    pub name: String,
    /// The commands; exit code 0 is well.
    pub run: String,
    /// How long it may take, in whole seconds; `5m` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub timeout: Option<String>,
}

/// A condition that holds the package back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate {
    /// Its name.
    pub name: String,
    /// The environment that it guards; every one by default.
    pub environment: Option<String>,
    /// The condition, in CEL over `candidate`, `environment`, `proven_in` and `verdicts`.
    pub when: String,
    /// What to tell people when it does not hold.
    pub message: Option<String>,
}
