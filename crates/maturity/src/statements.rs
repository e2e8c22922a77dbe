//! What people state about practices: a file in the repository that attests or declines.
//!
//! A statement fills a gap in the evidence for a time; it does not override what the evidence shows.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use pipeline::placed::{Placed, Step, schema_of};
use pipeline::{Diagnostic, Diagnostics};
use policy::nearest::nearest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Model;

/// Where the file stands in a repository.
pub const FILE: &str = ".throughline/maturity.yaml";
/// How many days a statement holds where it does not say until when.
pub const DAYS: i64 = 180;

static SCHEMA: LazyLock<Value> = LazyLock::new(schema_of::<File>);

/// The JSON Schema of the file.
pub fn json_schema() -> &'static Value {
    &SCHEMA
}

/// What people state about the practices of a repository. Stands as `.throughline/maturity.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Statements about practices")]
struct File {
    /// The version of this file's language: 1.
    #[schemars(range(min = 1, max = 1))]
    #[allow(dead_code)] // read before everything else
    throughline: u32,
    /// Practices that are held although a repository cannot show it.
    #[serde(default)]
    attested: Vec<AttestedEntry>,
    /// Practices that the project does without.
    #[serde(default)]
    declined: Vec<DeclinedEntry>,
}

/// A practice that is held.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AttestedEntry {
    /// The practice's id.
    practice: String,
    /// What is so, a sentence.
    statement: String,
    /// Who says so: a role or a name.
    by: String,
    /// The day on which it was said, as `2026-01-31`.
    on: String,
    /// The last day on which it holds; 180 days after `on` where nothing is said.
    until: Option<String>,
    /// Where one can look: a link.
    evidence: Option<String>,
}

/// A practice that the project does without.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeclinedEntry {
    /// The practice's id.
    practice: String,
    /// Why.
    because: String,
}

/// Checked statements, by the practice's id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statements {
    attested: BTreeMap<String, Attestation>,
    declined: BTreeMap<String, Declination>,
}

/// Somebody says that a practice is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attestation {
    /// What is so.
    pub statement: String,
    /// Who says so.
    pub by: String,
    /// The day on which it was said.
    pub on: Date,
    /// The last day on which it holds.
    pub until: Date,
    /// Where one can look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The line of the file.
    pub line: u32,
}

/// The project does without a practice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Declination {
    /// Why.
    pub because: String,
    /// The line of the file.
    pub line: u32,
}

impl Statements {
    /// Reads the file; `model` names the practices there are.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn parse(text: &str, model: &Model) -> Result<Self, Diagnostics> {
        let placed = Placed::<File>::read(FILE, text, &SCHEMA)?;
        let mut wrong = Vec::new();
        let mut statements = Self::default();
        for (n, entry) in placed.value.attested.iter().enumerate() {
            let way = |key| [Step::Key("attested"), Step::Element(n), Step::Key(key)];
            known(&placed, &way("practice"), &entry.practice, model, &mut wrong);
            let on = date(&placed, &way("on"), &entry.on, &mut wrong);
            let until = match &entry.until {
                Some(until) => date(&placed, &way("until"), until, &mut wrong),
                None => on.and_then(|on| on.checked_add(DAYS.days()).ok()),
            };
            let (Some(on), Some(until)) = (on, until) else { continue };
            let attestation = Attestation {
                statement: entry.statement.clone(),
                by: entry.by.clone(),
                on,
                until,
                evidence: entry.evidence.clone(),
                line: placed.line(&way("practice")),
            };
            if statements
                .attested
                .insert(entry.practice.clone(), attestation)
                .is_some()
            {
                wrong.push(twice(&placed, &way("practice"), &entry.practice));
            }
        }
        for (n, entry) in placed.value.declined.iter().enumerate() {
            let way = [Step::Key("declined"), Step::Element(n), Step::Key("practice")];
            known(&placed, &way, &entry.practice, model, &mut wrong);
            let declination = Declination {
                because: entry.because.clone(),
                line: placed.line(&way),
            };
            let again = statements
                .declined
                .insert(entry.practice.clone(), declination)
                .is_some();
            if again || statements.attested.contains_key(&entry.practice) {
                wrong.push(twice(&placed, &way, &entry.practice));
            }
        }
        Diagnostics::none_of(wrong)?;
        Ok(statements)
    }

    /// The practices that something is stated about, by id.
    pub fn practices(&self) -> impl Iterator<Item = &str> {
        self.attested.keys().chain(self.declined.keys()).map(String::as_str)
    }

    /// The statement that the practice `id` is held, whether it still holds or not, when it was made
    /// before the moment `at`.
    pub fn attested(&self, id: &str, at: Timestamp) -> Option<&Attestation> {
        self.attested.get(id).filter(|attestation| attestation.on <= day(at))
    }

    /// The statement that the project does without the practice `id`.
    pub fn declined(&self, id: &str) -> Option<&Declination> {
        self.declined.get(id)
    }
}

impl Attestation {
    /// Whether it holds at the moment `at`.
    pub fn holds(&self, at: Timestamp) -> bool {
        day(at) <= self.until
    }
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn date(placed: &Placed<File>, way: &[Step<'_>], text: &str, wrong: &mut Vec<Diagnostic>) -> Option<Date> {
    text.parse()
        .map_err(|_| {
            let hint = Some("a day is written as `2026-01-31`".to_owned());
            wrong.push(placed.at(way, format!("`{text}` is no day"), hint));
        })
        .ok()
}

fn known(placed: &Placed<File>, way: &[Step<'_>], id: &str, model: &Model, wrong: &mut Vec<Diagnostic>) {
    if model.practice(id).is_none() {
        let hint = match nearest(id, model.practices().map(|practice| practice.id.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`throughline assess --print-model` lists the practices".to_owned(),
        };
        wrong.push(placed.at(way, format!("there is no practice `{id}`"), Some(hint)));
    }
}

fn twice(placed: &Placed<File>, way: &[Step<'_>], id: &str) -> Diagnostic {
    placed.at(
        way,
        format!("there is another statement about `{id}`"),
        Some("keep one of them".to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Statements, Diagnostics> {
        Statements::parse(text, &Model::shipped())
    }

    #[test]
    fn a_statement_holds_for_half_a_year_unless_it_says_otherwise() {
        let statements = parse(
            "throughline: 1\nattested:\n  - {practice: C1.4, statement: we do, by: the team, on: 2026-01-01}\n  - {practice: D2.2, statement: so, by: us, on: 2026-01-01, until: 2026-02-01}\n",
        )
        .unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let holds = |id, when| {
            statements
                .attested(id, at(when))
                .map(|attestation| attestation.holds(at(when)))
        };
        assert_eq!(holds("C1.4", "2025-12-31T23:59:59Z"), None);
        assert_eq!(holds("C1.4", "2026-06-30T12:00:00Z"), Some(true));
        assert_eq!(holds("C1.4", "2026-07-01T00:00:00Z"), Some(false));
        assert_eq!(holds("D2.2", "2026-02-01T12:00:00Z"), Some(true));
        assert_eq!(holds("D2.2", "2026-02-02T00:00:00Z"), Some(false));
    }

    #[test]
    fn mistakes_in_statements_are_placed() {
        for (text, expected) in [
            (
                "throughline: 1\ndeclined:\n  - {practice: B22.1, because: no}\n",
                ".throughline/maturity.yaml:3:16: there is no practice `B22.1`\n  hint: did you mean `B2.1`?",
            ),
            (
                "throughline: 1\nattested:\n  - {practice: C1.4, statement: s, by: b, on: soon}\n",
                ".throughline/maturity.yaml:3:47: `soon` is no day\n  hint: a day is written as `2026-01-31`",
            ),
            (
                "throughline: 1\ndeclined:\n  - {practice: C1.4, because: a}\n  - {practice: C1.4, because: b}\n",
                ".throughline/maturity.yaml:4:16: there is another statement about `C1.4`\n  hint: keep one of them",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
    }
}
