//! Whether a step whose needs are all finished begins: its condition `when`, in CEL.
//!
//! A condition sees `needs.STEP.result`, `needs.STEP.outputs` and of the run `kind`, `component`,
//! `commit`, `line`, `environment` and `trust`. Without a condition a step begins when each of its
//! needs succeeded.

use std::sync::LazyLock;

use policy::ConditionCache;
use serde_json::{Map, Value, json};

use crate::mutation::{self, Mutation};
use crate::result::RunResult;
use crate::state::RunState;

/// Conditions compiled before; the same text compiles to the same condition.
static COMPILED: LazyLock<ConditionCache> = LazyLock::new(ConditionCache::new);

/// Whether a step begins.
pub(super) enum Holds {
    /// It does.
    Yes,
    /// It does not, and why.
    No(String),
    /// The condition says neither, and why.
    Broken(String),
}

/// Looks at the condition of the step at `place`, whose needs are all finished.
pub(super) fn holds(state: &RunState, place: usize) -> Holds {
    let step = state.planned(place);
    let Some(when) = &step.when else {
        let lacking = state.needs[place]
            .iter()
            .find(|need| state.steps[**need].phase.finished() != Some(RunResult::Succeeded));
        return match lacking {
            None => Holds::Yes,
            Some(_) if mutation::is(Mutation::IgnoreFailedNeeds) => Holds::Yes,
            Some(need) => Holds::No(format!("`{}` did not succeed", state.name(*need))),
        };
    };
    let evaluated = COMPILED
        .get(when)
        .map_err(|error| error.to_string())
        .and_then(|condition| {
            condition
                .evaluate(&variables(state, place))
                .map_err(|error| error.to_string())
        });
    match evaluated {
        Ok(true) => Holds::Yes,
        Ok(false) => Holds::No(format!("its condition does not hold: {when}")),
        Err(error) => Holds::Broken(format!("the condition `{when}` cannot be evaluated: {error}")),
    }
}

fn variables(state: &RunState, place: usize) -> Value {
    let needs: Map<String, Value> = state.needs[place]
        .iter()
        .map(|need| {
            let step = &state.steps[*need];
            let result = step.phase.finished().unwrap_or(RunResult::Unknown);
            (
                state.name(*need).to_string(),
                json!({"result": result, "outputs": step.outputs}),
            )
        })
        .collect();
    let request = &state.request;
    json!({
        "needs": needs,
        "run": {
            "kind": request.kind,
            "component": request.component_name,
            "commit": request.commit,
            "line": request.line,
            "environment": request.environment,
            "trust": request.trust,
        },
    })
}
