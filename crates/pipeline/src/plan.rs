//! A plan: the steps of one run and what each waits for.
//!
//! The engine drives a plan without knowing what its actions do; the meaning of `input` belongs to
//! the action that `action` names.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use facts::{StepName, Trust};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cycle::{find_cycle, path_text};
use crate::document::PackageDocument;
use crate::within::Within;

/// The most steps a plan may have.
pub const MOST_STEPS: usize = 200_000;
/// The most steps the plan of an untrusted change may have.
pub const MOST_STEPS_UNTRUSTED: usize = 10_000;

/// The action that runs a script.
pub const RUN: &str = "run";
/// The action that runs a script which prints the version; also the name of its step. Its input is
/// that of [`RUN`].
pub const VERSION: &str = "version";
/// The action that puts the package together.
pub const PACKAGE: &str = "package";

/// The steps of a run, in the order in which people read them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps; each names the ones it needs.
    pub steps: Vec<PlannedStep>,
    /// The group that the whole run is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
}

/// A group of which one works at a time: a step, or a whole run, in it and what happens to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// The group's name, within the component and the trust of its changes.
    pub group: String,
    /// What happens when several want to be in it.
    #[serde(default)]
    pub rule: GroupRule,
}

/// What happens when several runs want to be in one group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupRule {
    /// Each waits for its turn, the run that was asked for first goes first.
    #[default]
    Queue,
    /// What works goes on; of those that wait only that of the newest run stays, the others end.
    Newest,
    /// What works is stopped when a newer run comes, and those that wait end.
    Replace,
}

/// What a step takes of the machine while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Processors, in thousandths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus_milli: Option<u64>,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its name, unique in the plan.
    pub name: StepName,
    /// The kind of action that performs it, such as `run` or `package`.
    pub action: String,
    /// What the action is given, in the action's own shape; see [`RunInput`] and [`PackageInput`].
    #[serde(default)]
    pub input: Value,
    /// The steps that must be finished before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<StepName>,
    /// A CEL condition over the finished needs; `None` means that each must have succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How long one attempt may take, in seconds; `None` is without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Whether and how a failed attempt is repeated.
    #[serde(default)]
    pub retries: Retries,
    /// What a repetition would do to the world.
    #[serde(default)]
    pub effect: EffectClass,
    /// The group that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// What it takes of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Of which step with a matrix it is an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// The steps that use the modules which it comes from, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<Within>,
}

/// One combination of the values of a matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The step as the definition names it.
    pub of: StepName,
    /// The variables of this combination.
    pub values: BTreeMap<String, String>,
}

impl PlannedStep {
    /// A step without needs, condition, limit or retries.
    pub fn new(name: StepName, action: impl Into<String>, input: Value) -> Self {
        Self {
            name,
            action: action.into(),
            input,
            needs: Vec::new(),
            when: None,
            timeout_seconds: None,
            retries: Retries::default(),
            effect: EffectClass::default(),
            concurrency: None,
            resources: None,
            instance: None,
            within: Vec::new(),
        }
    }

    /// The same step, with these needs.
    #[must_use]
    pub fn needing(mut self, needs: impl IntoIterator<Item = StepName>) -> Self {
        self.needs = needs.into_iter().collect();
        self
    }
}

/// How often and how soon a failed attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// How many further attempts may follow the first; 0 repeats nothing.
    pub times: u32,
    /// The pause before the second attempt, in milliseconds.
    pub first_delay_ms: u64,
    /// By what each further pause is longer than the one before.
    pub factor: u32,
    /// The longest pause, in milliseconds.
    pub longest_delay_ms: u64,
}

impl Default for Retries {
    /// No retries; where there are some, pauses of 1 s, 2 s, 4 s and so on up to a minute.
    fn default() -> Self {
        Self {
            times: 0,
            first_delay_ms: 1_000,
            factor: 2,
            longest_delay_ms: 60_000,
        }
    }
}

impl Retries {
    /// The pause after the `attempt`-th attempt (counted from 1), or `None` when it was the last.
    pub fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if attempt == 0 || attempt > self.times {
            return None;
        }
        let growth = u64::from(self.factor.max(1)).saturating_pow(attempt - 1);
        let delay = self.first_delay_ms.saturating_mul(growth);
        Some(Duration::from_millis(delay.min(self.longest_delay_ms)))
    }
}

/// What a repetition of a step would do to the world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EffectClass {
    /// It only computes: its outputs depend on its inputs alone.
    Pure,
    /// Doing it twice leaves the same as doing it once.
    ///
    /// The default: a build or a test writes into its own workspace, so after a crash it may be
    /// repeated. `Pure` would promise that the outputs depend on the inputs alone, which nobody can
    /// assume of an unknown command; `Effect` would stop and ask a person after every crash.
    #[default]
    Idempotent,
    /// Doing it twice may do harm: after a crash the engine observes whether it was done instead of repeating it.
    Effect,
}

/// What the action `run` is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInput {
    /// The commands.
    pub script: String,
    /// The image that they run in; on the machine itself where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageUse>,
    /// The program that runs them, `sh` (with `-eu`) where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// The folder it runs in, relative to the component's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Variables set for the commands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Secrets handed to the commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// Folders kept from run to run, for the tools' own caches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache: Vec<CacheFolder>,
    /// For steps of class `effect`: commands that say whether it was done (exit code 0: done,
    /// 1: not done, anything else: unknown).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe: Option<String>,
    /// What runs beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceUse>,
    /// What its result depends on and consists of; absent for a step that runs each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptResult>,
    /// The files in which its tests say what came of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ReportFiles>,
    /// Folders that may not be kept from run to run on this line: they begin empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unkept: Vec<String>,
    /// The step runs whatever is kept, and its result is not kept, as in a rebuild.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

/// An image that commands run in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUse {
    /// Its name.
    pub name: String,
    /// When it is fetched.
    #[serde(default)]
    pub pull: ImagePull,
    /// The user within the container; where absent, the one to whom the workspace belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// When an image is fetched from its registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImagePull {
    /// Where it is not on the machine.
    #[default]
    Missing,
    /// Before each attempt.
    Always,
    /// Never: it must be on the machine.
    Never,
}

/// A process or a container that runs beside a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUse {
    /// Its name.
    pub name: String,
    /// Its commands; absent for what its image does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Its image; a process of the machine where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageUse>,
    /// The port it listens on within its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Its variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Commands that succeed when it is ready; where absent, it is when its port answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How long that may take, in seconds.
    pub within_seconds: u64,
}

/// What the result of a step depends on, and what it consists of: enough to keep it and to put it back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptResult {
    /// Patterns of the files it may read, relative to the component's folder.
    pub inputs: Vec<String>,
    /// Patterns of the files it leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Commands that print the versions of the tools it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// Files in which tests say what came of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFiles {
    /// A file or a pattern, relative to the component's folder.
    pub path: String,
    /// What they hold.
    pub format: ReportFormat,
}

/// What files of tests hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportFormat {
    /// JUnit XML.
    Junit,
    /// TAP, the Test Anything Protocol.
    Tap,
}

/// A secret handed to a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretUse {
    /// The secret's name.
    pub secret: String,
    /// The variable that holds its value. Only where asked for: a variable is easier to leak than a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// The name of the file that holds its value, in the folder that the variable
    /// `THROUGHLINE_SECRETS` names; the secret's own name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// A folder kept from run to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheFolder {
    /// The folder, relative to the component's folder.
    pub path: String,
    /// Folders with the same key are the same folder, per component and trust.
    pub key: String,
}

/// What the action `package` is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PackageInput {
    /// The files that go in.
    pub files: Vec<PackageFile>,
    /// What a deployment needs to know later, frozen into the package's configuration.
    pub document: PackageDocument,
}

/// A file or folder that goes into the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// A file, a folder or a glob, relative to the component's folder.
    pub from: String,
    /// Its path in the package. For a folder or a glob it is the folder that the matches go into.
    pub to: String,
}

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two steps have one name.
    #[error("two steps are called `{0}`")]
    Duplicate(StepName),
    /// A step needs one that is not there.
    #[error("step `{step}` needs `{need}`, which does not exist")]
    UnknownNeed {
        /// The step that needs.
        step: StepName,
        /// What it needs.
        need: StepName,
    },
    /// Steps wait for one another; the path begins and ends with the same step.
    #[error("steps wait for one another: {}", path_text(&path.iter().map(StepName::as_str).collect::<Vec<_>>()))]
    Cycle {
        /// Each needs the next.
        path: Vec<StepName>,
    },
    /// There are more steps than allowed.
    #[error("the plan has {steps} steps, more than the {most} allowed")]
    TooManySteps {
        /// How many there are.
        steps: usize,
        /// How many there may be.
        most: usize,
    },
}

impl Plan {
    /// The plan of these steps and all that they need, directly or over others, in the same order. The name
    /// of a step with a matrix means all its instances, that of one with a module all that it gives.
    ///
    /// # Errors
    /// The first name that is no step's.
    pub fn only<'a>(&self, wanted: &'a [StepName]) -> Result<Self, &'a StepName> {
        let places: HashMap<&StepName, usize> = self
            .steps
            .iter()
            .enumerate()
            .map(|(place, step)| (&step.name, place))
            .collect();
        let mut taken = vec![false; self.steps.len()];
        let mut open = Vec::new();
        for name in wanted {
            let before = open.len();
            open.extend(places.get(name));
            let is_instance = |step: &PlannedStep| {
                let of = step.instance.as_ref().map(|instance| &instance.of);
                let using = step.within.iter().flat_map(|using| [&using.step, using.named()]);
                of.into_iter().chain(using).any(|of| of == name)
            };
            open.extend(
                self.steps
                    .iter()
                    .enumerate()
                    .filter(|(_, step)| is_instance(step))
                    .map(|(place, _)| place),
            );
            if open.len() == before {
                return Err(name);
            }
        }
        while let Some(place) = open.pop() {
            if !std::mem::replace(&mut taken[place], true) {
                open.extend(self.steps[place].needs.iter().filter_map(|need| places.get(need)));
            }
        }
        let steps = self.steps.iter().zip(taken).filter(|(_, taken)| *taken);
        Ok(Self {
            steps: steps.map(|(step, _)| step.clone()).collect(),
            concurrency: self.concurrency.clone(),
        })
    }

    /// The plan of these steps, in no group.
    pub fn of(steps: Vec<PlannedStep>) -> Self {
        Self {
            steps,
            concurrency: None,
        }
    }

    /// Whether any part of it is in a group.
    pub fn has_groups(&self) -> bool {
        self.concurrency.is_some() || self.steps.iter().any(|step| step.concurrency.is_some())
    }

    /// Fills in what the names of groups name of the run, such as `$THROUGHLINE_BRANCH`; empty without a value.
    pub fn name_groups(&mut self, value: impl Fn(&str) -> Option<String>) {
        let steps = self.steps.iter_mut().filter_map(|step| step.concurrency.as_mut());
        for concurrency in steps.chain(self.concurrency.as_mut()) {
            concurrency.group = crate::fill::fill_all(&concurrency.group, |name| value(name).unwrap_or_default());
        }
    }

    /// Whether the plan can be driven: names are unique, needs are known, nothing waits for itself,
    /// and there are at most [`MOST_STEPS`].
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), PlanError> {
        self.check_for(Trust::Trusted)
    }

    /// [`Plan::check`] with the limit that fits the trust of the change.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_for(&self, trust: Trust) -> Result<(), PlanError> {
        let most = match trust {
            Trust::Trusted => MOST_STEPS,
            Trust::Untrusted => MOST_STEPS_UNTRUSTED,
        };
        if self.steps.len() > most {
            return Err(PlanError::TooManySteps {
                steps: self.steps.len(),
                most,
            });
        }
        let mut places: HashMap<&StepName, usize> = HashMap::with_capacity(self.steps.len());
        for (place, step) in self.steps.iter().enumerate() {
            if places.insert(&step.name, place).is_some() {
                return Err(PlanError::Duplicate(step.name.clone()));
            }
        }
        let mut needs = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let mut of_step = Vec::with_capacity(step.needs.len());
            for need in &step.needs {
                let place = places.get(need).ok_or_else(|| PlanError::UnknownNeed {
                    step: step.name.clone(),
                    need: need.clone(),
                })?;
                of_step.push(*place);
            }
            needs.push(of_step);
        }
        match find_cycle(&needs) {
            None => Ok(()),
            Some(path) => Err(PlanError::Cycle {
                path: path.into_iter().map(|place| self.steps[place].name.clone()).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, needs: &[&str]) -> PlannedStep {
        PlannedStep::new(StepName::new(name).unwrap(), RUN, Value::Null)
            .needing(needs.iter().map(|need| StepName::new(*need).unwrap()))
    }

    #[test]
    fn a_cycle_is_named_as_a_path() {
        let plan = Plan::of(vec![
            step("z", &["a"]),
            step("a", &["b"]),
            step("b", &["c"]),
            step("c", &["a"]),
        ]);
        assert_eq!(
            plan.check().unwrap_err().to_string(),
            "steps wait for one another: a -> b -> c -> a"
        );
        let many: Vec<_> = (0..100)
            .map(|n| step(&format!("s{n}"), &[format!("s{}", (n + 1) % 100).as_str()]))
            .collect();
        assert_eq!(
            Plan::of(many).check().unwrap_err().to_string(),
            "steps wait for one another: s0 -> s1 -> s2 -> s3 -> s4 -> s5 -> s6 -> s7 -> (91 more) -> s99 -> s0"
        );
        let own = Plan {
            concurrency: None,
            steps: vec![step("a", &["a"])],
        };
        assert_eq!(
            own.check().unwrap_err().to_string(),
            "steps wait for one another: a -> a"
        );
    }

    #[test]
    fn unknown_needs_and_twins_are_refused() {
        let plan = Plan {
            concurrency: None,
            steps: vec![step("a", &["b"])],
        };
        assert!(matches!(plan.check(), Err(PlanError::UnknownNeed { .. })));
        let plan = Plan {
            concurrency: None,
            steps: vec![step("a", &[]), step("a", &[])],
        };
        assert!(matches!(plan.check(), Err(PlanError::Duplicate(_))));
    }

    #[test]
    fn the_longest_chain_allowed_is_checked_without_overflow() {
        let mut steps: Vec<_> = (0..MOST_STEPS).map(|n| step(&format!("s{n}"), &[])).collect();
        for n in 1..MOST_STEPS {
            steps[MOST_STEPS - n - 1].needs = vec![StepName::new(format!("s{}", MOST_STEPS - n)).unwrap()];
        }
        let mut plan = Plan::of(steps);
        assert_eq!(plan.check(), Ok(()));
        assert!(matches!(
            plan.check_for(Trust::Untrusted),
            Err(PlanError::TooManySteps { .. })
        ));
        plan.steps.push(step("more", &[]));
        assert!(matches!(plan.check(), Err(PlanError::TooManySteps { .. })));
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let retries = Retries {
            times: 4,
            first_delay_ms: 100,
            factor: 3,
            longest_delay_ms: 1_000,
        };
        let pauses: Vec<_> = (1..6).map(|n| retries.delay_after(n).map(|d| d.as_millis())).collect();
        assert_eq!(pauses, [Some(100), Some(300), Some(900), Some(1_000), None]);
        assert_eq!(Retries::default().delay_after(1), None);
    }
}
