//! Branches beside trunk.
//!
//! A branch at a moment is a commit that was not on trunk then and that nothing built on, or that a branch still
//! points at. So branches that were merged since are seen in a past moment too; those that were squashed, rebased
//! or thrown away and whose names are gone are not.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use evidence::{Measure, Measures, Place};

use crate::graph::NEVER;
use crate::person::Kind;
use crate::rows::{CommitId, Index, Seconds};
use crate::version::{self, Version};
use crate::view::{Note as _, View, days};

/// How old an own commit makes a branch long-lived, in days.
const LONG_LIFE: i64 = 14;

struct Branch {
    tip: Index,
    name: Option<String>,
    newest: Seconds,
    oldest: Seconds,
}

pub(super) fn measure(view: &View<'_>, measures: &mut Measures) {
    if view.scope.is_some() {
        return;
    }
    let since = view.window_start();
    let sees_branches = view.history.sees_branches && view.sees(since);
    let branches = if sees_branches { branches(view) } else { Vec::new() };
    let (lines, others): (Vec<_>, Vec<_>) = branches
        .into_iter()
        .partition(|branch| branch.name.as_deref().is_some_and(is_line));
    if sees_branches {
        let note =
            "branches that were squashed, rebased or deleted without a merge leave no trace, and bots' are left out";
        let place = |branch: &Branch, what: String| match &branch.name {
            Some(name) => Place::Ref {
                name: name.clone(),
                what,
            },
            None => view.place_saying(branch.tip, what),
        };
        let (mut active, stale): (Vec<_>, Vec<_>) = others.iter().partition(|branch| branch.newest > since);
        active.sort_by_key(|branch| branch.oldest);
        let age = |time: Seconds| days((view.moment.at - time).max(0));
        let shown = |branch: &&Branch| place(branch, format!("newest own commit {:.1} days ago", age(branch.newest)));
        let measure = Measure::of(active.len()).seen_at(active.iter().map(shown)).noting(note);
        measures.note("history.branches_active", measure);
        let measure = Measure::of(stale.len()).seen_at(stale.iter().map(shown));
        measures.note("history.branches_stale", measure);
        let limit = view.days_ago(LONG_LIFE);
        let long: Vec<_> = active.iter().filter(|branch| branch.oldest <= limit).collect();
        let shown = long
            .iter()
            .map(|branch| place(branch, format!("oldest own commit {:.1} days ago", age(branch.oldest))));
        measures.note("history.long_lived_branches", Measure::of(long.len()).seen_at(shown));
    }
    if view.sees(view.days_ago(365)) {
        measures.note("history.release_lines", release_lines(view, &lines));
        measures.note("history.lines_released", lines_released(view));
        let beside = others
            .iter()
            .filter(|branch| branch.newest > since)
            .filter_map(|branch| Some((branch.name.as_deref()?, view.place(branch.tip))));
        measures.note(
            "history.integration_branches",
            integration_branches(view, beside.collect()),
        );
    }
}

/// The branches of people that went off from trunk and have commits of their own.
fn branches(view: &View<'_>) -> Vec<Branch> {
    let history = view.history;
    let (rows, shape) = (&history.rows, &history.shape);
    let Some(last) = view.moment.position else {
        return Vec::new();
    };
    let is_beside = |commit: Index| {
        let position = shape.integrated[commit as usize];
        (position == NEVER || position > last)
            && history.on_branch[commit as usize]
            && shape.time(rows, commit) <= view.moment.at
            && (position == NEVER || shape.trunk[position as usize] != commit)
    };
    let mut names: BTreeMap<Index, &str> = BTreeMap::new();
    for branch in &rows.branches {
        names.entry(branch.commit).or_insert(&branch.name);
    }
    let beside: Vec<Index> = (0..rows.commits.len() as Index)
        .filter(|commit| is_beside(*commit))
        .collect();
    let mut built_on: HashSet<Index> = HashSet::new();
    for commit in &beside {
        built_on.extend(rows.parents(*commit));
    }
    // A squashed branch that was up to date left its very files on trunk.
    let trees: HashSet<CommitId> = view
        .recent()
        .iter()
        .filter_map(|one| Some(rows.told(one.commit)?.tree))
        .collect();
    let mut found: HashMap<String, Branch> = HashMap::new();
    for tip in beside {
        let name = names.get(&tip).copied();
        if built_on.contains(&tip) && name.is_none() {
            continue;
        }
        let is_squashed = rows.told(tip).is_some_and(|told| trees.contains(&told.tree));
        let by_bot = rows
            .told(tip)
            .is_some_and(|told| view.people.kind(told.author) == Kind::Bot);
        if is_squashed || by_bot || name.is_some_and(is_no_work) {
            continue;
        }
        let Some((newest, oldest)) = span(view, tip, &is_beside) else {
            continue;
        };
        let branch = Branch {
            tip,
            name: name.map(str::to_owned),
            newest,
            oldest,
        };
        // The same branch here and at the remote counts once, where it is newer.
        let key = branch.name.clone().unwrap_or_else(|| tip.to_string());
        match found.get(&key) {
            Some(other) if other.newest >= branch.newest => {}
            _ => drop(found.insert(key, branch)),
        }
    }
    let mut found: Vec<Branch> = found.into_values().collect();
    found.sort_by_key(|branch| (-branch.newest, branch.tip));
    found
}

/// Times of the newest and the oldest own commit behind a tip; nothing when it did not go off from trunk.
fn span(view: &View<'_>, tip: Index, is_beside: &dyn Fn(Index) -> bool) -> Option<(Seconds, Seconds)> {
    let (rows, shape) = (&view.history.rows, &view.history.shape);
    let mut seen = HashSet::from([tip]);
    let mut waiting = vec![tip];
    let (mut newest, mut oldest) = (Seconds::MIN, Seconds::MAX);
    let mut is_connected = false;
    while let Some(commit) = waiting.pop() {
        let time = shape.time(rows, commit);
        newest = newest.max(time);
        oldest = oldest.min(time);
        for parent in rows.parents(commit) {
            if is_beside(*parent) {
                if seen.insert(*parent) {
                    waiting.push(*parent);
                }
            } else {
                is_connected = true;
            }
        }
    }
    is_connected.then_some((newest, oldest))
}

/// Branches that hold what was made from trunk, or are a tool's.
fn is_no_work(name: &str) -> bool {
    let tools = [
        "dependabot/",
        "renovate/",
        "snyk-",
        "greenkeeper/",
        "gh-readonly-queue/",
        "release-please--",
        "changeset-release/",
        "all-contributors/",
        "pre-commit-ci-update-config",
        "imgbot",
        "pyup-",
        "whitesource/",
        "depfu/",
        "weblate",
        "l10n_",
        "backport-",
        "backport/",
        "mergify/",
    ];
    matches!(name, "gh-pages" | "pages" | "staging.tmp" | "trying.tmp")
        || tools.iter().any(|tool| name.starts_with(tool))
}

/// Branches named like a release line: `release/...`, `stable/...`, `support/...`, `maint...`, or like a version.
fn is_line(name: &str) -> bool {
    let lower = name.to_lowercase();
    let starts = ["release", "stable", "support", "maint", "rel-", "rel/", "lts", "hotfix"];
    let is_version = version::read(&lower.replace(".x", ".0").replace("-stable", "").replace("_stable", ""))
        .is_some_and(|version| version.of.is_none());
    let ends = ["-stable", "_stable", "-maintenance", "-maint", "-lts"];
    is_version || starts.iter().any(|start| lower.starts_with(start)) || ends.iter().any(|end| lower.ends_with(end))
}

/// Release lines in the window: branches named like one with own commits in it, and older lines of versions that
/// got a release in it after a newer line had one. A line that shows as both counts once.
fn release_lines(view: &View<'_>, branches: &[Branch]) -> Measure {
    let since = view.window_start();
    let mut lines: BTreeMap<String, Place> = BTreeMap::new();
    for branch in branches.iter().filter(|branch| branch.newest > since) {
        let name = branch.name.clone().unwrap_or_default();
        let digits: String = name.chars().map(|c| if c.is_ascii_digit() { c } else { ' ' }).collect();
        let numbers: Vec<&str> = digits.split_whitespace().take(2).collect();
        let key = if numbers.is_empty() {
            name.clone()
        } else {
            numbers.join(".")
        };
        let age = days((view.moment.at - branch.newest).max(0));
        let what = format!("newest own commit {age:.1} days ago");
        lines.insert(key, Place::Ref { name, what });
    }
    let mut newest: HashMap<Option<&str>, &Version> = HashMap::new();
    let named = &view.releases().named;
    for release in named.iter().take_while(|release| release.made <= view.moment.at) {
        let of = release.version.of.as_deref();
        let highest = newest.entry(of).or_insert(&release.version);
        let is_older = release.version.compare(highest).is_lt();
        let [mine, theirs] =
            [&release.version, *highest].map(|version| version.numbers.iter().take(2).collect::<Vec<_>>());
        if is_older && mine != theirs && release.made > since {
            let line: Vec<String> = mine.iter().map(ToString::to_string).collect();
            let key = line.join(".");
            let is_known = lines.keys().any(|known| *known == key || known.as_str() == line[0]);
            if !is_known {
                let day = days(view.moment.at - release.made);
                let what = format!("released {day:.1} days ago, beside newer versions");
                lines.insert(key, view.tag(release, what));
            }
        }
        if !is_older {
            *highest = &release.version;
        }
    }
    let keys: BTreeSet<_> = lines.keys().collect();
    Measure::of(keys.len()).seen_at(lines.values().cloned())
}

/// Lines that got releases in the window beside one another: each behind a newer line, and the newest one. Versions that
/// only follow each other are one line.
fn lines_released(view: &View<'_>) -> Measure {
    let since = view.window_start();
    let mut newest: HashMap<Option<&str>, &Version> = HashMap::new();
    let mut behind: BTreeMap<(Option<&str>, Vec<u64>), Place> = BTreeMap::new();
    let mut in_front: BTreeMap<Option<&str>, Place> = BTreeMap::new();
    let named = &view.releases().named;
    for release in named.iter().take_while(|release| release.made <= view.moment.at) {
        let of = release.version.of.as_deref();
        let highest = newest.entry(of).or_insert(&release.version);
        let is_older = release.version.compare(highest).is_lt();
        let [mine, theirs] =
            [&release.version, *highest].map(|version| version.numbers.iter().take(2).copied().collect::<Vec<u64>>());
        let place = || {
            let age = days(view.moment.at - release.made);
            view.tag(release, format!("released {age:.1} days ago"))
        };
        if release.made > since {
            if is_older && mine != theirs {
                behind.entry((of, mine)).or_insert_with(place);
            } else if !is_older {
                in_front.insert(of, place());
            }
        }
        if !is_older {
            *highest = &release.version;
        }
    }
    // Of several parts with versions of their own, those with lines beside one another count.
    in_front.retain(|of, _| behind.keys().any(|(other, _)| other == of));
    let places: Vec<Place> = behind.into_values().chain(in_front.into_values()).collect();
    Measure::of(places.len()).seen_at(places)
}

/// How many days lie between the first and the last merge of a branch that is kept beside trunk.
const KEPT_DAYS: i64 = 14;

/// Branches that merges of the year brought to trunk again and again: work is collected on them first. They are told by
/// the subjects of merges, since a branch that was just merged has nothing of its own to be seen by.
///
/// Another branch that is called like a trunk and is worked on is one as well.
fn integration_branches(view: &View<'_>, beside: Vec<(&str, Place)>) -> Measure {
    let mut merges: BTreeMap<&str, Vec<(Seconds, Index)>> = BTreeMap::new();
    for one in view.since(view.days_ago(365)).iter().filter(|one| one.is_merge) {
        let Some(told) = view.history.rows.told(one.commit).filter(|told| !view.is_pull(told)) else {
            continue;
        };
        if let Some(name) = merged(&told.subject).filter(|name| !is_no_work(name) && !is_line(name)) {
            merges.entry(name).or_default().push((one.time, one.commit));
        }
    }
    merges.retain(|name, merges| {
        let collects = matches!(
            *name,
            "dev"
                | "develop"
                | "devel"
                | "development"
                | "next"
                | "staging"
                | "integration"
                | "nightly"
                | "beta"
                | "testing"
        );
        let [first, last] = [merges.first(), merges.last()].map(|merge| merge.map_or(0, |(time, _)| *time));
        merges.len() >= if collects { 2 } else { 4 } && (last - first).abs() >= KEPT_DAYS * crate::rows::DAY
    });
    let mut names: Vec<String> = merges.keys().map(|name| (*name).to_owned()).collect();
    let mut places: Vec<Place> = merges
        .values()
        .flat_map(|merges| merges.iter().rev().take(2))
        .map(|(_, commit)| view.place(*commit))
        .collect();
    for (name, place) in beside {
        let is_trunk = matches!(name, "main" | "master" | "develop" | "dev" | "development" | "devel");
        if is_trunk && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
            places.push(place);
        }
    }
    Measure::of(names).seen_at(places)
}

/// The branch that the subject of a merge names; that of a fork's trunk or of an unnamed change says nothing.
fn merged(subject: &str) -> Option<&str> {
    let name = if let Some(rest) = subject.strip_prefix("Merge pull request ") {
        rest.split_once(" from ")?.1.split_once('/')?.1
    } else if let Some(rest) = subject.strip_prefix("Merged in ") {
        rest.split_once(" (")?.0
    } else {
        let rest = subject
            .strip_prefix("Merge branch '")
            .or_else(|| subject.strip_prefix("Merge remote-tracking branch '"))?;
        let name = rest.split('\'').next()?;
        name.strip_prefix("origin/").unwrap_or(name)
    };
    let name = name.split_whitespace().next()?;
    (!matches!(name, "main" | "master" | "trunk" | "HEAD") && !name.starts_with("patch-")).then_some(name)
}
