//! `lines`: what holds on release lines and other branches.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::json;

use super::Reader;
use crate::globs::Globs;
use crate::named::Named;
use crate::plan::{Plan, RUN, RunInput};

/// What holds on the lines that a pattern names.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnLine {
    /// `forbidden`: the folders under `cache` of the steps are not kept from run to run there; each run begins with
    /// empty ones.
    pub tool_caches: ToolCaches,
}

/// Whether tools may keep folders from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToolCaches {
    Forbidden,
}

impl JsonSchema for ToolCaches {
    fn schema_name() -> Cow<'static, str> {
        "ToolCaches".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": ["forbidden"],
            "x-instead": { "allowed": "leave the line out: caches are allowed where nothing forbids them" },
        })
    }
}

/// The patterns of the lines on which tools' caches are forbidden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lines {
    without_caches: Vec<String>,
}

impl Lines {
    /// Whether tools' caches are forbidden on a line.
    pub fn forbid_caches(&self, line: &str) -> bool {
        let patterns = self.without_caches.iter();
        // Each was read when the file was checked.
        patterns
            .filter_map(|pattern| Globs::new([pattern.as_str()]).ok())
            .any(|pattern| pattern.matches(line))
    }
}

impl Reader<'_> {
    /// The checked lines.
    pub(super) fn lines(&self, written: &Named<OnLine>) -> Lines {
        let Some((key, node)) = self.root.member("lines") else {
            return Lines::default();
        };
        if written.0.is_empty() {
            let hint = "name one with what holds there, such as `release/*: { tool_caches: forbidden }`";
            self.checks.say(key.place, "no line is named", Some(hint));
        }
        for (key, _) in node.members() {
            if let Err(error) = Globs::new([key.name.as_str()]) {
                let hint = "write it as branches are called, such as `release/*`";
                self.checks.say(key.place, error.to_string(), Some(hint));
            } else if key.name.starts_with('!') {
                let hint = "name the lines on which it holds";
                self.checks
                    .say(key.place, "a pattern of lines leaves none out", Some(hint));
            }
        }
        let forbidding = written
            .0
            .iter()
            .filter(|(_, on_line)| on_line.tool_caches == ToolCaches::Forbidden);
        Lines {
            without_caches: forbidding.map(|(pattern, _)| pattern.clone()).collect(),
        }
    }
}

/// A plan in which no step keeps a folder from run to run: what would be kept is named as not kept. Its own result
/// is neither put back nor kept either, since those that are there were made with what was kept before.
pub(super) fn without_caches(mut plan: Plan) -> Plan {
    for step in plan.steps.iter_mut().filter(|step| step.action == RUN) {
        let Ok(mut input) = serde_json::from_value::<RunInput>(step.input.clone()) else {
            continue;
        };
        if input.cache.is_empty() {
            continue;
        }
        input.unkept = std::mem::take(&mut input.cache)
            .into_iter()
            .map(|cache| cache.path)
            .collect();
        input.fresh = true;
        step.input = json!(input);
    }
    plan
}
