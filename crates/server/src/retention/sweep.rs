//! Doing it: each thing gone in one step, and at last one fact.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::{RunResult, State};
use facts::{Actor, FactId, NewFact, RunId, Timestamp, Trust};
use ledger::Append;

use super::decide::{self, EndedRun};
use super::kinds::{Removed, SWEPT, Swept, stream};
use super::survey;
use crate::data::{Keeping, keeping};
use crate::duties::Duty;
use crate::error::ServerError;
use crate::house::House;

/// What is on its way out is called so; whoever finds it, removes it.
const GOING: &str = "going";

/// Removes what was kept long enough, and records it.
pub(super) async fn sweep(house: &Arc<House>) -> Result<Swept, ServerError> {
    // Whoever takes a backup counts on what is there.
    let _alone = house.keeping.write().await;
    let data = house.settings.data.clone();
    let alone = blocking(move || keeping(&data, Keeping::Sweeping)).await?;
    let _alone_in_the_folder = alone.map_err(|error| ServerError::Internal(error.to_string()))?;
    let now = house.clock.now();
    let keep = house.settings.keep;
    let mut swept = Swept {
        logs_before: before(now, keep.logs),
        logs: Removed::default(),
        runs: runs(house, now).await?,
        caches: Removed::default(),
        blobs: Removed::default(),
    };
    let caches = house.settings.data.join("caches");
    swept.caches = blocking(move || sweep_caches(&caches, now, &keep)).await?;
    let (results, limits) = (house.results.clone(), decide::results(&keep));
    let collected = blocking(move || results.store().collect(limits, now)).await?;
    let collected = collected.map_err(|error| ServerError::Internal(error.to_string()))?;
    swept.caches.count += collected.results;
    swept.caches.bytes += collected.bytes;
    let told = survey::told(&*house.ledger).await?;
    let store = house.store.clone();
    (swept.logs, swept.blobs) = blocking(move || -> Result<_, ServerError> {
        let blobs = survey::blobs(&store)?;
        let mut needed = decide::needed(&told.named, &blobs);
        let going = decide::logs(now, &keep, &told.logs, &told.newest, &needed);
        let mut logs = Removed::default();
        for digest in &going {
            if let Some(bytes) = store.remove(digest)? {
                logs.add(bytes);
                crashpoint::reach("retention.log-removed");
            }
        }
        needed.extend(told.logs.iter().map(|log| log.digest));
        let mut others = Removed::default();
        for digest in decide::forgotten(now, &blobs, &needed) {
            // It may have been stored anew since.
            let again = survey::look(&store.path(&digest));
            if again.is_some_and(|(_, stored_at)| decide::is_older(now, stored_at, decide::YOUNG))
                && let Some(bytes) = store.remove(&digest)?
            {
                others.add(bytes);
                crashpoint::reach("retention.blob-removed");
            }
        }
        Ok((logs, others))
    })
    .await??;
    for component in house.register.all().await? {
        if component.place.is_some() {
            continue; // It lies in a repository of another name.
        }
        if house.stopping.is_cancelled() {
            break;
        }
        if let Err(error) = house.repositories.tidy(&component.name).await {
            tracing::warn!(component = %component.name, %error, "a repository could not be packed");
        }
    }
    if swept.is_something() {
        crashpoint::reach("retention.record");
        record(house, now, &swept).await?;
    }
    Ok(swept)
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    now.checked_sub(age).unwrap_or(Timestamp::MIN)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServerError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ServerError::Internal(format!("a sweep ended: {error}")))
}

/// The folders of runs that are over.
async fn runs(house: &Arc<House>, now: Timestamp) -> Result<Removed, ServerError> {
    let mut removed = Removed::default();
    let folder = house.settings.data.join("runs");
    for path in entries(&folder) {
        if is_going(&path) {
            remove(&path, &mut removed);
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(run) = name.parse::<RunId>() else { continue };
        if !is_due(house, run, now).await? {
            continue;
        }
        // What it took from the kept folders goes back first.
        let workspaces = house.workspaces.clone();
        if let Err(error) = blocking(move || workspaces.return_caches(run)).await? {
            tracing::warn!(%run, %error, "the kept folders of a run could not be returned");
            continue;
        }
        house
            .executor
            .close(run)
            .await
            .map_err(|error| ServerError::Internal(error.to_string()))?;
        // Somebody may have asked for another attempt just now.
        if is_due(house, run, now).await? {
            go(&path, &mut removed);
            crashpoint::reach("retention.run-removed");
        }
    }
    Ok(removed)
}

/// Whether the folder of a run may go. Of a run that the facts do not know nothing is removed.
async fn is_due(house: &House, run: RunId, now: Timestamp) -> Result<bool, ServerError> {
    let row = engine::query::run(&*house.ledger, run).await?;
    Ok(row
        .filter(|row| row.state == State::Finished)
        .and_then(|row| row.finished_at.map(|ended_at| (ended_at, row.result)))
        .is_some_and(|(ended_at, result)| {
            let ended = EndedRun {
                run,
                ended_at,
                succeeded: result == Some(RunResult::Succeeded),
            };
            decide::may_go(now, &house.settings.keep, &ended)
        }))
}

fn sweep_caches(folder: &Path, now: Timestamp, keep: &decide::Keep) -> Removed {
    let mut removed = Removed::default();
    let (left, all): (Vec<_>, Vec<_>) = survey::caches(folder)
        .into_iter()
        .partition(|cache| is_going(&cache.path));
    for cache in left {
        remove(&cache.path, &mut removed);
    }
    for cache in decide::caches(now, keep, all) {
        go(&cache.path, &mut removed);
        crashpoint::reach("retention.cache-removed");
    }
    removed
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn is_going(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == GOING)
}

/// Takes a folder away in one step, and then apart.
fn go(path: &Path, removed: &mut Removed) {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(GOING);
    let going = PathBuf::from(name);
    // What an earlier sweep left under this name goes first.
    let _ = std::fs::remove_dir_all(&going);
    if let Err(error) = std::fs::rename(path, &going) {
        if error.kind() != std::io::ErrorKind::NotFound {
            tracing::warn!(path = %path.display(), %error, "a folder could not be removed");
        }
        return;
    }
    crashpoint::reach("retention.going");
    remove(&going, removed);
}

fn remove(path: &Path, removed: &mut Removed) {
    let bytes = survey::size(path);
    match std::fs::remove_dir_all(path) {
        Ok(()) => removed.add(bytes),
        Err(error) => tracing::warn!(path = %path.display(), %error, "a folder could not be removed"),
    }
}

async fn record(house: &House, now: Timestamp, swept: &Swept) -> Result<(), ServerError> {
    let fact = NewFact {
        stream: stream(),
        id: FactId::new(now, &*house.entropy),
        kind: SWEPT.to_owned(),
        kind_version: 1,
        occurred_at: now,
        actor: Actor::System,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: None,
        body: serde_json::json!(swept),
    };
    let ledger = house.duties.ledger(Duty::Retention);
    ledger.append(Append::unconditional(vec![fact])).await?;
    Ok(())
}

/// What is said in the place of a log that a sweep removed; nothing when none did.
pub(crate) async fn was_swept(house: &House, ended_at: Timestamp) -> Result<Option<String>, ServerError> {
    let mut after = 0;
    let mut rule = before(house.clock.now(), house.settings.keep.logs);
    loop {
        let facts = house.ledger.read_stream(&stream(), after, 1000).await?;
        let Some(last) = facts.last() else { break };
        after = last.stream_version;
        let told = facts.iter().filter_map(|fact| fact.body::<Swept>().ok());
        rule = told.map(|swept| swept.logs_before).fold(rule, Timestamp::max);
    }
    let days = house.settings.keep.logs.as_secs() / 86_400;
    Ok((ended_at < rule).then(|| {
        format!(
            "{} e throughline: this log was removed after {days} days, by the setting `keep-logs`; what happened stands in the facts\n",
            ended_at.as_millisecond()
        )
    }))
}
