//! An attempt ends, is lost, or its effect is looked for.

use std::time::Duration;

use facts::{FactId, NewFact, Stream};
use pipeline::PlannedStep;
use serde_json::json;

use super::super::finished::MOST_LOSSES;
use super::super::{Action, Input, superseded};
use crate::action::{ActionOutcome, Observation, StepResult};
use crate::example::{Came, Example, called_off, effect, name, repeated, step};
use crate::kinds::{AttemptFinished, Next, RunFact, Seen, StepObserved};
use crate::result::RunResult;
use crate::state::Phase;

fn ended(came: &Came) -> AttemptFinished {
    match came.facts().into_iter().next() {
        Some(RunFact::AttemptFinished(body)) => body,
        other => panic!("{other:?}"),
    }
}

fn observed(came: &Came) -> StepObserved {
    match came.facts().into_iter().next() {
        Some(RunFact::Observed(body)) => body,
        other => panic!("{other:?}"),
    }
}

const fn with(result: RunResult) -> Next {
    Next::Finished { result }
}

fn limited(text: &str) -> PlannedStep {
    PlannedStep {
        timeout_seconds: Some(3),
        ..step(text)
    }
}

/// How the only attempt of a run of this step, which began just now, ends.
fn end(planned: PlannedStep, outcome: ActionOutcome) -> AttemptFinished {
    let mut run = Example::of(vec![planned]);
    run.begins(&["a"]);
    ended(&run.ends("a", outcome))
}

fn timed_out() -> ActionOutcome {
    ActionOutcome::ended(StepResult::TimedOut, json!(null))
}

#[test]
fn what_an_attempt_comes_to_is_recorded_as_it_was() {
    let body = end(step("a"), ActionOutcome::succeeded(json!({"n": 1})));
    assert_eq!(
        (body.result, body.message, body.code),
        (RunResult::Succeeded, None, None)
    );
    assert_eq!((body.outputs, body.lost), (json!({"n": 1}), false));
    assert_eq!(body.next, with(RunResult::Succeeded));

    let failure = StepResult::Failed {
        message: "broke".to_owned(),
        code: Some(3),
    };
    let body = end(step("a"), ActionOutcome::ended(failure, json!(null)));
    assert_eq!(
        (body.result, body.message.as_deref(), body.code),
        (RunResult::Failed, Some("broke"), Some(3))
    );
    assert_eq!(body.next, with(RunResult::Failed));

    let body = end(step("a"), ActionOutcome::unknown("who knows"));
    assert_eq!(
        (body.result, body.message.as_deref()),
        (RunResult::Unknown, Some("who knows"))
    );
    assert_eq!(body.next, Next::Ask);

    let body = end(step("a"), timed_out());
    assert_eq!(
        (body.result, body.message.as_deref()),
        (RunResult::TimedOut, Some("it took longer than it may"))
    );
    assert_eq!(body.next, with(RunResult::TimedOut));
}

#[test]
fn who_was_stopped_took_too_long_unless_somebody_else_stopped_it() {
    let said = |body: AttemptFinished| (body.result, body.message.unwrap(), body.next);
    let told = (
        RunResult::Cancelled,
        "it was told to stop".to_owned(),
        with(RunResult::Cancelled),
    );
    let late = (
        RunResult::TimedOut,
        "it took longer than the 3 s it may".to_owned(),
        with(RunResult::TimedOut),
    );
    assert_eq!(said(end(step("a"), ActionOutcome::cancelled())), told);
    assert_eq!(said(end(limited("a"), ActionOutcome::cancelled())), late);

    let mut run = Example::of(vec![limited("a")]);
    run.begins(&["a"]);
    run.cancels();
    assert_eq!(said(ended(&run.ends("a", ActionOutcome::cancelled()))), told);

    // Its time was over before anybody cancelled the run.
    let mut run = Example::of(vec![limited("a")]);
    run.begins(&["a"]);
    assert_eq!(run.waits(3).actions, [Action::Stop(run.attempt("a"))]);
    run.cancels();
    assert_eq!(said(ended(&run.ends("a", ActionOutcome::cancelled()))), late);

    let mut run = Example::of(vec![limited("a")]);
    run.begins(&["a"]);
    assert_eq!(
        run.says(called_off(Some("a"))).actions,
        [Action::Stop(run.attempt("a"))]
    );
    let newer = (
        RunResult::Cancelled,
        superseded::MESSAGE.to_owned(),
        with(RunResult::Cancelled),
    );
    assert_eq!(said(ended(&run.ends("a", ActionOutcome::cancelled()))), newer);
}

#[test]
fn what_may_pass_is_attempted_again_as_often_as_the_plan_says() {
    let mut run = Example::of(vec![repeated(step("a"))]);
    for pause in [1, 2] {
        run.begins(&["a"]);
        let at = run.now.checked_add(Duration::from_secs(pause)).unwrap();
        assert_eq!(
            ended(&run.ends("a", ActionOutcome::failed_for_now("busy"))).next,
            Next::Again { at }
        );
        assert_eq!(run.phase("a"), Phase::Backoff { at });
        run.waits(pause - 1);
        assert_eq!(run.phase("a"), Phase::Backoff { at });
        run.waits(1);
        assert_eq!(run.phase("a"), Phase::Ready, "at that time, not after it");
    }
    run.begins(&["a"]);
    let last = ended(&run.ends("a", ActionOutcome::failed_for_now("busy")));
    assert_eq!((last.attempt, last.next), (3, with(RunResult::Failed)));

    // What takes too long may do better the next time; what failed for good does not.
    assert!(matches!(end(repeated(step("a")), timed_out()).next, Next::Again { .. }));
    let for_good = end(repeated(step("a")), ActionOutcome::failed("broke"));
    assert_eq!(for_good.next, with(RunResult::Failed));
}

#[test]
fn nothing_is_attempted_again_that_nobody_wants_any_more() {
    let mut run = Example::of(vec![repeated(step("a")), step("b")]);
    run.begins(&["a", "b"]);
    run.cancels();
    let failed = ended(&run.ends("a", ActionOutcome::failed_for_now("busy")));
    assert_eq!(failed.next, with(RunResult::Failed));
    let unknown = ended(&run.ends("b", ActionOutcome::unknown("who knows")));
    assert_eq!(unknown.next, with(RunResult::Unknown), "nobody is asked");

    let mut run = Example::of(vec![repeated(step("a"))]);
    run.begins(&["a"]);
    run.says(called_off(Some("a")));
    let failed = ended(&run.ends("a", ActionOutcome::failed_for_now("busy")));
    assert_eq!(failed.next, with(RunResult::Failed));
}

#[test]
fn outcomes_that_come_twice_or_too_late_change_nothing() {
    let mut run = Example::of(vec![repeated(step("a")), step("b")]);
    let finished = |step: &str, attempt| Input::Finished {
        step: name(step),
        attempt,
        outcome: ActionOutcome::succeeded(json!(null)),
    };
    assert!(run.says(finished("a", 0)).is_nothing(), "nothing has begun");
    run.begins(&["a"]);
    assert!(run.says(finished("a", 2)).is_nothing());
    assert!(run.says(finished("stranger", 1)).is_nothing());
    run.ends("a", ActionOutcome::failed_for_now("busy"));
    run.waits(1);
    run.begins(&["a"]);
    assert!(run.says(finished("a", 1)).is_nothing(), "that attempt is over");
    assert_eq!(run.says(finished("a", 2)).kinds(), ["attempt.finished"]);
    assert!(run.says(finished("a", 2)).is_nothing());
}

/// A fact that is none of a run's kinds.
fn published(run: &Example, stream: Stream) -> NewFact {
    NewFact {
        id: FactId::derived(run.now, &stream, 1, 9),
        kind: "verdict.given".to_owned(),
        stream,
        ..run.ledger[0].clone()
    }
}

#[test]
fn an_outcome_publishes_facts_in_every_stream_but_the_runs_own() {
    let mut run = Example::of(vec![step("a")]);
    run.begins(&["a"]);
    let foreign = published(&run, Stream::new("verdict", "one"));
    let came = run.ends("a", ActionOutcome::succeeded(json!(null)).publishing([foreign]));
    assert_eq!(came.kinds(), ["attempt.finished", "verdict.given", "run.finished"]);
    assert_eq!(ended(&came).result, RunResult::Succeeded);

    let mut run = Example::of(vec![step("a")]);
    run.begins(&["a"]);
    let own = published(&run, run.ledger[0].stream.clone());
    let came = run.ends("a", ActionOutcome::succeeded(json!({"n": 1})).publishing([own]));
    assert_eq!(came.kinds(), ["attempt.finished", "run.finished"]);
    let body = ended(&came);
    assert_eq!((body.result, body.outputs), (RunResult::Failed, json!(null)));
    assert_eq!(
        body.message.as_deref(),
        Some("its outcome publishes facts in the run's own stream")
    );
}

const LOST: &str = "the attempt was lost when its processes or the server ended";

#[test]
fn what_was_lost_is_attempted_again_until_it_was_lost_too_often() {
    let mut run = Example::of(vec![step("a")]);
    for loss in 1..=MOST_LOSSES {
        run.begins(&["a"]);
        let body = ended(&run.ends("a", ActionOutcome::lost()));
        assert_eq!((body.result, body.lost), (RunResult::Unknown, true));
        assert_eq!(body.message.as_deref(), Some(LOST));
        let Next::Again { at } = body.next else {
            panic!("after {loss}: {:?}", body.next)
        };
        let pause = Duration::try_from(at.duration_since(run.now)).unwrap().as_secs();
        let known = [0, 1, 2, 4, 8, 16, 32];
        assert_eq!(
            pause,
            known.get(loss as usize - 1).copied().unwrap_or(60),
            "after {loss}"
        );
        run.waits(pause);
    }
    run.begins(&["a"]);
    let body = ended(&run.ends("a", ActionOutcome::lost()));
    assert_eq!(body.next, with(RunResult::Failed));
    assert_eq!(
        body.message.as_deref(),
        Some("attempts were lost 21 times: does the step take the machine down?")
    );
}

#[test]
fn an_effect_that_was_lost_is_looked_for_until_a_person_is_asked() {
    let mut run = Example::of(vec![effect("a")]);
    for _ in 1..=MOST_LOSSES {
        run.begins(&["a"]);
        let came = run.ends("a", ActionOutcome::lost());
        assert_eq!(ended(&came).next, Next::Again { at: run.now });
        assert_eq!(came.actions, [Action::Observe(run.attempt("a"))]);
        let (attempt, observation) = (run.attempt("a").number, Observation::NotDone);
        run.says(Input::Observed {
            step: name("a"),
            attempt,
            observation,
        });
        assert_eq!(run.phase("a"), Phase::Ready);
    }
    run.begins(&["a"]);
    assert_eq!(ended(&run.ends("a", ActionOutcome::lost())).next, Next::Ask);
}

#[test]
fn what_was_lost_after_it_was_told_to_stop_has_stopped() {
    let mut run = Example::of(vec![step("a"), effect("b")]);
    run.begins(&["a", "b"]);
    run.cancels();
    assert_eq!(
        ended(&run.ends("a", ActionOutcome::lost())).next,
        with(RunResult::Cancelled)
    );
    // Its effect may be there for all that.
    let came = run.ends("b", ActionOutcome::lost());
    assert_eq!(ended(&came).next, Next::Again { at: run.now });
    assert_eq!(came.actions, [Action::Observe(run.attempt("b"))]);

    let mut run = Example::of(vec![step("a")]);
    run.begins(&["a"]);
    run.says(called_off(Some("a")));
    assert_eq!(
        ended(&run.ends("a", ActionOutcome::lost())).next,
        with(RunResult::Cancelled)
    );
}

#[test]
fn done_is_done_not_done_is_attempted_and_what_nobody_sees_is_asked() {
    let look = |cancelled: bool, observation: Observation| {
        let mut run = Example::of(vec![effect("a")]);
        run.begins(&["a"]);
        run.ends("a", ActionOutcome::lost());
        if cancelled {
            run.cancels();
        }
        let says = |attempt| Input::Observed {
            step: name("a"),
            attempt,
            observation: observation.clone(),
        };
        assert!(run.says(says(2)).is_nothing(), "another attempt");
        let body = observed(&run.says(says(1)));
        assert!(run.says(says(1)).is_nothing(), "it comes twice");
        (run, body)
    };
    let done = || Observation::Done {
        outputs: json!({"n": 1}),
    };
    let unknown = || Observation::Unknown {
        reason: "dark".to_owned(),
    };
    for cancelled in [false, true] {
        let (_, body) = look(cancelled, done());
        assert_eq!((body.seen, body.message), (Seen::Done, None));
        assert_eq!((body.outputs, body.next), (json!({"n": 1}), with(RunResult::Succeeded)));

        let (run, body) = look(cancelled, Observation::NotDone);
        assert_eq!((body.seen, body.outputs), (Seen::NotDone, json!(null)));
        let again = Next::Again { at: run.now };
        assert_eq!(body.next, if cancelled { with(RunResult::Cancelled) } else { again });

        let (_, body) = look(cancelled, unknown());
        assert_eq!((body.seen, body.message.as_deref()), (Seen::Unknown, Some("dark")));
        assert_eq!(body.next, if cancelled { with(RunResult::Unknown) } else { Next::Ask });
    }
}
