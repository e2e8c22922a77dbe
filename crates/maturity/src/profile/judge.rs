//! From evidence to verdicts.

use std::collections::BTreeSet;

use evidence::{Evidence, Measure, Value, vocabulary};
use serde_json::{Value as Json, json};

use super::{CategoryProfile, LeftOut, ModelName, PracticeProfile, Profile, Rules, Shown, bounds};
use crate::level::Verdict;
use crate::model::{Category, Model, NotMet, Practice};
use crate::rule::{Rule, Truth, Weighed, name};
use crate::statements::Statements;
use crate::words;

pub(super) fn judge(evidence: &Evidence, model: &Model, statements: &Statements) -> Profile {
    let mut categories = Vec::new();
    let mut left_out = Vec::new();
    for category in &model.categories {
        if let Some(reason) = does_not_apply(category, evidence) {
            left_out.push(LeftOut {
                id: category.key.clone(),
                name: category.name.clone(),
                level: None,
                reason,
            });
            continue;
        }
        let (mut practices, mut not_applicable) = (Vec::new(), Vec::new());
        for practice in &category.practices {
            let judged = Judging { practice, evidence }.judge(statements);
            match judged {
                Ok(practice) => practices.push(practice),
                Err(left_out) => not_applicable.push(left_out),
            }
        }
        categories.push(CategoryProfile {
            key: category.key.clone(),
            name: category.name.clone(),
            about: category.about.clone(),
            at_least: None,
            at_most: None,
            above: Vec::new(),
            practices,
            not_applicable,
        });
    }
    follow(&mut categories, model);
    for category in &mut categories {
        (category.at_least, category.at_most) = bounds::of(&category.practices);
        category.above = category
            .practices
            .iter()
            .filter(|practice| practice.verdict.holds() && Some(practice.level) > category.at_least)
            .map(|practice| practice.id.clone())
            .collect();
    }
    Profile {
        subject: evidence.subject.clone(),
        model: ModelName {
            name: model.name.clone(),
            revision: model.revision,
            digest: model.digest.to_string(),
        },
        categories,
        left_out,
        findings: evidence.findings.clone(),
        limits: evidence.limits.clone(),
    }
}

/// Why a category is left out: only where its rule says yes is it judged.
fn does_not_apply(category: &Category, evidence: &Evidence) -> Option<String> {
    let rule = category.when.as_ref()?;
    let limits = Default::default();
    let weighed = rule.weigh(&limits, &|name| look(evidence, &Default::default(), name));
    (weighed.truth() != Truth::Yes).then(|| {
        let told = weighed.deciding(&limits, &|name| value(evidence, name));
        format!("does not apply: {}", told.join("; "))
    })
}

/// What follows from stronger practices that are held.
fn follow(categories: &mut [CategoryProfile], model: &Model) {
    loop {
        let held: Vec<(String, Verdict)> = categories
            .iter()
            .flat_map(|category| &category.practices)
            .filter(|practice| practice.verdict.holds())
            .map(|practice| (practice.id.clone(), practice.verdict))
            .collect();
        let mut changed = false;
        for practice in categories.iter_mut().flat_map(|category| &mut category.practices) {
            let may_follow = !practice.verdict.holds() && practice.verdict != Verdict::Declined;
            let Some(of) = model.practice(&practice.id).filter(|_| may_follow) else {
                continue;
            };
            let stronger = of
                .satisfied_by
                .iter()
                .filter_map(|id| held.iter().find(|(held, _)| held == id))
                .min_by_key(|(_, verdict)| *verdict != Verdict::Met);
            if let Some((id, verdict)) = stronger {
                practice.verdict = *verdict;
                practice.reason = format!("follows from {id}, which goes further");
                practice.satisfied_by = Some(id.clone());
                practice.would_change = None;
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}

/// A measure's value for a rule, or why there is none.
fn look(evidence: &Evidence, sample: &std::collections::BTreeMap<String, u64>, measure: &str) -> Result<Json, String> {
    let declared = vocabulary::find(measure);
    if let Some(declared) = declared
        && !evidence.streams.contains(&declared.stream)
    {
        return Err(format!("{} could not be read", words::stream(declared.stream)));
    }
    let Some(found) = evidence.measures.get(measure) else {
        return Err(format!("{}: not seen", name(measure)));
    };
    if let Some(least) = sample.get(measure) {
        let has = found.sample.unwrap_or(match &found.value {
            Value::Integer(count) => u64::try_from(*count).unwrap_or(0),
            _ => 0,
        });
        if has < *least {
            return Err(format!("{}: rests on {has} of at least {least}", name(measure)));
        }
    }
    match &found.value {
        Value::Number(number) if !number.is_finite() => Err(format!("{}: no number", name(measure))),
        value => Ok(json!(value)),
    }
}

fn value(evidence: &Evidence, measure: &str) -> Option<Value> {
    evidence.measures.get(measure).map(|measure| measure.value.clone())
}

struct Judging<'a> {
    practice: &'a Practice,
    evidence: &'a Evidence,
}

impl<'a> Judging<'a> {
    fn judge(&self, statements: &Statements) -> Result<PracticeProfile, LeftOut> {
        let practice = self.practice;
        let when = practice.when.as_ref().map(|rule| self.weigh(rule));
        if let Some(when) = &when
            && when.truth() == Truth::No
        {
            return Err(LeftOut {
                id: practice.id.clone(),
                name: practice.name.clone(),
                level: Some(practice.level),
                reason: format!("does not apply: {}", self.told(when).join("; ")),
            });
        }
        let (mut verdict, mut reason, mut would_change) = match &when {
            Some(when) if when.truth() == Truth::Unknown => (
                Verdict::InsufficientEvidence,
                format!("whether it applies is not known: {}", self.told(when).join("; ")),
                None,
            ),
            _ => self.verdict(),
        };
        let at = self.evidence.subject.at;
        let attestation = statements
            .attested(&practice.id, at)
            .filter(|_| verdict != Verdict::Met);
        if let Some(stated) = attestation {
            match (verdict, stated.holds(at)) {
                (Verdict::InsufficientEvidence, true) => {
                    verdict = Verdict::Attested;
                    reason = format!("{} (says {}, until {})", stated.statement, stated.by, stated.until);
                    would_change = Some(format!(
                        "it holds until {}, then somebody has to say it again",
                        stated.until
                    ));
                }
                (Verdict::InsufficientEvidence, false) => {
                    reason = format!("what {} said held until {}; {reason}", stated.by, stated.until);
                }
                _ => reason = format!("{reason}; {} states otherwise, and what is seen counts", stated.by),
            }
        }
        let declined = statements.declined(&practice.id).filter(|_| !verdict.holds());
        if let Some(declined) = declined {
            verdict = Verdict::Declined;
            reason.clone_from(&declined.because);
            would_change = None;
        }
        let rules: Vec<&Rule> = [practice.met.as_ref(), self.against()].into_iter().flatten().collect();
        let named: BTreeSet<&str> = rules.iter().flat_map(|rule| rule.measures()).copied().collect();
        let mut shown: Vec<&str> = practice.show.iter().map(String::as_str).collect();
        shown.extend(
            named
                .iter()
                .filter(|name| !practice.show.iter().any(|shown| shown == **name)),
        );
        Ok(PracticeProfile {
            id: practice.id.clone(),
            name: practice.name.clone(),
            level: practice.level,
            class: practice.class,
            verdict,
            reason,
            evidence: self.shown(shown.into_iter()),
            missing: named
                .iter()
                .filter(|name| !self.evidence.measures.contains_key(**name))
                .map(|name| (*name).to_owned())
                .collect(),
            beside: self.shown(practice.beside.iter().map(String::as_str)),
            rules: Rules {
                met: practice.met.as_ref().map(|rule| rule.source().to_owned()),
                not_met: match &practice.not_met {
                    NotMet::Otherwise => None,
                    NotMet::When(rule) => Some(rule.source().to_owned()),
                    NotMet::Never => Some("never".to_owned()),
                },
                when: practice.when.as_ref().map(|rule| rule.source().to_owned()),
            },
            would_change,
            satisfied_by: None,
            attestation: attestation.cloned(),
            declined: declined.cloned(),
            why: practice.why.clone(),
            instruction: practice.instruction.clone(),
            tensions: practice.tensions.clone(),
        })
    }

    /// The verdict of the rules, why, and what would change it.
    fn verdict(&self) -> (Verdict, String, Option<String>) {
        let practice = self.practice;
        let missing: Vec<&str> = practice
            .needs
            .difference(&self.evidence.streams)
            .map(|stream| words::stream(*stream))
            .collect();
        let met = practice.met.as_ref().map(|rule| self.weigh(rule));
        let against = self.against().map(|rule| self.weigh(rule));
        let is_met = match &met {
            Some(met) if missing.is_empty() => met.truth(),
            Some(met) if met.truth() == Truth::No => Truth::No,
            _ => Truth::Unknown,
        };
        let is_not = match (&practice.not_met, &against) {
            (NotMet::Otherwise, _) => is_met.not(),
            (_, Some(against)) => against.truth(),
            _ => Truth::No,
        };
        let lacking = met
            .as_ref()
            .and_then(|met| met.lacking(&practice.limits, &|name| value(self.evidence, name)));
        match (is_met, is_not) {
            (Truth::Yes, Truth::Yes) => {
                let reason = "the evidence speaks for it and against it".to_owned();
                (Verdict::InsufficientEvidence, reason, None)
            }
            (Truth::Yes, _) => {
                let told = met.as_ref().map(|met| self.told(met)).unwrap_or_default();
                (Verdict::Met, told.join("; "), None)
            }
            (_, Truth::Yes) => {
                let told = against.as_ref().or(met.as_ref()).map(|weighed| self.told(weighed));
                let change = lacking.or_else(|| practice.proof.clone());
                (Verdict::NotMet, told.unwrap_or_default().join("; "), change)
            }
            _ if !missing.is_empty() || met.is_none() => {
                let mut reason = "not visible from a repository".to_owned();
                if !missing.is_empty() {
                    reason.push_str(&format!(": needs {}", and(&missing)));
                }
                (
                    Verdict::InsufficientEvidence,
                    reason,
                    practice.proof.clone().or(lacking),
                )
            }
            _ => {
                let told = met.as_ref().map(|met| self.told(met)).unwrap_or_default();
                (Verdict::InsufficientEvidence, told.join("; "), lacking)
            }
        }
    }

    fn against(&self) -> Option<&'a Rule> {
        match &self.practice.not_met {
            NotMet::When(rule) => Some(rule),
            NotMet::Otherwise | NotMet::Never => None,
        }
    }

    fn weigh(&self, rule: &'a Rule) -> Weighed<'a> {
        rule.weigh(&self.practice.limits, &|name| {
            look(self.evidence, &self.practice.sample, name)
        })
    }

    fn told(&self, weighed: &Weighed<'_>) -> Vec<String> {
        weighed.deciding(&self.practice.limits, &|name| value(self.evidence, name))
    }

    fn shown<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<Shown> {
        names
            .filter_map(|name| Some((name, self.evidence.measures.get(name)?)))
            .map(|(name, measure)| shown(name, measure))
            .collect()
    }
}

fn shown(name: &str, measure: &Measure) -> Shown {
    Shown {
        measure: name.to_owned(),
        meaning: words::meaning(name),
        value: measure.value.clone(),
        words: words::value(name, &measure.value),
        sample: measure.sample,
        places: measure.places.clone(),
        against: measure.against.clone(),
        note: measure.note.clone(),
    }
}

/// `a, b and c`.
fn and(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}
