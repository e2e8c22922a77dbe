//! What earlier runs of a folder left: processes of a command that was killed, and old logs.

use std::path::Path;

use executor::{AttemptKey, Executor};
use facts::{RunId, StepName};

/// How many runs' logs are kept.
const KEPT_RUNS: usize = 10;

/// The file in a run's folder that says that nothing of it is left.
const ENDED: &str = "ended";

/// Notes that nothing of a run is left. Without the note, the next command looks.
pub(crate) fn note_end(runs: &Path, run: RunId) {
    let _ = std::fs::write(runs.join(run.to_string()).join(ENDED), "");
}

/// Ends the attempts of runs whose command was killed, and removes the folders of all but the newest
/// runs. The folder's lock is held, so no run here belongs to anybody.
pub(crate) async fn end(runs: &Path, executor: &dyn Executor) {
    let Ok(entries) = std::fs::read_dir(runs) else { return };
    let mut known: Vec<RunId> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // Ids sort by their time.
    known.sort();
    let old = known.len().saturating_sub(KEPT_RUNS);
    for (place, run) in known.iter().enumerate() {
        let folder = runs.join(run.to_string());
        if folder.join(ENDED).exists() {
            if place < old {
                let _ = std::fs::remove_dir_all(folder);
            }
            continue;
        }
        for key in open_attempts(&folder, *run) {
            if let Err(error) = executor.cancel(&key).await {
                tracing::warn!(%run, %error, "a step that was left running could not be ended");
            }
            // Its end is what matters, not how.
            let _ = executor.wait(&key).await;
        }
        if folder.join("shim.lock").exists()
            && let Err(error) = executor.close(*run).await
        {
            tracing::warn!(%run, %error, "the shim of an earlier run could not be closed");
            continue;
        }
        if place < old {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// The attempts that were begun and have left no outcome.
fn open_attempts(folder: &Path, run: RunId) -> Vec<AttemptKey> {
    let Ok(entries) = std::fs::read_dir(folder.join("attempts")) else {
        return Vec::new();
    };
    let open = entries
        .flatten()
        .filter(|entry| !entry.path().join(executor::logs::OUTCOME).exists());
    open.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let (step, attempt) = name.rsplit_once('-')?;
        Some(AttemptKey {
            run,
            step: StepName::new(step).ok()?,
            attempt: attempt.parse().ok()?,
        })
    })
    .collect()
}
