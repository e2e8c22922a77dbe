//! A history as it stood at a moment, of the repository or of one component: what the measures look at.

use std::collections::BTreeSet;

use evidence::{Measure, Measures, Place};

use crate::change::{Change, Touched};
use crate::history::{History, Release, Releases};
use crate::paths::Class;
use crate::person::{Kind, People, PersonId};
use crate::rows::{DAY, Index, Marks, Seconds, Told};

/// How far back paths are looked at, in days: a year, and the window of a release before it.
pub(crate) const PATH_DAYS: i64 = 400;

/// How many commits on trunk are looked at closely, at most, for one moment.
pub(crate) const MOST_TRUNK: usize = 20_000;

/// A moment in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub at: Seconds,
    /// The newest position on trunk then; nothing when there was no commit yet.
    pub position: Option<u32>,
    pub window_days: i64,
}

/// The part of a repository that is a component.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    /// Of each changed path, whether it is the component's.
    pub paths: &'a [bool],
    /// The releases that are tagged with its name, where there are any.
    pub releases: Option<&'a Releases>,
}

/// Something that came to trunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Integration {
    pub commit: Index,
    pub position: u32,
    pub time: Seconds,
    pub is_merge: bool,
}

/// What the measures look at.
pub(crate) struct View<'a> {
    pub history: &'a History,
    pub people: &'a People,
    pub moment: Moment,
    pub scope: Option<Scope<'a>>,
    /// What came to trunk within [`PATH_DAYS`], the oldest first, and not more than [`MOST_TRUNK`].
    recent: Vec<Integration>,
    /// The commits of the window, of trunk and of branches that were merged.
    window: Vec<Index>,
    /// The time since which everything is seen; nothing when all is.
    seen_since: Option<Seconds>,
}

impl<'a> View<'a> {
    /// Looks at a history at a moment.
    pub fn new(history: &'a History, people: &'a People, moment: Moment, scope: Option<Scope<'a>>) -> Self {
        let mut view = Self {
            history,
            people,
            moment,
            scope,
            recent: Vec::new(),
            window: Vec::new(),
            seen_since: None,
        };
        let Some(last) = moment.position else { return view };
        let (rows, shape) = (&history.rows, &history.shape);
        let cuts = rows
            .cut
            .iter()
            .filter(|commit| shape.integrated[**commit as usize] <= last);
        view.seen_since = cuts.map(|commit| shape.time(rows, *commit)).max();
        let first = first_recent(history, &moment);
        for position in first..=last {
            let commit = shape.trunk[position as usize];
            let integration = Integration {
                commit,
                position,
                time: shape.times[position as usize],
                is_merge: rows.is_merge(commit),
            };
            if view.touches(commit) {
                view.recent.push(integration);
            }
        }
        let since = view.window_start();
        let first = shape.times.partition_point(|time| *time <= since) as u32;
        for position in first..=last {
            let own = history.own(position).iter().copied();
            let young = own.filter(|commit| shape.time(rows, *commit) > since && rows.told(*commit).is_some());
            let kept: Vec<Index> = young.filter(|commit| view.touches(*commit)).collect();
            view.window.extend(kept);
        }
        view
    }

    /// When the window begins; a commit of that second is not in it.
    pub fn window_start(&self) -> Seconds {
        self.days_ago(self.moment.window_days)
    }

    /// The second that is some days before the moment.
    pub fn days_ago(&self, days: i64) -> Seconds {
        self.moment.at.saturating_sub(days.saturating_mul(DAY))
    }

    /// Whether all commits since then are seen.
    pub fn sees(&self, since: Seconds) -> bool {
        self.seen_since.is_none_or(|seen| seen <= since)
    }

    /// Whether all commits there ever were are seen.
    pub fn sees_all(&self) -> bool {
        self.seen_since.is_none()
    }

    /// The commits of the window.
    pub fn window(&self) -> &[Index] {
        &self.window
    }

    /// The commits of the window but merges, with what they say.
    pub fn window_changes(&self) -> impl Iterator<Item = (Index, &'a Told)> {
        let rows = &self.history.rows;
        self.window
            .iter()
            .filter(|commit| !rows.is_merge(**commit))
            .filter_map(|commit| Some((*commit, rows.told(*commit)?)))
    }

    /// What came to trunk lately.
    pub fn recent(&self) -> &[Integration] {
        &self.recent
    }

    /// What came to trunk in the window.
    pub fn integrations(&self) -> &[Integration] {
        self.since(self.window_start())
    }

    /// What came to trunk after a second.
    pub fn since(&self, since: Seconds) -> &[Integration] {
        &self.recent[self.recent.partition_point(|one| one.time <= since)..]
    }

    /// What people brought to trunk in the window. What a bot commits for others, as translations, is a bot's.
    pub fn integrations_of_people(&self) -> impl Iterator<Item = (Integration, &'a Told)> {
        self.integrations().iter().filter_map(|one| {
            let told = self.history.rows.told(one.commit)?;
            let is_bots = |signature: u32| self.people.kind(signature) == Kind::Bot;
            (!is_bots(told.author) && !is_bots(told.committer)).then_some((*one, told))
        })
    }

    /// What a commit changed, when that is known.
    pub fn change(&self, commit: Index) -> Option<&'a Change> {
        self.history.changes.of(commit)
    }

    /// The files that a commit touched, of the component when there is one.
    pub fn touched(&self, change: &'a Change) -> impl Iterator<Item = &'a Touched> {
        let paths = self.scope.as_ref().map(|scope| scope.paths);
        change
            .touched
            .iter()
            .filter(move |file| paths.is_none_or(|paths| paths[file.path as usize]))
    }

    /// What a commit touched, as kinds of files. Tests count wherever they are: those of a component may
    /// stand beside it.
    pub fn classes(&self, change: &'a Change) -> Class {
        let own = self
            .touched(change)
            .fold(Class::default(), |all, file| all.with(file.class));
        let all_tests = change.touched.iter().any(|file| file.class.has(Class::TEST));
        if all_tests { own.with(Class::TEST) } else { own }
    }

    fn touches(&self, commit: Index) -> bool {
        match &self.scope {
            None => true,
            Some(_) => self
                .change(commit)
                .is_some_and(|change| self.touched(change).next().is_some()),
        }
    }

    /// Whether the changes of the window are known well enough to be measured: at most one in twenty is not.
    pub fn knows_changes(&self, since: Seconds) -> bool {
        let unread = |one: &Integration| self.history.unread.contains(&one.commit);
        let all = self.since(since);
        let lost = all.iter().filter(|one| unread(one)).count();
        lost * 20 <= all.len()
    }

    /// The second since which paths are known, when that is less than [`PATH_DAYS`] ago for want of room.
    pub fn paths_cut(&self) -> Option<Seconds> {
        let last = self.moment.position?;
        let first = first_recent(self.history, &self.moment);
        let is_cut = (last - first + 1) as usize == MOST_TRUNK && first > 0;
        let time = self.history.shape.times[first as usize];
        (is_cut && time > self.days_ago(PATH_DAYS)).then_some(time)
    }

    /// Whether all changes since then were looked at.
    pub fn sees_changes(&self, since: Seconds) -> bool {
        self.sees(since) && self.paths_cut().is_none_or(|cut| cut <= since) && self.knows_changes(since)
    }

    /// The person who wrote a commit; nothing for a bot.
    pub fn author(&self, told: &Told) -> Option<PersonId> {
        self.people.person(told.author)
    }

    /// The people who wrote what an integration brought.
    pub fn authors(&self, integration: &Integration) -> BTreeSet<PersonId> {
        let rows = &self.history.rows;
        let own = self.history.own(integration.position);
        // Who pressed the button of a merge wrote nothing.
        let wrote = |commit: &&Index| own.len() == 1 || !rows.is_merge(**commit);
        own.iter()
            .filter(wrote)
            .filter_map(|commit| self.author(rows.told(*commit)?))
            .collect()
    }

    /// Whether a merge on trunk only brought what others had put on trunk before, as `git pull` does.
    pub fn is_pull(&self, told: &Told) -> bool {
        let subject = told.subject.as_ref();
        let trunk = self.history.trunk.as_deref().unwrap_or("main");
        let of_trunk = |rest: &str| {
            let name = rest.split(['\'', ' ']).next().unwrap_or_default();
            let name = name.strip_prefix("origin/").unwrap_or(name);
            name == trunk || matches!(name, "main" | "master")
        };
        if let Some(rest) = subject.strip_prefix("Merge branch '") {
            return of_trunk(rest) && (rest.contains("' of ") || !rest.contains("' into "));
        }
        subject
            .strip_prefix("Merge remote-tracking branch '")
            .is_some_and(of_trunk)
    }

    /// The releases that count: of the component where it has its own, else of the repository.
    pub fn releases(&self) -> &'a Releases {
        let own = self.scope.as_ref().and_then(|scope| scope.releases);
        own.unwrap_or(&self.history.releases)
    }

    /// The releases after a second and up to the moment, with their places.
    pub fn releases_since(&self, since: Seconds) -> impl DoubleEndedIterator<Item = (usize, &'a Release)> {
        let list = &self.releases().list;
        let start = list.partition_point(|release| release.made <= since);
        let end = list.partition_point(|release| release.made <= self.moment.at);
        (start..end.max(start)).map(|place| (place, &list[place]))
    }

    /// A commit as a place.
    pub fn place(&self, commit: Index) -> Place {
        let subject = self.history.rows.told(commit).map(|told| told.subject.to_string());
        self.place_saying(commit, subject.unwrap_or_default())
    }

    /// A commit as a place, with a remark of ours.
    pub fn place_saying(&self, commit: Index, what: impl Into<String>) -> Place {
        Place::Commit {
            commit: self.history.rows.commit(commit).id.to_string(),
            what: what.into(),
        }
    }

    /// A tag as a place.
    pub fn tag(&self, release: &Release, what: impl Into<String>) -> Place {
        Place::Ref {
            name: self.history.rows.tags[release.tag].name.clone(),
            what: what.into(),
        }
    }

    /// Whether a commit or one of those it brought to trunk has a mark.
    pub fn any_marked(&self, integration: &Integration, mark: Marks) -> bool {
        let rows = &self.history.rows;
        let own = self.history.own(integration.position);
        own.iter()
            .any(|commit| rows.told(*commit).is_some_and(|told| told.marks.has(mark)))
    }
}

/// The oldest position on trunk that is looked at closely.
pub(crate) fn first_recent(history: &History, moment: &Moment) -> u32 {
    let Some(last) = moment.position else { return 0 };
    let since = moment.at.saturating_sub(PATH_DAYS * DAY);
    let by_time = history.shape.times.partition_point(|time| *time <= since) as u32;
    by_time.max((last + 1).saturating_sub(MOST_TRUNK as u32)).min(last)
}

/// A share with its sample; nothing of nothing.
pub(crate) fn share(part: usize, of: usize) -> Option<Measure> {
    (of > 0).then(|| Measure::of(part as f64 / of as f64).from_sample(of as u64))
}

/// Days of a span of seconds, with two decimals.
pub(crate) fn days(span: Seconds) -> f64 {
    (span as f64 / DAY as f64 * 100.0).round() / 100.0
}

/// The p-th percentile by the nearest-rank method: the smallest value that at least p percent of all are not
/// above. The median of an even number is the mean of the two in the middle.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    if count == 0 {
        return None;
    }
    if percent == 50 && count.is_multiple_of(2) {
        return Some((values[count / 2 - 1] + values[count / 2]) / 2.0);
    }
    let rank = (count * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

/// Adds measures by name.
pub(crate) trait Note {
    /// Adds a measure.
    fn note(&mut self, name: &str, measure: impl Into<Option<Measure>>);
}

impl Note for Measures {
    fn note(&mut self, name: &str, measure: impl Into<Option<Measure>>) {
        if let Some(measure) = measure.into() {
            self.insert(name.to_owned(), measure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!(percentile(&mut values, 50), Some(3.0));
        assert_eq!(percentile(&mut values, 90), Some(5.0));
        assert_eq!(percentile(&mut values, 80), Some(4.0));
        assert_eq!(percentile(&mut [1.0, 2.0], 50), Some(1.5));
        assert_eq!(percentile(&mut [], 50), None);
    }

    #[test]
    fn a_share_of_nothing_is_none() {
        assert!(share(0, 0).is_none());
        assert_eq!(share(1, 4).unwrap().sample, Some(4));
    }
}
