//! The document of `assess --json`.

use serde::Serialize;

use crate::level::Level;
use crate::next::NextStep;
use crate::profile::{CategoryProfile, LeftOut, ModelName, Profile};

/// The name of the document's shape. What is there stays; removing something is a new number.
pub const SCHEMA: &str = "assessment/1";

/// An assessment of a repository.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assessment {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What it is about, and as of when.
    pub subject: evidence::Subject,
    /// The model it was judged by.
    pub model: ModelName,
    /// The categories that apply.
    pub categories: Vec<CategoryProfile>,
    /// The categories that do not.
    pub left_out: Vec<LeftOut>,
    /// The next steps, the best first.
    pub next: Vec<NextStep>,
    /// What could not be read.
    pub findings: Vec<evidence::Finding>,
    /// What the reading leaves out as a whole.
    pub limits: Vec<String>,
    /// The components of the repository, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentAssessment>,
    /// How the profile grew, the oldest month first, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Month>,
}

/// An assessment of a component of a repository.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentAssessment {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// The categories that apply.
    pub categories: Vec<CategoryProfile>,
    /// The categories that do not.
    pub left_out: Vec<LeftOut>,
    /// The next steps, the best first.
    pub next: Vec<NextStep>,
}

/// The profile at the end of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Month {
    /// The moment, at the end of the month.
    pub at: jiff::Timestamp,
    /// Each category then.
    pub categories: Vec<CategoryThen>,
}

/// A category at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CategoryThen {
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The level that was reached for sure.
    pub at_least: Option<Level>,
    /// The level that may have been reached.
    pub at_most: Option<Level>,
    /// How many practices were held.
    pub held: usize,
    /// How many were not met.
    pub not_met: usize,
    /// How many practices applied.
    pub of: usize,
}

impl Assessment {
    /// The document of a repository's profile.
    pub fn new(profile: Profile, next: Vec<NextStep>) -> Self {
        let Profile {
            subject,
            model,
            categories,
            left_out,
            findings,
            limits,
        } = profile;
        Self {
            schema: SCHEMA,
            subject,
            model,
            categories,
            left_out,
            next,
            findings,
            limits,
            components: Vec::new(),
            history: Vec::new(),
        }
    }
}

impl Month {
    /// What a profile says at its moment.
    pub fn of(profile: &Profile) -> Self {
        Self {
            at: profile.subject.at,
            categories: profile
                .categories
                .iter()
                .map(|category| {
                    let count = |of: fn(crate::Verdict) -> bool| {
                        category
                            .practices
                            .iter()
                            .filter(|practice| of(practice.verdict))
                            .count()
                    };
                    CategoryThen {
                        key: category.key.clone(),
                        name: category.name.clone(),
                        at_least: category.at_least,
                        at_most: category.at_most,
                        held: count(crate::Verdict::holds),
                        not_met: count(|verdict| verdict == crate::Verdict::NotMet),
                        of: category.practices.len(),
                    }
                })
                .collect(),
        }
    }
}
