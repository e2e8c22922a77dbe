//! The names of measures: what each means, its kind and unit, and where it comes from.
//!
//! A rule may use only names that are declared here, and a reader may write only these; both are
//! held by tests. The documentation of the vocabulary is generated from this table.

mod files;
mod history;
mod pipelines;

use crate::document::Stream;

/// What is said about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// The name: words in lower case joined by `_`, parts joined by `.`, the first part is the family.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: Kind,
    /// Where it comes from.
    pub stream: Stream,
    /// What it means, a sentence.
    pub meaning: &'static str,
}

/// The kind of a value, with the unit of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Boolean,
    /// A count of something.
    Count,
    /// A number between 0 and 1.
    Share,
    /// A time span in days, as a number.
    Days,
    /// A number without a unit.
    Number,
    /// A word.
    Text,
    /// Words, sorted.
    List,
}

/// All declared names, family by family.
pub fn all() -> impl Iterator<Item = &'static Declared> {
    history::NAMES.iter().chain(pipelines::NAMES).chain(files::NAMES)
}

/// What is declared of a name.
pub fn find(name: &str) -> Option<&'static Declared> {
    all().find(|declared| declared.name == name)
}
