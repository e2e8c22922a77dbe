//! What cannot follow in a run is refused, and what is derived from its facts.

use facts::FactId;
use pipeline::plan::Resources;
use serde_json::json;

use super::*;
use crate::action::ActionOutcome;
use crate::example::{Example, FREE, effect, name, step};
use crate::kinds::{AttemptFinished, AttemptStarted, Finished, StepObserved, StepResolved};

/// Whether this fact may follow now.
fn follows(run: &Example, fact: &RunFact) -> bool {
    let id = FactId::derived(run.now, &run.ledger[0].stream, 99, 1);
    run.state.clone().take(fact, id, run.now).is_ok()
}

fn started(step: &str, attempt: u32) -> RunFact {
    RunFact::AttemptStarted(AttemptStarted {
        step: name(step),
        attempt,
    })
}

fn finished(step: &str, attempt: u32, result: RunResult, next: Next) -> RunFact {
    RunFact::AttemptFinished(AttemptFinished {
        step: name(step),
        attempt,
        result,
        message: None,
        code: None,
        outputs: Value::Null,
        log: None,
        lost: false,
        next,
    })
}

const SUCCEEDED: Next = Next::Finished {
    result: RunResult::Succeeded,
};

#[test]
fn an_attempt_begins_once_its_needs_are_there_and_not_twice() {
    let mut run = Example::of(vec![step("a"), step("b").needing([name("a")]), effect("c")]);
    assert!(follows(&run, &started("a", 1)) && !follows(&run, &started("a", 2)));
    assert!(!follows(&run, &started("b", 1)), "a need is missing");
    run.begins(&["a", "c"]);
    assert!(!follows(&run, &started("a", 2)), "it works");
    run.ends("c", ActionOutcome::lost());
    assert!(!follows(&run, &started("c", 2)), "it was not looked for");
    run.ends("a", ActionOutcome::succeeded(json!(null)));
    assert!(follows(&run, &started("b", 1)));
}

#[test]
fn only_the_open_attempt_ends() {
    let mut run = Example::of(vec![step("a")]);
    let end = |attempt| finished("a", attempt, RunResult::Succeeded, SUCCEEDED);
    assert!(!follows(&run, &end(0)));
    run.begins(&["a"]);
    assert!(follows(&run, &end(1)) && !follows(&run, &end(2)));
}

#[test]
fn only_what_is_in_doubt_is_observed_and_only_who_was_asked_answers() {
    let observed = |step: &str, attempt| {
        RunFact::Observed(StepObserved {
            step: name(step),
            attempt,
            seen: Seen::Done,
            message: None,
            outputs: Value::Null,
            next: SUCCEEDED,
        })
    };
    let resolved = |step: &str, attempt| {
        RunFact::Resolved(StepResolved {
            step: name(step),
            attempt,
            done: true,
            next: SUCCEEDED,
        })
    };
    let mut run = Example::of(vec![effect("a"), step("b"), effect("c")]);
    assert!(!follows(&run, &observed("a", 0)), "there is no doubt");
    run.begins(&["a", "b"]);
    assert!(!follows(&run, &observed("a", 1)), "it works");
    run.ends("a", ActionOutcome::lost());
    assert!(follows(&run, &observed("a", 1)) && !follows(&run, &observed("a", 2)));
    assert!(!follows(&run, &resolved("a", 1)), "nobody was asked");
    run.ends("b", ActionOutcome::unknown("who knows"));
    assert!(follows(&run, &resolved("b", 1)) && !follows(&run, &resolved("b", 2)));
    assert!(!follows(&run, &observed("b", 1)));
}

#[test]
fn only_an_effect_that_did_not_succeed_is_in_doubt() {
    let doubt = |planned: PlannedStep, outcome: ActionOutcome| {
        let mut run = Example::of(vec![planned, step("z")]);
        run.begins(&["a"]);
        run.ends("a", outcome);
        run.state.steps[0].doubt
    };
    assert!(doubt(effect("a"), ActionOutcome::failed("broke")));
    assert!(doubt(effect("a"), ActionOutcome::lost()));
    assert!(!doubt(effect("a"), ActionOutcome::succeeded(json!(null))));
    assert!(!doubt(step("a"), ActionOutcome::failed("broke")));
}

#[test]
fn a_run_ends_when_nothing_is_left_and_ends_once() {
    let end = RunFact::Finished(Finished {
        result: RunResult::Succeeded,
        reason: None,
    });
    let mut run = Example::of(vec![step("a")]);
    assert_eq!(run.state.unfinished(), 1);
    assert!(!follows(&run, &end));
    run.does("a");
    assert_eq!(
        (run.state.unfinished(), run.state.result()),
        (0, Some(RunResult::Succeeded))
    );
    assert!(!follows(&run, &end));
}

#[test]
fn what_a_newer_version_records_is_skipped_and_counted() {
    let run = Example::of(vec![step("a")]);
    let mut later = run.ledger[0].clone();
    later.kind = "run.later".to_owned();
    let mut state = run.state.clone();
    for versions in 1..=2 {
        state.evolve(&later).unwrap();
        assert_eq!(state.version, run.state.version + versions);
    }
}

#[test]
fn what_is_derived_follows_each_step() {
    let waits = PlannedStep {
        action: FREE.to_owned(),
        ..step("free")
    };
    let large = PlannedStep {
        resources: Some(Resources {
            cpus_milli: Some(2_500),
            memory_bytes: Some(7),
        }),
        timeout_seconds: Some(60),
        ..step("large")
    };
    let mut run = Example::of(vec![waits, large, step("last").needing([name("large")])]);
    assert_eq!(run.state.ready, BTreeSet::from([1]));
    assert_eq!(run.state.ready_free, BTreeSet::from([0]));
    assert_eq!(run.state.state_of(&name("last")), Some(State::Waiting));
    assert_eq!(run.state.state_of(&name("large")), Some(State::Ready));
    assert_eq!(run.state.state_of(&name("stranger")), None);
    assert_eq!(run.state.next_deadline(), None);
    run.begins(&["free"]);
    assert_eq!(run.state.placed, Load::default(), "it takes no place");
    run.begins(&["large"]);
    assert_eq!(run.state.state_of(&name("large")), Some(State::Running));
    let placed = run.state.placed;
    assert_eq!((placed.steps, placed.places_milli, placed.memory), (1, 2_500, 7));
    assert_eq!(run.state.next_deadline(), Some(later(run.now, Duration::from_secs(60))));
    assert_eq!(run.state.timeout(0), None);
    run.ends("large", ActionOutcome::succeeded(json!({"n": 1})));
    assert_eq!(run.state.placed, Load::default());
    let last = run.place("last");
    let outputs = BTreeMap::from([(name("large"), json!({"n": 1}))]);
    assert_eq!(run.state.outputs_of_needs(last), outputs);
    assert_eq!(
        (
            run.state.count(RunResult::Succeeded),
            run.state.count(RunResult::Failed)
        ),
        (1, 0)
    );
    assert_eq!(later(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
}

#[test]
fn the_first_trouble_is_kept_until_the_run_is_retried() {
    let mut run = Example::of(vec![step("a"), step("b"), step("c")]);
    run.does("c");
    assert_eq!(run.state.trouble, None);
    run.fails("b");
    run.fails("a");
    assert_eq!(run.state.trouble, Some((1, "b broke".to_owned())));
    run.retries();
    assert_eq!(run.state.trouble, None);
    assert_eq!(
        (
            run.state.count(RunResult::Failed),
            run.state.count(RunResult::Succeeded)
        ),
        (0, 1)
    );
}

#[test]
fn two_states_agree_when_they_say_the_same_of_the_facts() {
    let run = Example::of(vec![step("a"), step("b").needing([name("a")])]);
    let agree = |change: &dyn Fn(&mut RunState)| {
        let mut other = run.state.clone();
        change(&mut other);
        let (there, back) = (run.state.agrees_with(&other), other.agrees_with(&run.state));
        assert_eq!(there, back);
        there
    };
    let phase = |place: usize, phase: Phase| move |state: &mut RunState| state.steps[place].phase = phase;
    let at = run.now;
    assert!(agree(&|_| {}));
    // The first step is ready, which follows from waiting or from a pause.
    assert!(agree(&phase(0, Phase::Waiting)) && agree(&phase(0, Phase::Backoff { at })));
    assert!(agree(&phase(0, Phase::Looking)));
    assert!(!agree(&phase(0, Phase::Asking)));
    assert!(
        !agree(&phase(1, Phase::Backoff { at })),
        "nothing follows of itself from either"
    );
    assert!(agree(&phase(1, Phase::Ready)));
    assert!(!agree(&|state| state.version += 1));
    assert!(!agree(&|state| state.cancelling = true));
    assert!(!agree(&|state| state.steps[0].attempt += 1));
    assert!(!agree(&|state| _ = state.steps.pop()));
    assert!(!agree(&|state| state.request = Arc::new(RunRequest {
        kind: "other".to_owned(),
        ..(*state.request).clone()
    })));
}
