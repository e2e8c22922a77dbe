//! The JSON Schemas of the two files, and the check of a tree against one.
//!
//! The published schema and the structural errors come from the same Rust types, so they cannot say
//! different things. Only what those types use of JSON Schema is understood here.

mod shape;

use std::borrow::Cow;

use policy::nearest::nearest;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, MOST};
use crate::yaml::{Kind, Node, Place, Source};
use shape::{Additional, Name, Shapes, Way};

/// Names that are known but not built yet, on an object's schema.
const LATER: &str = "x-later";
/// Values that are known but not built yet, on a property's schema.
const LATER_VALUES: &str = "x-later-values";
/// By value that is wrong, what to write instead, on a choice's schema.
const INSTEAD: &str = "x-instead";
/// What is said about them.
const NOT_SUPPORTED: &str = "not supported by this version of Throughline";

/// A plain value that becomes a text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Scalar(pub Value);

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

/// The JSON Schema of a file's type.
pub(crate) fn of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().with_transform(NoNull).into_generator();
    generator.into_root_schema_for::<T>().into()
}

/// An optional key is left out, not null.
#[derive(Clone)]
struct NoNull;

impl Transform for NoNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if object.get("default").is_some_and(|default| {
            default.is_null()
                || default.as_array().is_some_and(Vec::is_empty)
                || default.as_object().is_some_and(|o| o.is_empty())
        }) {
            object.remove("default");
        }
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                for (name, value) in only {
                    object.entry(name).or_insert(value);
                }
            }
        }
    }
}

/// Checks the shape of a tree: names, kinds of values, choices, limits of numbers.
pub(crate) fn check(source: &Source<'_>, node: &Node, schema: &Value, wrong: &mut Vec<Diagnostic>) {
    Check {
        source,
        shapes: Shapes::new(schema),
        wrong,
    }
    .node(node, schema, Name::File, node.place);
}

struct Check<'a, 'b> {
    source: &'a Source<'a>,
    shapes: Shapes<'a>,
    wrong: &'b mut Vec<Diagnostic>,
}

impl<'a> Check<'a, '_> {
    fn say(&mut self, place: Place, message: String, hint: Option<String>) {
        if self.wrong.len() < MOST {
            self.wrong.push(self.source.at(place, message, hint));
        }
    }

    /// `name` is how the value is called in messages, `key` is where its name stands.
    fn node(&mut self, node: &Node, schema: &'a Value, name: Name<'_>, key: Place) {
        let shape = self.shapes.of(schema);
        let Some(way) = shape.of(node) else {
            let types: Vec<&str> = shape
                .schemas()
                .flat_map(|schema| types(schema).unwrap_or_default())
                .collect();
            let expected: Vec<&str> = types.iter().map(|name| word(name)).collect();
            let mut place = node.place;
            let mut hint = None;
            match &node.kind {
                Kind::Null => {
                    place = key;
                    hint = Some(format!("leave {name} out, or give it a value"));
                }
                Kind::Float(_) | Kind::Integer(_) | Kind::Bool(_) if types.contains(&"string") => {
                    hint = Some(format!("put it in quotes: \"{}\"", self.source.written(node.place)));
                }
                Kind::Text(text) if types == ["array"] => hint = Some(format!("a list is written [{text}]")),
                _ => {}
            }
            return self.say(
                place,
                format!("{name} must be {}, this is {}", join(&expected, "or"), node.what()),
                hint,
            );
        };
        match &node.kind {
            Kind::Map(_) => self.map(node, way, name, key),
            Kind::List(elements) => {
                if let Some(items) = way.items {
                    for element in elements {
                        self.node(element, items, Name::ElementOf(&name), element.place);
                    }
                }
            }
            Kind::Text(text) if way.is_choice => self.choice(node, text, way.schema, name, schema.get(LATER_VALUES)),
            Kind::Integer(_) | Kind::Float(_) if way.is_limited => self.limits(node, way.schema, name),
            _ => {}
        }
    }

    fn map(&mut self, node: &Node, way: &Way<'a>, name: Name<'_>, key: Place) {
        for (member, value) in node.members() {
            let called = Name::Member(&member.name);
            match (way.property(&member.name), way.additional) {
                (Some(of), _) | (None, Additional::Like(of)) => self.node(value, of, called, member.place),
                (None, Additional::Unknown) => self.unknown(member.place, &member.name, way.schema, name),
                (None, Additional::Anything) => {}
            }
        }
        for required in &way.required {
            if node.get(required).is_none() {
                let place = if key.line == 0 { node.place } else { key };
                self.say(place, format!("{name} lacks `{required}`"), None);
            }
        }
        self.one_of(node, way.schema, name, key);
    }

    /// Some maps must have one of several keys.
    fn one_of(&mut self, node: &Node, schema: &Value, name: Name<'_>, key: Place) {
        let ways = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let keys: Vec<&str> = ways
            .filter_map(|way| way.get("required")?.as_array()?.first()?.as_str())
            .collect();
        if !keys.is_empty() && keys.iter().all(|key| node.get(key).is_none()) {
            let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            let all = join(&quoted.iter().map(String::as_str).collect::<Vec<_>>(), "or");
            self.say(key, format!("{name} lacks {all}"), None);
        }
    }

    fn unknown(&mut self, place: Place, member: &str, schema: &Value, name: Name<'_>) {
        let names = |of: &'static str| {
            let list = schema.get(of);
            let members = list
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|names| names.keys().map(String::as_str));
            let elements = list
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            members.chain(elements).collect::<Vec<_>>()
        };
        if names(LATER).contains(&member) {
            return self.say(
                place,
                format!("`{member}` is {NOT_SUPPORTED}"),
                Some("remove it; see docs/pipeline.md".to_owned()),
            );
        }
        let known = names("properties");
        let hint = match nearest(member, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let quoted: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                format!(
                    "there are {}",
                    join(&quoted.iter().map(String::as_str).collect::<Vec<_>>(), "and")
                )
            }
        };
        self.say(place, format!("{name} has no key `{member}`"), Some(hint));
    }

    fn choice(&mut self, node: &Node, text: &str, schema: &Value, name: Name<'_>, later: Option<&Value>) {
        let mut choices: Vec<&str> = schema
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for choice in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            choices.extend(choice.get("const").and_then(Value::as_str));
            choices.extend(
                choice
                    .get("enum")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str),
            );
        }
        if choices.is_empty() || choices.contains(&text) {
            return;
        }
        let is_later = |list: Option<&Value>| {
            list.and_then(Value::as_array)
                .is_some_and(|later| later.iter().any(|value| value == text))
        };
        if is_later(later) || is_later(schema.get(LATER_VALUES)) {
            return self.say(node.place, format!("{name}: `{text}` is {NOT_SUPPORTED}"), None);
        }
        let quoted: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
        let all = join(&quoted.iter().map(String::as_str).collect::<Vec<_>>(), "or");
        let instead = schema
            .get(INSTEAD)
            .and_then(|instead| instead.get(text)?.as_str())
            .map(str::to_owned);
        let near = || nearest(text, choices.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let hint = instead.or_else(near);
        let shown: String = text.chars().take(40).collect();
        self.say(node.place, format!("{name} must be {all}, not `{shown}`"), hint);
    }

    fn limits(&mut self, node: &Node, schema: &Value, name: Name<'_>) {
        let number = match &node.kind {
            Kind::Integer(number) => number.as_f64().unwrap_or(f64::NAN),
            Kind::Float(number) => *number,
            _ => return,
        };
        let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
        let broken = [
            ("minimum", "at least"),
            ("maximum", "at most"),
            ("exclusiveMinimum", "more than"),
            ("exclusiveMaximum", "less than"),
        ]
        .into_iter()
        .filter_map(|(key, words)| limit(key).map(|limit| (key, words, limit)))
        .find(|(key, _, limit)| match *key {
            "minimum" => number < *limit,
            "maximum" => number > *limit,
            "exclusiveMinimum" => number <= *limit,
            _ => number >= *limit,
        });
        if let Some((_, words, limit)) = broken {
            self.say(node.place, format!("{name} must be {words} {limit}"), None);
        }
    }
}

fn types(schema: &Value) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(one) => Some(vec![one]),
        Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn word(expected: &str) -> &str {
    match expected {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        "object" => "a map",
        other => other,
    }
}

/// `a`, `b` or `c`.
pub(crate) fn join(words: &[&str], last: &str) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [others @ .., end] => format!("{} {last} {end}", others.join(", ")),
    }
}
