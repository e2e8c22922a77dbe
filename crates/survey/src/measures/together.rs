//! What is changed together, and by whom; and how long ago some files were changed.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Measure, Measures};

use crate::paths::Class;
use crate::person::{Kind, PersonId, updater};
use crate::rows::{Index, Marks};
use crate::view::{Integration, Note as _, PATH_DAYS, View, days, share};

/// How many months of 30 days changes of the pipeline are looked for in.
const MONTHS: i64 = 6;

pub(super) fn measure(view: &View<'_>, measures: &mut Measures) {
    let window = view.window_start();
    if view.sees_changes(window) {
        measures.note("history.tests_with_code_share", tests_with_code(view));
        authors(view, measures);
        for (name, class) in [
            ("history.migrations_changed_in_window", Class::MIGRATION),
            ("history.infrastructure_changed_in_window", Class::INFRASTRUCTURE),
            ("history.configuration_changed_in_window", Class::CONFIGURATION),
        ] {
            measures.note(name, changed(view, class));
        }
    }
    if view.sees(window) {
        measures.note("history.dependency_updates_in_window", updates(view));
    }
    if view.sees(view.days_ago(365)) {
        measures.note("history.dependency_bot", bot(view));
    }
    if view.sees_changes(view.days_ago(MONTHS * 30)) {
        measures.note("history.pipeline_changes_months", pipeline(view));
    }
    measures.note("history.docs_changed_days", guides(view));
}

/// Of what people brought to trunk and what changes product code: how much changes tests too.
fn tests_with_code(view: &View<'_>) -> Option<Measure> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (one, _) in view.integrations_of_people() {
        let Some(change) = view.change(one.commit) else {
            continue;
        };
        let classes = view.classes(change);
        if classes.has(Class::PRODUCT) {
            if classes.has(Class::TEST) {
                &mut with
            } else {
                &mut without
            }
            .push(one.commit);
        }
    }
    let measure = share(with.len(), with.len() + without.len())?;
    let newest = |list: &[Index]| {
        list.iter()
            .rev()
            .take(4)
            .map(|commit| view.place(*commit))
            .collect::<Vec<_>>()
    };
    Some(measure.seen_at(newest(&with)).in_spite_of(newest(&without)))
}

/// What each person touched in the window, commit by commit.
fn authors(view: &View<'_>, measures: &mut Measures) {
    let mut touched: BTreeMap<PersonId, Class> = BTreeMap::new();
    for (commit, told) in view.window_changes() {
        if let (Some(person), Some(change)) = (view.author(told), view.change(commit)) {
            let classes = touched.entry(person).or_default();
            *classes = classes.with(view.classes(change));
        }
    }
    let count = |of: Class, with: Class| {
        let of: Vec<_> = touched.values().filter(|classes| classes.has(of)).collect();
        (of.iter().filter(|classes| classes.has(with)).count(), of.len())
    };
    let (both, testers) = count(Class::TEST, Class::PRODUCT);
    measures.note("history.test_author_overlap", share(both, testers));
    let (both, coders) = count(Class::PRODUCT, Class::TEST);
    measures.note("history.code_authors_testing_share", share(both, coders));
    let fields = [
        Class::TEST,
        Class::MIGRATION,
        Class::INFRASTRUCTURE,
        Class::PIPELINE,
        Class::CONFIGURATION,
    ];
    let is_broad = |classes: &&Class| fields.iter().filter(|field| classes.has(**field)).count() >= 2;
    let coders: Vec<_> = touched.values().filter(|classes| classes.has(Class::PRODUCT)).collect();
    let broad = coders.iter().copied().filter(is_broad).count();
    measures.note("history.broad_authors_share", share(broad, coders.len()));
}

/// How many integrations in the window touch files of a kind.
fn changed(view: &View<'_>, class: Class) -> Measure {
    let found: Vec<&Integration> = view
        .integrations()
        .iter()
        .filter(|one| {
            let change = view.change(one.commit);
            change.is_some_and(|change| view.touched(change).any(|file| file.class.has(class)))
        })
        .collect();
    let newest = found.iter().rev().take(4).map(|one| view.place(one.commit));
    Measure::of(found.len())
        .from_sample(view.integrations().len() as u64)
        .seen_at(newest)
}

/// Commits that update dependencies: a bot's for that, or ones whose subject says so; those of which it is known
/// what they change must touch a manifest or lock file, or a pipeline or image that names versions.
fn updates(view: &View<'_>) -> Measure {
    let signatures = &view.history.rows.signatures;
    let mut found: Vec<Index> = Vec::new();
    for (commit, told) in view.window_changes() {
        let by_bot = signatures
            .get(told.author as usize)
            .is_some_and(|who| updater(who).is_some());
        if !by_bot && !told.marks.has(Marks::DEPENDENCY) {
            continue;
        }
        let names_versions = Class::DEPENDENCIES.with(Class::PIPELINE).with(Class::INFRASTRUCTURE);
        let fits = view
            .change(commit)
            .is_none_or(|change| view.touched(change).any(|file| file.class.has(names_versions)));
        if fits {
            found.push(commit);
        }
    }
    let newest = found.iter().rev().take(4).map(|commit| view.place(*commit));
    Measure::of(found.len()).seen_at(newest)
}

/// The bot with most updates of dependencies on trunk in the last year: one that is known for them, or another bot
/// whose commits say so.
fn bot(view: &View<'_>) -> Option<Measure> {
    let rows = &view.history.rows;
    let mut found: BTreeMap<&str, Vec<Index>> = BTreeMap::new();
    for one in view.since(view.days_ago(365)) {
        for commit in view.history.own(one.position) {
            let Some(told) = rows.told(*commit) else { continue };
            let Some(author) = rows.signatures.get(told.author as usize) else {
                continue;
            };
            let is_bot = view.people.kind(told.author) == Kind::Bot;
            let own_name = || (is_bot && told.marks.has(Marks::DEPENDENCY)).then_some(author.name.as_str());
            if let Some(name) = updater(author).or_else(own_name) {
                found.entry(name).or_default().push(*commit);
            }
        }
    }
    let (name, commits) = found
        .into_iter()
        .max_by_key(|(name, commits)| (commits.len(), std::cmp::Reverse(*name)))?;
    let newest = commits.iter().rev().take(3).map(|commit| view.place(*commit));
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    Some(Measure::of(name).from_sample(commits.len() as u64).seen_at(newest))
}

/// In how many of the last months somebody worked on the pipeline or the set-up of tests; a bot's new version
/// numbers are no work on it.
fn pipeline(view: &View<'_>) -> Measure {
    let mut months = BTreeSet::new();
    let mut newest = Vec::new();
    for one in view.since(view.days_ago(MONTHS * 30)).iter().rev() {
        // Who merges what a bot wrote has not worked on it.
        let rows = &view.history.rows;
        let by_person = |commit: &Index| {
            rows.told(*commit)
                .is_some_and(|told| !rows.is_merge(*commit) && view.people.kind(told.author) != Kind::Bot)
        };
        let by_bot = !view.history.own(one.position).iter().any(by_person);
        let changes = Class::PIPELINE.with(Class::TEST_SETUP);
        let touches = view
            .change(one.commit)
            .is_some_and(|change| change.touched.iter().any(|file| file.class.has(changes)));
        if touches && !by_bot {
            let month = (view.moment.at - one.time).max(0) / (30 * crate::rows::DAY);
            if months.insert(month.min(MONTHS - 1)) {
                newest.push(view.place(one.commit));
            }
        }
    }
    Measure::of(months.len())
        .from_sample(MONTHS.unsigned_abs())
        .seen_at(newest)
}

/// Days since a guide was changed; where that is longer ago than is looked at, at least so many, and a note that
/// says so.
fn guides(view: &View<'_>) -> Option<Measure> {
    let newest = view.recent().iter().rev().find(|one| {
        let change = view.change(one.commit);
        change.is_some_and(|change| change.touched.iter().any(|file| file.class.has(Class::GUIDE)))
    });
    if let Some(newest) = newest {
        let since = days((view.moment.at - newest.time).max(0));
        return Some(Measure::of(since).seen_at([view.place(newest.commit)]));
    }
    let since = view.paths_cut().unwrap_or(view.days_ago(PATH_DAYS));
    let is_known = view.sees_changes(since) && view.history.oldest_until(view.moment.position?) < since;
    is_known.then(|| {
        Measure::of(days(view.moment.at - since))
            .noting("not changed since then, or never; the history before was not looked at for it")
    })
}
