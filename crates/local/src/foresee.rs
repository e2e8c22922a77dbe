//! What a run would do, without doing it.

use std::collections::BTreeSet;

use build::Sought;
use build::beside::{BESIDE, brought};
use facts::{RunId, StepName, Trust};
use pipeline::plan::{PACKAGE, RUN, RunInput, VERSION};
use pipeline::{Plan, PlannedStep};

use crate::runs::Local;

/// What would become of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreseen {
    /// It would run, and why, each reason a line.
    Runs(Vec<String>),
    /// Its kept result would be put back.
    Kept,
    /// Whether it would run depends on what a step leaves that would run before.
    Depends(StepName),
    /// Whether it would run depends on packages that would be made or brought before, by the names of their
    /// components.
    DependsOnPackages(Vec<String>),
    /// Its condition is looked at when the steps it needs are done.
    Conditional,
}

impl Local {
    /// What would become of each step of `plan`, in its order. Nothing is run; tools are taken to be of
    /// the versions of the last time.
    pub fn foresee(&self, plan: &Plan, run: RunId) -> Vec<(StepName, Foreseen)> {
        let mut unsure: BTreeSet<&StepName> = BTreeSet::new();
        let mut all = Vec::new();
        // A plan lists steps in the order of the file; needs come first here.
        for place in in_order(plan) {
            let step = &plan.steps[place];
            let input: Option<RunInput> = (step.action == RUN)
                .then(|| serde_json::from_value(step.input.clone()).ok())
                .flatten();
            let foreseen = if step.when.is_some() {
                Foreseen::Conditional
            } else if let Some(need) = step.needs.iter().find(|need| unsure.contains(need)) {
                let is_kept = input.as_ref().is_some_and(|input| input.kept.is_some() && !input.fresh);
                match plan.steps.iter().find(|step| step.name == *need) {
                    Some(need) if is_kept && need.action == BESIDE => Foreseen::DependsOnPackages(brought(&need.input)),
                    _ if is_kept => Foreseen::Depends(need.clone()),
                    _ => Foreseen::Runs(each_time(step)),
                }
            } else {
                self.foresee_one(plan, run, step, input.as_ref())
            };
            if foreseen != Foreseen::Kept {
                unsure.insert(&step.name);
            }
            all.push((place, (step.name.clone(), foreseen)));
        }
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, foreseen)| foreseen).collect()
    }

    fn foresee_one(&self, plan: &Plan, run: RunId, step: &PlannedStep, input: Option<&RunInput>) -> Foreseen {
        let keeping = input.filter(|input| !input.fresh);
        let Some((input, kept)) = keeping.and_then(|input| Some((input, input.kept.as_ref()?))) else {
            return Foreseen::Runs(each_time(step));
        };
        let domain = self.kept.domain(Trust::Trusted);
        let sought = Sought {
            run,
            step: &step.name,
            component: &self.component.name,
            trust: &domain,
            plan,
            input,
            kept,
            workspace: &self.component.folder,
        };
        // The versions of tools are those of the last time, for want of an answer.
        self.kept.assume_tools(&sought);
        match self.kept.prepare(&sought) {
            Err(reason) => Foreseen::Runs(vec![reason]),
            Ok(prepared) if self.kept.has(&prepared) => Foreseen::Kept,
            Ok(prepared) => Foreseen::Runs(self.kept.why(&step.name, &prepared)),
        }
    }
}

/// Why a step runs each time that keeps no result.
fn each_time(step: &PlannedStep) -> Vec<String> {
    let reason = match step.action.as_str() {
        BESIDE => match brought(&step.input).as_slice() {
            [] => "it brings what the component needs".to_owned(),
            [one] => format!("it brings what {one} made"),
            several => format!("it brings what {} made", several.join(", ")),
        },
        RUN if step.input.get("unkept").is_some() => "the line forbids tools' caches, so it runs each time".to_owned(),
        RUN => "it names no inputs, so it runs each time".to_owned(),
        PACKAGE => "the package is put together each time".to_owned(),
        VERSION => "the version is asked for each time".to_owned(),
        _ => return Vec::new(),
    };
    vec![reason]
}

/// The places of steps, those that are needed first.
fn in_order(plan: &Plan) -> Vec<usize> {
    let places: std::collections::HashMap<&StepName, usize> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(place, step)| (&step.name, place))
        .collect();
    let mut done = vec![false; plan.steps.len()];
    let mut order = Vec::with_capacity(plan.steps.len());
    for start in 0..plan.steps.len() {
        let mut open = vec![start];
        while let Some(place) = open.last().copied() {
            let needs = plan.steps[place].needs.iter().filter_map(|need| places.get(need));
            let missing: Vec<usize> = needs.copied().filter(|need| !done[*need]).collect();
            if missing.is_empty() {
                open.pop();
                if !std::mem::replace(&mut done[place], true) {
                    order.push(place);
                }
            } else {
                open.extend(missing);
            }
        }
    }
    order
}
