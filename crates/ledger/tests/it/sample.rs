//! A small domain of its own for the tests: things that are changed, and two views of them.

use std::sync::{Arc, Condvar, Mutex};

use facts::{Actor, Fact, FactId, NewFact, Stream, Trust};
use ledger::{Column, FoldError, Folding, Row, Rows, Table, Upcasters, Value, View};
use serde::Deserialize;
use serde_json::json;

/// The stream of a thing.
pub fn thing(name: &str) -> Stream {
    Stream::new("thing", name)
}

/// A fact about a thing; its id derives from `id`.
pub fn fact(id: &str, name: &str, kind: &str, body: serde_json::Value) -> NewFact {
    NewFact {
        stream: thing(name),
        id: FactId::of_key(id),
        kind: kind.into(),
        kind_version: 2,
        occurred_at: "2026-01-02T03:04:05.000006Z".parse().unwrap(),
        actor: Actor::System,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: None,
        body,
    }
}

/// A thing changes by `amount`.
pub fn changed(id: &str, name: &str, amount: i64) -> NewFact {
    fact(id, name, "thing.changed", json!({"amount": amount}))
}

/// A change that claims `key`.
pub fn claiming(id: &str, name: &str, key: &str) -> NewFact {
    NewFact {
        external_key: Some(key.into()),
        ..changed(id, name, 1)
    }
}

/// The first shape of `thing.changed` had `by` where `amount` is now.
pub fn upcasters() -> Upcasters {
    Upcasters::new().with(
        "thing.changed",
        1,
        |body| json!({"amount": body["by"], "weight": body["weight"]}),
    )
}

/// The views of the tests.
pub fn views() -> Vec<Arc<dyn View>> {
    vec![
        Arc::new(Things { version: 1 }),
        Arc::new(Journal),
        Arc::new(Counts::default()),
    ]
}

/// What things are now. Refuses `thing.broken`, panics at `thing.panics`.
pub struct Things {
    pub version: u32,
}

#[derive(Deserialize)]
struct Changed {
    amount: i64,
    #[serde(default)]
    weight: Option<f64>,
    #[serde(default)]
    note: Option<String>,
}

const THINGS: Table = Table {
    name: "things",
    columns: &[
        Column::text("name"),
        Column::integer("total"),
        Column::integer("changes"),
        Column::real("weight").nullable(),
        Column::text("note").nullable(),
        Column::integer("changed_at"),
    ],
    key: &["name"],
    indexes: &[&["total"], &["note", "name"]],
};

impl View for Things {
    fn name(&self) -> &'static str {
        "things"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn tables(&self) -> &'static [Table] {
        &[THINGS]
    }

    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
        let key = [Value::from(fact.stream().key())];
        match fact.kind() {
            "thing.changed" => {
                let body: Changed = fact.body()?;
                let (total, changes) = match rows.get("things", &key)? {
                    Some(row) => (row.integer("total")?, row.integer("changes")?),
                    None => (0, 0),
                };
                // A later version of the view counts double.
                let amount = body.amount * i64::from(self.version);
                rows.put(
                    "things",
                    Row::new()
                        .with("name", fact.stream().key())
                        .with("total", total + amount)
                        .with("changes", changes + 1)
                        .with("weight", body.weight)
                        .with("note", body.note)
                        .with("changed_at", fact.new.occurred_at),
                )
            }
            "thing.removed" => rows.delete("things", &key),
            "thing.broken" => Err(FoldError::Contradiction("a broken thing".into())),
            "thing.panics" => panic!("the view met its end"),
            "thing.misuse" => rows.put("journal", Row::new()),
            _ => Ok(()),
        }
    }
}

/// Each fact that was taken in. Comes after `Things`, so what that refuses must not show here; and it
/// refuses `thing.late` after having changed a row, so that must not show either.
pub struct Journal;

const JOURNAL: Table = Table {
    name: "journal",
    columns: &[
        Column::text("stream"),
        Column::integer("version"),
        Column::integer("seq"),
        Column::text("document"),
    ],
    key: &["stream", "version"],
    indexes: &[&["seq"]],
};

impl View for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[JOURNAL]
    }

    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
        let row = Row::new()
            .with_text("stream", fact.stream())
            .with("version", fact.stream_version)
            .with("seq", fact.seq)
            .with_json("document", &fact.new.body)?;
        rows.put("journal", row)?;
        match fact.kind() {
            "thing.late" => Err(FoldError::Contradiction("too late".into())),
            _ => Ok(()),
        }
    }
}

/// Closed until it is opened.
#[derive(Default)]
pub struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }
}

/// How many facts each thing has: a followed view. Cannot take in `thing.uncountable`.
pub struct Counts {
    pub version: u32,
    /// By how much it counts.
    pub step: i64,
    /// Whether its table has a column more.
    pub wide: bool,
    /// Nothing is taken in until this opens.
    pub gate: Option<Arc<Gate>>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            version: 1,
            step: 1,
            wide: false,
            gate: None,
        }
    }
}

const COUNTS: Table = Table {
    name: "counts",
    columns: &[Column::text("name"), Column::integer("count")],
    key: &["name"],
    indexes: &[&["count"]],
};

const WIDE_COUNTS: Table = Table {
    columns: &[
        Column::text("name"),
        Column::integer("count"),
        Column::integer("doubled"),
    ],
    ..COUNTS
};

impl View for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn tables(&self) -> &'static [Table] {
        if self.wide { &[WIDE_COUNTS] } else { &[COUNTS] }
    }

    fn folding(&self) -> Folding {
        Folding::Followed
    }

    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
        if let Some(gate) = &self.gate {
            gate.pass();
        }
        let key = fact.stream().key();
        let before = rows.get("counts", &[Value::from(key)])?;
        let count = before.map(|row| row.integer("count")).transpose()?.unwrap_or(0) + self.step;
        let mut row = Row::new().with("name", key).with("count", count);
        if self.wide {
            row = row.with("doubled", count * 2);
        }
        rows.put("counts", row)?;
        match fact.kind() {
            "thing.uncountable" => Err(FoldError::Contradiction("it cannot be counted".into())),
            _ => Ok(()),
        }
    }
}
