//! `resources`: what a step takes of the machine.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Definition, Reader, written_as};
use crate::diagnostic::Diagnostic;
use crate::plan;
use crate::yaml::{Node, Place};

/// How memory is written.
const MEMORY: &str = "^[0-9]+(KiB|MiB|GiB)$";
/// The most of either that can be meant.
const MOST_MEMORY: u64 = 1 << 50;

/// What a step takes of the machine while it works.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resources {
    /// Processors, such as 2 or 0.5; 1 by default.
    #[schemars(range(min = 0.01, max = 1024))]
    pub cpus: Option<f64>,
    /// Memory, such as `512MiB` or `2GiB`; not counted by default.
    #[schemars(regex(pattern = MEMORY))]
    pub memory: Option<String>,
}

/// What a step says that it takes, with its place in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    step: String,
    resources: plan::Resources,
    place: Place,
}

impl Reader<'_> {
    pub(super) fn resources(&self, node: &Node, written: Option<&Resources>) -> Option<plan::Resources> {
        let written = written?;
        let inner = node.get("resources")?;
        if written.cpus.is_none() && written.memory.is_none() {
            let hint = "say how much: `resources: { cpus: 2, memory: 1GiB }`";
            self.checks.say(inner.place, "`resources` says nothing", Some(hint));
        }
        let memory_bytes = written.memory.as_deref().and_then(|text| {
            let bytes = bytes(text).filter(|bytes| (1..=MOST_MEMORY).contains(bytes));
            if bytes.is_none() {
                let hint = "memory is written `512MiB` or `2GiB`";
                let shown: String = text.chars().take(40).collect();
                self.checks.say(
                    inner.place_of(&["memory"]),
                    format!("`{shown}` is no amount of memory"),
                    Some(hint),
                );
            }
            bytes
        });
        Some(plan::Resources {
            // The schema's limits keep it within what fits.
            cpus_milli: written.cpus.map(|cpus| (cpus * 1_000.0).ceil() as u64),
            memory_bytes,
        })
    }

    /// What the steps ask for, for [`Definition::too_large`].
    pub(super) fn asked(&self, steps: &[plan::PlannedStep]) -> Vec<Asked> {
        let written = self.written_steps();
        let asked = steps.iter().filter_map(|step| {
            let resources = step.resources?;
            let node = written.get(written_as(step))?;
            Some(Asked {
                step: step.name.to_string(),
                resources,
                place: node.place_of(&["resources"]),
            })
        });
        asked.collect()
    }
}

impl Definition {
    /// The steps of `plan` that take more than a machine has: so many processors, and so much memory in
    /// bytes. They are no errors of the file: another machine may be larger.
    pub fn too_large(&self, plan: &plan::Plan, cpus: usize, memory: Option<u64>) -> Vec<Diagnostic> {
        let names: BTreeSet<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        let planned = self.asked.iter().filter(|asked| names.contains(asked.step.as_str()));
        let too_large = planned.filter_map(|asked| {
            let wants = asked.resources;
            let has_cpus = (cpus as u64).saturating_mul(1_000);
            let message = if let Some(milli) = wants.cpus_milli.filter(|milli| *milli > has_cpus) {
                let wanted = milli as f64 / 1_000.0;
                format!(
                    "`{}` can never begin here: it needs {wanted} cpus, there are {cpus}",
                    asked.step
                )
            } else {
                let (wanted, there) = (wants.memory_bytes?, memory?);
                if wanted <= there {
                    return None;
                }
                format!(
                    "`{}` can never begin here: it needs {} of memory, there are {}",
                    asked.step,
                    amount(wanted),
                    amount(there)
                )
            };
            Some(Diagnostic {
                file: self.file.clone(),
                line: asked.place.line,
                column: asked.place.column,
                message,
                hint: Some("let it ask for less, or run it on a larger machine".to_owned()),
            })
        });
        too_large.collect()
    }
}

fn bytes(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let factor: u64 = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Bytes as people read them.
fn amount(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
