//! Checks that both files share: names, paths, variables, lengths of time, conditions. Each adds what
//! is wrong to one list, with its place.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use policy::nearest::nearest;
use policy::{Condition, ConditionError, Scope};

use crate::diagnostic::{Diagnostic, MOST};
use crate::duration;
use crate::yaml::{Kind, Node, Place, Source};

type Compiled = Result<Condition, ConditionError>;

/// What is wrong so far, and the file it is about.
pub(crate) struct Checks<'a> {
    pub source: Source<'a>,
    wrong: RefCell<Vec<Diagnostic>>,
    /// Conditions are often the same in many steps.
    conditions: RefCell<HashMap<(&'static str, String), Compiled>>,
}

impl<'a> Checks<'a> {
    pub fn new(source: Source<'a>) -> Self {
        Self {
            source,
            wrong: RefCell::default(),
            conditions: RefCell::default(),
        }
    }

    pub fn into_wrong(self) -> Vec<Diagnostic> {
        self.wrong.into_inner()
    }

    /// Something is wrong at `place`.
    pub fn say(&self, place: Place, message: impl Into<String>, hint: Option<&str>) {
        if self.is_full() {
            return;
        }
        let diagnostic = self.source.at(place, message, hint.map(str::to_owned));
        self.wrong.borrow_mut().push(diagnostic);
    }

    /// Something is wrong in another file.
    pub fn add(&self, diagnostic: Diagnostic) {
        if !self.is_full() {
            self.wrong.borrow_mut().push(diagnostic);
        }
    }

    /// How much is wrong so far.
    pub fn count(&self) -> usize {
        self.wrong.borrow().len()
    }

    /// Whether so much is wrong already that nobody reads on.
    pub fn is_full(&self) -> bool {
        self.wrong.borrow().len() >= MOST
    }

    /// A checked name.
    pub fn name<T: FromStr<Err: Display>>(&self, place: Place, text: &str) -> Option<T> {
        text.parse()
            .map_err(|error: T::Err| self.say(place, error.to_string(), None))
            .ok()
    }

    /// A name that must be one of `known`.
    pub fn known(&self, place: Place, what: &str, name: &str, known: &BTreeSet<&str>) -> bool {
        if known.contains(name) {
            return true;
        }
        if self.is_full() {
            return false;
        }
        let shown: String = name.chars().take(80).collect();
        let hint = nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        self.say(place, format!("there is no {what} `{shown}`"), hint.as_deref());
        false
    }

    /// A length of time, or `absent` where nothing is said.
    pub fn duration(&self, node: &Node, key: &str, text: Option<&str>, absent: Duration) -> Duration {
        let Some(text) = text else { return absent };
        duration::parse(text).unwrap_or_else(|error| {
            self.say(node.place_of(&[key]), error.to_string(), Some(duration::HINT));
            absent
        })
    }

    /// A length of time in whole seconds, at least one.
    pub fn seconds(&self, node: &Node, key: &str, text: Option<&str>, absent: u64) -> u64 {
        let before = self.wrong.borrow().len();
        let length = self.duration(node, key, text, Duration::from_secs(absent));
        if self.wrong.borrow().len() == before && (length.subsec_nanos() != 0 || length.is_zero()) {
            self.say(
                node.place_of(&[key]),
                format!("`{key}` must be whole seconds, at least `1s`"),
                None,
            );
        }
        length.as_secs()
    }

    /// Commands: something must stand there, and nothing that no program can take.
    pub fn script(&self, node: &Node, key: &str, text: &str) {
        if text.trim().is_empty() {
            self.say(
                node.place_of(&[key]),
                format!("`{key}` is empty"),
                Some("write the commands, or remove it"),
            );
        }
        self.no_nul(node.place_of(&[key]), text);
    }

    /// No program can take a text that contains a zero byte.
    pub fn no_nul(&self, place: Place, text: &str) {
        if text.contains('\0') {
            self.say(place, "the text contains a zero byte", None);
        }
    }

    /// A path that stays within its folder.
    pub fn path(&self, place: Place, what: &str, path: &str) {
        let wrong = if path.is_empty() {
            Some(format!("{what} is empty"))
        } else if path.starts_with('/') || path.contains('\\') || path.starts_with('~') {
            Some(format!("{what} `{path}` is not relative"))
        } else if path.split('/').any(|part| part == "..") {
            Some(format!("{what} `{path}` leads out of its folder"))
        } else if path.contains(char::is_control) {
            Some(format!("{what} contains control characters"))
        } else {
            None
        };
        if let Some(message) = wrong {
            self.say(
                place,
                message,
                Some("write a path below the component's folder, with `/`"),
            );
        }
    }

    /// The name of a variable that a file may set.
    pub fn variable(&self, place: Place, name: &str) {
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.say(
                place,
                format!("`{name}` is no name of a variable"),
                Some("letters, digits and `_`, no digit first"),
            );
        } else if name.starts_with("THROUGHLINE_") {
            self.say(
                place,
                format!("`{name}` is set by Throughline itself"),
                Some("choose another name"),
            );
        }
    }

    /// The name of a secret.
    pub fn secret(&self, place: Place, name: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let edges = |c: char| c.is_ascii_alphanumeric();
        if name.is_empty()
            || name.len() > 100
            || !name.chars().all(fits)
            || !name.starts_with(edges)
            || !name.ends_with(edges)
        {
            self.say(
                place,
                format!("`{name}` is no name of a secret"),
                Some("letters, digits and `-_.` between them"),
            );
        }
    }

    /// Variables whose values must be texts: a number that would be written differently is refused.
    pub fn texts(&self, node: &Node) {
        for (key, value) in node.members() {
            self.variable(key.place, &key.name);
            self.text(&key.name, value);
        }
    }

    /// A value that must be a text, of the variable `name`.
    pub fn text(&self, name: &str, value: &Node) {
        let written = self.source.written(value.place);
        match &value.kind {
            Kind::Integer(number) if number.to_string() != written && !written.starts_with('*') => {
                let hint = format!("put it in quotes: \"{written}\"");
                self.say(value.place, format!("`{name}` would become `{number}`"), Some(&hint));
            }
            Kind::Text(text) => self.no_nul(value.place, text),
            _ => {}
        }
    }

    /// A condition, with the place of what is wrong inside it.
    pub fn condition(&self, node: &Node, key: &str, text: &str, scope: &'static Scope) -> Option<Condition> {
        let mut conditions = self.conditions.borrow_mut();
        let compiled = conditions
            .entry((scope.of, text.to_owned()))
            .or_insert_with(|| Condition::compile_for(text, scope));
        match compiled {
            Ok(condition) => Some(condition.clone()),
            Err(error) => {
                let place = self
                    .source
                    .inside(node.place_of(&[key]), text, error.line, error.column);
                self.say(place, format!("`{key}`: {}", error.message), error.hint.as_deref());
                None
            }
        }
    }
}

/// Plain values as texts.
pub(crate) fn to_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
