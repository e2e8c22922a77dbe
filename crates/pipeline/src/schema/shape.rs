//! What a value may be, worked out from its JSON Schema once, so that each value is held against few facts.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use crate::yaml::{Kind, Node};

/// What a value may be.
pub(super) struct Shape<'a> {
    /// The ways in which it may be written; mostly one.
    ways: Vec<Way<'a>>,
}

/// One way in which a value may be written.
pub(super) struct Way<'a> {
    /// The schema of it.
    pub schema: &'a Value,
    kinds: Kinds,
    properties: Vec<(&'a str, &'a Value)>,
    /// What is said of members that are no properties.
    pub additional: Additional<'a>,
    /// What the elements of a list are.
    pub items: Option<&'a Value>,
    /// The members that must be there.
    pub required: Vec<&'a str>,
    /// Whether a text must be one of some choices.
    pub is_choice: bool,
    /// Whether a number must be within limits.
    pub is_limited: bool,
}

/// What is said of members of a map that are no properties.
#[derive(Clone, Copy)]
pub(super) enum Additional<'a> {
    /// Nothing: they are anything.
    Anything,
    /// There are none.
    Unknown,
    /// They are like this.
    Like(&'a Value),
}

/// The shapes of a schema, made when they are first asked for.
pub(super) struct Shapes<'a> {
    root: &'a Value,
    /// By the place of a schema in memory.
    known: HashMap<*const Value, Rc<Shape<'a>>>,
}

/// A set of kinds of values, one bit for each.
#[derive(Clone, Copy)]
struct Kinds(u8);

impl Kinds {
    const ALL: Self = Self(u8::MAX);

    fn of(schema: &Value) -> Self {
        let Some(types) = super::types(schema) else {
            return Self::ALL;
        };
        let bit = |name: &&str| match *name {
            "boolean" => 1,
            "integer" => 2,
            "number" => 2 | 4,
            "string" => 8,
            "array" => 16,
            "object" => 32,
            _ => 0,
        };
        Self(types.iter().map(bit).fold(0, |all, bit| all | bit))
    }

    fn contain(self, node: &Node) -> bool {
        let bit = match &node.kind {
            Kind::Bool(_) => 1,
            Kind::Integer(_) => 2,
            Kind::Float(_) => 4,
            Kind::Text(_) => 8,
            Kind::List(_) => 16,
            Kind::Map(_) => 32,
            Kind::Null => 64,
        };
        self.0 & bit != 0
    }
}

impl<'a> Shape<'a> {
    /// The way in which a value is written.
    pub fn of(&self, node: &Node) -> Option<&Way<'a>> {
        self.ways.iter().find(|way| way.kinds.contain(node))
    }

    /// The schemas of all ways.
    pub fn schemas(&self) -> impl Iterator<Item = &'a Value> {
        self.ways.iter().map(|way| way.schema)
    }
}

impl<'a> Way<'a> {
    fn read(schema: &'a Value) -> Self {
        let has = |key: &str| schema.get(key).is_some();
        let properties = schema.get("properties").and_then(Value::as_object);
        let required = schema.get("required").and_then(Value::as_array);
        Self {
            schema,
            kinds: Kinds::of(schema),
            properties: properties
                .into_iter()
                .flatten()
                .map(|(name, of)| (name.as_str(), of))
                .collect(),
            additional: match schema.get("additionalProperties") {
                Some(of @ Value::Object(_)) => Additional::Like(of),
                Some(Value::Bool(false)) => Additional::Unknown,
                _ => Additional::Anything,
            },
            items: schema.get("items"),
            required: required.into_iter().flatten().filter_map(Value::as_str).collect(),
            is_choice: has("enum") || has("oneOf"),
            is_limited: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]
                .into_iter()
                .any(has),
        }
    }

    /// What the member of that name is.
    pub fn property(&self, name: &str) -> Option<&'a Value> {
        let found = self.properties.iter().find(|(known, _)| *known == name);
        found.map(|(_, of)| *of)
    }
}

impl<'a> Shapes<'a> {
    /// The shapes of the schema `root`.
    pub fn new(root: &'a Value) -> Self {
        Self {
            root,
            known: HashMap::new(),
        }
    }

    /// The shape that `schema`, a part of the root, describes.
    pub fn of(&mut self, schema: &'a Value) -> Rc<Shape<'a>> {
        if let Some(known) = self.known.get(&std::ptr::from_ref(schema)) {
            return Rc::clone(known);
        }
        let resolved = self.resolve(schema);
        let ways = match resolved.get("anyOf").and_then(Value::as_array) {
            Some(ways) => ways.iter().map(|way| Way::read(self.resolve(way))).collect(),
            None => vec![Way::read(resolved)],
        };
        let shape = Rc::new(Shape { ways });
        self.known.insert(schema, Rc::clone(&shape));
        shape
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        while let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            match name.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                Some(found) => schema = found,
                None => break,
            }
        }
        schema
    }
}

/// How a value is called in messages.
#[derive(Clone, Copy)]
pub(super) enum Name<'a> {
    /// All there is.
    File,
    /// The member of a map.
    Member(&'a str),
    /// An element of a list of that name.
    ElementOf(&'a Name<'a>),
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("the file"),
            Self::Member(name) => write!(f, "`{name}`"),
            Self::ElementOf(list) => write!(f, "an element of {list}"),
        }
    }
}
