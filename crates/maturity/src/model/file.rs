//! The model as it is written. The descriptions here are what editors show.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::level::{Class, Level};

/// A maturity model: practices by category and level, with the rules that judge them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Maturity model")]
pub(crate) struct File {
    /// The version of this file's language: 1.
    #[schemars(range(min = 1, max = 1))]
    #[allow(dead_code)] // read before everything else
    pub throughline: u32,
    /// What the model is called. Profiles name it.
    pub name: String,
    /// Counts the changes of the model. Profiles name it.
    #[serde(default = "one")]
    pub revision: u32,
    /// The days before the moment that count as "now".
    #[serde(default = "ninety")]
    #[schemars(range(min = 7, max = 730))]
    pub window: u32,
    /// The metrics of delivery that practices should move, by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, Metric>,
    /// The categories, in the order in which they are shown.
    pub categories: Vec<Category>,
}

/// A metric of delivery.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// What it says, in a few words.
    pub about: String,
    /// The measure that tells it from a repository alone, where there is one.
    pub shown_by: Option<String>,
}

/// A category: practices that are judged together.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Category {
    /// A short word for it, such as `--fail-under` takes.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What it is about, a sentence.
    #[serde(default)]
    pub about: String,
    /// A rule: where it says no, the category is left out.
    pub when: Option<String>,
    /// Its practices, the lowest level first.
    pub practices: Vec<Practice>,
}

/// A practice, and how it is judged.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Practice {
    /// Its id, which profiles, statements and other practices use.
    pub id: String,
    /// How far it goes.
    pub level: Level,
    /// Its name, a short statement.
    pub name: String,
    /// Why one does it, a sentence.
    pub why: String,
    /// How it can be proven at all.
    pub class: Class,
    /// Kinds of records it needs besides those that its rules name. Where one is missing, the practice
    /// cannot be met.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Thresholds, which rules name as `limit.NAME`.
    #[serde(default)]
    pub limits: BTreeMap<String, f64>,
    /// How many observations a measure must rest on before the rules may use it.
    #[serde(default)]
    pub sample: BTreeMap<String, u64>,
    /// A rule: where it says no, the practice does not apply.
    pub when: Option<String>,
    /// A rule: where it says yes, the practice is met. Left out, a repository cannot show it.
    pub met: Option<String>,
    /// A rule: where it says yes, the practice is not met. Left out, it is what `met` is not; `never`
    /// says that nothing in a repository speaks against it.
    pub not_met: Option<String>,
    /// Measures that are shown as evidence, besides those that the rules name.
    #[serde(default)]
    pub show: Vec<String>,
    /// What would show it, where a repository cannot.
    pub proof: Option<String>,
    /// Stronger practices: where one of them holds, so does this one.
    #[serde(default)]
    pub satisfied_by: Vec<String>,
    /// Practices that come first.
    #[serde(default)]
    pub after: Vec<String>,
    /// Measures that suffer when it is overdone, shown beside it.
    #[serde(default)]
    pub beside: Vec<String>,
    /// What it seems to contradict, and why both can be right.
    #[serde(default)]
    pub tensions: Vec<Tension>,
    /// The metrics that it should move.
    #[serde(default)]
    pub moves: Vec<String>,
    /// How much work it is, from 1 (an hour) to 5 (a year).
    #[schemars(range(min = 1, max = 5))]
    pub effort: u8,
    /// How much it helps, from 1 to 5.
    #[schemars(range(min = 1, max = 5))]
    pub value: u8,
    /// What to do, a sentence in the imperative.
    #[serde(rename = "do")]
    pub instruction: String,
    /// The recipe that writes the lines to add, where there is one.
    pub recipe: Option<Recipe>,
}

/// A kind of record, as `needs` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Need {
    /// Commits, merges, branches, tags.
    History,
    /// The files of a commit.
    Files,
    /// Definitions of pipelines.
    Pipelines,
    /// Records of runs.
    Runs,
    /// Records of deployments.
    Deployments,
    /// Work items.
    Tickets,
    /// Signals from production.
    Operations,
}

/// Two aims that pull apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tension {
    /// A practice's id, or the name of what says otherwise.
    pub with: String,
    /// How it is resolved.
    pub because: String,
}

/// A way to write the lines that a practice lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// A pipeline that builds and tests each push to trunk.
    BuildOnPush,
    /// A step that runs the tests.
    RunTests,
    /// A step that keeps what was built.
    KeepArtifacts,
    /// A step that runs the linter of the stack.
    StaticAnalysis,
    /// Scans of dependencies, code and secrets.
    SecurityScans,
    /// A schedule for what is tested.
    ScheduledReport,
    /// A step that measures coverage.
    Coverage,
    /// A version and tag made by the pipeline.
    AutomaticVersion,
    /// A bot that proposes updates.
    UpdateBot,
    /// A contributing guide.
    Contributing,
    /// A comparison of interfaces with the last release.
    ContractCheck,
}

fn one() -> u32 {
    1
}

fn ninety() -> u32 {
    90
}
