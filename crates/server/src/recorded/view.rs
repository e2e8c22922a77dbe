//! The followed view of facts: what they are filtered by, and how many there are of each kind.

use facts::Fact;
use ledger::{Column, FoldError, Folding, Row, Rows, Table, Value, View};

/// The table of facts, without their bodies.
pub(super) const RECORDED: &str = "recorded";
/// The table of kinds.
pub(super) const KINDS: &str = "recorded_kinds";

const TABLES: &[Table] = &[
    Table {
        name: RECORDED,
        columns: &[
            Column::integer("seq"),
            Column::text("id"),
            Column::text("stream"),
            // What stands before the slash in the stream.
            Column::text("about"),
            Column::integer("version"),
            Column::text("kind"),
            Column::text("actor"),
            Column::integer("at"),
            Column::text("hash"),
        ],
        key: &["seq"],
        indexes: &[
            &["stream", "seq"],
            &["about", "seq"],
            &["kind", "seq"],
            &["actor", "seq"],
            // Within a time facts are listed by when they were recorded, so that none outside of it is looked at.
            &["at"],
            &["stream", "at"],
            &["about", "at"],
            &["kind", "at"],
            &["actor", "at"],
            &["id"],
        ],
    },
    Table {
        name: KINDS,
        columns: &[Column::text("kind"), Column::integer("facts")],
        key: &["kind"],
        indexes: &[],
    },
];

/// The view.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordedView;

impl View for RecordedView {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn version(&self) -> u32 {
        2
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn folding(&self) -> Folding {
        Folding::Followed
    }

    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
        rows.put(
            RECORDED,
            Row::new()
                .with("seq", fact.seq)
                .with_text("id", fact.new.id)
                .with_text("stream", fact.stream())
                .with("about", fact.stream().kind())
                .with("version", fact.stream_version)
                .with("kind", fact.kind())
                .with_text("actor", fact.new.actor)
                .with("at", fact.recorded_at)
                .with_text("hash", fact.hash),
        )?;
        let known = rows.get(KINDS, &[Value::from(fact.kind())])?;
        let facts = known.map(|row| row.integer("facts")).transpose()?.unwrap_or(0) + 1;
        rows.put(KINDS, Row::new().with("kind", fact.kind()).with("facts", facts))
    }
}
