//! What an engine does that drives nothing, because another server's does: it records what people wish for.
//!
//! The wish is decided as the one who drives would decide it, and appended under the same condition. What is
//! to be done about it follows from the facts, and is done by the one who drives, who hears of them. What a run
//! waits for is read from the facts too.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use facts::RunId;
use ledger::{AppendError, LedgerError};

use crate::decide::Input;
use crate::driver;
use crate::engine::{Inner, WishError};
use crate::groups::{CalledOff, Holding, Waiting, Wanted};
use crate::open_run::{OpenRun, Places, Turn};
use crate::places::Load;

/// Records what comes of a wish, and begins nothing.
pub(crate) async fn wish(inner: &Inner, run: RunId, input: Input) -> Result<(), WishError> {
    let halted = |why: &dyn std::fmt::Display| WishError::Halted {
        run,
        why: why.to_string(),
    };
    loop {
        let (state, read_at) = driver::read_run(inner, run).await?;
        let mut open = OpenRun::new(state, read_at, inner.epoch).without_beginning();
        open.push(input.clone(), Some(()));
        let turn = open.turn(inner.clock.now(), &mut NoPlaces);
        let done = match turn.map_err(|error| halted(&error))? {
            Turn::Idle => return Ok(()),
            Turn::Act(done) => done,
            Turn::Append(append) => match inner.ledger.append(append).await {
                Ok(appended) => open.committed(appended.last),
                // The one who drives was faster: what there is now is decided on.
                Err(AppendError::Conflict { .. } | AppendError::Reused { .. }) => continue,
                Err(AppendError::Full) => return Err(WishError::Ledger(LedgerError::Full)),
                Err(AppendError::Store(text)) => return Err(WishError::Ledger(LedgerError::Store(text))),
                Err(refused) => return Err(halted(&refused)),
            },
        };
        let said = done.answers.into_iter().next();
        return said.map_or(Ok(()), |(_, said)| said.map_err(WishError::Refused));
    }
}

/// What the steps of a run, or the run itself, wait for because something else is in their group, as far as the
/// ledger says it.
pub(crate) async fn waiting(inner: &Inner, run: RunId) -> Result<Vec<Waiting>, WishError> {
    let (state, read_at) = driver::read_run(inner, run).await?;
    let mut open = OpenRun::<()>::new(state, read_at, inner.epoch).without_beginning();
    // What is ready is not said by any fact: it follows from them.
    open.push(Input::Look, None);
    let _ = open
        .turn(inner.clock.now(), &mut NoPlaces)
        .map_err(|error| WishError::Halted {
            run,
            why: error.to_string(),
        })?;
    let (mut holders, mut all) = (BTreeMap::new(), Vec::new());
    for wanted in open.state().wanted() {
        let holder = match holders.entry(wanted.key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let holder = driver::holder(inner, unknown.key(), run).await?;
                unknown.insert(holder)
            }
        };
        all.extend(holder.as_ref().map(|holder| Waiting {
            step: wanted.member.step,
            group: wanted.name,
            run: holder.run,
            by: holder.step.clone(),
        }));
    }
    Ok(all)
}

/// No places at all: nothing may begin here.
struct NoPlaces;

impl Places for NoPlaces {
    fn machine(&self) -> Load {
        Load::default()
    }

    fn settle(&mut self, _: Load, _: &[Load]) -> usize {
        0
    }

    fn hold(&mut self, _: &Holding<'_>) {}

    fn enter(&mut self, wanted: &[Wanted]) -> Vec<Option<u64>> {
        vec![None; wanted.len()]
    }

    fn called_off(&mut self) -> Vec<CalledOff> {
        Vec::new()
    }
}
