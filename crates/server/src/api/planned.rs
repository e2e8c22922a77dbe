//! What the first facts of a run say: what is wrong with its definition, and how its steps were planned.

use std::collections::BTreeMap;

use engine::BrokenDefinition;
use engine::kinds::{PLANNED, Planned, REQUESTED, Requested};
use facts::{RunId, StepName, Stream};
use pipeline::within::Within;

use crate::house::House;
use crate::problem::Problem;
use crate::wire::ModuleLine;

/// How many of a run's first facts are read for its plan.
const FIRST: usize = 8;

/// How a run was asked for and planned.
#[derive(Default)]
pub(crate) struct AsPlanned {
    /// What is wrong with its definition.
    pub(crate) broken: Option<BrokenDefinition>,
    /// How often each step may be attempted.
    pub(crate) allowed: BTreeMap<StepName, u32>,
    /// The modules that steps come from, the outermost first; of those that come from any.
    modules: BTreeMap<StepName, Vec<Within>>,
}

impl AsPlanned {
    /// Reads the first facts of a run.
    pub(crate) async fn read(house: &House, run: RunId) -> Result<Self, Problem> {
        let mut read = Self::default();
        for fact in house.ledger.read_stream(&Stream::new("run", run), 0, FIRST).await? {
            if fact.kind() == REQUESTED {
                read.broken = fact.body::<Requested>().ok().and_then(|body| body.broken);
            } else if fact.kind() == PLANNED {
                let planned = fact.body::<Planned>().map(|body| body.steps).unwrap_or_default();
                for step in planned {
                    if !step.within.is_empty() {
                        read.modules.insert(step.name.clone(), step.within);
                    }
                    read.allowed.insert(step.name, 1 + step.retries.times);
                }
            }
        }
        Ok(read)
    }

    /// The module that a step comes from, as people read it.
    pub(crate) fn module(&self, step: &StepName) -> Option<String> {
        Some(self.modules.get(step)?.last()?.module_in_words())
    }

    /// The modules that a step comes from, the outermost first.
    pub(crate) fn modules(&self, step: &StepName) -> Vec<ModuleLine> {
        let within = self.modules.get(step).map(Vec::as_slice).unwrap_or_default();
        let line = |using: &Within| ModuleLine {
            step: using.step.to_string(),
            module: using.module.clone(),
            commit: using.commit.as_ref().map(ToString::to_string),
            words: using.module_in_words(),
        };
        within.iter().map(line).collect()
    }
}
