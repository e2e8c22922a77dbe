//! Services that are processes: each under a keeper of its own, so it ends when its shim does, however that
//! ends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::{GRACE, Service, State};
use crate::hold::{Event, Hold};
use crate::limits::Limits;
use crate::log_writer::LogWriter;
use crate::shim::Shim;
use crate::wire::{JobMessage, Order, Report, milliseconds};

/// What a keeper is told to start for a service.
pub(super) fn order(
    job: &JobMessage,
    service: &Service,
    port: u16,
    addresses: &BTreeMap<String, String>,
) -> Result<Order, String> {
    let script = service.script.as_deref().ok_or("it has no commands")?;
    script_order(job, service, script, port, addresses)
}

fn script_order(
    job: &JobMessage,
    service: &Service,
    script: &str,
    port: u16,
    addresses: &BTreeMap<String, String>,
) -> Result<Order, String> {
    let mut shell = service.shell.iter().cloned();
    let program = shell.next().ok_or("no shell was named")?;
    let mut variables = addresses.clone();
    variables.extend(service.variables.clone());
    variables.insert("PORT".into(), port.to_string());
    variables
        .entry("PATH".into())
        .or_insert_with(|| crate::attempt::PATH.into());
    Ok(Order::Spawn {
        program,
        arguments: shell.chain([script.to_owned()]).collect(),
        folder: PathBuf::from(&service.folder),
        variables,
        nice: job.nice,
        limits: Box::new(Limits::default()),
        run: job.run,
        attempt: job.attempt.clone(),
        secrets: Vec::new(),
        tell: true,
    })
}

/// Listens to a service until its end; the keeper comes back if it can be used again.
pub(super) async fn keep(
    shim: Arc<Shim>,
    mut hold: Hold,
    order: Order,
    mut log: LogWriter,
    mut stopped: watch::Receiver<bool>,
    state: watch::Sender<State>,
) -> Option<Hold> {
    if hold.order(&order).await.is_err() {
        state.send_replace(State::Ended("its keeper was gone".into()));
        return None;
    }
    let mut asked = false;
    let (how, clean, lost) = loop {
        tokio::select! {
            event = hold.event() => match event {
                Event::Said(channel, bytes) => log.take(channel, bytes),
                Event::Report(Report::Started) => drop(state.send_replace(State::Running)),
                Event::Report(Report::CouldNotStart { reason }) => break (reason, true, false),
                Event::Report(Report::Ended { ending, clean, .. }) => break (ending.to_string(), clean, false),
                Event::Gone => break ("its keeper was killed".to_owned(), false, true),
            },
            () = async { drop(stopped.wait_for(|stopped| *stopped).await) }, if !asked => {
                asked = true;
                let _ = hold.order(&Order::Stop { grace_ms: milliseconds(GRACE) }).await;
            }
        }
    };
    hold.drain(|channel, bytes| log.take(channel, bytes));
    let _ = log.finish(false);
    state.send_replace(State::Ended(how));
    if lost {
        shim.kill_strays_of(hold).await;
        return None;
    }
    clean.then_some(hold)
}

/// Whether the commands succeed that say that a service is ready.
pub(super) async fn asks(
    shim: &Arc<Shim>,
    job: &JobMessage,
    service: &Service,
    script: &str,
    port: u16,
    addresses: &BTreeMap<String, String>,
) -> bool {
    let Ok(order) = script_order(job, service, script, port, addresses) else {
        return false;
    };
    let Ok(mut hold) = shim.keeper() else { return false };
    if hold.order(&order).await.is_err() {
        return false;
    }
    loop {
        match hold.event().await {
            Event::Said(..) | Event::Report(Report::Started) => {}
            Event::Report(Report::Ended { ending, clean, .. }) => {
                if clean {
                    shim.give_back(hold);
                }
                return ending.is_success();
            }
            Event::Report(Report::CouldNotStart { .. }) => return false,
            Event::Gone => {
                shim.kill_strays_of(hold).await;
                return false;
            }
        }
    }
}
