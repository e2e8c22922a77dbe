//! Which histories the rules refuse, fact by fact.

mod groups;
mod order;

use pipeline::plan::Retries;
use pipeline::within::Within;
use serde_json::{Value, json};

use super::*;
use crate::example::{name, step};
use crate::kinds::{AttemptFinished, AttemptStarted};

/// A run of these steps, of which nothing has begun.
fn history(steps: Vec<PlannedStep>) -> History {
    let known = steps.into_iter().map(|planned| {
        let known = Known {
            planned: planned.clone(),
            attempt: 0,
            open: false,
            result: None,
            asking: false,
            doubt: false,
            failures: 0,
            not_before: Timestamp::MIN,
        };
        (planned.name, known)
    });
    History {
        version: 2,
        requested: true,
        finished: false,
        steps: known.collect(),
    }
}

impl History {
    fn begin(&mut self, step: &str, attempt: u32) -> Result<(), &'static str> {
        let step = name(step);
        self.says(&RunFact::AttemptStarted(AttemptStarted { step, attempt }))
    }

    fn end(&mut self, step: &str, attempt: u32, result: RunResult, next: Next) -> Result<(), &'static str> {
        let body = AttemptFinished {
            step: name(step),
            attempt,
            result,
            message: None,
            code: None,
            outputs: Value::Null,
            log: None,
            lost: false,
            next,
        };
        self.says(&RunFact::AttemptFinished(body))
    }

    fn says(&mut self, fact: &RunFact) -> Result<(), &'static str> {
        self.rules(fact, Timestamp::UNIX_EPOCH).map_err(|(rule, _)| rule)
    }
}

const SUCCEEDED: Next = Next::Finished {
    result: RunResult::Succeeded,
};
const AGAIN: Next = Next::Again {
    at: Timestamp::UNIX_EPOCH,
};

#[test]
fn only_the_attempt_that_is_open_ends() {
    let mut run = history(vec![step("a")]);
    assert_eq!(
        run.end("a", 0, RunResult::Succeeded, SUCCEEDED),
        Err("I4"),
        "none is open"
    );
    assert_eq!(run.begin("a", 2), Err("I4"), "they are dense");
    assert_eq!(run.begin("a", 1), Ok(()));
    assert_eq!(run.begin("a", 2), Err("I4"), "one is open");
    assert_eq!(
        run.end("a", 2, RunResult::Succeeded, SUCCEEDED),
        Err("I4"),
        "another one"
    );
    assert_eq!(run.end("a", 1, RunResult::Succeeded, SUCCEEDED), Ok(()));
    assert_eq!(
        run.end("a", 1, RunResult::Succeeded, SUCCEEDED),
        Err("I4"),
        "it has ended"
    );
    assert_eq!(run.begin("a", 2), Err("I6"), "so has the step");
}

#[test]
fn a_step_fails_no_more_often_than_it_may() {
    let retries = Retries {
        times: 2,
        ..Retries::default()
    };
    let mut run = history(vec![PlannedStep { retries, ..step("a") }]);
    for attempt in [1, 2] {
        run.begin("a", attempt).unwrap();
        assert_eq!(run.end("a", attempt, RunResult::Failed, AGAIN), Ok(()));
    }
    run.begin("a", 3).unwrap();
    assert_eq!(run.end("a", 3, RunResult::TimedOut, AGAIN), Err("retries"));
}

#[test]
fn a_step_begins_when_its_needs_have_come_to_the_end_that_it_asks_for() {
    let skipped = |run: &mut History, step: &str| {
        run.steps.get_mut(&name(step)).unwrap().result = Some(RunResult::Skipped);
    };
    // What was skipped is nothing to build on.
    let mut run = history(vec![step("a"), step("b").needing([name("a")])]);
    assert_eq!(run.begin("b", 1), Err("I5"));
    skipped(&mut run, "a");
    assert_eq!(run.begin("b", 1), Err("I5"));

    // A part of a module may be skipped where another part succeeded.
    let part = |text: &str| PlannedStep {
        within: vec![Within {
            step: name("module"),
            instance: None,
            module: "/module.yaml".to_owned(),
            commit: None,
            when: None,
            inputs: BTreeMap::new(),
        }],
        ..step(text)
    };
    let needs = || step("b").needing([name("module.one"), name("module.two"), name("other")]);
    let mut run = history(vec![part("module.one"), part("module.two"), step("other"), needs()]);
    skipped(&mut run, "module.one");
    run.steps.get_mut(&name("other")).unwrap().result = Some(RunResult::Succeeded);
    skipped(&mut run, "module.two");
    assert_eq!(run.begin("b", 1), Err("I5"), "no part succeeded, and what did is none");
    run.steps.get_mut(&name("module.two")).unwrap().result = Some(RunResult::Succeeded);
    assert_eq!(run.begin("b", 1), Ok(()));

    // A step with a condition of its own decides by it.
    let asks = PlannedStep {
        when: Some("steps.a.result == 'skipped'".to_owned()),
        ..step("b").needing([name("a")])
    };
    let mut run = history(vec![step("a"), asks]);
    assert_eq!(run.begin("b", 1), Err("I5"), "it has not ended");
    skipped(&mut run, "a");
    assert_eq!(run.begin("b", 1), Ok(()));
}
