//! Next steps: what is cheapest and helps most, first.
//!
//! The score of a step is the sum over the practices that it brings of `value / (1 + distance)`,
//! divided by its effort. The distance counts the levels between a practice and the first level that
//! its category has not reached for sure; below that it is 0. A practice that may be held already
//! (its evidence is insufficient) counts half. A practice is proposed only when those that come before
//! it (`after`) are not known to be lacking.

use std::collections::{BTreeMap, BTreeSet};

use evidence::Evidence;
use serde::Serialize;

use crate::level::{Class, Level, Verdict};
use crate::model::{Model, Practice, Recipe};
use crate::profile::{PracticeProfile, Profile};
use crate::rule::name;
use crate::statements::Statements;
use crate::words;

/// A step that can be taken now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NextStep {
    /// The practices that it brings, the most wanted first.
    pub practices: Vec<Wanted>,
    /// What to do, a sentence.
    #[serde(rename = "do")]
    pub instruction: String,
    /// Why.
    pub why: String,
    /// How much work it is, 1 to 5.
    pub effort: u8,
    /// How much it helps for its effort; steps are ordered by this.
    pub score: f64,
    /// What has to be seen for the verdict to change, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_change: Option<String>,
    /// The metrics it should move.
    pub moves: Vec<Moved>,
    /// The lines to add, where they are known. They were applied to a copy of the files and read again:
    /// the practices' verdicts changed to met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// The measures that the edits changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
}

/// A practice that a step brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its category's key.
    pub category: String,
    /// How far it goes.
    pub level: Level,
    /// What is known about it now.
    pub verdict: Verdict,
}

/// A metric that a step should move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Its name.
    pub metric: String,
    /// What it says.
    pub about: String,
    /// The measure that tells it now, and its value in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

/// Lines to add to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// The file, from the root of the repository.
    pub file: String,
    /// The line after which they go, from 1; absent where the file is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_line: Option<u32>,
    /// What stands on that line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The lines.
    pub lines: String,
}

/// A measure that an edit changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The measure.
    pub measure: String,
    /// Its value before, in words; absent where it was not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Its value after, in words.
    pub after: String,
}

/// A change of files, and the evidence of the files so changed.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// What is changed.
    pub edits: Vec<Edit>,
    /// What would then be known.
    pub evidence: Evidence,
}

/// What steps are made from.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The profile.
    pub profile: &'a Profile,
    /// What it was judged from.
    pub evidence: &'a Evidence,
    /// The model that judged.
    pub model: &'a Model,
    /// What people stated.
    pub statements: &'a Statements,
}

/// The next steps, the best first, at most `most` of them. `propose` writes the lines of a recipe for
/// the files at hand, where it can; a proposal that does not change the verdict is not shown.
pub fn steps(ground: Ground<'_>, most: usize, propose: &dyn Fn(Recipe) -> Option<Proposal>) -> Vec<NextStep> {
    let mut steps: Vec<NextStep> = Vec::new();
    let mut brought: BTreeSet<String> = BTreeSet::new();
    let mut proposals: BTreeMap<Recipe, Option<Proposal>> = BTreeMap::new();
    let wanted = wanted(ground);
    for (practice, judged, category) in &wanted {
        if brought.contains(&practice.id) {
            continue;
        }
        let proposal = practice.recipe.and_then(|recipe| {
            proposals
                .entry(recipe)
                .or_insert_with(|| propose(recipe))
                .as_ref()
                .map(|proposal| {
                    (
                        proposal,
                        Profile::of(&proposal.evidence, ground.model, ground.statements),
                    )
                })
                .filter(|(_, after)| {
                    after
                        .practice(&practice.id)
                        .is_some_and(|after| after.verdict == Verdict::Met)
                })
        });
        let mut step = NextStep {
            practices: vec![want(judged, category)],
            instruction: practice.instruction.clone(),
            why: practice.why.clone(),
            effort: practice.effort,
            score: 0.0,
            would_change: judged.would_change.clone(),
            moves: moves(ground, practice),
            edits: Vec::new(),
            changes: Vec::new(),
        };
        if let Some((proposal, after)) = proposal {
            for (other, judged, category) in &wanted {
                let is_met = after
                    .practice(&other.id)
                    .is_some_and(|after| after.verdict == Verdict::Met);
                if other.id != practice.id && is_met && !brought.contains(&other.id) {
                    step.practices.push(want(judged, category));
                }
            }
            step.edits.clone_from(&proposal.edits);
            step.changes = changes(ground, &step.practices, &proposal.evidence);
        }
        brought.extend(step.practices.iter().map(|wanted| wanted.id.clone()));
        let worth: f64 = step
            .practices
            .iter()
            .filter_map(|wanted| Some((wanted, ground.model.practice(&wanted.id)?)))
            .map(|(wanted, practice)| worth(ground.profile, wanted, practice))
            .sum();
        step.score = (worth / f64::from(practice.effort) * 100.0).round() / 100.0;
        steps.push(step);
    }
    steps.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.practices[0].id.cmp(&b.practices[0].id))
    });
    steps.truncate(most);
    steps
}

/// The practices that could be brought, the most wanted first.
fn wanted(ground: Ground<'_>) -> Vec<(&Practice, &PracticeProfile, &str)> {
    let mut wanted: Vec<(&Practice, &PracticeProfile, &str)> = ground
        .profile
        .categories
        .iter()
        .flat_map(|category| {
            category
                .practices
                .iter()
                .map(|practice| (practice, category.key.as_str()))
        })
        .filter_map(|(judged, category)| Some((ground.model.practice(&judged.id)?, judged, category)))
        .filter(|(practice, judged, _)| can_be_brought(ground.profile, practice, judged))
        .collect();
    let worth = |(practice, judged, category): &(&Practice, &PracticeProfile, &str)| {
        worth(ground.profile, &want(judged, category), practice) / f64::from(practice.effort)
    };
    wanted.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then_with(|| a.0.id.cmp(&b.0.id)));
    wanted
}

fn can_be_brought(profile: &Profile, practice: &Practice, judged: &PracticeProfile) -> bool {
    let open = match judged.verdict {
        Verdict::NotMet => true,
        // Not seen, but it could be: not where only other records or people can tell.
        Verdict::InsufficientEvidence => practice.met.is_some() && practice.class == Class::Automatic,
        _ => false,
    };
    let ready = practice.after.iter().all(|before| {
        profile
            .practice(before)
            .is_none_or(|before| before.verdict != Verdict::NotMet)
    });
    open && ready
}

fn want(judged: &PracticeProfile, category: &str) -> Wanted {
    Wanted {
        id: judged.id.clone(),
        name: judged.name.clone(),
        category: category.to_owned(),
        level: judged.level,
        verdict: judged.verdict,
    }
}

fn worth(profile: &Profile, wanted: &Wanted, practice: &Practice) -> f64 {
    let reached = profile
        .categories
        .iter()
        .find(|category| category.key == wanted.category)
        .and_then(|category| category.at_least)
        .map_or(0, |level| level.number() + 1);
    let distance = wanted.level.number().saturating_sub(reached) as f64;
    let doubt = if wanted.verdict == Verdict::NotMet { 1.0 } else { 0.5 };
    f64::from(practice.value) * doubt / (1.0 + distance)
}

fn moves(ground: Ground<'_>, practice: &Practice) -> Vec<Moved> {
    practice
        .moves
        .iter()
        .filter_map(|metric| {
            let of = ground.model.metrics.get(metric)?;
            let now = of.shown_by.as_ref().and_then(|measure| {
                let value = &ground.evidence.measures.get(measure)?.value;
                Some(format!("{}: {}", name(measure), words::value(measure, value)))
            });
            Some(Moved {
                metric: metric.clone(),
                about: of.about.clone(),
                now,
            })
        })
        .collect()
}

/// The measures that changed among those that the rules of the brought practices name.
fn changes(ground: Ground<'_>, brought: &[Wanted], after: &Evidence) -> Vec<Changed> {
    let named: BTreeSet<&str> = brought
        .iter()
        .filter_map(|wanted| ground.model.practice(&wanted.id)?.met.as_ref())
        .flat_map(|rule| rule.measures())
        .copied()
        .collect();
    named
        .into_iter()
        .filter_map(|measure| {
            let now = after.measures.get(measure)?;
            let was = ground.evidence.measures.get(measure).map(|measure| &measure.value);
            (was != Some(&now.value)).then(|| Changed {
                measure: measure.to_owned(),
                before: was.map(|value| words::value(measure, value)),
                after: words::value(measure, &now.value),
            })
        })
        .collect()
}
