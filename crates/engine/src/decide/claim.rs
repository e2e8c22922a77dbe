//! Ready steps begin: the claim that stands in the ledger before anything is done.

use super::{Action, Deciding};
use crate::kinds::{AttemptStarted, RunFact, Started};
use crate::state::Impossible;

/// How many steps may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// How many of those that take a place.
    pub places: usize,
    /// How many that take no place.
    pub free: usize,
}

/// Begins attempts in the order of the plan.
pub(super) fn claim(deciding: &mut Deciding<'_>, claim: Claim) -> Result<(), Impossible> {
    let state = &deciding.state;
    let mut places: Vec<usize> = state.ready.iter().take(claim.places).copied().collect();
    places.extend(state.ready_free.iter().take(claim.free));
    if places.is_empty() {
        return Ok(());
    }
    if !state.started {
        let cause = state.last_fact;
        deciding.emit(RunFact::Started(Started {}), cause)?;
    }
    for place in places {
        let step = deciding.state.name(place).clone();
        let number = deciding.state.steps[place].attempt + 1;
        // What made it ready: the end of the need that came last, as far as it is known.
        let cause = deciding.state.needs[place]
            .iter()
            .filter_map(|need| deciding.state.steps[*need].last_fact)
            .chain(deciding.state.steps[place].last_fact)
            .max()
            .unwrap_or(deciding.state.last_fact);
        deciding.emit(RunFact::AttemptStarted(AttemptStarted { step, attempt: number }), cause)?;
        let attempt = deciding.attempt(place);
        deciding.act(Action::Perform(attempt));
    }
    Ok(())
}
