//! Services in containers: started like the container of a step, so that they outlive the shim, and looked
//! at from outside. What they say is kept by the engine until they end.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use process::mask::Secrets;
use tokio::sync::watch;

use super::noted::{self, NotedContainer};
use super::{GRACE, LOG_BUDGET, Service, State};
use crate::container::Container;
use crate::container::command::{self, Beside};
use crate::container::life::{self, Known, Starter};
use crate::log_writer::LogWriter;
use crate::logs;
use crate::shim::Shim;
use crate::wire::JobMessage;

/// Starts the command that starts the container of a service.
pub(super) fn spawn(
    shim: &Shim,
    job: &JobMessage,
    (service, container): (&Service, &Container),
    noted: &NotedContainer,
    port: u16,
    addresses: &BTreeMap<String, String>,
) -> Result<Starter, String> {
    let attempt_folder = shim.folder.join(job.attempt.folder());
    let inner = service.port.unwrap_or(port);
    let mut variables = addresses.clone();
    variables.extend(service.variables.clone());
    variables.insert("PORT".into(), inner.to_string());
    let arguments = command::beside(&Beside {
        engine: &noted.engine,
        name: &noted.name,
        home: &shim.home(),
        run: shim.run,
        container,
        ports: (port, inner),
        variables: &variables,
        shell: &service.shell,
        script: service.script.as_deref(),
        watcher: &noted::watcher(&attempt_folder, &service.name),
    });
    let note = noted::starter(&attempt_folder, &service.name);
    Starter::spawn(shim, &noted.engine, &arguments, &note, job.nice)
}

/// Sees the container of a service to its end. Without a starter it was started by an earlier shim.
pub(super) async fn watch(shim: Arc<Shim>, known: Known, starter: Option<Starter>, state: watch::Sender<State>) {
    let _listening = shim.contain(&known, starter.as_ref().map(|starter| starter.identity));
    if let Some(mut starter) = starter {
        if !starter.ended().await {
            let complaint = starter.complaint("the container never started");
            state.send_replace(State::Ended(complaint));
            return;
        }
    } else if let Some(how) = ended(&shim, &known).await {
        // It did while nobody listened; who waits for it would hear of that too late.
        state.send_replace(State::Ended(how));
        return;
    }
    state.send_replace(State::Running);
    life::over(shim.clone(), known.clone()).await;
    let how = ended(&shim, &known).await;
    let how = how.unwrap_or_else(|| "nobody watches its container any more".to_owned());
    state.send_replace(State::Ended(how));
}

/// How the container ended; nothing while it runs.
async fn ended(shim: &Shim, known: &Known) -> Option<String> {
    match life::state(shim, &known.engine, &known.name).await {
        Ok(Some(found)) if found.status == "running" => None,
        Ok(Some(found)) if found.out_of_memory => Some("it used more memory than it may".to_owned()),
        Ok(Some(found)) => Some(process::Ending::Code(found.code).to_string()),
        Ok(None) => Some("somebody removed its container".to_owned()),
        Err(why) => Some(format!("the engine does not say how: {why}")),
    }
}

/// Copies what the container has said into the service's log, masked.
pub(super) async fn collect(shim: &Shim, known: &Known, log: &Path, masked: &Secrets) {
    let raw = log.with_extension("raw");
    let open = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .clone()
    };
    if open().open(&raw).is_err() {
        return;
    }
    let said = shim
        .ask(known.engine.spec_into(&raw, ["logs", known.name.as_str()]))
        .await;
    let bytes = std::fs::read(&raw).unwrap_or_default();
    let _ = std::fs::remove_file(&raw);
    let Ok(file) = open().open(log) else { return };
    let mut log = LogWriter::new(file, LOG_BUDGET, masked);
    log.take(logs::Channel::Output, &bytes);
    if let Err(why) = said {
        log.note(&format!("the engine does not give all that it said: {why}"));
    }
    let _ = log.finish(false);
}

/// Ends the container, asked first, and removes it.
pub(super) async fn stop(shim: &Shim, known: &Known) {
    let patience = format!("--time={}", GRACE.as_secs());
    // One that does not run, or is not there, complains, and is removed all the same.
    let _ = shim.ask(known.engine.spec(["stop", &patience, &known.name])).await;
    if let Err(why) = life::remove(shim, &known.engine, &known.name).await {
        eprintln!(
            "throughline shim: the container {} cannot be removed: {why}",
            known.name
        );
    }
}
