//! The inputs of a module: what they may be, and what they are where it is used.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::checks::to_text;

/// A value as a file writes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Given(pub Value);

impl JsonSchema for Given {
    fn schema_name() -> Cow<'static, str> {
        "Given".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean", "array"], "items": { "type": "string" } })
    }
}

/// An input of a module.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// What its value is.
    #[serde(rename = "type")]
    pub kind: InputKind,
    /// What it is for.
    #[allow(dead_code)] // for those who read the file
    pub description: Option<String>,
    /// The values that it may have, for a `choice`.
    #[serde(default)]
    pub values: Vec<String>,
    /// Its value where none is given.
    pub default: Option<Given>,
    /// Whether it must be given; by default where it has no `default`. One that need not be given and is not is
    /// empty.
    pub required: Option<bool>,
}

/// What the value of an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum InputKind {
    /// A text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// One of `values`.
    Choice,
    /// A list of texts; the variable holds one a line.
    List,
    /// The name of a secret of the user's, which the module's steps may ask for by the name of the input.
    Secret,
}

/// The value of an input: as a variable, and as conditions see it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Typed {
    pub text: String,
    pub value: Value,
}

/// What the inputs of a module are where it is used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    /// The variables, in the order of the module.
    pub texts: Vec<(String, String)>,
    /// The same as conditions see them.
    pub values: BTreeMap<String, Value>,
    /// The user's names of the secrets; `None` for one that is not given.
    pub secrets: BTreeMap<String, Option<String>>,
}

impl Inputs {
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.texts.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text.as_str())
    }
}

impl Input {
    /// Whether a user must give it.
    pub fn is_required(&self) -> bool {
        self.required.unwrap_or(self.default.is_none())
    }

    /// What it is where nothing is said.
    pub fn empty(&self) -> Typed {
        let (text, value) = match self.kind {
            InputKind::String | InputKind::Choice | InputKind::Secret => ("", json!("")),
            InputKind::Number => ("", Value::Null),
            InputKind::Boolean => ("false", json!(false)),
            InputKind::List => ("", json!([])),
        };
        Typed {
            text: text.to_owned(),
            value,
        }
    }

    /// What a value is as this input's, or what it should be.
    pub fn typed(&self, value: &Value) -> Result<Typed, String> {
        let plain = |value: &Value| Typed {
            text: to_text(value),
            value: value.clone(),
        };
        match (self.kind, value) {
            (InputKind::String, Value::String(_))
            | (InputKind::Number, Value::Number(_))
            | (InputKind::Boolean, Value::Bool(_)) => Ok(plain(value)),
            (InputKind::Choice, Value::String(text)) if self.values.contains(text) => Ok(plain(value)),
            (InputKind::List, Value::Array(all)) => {
                let texts: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
                if texts.len() < all.len() || texts.iter().any(|text| text.contains('\n')) {
                    return Err("a list of texts of one line each".to_owned());
                }
                Ok(Typed {
                    text: texts.join("\n"),
                    value: value.clone(),
                })
            }
            _ => Err(self.expected()),
        }
    }

    /// The same of a text that a variable of another module became.
    pub fn of_text(&self, text: &str) -> Result<Typed, String> {
        match self.kind {
            InputKind::Number => {
                let number = text.parse::<i64>().map(|number| json!(number));
                let number = number.or_else(|_| text.parse::<f64>().map(|number| json!(number)));
                self.typed(&number.unwrap_or(Value::Null))
            }
            InputKind::Boolean => self.typed(&text.parse::<bool>().map_or(Value::Null, Value::Bool)),
            InputKind::List => self.typed(&json!(text.lines().collect::<Vec<_>>())),
            InputKind::String | InputKind::Choice | InputKind::Secret => self.typed(&json!(text)),
        }
    }

    fn expected(&self) -> String {
        match self.kind {
            InputKind::String => "a text".to_owned(),
            InputKind::Number => "a number".to_owned(),
            InputKind::Boolean => "true or false".to_owned(),
            InputKind::Choice => format!("one of {}", self.values.join(", ")),
            InputKind::List => "a list of texts".to_owned(),
            InputKind::Secret => "the name of a secret".to_owned(),
        }
    }
}
