//! The steps of a definition.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use facts::StepName;
use policy::nearest::nearest;
use policy::scope;
use serde_json::json;

use super::{Reader, file, modules};
use crate::checks::to_text;
use crate::cycle::{find_cycle, path_text};
use crate::named::Named;
use crate::plan::{CacheFolder, EffectClass, MOST_STEPS, PACKAGE, PlannedStep, RUN, Retries, RunInput, SecretUse};
use crate::schema::Scalar;
use crate::yaml::{Node, Place};

/// What the reading of each step rests on.
struct Reading<'a> {
    /// The names of all steps.
    names: &'a BTreeSet<&'a str>,
    defaults: &'a Defaults,
}

/// Plain values as texts, by their names.
fn texts(values: &BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    values
        .iter()
        .map(|(name, value)| (name.clone(), to_text(&value.0)))
        .collect()
}

/// What holds for every step that says nothing else.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub variables: BTreeMap<String, String>,
    pub shell: Option<String>,
}

impl Reader<'_> {
    pub(super) fn defaults(&self, variables: BTreeMap<String, Scalar>, shell: Option<String>) -> Defaults {
        let without_steps = self.root.get("steps").is_none_or(|steps| steps.members().is_empty())
            && self
                .root
                .get("version")
                .and_then(|version| version.get("command"))
                .is_none();
        for key in ["variables", "shell"] {
            if let Some((key, _)) = self.root.member(key)
                && without_steps
            {
                let message = format!("`{}` is without effect: there are no steps", key.name);
                self.checks.say(key.place, message, Some("write some, or remove it"));
            }
        }
        if let Some(written) = self.root.get("variables") {
            self.checks.texts(written);
        }
        if let Some(shell) = &shell {
            self.checks.script(self.root, "shell", shell);
        }
        Defaults {
            variables: texts(&variables),
            shell,
        }
    }

    pub(super) fn steps(&self, steps: Named<file::Step>, defaults: &Defaults) -> Vec<PlannedStep> {
        let Some((key, nodes)) = self.root.member("steps") else {
            return Vec::new();
        };
        if steps.0.len() >= MOST_STEPS {
            let message = format!("there are {} steps, more than the {MOST_STEPS} allowed", steps.0.len());
            self.checks.say(key.place, message, None);
            return Vec::new();
        }
        let names: BTreeSet<&str> = nodes.members().iter().map(|(key, _)| key.name.as_str()).collect();
        let reading = Reading {
            names: &names,
            defaults,
        };
        let mut planned = Vec::with_capacity(steps.0.len());
        for ((name, step), (key, node)) in steps.0.into_iter().zip(nodes.members()) {
            if step.uses.is_some() {
                planned.extend(self.modules(&name, &step, (key.place, node), &names));
                continue;
            }
            self.inputs_stand(node);
            if step.matrix.is_none() && self.at.inputs.is_some() {
                let filled = self.filled(&step, node, &[]);
                planned.extend(filled.and_then(|step| self.step(&name, step, key.place, node, &reading)));
                continue;
            }
            if step.matrix.is_none() {
                planned.extend(self.step(&name, step, key.place, node, &reading));
                continue;
            }
            let before = self.checks.count();
            for (instance, name, step) in self.instances(&name, &step, node, &names).unwrap_or_default() {
                let mut step = self.step(&name, step, key.place, node, &reading);
                if let Some(step) = &mut step {
                    step.instance = Some(instance);
                }
                planned.extend(step);
                // What is wrong with one is wrong with all.
                if self.checks.count() > before {
                    break;
                }
            }
            if planned.len() >= MOST_STEPS {
                let message = format!("with their matrices there are more steps than the {MOST_STEPS} allowed");
                self.checks.say(key.place, message, None);
                break;
            }
        }
        self.no_cycle(nodes);
        if let Some(twin) = modules::twins(&planned) {
            let place = nodes
                .member(twin.named().as_str())
                .map_or(key.place, |(key, _)| key.place);
            let message = format!("two steps would be called `{}`", twin.name);
            self.checks
                .say(place, message, Some("choose another name for one of them"));
        }
        planned
    }

    fn step(
        &self,
        name: &str,
        mut step: file::Step,
        place: Place,
        node: &Node,
        reading: &Reading<'_>,
    ) -> Option<PlannedStep> {
        let checks = self.checks;
        if name == PACKAGE {
            checks.say(
                place,
                "`package` is the name of the step that puts the package together",
                Some("choose another name"),
            );
        }
        if let Some(run) = &step.run {
            checks.script(node, "run", run);
        }
        if let Some((key, _)) = node.member("with") {
            let message = "`with` is without effect: the step uses no module";
            checks.say(key.place, message, Some("remove it, or name the module with `uses`"));
        }
        let needs = self.needs(node, &step.needs, reading.names);
        if let Some(when) = &step.when {
            self.when(node, when, &step);
        }
        for (key, text) in [("shell", &step.shell), ("observe", &step.observe)] {
            if let Some(text) = text {
                checks.script(node, key, text);
            }
        }
        if let Some(folder) = &step.folder {
            checks.path(node.place_of(&["folder"]), "the folder", folder);
        }
        if let Some(variables) = node.get("variables") {
            checks.texts(variables);
        }
        // A result that can be put back instead of made depends on its inputs alone.
        let usual = if step.inputs.is_some() {
            EffectClass::Pure
        } else {
            EffectClass::default()
        };
        let effect = step.effect.unwrap_or(usual);
        let reports = self.reports(node, std::mem::take(&mut step.reports));
        let mut kept = self.kept(node, &step, effect);
        // What tests say belongs to the result.
        if let Some(kept) = &mut kept {
            let lacking = reports.iter().filter(|report| !step.outputs.contains(&report.path));
            kept.outputs.extend(lacking.map(|report| report.path.clone()));
        }
        self.observed(node, effect, step.observe.is_some());
        let timeout_seconds = step
            .timeout
            .as_deref()
            .map(|timeout| checks.seconds(node, "timeout", Some(timeout), 1));
        let retries = step
            .retries
            .map_or_else(Retries::default, |retries| self.retries(node, &retries));
        let mut variables = reading.defaults.variables.clone();
        variables.extend(texts(&step.variables));
        let image = step.image.as_ref().map(|image| self.image(node, "image", image));
        let services = self.services(node, &step.services);
        let input = RunInput {
            script: step.run.unwrap_or_default(),
            services,
            image,
            shell: step.shell.or_else(|| reading.defaults.shell.clone()),
            folder: step.folder,
            variables,
            secrets: self.secrets(node, self.secrets_named(node, step.secrets)),
            cache: self.cache(node, step.cache),
            observe: step.observe,
            kept,
            reports,
            unkept: Vec::new(),
            fresh: false,
        };
        let concurrency = self.concurrency(node, step.concurrency, Some(effect));
        let resources = self.resources(node, step.resources.as_ref());
        let mut planned = PlannedStep::new(checks.name(place, name)?, RUN, json!(input)).needing(needs);
        planned.when = step.when;
        planned.timeout_seconds = timeout_seconds;
        planned.retries = retries;
        planned.effect = effect;
        planned.concurrency = concurrency;
        planned.resources = resources;
        Some(planned)
    }

    /// The condition of a step; it sees the steps that this one needs, and no others, and of a matrix the
    /// values of this instance.
    pub(super) fn when(&self, node: &Node, when: &str, step: &file::Step) {
        let Some(condition) = self.checks.condition(node, "when", when, &scope::STEP) else {
            return;
        };
        let needs = || step.needs.iter().map(String::as_str);
        for member in condition.members() {
            let place = self
                .checks
                .source
                .inside(node.place_of(&["when"]), when, member.line, member.column);
            let name = member.name.as_str();
            if member.variable == "needs" && needs().all(|need| need != name) {
                let hint = match nearest(name, needs()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add it: `needs: [{name}]`"),
                };
                let message = format!("`when`: this step does not need `{name}`");
                self.checks.say(place, message, Some(&hint));
            }
            if member.variable == "inputs" {
                self.when_of_inputs(place, Some(name));
            }
            if member.variable == "matrix" && node.get("matrix").is_some() && !step.variables.contains_key(name) {
                let hint = nearest(name, step.variables.keys().map(String::as_str));
                let hint = hint.map(|near| format!("did you mean `{near}`?"));
                self.checks
                    .say(place, format!("`when`: the matrix has no `{name}`"), hint.as_deref());
            }
        }
        let of_inputs = |member: &policy::scope::Member| member.variable == "inputs";
        if condition.variables().any(|variable| variable == "inputs") && !condition.members().iter().any(of_inputs) {
            self.when_of_inputs(node.place_of(&["when"]), None);
        }
        if node.get("matrix").is_none() && condition.variables().any(|variable| variable == "matrix") {
            let hint = "give it one, or take `matrix` out of the condition";
            self.checks
                .say(node.place_of(&["when"]), "`when`: this step has no matrix", Some(hint));
        }
    }

    /// The steps that `needs` names, each known and named once.
    pub(super) fn needs(&self, node: &Node, needs: &[String], names: &BTreeSet<&str>) -> Vec<StepName> {
        let mut known = Vec::with_capacity(needs.len());
        let mut named = BTreeSet::new();
        let nodes = node.get("needs").map(Node::elements).unwrap_or_default();
        for (need, node) in needs.iter().zip(nodes) {
            if !self.checks.known(node.place, "step", need, names) {
                continue;
            }
            if let Some(name) = self.checks.name::<StepName>(node.place, need) {
                if !named.insert(need) {
                    self.checks.say(node.place, format!("`{need}` is named twice"), None);
                } else {
                    known.push(name);
                }
            }
        }
        known
    }

    /// No step may wait for itself, over however many others.
    fn no_cycle(&self, steps: &Node) {
        let members = steps.members();
        let places: HashMap<&str, usize> = members
            .iter()
            .enumerate()
            .map(|(place, (key, _))| (key.name.as_str(), place))
            .collect();
        let named = |node: &Node| node.to_json().as_str().and_then(|name| places.get(name).copied());
        let edges: Vec<Vec<usize>> = members
            .iter()
            .map(|(_, step)| {
                step.get("needs")
                    .map(Node::elements)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(named)
                    .collect()
            })
            .collect();
        let Some(path) = find_cycle(&edges) else { return };
        let names: Vec<&str> = path.iter().map(|place| members[*place].0.name.as_str()).collect();
        let needs = members[path[0]].1.get("needs").map(Node::elements).unwrap_or_default();
        let place = needs
            .iter()
            .find(|need| named(need) == Some(path[1]))
            .map_or(steps.place, |need| need.place);
        let message = format!("steps wait for one another: {}", path_text(&names));
        self.checks.say(place, message, Some("take one of these needs away"));
    }

    /// `effect` and `observe` go together.
    fn observed(&self, node: &Node, effect: EffectClass, observed: bool) {
        match (effect, observed) {
            (EffectClass::Effect, false) => self.checks.say(
                node.place_of(&["effect"]),
                "`effect: effect` needs `observe`",
                Some("after a crash its commands say whether the step was done: exit code 0 is done, 1 is not done"),
            ),
            (EffectClass::Pure | EffectClass::Idempotent, true) => self.checks.say(
                node.place_of(&["observe"]),
                "`observe` is without effect here: the step may be repeated",
                Some("write `effect: effect`, or remove it"),
            ),
            _ => {}
        }
    }

    fn retries(&self, node: &Node, retries: &file::Retries) -> Retries {
        let Some(node) = node.get("retries") else {
            return Retries::default();
        };
        let usual = Retries::default();
        let milliseconds = |key: &str, text: Option<&str>, absent: u64| {
            let length = self.checks.duration(node, key, text, Duration::from_millis(absent));
            u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
        };
        Retries {
            times: retries.times,
            first_delay_ms: milliseconds("first_delay", retries.first_delay.as_deref(), usual.first_delay_ms),
            factor: retries.factor.unwrap_or(usual.factor),
            longest_delay_ms: milliseconds(
                "longest_delay",
                retries.longest_delay.as_deref(),
                usual.longest_delay_ms,
            ),
        }
    }

    fn secrets(&self, node: &Node, secrets: Vec<file::Secret>) -> Vec<SecretUse> {
        let nodes = node.get("secrets").map(Node::elements).unwrap_or_default();
        let (mut files, mut variables) = (BTreeSet::new(), BTreeSet::new());
        for (secret, node) in secrets.iter().zip(nodes) {
            self.checks.secret(node.place_of(&["secret"]), &secret.secret);
            let file = secret.file.as_ref().unwrap_or(&secret.secret);
            if secret.file.is_some() {
                self.checks.secret(node.place_of(&["file"]), file);
            }
            if !files.insert(file) {
                self.checks.say(
                    node.place,
                    format!("two secrets have the file `{file}`"),
                    Some("give one another `file`"),
                );
            }
            if let Some(variable) = &secret.variable {
                let place = node.place_of(&["variable"]);
                self.checks.variable(place, variable);
                if !variables.insert(variable) {
                    self.checks
                        .say(place, format!("two secrets have the variable `{variable}`"), None);
                }
            }
        }
        secrets
            .into_iter()
            .map(|secret| SecretUse {
                secret: secret.secret,
                variable: secret.variable,
                file: secret.file,
            })
            .collect()
    }

    fn cache(&self, node: &Node, cache: Vec<file::Cache>) -> Vec<CacheFolder> {
        let nodes = node.get("cache").map(Node::elements).unwrap_or_default();
        for (folder, node) in cache.iter().zip(nodes) {
            self.checks.path(node.place_of(&["path"]), "the folder", &folder.path);
            if folder.path.split('/').all(|part| part.is_empty() || part == ".") {
                let hint = "name a folder in it, such as `target`";
                self.checks.say(
                    node.place_of(&["path"]),
                    "the component's own folder cannot be a cache",
                    Some(hint),
                );
            }
            if folder.key.trim().is_empty() {
                self.checks.say(node.place_of(&["key"]), "the key is empty", None);
            }
        }
        cache
            .into_iter()
            .map(|folder| CacheFolder {
                path: folder.path,
                key: folder.key,
            })
            .collect()
    }
}
