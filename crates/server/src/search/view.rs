//! The followed view by which everything is found: what there is, and the words of each.

use access::kinds::{ACTOR_ADDED, ActorAdded};
use delivery::kinds::DeliveryFact;
use engine::kinds::RunFact;
use facts::Fact;
use ledger::{Column, FoldError, Folding, Row, Rows, Table, Value, View};

use super::words;
use crate::changes::kinds::{
    CHANGE_ARRIVED, CHANGE_DESCRIBED, COMPONENT_CREATED, ChangeArrived, ChangeDescribed, ComponentCreated,
};

/// The table of what can be found.
pub(super) const THINGS: &str = "search_things";
/// The table of words.
pub(super) const WORDS: &str = "search_words";

const TABLES: &[Table] = &[
    Table {
        name: THINGS,
        columns: &[
            Column::text("kind"),
            Column::text("id"),
            Column::text("component").nullable(),
            Column::text("title"),
            Column::text("note").nullable(),
            Column::text("words"),
            Column::integer("seq"),
            Column::integer("at"),
        ],
        key: &["kind", "id"],
        indexes: &[],
    },
    Table {
        name: WORDS,
        columns: &[
            Column::text("kind"),
            Column::text("word"),
            // The position, negative: the newest stands first.
            Column::integer("newest"),
            Column::text("id"),
        ],
        key: &["kind", "word", "newest", "id"],
        indexes: &[],
    },
];

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A component.
    Component,
    /// A change; its id is `COMPONENT/COMMIT`.
    Change,
    /// A package.
    Package,
    /// A run.
    Run,
    /// A person, by their id.
    Person,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Component, Self::Change, Self::Package, Self::Run, Self::Person];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Change => "change",
            Self::Package => "package",
            Self::Run => "run",
            Self::Person => "person",
        }
    }
}

/// The view.
#[derive(Debug, Clone, Copy, Default)]
pub struct SearchView;

/// Something that can be found, as its facts tell it.
struct Thing {
    kind: Kind,
    id: String,
    component: Option<String>,
    title: String,
    note: Option<String>,
    words: Vec<String>,
}

impl View for SearchView {
    fn name(&self) -> &'static str {
        "search"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn folding(&self) -> Folding {
        Folding::Followed
    }

    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
        match fact.kind() {
            COMPONENT_CREATED => {
                let body: ComponentCreated = fact.body()?;
                let mut words = Vec::new();
                words::of_text(body.name.as_str(), &mut words);
                words::of_name(&body.component.to_string(), &mut words);
                let id = body.component.to_string();
                put(
                    fact,
                    rows,
                    Thing {
                        kind: Kind::Component,
                        component: Some(id.clone()),
                        id,
                        title: body.name.to_string(),
                        note: None,
                        words,
                    },
                )
            }
            CHANGE_ARRIVED => arrived(fact, rows),
            CHANGE_DESCRIBED => described(fact, rows),
            ACTOR_ADDED => {
                let body: ActorAdded = fact.body()?;
                let id = body.actor.to_string();
                let mut words = Vec::new();
                words::of_name(&id, &mut words);
                put(
                    fact,
                    rows,
                    Thing {
                        kind: Kind::Person,
                        title: id.clone(),
                        id,
                        component: None,
                        note: None,
                        words,
                    },
                )
            }
            engine::kinds::REQUESTED | engine::kinds::FINISHED => run(fact, rows),
            _ => match DeliveryFact::read(fact.kind(), &fact.new.body)? {
                Some(DeliveryFact::Accepted(body)) => {
                    let mut words = Vec::new();
                    words::of_name(body.version.as_ref(), &mut words);
                    words::of_name(&body.package.hex(), &mut words);
                    words::of_name(body.commit.as_str(), &mut words);
                    put(
                        fact,
                        rows,
                        Thing {
                            kind: Kind::Package,
                            id: body.package.to_string(),
                            component: Some(fact.stream().key().to_owned()),
                            title: body.version.to_string(),
                            note: None,
                            words,
                        },
                    )
                }
                _ => Ok(()),
            },
        }
    }
}

/// A change is found from the moment it is there, by its commit, its branch and who brought it.
fn arrived(fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
    let body: ChangeArrived = fact.body()?;
    let component = fact.stream().key();
    let id = format!("{component}/{}", body.commit);
    if rows
        .get(THINGS, &[Kind::Change.as_str().into(), id.as_str().into()])?
        .is_some()
    {
        return Ok(()); // It came to another branch.
    }
    let mut words = Vec::new();
    words::of_name(body.commit.as_str(), &mut words);
    if let facts::Actor::User(person) = fact.new.actor {
        words::of_name(&person.to_string(), &mut words);
    }
    words::of_text(&body.branch, &mut words);
    put(
        fact,
        rows,
        Thing {
            kind: Kind::Change,
            id,
            component: Some(component.to_owned()),
            title: format!("commit {}", body.commit.short()),
            note: Some(body.branch),
            words,
        },
    )
}

/// What its commit says of itself.
fn described(fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
    let body: ChangeDescribed = fact.body()?;
    let id = format!("{}/{}", fact.stream().key(), body.commit);
    let key = [Value::from(Kind::Change.as_str()), Value::from(id.as_str())];
    let Some(row) = rows.get(THINGS, &key)? else {
        return Ok(());
    };
    let known: Vec<String> = row.text("words")?.split(' ').map(str::to_owned).collect();
    let mut words = known.clone();
    words::of_text(&body.subject, &mut words);
    let newest = -row.integer("seq")?;
    for word in &words[known.len()..] {
        put_word(rows, Kind::Change, word, newest, &id)?;
    }
    rows.put(THINGS, row.with("title", body.subject).with("words", words.join(" ")))
}

fn run(fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
    match RunFact::read(&fact.new)? {
        Some(RunFact::Requested(body)) => {
            let id = fact.stream().key().to_owned();
            let mut words = Vec::new();
            words::of_name(&id, &mut words);
            for part in [
                body.commit.as_ref().map(ToString::to_string),
                body.line.as_ref().map(ToString::to_string),
                body.environment.as_ref().map(ToString::to_string),
            ] {
                words::of_name(&part.unwrap_or_default(), &mut words);
            }
            let title = match &body.environment {
                Some(environment) => format!("{} to {environment}", body.kind),
                None => body.kind.clone(),
            };
            put(
                fact,
                rows,
                Thing {
                    kind: Kind::Run,
                    id,
                    component: Some(body.component.to_string()),
                    title,
                    note: None,
                    words,
                },
            )
        }
        Some(RunFact::Finished(body)) => {
            let key = [Value::from(Kind::Run.as_str()), Value::from(fact.stream().key())];
            match rows.get(THINGS, &key)? {
                Some(row) => rows.put(THINGS, row.with("note", body.result.as_str())),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn put(fact: &Fact, rows: &mut dyn Rows, thing: Thing) -> Result<(), FoldError> {
    let newest = -i64::try_from(fact.seq).unwrap_or(i64::MAX);
    for word in &thing.words {
        put_word(rows, thing.kind, word, newest, &thing.id)?;
    }
    rows.put(
        THINGS,
        Row::new()
            .with("kind", thing.kind.as_str())
            .with("id", thing.id)
            .with("component", thing.component)
            .with("title", thing.title)
            .with("note", thing.note)
            .with("words", thing.words.join(" "))
            .with("seq", fact.seq)
            .with("at", fact.new.occurred_at),
    )
}

fn put_word(rows: &mut dyn Rows, kind: Kind, word: &str, newest: i64, id: &str) -> Result<(), FoldError> {
    let mut put = |word: &str| {
        rows.put(
            WORDS,
            Row::new()
                .with("kind", kind.as_str())
                .with("word", word)
                .with("newest", newest)
                .with("id", id),
        )
    };
    put(word)?;
    words::beginnings(word).iter().try_for_each(|beginning| put(beginning))
}
