//! The document of measures about one repository, or one component in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything that is known about a subject at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is about, and as of when.
    pub subject: Subject,
    /// The kinds of records that could be read. What needs another stream cannot be judged.
    pub streams: BTreeSet<Stream>,
    /// What was measured, by the names of the [`vocabulary`](crate::vocabulary).
    pub measures: Measures,
    /// What could not be read, and why: broken files, unknown forms.
    pub findings: Vec<Finding>,
    /// What the reading leaves out as a whole, as sentences: "the clone is shallow: ...".
    pub limits: Vec<String>,
}

/// Measures by name. A name that is absent was not seen, which is neither yes nor no.
pub type Measures = BTreeMap<String, Measure>;

/// What an evidence is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The name of the repository as a person would say it (the last part of its path or address).
    pub repository: String,
    /// The commit whose tree was read, in full; absent in an empty repository.
    pub commit: Option<String>,
    /// The moment the evidence speaks of: windows end here.
    pub at: Timestamp,
    /// The length of the window, in days.
    pub window_days: u32,
    /// The component, where the repository has several; absent for the repository as a whole.
    pub component: Option<Component>,
}

/// A component found in a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Component {
    /// Its name, from its manifest or its folder.
    pub name: String,
    /// Its folder, relative to the root, without a slash at the end.
    pub folder: String,
}

/// A kind of record that evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Commits, merges, branches, tags.
    History,
    /// The files of one commit.
    Files,
    /// Definitions of pipelines, of any system.
    Pipelines,
    /// Runs of pipelines, as a record of what happened.
    Runs,
    /// Deployments, as a record of what happened.
    Deployments,
    /// Work items.
    Tickets,
    /// Signals from production: measures, alerts, incidents.
    Operations,
}

/// One measured value and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The value.
    pub value: Value,
    /// How many observations it rests on, where that is a count: the commits looked at for a share,
    /// the releases an interval was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<u64>,
    /// Where it was seen: the most telling places first, a few (at most [`Measure::MOST_PLACES`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// What speaks against it: the most telling first, a few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Place>,
    /// A remark for people, a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The value of a measure. Rules in CEL see it as the value of the same kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Boolean(bool),
    /// A count.
    Integer(i64),
    /// A share between 0 and 1, or a number with the unit that the vocabulary gives.
    Number(f64),
    /// A word.
    Text(String),
    /// Words, sorted.
    List(Vec<String>),
}

/// A place that a person can look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// A file of the commit, and a line in it (from 1) where that is known.
    File {
        /// The path from the root, as text; bytes that are no UTF-8 are shown as U+FFFD.
        file: String,
        /// The line, from 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u32>,
        /// What is there, in a few words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<String>,
    },
    /// A commit.
    Commit {
        /// Its id, in full.
        commit: String,
        /// Its subject line, or another short word about it.
        what: String,
    },
    /// A branch or tag.
    Ref {
        /// Its name without `refs/heads/` or `refs/tags/`.
        name: String,
        /// A short word about it.
        what: String,
    },
}

/// Something that could not be read or understood. The rest goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What is wrong, a lower-case sentence without a full stop.
    pub problem: String,
    /// What mends it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Measure {
    /// How many places are kept on each side.
    pub const MOST_PLACES: usize = 8;

    /// A measure of a value alone.
    pub fn of(value: impl Into<Value>) -> Self {
        Self {
            value: value.into(),
            sample: None,
            places: Vec::new(),
            against: Vec::new(),
            note: None,
        }
    }

    /// Says how many observations it rests on.
    pub fn from_sample(mut self, sample: u64) -> Self {
        self.sample = Some(sample);
        self
    }

    /// Adds places it was seen at; the first ones are kept.
    pub fn seen_at(mut self, places: impl IntoIterator<Item = Place>) -> Self {
        self.places.extend(places);
        self.places.truncate(Self::MOST_PLACES);
        self
    }

    /// Adds places that speak against it; the first ones are kept.
    pub fn in_spite_of(mut self, places: impl IntoIterator<Item = Place>) -> Self {
        self.against.extend(places);
        self.against.truncate(Self::MOST_PLACES);
        self
    }

    /// Adds a remark.
    pub fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

impl Place {
    /// A file as a whole.
    pub fn file(path: impl Into<String>) -> Self {
        Self::File {
            file: path.into(),
            line: None,
            what: None,
        }
    }

    /// A line of a file (from 1), and what is there.
    pub fn line(path: impl Into<String>, line: u32, what: impl Into<String>) -> Self {
        Self::File {
            file: path.into(),
            line: Some(line),
            what: Some(what.into()),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(mut words: Vec<String>) -> Self {
        words.sort();
        words.dedup();
        Self::List(words)
    }
}
