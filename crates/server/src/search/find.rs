//! Answers a question: things whose words begin as all of its words do, the closest and newest first.

use std::collections::BTreeSet;

use facts::{ComponentId, Position, Timestamp};
use ledger::{Ledger, LedgerError, Op, Row, RowError, Select};

use super::view::{Kind, THINGS, WORDS};
use super::words;

/// How many rows are read for one word of a question, in each kind.
const READ: usize = 400;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    words: Vec<String>,
    /// At most so many of each kind.
    limit: usize,
}

/// Something that was found.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub component: Option<ComponentId>,
    /// What it is called.
    pub title: String,
    /// What else is known of it.
    pub note: Option<String>,
    /// When it came.
    pub at: Timestamp,
    closeness: usize,
    seq: i64,
}

/// What was found of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Of which kind.
    pub kind: Kind,
    /// The hits.
    pub hits: Vec<Hit>,
    /// Whether there may be more.
    pub more: bool,
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Kinds of which something was found.
    pub groups: Vec<Group>,
    /// The position of the view.
    pub as_of: Position,
}

/// Why nothing could be looked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// The view could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row is not what it should be.
    #[error(transparent)]
    Row(#[from] RowError),
}

impl Asked {
    /// What `question` asks.
    pub fn new(question: &str, limit: usize) -> Self {
        Self {
            words: words::of_question(question),
            limit,
        }
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a text answers it: for names that stand in no view.
    pub fn fits(&self, text: &str) -> bool {
        let mut of_text = Vec::new();
        words::of_text(text, &mut of_text);
        !self.is_empty() && closeness(&self.words, of_text.iter().map(String::as_str)).is_some()
    }
}

/// How many of the asked words are found whole; `None` when one is not found at all.
fn closeness<'a>(asked: &[String], words: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    let mut whole = 0;
    for word in asked {
        let mut found = false;
        for one in words.clone() {
            found |= one.starts_with(word.as_str());
            if one == word {
                whole += 1;
                break;
            }
        }
        if !found {
            return None;
        }
    }
    Some(whole)
}

/// Asks the view, for what `seen` lets the asker see.
pub(crate) async fn find(
    ledger: &dyn Ledger,
    asked: &Asked,
    seen: impl Fn(Kind, Option<ComponentId>) -> bool,
) -> Result<Found, FindError> {
    let mut found = Found {
        groups: Vec::new(),
        as_of: Position::MAX,
    };
    for kind in Kind::ALL {
        let (group, as_of) = of_kind(ledger, asked, kind, &seen).await?;
        found.as_of = found.as_of.min(as_of);
        if !group.hits.is_empty() {
            found.groups.push(group);
        }
    }
    Ok(found)
}

/// The things with a word that begins so, and whether those are all.
struct Candidates {
    ids: BTreeSet<String>,
    all: bool,
    as_of: Position,
}

async fn candidates(ledger: &dyn Ledger, kind: Kind, word: &str) -> Result<Candidates, FindError> {
    let of_kind = || Select::from(WORDS).filter("kind", Op::Eq, kind.as_str()).limit(READ);
    let mut queries = vec![of_kind().filter("word", Op::Eq, word)];
    if word.chars().count() <= words::SHORT {
        queries.push(of_kind().filter("word", Op::Eq, format!("{word}*")));
    } else {
        queries.push(
            of_kind()
                .filter("word", Op::Gt, word)
                .filter("word", Op::Lt, format!("{word}\u{10ffff}")),
        );
    }
    let mut candidates = Candidates {
        ids: BTreeSet::new(),
        all: true,
        as_of: Position::MAX,
    };
    for query in queries {
        let selected = ledger.select(query).await?;
        candidates.all &= selected.next.is_none();
        candidates.as_of = candidates.as_of.min(selected.as_of);
        for row in &selected.rows {
            candidates.ids.insert(row.text("id")?.to_owned());
        }
    }
    Ok(candidates)
}

async fn of_kind(
    ledger: &dyn Ledger,
    asked: &Asked,
    kind: Kind,
    seen: impl Fn(Kind, Option<ComponentId>) -> bool,
) -> Result<(Group, Position), FindError> {
    let mut as_of = Position::MAX;
    // The rarest word leads: where all things with it are known, the others need only be looked for
    // among them.
    let mut leading: Option<Candidates> = None;
    for word in &asked.words {
        let next = candidates(ledger, kind, word).await?;
        as_of = as_of.min(next.as_of);
        let better = leading
            .as_ref()
            .is_none_or(|best| (!next.all, next.ids.len()) < (!best.all, best.ids.len()));
        if better {
            leading = Some(next);
        }
    }
    let mut group = Group {
        kind,
        hits: Vec::new(),
        more: false,
    };
    let Some(leading) = leading.filter(|leading| !leading.ids.is_empty()) else {
        return Ok((group, as_of));
    };
    group.more = !leading.all;
    let things = Select::from(THINGS)
        .filter("kind", Op::Eq, kind.as_str())
        .any_of("id", leading.ids);
    for row in ledger.select(things).await?.rows {
        let Some(hit) = hit(&row, &asked.words)? else { continue };
        if seen(kind, hit.component) {
            group.hits.push(hit);
        }
    }
    group
        .hits
        .sort_by_key(|hit| std::cmp::Reverse((hit.closeness, hit.seq)));
    group.more |= group.hits.len() > asked.limit;
    group.hits.truncate(asked.limit);
    Ok((group, as_of))
}

fn hit(row: &Row, asked: &[String]) -> Result<Option<Hit>, FindError> {
    let Some(closeness) = closeness(asked, row.text("words")?.split(' ')) else {
        return Ok(None);
    };
    Ok(Some(Hit {
        id: row.text("id")?.to_owned(),
        component: row
            .optional_text("component")?
            .and_then(|component| component.parse().ok()),
        title: row.text("title")?.to_owned(),
        note: row.optional_text("note")?.map(str::to_owned),
        at: row.timestamp("at")?,
        closeness,
        seq: row.integer("seq")?,
    }))
}
