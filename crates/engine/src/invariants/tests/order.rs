//! What may follow what in the facts of one run.

use facts::{Actor, Digest, FactId, NewFact, Stream, Trust};

use super::*;
use crate::kinds::{Finished, Reopened, StepObserved, StepResolved, StepsReset, StepsSettled, Superseded, stream_of};

const FAILED: Next = Next::Finished {
    result: RunResult::Failed,
};

impl History {
    fn observe(&mut self, step: &str, attempt: u32, seen: Seen, next: Next) -> Result<(), &'static str> {
        self.says(&RunFact::Observed(StepObserved {
            step: name(step),
            attempt,
            seen,
            message: None,
            outputs: Value::Null,
            next,
        }))
    }

    fn resolve(&mut self, step: &str, next: Next) -> Result<(), &'static str> {
        self.says(&RunFact::Resolved(StepResolved {
            step: name(step),
            attempt: 1,
            done: true,
            next,
        }))
    }

    fn settle(&mut self, steps: &[&str], result: RunResult) -> Result<(), &'static str> {
        self.says(&RunFact::Settled(StepsSettled {
            steps: steps.iter().map(|step| name(step)).collect(),
            result,
            message: String::new(),
        }))
    }

    fn reset(&mut self, steps: &[&str]) -> Result<(), &'static str> {
        let steps = steps.iter().map(|step| name(step)).collect();
        self.says(&RunFact::Reset(StepsReset { steps }))
    }

    fn finish(&mut self, result: RunResult) -> Result<(), &'static str> {
        self.says(&RunFact::Finished(Finished { result, reason: None }))
    }

    fn reopen(&mut self) -> Result<(), &'static str> {
        self.says(&RunFact::Reopened(Reopened { round: 2 }))
    }
}

/// A fact as it stands in a run's stream.
fn recorded(kind: &str, version: u64, body: Value) -> Fact {
    let new = NewFact {
        stream: stream_of(RunId::of_key("a")),
        id: FactId::of_key(&format!("{kind} {version}")),
        kind: kind.to_owned(),
        kind_version: 1,
        occurred_at: Timestamp::UNIX_EPOCH,
        actor: Actor::System,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: None,
        body,
    };
    let at = Timestamp::UNIX_EPOCH;
    new.seal(7, version, at, Digest::of(b"")).0
}

fn broken(history: &mut History, fact: &Fact) -> Violation {
    history.check(fact).unwrap_err()
}

fn effect(text: &str) -> PlannedStep {
    PlannedStep {
        effect: EffectClass::Effect,
        ..step(text)
    }
}

#[test]
fn versions_of_a_stream_are_dense_from_one() {
    let mut run = history(vec![]);
    run.version = 0;
    let other = |version| recorded("somebody.elses", version, json!({}));
    assert_eq!(
        run.check(&other(1)),
        Ok(()),
        "what is not of runs is none of these rules"
    );
    let wrong = broken(&mut run, &other(3));
    assert_eq!((wrong.rule, wrong.seq), ("I1", 7));
    assert_eq!(wrong.text, "version 3 follows 1");
    assert_eq!(wrong.stream, Stream::new("run", RunId::of_key("a")).to_string());
}

#[test]
fn a_body_of_another_shape_and_a_rule_that_does_not_hold_are_told_with_their_fact() {
    let mut run = history(vec![]);
    assert_eq!(
        broken(&mut run, &recorded("run.finished", 3, json!({"result": 1}))).rule,
        "shape"
    );
    let begun = json!({"step": "a", "attempt": 1});
    assert_eq!(broken(&mut run, &recorded("attempt.started", 4, begun)).rule, "I5");
}

#[test]
fn a_run_is_requested_once_and_first() {
    let mut run = History::default();
    assert_eq!(run.finish(RunResult::Succeeded), Err("request"));
    let requested = json!({
        "kind": "build", "key": "k", "component": facts::ComponentId::of_key("shop/cart"),
        "component_name": "shop/cart", "definition": Digest::of(b"definition"), "trust": "trusted", "steps": 0,
    });
    let mut run = History::default();
    assert_eq!(run.check(&recorded("run.requested", 1, requested.clone())), Ok(()));
    assert_eq!(
        broken(&mut run, &recorded("run.requested", 2, requested)).rule,
        "request"
    );
}

#[test]
fn after_its_end_a_run_is_reopened_or_left_alone() {
    let mut run = history(vec![step("a")]);
    assert_eq!(run.reopen(), Err("I6"), "it has not ended");
    assert!(!run.is_finished());
    assert_eq!(run.settle(&["a"], RunResult::Failed), Ok(()));
    assert_eq!(run.finish(RunResult::Failed), Ok(()));
    assert!(run.is_finished());
    let superseded = Superseded {
        group: "g".to_owned(),
        by: RunId::of_key("b"),
        step: None,
    };
    assert_eq!(run.says(&RunFact::Superseded(superseded)), Err("I6"));
    assert_eq!(run.reopen(), Ok(()));
    assert!(!run.is_finished());
    assert_eq!(run.reset(&["a"]), Ok(()));
    assert_eq!(run.begin("a", 1), Ok(()));
}

#[test]
fn a_run_ends_when_all_its_steps_have_and_succeeds_when_none_of_them_failed() {
    let mut run = history(vec![step("a"), step("b")]);
    run.settle(&["a"], RunResult::Skipped).unwrap();
    assert_eq!(run.finish(RunResult::Cancelled), Err("I6"), "`b` has not ended");
    for (result, of_run, said) in [
        (RunResult::Skipped, RunResult::Succeeded, Ok(())),
        (RunResult::Succeeded, RunResult::Succeeded, Ok(())),
        (RunResult::Failed, RunResult::Succeeded, Err("result")),
        (RunResult::Unknown, RunResult::Succeeded, Err("result")),
        (RunResult::Failed, RunResult::Failed, Ok(())),
        // A run may fail for a reason of its own.
        (RunResult::Succeeded, RunResult::Cancelled, Ok(())),
    ] {
        let mut run = history(vec![step("a"), step("b")]);
        run.settle(&["a"], result).unwrap();
        run.settle(&["b"], RunResult::Succeeded).unwrap();
        assert_eq!(run.finish(of_run), said, "{result:?} in a run that {of_run:?}");
    }
}

#[test]
fn what_has_ended_stays_as_it_ended() {
    let mut run = history(vec![step("a")]);
    run.begin("a", 1).unwrap();
    assert_eq!(
        run.settle(&["a"], RunResult::Cancelled),
        Err("I4"),
        "its attempt is open"
    );
    run.end("a", 1, RunResult::Succeeded, SUCCEEDED).unwrap();
    assert_eq!(run.settle(&["a"], RunResult::Cancelled), Err("I6"));
    assert_eq!(run.observe("a", 1, Seen::Done, SUCCEEDED), Err("I6"));
    assert_eq!(
        run.settle(&["nobody"], RunResult::Cancelled),
        Err("I5"),
        "there is no such step"
    );
}

#[test]
fn only_what_ended_without_success_begins_again() {
    let mut run = history(vec![step("a"), step("b"), step("c")]);
    run.settle(&["a"], RunResult::Succeeded).unwrap();
    run.settle(&["b"], RunResult::Skipped).unwrap();
    assert_eq!(run.reset(&["a"]), Err("I6"));
    assert_eq!(run.reset(&["c"]), Err("I6"), "it has not ended");
    assert_eq!(run.reset(&["b"]), Ok(()));
    assert_eq!(run.reset(&["b"]), Err("I6"), "it has begun again");
}

#[test]
fn a_step_that_begins_again_has_all_its_attempts_and_no_pause() {
    let retries = Retries {
        times: 1,
        ..Retries::default()
    };
    let mut run = history(vec![PlannedStep { retries, ..step("a") }]);
    run.begin("a", 1).unwrap();
    let later = Next::Again {
        at: Timestamp::UNIX_EPOCH + std::time::Duration::from_secs(1),
    };
    run.end("a", 1, RunResult::Failed, later).unwrap();
    assert_eq!(run.begin("a", 2), Err("backoff"));
    run.settle(&["a"], RunResult::Failed).unwrap();
    run.reset(&["a"]).unwrap();
    assert_eq!(run.begin("a", 2), Ok(()), "the pause is over");
    assert_eq!(
        run.end("a", 2, RunResult::Failed, AGAIN),
        Ok(()),
        "it may fail once more"
    );
    assert_eq!(run.begin("a", 3), Ok(()), "a pause is over at its end");
    assert_eq!(
        run.end("a", 3, RunResult::Failed, FAILED),
        Ok(()),
        "to fail for good is no attempt too many"
    );
}

#[test]
fn an_attempt_that_was_lost_or_cancelled_is_no_failure() {
    let mut run = history(vec![step("a")]);
    run.begin("a", 1).unwrap();
    let lost = AttemptFinished {
        step: name("a"),
        attempt: 1,
        result: RunResult::Failed,
        message: None,
        code: None,
        outputs: Value::Null,
        log: None,
        lost: true,
        next: AGAIN,
    };
    assert_eq!(run.says(&RunFact::AttemptFinished(lost)), Ok(()));
    run.begin("a", 2).unwrap();
    assert_eq!(run.end("a", 2, RunResult::Cancelled, AGAIN), Ok(()));
    run.begin("a", 3).unwrap();
    assert_eq!(run.end("a", 3, RunResult::Failed, AGAIN), Err("retries"));
}

#[test]
fn an_effect_is_looked_at_before_it_is_attempted_again() {
    let mut run = history(vec![effect("a"), step("b")]);
    run.begin("a", 1).unwrap();
    assert_eq!(
        run.observe("a", 1, Seen::NotDone, AGAIN),
        Err("observe"),
        "it is under way"
    );
    run.end("a", 1, RunResult::Unknown, AGAIN).unwrap();
    assert_eq!(run.begin("a", 2), Err("effect"));
    assert_eq!(
        run.observe("a", 2, Seen::NotDone, AGAIN),
        Err("observe"),
        "another attempt"
    );
    run.observe("a", 1, Seen::Unknown, AGAIN).unwrap();
    assert_eq!(run.begin("a", 2), Err("effect"), "nothing was seen");
    run.observe("a", 1, Seen::NotDone, AGAIN).unwrap();
    assert_eq!(run.begin("a", 2), Ok(()));
    // What has no effect is not looked at.
    run.begin("b", 1).unwrap();
    run.end("b", 1, RunResult::Unknown, AGAIN).unwrap();
    assert_eq!(run.begin("b", 2), Ok(()));
    // Where it is known that it was done there is nothing to look at.
    run.end("a", 2, RunResult::Succeeded, AGAIN).unwrap();
    assert_eq!(run.begin("a", 3), Ok(()));
}

#[test]
fn a_step_waits_for_the_person_who_is_asked() {
    let mut run = history(vec![effect("a")]);
    run.begin("a", 1).unwrap();
    run.end("a", 1, RunResult::Unknown, Next::Ask).unwrap();
    assert_eq!(run.begin("a", 2), Err("ask"));
    assert_eq!(run.resolve("a", AGAIN), Ok(()));
    assert_eq!(run.resolve("a", AGAIN), Err("resolve"), "nobody is asked any more");
    assert_eq!(run.begin("a", 2), Ok(()), "the answer ends the doubt");
}
