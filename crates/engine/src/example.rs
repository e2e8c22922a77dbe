//! A run of any plan, folded from its facts and decided on, as the unit tests of the pure core use it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use facts::{Actor, ComponentId, ComponentName, Digest, NewFact, RunId, StepName, Timestamp, Trust};
use pipeline::plan::{Concurrency, GroupRule, Retries};
use pipeline::{EffectClass, Plan, PlannedStep};
use serde_json::json;

use crate::action::ActionOutcome;
use crate::decide::{Action, Attempt, Claim, Input, Refused, Situation, claim, decide, request_facts};
use crate::groups::CalledOff;
use crate::kinds::RunFact;
use crate::request::{BrokenDefinition, RunRequest};
use crate::state::RunState;

/// The kind of actions that take no place.
pub(crate) const FREE: &str = "wait";

pub(crate) fn name(text: &str) -> StepName {
    StepName::new(text).unwrap()
}

pub(crate) fn step(text: &str) -> PlannedStep {
    PlannedStep::new(name(text), "run", json!({}))
}

/// A step that must not be done twice.
pub(crate) fn effect(text: &str) -> PlannedStep {
    PlannedStep {
        effect: EffectClass::Effect,
        ..step(text)
    }
}

/// The same step, attempted three times at most.
pub(crate) fn repeated(planned: PlannedStep) -> PlannedStep {
    let retries = Retries {
        times: 2,
        ..Retries::default()
    };
    PlannedStep { retries, ..planned }
}

/// A newer run takes the turn of a step, or of the whole run, in the group `deploy`.
pub(crate) fn called_off(step: Option<&str>) -> Input {
    Input::Superseded(CalledOff {
        group: "deploy".to_owned(),
        step: step.map(name),
        by: RunId::of_key("newer"),
    })
}

pub(crate) fn group(name: &str) -> Concurrency {
    Concurrency {
        group: name.to_owned(),
        rule: GroupRule::default(),
    }
}

pub(crate) fn situation(now: Timestamp) -> Situation {
    Situation { now, epoch: 7 }
}

pub(crate) fn request(plan: Result<Plan, BrokenDefinition>) -> RunRequest {
    RunRequest {
        run: RunId::of_key("run"),
        kind: "build".to_owned(),
        key: "key".to_owned(),
        component: ComponentId::of_key("shop/cart"),
        component_name: ComponentName::new("shop/cart").unwrap(),
        commit: None,
        line: None,
        environment: None,
        definition: Digest::of("definition"),
        trust: Trust::Trusted,
        actor: Actor::System,
        cause: None,
        context: json!(null),
        plan,
    }
}

/// What came of an input.
#[derive(Debug)]
pub(crate) struct Came {
    /// All facts as they are appended.
    pub(crate) appended: Vec<NewFact>,
    pub(crate) actions: Vec<Action>,
    pub(crate) refused: Option<Refused>,
}

impl Came {
    /// The facts of the run's own kinds.
    pub(crate) fn facts(&self) -> Vec<RunFact> {
        let read = self.appended.iter().map(|fact| RunFact::read(fact).unwrap());
        read.flatten().collect()
    }

    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.appended.iter().map(|fact| fact.kind.as_str()).collect()
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.appended.is_empty() && self.actions.is_empty() && self.refused.is_none()
    }
}

/// One run, all of whose facts are kept.
pub(crate) struct Example {
    pub(crate) state: RunState,
    pub(crate) now: Timestamp,
    pub(crate) ledger: Vec<NewFact>,
}

impl Example {
    /// A run of these steps that was looked at once.
    pub(crate) fn of(steps: Vec<PlannedStep>) -> Self {
        Self::planned(Ok(Plan::of(steps)))
    }

    pub(crate) fn planned(plan: Result<Plan, BrokenDefinition>) -> Self {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ledger = request_facts(&request(plan), situation(now));
        let state = Self::fold(&ledger);
        let mut example = Self { state, now, ledger };
        example.says(Input::Look);
        example
    }

    fn fold(facts: &[NewFact]) -> RunState {
        let free = Arc::new(BTreeSet::from([FREE.to_owned()]));
        let mut state = RunState::begin(&facts[0], free).unwrap();
        for fact in &facts[1..] {
            state.evolve(fact).unwrap();
        }
        state
    }

    /// The run as its facts alone say.
    pub(crate) fn again(&self) -> RunState {
        let stream = &self.ledger[0].stream;
        let own: Vec<NewFact> = self
            .ledger
            .iter()
            .filter(|fact| fact.stream == *stream)
            .cloned()
            .collect();
        Self::fold(&own)
    }

    pub(crate) fn says(&mut self, input: Input) -> Came {
        let decision = decide(&mut self.state, &input, situation(self.now)).unwrap();
        self.ledger.extend(decision.facts.iter().cloned());
        assert!(self.state.agrees_with(&self.again()), "{input:?}");
        Came {
            appended: decision.facts,
            actions: decision.actions,
            refused: decision.refused,
        }
    }

    pub(crate) fn place(&self, step: &str) -> usize {
        self.state.place(&name(step)).unwrap()
    }

    /// Begins attempts of these steps, whatever groups they are in.
    pub(crate) fn begins(&mut self, steps: &[&str]) -> Came {
        let steps = steps.iter().map(|step| (self.place(step), None)).collect();
        self.claims(Claim { turn: None, steps })
    }

    pub(crate) fn claims(&mut self, wanted: Claim) -> Came {
        let decision = claim(&mut self.state, wanted, situation(self.now)).unwrap();
        self.ledger.extend(decision.facts.iter().cloned());
        Came {
            appended: decision.facts,
            actions: decision.actions,
            refused: decision.refused,
        }
    }

    /// The last attempt of a step ends.
    pub(crate) fn ends(&mut self, step: &str, outcome: ActionOutcome) -> Came {
        let attempt = self.attempt(step).number;
        self.says(Input::Finished {
            step: name(step),
            attempt,
            outcome,
        })
    }

    /// An attempt of a step begins and succeeds.
    pub(crate) fn does(&mut self, step: &str) -> Came {
        self.begins(&[step]);
        self.ends(step, ActionOutcome::succeeded(json!({"of": step})))
    }

    /// An attempt of a step begins and fails for good.
    pub(crate) fn fails(&mut self, step: &str) -> Came {
        self.begins(&[step]);
        self.ends(step, ActionOutcome::failed(format!("{step} broke")))
    }

    pub(crate) fn cancels(&mut self) -> Came {
        self.says(Input::Cancel { actor: Actor::System })
    }

    pub(crate) fn retries(&mut self) -> Came {
        self.says(Input::Retry { actor: Actor::System })
    }

    /// Time passes, and the run is looked at.
    pub(crate) fn waits(&mut self, seconds: u64) -> Came {
        self.now = self.now.checked_add(Duration::from_secs(seconds)).unwrap();
        self.says(Input::Look)
    }

    /// The last attempt of a step.
    pub(crate) fn attempt(&self, step: &str) -> Attempt {
        Attempt {
            step: name(step),
            number: self.state.steps[self.place(step)].attempt,
        }
    }

    pub(crate) fn phase(&self, step: &str) -> crate::state::Phase {
        self.state.steps[self.place(step)].phase
    }
}
