//! How much, how long, by how many.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Measure, Measures};

use crate::person::{Kind, PersonId};
use crate::rows::DAY;
use crate::view::{Note as _, View, days, percentile, share};

/// How many months of [`MONTH_DAYS`] days people are compared over.
const MONTHS: i64 = 6;
const MONTH_DAYS: i64 = 30;

pub(super) fn measure(view: &View<'_>, measures: &mut Measures) {
    let Some(last) = view.moment.position else { return };
    let history = view.history;
    if view.sees_all() {
        measures.note("history.commits", Measure::of(history.count_until(last) as usize));
        let age = view.moment.at - history.oldest_until(last);
        measures.note("history.age_days", Measure::of(days(age.max(0))));
    }
    measures.note("history.shallow", Measure::of(!view.sees_all()));
    if let Some(trunk) = &history.trunk {
        measures.note("history.default_branch", Measure::of(trunk.as_str()));
    }
    if let Some(newest) = view.recent().last() {
        let since = days((view.moment.at - newest.time).max(0));
        let measure = Measure::of(since).seen_at([view.place(newest.commit)]);
        measures.note("history.last_commit_days", measure);
    }
    if view.sees(view.window_start()) {
        people(view, measures);
    }
    if view.sees(view.days_ago(MONTHS * MONTH_DAYS)) {
        measures.note("history.author_overlap", overlap(view));
    }
}

fn people(view: &View<'_>, measures: &mut Measures) {
    let rows = &view.history.rows;
    let window = view.window();
    measures.note("history.commits_in_window", Measure::of(window.len()));
    let told: Vec<_> = window.iter().filter_map(|commit| rows.told(*commit)).collect();
    let mut commits: BTreeMap<PersonId, usize> = BTreeMap::new();
    for told in &told {
        if let Some(person) = view.author(told) {
            *commits.entry(person).or_default() += 1;
        }
    }
    measures.note("history.authors_in_window", Measure::of(commits.len()));
    // Merges are made by whoever is there; the work was somebody's before.
    let mut days_of: BTreeMap<(PersonId, i64), usize> = BTreeMap::new();
    let mut active = BTreeSet::new();
    for (commit, told) in view.window_changes() {
        if let Some(person) = view.author(told) {
            let limit = view.history.shape.time(rows, commit);
            let day = told.authored.min(limit).div_euclid(DAY);
            *days_of.entry((person, day)).or_default() += 1;
        }
    }
    for commit in window {
        if rows.told(*commit).is_some_and(|told| view.author(told).is_some()) {
            active.insert(view.history.shape.time(rows, *commit).div_euclid(DAY));
        }
    }
    measures.note("history.active_days_in_window", Measure::of(active.len()));
    let sample = days_of.len() as u64;
    let mut counts: Vec<f64> = days_of.into_values().map(|count| count as f64).collect();
    let median = percentile(&mut counts, 50).map(|median| Measure::of(median).from_sample(sample));
    measures.note("history.commits_per_active_author_day", median);
    let by_people: usize = commits.values().sum();
    let most = commits.values().copied().max().unwrap_or(0);
    measures.note("history.top_author_share", share(most, by_people));
    let by_bots = told
        .iter()
        .filter(|told| view.people.kind(told.author) == Kind::Bot)
        .count();
    measures.note("history.bot_commits_share", share(by_bots, told.len()));
}

/// The mean over neighbouring months of |A ∩ B| / |A ∪ B|, A and B being the people whose work came to trunk in
/// each. Two months in which nobody did anything say nothing, and neither do months from before the first commit.
fn overlap(view: &View<'_>) -> Option<Measure> {
    let first = view.history.oldest_until(view.moment.position?);
    let months: Vec<BTreeSet<PersonId>> = (0..MONTHS)
        .take_while(|month| view.days_ago((month + 1) * MONTH_DAYS) >= first)
        .map(|month| {
            let end = view.days_ago(month * MONTH_DAYS);
            let all = view.since(view.days_ago((month + 1) * MONTH_DAYS)).iter();
            all.take_while(|one| one.time <= end)
                .flat_map(|one| view.authors(one))
                .collect()
        })
        .collect();
    let overlaps: Vec<f64> = months
        .windows(2)
        .filter_map(|pair| {
            let either = pair[0].union(&pair[1]).count();
            (either > 0).then(|| pair[0].intersection(&pair[1]).count() as f64 / either as f64)
        })
        .collect();
    let count = overlaps.len();
    (count > 0).then(|| Measure::of(overlaps.iter().sum::<f64>() / count as f64).from_sample(count as u64))
}
