//! What the result of a step depends on and consists of.

use crate::globs::Globs;
use crate::plan::{EffectClass, KeptResult};
use crate::yaml::Node;

use super::{Reader, file};

impl Reader<'_> {
    /// The inputs, outputs and tools of a step that names its inputs.
    pub(super) fn kept(&self, node: &Node, step: &file::Step, effect: EffectClass) -> Option<KeptResult> {
        let checks = self.checks;
        let Some(inputs) = &step.inputs else {
            for (key, named) in [("outputs", !step.outputs.is_empty()), ("tools", !step.tools.is_empty())] {
                if named {
                    checks.say(
                        node.place_of(&[key]),
                        format!("`{key}` is without effect here: the step names no `inputs`, so it runs each time"),
                        Some("name what the result depends on, such as `inputs: [src, Cargo.lock]`"),
                    );
                }
            }
            return None;
        };
        let place = node.place_of(&["inputs"]);
        if effect != EffectClass::Pure {
            checks.say(
                node.place_of(&["effect"]),
                "a step with `inputs` is not run when they are the same, so it must be `pure`",
                Some("remove `inputs`, or remove `effect`"),
            );
        }
        if !step.secrets.is_empty() {
            checks.say(
                place,
                "the result of a step that gets secrets is not kept: it may contain them",
                Some("remove `inputs`, or do what needs the secret in a step of its own"),
            );
        }
        for (key, patterns) in [("inputs", inputs), ("outputs", &step.outputs)] {
            let nodes = node.get(key).map(Node::elements).unwrap_or_default();
            for (pattern, node) in patterns.iter().zip(nodes) {
                if let Err(error) = Globs::new([pattern.as_str()]) {
                    checks.say(
                        node.place,
                        error.to_string(),
                        Some("write it relative to the component's folder"),
                    );
                }
            }
        }
        let nodes = node.get("tools").map(Node::elements).unwrap_or_default();
        for (tool, node) in step.tools.iter().zip(nodes) {
            if tool.trim().is_empty() || tool.contains('\n') {
                checks.say(
                    node.place,
                    "a tool is asked by one line of commands, such as `rustc --version`",
                    None,
                );
            }
            checks.no_nul(node.place, tool);
        }
        Some(KeptResult {
            inputs: inputs.clone(),
            outputs: step.outputs.clone(),
            tools: step.tools.clone(),
        })
    }
}
