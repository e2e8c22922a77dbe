//! Levels, classes and verdicts: the words in which a profile speaks.

use std::fmt;
use std::str::FromStr;

use policy::nearest::nearest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a practice goes. Levels order practices; they are no marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What everything else stands on.
    Base,
    /// The first steps.
    Beginner,
    /// Delivery is one common path.
    Intermediate,
    /// Delivery no longer holds anybody up.
    Advanced,
    /// Delivery is how one learns.
    Expert,
}

impl Level {
    /// All levels, the lowest first.
    pub const ALL: [Self; 5] = [
        Self::Base,
        Self::Beginner,
        Self::Intermediate,
        Self::Advanced,
        Self::Expert,
    ];

    /// Its name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Beginner => "beginner",
            Self::Intermediate => "intermediate",
            Self::Advanced => "advanced",
            Self::Expert => "expert",
        }
    }

    /// Its number, from 0.
    pub const fn number(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no level `{0}`: {1}")]
pub struct NoLevel(String, String);

impl FromStr for Level {
    type Err = NoLevel;

    fn from_str(text: &str) -> Result<Self, NoLevel> {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == text.to_ascii_lowercase())
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name);
                let meant = match nearest(text, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", names.join(", ")),
                };
                NoLevel(text.to_owned(), meant)
            })
    }
}

/// How a practice can be proven at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// From records: the repository's, or those of runs and deployments.
    Automatic,
    /// From another system's records (tickets, incidents, metrics). Where it is not connected, the
    /// practice holds nobody down.
    Integration,
    /// By a person who says so, for a time. Where nobody did, the practice holds nobody down.
    Attestation,
    /// By asking people. Shown beside the profile; never raises a level.
    Survey,
}

impl Class {
    /// Its name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Integration => "integration",
            Self::Attestation => "attestation",
            Self::Survey => "survey",
        }
    }
}

/// What is known about a practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The evidence shows it.
    Met,
    /// The evidence shows that it is not so.
    NotMet,
    /// The evidence shows neither. Silence is not "no".
    InsufficientEvidence,
    /// A person says so, until a day.
    Attested,
    /// The project has said why it does without.
    Declined,
}

impl Verdict {
    /// Its name as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not-met",
            Self::InsufficientEvidence => "insufficient-evidence",
            Self::Attested => "attested",
            Self::Declined => "declined",
        }
    }

    /// Whether the practice counts as held.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Met | Self::Attested)
    }
}
