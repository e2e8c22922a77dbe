//! What whoever waits is told.

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Branches and tags are listed.
    Refs,
    /// Commits are read.
    Commits,
    /// Paths and sizes of changes are read.
    Changes,
    /// The files of a commit are listed.
    Files,
    /// Files are looked into.
    Reading,
    /// Moments of a timeline are put together.
    Moments,
}

/// Told how far the work is. Calls come often (a few hundred items apart) and from several threads;
/// whoever shows them leaves out what is too much.
pub trait Progress: Sync {
    /// `done` items of a phase, of `total` when that is known. Each phase ends with a call in which `done`
    /// is all there was.
    fn at(&self, phase: Phase, done: u64, total: Option<u64>);
}

/// Tells nobody.
impl Progress for () {
    fn at(&self, _: Phase, _: u64, _: Option<u64>) {}
}
