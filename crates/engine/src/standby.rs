//! What an engine does that drives nothing, because another server's does: it records what people wish for.
//!
//! The wish is decided as the one who drives would decide it, and appended under the same condition. What is
//! to be done about it follows from the facts, and is done by the one who drives, who hears of them.

use facts::RunId;
use ledger::{AppendError, LedgerError};

use crate::decide::Input;
use crate::driver;
use crate::engine::{Inner, WishError};
use crate::groups::{CalledOff, Holding, Wanted};
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
