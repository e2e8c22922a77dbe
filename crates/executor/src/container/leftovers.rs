//! Containers that nobody will ask for any more: found by their label, and removed.

use std::collections::HashSet;
use std::path::Path;

use super::command::LABEL_HOME;
use super::engine::{Engine, PATIENCE};
use super::record;

/// How a data folder is called among the labels of containers.
pub(crate) fn home(data: &Path) -> String {
    facts::Digest::of(data.as_os_str().as_encoded_bytes())
        .short()
        .to_string()
}

/// Ends and removes a container, if it is there.
///
/// # Errors
/// What the engine complains of.
pub(crate) async fn remove(engine: &Engine, name: &str) -> Result<(), String> {
    match engine.ask(&["rm", "-f", "-v", name], PATIENCE).await {
        Err(why) if is_gone(&why) => Ok(()),
        answer => answer.map(drop),
    }
}

/// Whether an engine complains that there is no such container.
pub(crate) fn is_gone(complaint: &str) -> bool {
    let complaint = complaint.to_lowercase();
    complaint.contains("no such container") || complaint.contains("no container with name or id")
}

/// Removes the containers of this data folder whose attempts have ended or were forgotten. Those of
/// attempts without an outcome stay: the shim of their run takes them up again, or its closing ends them.
pub(crate) async fn sweep(engine: &Engine, data: &Path) -> Result<usize, String> {
    let filter = format!("label={LABEL_HOME}={}", home(data));
    let listed = engine
        .ask(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"], PATIENCE)
        .await?;
    // Records are written before their containers are made, so what was listed has one if it ever had.
    let runs = std::fs::read_dir(data.join("runs")).into_iter().flatten().flatten();
    let open: HashSet<String> = runs
        .flat_map(|run| record::of_run(&run.path()))
        .filter(|(record, ended)| !ended && !record.is_of_another_boot())
        .map(|(record, _)| record.name)
        .collect();
    let mut removed = 0;
    for name in listed.lines().map(str::trim).filter(|name| !name.is_empty()) {
        // The containers of a step's services are named after the step's own.
        if !open
            .iter()
            .any(|open| name == open || name.starts_with(&format!("{open}.service.")))
        {
            remove(engine, name).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
