//! Versions of changes, from their history and from the order in which they came.
//!
//! A version is a pure function of the commit graph ([`source::version`]), and rises with each commit
//! that builds upon another. A branch that was rewritten would go back: what comes to a line then is named
//! after the greatest version that any earlier change of the line has, whether or not that one was built.
//! So the versions of a line rise in the order in which its changes came, whichever build ends first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use facts::{Commit, ComponentId, ComponentName, ReleaseLine, Version};
use ledger::{Direction, Ledger, LedgerError, Op, RowError, Select};
use source::version::{Graph, Scheme, after};

use super::members::Lists;
use super::repositories::{Repositories, RepositoryError};
use super::view::CHANGES;

/// How many commits are kept in memory over all components, at some 100 bytes each.
const KEPT_COMMITS: usize = 400_000;
/// How many versions are kept of a line, so that builds that end late need not count from the start.
const KEPT_VERSIONS: usize = 1_000;

/// Why a version could not be found.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The repository could not be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row could not be read.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// A change whose version is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Whose change.
    pub component: ComponentId,
    /// The component's name.
    pub name: &'a ComponentName,
    /// Its name in the list of its repository, where that holds several.
    pub member: Option<&'a str>,
    /// The commit.
    pub commit: &'a Commit,
    /// The line that it came to.
    pub line: &'a ReleaseLine,
    /// The position of its arrival there.
    pub position: u64,
}

/// Finds versions, and remembers what it needs for the next one.
pub struct Versions {
    ledger: Arc<dyn Ledger>,
    repositories: Arc<Repositories>,
    known: Mutex<HashMap<ComponentId, Shared>>,
}

/// Held while a version is found, so that what is known fits together.
type Shared = Arc<tokio::sync::Mutex<Known>>;

/// What is known of one component.
#[derive(Default)]
struct Known {
    graph: Graph,
    /// The version of each change of a line by its position, the newest ones.
    lines: HashMap<(ReleaseLine, Scheme), BTreeMap<u64, Version>>,
}

impl Versions {
    /// Nothing known yet.
    pub fn new(ledger: Arc<dyn Ledger>, repositories: Arc<Repositories>) -> Self {
        Self {
            ledger,
            repositories,
            known: Mutex::default(),
        }
    }

    /// The version of a change by `scheme`.
    ///
    /// # Errors
    /// When the commit is not there, or something cannot be read.
    pub async fn of(&self, asked: Asked<'_>, scheme: Scheme) -> Result<Version, VersionError> {
        let shared = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(asked.component).or_default().clone()
        };
        let mut known = shared.clone().lock_owned().await;
        let line = asked.line.clone();
        let versions = known.lines.entry((line.clone(), scheme)).or_default();
        if let Some(version) = versions.get(&asked.position) {
            return Ok(version.clone());
        }
        let before = versions.range(..asked.position).next_back();
        let (since, mut last) = before.map_or((0, None), |(position, version)| (*position, Some(version.clone())));
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, asked.component.to_string())
            .filter("branch", Op::Eq, line.as_str())
            .filter("position", Op::Gt, since)
            .filter("position", Op::Lt, asked.position)
            .order("position", Direction::Asc);
        let mut changes: Vec<(u64, Commit)> = Vec::new();
        for row in self.ledger.select(query).await?.rows {
            changes.push((row.natural("position")?, row.parse("head")?));
        }
        changes.push((asked.position, asked.commit.clone()));
        let member = asked.member.map(str::to_owned);
        let version = self
            .repositories
            .read(asked.name, move |repository| {
                let Known { graph, lines } = &mut *known;
                let commits = changes.iter().map(|(_, commit)| commit);
                match &member {
                    None => repository.grow(graph, commits)?,
                    Some(member) => {
                        let mut lists = Lists::default();
                        let weigh =
                            |commit: &Commit, parent: Option<&Commit>| lists.weight(repository, member, parent, commit);
                        repository.grow_for(graph, commits, &format!("{member}-"), weigh)?;
                    }
                }
                let main = Repositories::main_for(&line);
                let versions = lines.entry((line.clone(), scheme)).or_default();
                let mut found = None;
                for (position, commit) in changes {
                    // An earlier commit may be gone; the one that is asked for is there.
                    let Ok(computed) = graph.version(&commit, scheme, &line, &main) else {
                        continue;
                    };
                    let version = match &last {
                        Some(last) => after(&computed, last),
                        None => computed,
                    };
                    versions.insert(position, version.clone());
                    found = Some(version.clone());
                    last = Some(version);
                }
                while versions.len() > KEPT_VERSIONS {
                    versions.pop_first();
                }
                found.ok_or_else(|| source::SourceError::NoRevision(line.to_string()))
            })
            .await?;
        self.forget(asked.component, &shared);
        Ok(version)
    }

    /// The version by `scheme` of a commit that came to `line`; `None` when it did not come there.
    ///
    /// # Errors
    /// As [`Versions::of`].
    pub async fn of_commit(
        &self,
        component: ComponentId,
        name: &ComponentName,
        commit: &Commit,
        line: &ReleaseLine,
        scheme: Scheme,
    ) -> Result<Option<Version>, VersionError> {
        let member = self.repositories.member(name);
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, component.to_string())
            .filter("branch", Op::Eq, line.as_str())
            .filter("head", Op::Eq, commit.as_str());
        let rows = self.ledger.select(query).await?.rows;
        let Some(row) = rows.first() else { return Ok(None) };
        let asked = Asked {
            component,
            name,
            member: member.as_deref(),
            commit,
            line,
            position: row.natural("position")?,
        };
        self.of(asked, scheme).await.map(Some)
    }

    /// Forgets other components, and at last this one, while too much is kept.
    fn forget(&self, component: ComponentId, now: &Shared) {
        let commits = |known: &Shared| known.try_lock().map_or(0, |known| known.graph.len());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = commits(now);
        known.retain(|other, of_other| {
            if *other == component {
                return kept <= KEPT_COMMITS;
            }
            kept += commits(of_other);
            kept <= KEPT_COMMITS
        });
    }
}
