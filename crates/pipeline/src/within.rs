//! Where a step stands that a module gives: within the step that uses the module, and so on outwards.

use std::collections::BTreeMap;

use facts::{Commit, StepName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::{Instance, PlannedStep};

/// A step that uses a module, as the steps see it that the module gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Within {
    /// The step that uses the module; of one with a matrix, the instance.
    pub step: StepName,
    /// Of which step with a matrix that is an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// The module, such as `/ci/rust.yaml` of the same commit, or `tools/ci/rust.yaml@v1`.
    pub module: String,
    /// The commit that the version meant, for a module of another repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The condition of the step that uses the module, on those of its steps that ask for it: those that need
    /// no other step of the module, and those with a condition of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The module's inputs, by name; no secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
}

impl Within {
    /// What the file in which the module is used calls the step that uses it.
    pub fn named(&self) -> &StepName {
        self.instance.as_ref().map_or(&self.step, |instance| &instance.of)
    }

    /// The module as people read it: `ci/rust.yaml`, or `tools/ci/rust.yaml@v1 (4f1c22a9d0)`.
    pub fn module_in_words(&self) -> String {
        match &self.commit {
            Some(commit) if !self.module.ends_with(commit.as_str()) => format!("{} ({})", self.module, commit.short()),
            _ => self.module.trim_start_matches('/').to_owned(),
        }
    }
}

/// How the conditions that decide about a step see one that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Which of the conditions see it: 0 that of the outermost step that uses a module, and so on inwards; as
    /// many as there are such steps is the step's own.
    pub depth: usize,
    /// What it is called there.
    pub name: &'a str,
    /// Which instance of that it is, or belongs to, as the plan calls it; the same where there is no matrix.
    pub instance: &'a str,
    /// Whether that is its own name, or that of a step of which it is a part.
    pub part: Part,
}

/// Whether a step is a part of one that the definition names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It is that step.
    Whole,
    /// It is one of its instances.
    OfMatrix,
    /// It is one of the steps of its module. One that is skipped by a condition of the module leaves the others as
    /// they are.
    OfModule,
}

impl PlannedStep {
    /// How conditions that decide about this step see `need`.
    pub fn sees<'a>(&self, need: &'a Self) -> Seen<'a> {
        let shared = self.within.iter().zip(&need.within);
        let depth = shared.take_while(|(own, other)| own.step == other.step).count();
        let (name, instance, part) = match (need.within.get(depth), &need.instance) {
            (Some(using), _) => (using.named(), &using.step, Part::OfModule),
            (None, Some(instance)) => (&instance.of, &need.name, Part::OfMatrix),
            (None, None) => (&need.name, &need.name, Part::Whole),
        };
        let outside = depth.checked_sub(1).and_then(|last| need.within.get(last));
        let local = outside.and_then(|using| name.as_str().strip_prefix(using.step.as_str())?.strip_prefix('.'));
        Seen {
            depth,
            name: local.unwrap_or(name.as_str()),
            instance: instance.as_str(),
            part,
        }
    }

    /// The conditions that decide about it, the outermost first; the last is its own.
    pub fn conditions(&self) -> impl Iterator<Item = Option<&str>> {
        let outer = self.within.iter().map(|using| using.when.as_deref());
        outer.chain([self.when.as_deref()])
    }

    /// The inputs that the condition at a depth sees, see [`Seen`].
    pub fn inputs_at(&self, depth: usize) -> Option<&BTreeMap<String, Value>> {
        Some(&self.within.get(depth.checked_sub(1)?)?.inputs)
    }

    /// The values of the matrix that the condition at a depth sees, see [`Seen`]: those of the step whose
    /// condition it is.
    pub fn matrix_at(&self, depth: usize) -> Option<&BTreeMap<String, String>> {
        let instance = match self.within.get(depth) {
            Some(using) => &using.instance,
            None => &self.instance,
        };
        instance.as_ref().map(|instance| &instance.values)
    }

    /// The values that tell it from the others of one name, for who sees that name from a depth: of its own matrix,
    /// and of those of the steps that use the modules it comes from. What is further out holds.
    pub fn values_from(&self, depth: usize) -> BTreeMap<String, String> {
        let inwards = (depth..=self.within.len()).rev();
        inwards
            .filter_map(|depth| self.matrix_at(depth))
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The name that the definition itself has for it, or for what gives it.
    pub fn named(&self) -> &StepName {
        let of = self.instance.as_ref().map_or(&self.name, |instance| &instance.of);
        self.within.first().map_or(of, Within::named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RUN;

    fn step(within: &[&str]) -> PlannedStep {
        let name = |name: &str| StepName::new(name).unwrap();
        let mut step = PlannedStep::new(name(within.last().unwrap_or(&"x")), RUN, Value::Null);
        step.within = within
            .iter()
            .map(|step| Within {
                step: name(step),
                instance: None,
                module: String::new(),
                commit: None,
                when: None,
                inputs: BTreeMap::new(),
            })
            .collect();
        step
    }

    fn called(called: &str, within: &[&str]) -> PlannedStep {
        PlannedStep {
            name: StepName::new(called).unwrap(),
            ..step(within)
        }
    }

    #[test]
    fn a_step_sees_others_by_the_names_of_the_file_it_stands_in() {
        let own = called("rust.test", &["rust"]);
        let sees = |need: &PlannedStep| {
            let seen = own.sees(need);
            (seen.depth, seen.name.to_owned(), seen.part)
        };
        assert_eq!(sees(&called("before", &[])), (0, "before".to_owned(), Part::Whole));
        assert_eq!(sees(&called("go.lint", &["go"])), (0, "go".to_owned(), Part::OfModule));
        assert_eq!(
            sees(&called("rust.lint", &["rust"])),
            (1, "lint".to_owned(), Part::Whole)
        );
        let nested = called("rust.docs.html", &["rust", "rust.docs"]);
        assert_eq!(sees(&nested), (1, "docs".to_owned(), Part::OfModule));
        let instance = PlannedStep {
            instance: Some(Instance {
                of: StepName::new("rust.unit").unwrap(),
                values: BTreeMap::new(),
            }),
            ..called("rust.unit-1", &["rust"])
        };
        assert_eq!(sees(&instance), (1, "unit".to_owned(), Part::OfMatrix));
        assert_eq!(nested.named().as_str(), "rust");
        assert_eq!(instance.named().as_str(), "rust");
    }

    #[test]
    fn of_a_module_with_a_matrix_all_are_seen_by_one_name_and_told_apart() {
        let values = |pairs: &[(&str, &str)]| {
            let all = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            all.collect::<BTreeMap<_, _>>()
        };
        let instance = |of: &str, pairs: &[(&str, &str)]| {
            Some(Instance {
                of: StepName::new(of).unwrap(),
                values: values(pairs),
            })
        };
        let mut unit = called("rust-beta.unit-1", &["rust-beta"]);
        unit.within[0].instance = instance("rust", &[("CHANNEL", "beta"), ("PART", "outer")]);
        unit.instance = instance("rust-beta.unit", &[("PART", "1")]);
        let seen = called("after", &[]);
        let seen = seen.sees(&unit);
        assert_eq!(
            (seen.name, seen.instance, seen.part),
            ("rust", "rust-beta", Part::OfModule)
        );
        assert_eq!(unit.named().as_str(), "rust");
        // Outside the values of the outer matrix hold, within the module those of its own.
        assert_eq!(unit.values_from(0), values(&[("CHANNEL", "beta"), ("PART", "outer")]));
        assert_eq!(unit.values_from(1), values(&[("PART", "1")]));
        assert_eq!(
            unit.matrix_at(0),
            Some(&values(&[("CHANNEL", "beta"), ("PART", "outer")]))
        );
        assert_eq!(unit.matrix_at(1), Some(&values(&[("PART", "1")])));
    }
}
