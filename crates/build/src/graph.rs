//! The steps of a plan and what they leave, by their places.

use std::collections::{HashMap, HashSet};

use cache::{Tree, TreeError};
use facts::StepName;
use pipeline::plan::Plan;
use pipeline::{Globs, PlannedStep};

/// So few files are asked for one by one; of more it is looked at where the steps' patterns begin.
const FEW_FILES: usize = 64;

/// The steps of a plan.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    places: HashMap<StepName, usize>,
    steps: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    name: StepName,
    needs: Vec<usize>,
    /// What it leaves.
    outputs: Globs,
}

impl Graph {
    /// The graph of a plan.
    pub fn of(plan: &Plan) -> Self {
        let places: HashMap<StepName, usize> = plan
            .steps
            .iter()
            .enumerate()
            .map(|(place, step)| (step.name.clone(), place))
            .collect();
        let node = |step: &PlannedStep| {
            let patterns = step.input.pointer("/kept/outputs").and_then(|value| value.as_array());
            let patterns = patterns.into_iter().flatten().filter_map(|value| value.as_str());
            let patterns: Vec<String> = patterns.map(str::to_owned).collect();
            Node {
                name: step.name.clone(),
                needs: step.needs.iter().filter_map(|need| places.get(need).copied()).collect(),
                outputs: globs(&patterns),
            }
        };
        Self {
            steps: plan.steps.iter().map(node).collect(),
            places,
        }
    }

    /// The place of a step.
    pub fn place(&self, step: &StepName) -> Option<usize> {
        self.places.get(step).copied()
    }

    /// The name of the step at a place.
    pub fn name(&self, place: usize) -> &StepName {
        &self.steps[place].name
    }

    /// The places of the steps that one needs.
    pub fn needs(&self, place: usize) -> &[usize] {
        &self.steps[place].needs
    }

    /// What a step leaves.
    pub fn outputs(&self, place: usize) -> &Globs {
        &self.steps[place].outputs
    }

    /// The files of `tree` that some step leaves.
    ///
    /// # Errors
    /// When a file that is named in full cannot be looked at.
    pub fn left(&self, tree: &Tree) -> Result<HashSet<String>, TreeError> {
        let mut left = HashSet::new();
        if tree.files().len() <= FEW_FILES {
            let leaves = |path: &str| self.steps.iter().any(|step| step.outputs.matches(path));
            let paths = tree.files().iter().map(|file| &file.path);
            return Ok(paths.filter(|path| leaves(path)).cloned().collect());
        }
        for step in self.steps.iter().filter(|step| !step.outputs.is_empty()) {
            for file in tree.matching(&[], &step.outputs)? {
                left.insert(file.path);
            }
        }
        Ok(left)
    }
}

/// Patterns that were checked when the definition was read; one that is none matches nothing.
pub(crate) fn globs(patterns: &[String]) -> Globs {
    let readable = patterns.iter().map(String::as_str);
    Globs::new(readable.filter(|pattern| Globs::new([*pattern]).is_ok())).unwrap_or_default()
}
