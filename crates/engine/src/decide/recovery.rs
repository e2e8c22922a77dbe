//! After a restart: open attempts are resumed, not begun again.
//!
//! Everything else is derived from the facts in the usual way: pauses and time limits have their
//! deadlines, ready steps are looked at, effects in doubt are observed. There is no second path.

use super::{Action, Deciding};
use crate::mutation::{self, Mutation};
use crate::state::Phase;

/// Asks for each open attempt what became of it.
pub(super) fn recover(deciding: &mut Deciding<'_>) {
    for place in 0..deciding.state.steps.len() {
        if !matches!(deciding.state.steps[place].phase, Phase::Running { .. }) {
            continue;
        }
        let attempt = deciding.attempt(place);
        deciding.act(match mutation::is(Mutation::PerformInsteadOfResume) {
            false => Action::Resume(attempt.clone()),
            true => Action::Perform(attempt.clone()),
        });
        let ends = deciding.state.cancelling || deciding.state.steps[place].superseded;
        if ends && !mutation::is(Mutation::ForgetToStopAgain) {
            deciding.act(Action::Stop(attempt));
        }
    }
}
