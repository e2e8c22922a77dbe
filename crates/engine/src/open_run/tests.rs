//! Inputs, appends and what they lead to, with a machine that gives what it is told to.

use facts::{Actor, Digest};
use pipeline::plan::Resources;
use pipeline::{Plan, PlannedStep};
use serde_json::json;

use super::*;
use crate::example::{Example, group, name, step};
use crate::kinds::RunFact;

/// What is shared with others, as these tests want it.
struct Machine {
    all: Load,
    gives: usize,
    turn: Option<u64>,
    asked: Vec<Vec<Load>>,
}

impl Places for Machine {
    fn machine(&self) -> Load {
        self.all
    }
    fn settle(&mut self, _: Load, wanted: &[Load]) -> usize {
        self.asked.push(wanted.to_vec());
        self.gives.min(wanted.len())
    }
    fn hold(&mut self, _: &Holding<'_>) {}
    fn enter(&mut self, wanted: &[Wanted]) -> Vec<Option<u64>> {
        wanted.iter().map(|_| self.turn).collect()
    }
    fn called_off(&mut self) -> Vec<CalledOff> {
        Vec::new()
    }
}

fn machine(places: usize, memory: Option<u64>) -> Machine {
    Machine {
        all: Load::machine(places, memory),
        gives: usize::MAX,
        turn: None,
        asked: Vec::new(),
    }
}

type Open = OpenRun<&'static str>;

fn open(example: &Example) -> Open {
    OpenRun::new(example.again(), 5, 7)
}

fn kinds(turn: &Turn<&'static str>) -> Vec<String> {
    match turn {
        Turn::Append(append) => append.facts.iter().map(|fact| fact.kind.clone()).collect(),
        _ => Vec::new(),
    }
}

/// A run whose steps have begun, and the inputs that they succeeded.
fn begun(steps: &[&str]) -> (Example, Vec<Input>) {
    let mut example = Example::of(steps.iter().map(|text| step(text)).collect());
    example.begins(steps);
    let ends = steps.iter().map(|text| Input::Finished {
        step: name(text),
        attempt: 1,
        outcome: ActionOutcome::succeeded(json!(null)),
    });
    (example, ends.collect())
}

#[test]
fn nothing_is_done_or_said_before_it_is_durable() {
    let example = Example::of(vec![step("a")]);
    let (mut run, mut places) = (open(&example), machine(2, None));
    assert_eq!((run.read_at(), run.is_appending()), (5, false));
    run.push(Input::Look, Some("asked"));
    let turn = run.turn(example.now, &mut places).unwrap();
    assert_eq!(kinds(&turn), ["run.started", "attempt.started"]);
    assert!(run.is_appending() && run.has_wishes());
    assert!(matches!(run.turn(example.now, &mut places).unwrap(), Turn::Idle));
    let done = run.committed(8);
    assert_eq!(done.actions, [Action::Perform(example_attempt())]);
    assert_eq!(done.answers, [("asked", Ok(()))]);
    assert_eq!((run.read_at(), run.is_appending(), run.has_wishes()), (8, false, false));
    assert!(matches!(run.turn(example.now, &mut places).unwrap(), Turn::Idle));
}

fn example_attempt() -> crate::decide::Attempt {
    crate::decide::Attempt {
        step: name("a"),
        number: 1,
    }
}

#[test]
fn a_run_is_over_when_its_end_is_durable_and_nobody_wants_anything() {
    let (example, ends) = begun(&["a"]);
    let (mut run, mut places) = (open(&example), machine(2, None));
    assert!(!run.is_over());
    for input in ends {
        run.push(input, None);
    }
    let turn = run.turn(example.now, &mut places).unwrap();
    assert_eq!(kinds(&turn), ["attempt.finished", "run.finished"]);
    assert!(!run.is_over() && !run.has_wishes());
    run.committed(9);
    assert!(run.is_over());
    run.push(Input::Cancel { actor: Actor::System }, Some("late"));
    assert!(!run.is_over());
    let Turn::Act(done) = run.turn(example.now, &mut places).unwrap() else {
        panic!("there is an answer")
    };
    assert_eq!(done.answers, [("late", Err(Refused::Finished))]);
    assert!(run.is_over());
}

#[test]
fn all_inputs_are_decided_on_at_once() {
    let (example, ends) = begun(&["a", "b"]);
    let mut run = open(&example);
    for input in ends {
        run.push(input, None);
    }
    let turn = run.turn(example.now, &mut machine(2, None)).unwrap();
    assert_eq!(kinds(&turn), ["attempt.finished", "attempt.finished", "run.finished"]);
}

#[test]
fn inputs_that_were_refused_together_are_tried_one_by_one() {
    let (example, ends) = begun(&["a", "b"]);
    let (mut run, mut places) = (open(&example), machine(2, None));
    for input in ends {
        run.push(input, None);
    }
    run.turn(example.now, &mut places).unwrap();
    assert_eq!(run.rejected(example.again(), 6, "too long"), Ok(()));
    assert_eq!(run.read_at(), 6);
    let first = run.turn(example.now, &mut places).unwrap();
    assert_eq!(kinds(&first), ["attempt.finished"]);
    run.committed(7);
    let second = run.turn(example.now, &mut places).unwrap();
    assert_eq!(kinds(&second), ["attempt.finished", "run.finished"]);
}

/// What is recorded of an attempt whose outcome the ledger refused, or what is handed back.
fn refused(outcome: ActionOutcome) -> Result<crate::kinds::AttemptFinished, String> {
    let (example, _) = begun(&["a"]);
    let (mut run, mut places) = (open(&example), machine(2, None));
    let input = Input::Finished {
        step: name("a"),
        attempt: 1,
        outcome,
    };
    run.push(input, None);
    run.turn(example.now, &mut places).unwrap();
    run.rejected(example.again(), 6, "too long")?;
    let Turn::Append(append) = run.turn(example.now, &mut places).unwrap() else {
        panic!("the failure is recorded")
    };
    match RunFact::read(&append.facts[0]).unwrap() {
        Some(RunFact::AttemptFinished(body)) => Ok(body),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_outcome_that_cannot_be_recorded_becomes_a_failure_that_says_so() {
    let log = Some(Digest::of("log"));
    let long = ActionOutcome {
        log,
        ..ActionOutcome::succeeded(json!({"text": "long"}))
    };
    let body = refused(long).unwrap();
    assert_eq!((body.result, body.log), (crate::RunResult::Failed, log));
    assert_eq!(
        body.message.as_deref(),
        Some("its outcome cannot be recorded: too long")
    );
    assert_eq!(body.outputs, json!(null));

    let (example, _) = begun(&["b"]);
    let mut foreign = example.ledger[0].clone();
    foreign.stream = facts::Stream::new("verdict", "one");
    foreign.kind = "verdict.given".to_owned();
    let publishing = ActionOutcome::succeeded(json!(null)).publishing([foreign]);
    assert_eq!(refused(publishing).unwrap().result, crate::RunResult::Failed);

    // There is nothing to leave out.
    let plain = ActionOutcome::succeeded(json!(null));
    assert_eq!(refused(plain).map(|body| body.result), Err("too long".to_owned()));
}

#[test]
fn a_deadline_that_passes_meanwhile_is_no_input_of_its_own() {
    let limited = PlannedStep {
        timeout_seconds: Some(3),
        ..step("b")
    };
    let mut example = Example::of(vec![step("a"), limited]);
    example.begins(&["a", "b"]);
    let late = example.now.checked_add(std::time::Duration::from_secs(5)).unwrap();
    let (mut run, mut places) = (open(&example), machine(2, None));
    let input = Input::Finished {
        step: name("a"),
        attempt: 1,
        outcome: ActionOutcome::succeeded(json!(null)),
    };
    run.push(input, None);
    run.turn(late, &mut places).unwrap();
    // It was refused alone, and there is nothing to leave out.
    assert_eq!(run.rejected(example.again(), 6, "too long"), Err("too long".to_owned()));
}

#[test]
fn who_wished_for_what_was_not_recorded_is_told_and_the_rest_is_decided_again() {
    let (example, ends) = begun(&["a"]);
    let (mut run, mut places) = (open(&example), machine(2, None));
    assert!(run.withdraw_wishes().is_empty());
    for input in ends {
        run.push(input, None);
    }
    run.push(Input::Cancel { actor: Actor::System }, Some("cancel"));
    run.turn(example.now, &mut places).unwrap();
    assert!(run.has_wishes());
    assert_eq!(run.withdraw_wishes(), ["cancel"]);
    assert!(!run.has_wishes());
    run.conflicted(example.again(), 6);
    let turn = run.turn(example.now, &mut places).unwrap();
    assert_eq!(kinds(&turn), ["attempt.finished", "run.finished"]);
    assert!(run.committed(7).answers.is_empty());
}

#[test]
fn no_more_is_asked_for_than_the_whole_machine() {
    let steps = |memory| {
        let resources = Some(Resources {
            cpus_milli: None,
            memory_bytes: Some(memory),
        });
        let one = |n| PlannedStep {
            resources,
            ..step(&format!("s{n}"))
        };
        Example::of((0..5).map(one).collect())
    };
    let asked = |example: &Example, mut places: Machine| {
        let mut run = open(example);
        run.push(Input::Look, None);
        run.turn(example.now, &mut places).unwrap();
        places.asked[0].len()
    };
    assert_eq!(asked(&steps(0), machine(2, None)), 2);
    assert_eq!(asked(&steps(6), machine(4, Some(10))), 2);
    assert_eq!(asked(&steps(1), machine(9, Some(10))), 5);
}

#[test]
fn nothing_begins_without_its_turn_or_by_who_does_not_begin() {
    let mut plan = Plan::of(vec![step("a")]);
    plan.concurrency = Some(group("line"));
    let example = Example::planned(Ok(plan));
    let (mut run, mut places) = (open(&example), machine(2, None));
    run.push(Input::Look, None);
    assert!(matches!(run.turn(example.now, &mut places).unwrap(), Turn::Idle));
    assert_eq!(places.asked, [Vec::new()], "what it holds is told all the same");
    places.turn = Some(3);
    let turn = run.turn(example.now, &mut places).unwrap();
    assert_eq!(kinds(&turn), ["group.entered", "run.started", "attempt.started"]);

    let mut watched = open(&Example::of(vec![step("a")])).without_beginning();
    watched.push(Input::Look, None);
    assert!(matches!(watched.turn(example.now, &mut places).unwrap(), Turn::Idle));
}
