//! What a run comes to, from what its steps came to.

use facts::{FactId, RunId};
use pipeline::{Plan, PlannedStep};
use serde_json::json;

use super::super::Input;
use crate::action::ActionOutcome;
use crate::example::{Example, called_off, name, step};
use crate::kinds::{RunFact, StepsSettled};
use crate::request::BrokenDefinition;
use crate::result::RunResult;

/// What a run says of its end.
fn end(run: &Example) -> (RunResult, Option<String>) {
    match RunFact::read(run.ledger.last().unwrap()).unwrap() {
        Some(RunFact::Finished(body)) => (body.result, body.reason),
        other => panic!("{other:?}"),
    }
}

/// A run whose steps ended so, in this order, whatever led to it.
fn of(results: &[RunResult]) -> (RunResult, Option<String>) {
    let steps = (0..results.len()).map(|n| step(&format!("s{n}"))).collect();
    let mut run = Example::of(steps);
    for (n, result) in results.iter().enumerate() {
        let body = RunFact::Settled(StepsSettled {
            steps: vec![name(&format!("s{n}"))],
            result: *result,
            message: format!("came to {n}"),
        });
        let id = FactId::derived(run.now, &run.ledger[0].stream, 50 + n as u64, 1);
        run.state.take(&body, id, run.now).unwrap();
    }
    let situation = crate::example::situation(run.now);
    let decision = super::super::decide(&mut run.state, &Input::Look, situation).unwrap();
    run.ledger.extend(decision.facts);
    end(&run)
}

#[test]
fn the_worst_that_came_about_is_what_the_run_comes_to() {
    use RunResult::{Cancelled, Failed, Skipped, Succeeded, TimedOut, Unknown};
    let because = |n: u32| Some(format!("step `s{n}`: came to {n}"));
    assert_eq!(of(&[Succeeded, Succeeded]), (Succeeded, None));
    assert_eq!(
        of(&[Succeeded, Skipped]),
        (Succeeded, None),
        "what was skipped is no fault"
    );
    assert_eq!(of(&[Succeeded, Failed]), (Failed, because(1)));
    assert_eq!(of(&[Succeeded, TimedOut]), (TimedOut, because(1)));
    assert_eq!(of(&[Skipped, Unknown]), (Unknown, because(1)));
    assert_eq!(of(&[Succeeded, Cancelled]), (Cancelled, because(1)));
    assert_eq!(
        of(&[TimedOut, Failed]),
        (Failed, because(0)),
        "the first trouble is told"
    );
    assert_eq!(of(&[Cancelled, Unknown, TimedOut]), (TimedOut, because(0)));
    assert_eq!(of(&[Cancelled, Unknown]), (Unknown, because(0)));
}

#[test]
fn a_run_of_nothing_succeeds() {
    let run = Example::of(Vec::new());
    assert_eq!(end(&run), (RunResult::Succeeded, None));
}

#[test]
fn a_run_that_was_cancelled_says_by_whom_unless_all_was_done() {
    let mut run = Example::of(vec![step("a"), step("b")]);
    run.begins(&["a"]);
    run.cancels();
    run.ends("a", ActionOutcome::failed("broke"));
    assert_eq!(
        end(&run),
        (RunResult::Cancelled, Some("somebody cancelled it".to_owned()))
    );

    let mut run = Example::of(vec![step("a")]);
    run.begins(&["a"]);
    run.cancels();
    run.ends("a", ActionOutcome::succeeded(json!(null)));
    assert_eq!(end(&run), (RunResult::Succeeded, None), "it came too late");

    let newer = RunId::of_key("newer");
    let mut run = Example::of(vec![step("a"), step("b")]);
    run.says(called_off(None));
    let reason = format!("run {newer}, which is newer, took its turn in the group `deploy`");
    assert_eq!(end(&run), (RunResult::Cancelled, Some(reason)));

    // A step whose turn was taken is the run's trouble; the run itself was not cancelled.
    let mut run = Example::of(vec![step("a"), step("b")]);
    run.does("b");
    run.says(called_off(Some("a")));
    let reason = "step `a`: a newer run took its turn in the group `deploy`";
    assert_eq!(end(&run), (RunResult::Cancelled, Some(reason.to_owned())));
}

#[test]
fn a_broken_definition_fails_at_once_and_says_where() {
    let broken = |hint: Option<&str>| BrokenDefinition {
        file: "throughline.yaml".to_owned(),
        line: 2,
        column: 3,
        message: "no such key".to_owned(),
        hint: hint.map(str::to_owned),
    };
    let said = |hint| end(&Example::planned(Err(broken(hint))));
    assert_eq!(
        said(None),
        (RunResult::Failed, Some("throughline.yaml:2:3: no such key".to_owned()))
    );
    let reason = "throughline.yaml:2:3: no such key\nhint: write `steps`";
    assert_eq!(
        said(Some("write `steps`")),
        (RunResult::Failed, Some(reason.to_owned()))
    );
}

#[test]
fn a_long_plan_stands_in_several_facts_and_is_whole_again() {
    let steps: Vec<PlannedStep> = (0..3_000)
        .map(|n| PlannedStep {
            input: json!({"script": "x".repeat(100)}),
            ..step(&format!("s{n}"))
        })
        .collect();
    let run = Example::planned(Ok(Plan::of(steps.clone())));
    assert!(run.ledger.len() > 3, "{}", run.ledger.len());
    assert_eq!(run.state.plan(), steps);
    assert_eq!(run.state.unfinished(), 3_000);
    let stream = &run.ledger[0].stream;
    for (fact, version) in run.ledger.iter().zip(1..) {
        assert_eq!(
            fact.id,
            FactId::derived(run.now, stream, version, 7),
            "its place makes its id"
        );
    }
}
