//! Deadlines: an attempt that takes too long is told to stop, a pause that is over ends.
//!
//! Deadlines are not facts of their own: each follows from when the attempt began or from the time
//! that the fact about the pause names, so after a restart they are all there again.

use super::{Action, Deciding};
use crate::mutation::{self, Mutation};
use crate::state::Phase;

/// Looks at every deadline that has passed.
pub(super) fn timer(deciding: &mut Deciding<'_>) {
    while let Some((at, place)) = deciding.state.deadlines.first().copied() {
        let pause = matches!(deciding.state.steps[place].phase, Phase::Backoff { .. });
        if at > deciding.now() && !(pause && mutation::is(Mutation::NoPause)) {
            break;
        }
        match deciding.state.steps[place].phase {
            Phase::Running { since, .. } => {
                deciding.state.enter(place, Phase::Running { since, overdue: true });
                let attempt = deciding.attempt(place);
                deciding.act(Action::Stop(attempt));
            }
            Phase::Backoff { .. } if deciding.state.steps[place].doubt => {
                deciding.state.enter(place, Phase::Looking);
                let attempt = deciding.attempt(place);
                deciding.act(Action::Observe(attempt));
            }
            Phase::Backoff { .. } => deciding.state.enter(place, Phase::Ready),
            // No other phase has a deadline.
            _ => {
                deciding.state.deadlines.remove(&(at, place));
            }
        }
    }
}
