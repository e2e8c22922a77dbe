//! `matrix`: a step once for each combination of values, each an instance with a name of its own.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use facts::{Digest, StepName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{Reader, file};
use crate::checks::to_text;
use crate::fill::{FillError, fill};
use crate::named::Named;
use crate::plan::{Instance, PlannedStep};
use crate::schema::Scalar;
use crate::within::Within;
use crate::yaml::{Node, Place};

/// The most instances that a step may have.
const MOST_INSTANCES: usize = 256;
/// The longest name of an instance that is spelled out; the end of a longer one is shortened.
const LONGEST_NAME: usize = 50;

/// The axes of a step, what is added to their combinations and what is left out.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Matrix {
    #[serde(default)]
    pub include: Vec<Named<Scalar>>,
    #[serde(default)]
    pub exclude: Vec<Named<Scalar>>,
    #[serde(flatten)]
    pub axes: Named<Vec<Scalar>>,
}

impl JsonSchema for Matrix {
    fn schema_name() -> Cow<'static, str> {
        "Matrix".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let combination = generator.subschema_for::<Named<Scalar>>();
        let value = generator.subschema_for::<Scalar>();
        json_schema!({
            "type": "object",
            "description": "The values of each axis by its name, which is the name of a variable. The step is done once for each combination.",
            "properties": {
                "include": {
                    "description": "Variables added to the combinations that have the values named with them; where none has, a combination of its own.",
                    "type": "array",
                    "items": combination,
                },
                "exclude": {
                    "description": "Combinations that are left out: all that have the values named.",
                    "type": "array",
                    "items": combination,
                },
            },
            "additionalProperties": { "type": "array", "items": value },
        })
    }
}

/// An instance on its way: its variables in the order in which people read them.
type Values = Vec<(String, String)>;

impl Reader<'_> {
    /// The instances of a step with a matrix, each with what its axes fill in; nothing when the matrix is
    /// wrong, which is said.
    pub(super) fn instances(
        &self,
        name: &str,
        step: &file::Step,
        node: &Node,
        names: &BTreeSet<&str>,
    ) -> Option<Vec<(Instance, String, file::Step)>> {
        let (matrix, place) = (
            step.matrix.as_ref()?,
            node.member("matrix").map_or(node.place, |(key, _)| key.place),
        );
        let of = self.checks.name::<StepName>(node.place, name)?;
        let node_of = node.get("matrix").unwrap_or(node);
        let combinations = self.combinations(matrix, node_of, place)?;
        for (axis, _) in &combinations[0] {
            if step.variables.contains_key(axis) {
                let place = node
                    .get("variables")
                    .and_then(|variables| variables.member(axis))
                    .map_or(node.place, |(key, _)| key.place);
                let message = format!("`{axis}` is set by the matrix");
                self.checks.say(place, message, Some("take it out of one of the two"));
                return None;
            }
        }
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        let mut outputs: HashMap<String, usize> = HashMap::new();
        let mut instances = Vec::with_capacity(combinations.len());
        for (number, values) in combinations.into_iter().enumerate() {
            let name = instance_name(name, &values);
            if names.contains(name.as_str()) || taken.insert(name.clone(), number).is_some() {
                let message = format!("two steps would be called `{name}`");
                self.checks.say(
                    place,
                    message,
                    Some("choose other values, or another name for the step"),
                );
                return None;
            }
            let filled = self.filled(step, node, &values)?;
            let mut left = filled.outputs.clone();
            left.extend(
                filled
                    .reports
                    .iter()
                    .cloned()
                    .map(|mut report| std::mem::take(report.path_mut())),
            );
            left.sort();
            left.dedup();
            for pattern in left.iter().filter(|pattern| !pattern.starts_with('!')) {
                let kept = step.inputs.is_some() || !filled.outputs.contains(pattern);
                if kept && outputs.insert(pattern.clone(), number).is_some() {
                    let message = format!("two instances would leave `{pattern}`");
                    let axis = values.first().map_or("AXIS", |(axis, _)| axis.as_str());
                    let hint =
                        format!("let each leave files of its own: put the axis into the path, such as `out/${axis}`");
                    let key = if filled.outputs.contains(pattern) {
                        "outputs"
                    } else {
                        "reports"
                    };
                    self.checks.say(node.place_of(&[key]), message, Some(&hint));
                    return None;
                }
            }
            let instance = Instance {
                of: of.clone(),
                values: values.into_iter().collect(),
            };
            instances.push((instance, name, filled));
        }
        Some(instances)
    }

    /// The combinations of a matrix, in order; at least one.
    fn combinations(&self, matrix: &Matrix, node: &Node, place: Place) -> Option<Vec<Values>> {
        let checks = self.checks;
        let before = checks.count();
        let mut count: usize = 1;
        for (axis, values) in &matrix.axes.0 {
            let Some((key, written)) = node.member(axis) else {
                continue;
            };
            checks.variable(key.place, axis);
            if values.is_empty() {
                let message = format!("the axis `{axis}` has no values");
                checks.say(key.place, message, Some("name some, or remove the axis"));
            }
            let mut seen = BTreeSet::new();
            for (value, node) in values.iter().zip(written.elements()) {
                checks.text(axis, node);
                if !seen.insert(to_text(&value.0)) {
                    checks.say(
                        node.place,
                        format!("`{axis}` has the value `{}` twice", to_text(&value.0)),
                        None,
                    );
                }
            }
            count = count.saturating_mul(values.len());
        }
        let nodes = |key: &str| node.get(key).map(Node::elements).unwrap_or_default();
        for node in nodes("include").iter().chain(nodes("exclude")) {
            checks.texts(node);
            if node.members().is_empty() {
                checks.say(node.place, "no value is named here", Some("name some, or remove it"));
            }
        }
        if count.saturating_add(matrix.include.len()) > MOST_INSTANCES {
            let message = format!("the matrix has {count} combinations, more than the {MOST_INSTANCES} allowed");
            checks.say(place, message, Some("leave values out, or make several steps of it"));
        }
        if checks.count() > before {
            return None;
        }
        let mut all: Vec<Values> = if matrix.axes.0.is_empty() {
            Vec::new()
        } else {
            vec![Vec::new()]
        };
        for (axis, values) in &matrix.axes.0 {
            let longer = |combination: &Values| {
                let combination = combination.clone();
                values.iter().map(move |value| {
                    let mut longer = combination.clone();
                    longer.push((axis.clone(), to_text(&value.0)));
                    longer
                })
            };
            all = all.iter().flat_map(longer).collect();
        }
        self.exclude(matrix, nodes("exclude"), &mut all);
        self.include(matrix, nodes("include"), &mut all);
        if all.is_empty() && checks.count() == before {
            checks.say(
                place,
                "the matrix has no combination",
                Some("name an axis with its values, or `include` some"),
            );
        }
        (checks.count() == before).then_some(all)
    }

    fn exclude(&self, matrix: &Matrix, nodes: &[Node], all: &mut Vec<Values>) {
        let axes: BTreeSet<&str> = matrix.axes.0.iter().map(|(axis, _)| axis.as_str()).collect();
        for (entry, node) in matrix.exclude.iter().zip(nodes) {
            let known = node
                .members()
                .iter()
                .all(|(key, _)| self.checks.known(key.place, "axis", &key.name, &axes));
            let before = all.len();
            all.retain(|combination| !agrees(combination, entry, |_| true));
            if known && all.len() == before {
                let hint = "take it out, or look whether its values are those of the axes";
                self.checks.say(
                    node.place,
                    "this leaves nothing out: no combination has these values",
                    Some(hint),
                );
            }
        }
    }

    fn include(&self, matrix: &Matrix, nodes: &[Node], all: &mut Vec<Values>) {
        let axes: Vec<&str> = matrix.axes.0.iter().map(|(axis, _)| axis.as_str()).collect();
        let is_axis = |name: &str| axes.contains(&name);
        let combined = all.len();
        for (entry, node) in matrix.include.iter().zip(nodes) {
            let added: Values = entry
                .0
                .iter()
                .filter(|(name, _)| !is_axis(name))
                .map(|(name, value)| (name.clone(), to_text(&value.0)))
                .collect();
            let mut met = false;
            for combination in all.iter_mut().take(combined).filter(|_| !axes.is_empty()) {
                if agrees(combination, entry, is_axis) {
                    met = true;
                    for (name, value) in &added {
                        match combination.iter_mut().find(|(known, _)| known == name) {
                            Some((_, before)) => before.clone_from(value),
                            None => combination.push((name.clone(), value.clone())),
                        }
                    }
                }
            }
            if met && added.is_empty() {
                let hint = "add a variable to it, or remove it";
                self.checks
                    .say(node.place, "this adds nothing: the combination is there", Some(hint));
            }
            if met {
                continue;
            }
            if let Some(axis) = axes.iter().find(|axis| entry.0.iter().all(|(name, _)| name != *axis)) {
                let message = format!("no combination has these values, and for one of its own `{axis}` is missing");
                self.checks.say(node.place, message, Some("name a value for each axis"));
                continue;
            }
            // Axes first, in their order, so that its name reads like the others.
            let value = |name: &str| entry.0.iter().find(|(known, _)| known == name);
            let named = axes.iter().filter_map(|axis| value(axis));
            let mut own: Values = named.map(|(name, value)| (name.clone(), to_text(&value.0))).collect();
            own.extend(added);
            all.push(own);
        }
    }

    /// The step as this instance has it: its variables set, and filled in where the step may name them.
    pub(super) fn filled(&self, step: &file::Step, node: &Node, values: &[(String, String)]) -> Option<file::Step> {
        let mut filled = step.clone();
        let before = self.checks.count();
        let inputs = self.at.inputs.as_ref();
        let value = |name: &str| value_of(values, name).or_else(|| inputs?.text(name));
        let put = |text: &mut String, place: Place| match fill(text, value) {
            Ok(full) => *text = full,
            Err(error) => self.not_filled(place, &error, values),
        };
        let element = |key: &str, number: usize| {
            let nodes = node.get(key).map(Node::elements).unwrap_or_default();
            nodes.get(number).map_or(node.place, |node| node.place)
        };
        if let Some(folder) = &mut filled.folder {
            put(folder, node.place_of(&["folder"]));
        }
        for (key, patterns) in [
            ("inputs", filled.inputs.as_mut()),
            ("outputs", Some(&mut filled.outputs)),
        ] {
            for (number, pattern) in patterns.into_iter().flatten().enumerate() {
                put(pattern, element(key, number));
            }
        }
        if let Some(image) = &mut filled.image {
            put(image.name_mut(), node.place_of(&["image"]));
        }
        for (number, report) in filled.reports.iter_mut().enumerate() {
            put(report.path_mut(), element("reports", number));
        }
        if let Some(group) = &mut filled.concurrency {
            // What is the run's is filled in when there is a run.
            let mut own = group
                .name_mut()
                .replace("$THROUGHLINE_", "\0")
                .replace("${THROUGHLINE_", "\u{1}");
            put(&mut own, node.place_of(&["concurrency"]));
            *group.name_mut() = own.replace('\0', "$THROUGHLINE_").replace('\u{1}', "${THROUGHLINE_");
        }
        let services = node.get("services").map(Node::members).unwrap_or_default();
        for ((_, service), (_, node)) in filled.services.0.iter_mut().zip(services) {
            if let Some(image) = &mut service.image {
                put(image.name_mut(), node.place_of(&["image"]));
            }
        }
        for (number, cache) in filled.cache.iter_mut().enumerate() {
            put(&mut cache.path, element("cache", number));
            put(&mut cache.key, element("cache", number));
        }
        for (name, value) in values {
            filled.variables.insert(name.clone(), Scalar(value.clone().into()));
        }
        filled.matrix = None;
        (self.checks.count() == before).then_some(filled)
    }

    fn not_filled(&self, place: Place, error: &FillError, values: &[(String, String)]) {
        let quoted = |names: &mut dyn Iterator<Item = &String>| {
            let names: Vec<String> = names.map(|name| format!("`${name}`")).collect();
            names.join(", ")
        };
        let mut given = Vec::new();
        if !values.is_empty() {
            given.push(format!(
                "the matrix gives {}",
                quoted(&mut values.iter().map(|(name, _)| name))
            ));
        }
        if let Some(inputs) = self.at.inputs.as_ref().filter(|inputs| !inputs.texts.is_empty()) {
            let names = quoted(&mut inputs.texts.iter().map(|(name, _)| name));
            given.push(format!("the module's inputs are {names}"));
        }
        let hint = if given.is_empty() {
            "only inputs of the module can be, and it has none".to_owned()
        } else {
            given.join("; ")
        };
        self.checks.say(place, error.to_string(), Some(&hint));
    }
}

/// Needs of a step with a matrix are needs of each of its instances, those of one with a module of each step that
/// the module gives.
pub(super) fn needs_of_instances(steps: &mut [PlannedStep]) {
    let mut instances: HashMap<StepName, Vec<StepName>> = HashMap::new();
    for step in steps.iter() {
        let of = step.instance.as_ref().map(|instance| &instance.of);
        if let Some(of) = step.within.first().map(Within::named).or(of) {
            instances.entry(of.clone()).or_default().push(step.name.clone());
        }
    }
    if instances.is_empty() {
        return;
    }
    for step in steps {
        if step.needs.iter().any(|need| instances.contains_key(need)) {
            let each = |need: &StepName| instances.get(need).cloned().unwrap_or_else(|| vec![need.clone()]);
            step.needs = step.needs.iter().flat_map(each).collect();
        }
    }
}

fn value_of<'a>(values: &'a [(String, String)], name: &str) -> Option<&'a str> {
    values
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

/// Whether a combination has the values of `entry`, of those names that count.
fn agrees(combination: &[(String, String)], entry: &Named<Scalar>, counts: impl Fn(&str) -> bool) -> bool {
    let mut named = entry.0.iter().filter(|(name, _)| counts(name));
    named.all(|(name, value)| value_of(combination, name) == Some(to_text(&value.0).as_str()))
}

/// The name of an instance: the step's, and the values in order. What a name cannot hold becomes `-`; a
/// long one ends with a digest of all values instead of the rest of them.
fn instance_name(step: &str, values: &[(String, String)]) -> String {
    let word = |value: &str| {
        let word: String = value
            .to_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_') {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let parts: Vec<&str> = word.split('-').filter(|part| !part.is_empty()).collect();
        parts.join("-").trim_matches(['.', '_']).to_owned()
    };
    let words: Vec<String> = values
        .iter()
        .map(|(_, value)| word(value))
        .filter(|word| !word.is_empty())
        .collect();
    let name = if words.is_empty() {
        step.to_owned()
    } else {
        format!("{step}-{}", words.join("-"))
    };
    let plain = values.iter().all(|(_, value)| !word(value).is_empty());
    if plain && name.len() <= LONGEST_NAME {
        return name;
    }
    let all: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let digest = Digest::of(all.concat()).to_string();
    let digest = digest.rsplit(':').next().unwrap_or_default();
    let room = LONGEST_NAME.saturating_sub(7).max(step.len().min(55));
    let short: String = name.chars().take(room).collect();
    format!("{}-{}", short.trim_end_matches(['-', '.', '_']), &digest[..6])
}
