//! The model: read, checked, compiled.

mod check;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use evidence::Stream;
use facts::Digest;
use pipeline::Diagnostics;
use pipeline::placed::{Placed, schema_of};
use serde_json::Value;

use crate::level::{Class, Level};
use crate::rule::{Limits, Rule};

pub use file::{Metric, Recipe, Tension};

/// The default model as text.
pub const DEFAULT: &str = include_str!("../../model/default.yaml");
/// What the default model is called in messages.
pub const DEFAULT_FILE: &str = "the default model";

static SCHEMA: LazyLock<Value> = LazyLock::new(schema_of::<file::File>);

/// The JSON Schema of a model.
pub fn json_schema() -> &'static Value {
    &SCHEMA
}

/// A compiled model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What it is called.
    pub name: String,
    /// Its revision.
    pub revision: u32,
    /// The digest of its text.
    pub digest: Digest,
    /// The days before the moment that count as "now".
    pub window_days: u32,
    /// The metrics that practices should move.
    pub metrics: BTreeMap<String, Metric>,
    /// The categories, in the order in which they are shown.
    pub categories: Vec<Category>,
}

/// A category of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Category {
    /// A short word for it.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Where this says no, it is left out.
    pub when: Option<Rule>,
    /// Its practices, by level and id.
    pub practices: Vec<Practice>,
}

/// A practice of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Practice {
    /// Its id.
    pub id: String,
    /// How far it goes.
    pub level: Level,
    /// Its name.
    pub name: String,
    /// Why one does it.
    pub why: String,
    /// How it can be proven.
    pub class: Class,
    /// The kinds of records it needs besides those that its rules name.
    pub needs: BTreeSet<Stream>,
    /// Its thresholds.
    pub limits: Limits,
    /// The observations that a measure must rest on.
    pub sample: BTreeMap<String, u64>,
    /// Where this says no, it does not apply.
    pub when: Option<Rule>,
    /// Where this says yes, it is met.
    pub met: Option<Rule>,
    /// When it is not met.
    pub not_met: NotMet,
    /// Measures that are shown as evidence, besides those that the rules name.
    pub show: Vec<String>,
    /// What would show it, where a repository cannot.
    pub proof: Option<String>,
    /// Stronger practices.
    pub satisfied_by: Vec<String>,
    /// Practices that come first.
    pub after: Vec<String>,
    /// Measures that suffer when it is overdone.
    pub beside: Vec<String>,
    /// What it seems to contradict.
    pub tensions: Vec<Tension>,
    /// The metrics it should move.
    pub moves: Vec<String>,
    /// How much work it is, 1 to 5.
    pub effort: u8,
    /// How much it helps, 1 to 5.
    pub value: u8,
    /// What to do.
    pub instruction: String,
    /// What writes the lines to add.
    pub recipe: Option<Recipe>,
}

/// When a practice is not met.
#[derive(Debug, Clone, PartialEq)]
pub enum NotMet {
    /// When its rule says no.
    Otherwise,
    /// When this rule says yes.
    When(Rule),
    /// Nothing in a repository speaks against it.
    Never,
}

impl Model {
    /// The model that ships with the program.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn shipped() -> Self {
        #[allow(clippy::expect_used)] // the text is part of the program, and a test reads it
        Self::parse(DEFAULT, DEFAULT_FILE).expect("the default model is one")
    }

    /// Reads a model; `file` is what the file is called in messages.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn parse(text: &str, file: &str) -> Result<Self, Diagnostics> {
        let placed = Placed::<file::File>::read(file, text, &SCHEMA)?;
        check::compile(&placed, Digest::of(text.as_bytes()))
    }

    /// All practices, category by category.
    pub fn practices(&self) -> impl Iterator<Item = &Practice> {
        self.categories.iter().flat_map(|category| &category.practices)
    }

    /// The practice `id`.
    pub fn practice(&self, id: &str) -> Option<&Practice> {
        self.practices().find(|practice| practice.id == id)
    }

    /// The category that is meant by a key or a name, in any case of its letters.
    pub fn category(&self, meant: &str) -> Option<&Category> {
        self.categories
            .iter()
            .find(|category| category.key.eq_ignore_ascii_case(meant) || category.name.eq_ignore_ascii_case(meant))
    }
}

#[cfg(test)]
mod tests;
