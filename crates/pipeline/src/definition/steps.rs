//! The steps of a definition.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use facts::StepName;
use policy::nearest::nearest;
use policy::scope;
use serde_json::json;

use super::{Reader, file};
use crate::checks::to_text;
use crate::named::Named;
use crate::plan::{
    CacheFolder, EffectClass, MOST_STEPS, PACKAGE, PlannedStep, RUN, Retries, RunInput, SecretUse, find_cycle,
    path_text,
};
use crate::yaml::{Node, Place};

impl Reader<'_> {
    pub(super) fn steps(&self, steps: Named<file::Step>) -> Vec<PlannedStep> {
        let Some((key, nodes)) = self.root.member("steps") else {
            return Vec::new();
        };
        if steps.0.len() >= MOST_STEPS {
            let message = format!("there are {} steps, more than the {MOST_STEPS} allowed", steps.0.len());
            self.checks.say(key.place, message, None);
            return Vec::new();
        }
        let names: BTreeSet<&str> = nodes.members().iter().map(|(key, _)| key.name.as_str()).collect();
        let planned = steps
            .0
            .into_iter()
            .zip(nodes.members())
            .filter_map(|((name, step), (key, node))| self.step(&name, step, key.place, node, &names))
            .collect();
        self.no_cycle(nodes);
        planned
    }

    fn step(
        &self,
        name: &str,
        step: file::Step,
        place: Place,
        node: &Node,
        names: &BTreeSet<&str>,
    ) -> Option<PlannedStep> {
        let checks = self.checks;
        if name == PACKAGE {
            checks.say(
                place,
                "`package` is the name of the step that puts the package together",
                Some("choose another name"),
            );
        }
        checks.script(node, "run", &step.run);
        let needs = self.needs(node, &step.needs, names);
        if let Some(when) = &step.when {
            self.when(node, when, &step.needs);
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
        let kept = self.kept(node, &step, effect);
        self.observed(node, effect, step.observe.is_some());
        let timeout_seconds = step
            .timeout
            .as_deref()
            .map(|timeout| checks.seconds(node, "timeout", Some(timeout), 1));
        let retries = step
            .retries
            .map_or_else(Retries::default, |retries| self.retries(node, &retries));
        let input = RunInput {
            script: step.run,
            shell: step.shell,
            folder: step.folder,
            variables: step
                .variables
                .iter()
                .map(|(name, value)| (name.clone(), to_text(&value.0)))
                .collect(),
            secrets: self.secrets(node, step.secrets),
            cache: self.cache(node, step.cache),
            observe: step.observe,
            kept,
            fresh: false,
        };
        let mut planned = PlannedStep::new(checks.name(place, name)?, RUN, json!(input)).needing(needs);
        planned.when = step.when;
        planned.timeout_seconds = timeout_seconds;
        planned.retries = retries;
        planned.effect = effect;
        Some(planned)
    }

    /// The condition of a step; it sees the steps that this one needs, and no others.
    fn when(&self, node: &Node, when: &str, needs: &[String]) {
        let Some(condition) = self.checks.condition(node, "when", when, &scope::STEP) else {
            return;
        };
        for member in condition
            .members()
            .iter()
            .filter(|member| !needs.contains(&member.name))
        {
            let place = self
                .checks
                .source
                .inside(node.place_of(&["when"]), when, member.line, member.column);
            let hint = match nearest(&member.name, needs.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add it: `needs: [{}]`", member.name),
            };
            self.checks.say(
                place,
                format!("`when`: this step does not need `{}`", member.name),
                Some(&hint),
            );
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
