//! Whether a step whose needs are all finished begins: its condition `when`, in CEL.
//!
//! A condition sees `needs.STEP.result`, `needs.STEP.outputs` and of the run `kind`, `component`,
//! `commit`, `line`, `environment` and `trust`. Without a condition a step begins when each of its
//! needs succeeded. Of a step with a matrix it sees all instances, and as result the worst of theirs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use pipeline::plan::Instance;
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
    let mut needs: Map<String, Value> = Map::new();
    let mut instances: BTreeMap<&str, Vec<(RunResult, Value)>> = BTreeMap::new();
    for need in &state.needs[place] {
        let step = &state.steps[*need];
        let result = step.phase.finished().unwrap_or(RunResult::Unknown);
        let planned = state.planned(*need);
        match &planned.instance {
            None => {
                let value = json!({"result": result, "outputs": step.outputs, "instances": []});
                needs.insert(planned.name.to_string(), value);
            }
            Some(Instance { of, values }) => {
                let value = json!({
                    "name": planned.name, "result": result, "matrix": values, "outputs": step.outputs,
                });
                instances.entry(of.as_str()).or_default().push((result, value));
            }
        }
    }
    for (of, instances) in instances {
        let result = worst(instances.iter().map(|(result, _)| *result));
        let instances: Vec<Value> = instances.into_iter().map(|(_, value)| value).collect();
        let value = json!({"result": result, "outputs": {}, "instances": instances});
        needs.insert(of.to_owned(), value);
    }
    let values = state.planned(place).instance.as_ref().map(|instance| &instance.values);
    let request = &state.request;
    json!({
        "needs": needs,
        "matrix": values.map_or_else(|| json!({}), |values| json!(values)),
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

/// What all instances of a step came to together: the worst of their results.
fn worst(results: impl Iterator<Item = RunResult>) -> RunResult {
    let badness = |result: &RunResult| match result {
        RunResult::Succeeded => 0,
        RunResult::Skipped => 1,
        RunResult::Cancelled => 2,
        RunResult::Unknown => 3,
        RunResult::TimedOut => 4,
        RunResult::Failed => 5,
    };
    results.max_by_key(badness).unwrap_or(RunResult::Unknown)
}
