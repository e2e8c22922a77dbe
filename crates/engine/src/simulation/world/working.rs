//! Attempts, outside of any server: they begin, end, are told to stop, are looked for.

use facts::{Actor, FactId, NewFact, RunId, Stream, Trust};
use pipeline::{EffectClass, PlannedStep};
use serde_json::json;

use super::super::server::Wish;
use super::{Event, GRACE, Key, Process, World, planned};
use crate::action::{ActionOutcome, Observation, StepResult};
use crate::attempt::Work;
use crate::decide::{Action, Attempt, Input};
use crate::kinds::stream_of;
use crate::open_run::Done;

impl World {
    pub(super) fn act(&mut self, id: u64, run: RunId, done: Done<Wish>) {
        for (wish, answer) in done.answers {
            self.say(|| format!("{wish:?} is answered: {answer:?}"));
            self.check_answer(&wish, &answer);
        }
        for action in done.actions {
            self.say(|| format!("server {id}: {action:?}"));
            match action {
                Action::Perform(attempt) => self.perform(id, run, attempt),
                Action::Resume(attempt) => self.resume(id, run, attempt),
                Action::Observe(attempt) => {
                    let Some(sim) = self.server(id).and_then(|server| server.runs.get_mut(&run)) else {
                        continue;
                    };
                    if sim.live.insert((Work::Observation, attempt.clone())) {
                        self.soon(
                            300,
                            Event::Look {
                                server: id,
                                key: (run, attempt.step, attempt.number),
                            },
                        );
                    }
                }
                Action::Stop(attempt) => {
                    let key = (run, attempt.step, attempt.number);
                    let Some(process) = self.processes.get_mut(&key) else {
                        continue;
                    };
                    let most = if process.deaf { GRACE } else { 200 };
                    self.soon(most, Event::Stops { server: id, key });
                }
            }
        }
    }

    pub(super) fn perform(&mut self, id: u64, run: RunId, attempt: Attempt) {
        let key = (run, attempt.step.clone(), attempt.number);
        let claimed = self.truth.get(&run).is_some_and(|truth| {
            truth
                .open_attempts()
                .any(|(step, number)| *step == attempt.step && number == attempt.number)
        });
        if !claimed {
            // Another server may have ended it meanwhile, but it must have been claimed.
            let stream = self.ledger.stream(&stream_of(run));
            let body = json!({"step": attempt.step, "attempt": attempt.number});
            if !stream
                .iter()
                .any(|fact| fact.kind() == "attempt.started" && fact.new.body == body)
            {
                return self.fault(format!("{attempt:?} is performed without a claim"));
            }
        }
        match self.processes.get(&key) {
            // Whoever was told that the attempt is lost made sure that it cannot begin any more.
            Some(process) if process.fenced => return self.tell(id, &key, ActionOutcome::lost()),
            Some(_) => return self.fault(format!("{attempt:?} is performed twice")),
            None => {}
        }
        let Some(at) = self.index(id) else { return };
        let Some(sim) = self.servers[at].runs.get_mut(&run) else {
            return;
        };
        if !sim.live.insert((Work::Attempt, attempt.clone())) {
            return;
        }
        let planned = planned(&self.truth[&run], &attempt.step);
        // Two servers at once are safe where the work outlives them: both wait for the same.
        let home = (!self.faults.two_servers && self.random.percent(40)).then_some(id);
        let outcome = self.outcome(run, &planned);
        let applies = planned.effect == EffectClass::Effect
            && (outcome.result == StepResult::Succeeded || self.random.percent(40));
        // Some never end by themselves; all of those have a time limit, or the run is cancelled.
        let endless = self.random.percent(10);
        let deaf = self.random.percent(20);
        let lasts = self.random.below(2_500);
        self.processes.insert(
            key.clone(),
            Process {
                home,
                running: true,
                outcome: Some(outcome),
                applies,
                deaf,
                fenced: false,
            },
        );
        if !endless {
            self.after(lasts, Event::Ends(key));
        }
    }

    /// What an attempt comes to, if nothing happens to it.
    pub(super) fn outcome(&mut self, run: RunId, planned: &PlannedStep) -> ActionOutcome {
        let failed = StepResult::Failed {
            message: "exit code 1".to_owned(),
            code: Some(1),
        };
        let result = match self.random.below(100) {
            0..20 => failed,
            20..24 => StepResult::Unknown {
                reason: "the wire was cut".to_owned(),
            },
            24..27 => StepResult::TimedOut,
            _ => StepResult::Succeeded,
        };
        let mut outcome = ActionOutcome::ended(result, json!({"of": planned.name}));
        outcome.retry = self.random.percent(80);
        if outcome.result == StepResult::Succeeded && self.random.percent(30) {
            // Now and then the claim is taken: the ledger refuses the outcome.
            let claim = self
                .random
                .percent(50)
                .then(|| format!("claim-{}", self.random.below(2)));
            outcome.facts.push(NewFact {
                stream: Stream::new("package", &planned.name),
                id: FactId::of_key(&format!("{} {run} {}", self.seed, self.random.next())),
                kind: "verdict.recorded".to_owned(),
                kind_version: 1,
                occurred_at: self.timestamp(),
                actor: Actor::Run(run),
                on_behalf_of: None,
                trust: Trust::Trusted,
                cause: None,
                correlation: None,
                external_key: claim,
                body: json!({}),
            });
        }
        outcome
    }

    pub(super) fn resume(&mut self, id: u64, run: RunId, attempt: Attempt) {
        let key = (run, attempt.step.clone(), attempt.number);
        let Some(sim) = self.server(id).and_then(|server| server.runs.get_mut(&run)) else {
            return;
        };
        if !sim.live.insert((Work::Attempt, attempt.clone())) {
            return;
        }
        let outcome = match self.processes.get(&key) {
            // It goes on: this server waits for it from now on.
            Some(process) if process.running => return,
            // What it told a dead server alone is gone with it.
            Some(process) if process.home.is_some() => ActionOutcome::lost(),
            Some(process) => process.outcome.clone().unwrap_or_else(ActionOutcome::lost),
            None => {
                self.processes.insert(key.clone(), Process::fence());
                ActionOutcome::lost()
            }
        };
        self.tell(id, &key, outcome);
    }

    /// Tells a server what became of an attempt, now and then twice.
    pub(super) fn tell(&mut self, id: u64, key: &Key, outcome: ActionOutcome) {
        let input = || Input::Finished {
            step: key.1.clone(),
            attempt: key.2,
            outcome: outcome.clone(),
        };
        self.soon(
            100,
            Event::Deliver {
                server: id,
                run: key.0,
                input: input(),
            },
        );
        if self.chance(self.faults.twice) {
            self.soon(
                4_000,
                Event::Deliver {
                    server: id,
                    run: key.0,
                    input: input(),
                },
            );
        }
    }

    pub(super) fn tell_all(&mut self, key: &Key) {
        let attempt = Attempt {
            step: key.1.clone(),
            number: key.2,
        };
        let waiting: Vec<u64> = self
            .servers
            .iter()
            .filter(|server| {
                let sim = server.runs.get(&key.0);
                sim.is_some_and(|sim| sim.live.contains(&(Work::Attempt, attempt.clone())))
            })
            .map(|server| server.id)
            .collect();
        let outcome = self.processes.get(key).and_then(|process| process.outcome.clone());
        let outcome = outcome.unwrap_or_else(ActionOutcome::lost);
        for id in waiting {
            self.tell(id, key, outcome.clone());
        }
    }

    pub(super) fn ends(&mut self, key: Key) {
        let Some(process) = self.processes.get_mut(&key).filter(|process| process.running) else {
            return;
        };
        process.running = false;
        if process.applies {
            self.apply(&key);
        }
        self.tell_all(&key);
    }

    pub(super) fn stops(&mut self, id: u64, key: Key) {
        // A server that died before it was heard has told nobody.
        if self.index(id).is_none() {
            return;
        }
        let applied = self.random.percent(30);
        let Some(process) = self.processes.get_mut(&key).filter(|process| process.running) else {
            return;
        };
        process.running = false;
        process.outcome = Some(ActionOutcome::cancelled());
        if process.applies && applied {
            self.apply(&key);
        }
        self.tell_all(&key);
    }

    /// The effect is in the world now. Twice is once too often.
    pub(super) fn apply(&mut self, key: &Key) {
        let count = self.effects.entry((key.0, key.1.clone())).or_default();
        *count += 1;
        if *count > 1 {
            let text = format!("the effect of `{}` was applied {count} times", key.1);
            self.fault(text);
        }
    }

    pub(super) fn deliver(&mut self, id: u64, run: RunId, input: Input) {
        let Some(sim) = self.server(id).and_then(|server| server.runs.get_mut(&run)) else {
            return;
        };
        match &input {
            Input::Finished { step, attempt, .. } => {
                sim.live.remove(&(
                    Work::Attempt,
                    Attempt {
                        step: step.clone(),
                        number: *attempt,
                    },
                ));
            }
            Input::Observed { step, attempt, .. } => {
                sim.live.remove(&(
                    Work::Observation,
                    Attempt {
                        step: step.clone(),
                        number: *attempt,
                    },
                ));
            }
            _ => {}
        }
        sim.open.push(input, None);
    }

    pub(super) fn look(&mut self, id: u64, key: Key) {
        if self.processes.get(&key).is_some_and(|process| process.running) {
            return self.fault(format!("`{}` is observed while attempt {} works", key.1, key.2));
        }
        let planned = planned(&self.truth[&key.0], &key.1);
        let count = self.effects.get(&(key.0, key.1.clone())).copied().unwrap_or(0);
        let observation = match count {
            _ if planned.input["blind"] == true => Observation::Unknown {
                reason: "it cannot be seen".to_owned(),
            },
            0 => Observation::NotDone,
            _ => Observation::Done {
                outputs: json!({"observed": true}),
            },
        };
        let input = Input::Observed {
            step: key.1,
            attempt: key.2,
            observation,
        };
        self.soon(
            50,
            Event::Deliver {
                server: id,
                run: key.0,
                input,
            },
        );
    }
}
