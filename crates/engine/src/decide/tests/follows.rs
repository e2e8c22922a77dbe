//! What begins, and what follows by itself.

use std::time::Duration;

use pipeline::{Plan, PlannedStep};
use serde_json::json;

use super::super::{Action, Claim};
use crate::action::ActionOutcome;
use crate::example::{Example, group, name, step};
use crate::kinds::RunFact;
use crate::result::RunResult;
use crate::state::Phase;

#[test]
fn the_first_attempt_starts_the_run_and_no_other_does() {
    let mut run = Example::of(vec![step("a"), step("b")]);
    assert!(run.begins(&[]).is_nothing());
    let came = run.begins(&["a"]);
    assert_eq!(came.kinds(), ["run.started", "attempt.started"]);
    assert_eq!(came.actions, [Action::Perform(run.attempt("a"))]);
    assert_eq!(run.begins(&["b"]).kinds(), ["attempt.started"]);
}

#[test]
fn a_run_enters_its_group_before_anything_of_it_begins() {
    let own = PlannedStep {
        concurrency: Some(group("line")),
        ..step("a")
    };
    let other = PlannedStep {
        concurrency: Some(group("deploy")),
        ..step("b")
    };
    let mut plan = Plan::of(vec![own, other]);
    plan.concurrency = Some(group("line"));
    let mut run = Example::planned(Ok(plan));
    let wanted: Vec<String> = run.state.wanted().into_iter().map(|wanted| wanted.name).collect();
    assert_eq!(wanted, ["line"]);
    let came = run.claims(Claim {
        turn: Some(4),
        steps: Vec::new(),
    });
    assert_eq!(came.kinds(), ["group.entered"], "to be in a group is not to begin");
    let claimed = format!("group:{}:4", run.state.group_key("line", false));
    assert_eq!(came.appended[0].external_key.as_ref(), Some(&claimed));

    let places = [run.place("a"), run.place("b")];
    let wanted: Vec<String> = run.state.wanted().into_iter().map(|wanted| wanted.name).collect();
    assert_eq!(wanted, ["deploy"]);
    let came = run.claims(Claim {
        turn: None,
        steps: vec![(places[0], None), (places[1], Some(9))],
    });
    assert_eq!(
        came.kinds(),
        ["run.started", "attempt.started", "group.entered", "attempt.started"]
    );
    let claimed = format!("group:{}:9", run.state.group_key("deploy", true));
    assert_eq!(came.appended[2].external_key.as_ref(), Some(&claimed));
    let RunFact::GroupEntered(entered) = &came.facts()[2] else {
        panic!("{came:?}")
    };
    assert_eq!((entered.step.as_ref(), entered.turn), (Some(&name("b")), 9));
}

#[test]
fn an_attempt_begins_because_of_the_need_that_came_last() {
    let mut run = Example::of(vec![step("a"), step("b"), step("c").needing([name("a"), name("b")])]);
    let first = run.begins(&["a", "b"]);
    assert_eq!(
        first.appended[1].cause,
        Some(run.ledger.iter().rev().nth(2).unwrap().id)
    );
    run.now = run.now.checked_add(Duration::from_secs(1)).unwrap();
    run.ends("b", ActionOutcome::succeeded(json!(null)));
    run.now = run.now.checked_add(Duration::from_secs(1)).unwrap();
    let last = run.ends("a", ActionOutcome::succeeded(json!(null)));
    let came = run.begins(&["c"]);
    assert_eq!(came.appended[0].cause, Some(last.appended[0].id));
}

#[test]
fn what_is_reset_before_its_need_waits_for_it_again() {
    // The plan names the step before the one that it needs.
    let mut run = Example::of(vec![step("b").needing([name("a")]), step("a")]);
    run.fails("a");
    assert_eq!(run.state.result_of(&name("b")), Some(RunResult::Skipped));
    assert_eq!(run.state.result(), Some(RunResult::Failed));
    let came = run.retries();
    assert_eq!(came.kinds(), ["run.reopened", "steps.reset"]);
    assert_eq!((run.phase("a"), run.phase("b")), (Phase::Ready, Phase::Waiting));
    run.does("a");
    assert_eq!(run.phase("b"), Phase::Ready);
    run.does("b");
    assert_eq!(run.state.result(), Some(RunResult::Succeeded));
}

#[test]
fn what_follows_from_what_was_skipped_is_skipped_in_one_fact() {
    let steps = vec![
        step("a"),
        step("b").needing([name("a")]),
        step("c").needing([name("a")]),
        step("d").needing([name("b"), name("c")]),
    ];
    let mut run = Example::of(steps);
    let came = run.fails("a");
    let [
        _,
        RunFact::Settled(first),
        RunFact::Settled(second),
        RunFact::Finished(_),
    ] = &came.facts()[..]
    else {
        panic!("{came:?}")
    };
    assert_eq!(
        (&first.steps, first.result),
        (&vec![name("b"), name("c")], RunResult::Skipped)
    );
    assert_eq!(first.message, "`a` did not succeed");
    assert_eq!(second.steps, [name("d")]);
}

#[test]
fn an_attempt_is_told_once_that_its_time_is_over() {
    let limited = PlannedStep {
        timeout_seconds: Some(10),
        ..step("a")
    };
    let mut run = Example::of(vec![limited, step("b")]);
    run.begins(&["a", "b"]);
    let due = run.now.checked_add(Duration::from_secs(10)).unwrap();
    assert_eq!(run.state.next_deadline(), Some(due));
    assert!(run.waits(9).is_nothing());
    assert_eq!(run.waits(1).actions, [Action::Stop(run.attempt("a"))]);
    assert_eq!(run.state.next_deadline(), None);
    assert!(run.waits(100).is_nothing());
}
