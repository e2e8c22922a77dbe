//! The commits of repositories that list components, and what each concerns.

use facts::{Commit, ComponentId, Timestamp};
use ledger::{Direction, Ledger, Op, Row, RowError, Select};

use super::view::CONCERNS;
use crate::error::ServerError;

/// So many rows are read for the latest commits.
const ROWS: usize = 400;

/// A commit of a repository that lists components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortedCommit {
    /// The commit.
    pub commit: Commit,
    /// The branch that it came by.
    pub branch: String,
    /// When it came.
    pub arrived_at: Timestamp,
    /// The components that it concerns, each with why; none where it concerns nothing.
    pub concerns: Vec<(ComponentId, String)>,
}

impl SortedCommit {
    fn of(rows: &[Row]) -> Result<Option<Self>, RowError> {
        let Some(first) = rows.first() else { return Ok(None) };
        let mut concerns = Vec::new();
        for row in rows {
            // A commit that concerns nothing has one row, without a component.
            if let Ok(component) = row.text("component")?.parse() {
                concerns.push((component, row.text("why")?.to_owned()));
            }
        }
        Ok(Some(Self {
            commit: first.parse("head")?,
            branch: first.text("branch")?.to_owned(),
            arrived_at: first.timestamp("arrived_at")?,
            concerns,
        }))
    }
}

/// The commit whose id is, or begins with, `name`: of several the first.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn find(
    ledger: &dyn Ledger,
    repository: ComponentId,
    name: &str,
) -> Result<Option<SortedCommit>, ServerError> {
    let name = name.to_ascii_lowercase();
    if name.len() < 4 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let query = Select::from(CONCERNS)
        .filter("repository", Op::Eq, repository.to_string())
        .filter("head", Op::Ge, name.as_str())
        .filter("head", Op::Lt, format!("{name}g"))
        .limit(1);
    match ledger.select(query).await?.rows.first() {
        Some(row) => whole(ledger, repository, row.text("head")?).await,
        None => Ok(None),
    }
}

async fn whole(ledger: &dyn Ledger, repository: ComponentId, head: &str) -> Result<Option<SortedCommit>, ServerError> {
    let query = Select::from(CONCERNS)
        .filter("repository", Op::Eq, repository.to_string())
        .filter("head", Op::Eq, head);
    Ok(SortedCommit::of(&ledger.select(query).await?.rows)?)
}

/// The latest commits of a repository, newest first.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn latest(
    ledger: &dyn Ledger,
    repository: ComponentId,
    most: usize,
) -> Result<Vec<SortedCommit>, ServerError> {
    let query = Select::from(CONCERNS)
        .filter("repository", Op::Eq, repository.to_string())
        .order("position", Direction::Desc)
        .limit(ROWS);
    let rows = ledger.select(query).await?.rows;
    let mut commits = Vec::new();
    let same = |one: &Row, other: &Row| one.text("head").ok() == other.text("head").ok();
    let mut seen = 0;
    for group in rows.chunk_by(same).take(most) {
        seen += group.len();
        // What stands at the end of what was read may go on.
        let is_cut = seen == ROWS;
        let commit = match group.first() {
            Some(row) if is_cut => whole(ledger, repository, row.text("head")?).await?,
            _ => SortedCommit::of(group)?,
        };
        commits.extend(commit);
    }
    Ok(commits)
}
