//! How the definitions are made.

use std::collections::BTreeSet;

use evidence::{Measure, Place};

use super::{Out, View};
use crate::model::{At, Job, Pinning, StepKind, System, Workflows};
use crate::purpose::Purpose;

pub(super) fn measure(workflows: &Workflows, view: &View<'_>, out: &mut Out) {
    let systems: BTreeSet<System> = view.workflows.iter().map(|workflow| workflow.system).collect();
    let files: BTreeSet<&String> = view.workflows.iter().map(|workflow| &workflow.file).collect();
    let places = files.iter().map(|file| Place::file((*file).clone()));
    let names: Vec<String> = systems.iter().map(|system| system.name().to_owned()).collect();
    out.put("systems", Measure::of(names).seen_at(places.clone()));
    out.put("definitions", Measure::of(files.len()).seen_at(places));
    out.put("jobs", Measure::of(view.jobs.len()));
    let unread = workflows
        .unread
        .iter()
        .map(|at| at.place("not read: elsewhere, broken, or made while it runs"));
    out.put("complete", Measure::of(workflows.unread.is_empty()).in_spite_of(unread));
    let own: Vec<Place> = view
        .workflows
        .iter()
        .filter(|workflow| workflow.system == System::Throughline)
        .map(|workflow| Place::file(workflow.file.clone()))
        .collect();
    out.yes("throughline", own);
    let filtered: Vec<Place> = view
        .workflows
        .iter()
        .filter(|workflow| !workflow.paths.is_empty())
        .map(|workflow| Place::line(workflow.file.clone(), workflow.line, workflow.paths.join(" ")))
        .collect();
    out.yes("path_filtered", filtered);
    parts(view, out);
    machines(view, out);
    ignored(view, out);
}

fn parts(view: &View<'_>, out: &mut Out) {
    let (mut pinned, mut all) = (0u64, 0u64);
    let (mut firm, mut loose): (Vec<Place>, Vec<Place>) = (Vec::new(), Vec::new());
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut counted: BTreeSet<At> = BTreeSet::new();
    let mut shared: Vec<Place> = Vec::new();
    for (_, job) in &view.jobs {
        for step in &job.steps {
            let StepKind::Use(used) = &step.kind else { continue };
            if used.pinning == Pinning::Local {
                shared.push(step.at.place(used.name.clone()));
                continue;
            }
            if !counted.insert(step.at.clone()) {
                continue;
            }
            names.insert(used.name.clone());
            all += 1;
            let place = step.at.place(match &used.version {
                Some(version) => format!("{}@{version}", used.name),
                None => used.name.clone(),
            });
            if used.pinning == Pinning::Digest {
                pinned += 1;
                firm.push(place);
            } else {
                loose.push(place);
            }
        }
    }
    if all > 0 {
        #[expect(clippy::cast_precision_loss, reason = "counts of steps")]
        let share = pinned as f64 / all as f64;
        let measure = Measure::of(share).from_sample(all).seen_at(firm).in_spite_of(loose);
        out.put("actions_pinned_share", measure);
    }
    out.put("third_party_actions", Measure::of(names.len()));
    for workflow in &view.workflows {
        shared.extend(workflow.shared.iter().map(|at| at.place("a part that is shared")));
    }
    shared.dedup();
    out.yes("reusable_parts", shared);
}

fn machines(view: &View<'_>, out: &mut Out) {
    let mut where_lines = |name: &str, line: fn(&Job) -> Option<u32>, what: &str| {
        let places: Vec<Place> = view
            .jobs
            .iter()
            .filter_map(|(_, job)| {
                Some(Place::line(
                    job.at.file.clone(),
                    line(job)?,
                    format!("{}: {what}", job.id),
                ))
            })
            .collect();
        out.yes(name, places);
    };
    where_lines("matrix", |job| job.matrix, "for several values");
    where_lines("cache", |job| job.cache, "kept between runs");
    where_lines("timeouts", |job| job.timeout, "limited in time");
    let mut apart: Vec<Place> = view
        .workflows
        .iter()
        .filter_map(|workflow| {
            Some(Place::line(
                workflow.file.clone(),
                workflow.concurrency?,
                "runs kept apart",
            ))
        })
        .collect();
    apart.extend(
        view.jobs
            .iter()
            .filter_map(|(_, job)| Some(Place::line(job.at.file.clone(), job.concurrency?, job.id.clone()))),
    );
    out.yes("concurrency", apart);
    let runners: BTreeSet<&String> = view.jobs.iter().flat_map(|(_, job)| &job.runners).collect();
    let beside = view.workflows.iter().find(|workflow| {
        workflow.system.is_hosted()
            && (workflow.jobs.iter().filter(|job| job.occasions.any()).count() > 1
                || workflow.jobs.iter().any(|job| job.matrix.is_some()))
    });
    let mut places: Vec<Place> = Vec::new();
    if runners.len() > 1 || beside.is_some() {
        places = view
            .jobs
            .iter()
            .filter(|(workflow, job)| {
                !job.runners.is_empty() || beside.is_some_and(|beside| std::ptr::eq(*workflow, *beside))
            })
            .map(|(_, job)| job.at.place(format!("{}: {}", job.id, job.runners.join(", "))))
            .collect();
    }
    out.yes("several_runners", places);
}

fn ignored(view: &View<'_>, out: &mut Out) {
    let matters = |purpose: Purpose| {
        purpose.is_test()
            || matches!(
                purpose,
                Purpose::Build
                    | Purpose::Lint
                    | Purpose::Format
                    | Purpose::Types
                    | Purpose::Analysis
                    | Purpose::Dependencies
                    | Purpose::Code
                    | Purpose::Secrets
                    | Purpose::Images
                    | Purpose::Deploy
                    | Purpose::Publish
            )
    };
    let mut places: Vec<Place> = Vec::new();
    for seen in &view.seen {
        if matters(seen.doing.purpose) && !seen.can_fail() {
            let place = seen.place();
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    out.put("failures_ignored", Measure::of(places.len()).seen_at(places));
}
