//! What is read of a repository, as plain rows. Whoever measures looks at these and at nothing else.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// Seconds since 1970.
pub(crate) type Seconds = i64;

/// The seconds of a day.
pub(crate) const DAY: Seconds = 86_400;

/// The id of a commit or another object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CommitId(pub [u8; 20]);

impl CommitId {
    /// Reads forty hexadecimal digits.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
        if text.len() != 40 {
            return None;
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The place of a commit among the rows.
pub(crate) type Index = u32;

/// Takes the beginning of an id, which is as good as random.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_ne_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

/// Commits by id.
pub(crate) type ById<T> = HashMap<CommitId, T, BuildHasherDefault<IdHasher>>;

/// One commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    /// Its id.
    pub id: CommitId,
    /// When it was committed, as it says itself.
    pub committed: Seconds,
    /// Where its parents stand in [`Rows::parents`].
    parents: (u32, u16),
    /// Where what it says of itself stands in [`Rows::told`]; absent for commits from before all windows.
    told: Option<u32>,
}

/// What a commit says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// When the change was written.
    pub authored: Seconds,
    /// Who wrote it, as a place in [`Rows::signatures`].
    pub author: u32,
    /// Who made the commit.
    pub committer: u32,
    /// What its message is like.
    pub marks: Marks,
    /// Its folder.
    pub tree: CommitId,
    /// The commit that it says it reverts.
    pub reverts: Option<CommitId>,
    /// The first line of its message, cut when long.
    pub subject: Box<str>,
}

/// Yes-or-no things about a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks(u16);

impl Marks {
    pub const REVERT: Self = Self(1);
    pub const FIX: Self = Self(1 << 1);
    pub const HOTFIX: Self = Self(1 << 2);
    pub const CONVENTIONAL: Self = Self(1 << 3);
    pub const SIGNED: Self = Self(1 << 4);
    pub const ISSUE: Self = Self(1 << 5);
    pub const REQUEST: Self = Self(1 << 6);
    pub const REVIEWED: Self = Self(1 << 7);
    pub const DEPENDENCY: Self = Self(1 << 8);

    /// Whether any of the others is set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets the others when `yes`.
    pub fn set(&mut self, other: Self, yes: bool) {
        if yes {
            self.0 |= other.0;
        }
    }
}

/// A name and a mail address, as a commit or tag has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Signature {
    pub name: String,
    pub email: String,
}

/// A branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Its name without `refs/heads/` or `refs/remotes/REMOTE/`.
    pub name: String,
    /// The remote it was fetched from.
    pub remote: Option<String>,
    /// The commit it is at.
    pub commit: Index,
}

/// A tag on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Its name without `refs/tags/`.
    pub name: String,
    /// The commit it leads to.
    pub commit: Index,
    /// When it was made: the tagger's date, or the commit's where there is no tagger.
    pub made: Seconds,
    /// Who made it, where it is an object of its own that says so.
    pub tagger: Option<u32>,
    /// Whether it is an object of its own.
    pub annotated: bool,
}

/// All that is read of the graph.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub commits: Vec<Commit>,
    pub told: Vec<Told>,
    pub signatures: Vec<Signature>,
    pub branches: Vec<Branch>,
    pub tags: Vec<Tag>,
    /// Commits whose parents, or some of them, cannot be seen.
    pub cut: Vec<Index>,
    parents: Vec<Index>,
}

impl Rows {
    /// Adds a commit whose parents come later, with [`Self::set_parents`].
    pub fn add(&mut self, id: CommitId) -> Index {
        let index = self.commits.len() as Index;
        self.commits.push(Commit {
            id,
            committed: 0,
            parents: (0, 0),
            told: None,
        });
        index
    }

    /// Says which parents a commit has.
    pub fn set_parents(&mut self, commit: Index, parents: &[Index]) {
        let most = parents.len().min(usize::from(u16::MAX));
        self.commits[commit as usize].parents = (self.parents.len() as u32, most as u16);
        self.parents.extend_from_slice(&parents[..most]);
    }

    /// Says when a commit was made.
    pub fn set_time(&mut self, commit: Index, committed: Seconds) {
        self.commits[commit as usize].committed = committed;
    }

    /// Takes commits that cannot be read out of the parents of others, which are cut there. One whose first
    /// parent is gone has none: what remains would pass for the line it is on.
    pub fn forget(&mut self, lost: &HashSet<Index>) {
        if lost.is_empty() {
            return;
        }
        for commit in 0..self.commits.len() as Index {
            let parents = self.parents(commit);
            let Some(first) = parents.first() else { continue };
            if !parents.iter().any(|parent| lost.contains(parent)) {
                continue;
            }
            let kept: Vec<Index> = match lost.contains(first) {
                true => Vec::new(),
                false => parents
                    .iter()
                    .copied()
                    .filter(|parent| !lost.contains(parent))
                    .collect(),
            };
            self.set_parents(commit, &kept);
            self.cut.push(commit);
        }
    }

    /// Says what a commit says of itself.
    pub fn set_told(&mut self, commit: Index, told: Told) {
        self.commits[commit as usize].told = Some(self.told.len() as u32);
        self.told.push(told);
    }

    /// The parents of a commit that can be seen, the first one first.
    pub fn parents(&self, commit: Index) -> &[Index] {
        let (start, count) = self.commits[commit as usize].parents;
        &self.parents[start as usize..start as usize + usize::from(count)]
    }

    /// What a commit says of itself, when it is not from before all windows.
    pub fn told(&self, commit: Index) -> Option<&Told> {
        let place = self.commits[commit as usize].told?;
        self.told.get(place as usize)
    }

    /// A commit.
    pub fn commit(&self, commit: Index) -> &Commit {
        &self.commits[commit as usize]
    }

    /// Whether a commit has more than one parent.
    pub fn is_merge(&self, commit: Index) -> bool {
        self.parents(commit).len() > 1
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Made rows.

    use super::*;

    /// Commits with their times and parents.
    pub fn made(commits: &[(Seconds, &[Index])]) -> Rows {
        let mut rows = Rows::default();
        for (number, (committed, _)) in commits.iter().enumerate() {
            let mut id = [0; 20];
            id[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
            let index = rows.add(CommitId(id));
            rows.commits[index as usize].committed = *committed;
        }
        for (index, (_, parents)) in commits.iter().enumerate() {
            rows.set_parents(index as Index, parents);
        }
        rows
    }
}
