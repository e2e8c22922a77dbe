//! Commits and their files, from the repositories.

use std::path::Path;

use async_trait::async_trait;
use build::Commits;
use facts::{Commit, ComponentName, Timestamp};

use crate::changes::Repositories;

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
