//! Ready steps begin: the claims that stand in the ledger before anything is done.

use super::{Action, Deciding};
use crate::groups::turn_claim;
use crate::kinds::{AttemptStarted, GroupEntered, RunFact, Started};
use crate::mutation::{self, Mutation};
use crate::state::Impossible;

/// What may begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// The turn of its group that the whole run enters with.
    pub turn: Option<u64>,
    /// The places of the steps, each with the turn of its group that it enters with.
    pub steps: Vec<(usize, Option<u64>)>,
}

/// Begins attempts in the order of the plan.
pub(super) fn claim(deciding: &mut Deciding<'_>, claim: &Claim) -> Result<(), Impossible> {
    if let (Some(turn), Some(concurrency)) = (claim.turn, deciding.state.concurrency()) {
        let group = concurrency.group.clone();
        enter(deciding, group, turn, None)?;
    }
    if !claim.steps.is_empty() && !deciding.state.started {
        let cause = deciding.state.last_fact;
        deciding.emit(RunFact::Started(Started {}), cause)?;
    }
    for (place, turn) in &claim.steps {
        let place = *place;
        if let (Some(turn), Some(concurrency)) = (turn, deciding.state.concurrency_of(place)) {
            let group = concurrency.group.clone();
            enter(deciding, group, *turn, Some(place))?;
        }
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

/// A step, or the whole run, enters its group.
fn enter(deciding: &mut Deciding<'_>, group: String, turn: u64, place: Option<usize>) -> Result<(), Impossible> {
    let claim = turn_claim(&deciding.state.group_key(&group, place.is_some()), turn);
    let claim = (!mutation::is(Mutation::ClaimNoTurn)).then_some(claim);
    let cause = place.map_or(deciding.state.last_fact, |place| deciding.cause(place));
    let step = place.map(|place| deciding.state.name(place).clone());
    deciding.emit_claiming(RunFact::GroupEntered(GroupEntered { group, turn, step }), cause, claim)?;
    Ok(())
}
