//! What people, and newer runs, want of a run.

use facts::{Actor, TokenId};
use pipeline::PlannedStep;
use serde_json::json;

use super::super::{Action, Input, Refused};
use crate::action::{ActionOutcome, Observation};
use crate::example::{Came, Example, called_off, effect, name, repeated, step};
use crate::kinds::{Next, RunFact};
use crate::request::BrokenDefinition;
use crate::result::RunResult;
use crate::state::Phase;

/// The steps that ended without an attempt, with how and why.
fn settled(came: &Came) -> Vec<(String, RunResult, String)> {
    let mut all = Vec::new();
    for fact in came.facts() {
        if let RunFact::Settled(body) = fact {
            let one = |step: &facts::StepName| (step.to_string(), body.result, body.message.clone());
            all.extend(body.steps.iter().map(one));
        }
    }
    all
}

#[test]
fn cancelling_stops_what_works_and_skips_what_has_not_begun() {
    let mut run = Example::of(vec![step("a"), step("b"), step("c").needing([name("a")])]);
    run.begins(&["a"]);
    let came = run.cancels();
    assert_eq!(came.kinds(), ["run.cancel-requested", "steps.settled"]);
    assert_eq!(came.actions, [Action::Stop(run.attempt("a"))]);
    let skipped = |step: &str| (step.to_owned(), RunResult::Skipped, "the run was cancelled".to_owned());
    assert_eq!(settled(&came), [skipped("b"), skipped("c")]);
    // The second wish is met by the first, and told to whom may not have heard it.
    let came = run.cancels();
    assert_eq!(
        (came.kinds().len(), came.actions),
        (0, vec![Action::Stop(run.attempt("a"))])
    );
    let came = run.ends("a", ActionOutcome::cancelled());
    assert_eq!(came.kinds(), ["attempt.finished", "run.finished"]);
    assert_eq!(run.cancels().refused, Some(Refused::Finished));
}

#[test]
fn cancelling_asks_the_world_at_once_about_an_effect_that_waits_for_its_next_attempt() {
    let mut run = Example::of(vec![repeated(effect("a")), repeated(step("b"))]);
    run.begins(&["a", "b"]);
    run.ends("a", ActionOutcome::failed_for_now("busy"));
    run.ends("b", ActionOutcome::failed_for_now("busy"));
    let came = run.cancels();
    assert_eq!(came.actions, [Action::Observe(run.attempt("a"))]);
    assert_eq!(run.phase("a"), Phase::Looking);
    let message = "the run was cancelled before the next attempt".to_owned();
    assert_eq!(settled(&came), [("b".to_owned(), RunResult::Cancelled, message)]);
    assert_eq!(run.state.unfinished(), 1);
}

#[test]
fn cancelling_leaves_unknown_what_nobody_has_looked_at() {
    // Both failed; the second began all the same, and its effect may be there.
    let second = PlannedStep {
        when: Some("true".to_owned()),
        ..effect("b").needing([name("a")])
    };
    let mut run = Example::of(vec![step("a"), second, step("c")]);
    run.fails("a");
    run.fails("b");
    run.begins(&["c"]);
    run.ends("c", ActionOutcome::unknown("who knows"));
    let answer = Input::Resolve {
        step: name("c"),
        done: true,
        actor: Actor::System,
    };
    run.says(answer);
    assert_eq!(run.state.result(), Some(RunResult::Failed));
    run.retries();
    assert_eq!((run.phase("a"), run.phase("b")), (Phase::Ready, Phase::Waiting));
    let came = run.cancels();
    let unsaid = "the run was cancelled before anybody said whether it was done";
    assert_eq!(
        settled(&came),
        [
            ("a".to_owned(), RunResult::Skipped, "the run was cancelled".to_owned()),
            ("b".to_owned(), RunResult::Unknown, unsaid.to_owned()),
        ]
    );

    let mut run = Example::of(vec![step("a")]);
    run.begins(&["a"]);
    run.ends("a", ActionOutcome::unknown("who knows"));
    let came = run.cancels();
    assert_eq!(
        settled(&came),
        [("a".to_owned(), RunResult::Unknown, unsaid.to_owned())]
    );
}

#[test]
fn what_ends_while_its_run_is_cancelled_begins_nothing_more() {
    let last = PlannedStep {
        when: Some("true".to_owned()),
        ..step("b").needing([name("a")])
    };
    let mut run = Example::of(vec![step("a"), last]);
    run.begins(&["a"]);
    run.cancels();
    let came = run.ends("a", ActionOutcome::succeeded(json!(null)));
    assert_eq!(came.kinds(), ["attempt.finished", "run.finished"]);
    assert_eq!(run.state.result_of(&name("b")), Some(RunResult::Skipped));
}

#[test]
fn after_a_restart_open_attempts_are_resumed_and_stopped_where_they_should_have_stopped() {
    let attempts = |run: &Example| [Action::Resume(run.attempt("a")), Action::Stop(run.attempt("a"))];
    for ended in [
        None,
        Some(Input::Cancel { actor: Actor::System }),
        Some(called_off(Some("a"))),
    ] {
        let mut run = Example::of(vec![step("a"), step("b")]);
        run.begins(&["a"]);
        let stops = ended.is_some();
        if let Some(input) = ended {
            run.says(input);
        }
        let came = run.says(Input::Recover);
        let expected = attempts(&run);
        assert_eq!(came.actions, expected[..if stops { 2 } else { 1 }]);
    }
}

#[test]
fn only_a_run_that_has_ended_without_success_is_retried() {
    let mut run = Example::of(vec![step("a")]);
    assert_eq!(run.retries().refused, Some(Refused::NotFinished));
    run.does("a");
    assert_eq!(run.retries().refused, Some(Refused::NothingToRetry));

    let mut broken = Example::planned(Err(BrokenDefinition {
        file: "throughline.yaml".to_owned(),
        line: 2,
        column: 3,
        message: "no such key".to_owned(),
        hint: None,
    }));
    assert_eq!(broken.state.result(), Some(RunResult::Failed));
    let came = broken.retries();
    assert_eq!((came.refused.clone(), came.kinds().len()), (Some(Refused::Broken), 0));
}

#[test]
fn a_retry_repeats_what_did_not_succeed_with_all_its_attempts() {
    let mut run = Example::of(vec![repeated(step("a")), step("b"), step("c").needing([name("a")])]);
    run.does("b");
    for _ in 0..3 {
        run.begins(&["a"]);
        run.ends("a", ActionOutcome::failed_for_now("busy"));
        run.waits(2);
    }
    assert_eq!(run.state.result(), Some(RunResult::Failed));
    let actor = Actor::Token(TokenId::of_key("somebody"));
    let came = run.says(Input::Retry { actor });
    let [RunFact::Reopened(reopened), RunFact::Reset(reset)] = &came.facts()[..] else {
        panic!("{came:?}")
    };
    assert_eq!((reopened.round, &reset.steps), (2, &vec![name("a"), name("c")]));
    assert!(came.appended.iter().all(|fact| fact.actor == actor));
    assert_eq!((run.phase("a"), run.phase("c")), (Phase::Ready, Phase::Waiting));
    run.begins(&["a"]);
    assert_eq!(run.attempt("a").number, 4, "attempts go on counting");
    let came = run.ends("a", ActionOutcome::failed_for_now("busy"));
    let [RunFact::AttemptFinished(body)] = &came.facts()[..] else {
        panic!("{came:?}")
    };
    assert!(matches!(body.next, Next::Again { .. }), "retries begin anew");
    assert_eq!(came.appended[0].actor, Actor::System);
}

#[test]
fn an_effect_that_failed_is_looked_for_before_it_is_retried() {
    let mut run = Example::of(vec![effect("a")]);
    run.fails("a");
    assert_eq!(run.retries().actions, [Action::Observe(run.attempt("a"))]);
    let came = run.says(Input::Observed {
        step: name("a"),
        attempt: 1,
        observation: Observation::Done { outputs: json!(null) },
    });
    assert_eq!(came.kinds(), ["step.observed", "run.finished"]);
    assert_eq!(run.state.result(), Some(RunResult::Succeeded));
}

#[test]
fn a_person_answers_what_was_asked_and_nothing_else() {
    let answer = |step: &str, done| Input::Resolve {
        step: name(step),
        done,
        actor: Actor::Token(TokenId::of_key("somebody")),
    };
    let asked = || {
        let mut run = Example::of(vec![effect("a"), step("b")]);
        run.begins(&["a"]);
        run.ends("a", ActionOutcome::unknown("who knows"));
        run
    };
    let mut run = asked();
    let refused = |came: Came| (came.kinds().len(), came.refused);
    let stranger = Refused::NoStep(name("stranger"));
    assert_eq!(refused(run.says(answer("stranger", true))), (0, Some(stranger)));
    assert_eq!(
        refused(run.says(answer("b", true))),
        (0, Some(Refused::NotAsking(name("b"))))
    );
    let came = run.says(answer("a", true));
    assert_eq!(came.kinds(), ["step.resolved"]);
    assert_eq!(came.appended[0].actor, Actor::Token(TokenId::of_key("somebody")));
    assert_eq!(run.state.result_of(&name("a")), Some(RunResult::Succeeded));

    // What a person says is not there begins again without being looked for.
    let mut run = asked();
    assert!(run.says(answer("a", false)).actions.is_empty());
    assert_eq!(run.phase("a"), Phase::Ready);
}

#[test]
fn a_newer_run_ends_a_step_that_has_not_begun_and_stops_one_that_has() {
    let mut run = Example::of(vec![step("a"), step("b"), step("c").needing([name("a")])]);
    run.begins(&["a"]);
    let came = run.says(called_off(Some("b")));
    assert_eq!(came.kinds(), ["run.superseded", "steps.settled"]);
    let message = "a newer run took its turn in the group `deploy`".to_owned();
    assert_eq!(settled(&came), [("b".to_owned(), RunResult::Cancelled, message)]);
    assert!(run.says(called_off(Some("b"))).is_nothing(), "it has ended");
    let came = run.says(called_off(Some("a")));
    assert_eq!(came.kinds(), ["run.superseded"]);
    assert_eq!(came.actions, [Action::Stop(run.attempt("a"))]);
    assert!(run.says(called_off(Some("a"))).is_nothing(), "it was told before");
    assert!(run.says(called_off(Some("stranger"))).is_nothing());
}

#[test]
fn a_newer_run_leaves_alone_what_may_be_in_the_world_and_runs_that_end() {
    let mut run = Example::of(vec![repeated(effect("a")), step("b")]);
    run.begins(&["a"]);
    run.ends("a", ActionOutcome::failed_for_now("busy"));
    assert!(run.says(called_off(Some("a"))).is_nothing());
    run.begins(&["b"]);
    run.cancels();
    assert!(run.says(called_off(Some("b"))).is_nothing(), "the run is cancelled");
    assert!(run.says(called_off(None)).is_nothing());

    let mut run = Example::of(vec![step("a")]);
    run.does("a");
    assert!(run.says(called_off(None)).is_nothing(), "the run has ended");
}

#[test]
fn a_newer_run_ends_a_whole_run() {
    let mut run = Example::of(vec![step("a"), step("b")]);
    run.begins(&["a"]);
    let came = run.says(called_off(None));
    assert_eq!(came.kinds(), ["run.superseded", "steps.settled"]);
    assert_eq!(came.actions, [Action::Stop(run.attempt("a"))]);
    run.ends("a", ActionOutcome::cancelled());
    assert_eq!(run.state.result(), Some(RunResult::Cancelled));
    run.retries();
    assert_eq!((run.phase("a"), run.phase("b")), (Phase::Ready, Phase::Ready));
    assert!(!run.state.cancelling);
}
