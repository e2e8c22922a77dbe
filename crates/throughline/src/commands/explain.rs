//! What `throughline check --explain` says of a definition: its plan, without running anything.

use std::collections::BTreeMap;

use facts::{Commit, StepName};
use pipeline::plan::{EffectClass, GroupRule, RUN, Resources, RunInput, VERSION};
use pipeline::within::{Part, Within};
use pipeline::{Definition, Plan, PlannedStep};
use policy::Condition;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::show::paint::{Tone, clean, paint};

/// The column in which what is said of a step begins.
const NAMES: usize = 32;

/// A plan, explained.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    /// The line for which conditions were looked at.
    line: String,
    /// How many places this machine has.
    places: usize,
    /// The group that the whole run is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Group>,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    rule: &'static str,
}

/// A module that a step comes from.
#[derive(Debug, Serialize)]
pub(super) struct OfModule {
    /// The step that uses it; of one with a matrix, the instance.
    step: String,
    /// Of which step with a matrix that is an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_of: Option<String>,
    /// The values of the instance.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    matrix: BTreeMap<String, String>,
    /// Where it lies.
    module: String,
    /// The commit that its version means.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<Commit>,
    /// The condition of the step that uses it, where this step asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<String>,
}

impl OfModule {
    /// The modules that a step comes from, the outermost first.
    pub fn all(step: &PlannedStep) -> Vec<Self> {
        let of = |using: &Within| Self {
            step: using.step.to_string(),
            instance_of: using.instance.as_ref().map(|instance| instance.of.to_string()),
            matrix: using
                .instance
                .as_ref()
                .map(|instance| instance.values.clone())
                .unwrap_or_default(),
            module: using.module.clone(),
            commit: using.commit.clone(),
            when: using.when.clone(),
        };
        step.within.iter().map(of).collect()
    }
}

#[derive(Debug, Serialize)]
struct Step {
    name: String,
    /// 1 for what begins at once, 2 for what needs one of those, and so on.
    wave: usize,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_of: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    matrix: BTreeMap<String, String>,
    /// The modules that it comes from, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    modules: Vec<OfModule>,
    /// The innermost of them, in words.
    #[serde(skip)]
    from: Option<String>,
    needs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<String>,
    /// `runs`, `skipped`, or `depends` where the condition asks for what only the run knows, when all before it
    /// goes well.
    would: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Group>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    retries: u32,
    effect: EffectClass,
    /// Whether its result is kept and put back instead of made.
    kept: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<String>,
    /// Folders kept from run to run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    caches: Vec<String>,
    /// Folders that would be kept from run to run, were it not for the line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unkept: Vec<String>,
    /// The names of its secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
    /// The files of its tests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reports: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // reason: serde asks so
fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn rule(rule: GroupRule) -> &'static str {
    match rule {
        GroupRule::Queue => "queue",
        GroupRule::Newest => "newest",
        GroupRule::Replace => "replace",
    }
}

impl Explained {
    /// The plan of a definition, on a line, on a machine with so many places.
    pub fn of(definition: &Definition, line: &str, places: usize) -> Self {
        let plan = definition.plan_on(line);
        let waves = waves(&plan);
        let steps = plan.steps.iter().zip(waves);
        Self {
            line: line.to_owned(),
            places,
            group: plan.concurrency.as_ref().map(|concurrency| Group {
                name: concurrency.group.clone(),
                rule: rule(concurrency.rule),
            }),
            steps: steps.map(|(step, wave)| explain(&plan, step, wave, line)).collect(),
        }
    }

    /// The plan as people read it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(group) = &self.group {
            text.push_str(&format!(
                "  the whole run is in the group {} ({})\n",
                clean(&group.name),
                group.rule
            ));
        }
        let mut steps: Vec<&Step> = self.steps.iter().collect();
        steps.sort_by_key(|step| step.wave);
        let mut last = 0;
        for step in steps {
            let wave = if step.wave == last {
                String::new()
            } else {
                step.wave.to_string()
            };
            last = step.wave;
            let (sign, tone) = match step.would {
                "skipped" => ("–", Tone::Quiet),
                "depends" => ("○", Tone::Waiting),
                _ => ("●", Tone::Busy),
            };
            let room = NAMES.saturating_sub(step.name.chars().count()).max(2);
            let first = step.why.clone().unwrap_or_else(|| step.after(&self.steps));
            text.push_str(&format!(
                "{wave:>3}  {} {}{}{}\n",
                paint(tone, sign),
                paint(Tone::Strong, &clean(&step.name)),
                " ".repeat(room),
                paint(Tone::Quiet, &clean(&first))
            ));
            let mut more = step.more();
            if step.why.is_some() && !step.needs.is_empty() {
                more.insert(0, step.after(&self.steps));
            }
            for line in more {
                text.push_str(&format!(
                    "{:>7}{}{}\n",
                    "",
                    " ".repeat(NAMES),
                    paint(Tone::Quiet, &clean(&line))
                ));
            }
        }
        text
    }
}

impl Step {
    /// What it comes after.
    fn after(&self, all: &[Self]) -> String {
        let mut names: Vec<String> = Vec::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for need in &self.needs {
            let of = all.iter().find(|step| step.name == *need);
            // A step of the same module is named; what another module gives is counted.
            let inside = |step: &OfModule| self.modules.iter().any(|own| own.step == step.step);
            let of = of.and_then(|step| {
                let module = step.modules.iter().find(|module| !inside(module));
                module
                    .map(|module| module.instance_of.as_deref().unwrap_or(&module.step))
                    .or(step.instance_of.as_deref())
            });
            match of {
                None => names.push(need.clone()),
                Some(of) => *counts.entry(of).or_default() += 1,
            }
        }
        names.extend(counts.iter().map(|(of, count)| format!("{of} (all {count})")));
        if names.is_empty() {
            "begins at once".to_owned()
        } else {
            format!("after {}", names.join(", "))
        }
    }

    /// Everything else there is to say.
    fn more(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let list = |words: &str, names: &[String]| (!names.is_empty()).then(|| format!("{words} {}", names.join(", ")));
        lines.extend(self.from.as_ref().map(|from| format!("from {from}")));
        let outer = self.modules.iter().filter_map(|module| module.when.as_ref());
        lines.extend(outer.chain(&self.when).map(|when| format!("when {when}")));
        lines.extend(self.image.as_ref().map(|image| format!("in {image}")));
        lines.extend(
            self.group
                .as_ref()
                .map(|group| format!("in the group {} ({})", group.name, group.rule)),
        );
        let mut takes = Vec::new();
        takes.extend(self.cpus.map(|cpus| format!("{cpus} cpus")));
        takes.extend(self.memory_bytes.map(|bytes| format!("{} MiB", bytes >> 20)));
        lines.extend(list("takes", &takes));
        if self.kept {
            let leaves = if self.outputs.is_empty() {
                "its log".to_owned()
            } else {
                self.outputs.join(", ")
            };
            lines.push(format!("kept by {}: {leaves}", self.inputs.join(", ")));
        }
        lines.extend(list("caches", &self.caches));
        if !self.unkept.is_empty() {
            lines.push(format!(
                "begins without {}: the line forbids tools' caches",
                self.unkept.join(", ")
            ));
        }
        lines.extend(list("secrets", &self.secrets));
        lines.extend(list("tests in", &self.reports));
        let mut limits = Vec::new();
        limits.extend(self.timeout_seconds.map(|seconds| format!("at most {seconds} s")));
        limits.extend((self.retries > 0).then(|| format!("tried again {} times", self.retries)));
        limits.extend(
            (self.effect == EffectClass::Effect).then(|| "changes the world: never repeated blindly".to_owned()),
        );
        if !limits.is_empty() {
            lines.push(limits.join(", "));
        }
        lines
    }
}

/// For each step, after how many others it can begin at the earliest, from 1.
fn waves(plan: &Plan) -> Vec<usize> {
    let places: BTreeMap<&StepName, usize> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(place, step)| (&step.name, place))
        .collect();
    let mut waves = vec![1; plan.steps.len()];
    let mut missing: Vec<usize> = plan.steps.iter().map(|step| step.needs.len()).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); plan.steps.len()];
    for (place, step) in plan.steps.iter().enumerate() {
        for need in step.needs.iter().filter_map(|need| places.get(need)) {
            dependents[*need].push(place);
        }
    }
    let mut open: Vec<usize> = (0..plan.steps.len()).filter(|place| missing[*place] == 0).collect();
    while let Some(place) = open.pop() {
        for dependent in std::mem::take(&mut dependents[place]) {
            waves[dependent] = waves[dependent].max(waves[place] + 1);
            missing[dependent] = missing[dependent].saturating_sub(1);
            if missing[dependent] == 0 {
                open.push(dependent);
            }
        }
    }
    waves
}

fn explain(plan: &Plan, step: &PlannedStep, wave: usize, line: &str) -> Step {
    let script = matches!(step.action.as_str(), RUN | VERSION);
    let input: RunInput = script
        .then(|| serde_json::from_value(step.input.clone()).ok())
        .flatten()
        .unwrap_or_default();
    let (would, why) = would(plan, step, line);
    let (inputs, outputs) = input
        .kept
        .clone()
        .map(|kept| (kept.inputs, kept.outputs))
        .unwrap_or_default();
    let Resources {
        cpus_milli,
        memory_bytes,
    } = step.resources.unwrap_or(Resources {
        cpus_milli: None,
        memory_bytes: None,
    });
    Step {
        name: step.name.to_string(),
        wave,
        action: step.action.clone(),
        instance_of: step.instance.as_ref().map(|instance| instance.of.to_string()),
        matrix: step
            .instance
            .as_ref()
            .map(|instance| instance.values.clone())
            .unwrap_or_default(),
        modules: OfModule::all(step),
        from: step.within.last().map(Within::module_in_words),
        needs: step.needs.iter().map(ToString::to_string).collect(),
        when: step.when.clone(),
        would,
        why,
        image: input.image.map(|image| image.name),
        group: step.concurrency.as_ref().map(|concurrency| Group {
            name: concurrency.group.clone(),
            rule: rule(concurrency.rule),
        }),
        cpus: cpus_milli.map(|milli| milli as f64 / 1_000.0),
        memory_bytes,
        timeout_seconds: step.timeout_seconds,
        retries: step.retries.times,
        effect: step.effect,
        kept: input.kept.is_some() && !input.fresh,
        inputs,
        outputs,
        caches: input.cache.into_iter().map(|cache| cache.path).collect(),
        unkept: input.unkept,
        secrets: input.secrets.into_iter().map(|secret| secret.secret).collect(),
        reports: input.reports.into_iter().map(|report| report.path).collect(),
    }
}

/// What would become of a step of a trusted build on this line when all before it goes well.
fn would(plan: &Plan, step: &PlannedStep, line: &str) -> (&'static str, Option<String>) {
    let mut would = ("runs", None);
    for (depth, when) in step.conditions().enumerate() {
        let Some(when) = when else { continue };
        let evaluated = Condition::compile(when)
            .ok()
            .and_then(|condition| condition.evaluate(&variables(plan, step, depth, line)).ok());
        match evaluated {
            Some(true) => {}
            Some(false) => {
                let why = format!("skipped on {line} when all before it goes well");
                return ("skipped", Some(why));
            }
            None => would = ("depends", Some("what the run finds decides whether it runs".to_owned())),
        }
    }
    would
}

/// What one of a step's conditions sees when all before it went well.
fn variables(plan: &Plan, step: &PlannedStep, depth: usize, line: &str) -> Value {
    let mut needs = Map::new();
    for need in &step.needs {
        let Some(planned) = plan.steps.iter().find(|planned| planned.name == *need) else {
            continue;
        };
        let seen = step.sees(planned);
        if seen.depth != depth {
            continue;
        }
        let of = needs.entry(seen.name.to_owned());
        let of = of.or_insert_with(|| json!({"result": "succeeded", "instances": []}));
        if let (true, Some(all)) = (
            seen.part != Part::Whole,
            of.get_mut("instances").and_then(Value::as_array_mut),
        ) {
            all.push(json!({"name": need, "result": "succeeded", "matrix": planned.values_from(depth)}));
        }
    }
    json!({
        "needs": needs,
        "matrix": step.matrix_at(depth).map_or_else(|| json!({}), |values| json!(values)),
        "inputs": step.inputs_at(depth).map_or_else(|| json!({}), |inputs| json!(inputs)),
        "run": {"kind": "build", "line": line, "trust": "trusted", "environment": null},
    })
}
