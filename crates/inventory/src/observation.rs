//! What was noticed, and where: the raw material that measures are folded from.
//!
//! A family of evidence writes observations while it reads; nothing is judged there. How they become
//! measures, for the repository or for one component, stands in [`measures`](crate::measures).

/// Which way an observation points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It was seen.
    For,
    /// The contrary was seen: counts in shares, and is shown as a counter-example.
    Against,
    /// It could not be judged here, so that silence must not be taken for "no".
    Doubt,
}

/// A place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At {
    /// The path; empty for the tree as a whole.
    pub path: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// What is there.
    pub what: Option<String>,
}

/// One thing noticed.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    /// The name of the measure without `files.`.
    pub measure: &'static str,
    pub stance: Stance,
    /// The word it adds to a list.
    pub word: Option<String>,
    /// How much it adds to a count or a share.
    pub weight: u32,
    pub at: At,
}

/// All observations of a reading.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observations {
    all: Vec<Observation>,
}

/// A file as a whole.
pub(crate) fn at(path: &str) -> At {
    At {
        path: path.to_owned(),
        line: None,
        what: None,
    }
}

/// A line of a file, and what is there.
pub(crate) fn at_line(path: &str, line: Option<u32>, what: impl Into<String>) -> At {
    let mut what: String = what.into();
    if what.chars().count() > 120 {
        what = what.chars().take(119).collect::<String>() + "…";
    }
    At {
        path: path.to_owned(),
        line,
        what: Some(what),
    }
}

impl Observations {
    /// A word of a list.
    pub fn word(&mut self, measure: &'static str, word: &str, at: At) {
        self.push(measure, Stance::For, Some(word), 1, at);
    }

    /// Seen: makes a boolean true, adds one to a count or a share.
    pub fn yes(&mut self, measure: &'static str, at: At) {
        self.push(measure, Stance::For, None, 1, at);
    }

    /// Seen a number of times in one place.
    pub fn times(&mut self, measure: &'static str, weight: u32, at: At) {
        self.push(measure, Stance::For, None, weight, at);
    }

    /// The contrary was seen.
    pub fn no(&mut self, measure: &'static str, at: At) {
        self.push(measure, Stance::Against, None, 1, at);
    }

    /// Could not be judged here.
    pub fn doubt(&mut self, measures: &[&'static str], at: &At) {
        for measure in measures {
            self.push(measure, Stance::Doubt, None, 0, at.clone());
        }
    }

    pub fn all(&self) -> &[Observation] {
        &self.all
    }

    /// Keeps those that the test holds for.
    pub fn retain(&mut self, keep: impl FnMut(&Observation) -> bool) {
        self.all.retain(keep);
    }

    fn push(&mut self, measure: &'static str, stance: Stance, word: Option<&str>, weight: u32, at: At) {
        self.all.push(Observation {
            measure,
            stance,
            word: word.map(str::to_owned),
            weight,
            at,
        });
    }
}
