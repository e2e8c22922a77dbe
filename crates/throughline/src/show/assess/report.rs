//! The report as a file: the assessment turned into what the page shows.

use evidence::Place;
use maturity::document::{self, CategoryThen};
use maturity::next::{Edit, NextStep};
use maturity::profile::{CategoryProfile, PracticeProfile, Shown};
use maturity::{Level, Verdict, words};
use pages::model::assessment as model;

/// The report of an assessment, as HTML.
pub fn report(assessment: &document::Assessment) -> String {
    pages::assessment::page(&model_of(assessment)).into_string()
}

fn model_of(assessment: &document::Assessment) -> model::Assessment {
    let subject = &assessment.subject;
    let mut about = Vec::new();
    if let Some(component) = &subject.component {
        about.push(format!("component {}", component.name));
    }
    if let Some(commit) = &subject.commit {
        about.push(format!("commit {}", commit.chars().take(10).collect::<String>()));
    }
    about.push(subject.at.strftime("%-d %B %Y").to_string());
    about.push(format!("the {} days before", subject.window_days));
    model::Assessment {
        name: subject.repository.clone(),
        about,
        levels: Level::ALL.map(|level| level.name().to_owned()).to_vec(),
        categories: assessment.categories.iter().map(category).collect(),
        left_out: assessment
            .left_out
            .iter()
            .map(|left_out| (left_out.name.clone(), left_out.reason.clone()))
            .collect(),
        next: assessment.next.iter().map(step).collect(),
        components: assessment.components.iter().map(component).collect(),
        months: assessment
            .history
            .iter()
            .map(|month| model::Month {
                name: month.at.strftime("%b %Y").to_string(),
                reach: month.categories.iter().map(then).collect(),
            })
            .collect(),
        findings: assessment
            .findings
            .iter()
            .map(|finding| {
                (
                    words::place(&finding.place),
                    finding.problem.clone(),
                    finding.hint.clone(),
                )
            })
            .collect(),
        limits: assessment.limits.clone(),
        model: format!("{}, revision {}", assessment.model.name, assessment.model.revision),
    }
}

fn number(level: Option<Level>) -> Option<usize> {
    level.map(Level::number)
}

fn category(category: &CategoryProfile) -> model::Category {
    model::Category {
        key: category.key.clone(),
        name: category.name.clone(),
        about: category.about.clone(),
        at_least: number(category.at_least),
        at_most: number(category.at_most),
        practices: category.practices.iter().map(practice).collect(),
        not_applicable: category
            .not_applicable
            .iter()
            .map(|left_out| (left_out.id.clone(), left_out.name.clone(), left_out.reason.clone()))
            .collect(),
    }
}

const fn known(verdict: Verdict) -> model::Known {
    match verdict {
        Verdict::Met => model::Known::Met,
        Verdict::NotMet => model::Known::NotMet,
        Verdict::InsufficientEvidence => model::Known::NotKnown,
        Verdict::Attested => model::Known::Attested,
        Verdict::Declined => model::Known::Declined,
    }
}

fn practice(practice: &PracticeProfile) -> model::Practice {
    let rules = [
        ("met where", &practice.rules.met),
        ("not met where", &practice.rules.not_met),
        ("applies where", &practice.rules.when),
    ];
    model::Practice {
        id: practice.id.clone(),
        name: practice.name.clone(),
        level: practice.level.number(),
        known: known(practice.verdict),
        reason: practice.reason.clone(),
        would_change: practice.would_change.clone(),
        why: practice.why.clone(),
        instruction: practice.instruction.clone(),
        evidence: practice.evidence.iter().map(evidence).collect(),
        beside: practice
            .beside
            .iter()
            .map(|shown| (shown.measure.clone(), shown.words.clone()))
            .collect(),
        tensions: practice
            .tensions
            .iter()
            .map(|tension| (tension.with.clone(), tension.because.clone()))
            .collect(),
        rules: rules
            .into_iter()
            .filter_map(|(what, rule)| Some((what.to_owned(), rule.clone()?)))
            .collect(),
    }
}

fn evidence(shown: &Shown) -> model::Evidence {
    let place = |place: &Place| (words::place(place), words::what(place).unwrap_or_default().to_owned());
    model::Evidence {
        measure: shown.measure.clone(),
        meaning: shown.meaning.clone(),
        value: match shown.sample {
            Some(sample) => format!("{} of {sample}", shown.words),
            None => shown.words.clone(),
        },
        places: shown.places.iter().map(place).collect(),
        against: shown.against.iter().map(place).collect(),
        note: shown.note.clone(),
    }
}

fn step(step: &NextStep) -> model::NextStep {
    model::NextStep {
        instruction: step.instruction.clone(),
        why: step.why.clone(),
        practices: step
            .practices
            .iter()
            .map(|wanted| (wanted.id.clone(), wanted.name.clone()))
            .collect(),
        effort: step.effort,
        would_change: step.would_change.clone(),
        moves: step
            .moves
            .iter()
            .map(|moved| (moved.metric.clone(), moved.about.clone(), moved.now.clone()))
            .collect(),
        edits: step
            .edits
            .iter()
            .map(|edit| model::Edit {
                place: edit_place(edit),
                lines: edit.lines.clone(),
            })
            .collect(),
        changes: step
            .changes
            .iter()
            .map(|changed| (changed.measure.clone(), changed.before.clone(), changed.after.clone()))
            .collect(),
    }
}

/// Where lines go, in words.
fn edit_place(edit: &Edit) -> String {
    match (edit.after_line, &edit.after) {
        (Some(line), Some(after)) => format!("{}, after line {line} ({})", edit.file, after.trim()),
        (Some(line), None) => format!("{}, after line {line}", edit.file),
        (None, _) => format!("{}, a new file", edit.file),
    }
}

fn component(component: &document::ComponentAssessment) -> model::PartOfIt {
    model::PartOfIt {
        name: component.name.clone(),
        folder: component.folder.clone(),
        reach: component
            .categories
            .iter()
            .map(|category| model::Reach {
                key: category.key.clone(),
                name: category.name.clone(),
                at_least: number(category.at_least),
                at_most: number(category.at_most),
                held: category.practices.iter().filter(|each| each.verdict.holds()).count(),
                of: category.practices.len(),
            })
            .collect(),
    }
}

fn then(then: &CategoryThen) -> model::Reach {
    model::Reach {
        key: then.key.clone(),
        name: then.name.clone(),
        at_least: number(then.at_least),
        at_most: number(then.at_most),
        held: then.held,
        of: then.of,
    }
}
