//! Clients that ask for runs, and people who cancel, retry and answer.

use facts::{Actor, ActorId, RunId, StepName};
use ledger::{Append, AppendError};
use pipeline::EffectClass;

use super::super::server::Wish;
use super::{CALM, Event, World, planned};
use crate::decide::{Input, Situation, request_facts};
use crate::invariants::History;
use crate::kinds::{claim_of, stream_of};
use crate::view::QUESTIONS;

impl World {
    pub(super) fn submit(&mut self, client: usize) {
        if self.acknowledged.contains_key(&client) {
            return;
        }
        let Some(id) = self.servers.first().map(|server| server.id) else {
            return self.soon(500, Event::Submit(client));
        };
        let mut request = self.clients[client].clone();
        if let Some(claim) = self.ledger.claim(&claim_of(&request.key)) {
            let run: RunId = claim.stream().key().parse().expect("a run");
            self.acknowledged.insert(client, run);
            // The engine makes sure that the run is driven.
            if let Some(at) = self.index(id) {
                self.servers[at].open(&self.ledger, run);
            }
            return;
        }
        request.run = RunId::of_key(&format!("{} {client} {}", self.seed, self.random.next()));
        let epoch = self.servers[0].epoch;
        let facts = request_facts(
            &request,
            Situation {
                now: self.timestamp(),
                epoch,
            },
        );
        let append = Append::after(0, vec![stream_of(request.run)], facts);
        self.soon(
            40,
            Event::Store {
                server: id,
                run: request.run,
                append,
                client: Some(client),
            },
        );
        // A client that hears nothing asks again; an impatient one asks twice at once.
        self.after(3_000, Event::Submit(client));
        if self.chance(self.faults.twice) {
            self.soon(60, Event::Submit(client));
        }
    }

    pub(super) fn submitted(&mut self, id: u64, run: RunId, client: usize, result: Result<(), AppendError>) {
        match result {
            Ok(()) => {
                self.acknowledged.insert(client, run);
                if let Some(at) = self.index(id) {
                    self.servers[at].open(&self.ledger, run);
                }
            }
            Err(_) => self.soon(10, Event::Submit(client)),
        }
    }

    pub(super) fn people(&mut self) {
        let done = self.acknowledged.len() == self.clients.len();
        if self.calm() && done && self.histories.values().all(History::is_finished) {
            return;
        }
        let questions: Vec<(RunId, StepName)> = self
            .tables
            .rows(QUESTIONS)
            .map(|row| (row.parse("run").expect("a run"), row.parse("step").expect("a step")))
            .collect();
        for (run, step) in questions {
            if self.calm() || self.random.percent(40) {
                self.answer(run, step);
            }
        }
        let runs: Vec<RunId> = self.histories.keys().copied().collect();
        for run in runs {
            let finished = self.histories[&run].is_finished();
            // What never ends by itself and has no time limit is cancelled by somebody, once.
            let truth = &self.truth[&run];
            let endless = truth
                .open_attempts()
                .any(|(step, _)| planned(truth, step).timeout_seconds.is_none());
            let stuck = self.now > CALM + 20_000 && endless && !truth.cancelling;
            if self.chance(2) || (!finished && stuck) {
                self.wish(run, "run.cancel-requested", |actor| Input::Cancel { actor });
            }
            let rounds = self.rounds.get(&run).copied().unwrap_or(0);
            if finished && rounds < 3 && self.chance(15) {
                self.rounds.insert(run, rounds + 1);
                self.wish(run, "run.reopened", |actor| Input::Retry { actor });
            }
        }
        self.soon(1_000, Event::People);
    }

    /// A person looks at the world and says what is true.
    pub(super) fn answer(&mut self, run: RunId, step: StepName) {
        let working = self
            .processes
            .iter()
            .any(|(key, process)| key.0 == run && key.1 == step && process.running);
        if working {
            return self.fault(format!("somebody is asked about `{step}` while it works"));
        }
        self.seen.asked += 1;
        let effect = planned(&self.truth[&run], &step).effect == EffectClass::Effect;
        let there = self.effects.get(&(run, step.clone())).copied().unwrap_or(0) > 0;
        let done = if effect { there } else { self.random.percent(50) };
        self.wish(run, "step.resolved", |actor| Input::Resolve { step, done, actor });
    }

    pub(super) fn wish(&mut self, run: RunId, kind: &'static str, input: impl FnOnce(Actor) -> Input) {
        self.wishes += 1;
        let actor = Actor::User(ActorId::of_key(&self.wishes.to_string()));
        if self.servers.is_empty() {
            return;
        }
        let at = self.random.below(self.servers.len() as u64) as usize;
        self.say(|| format!("somebody wishes {kind} of {run}"));
        let (ledger, server) = (&self.ledger, &mut self.servers[at]);
        if let Some(sim) = server.open(ledger, run) {
            sim.open.push(input(actor), Some(Wish { run, kind, actor }));
        }
    }
}
