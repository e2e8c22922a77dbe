//! How work comes to trunk.

use std::collections::BTreeSet;

use evidence::{Measure, Measures};

use crate::person::Kind;
use crate::rows::{DAY, Marks, Seconds};
use crate::view::{Integration, Note as _, View, days, percentile, share};

/// How many integrations there must be before they are called linear.
const FEWEST: usize = 10;

pub(super) fn measure(view: &View<'_>, measures: &mut Measures) {
    if !view.sees(view.window_start()) || view.paths_cut().is_some_and(|cut| cut > view.window_start()) {
        return;
    }
    let all = view.integrations();
    let merges = all.iter().filter(|one| one.is_merge).count();
    measures.note("history.merges_in_window", Measure::of(merges));
    measures.note("history.trunk_commits_in_window", Measure::of(all.len()));
    let days_with: BTreeSet<i64> = all.iter().map(|one| one.time.div_euclid(DAY)).collect();
    measures.note("history.trunk_days_in_window", Measure::of(days_with.len()));
    if all.len() >= FEWEST {
        let linear = Measure::of(merges * 10 <= all.len()).from_sample(all.len() as u64);
        measures.note("history.squash_or_linear", linear);
    }
    ways(view, measures);
    measures.note("history.integration_days_p80", waiting(view));
    branch_life(view, measures);
}

/// The way by which each integration came: by a request, by a merge of some branch, or directly.
fn ways(view: &View<'_>, measures: &mut Measures) {
    let (mut requests, mut direct) = (Vec::new(), Vec::new());
    let mut total = 0;
    for (one, told) in view.integrations_of_people() {
        total += 1;
        if told.marks.has(Marks::REQUEST) {
            requests.push(one.commit);
        } else if !one.is_merge || view.is_pull(told) {
            direct.push(one.commit);
        }
    }
    let places = |commits: &[u32]| {
        let newest = commits.iter().rev().take(4);
        newest.map(|commit| view.place(*commit)).collect::<Vec<_>>()
    };
    let measure = share(requests.len(), total);
    let measure = measure.map(|measure| measure.seen_at(places(&requests)).in_spite_of(places(&direct)));
    measures.note("history.pull_request_share", measure);
    let measure = share(direct.len(), total);
    let measure = measure.map(|measure| measure.seen_at(places(&direct)).in_spite_of(places(&requests)));
    measures.note("history.direct_to_trunk_share", measure);
}

/// The 80th percentile of the days from when a change was written to when it came to trunk, of all changes by
/// people that came to trunk in the window, merges left out.
fn waiting(view: &View<'_>) -> Option<Measure> {
    let rows = &view.history.rows;
    let mut waits = Vec::new();
    for one in view.integrations() {
        for commit in view.history.own(one.position) {
            let Some(told) = rows.told(*commit).filter(|_| !rows.is_merge(*commit)) else {
                continue;
            };
            if view.author(told).is_some() {
                waits.push(days((one.time - told.authored).max(0)));
            }
        }
    }
    let sample = waits.len() as u64;
    percentile(&mut waits, 80).map(|days| Measure::of(days).from_sample(sample))
}

/// The life of a branch that was merged: from when its oldest own commit was written to its merge. Merges that
/// only bring trunk up to date, bots' branches, and merges of histories of their own are left out.
fn branch_life(view: &View<'_>, measures: &mut Measures) {
    let mut lives: Vec<(Seconds, Integration)> = Vec::new();
    for one in view.integrations().iter().filter(|one| one.is_merge) {
        if let Some(life) = life(view, one) {
            lives.push((life, *one));
        }
    }
    if lives.is_empty() {
        return;
    }
    lives.sort_by_key(|(life, one)| (-life, one.position));
    let longest = lives.iter().take(4).map(|(life, one)| {
        let subject = view.history.rows.told(one.commit).map_or("", |told| &told.subject);
        view.place_saying(one.commit, format!("{:.1} days: {subject}", days(*life)))
    });
    let longest: Vec<_> = longest.collect();
    let mut values: Vec<f64> = lives.iter().map(|(life, _)| days(*life)).collect();
    for (name, percent) in [
        ("history.branch_life_days_p50", 50),
        ("history.branch_life_days_p90", 90),
    ] {
        let measure = percentile(&mut values, percent).map(|days| {
            Measure::of(days)
                .from_sample(lives.len() as u64)
                .seen_at(longest.iter().cloned())
        });
        measures.note(name, measure);
    }
}

fn life(view: &View<'_>, merge: &Integration) -> Option<Seconds> {
    let rows = &view.history.rows;
    if view.is_pull(rows.told(merge.commit)?) {
        return None;
    }
    let own = view.history.own(merge.position);
    let mut oldest = Seconds::MAX;
    let mut by_people = false;
    for commit in own.iter().filter(|commit| **commit != merge.commit) {
        if rows.parents(*commit).is_empty() {
            return None;
        }
        // What is not told of is older than all that is looked at.
        let told = rows.told(*commit)?;
        by_people |= view.people.kind(told.author) != Kind::Bot;
        if !rows.is_merge(*commit) {
            oldest = oldest.min(told.authored.min(rows.commit(*commit).committed));
        }
    }
    (by_people && oldest != Seconds::MAX).then(|| (merge.time - oldest).max(0))
}
