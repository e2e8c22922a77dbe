//! The profile: what is known about each practice, and between which levels each category stands.

mod bounds;
mod judge;

use evidence::{Component, Finding, Place, Subject, Value};
use serde::Serialize;

use crate::level::{Class, Level, Verdict};
use crate::model::{Model, Tension};
use crate::statements::{Attestation, Declination, Statements};

/// What is known about how something is delivered. Never one number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// What it is about, and as of when.
    pub subject: Subject,
    /// The model it was judged by.
    pub model: ModelName,
    /// The categories that apply, in the model's order.
    pub categories: Vec<CategoryProfile>,
    /// The categories that do not.
    pub left_out: Vec<LeftOut>,
    /// What could not be read.
    pub findings: Vec<Finding>,
    /// What the reading leaves out as a whole.
    pub limits: Vec<String>,
}

/// Which model judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelName {
    /// What it is called.
    pub name: String,
    /// Its revision.
    pub revision: u32,
    /// The digest of its text.
    pub digest: String,
}

/// A category or practice that does not apply, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The practice's id or the category's key.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its level, for a practice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Why it does not apply.
    pub reason: String,
}

/// A category: two bounds, and its practices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CategoryProfile {
    /// A short word for it.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// The level that is reached for sure: what is not known counts as not met. Absent below base.
    pub at_least: Option<Level>,
    /// The level that may be reached: what is not known counts as met. Absent below base.
    pub at_most: Option<Level>,
    /// Practices that are held above `at_least`, by id.
    pub above: Vec<String>,
    /// The practices that apply, by level and id.
    pub practices: Vec<PracticeProfile>,
    /// The practices that do not.
    pub not_applicable: Vec<LeftOut>,
}

/// What is known about a practice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PracticeProfile {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How far it goes.
    pub level: Level,
    /// How it can be proven.
    pub class: Class,
    /// What is known.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// What the verdict rests on.
    pub evidence: Vec<Shown>,
    /// Measures that the rules name and that were not seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Measures that suffer when the practice is overdone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Shown>,
    /// The rules as they stand in the model.
    pub rules: Rules,
    /// What would change the verdict, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_change: Option<String>,
    /// The stronger practice that it follows from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub satisfied_by: Option<String>,
    /// Who states that it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// Why the project does without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declined: Option<Declination>,
    /// Why one does it.
    pub why: String,
    /// What to do.
    #[serde(rename = "do")]
    pub instruction: String,
    /// What it seems to contradict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tensions: Vec<Tension>,
}

/// The rules of a practice as they stand in the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// When it is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<String>,
    /// When it is not; absent where it is what `met` is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_met: Option<String>,
    /// To whom it applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// A measure as evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// Its name in the vocabulary.
    pub measure: String,
    /// What it means.
    pub meaning: String,
    /// Its value.
    pub value: Value,
    /// Its value in words, with the unit.
    pub words: String,
    /// How many observations it rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<u64>,
    /// Where it was seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// What speaks against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Place>,
    /// A remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Profile {
    /// Judges `evidence` by `model` and what people stated.
    pub fn of(evidence: &evidence::Evidence, model: &Model, statements: &Statements) -> Self {
        judge::judge(evidence, model, statements)
    }

    /// All practices, category by category.
    pub fn practices(&self) -> impl Iterator<Item = &PracticeProfile> {
        self.categories.iter().flat_map(|category| &category.practices)
    }

    /// The practice `id`, where it applies.
    pub fn practice(&self, id: &str) -> Option<&PracticeProfile> {
        self.practices().find(|practice| practice.id == id)
    }

    /// The component it is about, where it is about one.
    pub fn component(&self) -> Option<&Component> {
        self.subject.component.as_ref()
    }
}

#[cfg(test)]
mod tests;
