//! YAML as a tree of values that know where they stand.
//!
//! The text is read within limits: its size, depth, number of values, and what aliases may expand to.
//! Everything after works on the tree, so that each mistake can be placed.

mod quick;
mod typed;

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Location, Spanned};

use crate::diagnostic::Diagnostic;

/// The largest file, in bytes.
pub const LARGEST: usize = 4 << 20;
/// The deepest nesting of lists and maps.
pub const DEEPEST: usize = 24;
/// The most values, as they stand in the file.
const MOST_VALUES: usize = 500_000;
/// The most values that aliases may add.
const MOST_REPEATED: usize = 50_000;

/// A place in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The bytes that a plain value takes up.
    bytes: (usize, usize),
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub place: Place,
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Integer(serde_json::Number),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The name of a map's member and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub place: Place,
    pub name: String,
}

/// A file being read: its name and text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

impl Place {
    /// The first character of a file.
    pub const START: Self = Self {
        line: 1,
        column: 1,
        bytes: (0, 0),
    };
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let span = location.span();
        let start = span.byte_offset().unwrap_or(0) as usize;
        let length = span.byte_len().unwrap_or(0) as usize;
        Self {
            line: small(location.line()),
            column: small(location.column()),
            bytes: (start, start.saturating_add(length)),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self {
            place: spanned.referenced.into(),
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self {
            place: spanned.referenced.into(),
            name: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor;

        impl<'de> Visitor<'de> for KindVisitor {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Kind, E> {
                Ok(Kind::Null)
            }
            fn visit_none<E>(self) -> Result<Kind, E> {
                Ok(Kind::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
                Ok(Kind::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
                Ok(Kind::Integer(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
                Ok(Kind::Integer(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
                Ok(Kind::Float(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
                Ok(Kind::Text(value.to_owned()))
            }
            fn visit_string<E>(self, value: String) -> Result<Kind, E> {
                Ok(Kind::Text(value))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Kind, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = elements.next_element()? {
                    list.push(element);
                }
                Ok(Kind::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kind, A::Error> {
                let mut map = Vec::new();
                while let Some(member) = members.next_entry()? {
                    map.push(member);
                }
                Ok(Kind::Map(map))
            }
        }

        deserializer.deserialize_any(KindVisitor)
    }
}

impl<'a> Source<'a> {
    /// A diagnostic at `place`.
    pub fn at(&self, place: Place, message: impl Into<String>, hint: Option<String>) -> Diagnostic {
        Diagnostic {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            message: message.into(),
            hint,
        }
    }

    /// Reads the text into a tree.
    pub fn parse(&self) -> Result<Node, Diagnostic> {
        if self.text.len() > LARGEST {
            let message = format!(
                "the file has {} bytes, more than the {LARGEST} allowed",
                self.text.len()
            );
            return Err(self.at(Place::default(), message, None));
        }
        if let Some(place) = self.find_control() {
            let hint = "the file must be a text in UTF-8".to_owned();
            return Err(self.at(place, "this is no text: it contains control characters", Some(hint)));
        }
        if let Some(node) = quick::read(self.text) {
            return Ok(node);
        }
        full(self.text).map_err(|error| {
            let place = error.location().map_or(Place::START, Place::from);
            let (message, hint) = plain(&error, place);
            self.at(place, message, hint)
        })
    }

    /// The first character that no text contains.
    fn find_control(&self) -> Option<Place> {
        let is_control = |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}')) || c == '\u{fffd}';
        let (mut line, mut column) = (1, 1);
        for letter in self.text.chars() {
            if is_control(letter) {
                return Some(Place {
                    line,
                    column,
                    bytes: (0, 0),
                });
            }
            if letter == '\n' {
                line += 1;
                column = 1;
            } else {
                column += 1;
            }
        }
        None
    }

    /// The text that a plain value takes up in the file.
    pub fn written(&self, place: Place) -> &'a str {
        self.text.get(place.bytes.0..place.bytes.1).unwrap_or_default()
    }

    /// The place of a character of a text value, given by its line and column (from 1) in the value:
    /// quotes, folding and indentation are accounted for as far as they can be.
    pub fn inside(&self, place: Place, value: &str, line: u32, column: u32) -> Place {
        let written = self.written(place);
        let mut wanted = 0usize;
        for (n, text) in value.split('\n').enumerate() {
            if n + 1 == line as usize {
                wanted += (column as usize).saturating_sub(1).min(text.chars().count());
                break;
            }
            wanted += text.chars().count() + 1;
        }
        let (mut at, mut passed) = (place, 0usize);
        let quote = written
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"') && written.len() > 1);
        let mut letters = written.chars().peekable();
        if quote.is_some() {
            letters.next();
            at.column += 1;
        }
        let mut value_letters = value.chars();
        while passed < wanted {
            let Some(letter) = letters.next() else { break };
            at.column += 1;
            let expected = value_letters.next();
            passed += 1;
            if letter == '\n' {
                // A line break stands for itself or for a space; indentation stands for nothing.
                at.line += 1;
                at.column = 1;
                while letters.peek().is_some_and(|c| *c == ' ') {
                    letters.next();
                    at.column += 1;
                }
            } else if expected.is_some_and(|expected| expected != letter) || (quote == Some('\'') && letter == '\'') {
                // An escaped character: both of its signs stand for one.
                letters.next();
                at.column += 1;
            }
        }
        at
    }
}

/// Reads any text, within the limits; see [`quick`] for most.
fn full(text: &str) -> Result<Node, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_nodes: MOST_VALUES,
            max_events: 2 * MOST_VALUES,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: MOST_VALUES,
            max_total_scalar_bytes: LARGEST,
            max_merge_keys: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MOST_REPEATED,
            max_replay_stack_depth: DEEPEST,
        },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}

/// The reader's words without its advice to programmers.
fn plain(error: &serde_saphyr::Error, place: Place) -> (String, Option<String>) {
    use serde_saphyr::Error;
    let hint = |text: &str| Some(text.to_owned());
    let too_much = || {
        let hint = format!("at most {DEEPEST} levels, {MOST_VALUES} values, and {MOST_REPEATED} values from aliases");
        (
            "the file is too large, too deep, or its aliases expand to too much".to_owned(),
            Some(hint),
        )
    };
    match error.without_snippet() {
        Error::AliasError { error, .. } => plain(error, place),
        Error::DuplicateMappingKey { key, .. } => {
            let name = key.as_deref().unwrap_or("this name");
            (
                format!("`{name}` stands here a second time"),
                hint("each name may stand in a map once"),
            )
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => too_much(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => ("an alias refers to itself".to_owned(), None),
        Error::MultipleDocuments { .. } => (
            "a second document begins here".to_owned(),
            hint("the file holds one document; remove `---`"),
        ),
        other => {
            let text = other.to_string();
            let suffix = format!(" at line {}, column {}", place.line, place.column);
            let text = text
                .split(suffix.as_str())
                .next()
                .unwrap_or(&text)
                .trim_end_matches([',', ' ']);
            if text.contains("limit exceeded") {
                return too_much();
            }
            let message = format!("this is no YAML: {}", text.lines().next().unwrap_or_default());
            let hint = if text.contains("tab") {
                hint("YAML is indented by spaces")
            } else if text.contains("mapping values are not allowed") {
                hint("a text that contains `: ` stands in quotes")
            } else if text.contains("while parsing a flow") {
                hint("between braces, a text that contains brackets, braces or commas stands in quotes")
            } else if text.contains("unclosed bracket") {
                hint("the bracket that is opened here needs its other half")
            } else {
                hint("look at this place and the line before it: indentation, colons, quotes and brackets")
            };
            (message, hint)
        }
    }
}

impl Node {
    /// The member `name` of a map.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.member(name).map(|(_, node)| node)
    }

    /// The member `name` of a map with its key.
    pub fn member(&self, name: &str) -> Option<(&Key, &Node)> {
        match &self.kind {
            Kind::Map(members) => members
                .iter()
                .find(|(key, _)| key.name == name)
                .map(|(key, node)| (key, node)),
            _ => None,
        }
    }

    /// The members of a map; nothing for anything else.
    pub fn members(&self) -> &[(Key, Node)] {
        match &self.kind {
            Kind::Map(members) => members,
            _ => &[],
        }
    }

    /// The elements of a list; nothing for anything else.
    pub fn elements(&self) -> &[Node] {
        match &self.kind {
            Kind::List(elements) => elements,
            _ => &[],
        }
    }

    /// Follows names down through maps, as far as they are there: the place of the last one found.
    pub fn place_of(&self, path: &[&str]) -> Place {
        let mut node = self;
        for name in path {
            match node.get(name) {
                Some(member) => node = member,
                None => break,
            }
        }
        node.place
    }

    /// What it is, in a word.
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "empty",
            Kind::Bool(_) => "true or false",
            Kind::Integer(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Integer(number) => Value::Number(number.clone()),
            Kind::Float(number) => serde_json::Number::from_f64(*number).map_or(Value::Null, Value::Number),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(elements) => Value::Array(elements.iter().map(Node::to_json).collect()),
            Kind::Map(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, node)| (key.name.clone(), node.to_json()))
                    .collect(),
            ),
        }
    }
}

/// Whether both ways to read a text read it alike.
#[cfg(fuzzing)]
pub(crate) fn readers_agree(text: &str) -> bool {
    quick::agrees(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Source { file: "f", text }
            .parse()
            .map(|node| node.to_json())
            .expect_err(text)
            .to_string()
    }

    #[test]
    fn what_is_no_yaml_is_placed() {
        for (text, expected) in [
            (
                "a: 1\na: 2\n",
                "f:2:1: `a` stands here a second time\n  hint: each name may stand in a map once",
            ),
            (
                "a: [1\n",
                "f:1:4: this is no YAML: unclosed bracket '['\n  hint: the bracket that is opened here needs its other half",
            ),
            (
                "\u{0}\u{1}ELF",
                "f:1:1: this is no text: it contains control characters\n  hint: the file must be a text in UTF-8",
            ),
            (
                "a: 1\n---\nb: 2\n",
                "f:3:1: a second document begins here\n  hint: the file holds one document; remove `---`",
            ),
            (
                "run: echo: hello\n",
                "f:1:10: this is no YAML: mapping values are not allowed in this context\n  hint: a text that contains `: ` stands in quotes",
            ),
            (
                "a: {when: b['c'] == 1}\n",
                "f:1:12: this is no YAML: while parsing a flow mapping, did not find expected ',' or '}'\n  hint: between braces, a text that contains brackets, braces or commas stands in quotes",
            ),
            (
                "a: !exec rm\n",
                "f:1:10: this is no YAML: unsupported tag `!exec`\n  hint: look at this place and the line before it: indentation, colons, quotes and brackets",
            ),
            ("&a [*a]", "f:1:5: an alias refers to itself"),
        ] {
            assert_eq!(wrong(text), expected);
        }
    }

    #[test]
    fn bombs_are_refused() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let of = vec![format!("*a{}", n - 1); 10].join(", ");
            laughs.push_str(&format!("a{n}: &a{n} [{of}]\n"));
        }
        let deep = format!("a: {}", "[".repeat(10_000));
        let stairs: String = (0..1_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        for text in [laughs, deep, stairs] {
            assert!(wrong(&text).contains("too large, too deep"), "{}", wrong(&text));
        }
        assert!(wrong(&"#".repeat(LARGEST + 1)).contains("more than the"));
    }

    #[test]
    fn a_character_of_a_value_is_found_in_the_file() {
        let text =
            "a: x == 1\nb: 'it''s == 2'\nc: \"q\\\"r == 3\"\nd: |\n   x &&\n   y == 4\ne: >-\n  x &&\n    y\n  == 5\n";
        let source = Source { file: "f", text };
        let node = source.parse().unwrap();
        for (key, digit) in [("a", '1'), ("b", '2'), ("c", '3'), ("d", '4')] {
            let Kind::Text(value) = &node.get(key).unwrap().kind else {
                panic!("{key}")
            };
            let before = &value[..value.find(digit).unwrap()];
            let line = before.matches('\n').count() as u32 + 1;
            let column = before.rsplit('\n').next().unwrap().chars().count() as u32 + 1;
            let place = source.inside(node.get(key).unwrap().place, value, line, column);
            let found = text
                .lines()
                .nth(place.line as usize - 1)
                .unwrap()
                .chars()
                .nth(place.column as usize - 1);
            assert_eq!(found, Some(digit), "{key}: {place:?}");
        }
    }
}
