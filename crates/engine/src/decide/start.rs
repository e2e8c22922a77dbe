//! A new run: the facts that begin it.

use facts::{NewFact, Timestamp};

use pipeline::PlannedStep;

use super::{Situation, fact_id};
use crate::kinds::{Planned, Requested, RunFact, VERSION, claim_of, stream_of};
use crate::request::RunRequest;

/// About how many bytes of plan one fact holds.
const PART_BYTES: usize = 128 * 1024;

/// The facts that begin a run: who asked for what, and the plan in parts. The first claims the key.
pub fn request_facts(request: &RunRequest, situation: Situation) -> Vec<NewFact> {
    let none = Vec::new();
    let (steps, broken) = match &request.plan {
        Ok(plan) => (&plan.steps, None),
        Err(broken) => (&none, Some(broken.clone())),
    };
    let requested = RunFact::Requested(Requested {
        kind: request.kind.clone(),
        key: request.key.clone(),
        component: request.component,
        component_name: request.component_name.clone(),
        commit: request.commit.clone(),
        line: request.line.clone(),
        environment: request.environment.clone(),
        definition: request.definition,
        trust: request.trust,
        context: request.context.clone(),
        steps: steps.len() as u64,
        broken,
        concurrency: request
            .plan
            .as_ref()
            .ok()
            .and_then(|plan| plan.concurrency.clone().map(Box::new)),
    });
    let stream = stream_of(request.run);
    let mut facts: Vec<NewFact> = Vec::new();
    let mut add = |fact: RunFact, at: Timestamp| {
        let cause = facts.first().map_or(request.cause, |first| Some(first.id));
        facts.push(NewFact {
            id: fact_id(situation, &stream, facts.len() as u64 + 1),
            kind: fact.kind().to_owned(),
            kind_version: VERSION,
            occurred_at: at,
            actor: request.actor,
            on_behalf_of: None,
            trust: request.trust,
            cause,
            correlation: Some(request.run.to_string()),
            external_key: facts.is_empty().then(|| claim_of(&request.key)),
            body: fact.body(),
            stream: stream.clone(),
        });
    };
    add(requested, situation.now);
    let mut first = 0;
    for part in parts(steps) {
        let planned = Planned {
            first,
            steps: part.to_vec(),
        };
        first += part.len() as u64;
        add(RunFact::Planned(planned), situation.now);
    }
    facts
}

/// Cuts the steps into parts of about [`PART_BYTES`] each.
fn parts(steps: &[PlannedStep]) -> Vec<&[PlannedStep]> {
    let mut parts = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (place, step) in steps.iter().enumerate() {
        if bytes > 0 && bytes + size(step) > PART_BYTES {
            parts.push(&steps[from..place]);
            (from, bytes) = (place, 0);
        }
        bytes += size(step);
    }
    if from < steps.len() {
        parts.push(&steps[from..]);
    }
    parts
}

/// About how many bytes a step takes in a fact.
fn size(step: &PlannedStep) -> usize {
    fn value_size(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::String(text) => text.len() + 3,
            serde_json::Value::Array(items) => 2 + items.iter().map(|item| value_size(item) + 1).sum::<usize>(),
            serde_json::Value::Object(fields) => {
                2 + fields
                    .iter()
                    .map(|(name, item)| name.len() + value_size(item) + 4)
                    .sum::<usize>()
            }
            _ => 8,
        }
    }
    let needs: usize = step.needs.iter().map(|need| need.as_str().len() + 3).sum();
    160 + step.name.as_str().len() + needs + value_size(&step.input) + step.when.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use facts::StepName;
    use serde_json::json;

    #[test]
    fn a_long_plan_is_cut_into_parts_in_order() {
        let steps: Vec<PlannedStep> = (0..3000)
            .map(|n| {
                PlannedStep::new(
                    StepName::new(format!("s{n}")).unwrap(),
                    "run",
                    json!({"script": "x".repeat(100)}),
                )
            })
            .collect();
        let parts = parts(&steps);
        assert!(parts.len() > 3 && parts.len() < 20, "{}", parts.len());
        assert_eq!(parts.concat(), steps);
        assert!(super::parts(&[]).is_empty());
    }

    fn step(name: &str) -> PlannedStep {
        PlannedStep::new(StepName::new(name).unwrap(), "run", json!(null))
    }

    #[test]
    fn a_step_is_taken_for_about_as_long_as_it_is() {
        let mut text = step("text");
        text.input = json!({"script": "x".repeat(20_000)});
        let mut list = step("list");
        list.input = json!((0..2_000).map(|n| format!("{n:04}")).collect::<Vec<_>>());
        let mut map = step("map");
        map.input = (0..2_000).map(|n| (format!("name-{n:04}"), json!(123_456))).collect();
        let mut needs = step("needs");
        needs.needs = (0..2_000)
            .map(|n| StepName::new(format!("need-{n:04}")).unwrap())
            .collect();
        let mut when = step("when");
        when.when = Some("x".repeat(20_000));
        for step in [text, list, map, needs, when] {
            let (real, taken) = (serde_json::to_vec(&step).unwrap().len(), size(&step));
            assert!(taken.abs_diff(real) < real / 4, "{}: {taken} for {real}", step.name);
        }
        assert!(size(&step("none")) < 300);
    }

    #[test]
    fn a_part_is_as_long_as_may_be_and_one_step_is_never_cut() {
        let long = |bytes: usize| {
            let mut step = step("long");
            step.input = json!("x".repeat(bytes));
            step
        };
        let parted = |steps: &[PlannedStep]| parts(steps).iter().map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!(
            parted(&[long(PART_BYTES * 2), long(10), long(PART_BYTES * 2)]),
            [1, 1, 1]
        );
        assert_eq!(
            parted(&[long(10), long(PART_BYTES / 2), long(10), long(PART_BYTES / 2), long(10)]),
            [3, 2]
        );
        let just = PART_BYTES / 2 - size(&long(0));
        assert_eq!(parted(&[long(just), long(just)]), [2]);
        assert_eq!(parted(&[long(just), long(just + 1)]), [1, 1]);
    }

    /// Everything may happen in one millisecond.
    #[test]
    fn what_follows_at_once_has_other_ids_than_the_request() {
        let request = crate::example::request(Ok(pipeline::Plan::of(vec![step("one"), step("two")])));
        let situation = Situation {
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            epoch: 7,
        };
        let mut facts = request_facts(&request, situation);
        assert_eq!((facts[1].cause, facts[0].cause), (Some(facts[0].id), None));
        let mut state = crate::RunState::begin(&facts[0], Default::default()).unwrap();
        for fact in &facts[1..] {
            state.evolve(fact).unwrap();
        }
        let input = super::super::Input::Cancel {
            actor: facts::Actor::System,
        };
        let followed = super::super::decide(&mut state, &input, situation).unwrap();
        assert_eq!(state.result(), Some(crate::RunResult::Cancelled));
        facts.extend(followed.facts);
        let ids: std::collections::BTreeSet<_> = facts.iter().map(|fact| fact.id).collect();
        assert_eq!(ids.len(), facts.len());
    }
}
