//! A person ends the waiting of a change: what it waits for may never come, and what builds upon it waits with it.

use engine::BrokenDefinition;
use facts::{Actor, RunId};
use ledger::{Op, Select};

use super::builds::{Builds, change};
use super::view::CHANGES;
use crate::error::ServerError;
use crate::way::ChangeRow;

impl Builds {
    /// Ends the waiting of a change: its build is refused, so that it waits no more, and what builds upon it goes on.
    /// The answer is the run that says so; nothing where the change does not wait.
    ///
    /// # Errors
    /// When something cannot be read or recorded.
    pub(crate) async fn end_waiting(&self, row: &ChangeRow, actor: Actor) -> Result<Option<RunId>, ServerError> {
        let reasons = self.held_by(row);
        let Some(component) = self
            .register
            .by_id(row.component)
            .await?
            .filter(|_| !reasons.is_empty())
        else {
            return Ok(None);
        };
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, row.component.to_string())
            .filter("branch", Op::Eq, row.branch.as_str())
            .filter("head", Op::Eq, row.commit.as_str());
        let rows = self.ledger.select(query).await?.rows;
        let Some(change) = rows.first().map(change).transpose()? else {
            return Ok(None);
        };
        let why = BrokenDefinition {
            file: format!("the change {}", change.commit.short()),
            line: 0,
            column: 0,
            message: format!("somebody ended its waiting. It waited for this: {}", reasons.join("; ")),
            hint: Some("push another commit, which this one does not hold back any more".to_owned()),
        };
        let run = self.refuse(&component, &change, why, actor).await?;
        self.release(&change);
        // What builds upon it waits for it no more.
        self.consider_held().await?;
        Ok(Some(run))
    }
}
