//! Whether a step whose needs are all finished begins: its condition `when`, in CEL.
//!
//! A condition sees `needs.STEP.result`, `needs.STEP.outputs` and of the run `kind`, `component`,
//! `commit`, `line`, `environment` and `trust`. Without a condition a step begins when each of its
//! needs succeeded. Of a step with a matrix it sees all instances, of one with a module all that the module gives, and
//! as result the worst of theirs. What a step of a module needs outside of it is a matter of the step that uses the
//! module.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use pipeline::within::{Part, Seen};
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

/// Looks at the conditions of the step at `place`, whose needs are all finished: those of the steps that use the
/// modules it comes from, the outermost first, and its own.
pub(super) fn holds(state: &RunState, place: usize) -> Holds {
    for (depth, when) in state.planned(place).conditions().enumerate() {
        match one(state, place, depth, when) {
            Holds::Yes => {}
            other => return other,
        }
    }
    Holds::Yes
}

/// The needs that one of a step's conditions sees, with what they are called there.
fn seen(state: &RunState, place: usize, depth: usize) -> impl Iterator<Item = (usize, Seen<'_>)> {
    let step = state.planned(place);
    let needs = state.needs[place].iter();
    let seen = needs.map(move |need| (*need, step.sees(state.planned(*need))));
    seen.filter(move |(_, seen)| seen.depth == depth)
}

/// A need that did not succeed. Of a module, what was skipped by a condition does not count, as long as anything of
/// it was not.
fn lacking(state: &RunState, place: usize, depth: usize) -> Option<usize> {
    let finished = |need: usize| state.steps[need].phase.finished();
    let mut skipped: Vec<(usize, &str)> = Vec::new();
    let mut worked: BTreeSet<&str> = BTreeSet::new();
    for (need, seen) in seen(state, place, depth) {
        match (finished(need), seen.part) {
            (Some(RunResult::Succeeded), Part::OfModule) => _ = worked.insert(seen.instance),
            (Some(RunResult::Succeeded), _) => {}
            (Some(RunResult::Skipped), Part::OfModule) => skipped.push((need, seen.instance)),
            _ => return Some(need),
        }
    }
    let alone = skipped.into_iter().find(|(_, of)| !worked.contains(of));
    alone.map(|(need, _)| need)
}

/// Looks at one of them.
fn one(state: &RunState, place: usize, depth: usize, when: Option<&str>) -> Holds {
    let Some(when) = when else {
        return match lacking(state, place, depth) {
            None => Holds::Yes,
            Some(_) if mutation::is(Mutation::IgnoreFailedNeeds) => Holds::Yes,
            Some(need) => Holds::No(format!("`{}` did not succeed", state.name(need))),
        };
    };
    let evaluated = COMPILED
        .get(when)
        .map_err(|error| error.to_string())
        .and_then(|condition| {
            condition
                .evaluate(&variables(state, place, depth))
                .map_err(|error| error.to_string())
        });
    match evaluated {
        Ok(true) => Holds::Yes,
        Ok(false) => Holds::No(format!("its condition does not hold: {when}")),
        Err(error) => Holds::Broken(format!("the condition `{when}` cannot be evaluated: {error}")),
    }
}

/// What is needed of a step with a matrix or a module.
#[derive(Default)]
struct Parts<'a> {
    /// The results of each instance: one, or of a module those of its steps.
    results: BTreeMap<&'a str, (bool, Vec<RunResult>)>,
    /// What conditions see of each.
    values: Vec<Value>,
}

fn variables(state: &RunState, place: usize, depth: usize) -> Value {
    let mut needs: Map<String, Value> = Map::new();
    let mut parts: BTreeMap<&str, Parts<'_>> = BTreeMap::new();
    for (need, seen) in seen(state, place, depth) {
        let step = &state.steps[need];
        let result = step.phase.finished().unwrap_or(RunResult::Unknown);
        if seen.part == Part::Whole {
            let value = json!({"result": result, "outputs": step.outputs, "instances": []});
            needs.insert(seen.name.to_owned(), value);
            continue;
        }
        let planned = state.planned(need);
        let parts = parts.entry(seen.name).or_default();
        let of_module = seen.part == Part::OfModule;
        let (_, results) = parts.results.entry(seen.instance).or_insert((of_module, Vec::new()));
        results.push(result);
        parts.values.push(json!({
            "name": planned.name, "result": result, "outputs": step.outputs, "matrix": planned.values_from(depth),
        }));
    }
    for (of, Parts { results, values }) in parts {
        let results = results.into_values().map(|(of_module, results)| match of_module {
            true => worst_of_module(results.into_iter()),
            false => worst(results.into_iter()),
        });
        let value = json!({"result": worst(results), "outputs": {}, "instances": values});
        needs.insert(of.to_owned(), value);
    }
    let planned = state.planned(place);
    let values = planned.matrix_at(depth);
    let request = &state.request;
    json!({
        "needs": needs,
        "matrix": values.map_or_else(|| json!({}), |values| json!(values)),
        "inputs": planned.inputs_at(depth).map_or_else(|| json!({}), |inputs| json!(inputs)),
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

/// What all steps of a module came to together: the worst of what was not skipped.
fn worst_of_module(results: impl Iterator<Item = RunResult>) -> RunResult {
    let mut done = results.filter(|result| *result != RunResult::Skipped).peekable();
    if done.peek().is_none() {
        return RunResult::Skipped;
    }
    worst(done)
}
