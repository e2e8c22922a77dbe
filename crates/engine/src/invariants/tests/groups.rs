//! Who is in which group.

use facts::{ComponentId, ComponentName, Digest, Trust};
use pipeline::plan::{Concurrency, GroupRule};

use super::*;
use crate::kinds::{Finished, GroupEntered, Planned, Requested, StepObserved, StepResolved, StepsSettled};

fn run(text: &str) -> RunId {
    RunId::of_key(text)
}

fn concurrency(group: &str) -> Concurrency {
    Concurrency {
        group: group.to_owned(),
        rule: GroupRule::default(),
    }
}

impl Groups {
    /// A run of these steps, each with the group it is in, within a group of its own.
    fn asked(&mut self, of: &str, trust: Trust, own: Option<&str>, steps: &[(&str, &str)]) {
        let requested = Requested {
            kind: "build".to_owned(),
            key: of.to_owned(),
            component: ComponentId::of_key("shop/cart"),
            component_name: ComponentName::new("shop/cart").unwrap(),
            commit: None,
            line: None,
            environment: None,
            definition: Digest::of(b"definition"),
            trust,
            context: Value::Null,
            steps: steps.len() as u64,
            broken: None,
            concurrency: own.map(|group| Box::new(concurrency(group))),
        };
        self.take(run(of), RunFact::Requested(requested)).unwrap();
        let steps = steps.iter().map(|(text, group)| PlannedStep {
            concurrency: Some(concurrency(group)),
            ..step(text)
        });
        let planned = Planned {
            first: 0,
            steps: steps.collect(),
        };
        self.take(run(of), RunFact::Planned(planned)).unwrap();
    }

    fn enters(&mut self, of: &str, group: &str, step: Option<&str>) -> bool {
        let entered = GroupEntered {
            group: group.to_owned(),
            turn: 1,
            step: step.map(name),
        };
        self.take(run(of), RunFact::GroupEntered(entered)).is_ok()
    }

    fn begins(&mut self, of: &str, step: &str) -> bool {
        let step = name(step);
        let started = AttemptStarted { step, attempt: 1 };
        self.take(run(of), RunFact::AttemptStarted(started)).is_ok()
    }

    fn ends(&mut self, of: &str, step: &str, next: Next) {
        let body = AttemptFinished {
            step: name(step),
            attempt: 1,
            result: RunResult::Succeeded,
            message: None,
            code: None,
            outputs: Value::Null,
            log: None,
            lost: false,
            next,
        };
        self.take(run(of), RunFact::AttemptFinished(body)).unwrap();
    }
}

#[test]
fn nobody_begins_outside_of_the_group_it_should_be_in() {
    let mut groups = Groups::default();
    groups.asked("one", Trust::Trusted, None, &[("a", "deploy")]);
    groups.asked("two", Trust::Trusted, None, &[("a", "deploy")]);
    assert!(!groups.begins("one", "a"));
    assert!(groups.begins("one", "free"), "a step without a group");
    assert!(groups.enters("one", "deploy", Some("a")));
    assert!(groups.begins("one", "a"));
    assert!(!groups.begins("two", "a"), "the group is another run's");
}

#[test]
fn a_run_with_a_group_of_its_own_begins_nothing_before_it_is_in_it() {
    let mut groups = Groups::default();
    groups.asked("one", Trust::Trusted, Some("line"), &[("a", "line"), ("b", "deploy")]);
    assert!(!groups.begins("one", "free"));
    assert!(groups.enters("one", "line", None));
    assert!(groups.begins("one", "free"));
    assert!(groups.begins("one", "a"), "its run is in its group already");
    assert!(!groups.begins("one", "b"), "its own group is another one");
    assert!(groups.enters("one", "deploy", Some("b")));
    assert!(groups.begins("one", "b"));
}

#[test]
fn never_are_two_in_one_group() {
    let mut groups = Groups::default();
    groups.asked("one", Trust::Trusted, None, &[("a", "deploy")]);
    groups.asked("two", Trust::Trusted, None, &[("a", "deploy")]);
    groups.asked("stranger", Trust::Untrusted, None, &[("a", "deploy")]);
    assert!(groups.enters("one", "deploy", Some("a")));
    assert!(
        groups.enters("one", "deploy", None),
        "groups of runs and of steps are apart"
    );
    assert!(
        groups.enters("stranger", "deploy", Some("a")),
        "so are those of another trust"
    );
    assert!(!groups.enters("two", "deploy", Some("a")));
}

#[test]
fn a_step_leaves_its_group_when_it_has_ended_and_not_before() {
    for way in 0..4 {
        let mut groups = Groups::default();
        groups.asked("one", Trust::Trusted, None, &[("a", "deploy"), ("b", "other")]);
        groups.asked("two", Trust::Trusted, None, &[("a", "deploy"), ("b", "other")]);
        assert!(groups.enters("one", "deploy", Some("a")));
        assert!(groups.enters("one", "other", Some("b")));
        groups.ends("one", "a", AGAIN);
        assert!(groups.begins("one", "a"), "it is in it between its attempts");
        groups.ends("two", "a", SUCCEEDED);
        assert!(groups.begins("one", "a"), "the step of another run has ended");
        let (step, attempt, next) = (name("a"), 1, SUCCEEDED);
        let ended = match way {
            0 => {
                groups.ends("one", "a", next);
                None
            }
            1 => Some(RunFact::Observed(StepObserved {
                step,
                attempt,
                seen: Seen::Done,
                message: None,
                outputs: Value::Null,
                next,
            })),
            2 => Some(RunFact::Resolved(StepResolved {
                step,
                attempt,
                done: true,
                next,
            })),
            _ => Some(RunFact::Settled(StepsSettled {
                steps: vec![step],
                result: RunResult::Cancelled,
                message: String::new(),
            })),
        };
        if let Some(ended) = ended {
            groups.take(run("one"), ended).unwrap();
        }
        assert!(groups.enters("two", "deploy", Some("a")), "way {way}");
        assert!(!groups.enters("two", "other", Some("b")), "another step stays");
    }
}

#[test]
fn a_run_leaves_its_own_group_when_it_has_ended() {
    let mut groups = Groups::default();
    groups.asked("one", Trust::Trusted, Some("line"), &[]);
    groups.asked("two", Trust::Trusted, Some("line"), &[]);
    groups.asked("three", Trust::Trusted, Some("line"), &[]);
    assert!(groups.enters("one", "line", None));
    let finished = || {
        RunFact::Finished(Finished {
            result: RunResult::Succeeded,
            reason: None,
        })
    };
    groups.take(run("three"), finished()).unwrap();
    assert!(groups.begins("one", "a"), "the end of another run");
    groups.take(run("one"), finished()).unwrap();
    assert!(groups.enters("two", "line", None));
}

#[test]
fn the_fact_that_breaks_the_rule_is_named() {
    let grouped = PlannedStep {
        concurrency: Some(concurrency("deploy")),
        ..step("a")
    };
    let mut run = crate::example::Example::of(vec![grouped]);
    // It begins without its turn.
    run.begins(&["a"]);
    let mut groups = Groups::default();
    let facts = run.ledger.iter().zip(1..).map(|(new, seq)| Fact {
        seq,
        stream_version: seq,
        recorded_at: run.now,
        new: new.clone(),
        previous: Digest::of(b"before"),
        hash: Digest::of(b"itself"),
    });
    let said: Vec<_> = facts.map(|fact| groups.check(&fact)).collect();
    let (last, before) = said.split_last().unwrap();
    assert!(before.iter().all(Result::is_ok), "{before:?}");
    let broken = last.as_ref().unwrap_err();
    assert_eq!((broken.rule, broken.seq), ("group", run.ledger.len() as u64));
    assert_eq!(broken.stream, run.ledger[0].stream.to_string());
}
