//! From a path to evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evidence::{Component, EntryKind, Evidence, Finding, Place, Stream, Subject, Tree as _};
use gix::objs::Kind;

use crate::component;
use crate::difference::{self, Depth, Wanted};
use crate::error::SurveyError;
use crate::files::Files;
use crate::history::History;
use crate::measures;
use crate::memory::Memory;
use crate::moment::{AsOf, Options};
use crate::object::CommitObject;
use crate::person::People;
use crate::progress::{Phase, Progress};
use crate::refs;
use crate::rows::{CommitId, DAY, Index, Seconds};
use crate::store::{Lacking, Store, counted};
use crate::tree::GitTree;
use crate::view::{MOST_TRUNK, Moment, PATH_DAYS, Scope, View, first_recent};
use crate::walk::walk;

/// How many unreadable things of a kind are told one by one.
const MOST_TOLD: usize = 20;

/// Of how many days commits are asked what they say of themselves; of older ones only times and parents count.
const TOLD_DAYS: i64 = 2 * PATH_DAYS;

/// The longest mailmap that is read, in bytes.
const LONGEST_MAILMAP: u64 = 1024 * 1024;

/// What a repository shows.
#[derive(Debug)]
pub struct Survey {
    /// The repository as a whole.
    pub repository: Evidence,
    /// Its components, by folder; empty when it is one.
    pub components: Vec<Evidence>,
    /// The files that were looked at; nothing before the first commit.
    pub tree: Option<GitTree>,
}

/// Looks at the repository that `path` is in.
///
/// # Errors
/// When there is none, or it cannot be read at all. What is only partly unreadable is told in the findings and
/// limits of the evidence.
pub fn survey(path: &Path, options: &Options, progress: &dyn Progress) -> Result<Survey, SurveyError> {
    let opened = Opened::read(path, options, &[options.as_of], progress)?;
    Ok(opened.at(options.as_of, progress))
}

/// Looks at a repository at several moments, reading its history once, and each content once. The evidence of each
/// moment is that which [`survey`] gives; the files that were looked at are not kept. The order is that of `moments`.
///
/// # Errors
/// As [`survey`].
pub fn timeline(
    path: &Path,
    options: &Options,
    moments: &[AsOf],
    progress: &dyn Progress,
) -> Result<Vec<Survey>, SurveyError> {
    let opened = Opened::read(path, options, moments, progress)?;
    Ok(opened.at_all(moments, progress))
}

/// What [`survey`] and [`timeline`] give, from one reading.
///
/// # Errors
/// As [`survey`].
pub fn survey_with_timeline(
    path: &Path,
    options: &Options,
    moments: &[AsOf],
    progress: &dyn Progress,
) -> Result<(Survey, Vec<Survey>), SurveyError> {
    let all: Vec<AsOf> = std::iter::once(options.as_of).chain(moments.iter().copied()).collect();
    let opened = Opened::read(path, options, &all, progress)?;
    let survey = opened.at(options.as_of, progress);
    Ok((survey, opened.at_all(moments, progress)))
}

/// A repository whose history was read.
struct Opened {
    store: Arc<Store>,
    history: History,
    window_days: u32,
    most_files: usize,
    findings: Vec<Finding>,
    limits: Vec<String>,
    /// What moments have in common, where there are several.
    memory: Option<Arc<Memory>>,
}

impl Opened {
    fn read(path: &Path, options: &Options, moments: &[AsOf], progress: &dyn Progress) -> Result<Self, SurveyError> {
        let store = Arc::new(Store::open(path)?);
        let refs = refs::read(&store, &store.reader(), options.branch.as_deref())?;
        let count = (refs.branches.len() + refs.tag_count) as u64;
        progress.at(Phase::Refs, count, Some(count));
        let mut findings = Vec::new();
        for (tag, problem) in refs.broken.iter().take(MOST_TOLD) {
            let place = Place::Ref {
                name: tag.clone(),
                what: "named like a version".to_owned(),
            };
            findings.push(finding(place, problem.clone(), None));
        }
        let window_days = i64::from(options.window_days);
        let oldest = moments.iter().map(|as_of| as_of.timestamp().as_second()).min();
        let reach = TOLD_DAYS.max(window_days.saturating_add(1)).saturating_mul(DAY);
        let since = oldest.unwrap_or(0).saturating_sub(reach);
        let walked = walk(&store, refs, since, progress)?;
        let mut limits = store.limits.clone();
        for (commit, lacking) in walked.unreadable.iter().take(MOST_TOLD) {
            let place = Place::Commit {
                commit: commit.to_string(),
                what: "a commit of the history".to_owned(),
            };
            let hint = "`git fsck` lists what is broken; fetch it again, or clone the repository anew";
            findings.push(finding(place, lacking.to_string(), Some(hint)));
        }
        if !walked.unreadable.is_empty() {
            limits.push(format!(
                "{} cannot be read: the history before {} is not seen",
                counted(walked.unreadable.len(), "commit", "commits"),
                if walked.unreadable.len() == 1 { "it" } else { "them" },
            ));
        }
        let sees_branches = !store.is_single_branch;
        let mut history = History::of(walked.rows, walked.tip, walked.trunk, sees_branches);
        if history.shape.wrong_times > 0 {
            limits.push(format!(
                "{} on trunk cannot be of the date that it names; the time of the commit before is taken",
                counted(history.shape.wrong_times, "commit", "commits"),
            ));
        }
        let placed: Vec<Moment> = moments
            .iter()
            .map(|as_of| moment(&history, *as_of, options.window_days))
            .collect();
        let wanted = wanted(&history, &placed);
        let differences = difference::read(&store, &history.rows, &wanted, progress);
        history.changes = differences.changes;
        history.unread = differences.unreadable.iter().map(|(commit, _)| *commit).collect();
        for (commit, problem) in differences.unreadable.iter().take(MOST_TOLD) {
            let subject = history.rows.told(*commit).map_or("", |told| &told.subject);
            let place = Place::Commit {
                commit: history.rows.commit(*commit).id.to_string(),
                what: subject.to_owned(),
            };
            findings.push(finding(
                place,
                format!("what it changed cannot be read: {problem}"),
                None,
            ));
        }
        Ok(Self {
            store,
            history,
            window_days: options.window_days,
            most_files: options.most_files,
            findings,
            limits,
            memory: (moments.len() > 1).then(Arc::default),
        })
    }

    /// The evidence at several moments, in their order, without the files.
    fn at_all(&self, moments: &[AsOf], progress: &dyn Progress) -> Vec<Survey> {
        let threads = std::thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(moments.len());
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            let mut own = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(as_of) = moments.get(place) else { return own };
                let mut survey = self.at(*as_of, progress);
                survey.tree = None;
                own.push((place, survey));
                let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress.at(Phase::Moments, count as u64, Some(moments.len() as u64));
            }
        };
        let mut all: Vec<(usize, Survey)> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut all = work();
            for other in others {
                match other.join() {
                    Ok(more) => all.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        });
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, survey)| survey).collect()
    }

    /// The evidence at a moment.
    fn at(&self, as_of: AsOf, progress: &dyn Progress) -> Survey {
        let moment = moment(&self.history, as_of, self.window_days);
        let mut findings = self.findings.clone();
        let mut limits = self.limits.clone();
        let commit = moment
            .position
            .map(|position| self.history.shape.trunk[position as usize]);
        if commit.is_none() {
            limits.push(match self.history.shape.times.first() {
                Some(first) => format!("the history begins later, on {}", day(*first)),
                None => "the repository has no commit yet".to_owned(),
            });
        }
        let tree = commit.and_then(|commit| match self.tree_of(commit) {
            Ok(top) => {
                let memory = self.memory.clone();
                Some((top, GitTree::list(&self.store, memory, top, self.most_files, progress)))
            }
            Err(lacking) => {
                let place = Place::Commit {
                    commit: self.history.rows.commit(commit).id.to_string(),
                    what: "the newest commit".to_owned(),
                };
                findings.push(finding(place, lacking.to_string(), None));
                None
            }
        });
        let files = tree.as_ref().map(|(top, tree)| self.files(*top, tree, progress));
        let tree = tree.map(|(_, tree)| tree);
        let people = People::of(&self.history.rows.signatures, &mailmap(tree.as_ref()));
        if let Some(tree) = &tree {
            limits.extend(of_tree(tree));
        }
        let whole = View::new(&self.history, &people, moment, None);
        limits.extend(of_view(&whole));
        let mut measures = measures::measure(&whole, None);
        let mut components = Vec::new();
        if let Some(files) = &files {
            measures.extend(files.measures(None));
            findings.extend_from_slice(&files.workflows.findings);
            findings.extend_from_slice(files.inventory.findings());
            limits.extend_from_slice(files.inventory.limits());
            limits.extend(files.unread_limit());
            components = inventory::components(&files.inventory);
        }
        let streams = match commit {
            Some(_) => BTreeSet::from([Stream::History, Stream::Files, Stream::Pipelines]),
            None => BTreeSet::new(),
        };
        let subject = Subject {
            repository: self.store.name.clone(),
            commit: commit.map(|commit| self.history.rows.commit(commit).id.to_string()),
            at: as_of.timestamp(),
            window_days: self.window_days,
            component: None,
        };
        let repository = Evidence {
            subject,
            streams,
            measures,
            findings,
            limits,
        };
        // A repository that is one component is told of once.
        if components.len() < 2 {
            components.clear();
        }
        let components = self.components(&components, &people, moment, &repository, files.as_deref());
        Survey {
            repository,
            components,
            tree,
        }
    }

    /// What the files of a tree show; what was found in the same tree before is taken.
    fn files(&self, top: CommitId, tree: &GitTree, progress: &dyn Progress) -> Arc<Files> {
        if let Some(known) = self.memory.as_ref().and_then(|memory| memory.found(&top)) {
            return known;
        }
        let files = Arc::new(Files::read(tree, self.history.trunk.as_deref(), progress));
        if let Some(memory) = &self.memory {
            memory.keep_found(top, &files);
        }
        files
    }

    /// The evidence of components: what of the history is theirs, and what is the whole repository's.
    fn components(
        &self,
        components: &[Component],
        people: &People,
        moment: Moment,
        repository: &Evidence,
        files: Option<&Files>,
    ) -> Vec<Evidence> {
        let parts = component::parts(&self.history, components);
        let evidence = |(component, part): (&Component, component::Part)| {
            let scope = Scope {
                paths: &part.paths,
                releases: part.releases.as_ref(),
            };
            let view = View::new(&self.history, people, moment, Some(scope));
            let mut subject = repository.subject.clone();
            subject.component = Some(component.clone());
            let mut measures = measures::measure(&view, Some(&repository.measures));
            measures.extend(files.map(|files| files.measures(Some(component))).unwrap_or_default());
            Evidence {
                subject,
                streams: repository.streams.clone(),
                measures,
                findings: repository.findings.clone(),
                limits: repository.limits.clone(),
            }
        };
        components.iter().zip(parts).map(evidence).collect()
    }

    fn tree_of(&self, commit: Index) -> Result<CommitId, Lacking> {
        if let Some(told) = self.history.rows.told(commit) {
            return Ok(told.tree);
        }
        let mut buffer = Vec::new();
        let reader = self.store.reader();
        let id = self.history.rows.commit(commit).id;
        let object = reader.read(&id, Kind::Commit, &mut buffer)?;
        CommitObject::read(object)
            .map(|commit| commit.tree)
            .ok_or_else(|| Lacking::Broken("it is no well-formed commit".to_owned()))
    }
}

fn finding(place: Place, problem: String, hint: Option<&str>) -> Finding {
    Finding {
        place,
        problem,
        hint: hint.map(str::to_owned),
    }
}

fn day(second: Seconds) -> String {
    jiff::Timestamp::from_second(second).map_or_else(
        |_| "an unknown day".to_owned(),
        |time| time.to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
    )
}

/// Where a moment is in a history. Now is the end of trunk, also when clocks were ahead.
fn moment(history: &History, as_of: AsOf, window_days: u32) -> Moment {
    let at = as_of.timestamp().as_second();
    let position = match as_of {
        AsOf::Now(_) => history.shape.trunk.len().checked_sub(1).map(|last| last as u32),
        AsOf::EndOf(_) => history.shape.position_at(at),
    };
    Moment {
        at,
        position,
        window_days: i64::from(window_days),
    }
}

/// The changes that the measures of some moments need, the newest first: the paths of what came to trunk lately;
/// with lines in the window; and in the window also what merged branches consist of.
fn wanted(history: &History, moments: &[Moment]) -> Vec<Wanted> {
    let (rows, shape) = (&history.rows, &history.shape);
    let cut: BTreeSet<Index> = rows.cut.iter().copied().collect();
    let mut depths: BTreeMap<(u32, Index), Depth> = BTreeMap::new();
    let mut want = |position: u32, commit: Index, depth: Depth| {
        let known = depths.entry((position, commit)).or_insert(depth);
        *known = depth.max(*known);
    };
    for moment in moments {
        let Some(last) = moment.position else { continue };
        let window = moment.at.saturating_sub(moment.window_days.saturating_mul(DAY));
        for position in first_recent(history, moment)..=last {
            let time = shape.times[position as usize];
            let trunk = shape.trunk[position as usize];
            let depth = if time > window { Depth::Lines } else { Depth::Paths };
            want(position, trunk, depth);
            if depth == Depth::Paths {
                continue;
            }
            for commit in history.own(position).iter().filter(|commit| **commit != trunk) {
                let is_wanted = shape.time(rows, *commit) > window && !rows.is_merge(*commit);
                if is_wanted && rows.told(*commit).is_some() {
                    want(position, *commit, Depth::Tests);
                }
            }
        }
    }
    let known = depths.into_iter().rev();
    known
        .filter(|((_, commit), _)| !cut.contains(commit))
        .map(|((_, commit), depth)| Wanted { commit, depth })
        .collect()
}

fn mailmap(tree: Option<&GitTree>) -> gix::mailmap::Snapshot {
    let bytes = tree.and_then(|tree| tree.read(".mailmap", LONGEST_MAILMAP).ok().flatten());
    gix::mailmap::Snapshot::from_bytes(&bytes.unwrap_or_default())
}

/// What of the files is not seen.
fn of_tree(tree: &GitTree) -> Vec<String> {
    let mut limits: Vec<String> = tree.lacks().to_vec();
    let submodules: Vec<&str> = tree
        .entries()
        .iter()
        .filter(|entry| entry.kind == EntryKind::Submodule)
        .map(|entry| entry.path.as_str())
        .collect();
    if !submodules.is_empty() {
        let some = submodules
            .iter()
            .take(3)
            .map(|path| format!("`{}`", path.escape_debug()));
        let some: Vec<_> = some.collect();
        let more = if submodules.len() > 3 { ", ..." } else { "" };
        limits.push(format!(
            "{} not looked into ({}{more}): each is a repository of its own",
            counted(submodules.len(), "submodule is", "submodules are"),
            some.join(", "),
        ));
    }
    let attributes = tree.read(".gitattributes", LONGEST_MAILMAP).ok().flatten();
    if attributes.is_some_and(|bytes| String::from_utf8_lossy(&bytes).contains("filter=lfs")) {
        limits.push(
            "files that are kept in LFS are not looked into: their contents are not in the repository".to_owned(),
        );
    }
    limits
}

/// What of the history is not seen at a moment.
fn of_view(view: &View<'_>) -> Vec<String> {
    let mut limits = Vec::new();
    if let Some(cut) = view.paths_cut() {
        limits.push(format!(
            "files and sizes of changes were read of the newest {MOST_TRUNK} commits on trunk, since {}; \
             measures that need more are left out",
            day(cut)
        ));
    }
    if !view.sees(view.window_start()) {
        limits.push("the window reaches back behind what is seen of the history; its measures are left out".to_owned());
    } else if !view.knows_changes(view.window_start()) {
        limits.push(
            "what the window's commits changed can mostly not be read; measures of files changed are left out"
                .to_owned(),
        );
    }
    let partly = view.integrations().iter().filter(|one| {
        view.change(one.commit)
            .is_some_and(|change| change.files as usize > change.touched.len() || !change.is_whole)
    });
    let partly = partly.count();
    if partly > 0 {
        limits.push(format!(
            "{} very many files, of which not all were looked at",
            counted(partly, "change of the window touches", "changes of the window touch"),
        ));
    }
    limits
}
