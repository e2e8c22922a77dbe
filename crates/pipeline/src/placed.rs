//! Files of other rooms in the same language: YAML with `throughline: 1` at its head, checked against
//! the JSON Schema of a type, each mistake with its place.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::yaml::{Kind, Node, Source};
use crate::{reading, schema};

/// A value that was read from a file, with the places of its parts.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    /// What was read.
    pub value: T,
    file: String,
    text: String,
    root: Node,
}

/// A step on the way from the root of a file to a value in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// The member of a map.
    Key(&'a str),
    /// The element of a list, from 0.
    Element(usize),
}

/// The JSON Schema of a file's type; `T` denies unknown fields where the schema should.
pub fn schema_of<T: JsonSchema>() -> Value {
    schema::of::<T>()
}

impl<T: JsonSchema + DeserializeOwned> Placed<T> {
    /// Reads `text`; `file` is what the file is called in messages, `of` the schema of `T`.
    ///
    /// # Errors
    /// Everything that is wrong with its shape, each with its place.
    pub fn read(file: &str, text: &str, of: &Value) -> Result<Self, Diagnostics> {
        let (root, value) = reading::read::<T>(&Source { file, text }, of)?;
        Ok(Self {
            value,
            file: file.to_owned(),
            text: text.to_owned(),
            root,
        })
    }
}

impl<T> Placed<T> {
    /// Something is wrong with the value at the end of `way`.
    pub fn at(&self, way: &[Step<'_>], message: impl Into<String>, hint: Option<String>) -> Diagnostic {
        self.source().at(self.find(way).place, message, hint)
    }

    /// Something is wrong with the name of the member `key` of the map at the end of `way`.
    pub fn at_key(&self, way: &[Step<'_>], key: &str, message: impl Into<String>, hint: Option<String>) -> Diagnostic {
        let map = self.find(way);
        let place = map.member(key).map_or(map.place, |(key, _)| key.place);
        self.source().at(place, message, hint)
    }

    /// Something is wrong inside of the text at the end of `way`: at a line and column (from 1) of it.
    pub fn inside(
        &self,
        way: &[Step<'_>],
        (line, column): (u32, u32),
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Diagnostic {
        let node = self.find(way);
        let place = match &node.kind {
            Kind::Text(text) => self.source().inside(node.place, text, line, column),
            _ => node.place,
        };
        self.source().at(place, message, hint)
    }

    /// The line, from 1, at which the value at the end of `way` begins.
    pub fn line(&self, way: &[Step<'_>]) -> u32 {
        self.find(way).place.line
    }

    fn source(&self) -> Source<'_> {
        Source {
            file: &self.file,
            text: &self.text,
        }
    }

    /// The value at the end of `way`, or the last one on it that is there.
    fn find(&self, way: &[Step<'_>]) -> &Node {
        let mut node = &self.root;
        for step in way {
            let next = match step {
                Step::Key(name) => node.get(name),
                Step::Element(index) => node.elements().get(*index),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }
}
