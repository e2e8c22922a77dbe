//! Follows the ledger for the server's own duties: builds for new changes, packages onto the path when
//! builds end, shims closed and workspaces removed when runs are over.

use std::sync::Arc;
use std::time::Duration;

use build::rebuild::REBUILD;
use engine::query::RunRow;
use engine::{RunResult, State};
use facts::{Fact, Position, RunId};
use tokio::time::Instant;

use crate::changes::BUILD;
use crate::changes::kinds::{CHANGE_ARRIVED, REF_UPDATED};
use crate::duties::Duty;
use crate::error::ServerError;
use crate::hooks::kinds::WEBHOOK_RECEIVED;
use crate::house::House;

/// How many facts are read at a time.
const PAGE: usize = 500;
/// After how long what could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Takes up what was left, then follows. Where another server leads the runs, it takes in what that one does,
/// and takes over when that one has ended. Returns when the server stops.
pub async fn follow(house: Arc<House>) {
    let mut position = match house.ledger.head().await {
        Ok(head) => head,
        Err(error) => {
            tracing::error!(%error, "the ledger cannot be followed");
            return;
        }
    };
    let mut head = house.ledger.follow();
    let mut leads = house.engine.leads();
    let mut done = recover(&house).await;
    let mut due = Instant::now() + AGAIN;
    loop {
        head.borrow_and_update();
        let followed = catch_up(&house, &mut position).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the ledger could not be followed; it is tried again soon");
            false
        });
        let was_done = done;
        done &= followed;
        tokio::select! {
            changed = head.changed() => if changed.is_err() { return },
            () = house.overdue.added.notified() => done = false,
            () = tokio::time::sleep_until(due), if !done => done = again(&house).await,
            () = house.duties.led(Duty::Runs), if !leads => match house.take_over().await {
                Ok(()) => {
                    leads = true;
                    done = recover(&house).await;
                }
                Err(error) => {
                    tracing::error!(%error, "the runs could not be taken over; it is tried again soon");
                    tokio::time::sleep(AGAIN).await;
                }
            },
            () = house.stopping.cancelled() => return,
        }
        if was_done || due <= Instant::now() {
            due = Instant::now() + AGAIN;
        }
    }
}

/// Does what could not be done a while ago, such as when a disk was full. Whether nothing is left.
async fn again(house: &Arc<House>) -> bool {
    for name in house.overdue.take() {
        house.look(&name, facts::Actor::System).await;
    }
    house.overdue.is_empty() && built(house.builds.catch_up(0).await)
}

/// Whether every change has its build.
fn built(caught_up: Result<bool, ServerError>) -> bool {
    caught_up.unwrap_or_else(|error| {
        tracing::error!(%error, "changes without a build could not be looked for");
        false
    })
}

/// Does what was due when an earlier server ended. Whether nothing is left.
async fn recover(house: &Arc<House>) -> bool {
    let components = match house.register.all().await {
        Ok(components) => components,
        Err(error) => {
            tracing::error!(%error, "the components cannot be listed");
            return false;
        }
    };
    for component in components {
        // A push whose server died before it was recorded.
        house.look(&component.name, facts::Actor::System).await;
    }
    let all = built(house.builds.catch_up(0).await);
    if !house.engine.leads() {
        return all && house.overdue.is_empty();
    }
    if let Err(error) = house.builds.recover().await {
        tracing::error!(%error, "ended builds could not be looked for");
        return false;
    }
    if let Err(error) = house.rebuilds.recover().await {
        tracing::error!(%error, "ended rebuilds could not be looked for");
        return false;
    }
    if let Err(error) = tidy_those_that_ended(house).await {
        tracing::error!(%error, "what ended runs left could not be looked for");
        return false;
    }
    all && house.overdue.is_empty()
}

/// Takes in the facts that are new. Whether every change among them has its build.
async fn catch_up(house: &Arc<House>, position: &mut Position) -> Result<bool, ServerError> {
    let mut all = true;
    loop {
        let facts = house.ledger.read(*position, PAGE).await?;
        let Some(last) = facts.last() else { return Ok(all) };
        // What a webhook told of is fetched while the rest is done.
        if house.duties.leads(Duty::Sources) {
            for told in facts.iter().filter(|fact| fact.kind() == WEBHOOK_RECEIVED) {
                if let Ok(component) = told.stream().key().parse() {
                    house.remotes.look(component);
                }
            }
        }
        // Changes of one push are built in their order, in one go.
        let first_change = facts
            .iter()
            .find(|fact| fact.kind() == CHANGE_ARRIVED)
            .map(|fact| fact.seq);
        if let Some(first) = first_change {
            all &= house.builds.catch_up(first - 1).await?;
        }
        // What came to one repository may be what a change of another waits for.
        if facts.iter().any(|fact| fact.kind() == REF_UPDATED) {
            house.builds.consider_held().await?;
        }
        for fact in &facts {
            if house.settings.database.is_some() {
                house.take_in(fact).await?;
                house.engine.hear(fact).await?;
            }
            if fact.kind() == engine::kinds::FINISHED {
                match house.engine.leads() {
                    true => ended(house, fact).await?,
                    false => house.builds.consider_held().await?,
                }
            }
        }
        *position = last.seq;
    }
}

/// A run is over.
async fn ended(house: &Arc<House>, fact: &Fact) -> Result<(), ServerError> {
    let Ok(run) = fact.stream().key().parse::<RunId>() else {
        return Ok(());
    };
    let Some(row) = engine::query::run(&*house.ledger, run).await? else {
        return Ok(());
    };
    match row.kind.as_str() {
        BUILD => house.builds.ended(run).await?,
        REBUILD => house.rebuilds.ended(&row).await?,
        _ => {}
    }
    crashpoint::reach("server.run-ended");
    tidy(house, &row).await;
    Ok(())
}

/// Ends what stands by for a run that is over, and removes or returns what is not needed any more.
async fn tidy(house: &Arc<House>, row: &RunRow) {
    let run = row.id;
    if let Err(error) = house.executor.close(run).await {
        tracing::warn!(%run, %error, "the shim of a run that is over could not be closed");
    }
    // The files of a run that did not succeed stay, for another attempt and for whoever wants to look;
    // the folders kept from run to run go back in either case.
    let succeeded = row.result == Some(RunResult::Succeeded);
    let workspaces = house.workspaces.clone();
    let tidied = tokio::task::spawn_blocking(move || {
        if succeeded {
            workspaces.remove(run)
        } else {
            workspaces.return_caches(run)
        }
    });
    if let Ok(Err(error)) = tidied.await {
        tracing::warn!(%run, %error, "the files of a run that is over could not be tidied");
    }
}

/// Tidies the runs that ended right before an earlier server did.
async fn tidy_those_that_ended(house: &Arc<House>) -> Result<(), ServerError> {
    let standing_by = house.executor.standing_by().await;
    for run in standing_by.map_err(|error| ServerError::Internal(error.to_string()))? {
        if let Some(row) = engine::query::run(&*house.ledger, run).await?
            && row.state == State::Finished
        {
            tidy(house, &row).await;
        }
    }
    Ok(())
}
