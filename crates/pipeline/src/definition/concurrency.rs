//! `concurrency`: groups of which one works at a time.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::Reader;
use crate::fill::fill;
use crate::plan::{Concurrency, EffectClass, GroupRule};
use crate::yaml::Node;

/// What the name of a group may name of the run.
const NAMED: [&str; 3] = ["THROUGHLINE_BRANCH", "THROUGHLINE_COMMIT", "THROUGHLINE_COMPONENT"];
/// The longest name of a group.
const LONGEST: usize = 200;

/// The group alone, or all there is to say about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum InGroup {
    Name(String),
    Group(Group),
}

/// A group, and what happens when several want to be in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// Its name. `$THROUGHLINE_BRANCH`, `$THROUGHLINE_COMMIT` and `$THROUGHLINE_COMPONENT` are filled in.
    pub group: String,
    /// What happens when several want to be in it; `queue` by default.
    #[serde(default)]
    pub rule: GroupRule,
}

impl JsonSchema for InGroup {
    fn schema_name() -> Cow<'static, str> {
        "InGroup".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<Group>()] })
    }
}

impl InGroup {
    /// The name of the group.
    pub(super) fn name_mut(&mut self) -> &mut String {
        match self {
            Self::Name(name) => name,
            Self::Group(group) => &mut group.group,
        }
    }
}

impl Reader<'_> {
    /// The group that a step, or the whole run, is in. `effect` is the step's.
    pub(super) fn concurrency(
        &self,
        node: &Node,
        written: Option<InGroup>,
        effect: Option<EffectClass>,
    ) -> Option<Concurrency> {
        let written = written?;
        let inner = node.get("concurrency")?;
        let place = inner.get("group").map_or(inner.place, |group| group.place);
        let (group, rule) = match written {
            InGroup::Name(group) => (group, GroupRule::default()),
            InGroup::Group(written) => (written.group, written.rule),
        };
        let fits = group.len() <= LONGEST && !group.contains(char::is_control) && !group.trim().is_empty();
        if !fits {
            let message = format!("the name of a group has 1 to {LONGEST} characters, no control characters");
            self.checks.say(
                place,
                message,
                Some("name it for what is used by one at a time, such as `deploy`"),
            );
        }
        if let Err(error) = fill(&group, |name| NAMED.contains(&name).then_some("")) {
            let hint = format!("the name of a group may have `${}` in it", NAMED.join("`, `$"));
            self.checks.say(place, error.to_string(), Some(&hint));
        }
        if rule == GroupRule::Replace && effect == Some(EffectClass::Effect) {
            self.checks.say(
                inner.place_of(&["rule"]),
                "`rule: replace` would stop a step that changes the world half-way",
                Some("write `rule: newest`: what works goes on, and of those that wait only the newest stays"),
            );
        }
        Some(Concurrency { group, rule })
    }
}
