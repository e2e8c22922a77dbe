//! What delivery keeps ready to be asked: components, deployments and verdicts, as tables.

use facts::Fact;
use facts::published::{VERDICT_RECORDED, VerdictRecorded};
use ledger::{Column, FoldError, Row, Rows, Table, Value, View};
use serde_json::json;

use crate::kinds::DeliveryFact;

/// The table of components that have packages on the path.
pub const COMPONENTS: &str = "delivery_components";
/// The table of deployments, one row each.
pub const DEPLOYMENTS: &str = "deployments";
/// The table of verdicts, one row each.
pub const VERDICTS: &str = "verdicts";

const TABLES: &[Table] = &[
    Table {
        name: COMPONENTS,
        columns: &[Column::text("component"), Column::text("name")],
        key: &["component"],
        indexes: &[],
    },
    Table {
        name: DEPLOYMENTS,
        columns: &[
            Column::text("deployment"),
            Column::text("component"),
            Column::text("environment"),
            Column::integer("generation"),
            Column::text("purpose"),
            Column::text("package"),
            Column::text("from_package").nullable(),
            Column::text("run"),
            Column::text("policy"),
            Column::text("actor"),
            Column::integer("intended_at"),
            Column::integer("finished_at").nullable(),
            Column::text("result").nullable(),
            Column::text("why"),
            Column::text("reasons").nullable(),
            Column::text("state").nullable(),
        ],
        key: &["deployment"],
        indexes: &[
            &["component", "environment", "generation"],
            &["environment", "intended_at"],
            &["package"],
            &["from_package"],
        ],
    },
    Table {
        name: VERDICTS,
        columns: &[
            Column::integer("seq"),
            Column::text("subject"),
            Column::text("about"),
            Column::text("environment").nullable(),
            Column::text("result"),
            Column::text("reasons"),
            Column::text("numbers").nullable(),
            Column::integer("recorded_at"),
            Column::text("correlation").nullable(),
        ],
        key: &["seq"],
        indexes: &[&["subject", "seq"]],
    },
];

/// The view of delivery.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryView;

impl View for DeliveryView {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
        if fact.kind() == VERDICT_RECORDED {
            return verdict(fact, rows);
        }
        match DeliveryFact::read(fact.kind(), &fact.new.body)? {
            Some(DeliveryFact::Accepted(body)) => rows.put(
                COMPONENTS,
                Row::new()
                    .with("component", fact.stream().key())
                    .with("name", body.component_name.as_str()),
            ),
            Some(DeliveryFact::Intended(body)) => {
                let row = Row::new()
                    .with("deployment", body.deployment.to_string())
                    .with("component", fact.stream().key())
                    .with("environment", body.environment.as_str())
                    .with("generation", i64::try_from(body.generation).unwrap_or(i64::MAX))
                    .with("purpose", body.purpose.as_str())
                    .with("package", body.package.to_string())
                    .with("from_package", body.from.package.map(|package| package.to_string()))
                    .with("run", body.run.to_string())
                    .with("policy", body.policy.to_string())
                    .with("actor", fact.new.actor.to_string())
                    .with("intended_at", fact.new.occurred_at)
                    .with("why", json!(body.reasons).to_string());
                rows.put(DEPLOYMENTS, row)
            }
            Some(DeliveryFact::Finished(body)) => {
                let key = [Value::Text(body.deployment.to_string())];
                let Some(row) = rows.get(DEPLOYMENTS, &key)? else {
                    return Ok(());
                };
                let result = serde_json::to_value(body.result)?;
                let row = row
                    .with("finished_at", fact.new.occurred_at)
                    .with("result", result.as_str())
                    .with("reasons", json!(body.reasons).to_string())
                    .with("state", serde_json::to_string(&body.state)?);
                rows.put(DEPLOYMENTS, row)
            }
            _ => Ok(()),
        }
    }
}

fn verdict(fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
    let body: VerdictRecorded = fact.body()?;
    let numbers = (!body.numbers.is_null()).then(|| body.numbers.to_string());
    rows.put(
        VERDICTS,
        Row::new()
            .with("seq", i64::try_from(fact.seq).unwrap_or(i64::MAX))
            .with("subject", body.subject.to_string())
            .with("about", body.about)
            .with(
                "environment",
                body.environment.map(|environment| environment.to_string()),
            )
            .with("result", body.result.to_string())
            .with("reasons", json!(body.reasons).to_string())
            .with("numbers", numbers)
            .with("recorded_at", fact.recorded_at)
            .with("correlation", fact.new.correlation.clone()),
    )
}
