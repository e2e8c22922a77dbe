//! What the report of an assessment shows: how mature the delivery of something is, from evidence.
//!
//! Levels are numbers from 0, the lowest.

use serde::Serialize;

/// The report: one file that is looked at by itself.
#[derive(Debug, Clone, Serialize)]
pub struct Assessment {
    /// The name of the repository.
    pub name: String,
    /// What it is about, such as the commit and the day, each in a few words.
    pub about: Vec<String>,
    /// The names of the levels, the lowest first.
    pub levels: Vec<String>,
    /// The categories.
    pub categories: Vec<Category>,
    /// The names of categories that do not apply, and why.
    pub left_out: Vec<(String, String)>,
    /// The next steps, the best first.
    pub next: Vec<NextStep>,
    /// The components, where there are several.
    pub components: Vec<PartOfIt>,
    /// The profile month by month, the oldest first.
    pub months: Vec<Month>,
    /// What could not be read: place, problem, hint.
    pub findings: Vec<(String, String, Option<String>)>,
    /// What the reading leaves out as a whole.
    pub limits: Vec<String>,
    /// Which model judged, in a few words.
    pub model: String,
}

/// A category.
#[derive(Debug, Clone, Serialize)]
pub struct Category {
    /// A short word for it, unique.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// The level that is reached for sure, if one is.
    pub at_least: Option<usize>,
    /// The level that may be reached, if one is.
    pub at_most: Option<usize>,
    /// Its practices, by level.
    pub practices: Vec<Practice>,
    /// Practices that do not apply: id, name, why.
    pub not_applicable: Vec<(String, String, String)>,
}

/// What is known about a practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// The evidence shows it.
    Met,
    /// Somebody says so, for a time.
    Attested,
    /// The evidence shows that it is not so.
    NotMet,
    /// The evidence shows neither.
    NotKnown,
    /// The project has said why it does without.
    Declined,
}

/// A practice.
#[derive(Debug, Clone, Serialize)]
pub struct Practice {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its level.
    pub level: usize,
    /// What is known.
    pub known: Known,
    /// Why.
    pub reason: String,
    /// What would change that.
    pub would_change: Option<String>,
    /// Why one does it.
    pub why: String,
    /// What to do.
    pub instruction: String,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// Measures that suffer when it is overdone: name, value.
    pub beside: Vec<(String, String)>,
    /// What it seems to contradict, and why both can be right.
    pub tensions: Vec<(String, String)>,
    /// The rules, each with what it decides.
    pub rules: Vec<(String, String)>,
}

/// A measure as evidence.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// Its name.
    pub measure: String,
    /// What it means.
    pub meaning: String,
    /// Its value in words, with what it rests on.
    pub value: String,
    /// Where it was seen: place, what is there.
    pub places: Vec<(String, String)>,
    /// What speaks against it.
    pub against: Vec<(String, String)>,
    /// A remark.
    pub note: Option<String>,
}

/// A next step.
#[derive(Debug, Clone, Serialize)]
pub struct NextStep {
    /// What to do.
    pub instruction: String,
    /// Why.
    pub why: String,
    /// The practices it brings: id, name.
    pub practices: Vec<(String, String)>,
    /// How much work it is, 1 to 5.
    pub effort: u8,
    /// What has to be seen, where no lines are proposed.
    pub would_change: Option<String>,
    /// The metrics it should move: name, what it says, its value now.
    pub moves: Vec<(String, String, Option<String>)>,
    /// Lines to add.
    pub edits: Vec<Edit>,
    /// What they change: measure, before, after.
    pub changes: Vec<(String, Option<String>, String)>,
}

/// Lines to add to a file.
#[derive(Debug, Clone, Serialize)]
pub struct Edit {
    /// Where they go, in words.
    pub place: String,
    /// The lines.
    pub lines: String,
}

/// A component, or a month: how far each category reaches.
#[derive(Debug, Clone, Serialize)]
pub struct PartOfIt {
    /// The component's name.
    pub name: String,
    /// Where it lies.
    pub folder: String,
    /// For each category by its key: the level surely and possibly reached.
    pub reach: Vec<Reach>,
}

/// How far a category reaches.
#[derive(Debug, Clone, Serialize)]
pub struct Reach {
    /// The category's key.
    pub key: String,
    /// The category's name.
    pub name: String,
    /// The level that is reached for sure.
    pub at_least: Option<usize>,
    /// The level that may be reached.
    pub at_most: Option<usize>,
    /// How many practices are held.
    pub held: usize,
    /// How many apply.
    pub of: usize,
}

/// The profile at the end of a month.
#[derive(Debug, Clone, Serialize)]
pub struct Month {
    /// Its name, such as `Aug 2026`.
    pub name: String,
    /// Each category then.
    pub reach: Vec<Reach>,
}
