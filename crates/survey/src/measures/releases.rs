//! Releases: tags that are named like versions.

use std::collections::BTreeMap;

use evidence::{Measure, Measures};

use crate::history::Release;
use crate::paths::Class;
use crate::person::Kind;
use crate::rows::{DAY, Index, Seconds};
use crate::version::Scheme;
use crate::view::{Note as _, View, days, percentile, share};

/// How many of the newest releases tell the scheme of versions.
const TELLING: usize = 50;

/// Within how many days a patch after another release counts as a hotfix.
const HOTFIX_DAYS: i64 = 2;

pub(super) fn measure(view: &View<'_>, measures: &mut Measures) {
    let year = view.days_ago(365);
    if !view.sees(year) {
        return;
    }
    let at = view.moment.at;
    let all: Vec<(usize, &Release)> = view.releases_since(Seconds::MIN).collect();
    let of_year: Vec<(usize, &Release)> = view.releases_since(year).collect();
    let newest = all.iter().rev().take(3).map(|(_, release)| {
        let age = days(at - release.made);
        view.tag(release, format!("{age:.1} days ago"))
    });
    measures.note("history.releases", Measure::of(all.len()).seen_at(newest));
    let in_window = view.releases_since(view.window_start()).count();
    measures.note("history.releases_in_window", Measure::of(in_window));
    measures.note("history.releases_in_year", Measure::of(of_year.len()));
    let pre = &view.releases().pre;
    let pre = pre
        .iter()
        .filter(|release| release.made > year && release.made <= at)
        .count();
    measures.note("history.prereleases_in_year", Measure::of(pre));
    let Some((_, last)) = all.last() else { return };
    let measure = Measure::of(days(at - last.made)).seen_at([view.tag(last, "the newest release")]);
    measures.note("history.last_release_days", measure);
    measures.note("history.release_interval_days_p50", interval(&of_year));
    measures.note("history.versions_unique", unique(view));
    measures.note("history.version_scheme", scheme(view, &all));
    tagging(view, &of_year, measures);
    lead_time(view, &of_year, measures);
    measures.note("history.changelog_with_releases_share", changelog(view, &of_year));
    measures.note("history.hotfix_releases_in_year", hotfixes(view, year));
}

/// The median of the days between neighbours.
fn interval(releases: &[(usize, &Release)]) -> Option<Measure> {
    let mut between: Vec<f64> = releases
        .windows(2)
        .map(|pair| days(pair[1].1.made - pair[0].1.made))
        .collect();
    let sample = between.len() as u64;
    percentile(&mut between, 50).map(|days| Measure::of(days).from_sample(sample))
}

/// Whether each version of each component stands on one commit.
fn unique(view: &View<'_>) -> Measure {
    let named = &view.releases().named;
    let known: Vec<&Release> = named
        .iter()
        .take_while(|release| release.made <= view.moment.at)
        .collect();
    let mut commits: BTreeMap<(Option<&str>, &[u64], &str), &Release> = BTreeMap::new();
    let mut twice = Vec::new();
    for release in &known {
        let version = &release.version;
        let key = (version.of.as_deref(), version.numbers.as_slice(), version.rest.as_str());
        let first = commits.entry(key).or_insert(release);
        if first.commit != release.commit {
            let other = view.history.rows.tags[first.tag].name.clone();
            twice.push(view.tag(release, format!("the same version as `{other}`, on another commit")));
        }
    }
    Measure::of(twice.is_empty())
        .from_sample(known.len() as u64)
        .in_spite_of(twice)
}

fn scheme(view: &View<'_>, all: &[(usize, &Release)]) -> Option<Measure> {
    let newest = &all[all.len().saturating_sub(TELLING)..];
    let mut counts: BTreeMap<Scheme, usize> = BTreeMap::new();
    for (_, release) in newest {
        let year =
            jiff::Timestamp::from_second(release.made).map_or(0, |made| made.to_zoned(jiff::tz::TimeZone::UTC).year());
        *counts.entry(release.version.scheme(year)).or_default() += 1;
    }
    let (scheme, count) = counts
        .into_iter()
        .max_by_key(|(scheme, count)| (*count, std::cmp::Reverse(*scheme)))?;
    let shown = newest.iter().rev().take(3).map(|(_, release)| {
        let formed = release.version.scheme(year_of(release)).word();
        view.tag(release, formed)
    });
    let measure = Measure::of(scheme.word())
        .from_sample(newest.len() as u64)
        .seen_at(shown);
    Some(measure.noting(format!("{count} of the newest {}", newest.len())))
}

fn year_of(release: &Release) -> i16 {
    let made = jiff::Timestamp::from_second(release.made).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    made.to_zoned(jiff::tz::TimeZone::UTC).year()
}

/// Who tags, and how.
fn tagging(view: &View<'_>, releases: &[(usize, &Release)], measures: &mut Measures) {
    let rows = &view.history.rows;
    let tag = |release: &Release| &rows.tags[release.tag];
    let annotated = releases.iter().filter(|(_, release)| tag(release).annotated).count();
    measures.note("history.releases_annotated_share", share(annotated, releases.len()));
    let (mut bots, mut people) = (Vec::new(), Vec::new());
    for (_, release) in releases {
        let tag = tag(release);
        let by = tag.tagger.or_else(|| rows.told(tag.commit).map(|told| told.author));
        match by.map(|by| view.people.kind(by)) {
            Some(Kind::Bot) => bots.push(view.tag(release, "tagged by a bot")),
            Some(_) => people.push(view.tag(release, "tagged by a person, or by a host on behalf of one")),
            None => {}
        }
    }
    let measure = share(bots.len(), bots.len() + people.len());
    bots.truncate(4);
    people.truncate(4);
    let measure = measure.map(|measure| measure.seen_at(bots).in_spite_of(people));
    measures.note("history.releases_tagged_by_bot_share", measure);
}

/// Percentiles of the days from a commit to the first release that contains it. The very first release of all
/// is left out: what it brings waited for something else.
fn lead_time(view: &View<'_>, releases: &[(usize, &Release)], measures: &mut Measures) {
    let (rows, shape) = (&view.history.rows, &view.history.shape);
    let mut waits: Vec<(f64, Index)> = Vec::new();
    for (place, release) in releases.iter().filter(|(place, _)| *place > 0) {
        for commit in view.releases().brought(*place) {
            if rows.is_merge(*commit) || view.scope.is_some() && !counts(view, *commit) {
                continue;
            }
            waits.push((days((release.made - shape.time(rows, *commit)).max(0)), *commit));
        }
    }
    let sample = waits.len() as u64;
    waits.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let longest: Vec<_> = waits
        .iter()
        .take(3)
        .map(|(wait, commit)| {
            let subject = rows.told(*commit).map_or("an old commit", |told| &told.subject);
            view.place_saying(*commit, format!("{wait:.1} days: {subject}"))
        })
        .collect();
    let mut values: Vec<f64> = waits.iter().map(|(wait, _)| *wait).collect();
    for (name, percent) in [("history.lead_time_days_p50", 50), ("history.lead_time_days_p90", 90)] {
        let measure = percentile(&mut values, percent)
            .map(|days| Measure::of(days).from_sample(sample).seen_at(longest.iter().cloned()));
        measures.note(name, measure);
    }
}

/// Whether a commit touches the component, as far as that was looked at.
fn counts(view: &View<'_>, commit: Index) -> bool {
    view.change(commit)
        .is_some_and(|change| view.touched(change).next().is_some())
}

/// Whether between a release and the one before on trunk a changelog was changed.
fn changelog(view: &View<'_>, releases: &[(usize, &Release)]) -> Option<Measure> {
    let (&(_, first), _) = releases.split_first()?;
    let shape = &view.history.shape;
    if !view.sees_changes(first.made.max(view.days_ago(365))) {
        return None;
    }
    let changed: Vec<u32> = view
        .recent()
        .iter()
        .filter(|one| {
            let change = view.change(one.commit);
            change.is_some_and(|change| change.touched.iter().any(|file| file.class.has(Class::CHANGELOG)))
        })
        .map(|one| one.position)
        .collect();
    let position = |release: &Release| shape.integrated.get(release.commit as usize).copied();
    let on_trunk: Vec<(u32, &Release)> = releases
        .iter()
        .filter_map(|(_, release)| Some((position(release).filter(|at| *at != crate::graph::NEVER)?, *release)))
        .collect();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for pair in on_trunk.windows(2) {
        let ((before, _), (at, release)) = (pair[0], pair[1]);
        if at <= before {
            continue;
        }
        let start = changed.partition_point(|position| *position <= before);
        let is_told = changed.get(start).is_some_and(|position| *position <= at);
        let (list, what) = if is_told {
            (&mut with, "told in a changelog")
        } else {
            (&mut without, "no changelog was changed for it")
        };
        list.push(view.tag(release, what));
    }
    let measure = share(with.len(), with.len() + without.len())?;
    let newest = |list: Vec<evidence::Place>| list.into_iter().rev().take(4);
    Some(measure.seen_at(newest(with)).in_spite_of(newest(without)))
}

/// Releases named a hotfix, or patches of one that was made not more than two days before.
fn hotfixes(view: &View<'_>, since: Seconds) -> Measure {
    let mut newest: BTreeMap<Option<&str>, &Release> = BTreeMap::new();
    let mut found: BTreeMap<Index, _> = BTreeMap::new();
    let named = &view.releases().named;
    for release in named.iter().take_while(|release| release.made <= view.moment.at) {
        let before = newest.insert(release.version.of.as_deref(), release);
        let is_quick = before.is_some_and(|before| {
            release.version.is_patch_of(&before.version) && release.made - before.made <= HOTFIX_DAYS * DAY
        });
        if (is_quick || release.version.is_hotfix) && release.made > since {
            let what = match before.filter(|_| is_quick) {
                Some(before) => {
                    let after = days(release.made - before.made);
                    format!("{after:.1} days after `{}`", view.history.rows.tags[before.tag].name)
                }
                None => "named a hotfix".to_owned(),
            };
            found.entry(release.commit).or_insert_with(|| view.tag(release, what));
        }
    }
    Measure::of(found.len()).seen_at(found.into_values())
}
