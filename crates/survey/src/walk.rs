//! Reads commits into rows.

use std::collections::{HashMap, HashSet, VecDeque};

use gix::objs::Kind;

use crate::error::SurveyError;
use crate::message;
use crate::object::{CommitObject, Who, name_and_email, text};
use crate::progress::{Phase, Progress};
use crate::refs::Refs;
use crate::rows::{Branch, ById, CommitId, Index, Marks, Rows, Seconds, Signature, Tag, Told};
use crate::store::{Lacking, Reader, Store, own};

/// How many commits lie between two calls of progress.
const STRIDE: u64 = 512;

/// What the walk found.
pub(crate) struct Walked {
    pub rows: Rows,
    /// The commit on top of trunk.
    pub tip: Option<Index>,
    /// The name of trunk.
    pub trunk: Option<String>,
    /// Commits that cannot be read, and why; the history before them is not seen.
    pub unreadable: Vec<(CommitId, Lacking)>,
}

struct Walk<'s> {
    reader: Reader,
    graph: Option<gix::commitgraph::Graph>,
    shallow: HashSet<CommitId>,
    /// Commits before this time are asked for parents and time only.
    since: Seconds,
    rows: Rows,
    index: ById<Index>,
    waiting: VecDeque<Index>,
    signatures: HashMap<Vec<u8>, u32>,
    unreadable: Vec<(Index, Lacking)>,
    buffer: Vec<u8>,
    store: &'s Store,
}

/// Reads everything behind the branches and version tags. What commits say of themselves is taken of those
/// that are not older than `since`.
pub(crate) fn walk(store: &Store, refs: Refs, since: Seconds, progress: &dyn Progress) -> Result<Walked, SurveyError> {
    let mut walk = Walk {
        reader: store.reader(),
        graph: store.commit_graph(),
        shallow: store.shallow.iter().copied().collect(),
        since,
        rows: Rows::default(),
        index: ById::default(),
        waiting: VecDeque::new(),
        signatures: HashMap::new(),
        unreadable: Vec::new(),
        buffer: Vec::new(),
        store,
    };
    let trunk = refs.trunk.as_ref();
    let here = trunk.map(|trunk| walk.meet(trunk.here));
    let there = trunk.and_then(|trunk| trunk.there).map(|there| walk.meet(there));
    for branch in refs.branches {
        let commit = walk.meet(branch.commit);
        walk.rows.branches.push(Branch {
            name: branch.name,
            remote: branch.remote,
            commit,
        });
    }
    let mut tags = Vec::new();
    for tag in refs.tags {
        tags.push((walk.meet(tag.commit), tag));
    }
    let mut done = 0;
    while let Some(commit) = walk.waiting.pop_front() {
        walk.visit(commit);
        done += 1;
        if done % STRIDE == 0 {
            progress.at(Phase::Commits, done, None);
        }
    }
    progress.at(Phase::Commits, done, Some(done));
    let lost: HashSet<Index> = walk.unreadable.iter().map(|(commit, _)| *commit).collect();
    let name = trunk.map(|trunk| trunk.name.clone()).unwrap_or_default();
    for tip in [here, there].into_iter().flatten() {
        if let Some((_, lacking)) = walk.unreadable.iter().find(|(commit, _)| *commit == tip) {
            return Err(SurveyError::Tip {
                path: walk.store.path.clone(),
                branch: name,
                commit: walk.rows.commit(tip).id.to_string(),
                reason: lacking.to_string(),
            });
        }
    }
    for (commit, tag) in tags.into_iter().filter(|(commit, _)| !lost.contains(commit)) {
        let tagger = tag
            .tagger
            .as_ref()
            .map(|(whole, _)| walk.signature(whole.as_bytes(), None));
        let made = tag.tagger.map_or(walk.rows.commit(commit).committed, |(_, when)| when);
        walk.rows.tags.push(Tag {
            name: tag.name,
            commit,
            made,
            tagger,
            annotated: tag.annotated,
        });
    }
    walk.rows.branches.retain(|branch| !lost.contains(&branch.commit));
    walk.rows.forget(&lost);
    // Where the branch is here and at the remote in two places, the one that has the other is newer; when
    // they went apart, the one that everybody sees counts.
    let tip = match (here, there) {
        (Some(here), Some(there)) if !is_behind(&walk.rows, there, here) => Some(there),
        (here, _) => here,
    };
    walk.tell_misdated(tip);
    let unreadable = walk
        .unreadable
        .into_iter()
        .map(|(commit, lacking)| (walk.rows.commit(commit).id, lacking))
        .collect();
    Ok(Walked {
        rows: walk.rows,
        tip,
        trunk: refs.trunk.map(|trunk| trunk.name),
        unreadable,
    })
}

/// Whether `old` is `new` or behind it.
fn is_behind(rows: &Rows, old: Index, new: Index) -> bool {
    let mut seen = HashSet::from([new]);
    let mut waiting = vec![new];
    while let Some(commit) = waiting.pop() {
        if commit == old {
            return true;
        }
        waiting.extend(rows.parents(commit).iter().filter(|parent| seen.insert(**parent)));
    }
    false
}

impl Walk<'_> {
    /// The row of a commit; a new one is visited later.
    fn meet(&mut self, id: CommitId) -> Index {
        if let Some(known) = self.index.get(&id) {
            return *known;
        }
        let index = self.rows.add(id);
        self.index.insert(id, index);
        self.waiting.push_back(index);
        index
    }

    fn visit(&mut self, commit: Index) {
        let id = self.rows.commit(commit).id;
        if let Some((committed, parents)) = self.in_graph(&id).filter(|(time, _)| *time < self.since) {
            self.note(commit, committed, parents, false);
            return;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        match self.reader.read(&id, Kind::Commit, &mut buffer).map(CommitObject::read) {
            Ok(Some(object)) => {
                let is_cut = self.shallow.contains(&id);
                let parents = if is_cut { Vec::new() } else { object.parents.clone() };
                let is_merge = parents.len() > 1;
                self.note(commit, object.committer.when, parents, is_cut);
                if object.committer.when >= self.since {
                    let told = self.told(&object, is_merge);
                    self.rows.set_told(commit, told);
                }
            }
            Ok(None) => {
                let broken = Lacking::Broken("it is no well-formed commit".to_owned());
                self.unreadable.push((commit, broken));
            }
            Err(lacking) => self.unreadable.push((commit, lacking)),
        }
        self.buffer = buffer;
    }

    /// Commits on trunk whose date says that they are from before all windows, and whose neighbours say otherwise,
    /// are asked what they say of themselves after all.
    fn tell_misdated(&mut self, tip: Option<Index>) {
        let rows = &self.rows;
        let trunk = std::iter::successors(tip, |commit| rows.parents(*commit).first().copied());
        let mut old = Vec::new();
        let mut misdated = Vec::new();
        for commit in trunk {
            if rows.commit(commit).committed < self.since {
                old.push(commit);
            } else {
                misdated.append(&mut old);
            }
        }
        let mut buffer = Vec::new();
        for commit in misdated {
            let id = self.rows.commit(commit).id;
            let Ok(bytes) = self.reader.read(&id, Kind::Commit, &mut buffer) else {
                continue;
            };
            if let Some(object) = CommitObject::read(bytes) {
                let told = self.told(&object, self.rows.is_merge(commit));
                self.rows.set_told(commit, told);
            }
        }
    }

    /// Time and parents from the commit-graph file.
    fn in_graph(&self, id: &CommitId) -> Option<(Seconds, Vec<CommitId>)> {
        let graph = self.graph.as_ref()?;
        let commit = graph.commit_by_id(gix::ObjectId::Sha1(id.0))?;
        let mut parents = Vec::new();
        for position in commit.iter_parents() {
            parents.push(own(graph.id_at(position.ok()?))?);
        }
        Some((Seconds::try_from(commit.committer_timestamp()).ok()?, parents))
    }

    fn note(&mut self, commit: Index, committed: Seconds, parents: Vec<CommitId>, is_cut: bool) {
        let parents: Vec<Index> = parents.into_iter().map(|parent| self.meet(parent)).collect();
        self.rows.set_time(commit, committed);
        self.rows.set_parents(commit, &parents);
        if is_cut {
            self.rows.cut.push(commit);
        }
    }

    fn told(&mut self, object: &CommitObject<'_>, is_merge: bool) -> Told {
        let Who { whole, when } = object.author;
        let author = self.signature(whole, object.encoding);
        let committer = self.signature(object.committer.whole, object.encoding);
        let message = text(object.message, object.encoding);
        let message::Message {
            subject,
            mut marks,
            reverts,
        } = message::read(&message, is_merge);
        marks.set(Marks::SIGNED, object.is_signed);
        Told {
            authored: when,
            author,
            committer,
            tree: object.tree,
            marks,
            reverts,
            subject,
        }
    }

    fn signature(&mut self, whole: &[u8], encoding: Option<&[u8]>) -> u32 {
        if let Some(known) = self.signatures.get(whole) {
            return *known;
        }
        let number = self.rows.signatures.len() as u32;
        let read = text(whole, encoding);
        let (name, email) = name_and_email(&read);
        self.rows.signatures.push(Signature {
            name: name.to_owned(),
            email: email.to_owned(),
        });
        self.signatures.insert(whole.to_owned(), number);
        number
    }
}
