//! What commits say about themselves. A commit never changes, so it is read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use facts::{Commit, ComponentId};
use pages::model::ChangePart;

use crate::changes::{CommitSummary, Component};
use crate::house::House;

/// How many commits are remembered.
const KEPT: usize = 4_096;

/// The commits that were read.
#[derive(Default)]
pub(super) struct Commits(Mutex<HashMap<(ComponentId, Commit), Arc<CommitSummary>>>);

impl Commits {
    /// What the commit says; `None` when the repository does not have it (any more).
    pub async fn get(&self, house: &House, component: &Component, commit: &Commit) -> Option<Arc<CommitSummary>> {
        let key = (component.id, commit.clone());
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if known.is_some() {
            return known;
        }
        let read = Arc::new(house.repositories.commit(&component.name, commit).await.ok()?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, read.clone());
        Some(read)
    }
}

/// What a changed path belongs to.
fn part(path: &str) -> Option<ChangePart> {
    let folders: Vec<&str> = path.split('/').collect();
    let name = folders.last().copied().unwrap_or_default();
    let within = |words: &[&str]| folders.iter().rev().skip(1).any(|folder| words.contains(folder));
    if name == "throughline.yaml" {
        return Some(ChangePart::Pipeline);
    }
    if within(&["migrations", "migrate"]) {
        return Some(ChangePart::Migration);
    }
    if within(&["test", "tests", "spec", "acceptance", "__tests__"])
        || name.starts_with("test_")
        || name.contains("_test.")
    {
        return Some(ChangePart::Test);
    }
    if within(&["terraform", "infrastructure", "deploy"]) || name.ends_with(".tf") {
        return Some(ChangePart::Infrastructure);
    }
    let is_text = [".md", ".txt", ".rst"].iter().any(|ending| name.ends_with(ending)) || name.starts_with("LICENSE");
    (!is_text).then_some(ChangePart::Code)
}

/// What these paths touch, each once, in a fixed order.
pub(super) fn parts<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<ChangePart> {
    let found: Vec<ChangePart> = paths.into_iter().filter_map(part).collect();
    let order = [
        ChangePart::Code,
        ChangePart::Migration,
        ChangePart::Test,
        ChangePart::Pipeline,
        ChangePart::Infrastructure,
    ];
    order.into_iter().filter(|part| found.contains(part)).collect()
}

/// What a commit touches, seen from its first parent; nothing when that cannot be read.
pub(super) async fn touched(house: &House, component: &Component, commit: &Commit) -> Vec<ChangePart> {
    match house.repositories.touched(&component.name, commit).await {
        Ok(paths) => parts(paths.iter().map(String::as_str)),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_a_change_touches() {
        let touched = parts([
            "src/main.rs",
            "migrations/0002_likes.sql",
            "README.md",
            "tests/api.rs",
            "throughline.yaml",
        ]);
        assert_eq!(
            touched,
            [
                ChangePart::Code,
                ChangePart::Migration,
                ChangePart::Test,
                ChangePart::Pipeline
            ]
        );
        assert_eq!(parts(["README.md", "docs/a.txt"]), []);
    }
}
