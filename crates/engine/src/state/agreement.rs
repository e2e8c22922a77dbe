//! Whether two states of a run say the same.

use super::{Phase, RunState, Step};

impl RunState {
    /// Whether both say the same about what facts say; what can be derived again may differ.
    pub fn agrees_with(&self, other: &Self) -> bool {
        // Ready and looking follow from waiting or from a pause that is over.
        let follows = |phase: Phase| matches!(phase, Phase::Ready | Phase::Looking);
        let before = |phase: Phase| follows(phase) || matches!(phase, Phase::Waiting | Phase::Backoff { .. });
        let same_phase = |a: Phase, b: Phase| match (a, b) {
            (Phase::Running { since: a, .. }, Phase::Running { since: b, .. }) => a == b,
            (a, b) => a == b || ((follows(a) || follows(b)) && before(a) && before(b)),
        };
        let rest = |step: &Step| Step {
            phase: Phase::Waiting,
            ..step.clone()
        };
        let same = |a: &Step, b: &Step| same_phase(a.phase, b.phase) && rest(a) == rest(b);
        self.version == other.version
            && self.request == other.request
            && (
                self.started,
                self.cancelling,
                self.round,
                self.result,
                self.unfinished,
                self.placed,
                self.run_turn,
                &self.superseded,
            ) == (
                other.started,
                other.cancelling,
                other.round,
                other.result,
                other.unfinished,
                other.placed,
                other.run_turn,
                &other.superseded,
            )
            && self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(|(a, b)| same(a, b))
    }
}
