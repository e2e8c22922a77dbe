//! The check of all facts, begun by a person and watched while it goes on.

use std::sync::Arc;
use std::time::Duration;

use access::{Action, Resource};
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use axum::response::sse::Event;
use facts::Timestamp;
use maud::Markup;
use pages::links;
use pages::model::{Verification, VerifyPage};
use tokio::sync::{mpsc, watch};

use super::Memory;
use super::forms::Sent;
use super::live::{Messages, stream};
use super::visit::Visit;
use crate::house::House;
use crate::problem::Problem;

/// How often a page is told that the check has come further, at most.
const TICK: Duration = Duration::from_millis(200);

/// The last check since the server started.
pub(super) struct Watched(watch::Sender<Verification>);

impl Default for Watched {
    fn default() -> Self {
        Self(watch::Sender::new(Verification::Never))
    }
}

impl Watched {
    /// How it stands.
    pub fn look(&self) -> Verification {
        self.0.borrow().clone()
    }

    /// Whether it began here; not when one is under way.
    fn begin(&self, of: u64, since: Timestamp) -> bool {
        self.0.send_if_modified(|verification| {
            let idle = !matches!(verification, Verification::Running { .. });
            if idle {
                *verification = Verification::Running { checked: 0, of, since };
            }
            idle
        })
    }
}

/// The page.
pub(super) async fn show(
    State(_house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
) -> Result<Markup, Problem> {
    visit.caller.may(Action::ReadLedger, &Resource::Server)?;
    let page = VerifyPage {
        verification: memory.verification.look(),
    };
    Ok(pages::ledger::verify(&visit.frame, &page))
}

/// Begins a check, or shows the one that is under way.
pub(super) async fn begin(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    sent: Sent,
) -> Result<Redirect, Problem> {
    sent.caller().may(Action::ReadLedger, &Resource::Server)?;
    let (since, of) = (house.clock.now(), house.ledger.head().await?);
    if memory.verification.begin(of, since) {
        tokio::spawn(async move {
            let watched = &memory.verification;
            let progress = |checked| {
                watched.0.send_replace(Verification::Running {
                    checked,
                    of: of.max(checked),
                    since,
                });
            };
            let verified = house.ledger.verify(None, &progress).await;
            let at = house.clock.now();
            watched.0.send_replace(match verified {
                Err(error) => Verification::Failed {
                    problem: error.to_string(),
                    at,
                },
                Ok(verification) => match verification.fault {
                    Some(fault) => Verification::Broken {
                        first_bad: fault.seq,
                        problem: fault.problem.to_string(),
                        at,
                    },
                    None => Verification::Whole {
                        facts: verification.checkpoint.position,
                        hash: verification.checkpoint.hash,
                        at,
                        took: pages::time::between(since, at),
                    },
                },
            });
        });
    }
    Ok(Redirect::to(links::VERIFY))
}

/// A message whenever the check has come further.
pub(super) async fn live(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
) -> Result<Messages, Problem> {
    visit.caller.may(Action::ReadLedger, &Resource::Server)?;
    let (messages, reader) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut watched = memory.verification.0.subscribe();
        // The page may be older than this connection.
        watched.mark_changed();
        loop {
            tokio::select! {
                changed = watched.changed() => if changed.is_err() { return },
                () = messages.closed() => return,
                () = house.stopping.cancelled() => return,
            }
            if messages.send(Ok(Event::default().data("further"))).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = messages.closed() => return,
                () = house.stopping.cancelled() => return,
            }
        }
    });
    Ok(stream(reader))
}
