//! Facts as a list, newest first.

use facts::{Actor, Digest, Position, Timestamp};
use ledger::{Cursor, Direction, Ledger, Op, Row, RowError, Select};

use super::view::{KINDS, RECORDED};
use crate::error::ServerError;

/// What facts are filtered by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// A stream, or what stands before the slash in it.
    pub stream: Option<String>,
    /// A kind.
    pub kind: Option<String>,
    /// Who brought them about.
    pub actor: Option<Actor>,
    /// Not recorded before.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
}

/// A fact in a line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub seq: Position,
    pub id: String,
    pub stream: String,
    pub version: u64,
    pub kind: String,
    pub actor: Actor,
    pub at: Timestamp,
    pub hash: Digest,
}

/// A page of the list.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub lines: Vec<Line>,
    /// The position up to which the list knows.
    pub as_of: Position,
    pub next: Option<Cursor>,
    /// The kinds there are, with how many facts of each.
    pub kinds: Vec<(String, u64)>,
}

impl Line {
    fn of(row: &Row) -> Result<Self, RowError> {
        Ok(Self {
            seq: row.natural("seq")?,
            id: row.text("id")?.to_owned(),
            stream: row.text("stream")?.to_owned(),
            version: row.natural("version")?,
            kind: row.text("kind")?.to_owned(),
            actor: row.parse("actor")?,
            at: row.timestamp("at")?,
            hash: row.parse("hash")?,
        })
    }
}

impl Filter {
    /// The question for up to `limit` facts, newest first.
    fn question(&self, after: Option<String>, limit: usize) -> Select {
        let filter = self;
        let mut select = Select::from(RECORDED).limit(limit).after(after.map(Into::into));
        if filter.since.is_some() || filter.until.is_some() {
            select = select.order("at", Direction::Desc);
        }
        select = select.order("seq", Direction::Desc);
        if let Some(stream) = &filter.stream {
            let column = if stream.contains('/') { "stream" } else { "about" };
            select = select.filter(column, Op::Eq, stream.as_str());
        }
        if let Some(kind) = &filter.kind {
            select = select.filter("kind", Op::Eq, kind.as_str());
        }
        if let Some(actor) = filter.actor {
            select = select.filter("actor", Op::Eq, actor.to_string());
        }
        if let Some(since) = filter.since {
            select = select.filter("at", Op::Ge, since);
        }
        if let Some(until) = filter.until {
            select = select.filter("at", Op::Lt, until);
        }
        select
    }
}

/// Up to `limit` facts, newest first.
pub(crate) async fn list(
    ledger: &dyn Ledger,
    filter: &Filter,
    after: Option<String>,
    limit: usize,
) -> Result<Listed, ServerError> {
    let found = ledger.select(filter.question(after, limit)).await?;
    let kinds = ledger.select(Select::from(KINDS)).await?;
    let kinds = kinds
        .rows
        .iter()
        .map(|row| Ok((row.text("kind")?.to_owned(), row.natural("facts")?)));
    Ok(Listed {
        lines: found.rows.iter().map(Line::of).collect::<Result<_, _>>()?,
        as_of: found.as_of,
        next: found.next,
        kinds: kinds.collect::<Result<_, RowError>>()?,
    })
}

#[cfg(test)]
mod many;
