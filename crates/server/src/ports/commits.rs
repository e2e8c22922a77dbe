//! Commits and their files, from the repositories; and which of them hold a change.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use build::Commits;
use delivery::Dependency;
use delivery::ports::PortError;
use facts::{Commit, ComponentName, Timestamp};
use ledger::{Ledger, Op, Select};
use source::SourceError;

use crate::changes::view::CHANGE_IDS;
use crate::changes::{Repositories, RepositoryError};
use crate::error::ServerError;

#[async_trait]
impl Commits for Repositories {
    async fn check_out(&self, component: &ComponentName, commit: &Commit, folder: &Path) -> Result<(), String> {
        let checked_out = Self::check_out(self, component, commit, folder).await;
        checked_out.map_err(|error| error.to_string())
    }

    async fn folder(&self, component: &ComponentName, commit: &Commit) -> Result<String, String> {
        let folder = Self::folder(self, component, commit).await;
        folder.map_err(|error| error.to_string())
    }

    async fn committed_at(&self, component: &ComponentName, commit: &Commit) -> Result<Timestamp, String> {
        let summary = self.commit(component, commit).await;
        summary
            .map(|summary| summary.committed_at)
            .map_err(|error| error.to_string())
    }
}

/// Which commits hold a change that somebody depends on: by the graph, or by its `Change-Id`.
pub struct HeldChanges {
    ledger: Arc<dyn Ledger>,
    repositories: Arc<Repositories>,
}

impl HeldChanges {
    /// What `repositories` and the ids in `ledger` say.
    pub fn new(ledger: Arc<dyn Ledger>, repositories: Arc<Repositories>) -> Self {
        Self { ledger, repositories }
    }

    async fn behind(&self, on: &Dependency, change: &Commit, commit: &Commit) -> Result<bool, ServerError> {
        let asked = self.repositories.is_ancestor(&on.component_name, change, commit);
        match asked.await {
            // What is gone holds nothing any more.
            Err(RepositoryError::Source(SourceError::NoCommit(_))) => Ok(false),
            answer => Ok(answer?),
        }
    }

    async fn look(&self, on: &Dependency, commit: &Commit) -> Result<bool, ServerError> {
        if self.behind(on, &on.commit, commit).await? {
            return Ok(true);
        }
        let Some(id) = &on.change else { return Ok(false) };
        let query = Select::from(CHANGE_IDS).filter("change_id", Op::Eq, id.as_str());
        for row in self.ledger.select(query).await?.rows {
            if self.behind(on, &row.parse("head")?, commit).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl delivery::ports::Commits for HeldChanges {
    async fn holds(&self, on: &Dependency, commit: &Commit) -> Result<bool, PortError> {
        self.look(on, commit)
            .await
            .map_err(|error| PortError(error.to_string()))
    }
}
