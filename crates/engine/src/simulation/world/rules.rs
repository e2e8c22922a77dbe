//! What is checked after every fact.

use facts::{Fact, RunId, StepName};

use super::super::server::{Wish, free_kinds};
use super::World;
use crate::action::StepResult;
use crate::decide::Refused;
use crate::kinds::{Next, RunFact, Seen as Saw, stream_of};
use crate::result::{RunResult, State};
use crate::state::RunState;
use crate::view::STEPS;

impl World {
    pub(super) fn check(&mut self, fact: &Fact) {
        let Ok(run) = fact.stream().key().parse::<RunId>() else {
            return;
        };
        self.say(|| format!("fact {}: {} {}", fact.seq, fact.kind(), fact.new.body));
        if let Err(violation) = self.histories.entry(run).or_default().check(fact) {
            return self.fault(violation.to_string());
        }
        if let Err(violation) = self.groups.check(fact) {
            return self.fault(violation.to_string());
        }
        match self.truth.get_mut(&run) {
            None => {
                let state = RunState::begin(&fact.new, free_kinds()).expect("a run begins");
                self.truth.insert(run, state);
            }
            Some(state) => {
                if let Err(error) = state.evolve(&fact.new) {
                    return self.fault(error.to_string());
                }
            }
        }
        self.tables.take(fact);
        self.check_view(run);
        let read = RunFact::read(&fact.new).ok().flatten();
        match read {
            Some(RunFact::AttemptFinished(body)) => {
                self.seen.lost += usize::from(body.lost);
                let success = RunResult::Succeeded;
                let process = self.processes.get(&(run, body.step.clone(), body.attempt));
                let outcome = process.and_then(|process| process.outcome.as_ref());
                let claimed = body.result == success || body.next == Next::Finished { result: success };
                if claimed && !outcome.is_some_and(|outcome| outcome.result == StepResult::Succeeded) {
                    return self.fault(format!("an outcome was invented: {body:?}"));
                }
                if body.result == success {
                    let facts = outcome.map(|outcome| outcome.facts.as_slice()).unwrap_or_default();
                    if let Some(lacking) = facts.iter().find(|fact| !self.ledger.has(fact.id)) {
                        let text = format!("the outcome of `{}` lacks its fact {}", body.step, lacking.id);
                        self.fault(text);
                    }
                }
            }
            Some(RunFact::Observed(body)) => {
                self.seen.observed += 1;
                let there = self.effects.get(&(run, body.step.clone())).copied().unwrap_or(0) > 0;
                let fits = match body.seen {
                    Saw::Done => there,
                    Saw::NotDone => !there,
                    Saw::Unknown => true,
                };
                if !fits {
                    self.fault(format!("an observation was invented: {body:?}"));
                }
            }
            Some(RunFact::GroupEntered(_)) => self.seen.entered += 1,
            Some(RunFact::Superseded(_)) => self.seen.superseded += 1,
            Some(RunFact::CancelRequested(_)) => self.seen.cancelled += 1,
            Some(RunFact::Reopened(_)) => self.seen.reopened += 1,
            _ => {}
        }
    }

    /// I10: the view says what the facts say.
    pub(super) fn check_view(&mut self, run: RunId) {
        let text = run.to_string();
        let truth = &self.truth[&run];
        for row in self
            .tables
            .rows(STEPS)
            .filter(|row| row.text("run").is_ok_and(|of| of == text))
        {
            let name: StepName = row.parse("step").expect("a name");
            let Some(state) = truth.state_of(&name) else { continue };
            let shown: State = row.parse("state").expect("a state");
            let result: Option<RunResult> = row.optional_parse("result").expect("a result");
            if shown != state || result != truth.result_of(&name) {
                let text = format!("I10: the view shows `{name}` as {shown} {result:?}, the facts say {state}");
                self.wrong.get_or_insert(text);
            }
        }
    }

    pub(super) fn check_answer(&mut self, wish: &Wish, answer: &Result<(), Refused>) {
        if answer.is_err() {
            return;
        }
        let there = self.ledger.stream(&stream_of(wish.run)).iter().any(|fact| {
            fact.kind() == wish.kind && (fact.new.actor == wish.actor || wish.kind == "run.cancel-requested")
        });
        if !there {
            self.fault(format!("I3: an acknowledged wish is not recorded: {wish:?}"));
        }
    }
}
