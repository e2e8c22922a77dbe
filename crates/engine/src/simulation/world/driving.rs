//! Servers start, die, take turns, and hand appends to the store.

use facts::RunId;
use ledger::{Append, AppendError};

use super::super::server::{Server, SimRun, learn, load};
use super::{Event, Key, World};
use crate::groups::group_of_claim;
use crate::open_run::Turn;

/// After how many milliseconds a run that waits, or keeps others waiting, asks the ledger whether that is still so.
const LOOK_AGAIN: u64 = 5_000;

impl World {
    /// A deadline has passed: groups that are held elsewhere are looked for in the ledger, and a run that keeps
    /// others waiting looks whether somebody else has driven it further.
    pub(super) fn wake(&mut self, id: u64, run: RunId) {
        self.woken.remove(&(id, run, self.now));
        let Some(at) = self.index(id) else { return };
        let pool = std::sync::Arc::clone(&self.servers[at].pool);
        for group in pool.groups().held_elsewhere(run) {
            learn(&self.ledger, &pool, &group);
        }
        let keeps_waiting = pool.groups().keeps_waiting(run);
        let Some(sim) = self.servers[at].runs.get_mut(&run).filter(|_| keeps_waiting) else {
            return;
        };
        let Some((state, read_at)) = load(&self.ledger, run) else {
            return;
        };
        if !sim.open.is_appending() && state.version > sim.open.state().version {
            sim.conflicted(state, read_at);
        }
    }

    pub(super) fn start(&mut self) {
        self.started += 1;
        let mut server = Server::new(self.started, self.random.next() as u32, self.places);
        self.say(|| format!("server {} starts", server.id));
        let open = self.open_runs();
        for run in open {
            server.open(&self.ledger, run);
        }
        self.servers.push(server);
        if self.faults.two_servers && self.servers.len() == 1 && !self.calm() {
            self.soon(5_000, Event::Start);
        }
    }

    /// The first server that lives dies, or the one at `at`.
    pub(super) fn crash(&mut self, at: usize) {
        if at >= self.servers.len() {
            return;
        }
        let dead = self.servers.remove(at);
        self.seen.crashes += 1;
        self.say(|| format!("server {} dies", dead.id));
        let machine = self.random.percent(self.faults.machine_dies);
        let killed: Vec<Key> = self
            .processes
            .iter()
            .filter(|(_, process)| process.running && (machine || process.home == Some(dead.id)))
            .map(|(key, _)| key.clone())
            .collect();
        for key in killed {
            self.kill(&key);
        }
        match self.servers.is_empty() {
            true => self.soon(1_500, Event::Start),
            false => self.take_over(),
        }
    }

    /// The servers that are left read again what the dead one drove.
    pub(super) fn take_over(&mut self) {
        let open = self.open_runs();
        for server in &mut self.servers {
            for group in server.pool.groups().keys() {
                learn(&self.ledger, &server.pool, &group);
            }
            let driven: Vec<RunId> = server.runs.keys().copied().collect();
            for run in open.iter().chain(&driven) {
                let driven = server.runs.contains_key(run);
                let Some(sim) = server.open(&self.ledger, *run) else {
                    continue;
                };
                if driven && !sim.open.is_appending() {
                    let (state, read_at) = load(&self.ledger, *run).expect("the run is there");
                    sim.conflicted(state, read_at);
                }
            }
        }
    }

    pub(super) fn open_runs(&self) -> Vec<RunId> {
        let open = self.histories.iter().filter(|(_, history)| !history.is_finished());
        open.map(|(run, _)| *run).collect()
    }

    pub(super) fn kill(&mut self, key: &Key) {
        let applied = self.random.percent(50);
        let Some(process) = self.processes.get_mut(key) else {
            return;
        };
        process.running = false;
        process.outcome = None;
        if process.applies && applied {
            self.apply(key);
        }
        self.tell_all(key);
        self.say(|| format!("{} attempt {} is killed, effect applied: {applied}", key.1, key.2));
    }

    pub(super) fn server(&mut self, id: u64) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.id == id)
    }

    pub(super) fn index(&self, id: u64) -> Option<usize> {
        self.servers.iter().position(|server| server.id == id)
    }

    /// Lets every server do what it can do now.
    pub(super) fn pump(&mut self) {
        let mut again = true;
        while again && self.wrong.is_none() {
            again = false;
            let all: Vec<(u64, RunId)> = self
                .servers
                .iter()
                .flat_map(|server| server.runs.keys().map(|run| (server.id, *run)))
                .collect();
            for (id, run) in all {
                again |= self.turn(id, run);
            }
        }
    }

    /// One turn of one run; says whether something came of it.
    pub(super) fn turn(&mut self, id: u64, run: RunId) -> bool {
        let now = self.timestamp();
        let Some(sim) = self.server(id).and_then(|server| server.runs.get_mut(&run)) else {
            return false;
        };
        let SimRun { open, places, .. } = sim;
        let turn = match open.turn(now, places) {
            Ok(turn) => turn,
            Err(error) => {
                self.fault(error.to_string());
                return false;
            }
        };
        match turn {
            Turn::Idle => {
                let (over, deadline) = (sim.open.is_over(), sim.open.state().next_deadline());
                if over {
                    self.server(id).map(|server| server.runs.remove(&run));
                    return false;
                }
                let looks = self.server(id).is_some_and(|server| {
                    let groups = server.pool.groups();
                    !groups.held_elsewhere(run).is_empty() || groups.keeps_waiting(run)
                });
                if looks {
                    let at = self.now + LOOK_AGAIN;
                    if !self.woken.iter().any(|(server, of, _)| (*server, *of) == (id, run)) {
                        self.woken.insert((id, run, at));
                        self.after(LOOK_AGAIN, Event::Wake { server: id, run });
                    }
                }
                if let Some(deadline) = deadline {
                    let at = (deadline.as_millisecond() - 1_800_000_000_000).max(0) as u64 + 1;
                    if at > self.now && self.woken.insert((id, run, at)) {
                        self.after(at - self.now, Event::Wake { server: id, run });
                    }
                }
                false
            }
            Turn::Act(done) => {
                self.act(id, run, done);
                true
            }
            Turn::Append(append) => {
                let hasty = sim.open.hasty();
                self.act(id, run, hasty);
                let delay = if self.calm() { 0 } else { self.random.below(40) };
                self.after(
                    delay,
                    Event::Store {
                        server: id,
                        run,
                        append,
                        client: None,
                    },
                );
                true
            }
        }
    }

    pub(super) fn store(&mut self, id: u64, run: RunId, append: Append, client: Option<usize>) {
        let lives = self.index(id).is_some();
        if !lives {
            // A commit that was on its way when its server died may still come.
            if self.faults.late_commits && self.random.percent(50) {
                self.commit(&append).ok();
            }
            return;
        }
        if self.chance(self.faults.crash_at_store / 2) {
            self.say(|| "crash before a commit".to_owned());
            let at = self.index(id).unwrap_or_default();
            return self.crash(at);
        }
        if self.chance(self.faults.store_errors / 2) {
            // The store fails; the same append is sent again.
            return self.again(id, run, append, client);
        }
        let result = self.commit(&append);
        if self.chance(self.faults.crash_at_store / 2) {
            self.say(|| "crash after a commit".to_owned());
            let at = self.index(id).unwrap_or_default();
            return self.crash(at);
        }
        if result.is_ok() && self.chance(self.faults.store_errors / 2) {
            self.say(|| "an acknowledgement is lost".to_owned());
            return self.again(id, run, append, client);
        }
        match client {
            Some(client) => self.submitted(id, run, client, result.map(|_| ())),
            None => self.appended(id, run, result),
        }
    }

    pub(super) fn again(&mut self, id: u64, run: RunId, append: Append, client: Option<usize>) {
        match client {
            // The client is told that nobody knows, and asks again; the server looks whether it is there.
            Some(client) => {
                if let Some(at) = self.index(id) {
                    self.servers[at].open(&self.ledger, run);
                }
                self.soon(2_000, Event::Submit(client));
            }
            None => {
                let delay = 50 + self.random.below(300);
                self.after(
                    delay,
                    Event::Store {
                        server: id,
                        run,
                        append,
                        client,
                    },
                );
            }
        }
    }

    pub(super) fn appended(&mut self, id: u64, run: RunId, result: Result<u64, AppendError>) {
        let Some(at) = self.index(id) else { return };
        match result {
            Ok(last) => {
                let Some(sim) = self.servers[at].runs.get_mut(&run) else {
                    return;
                };
                let done = sim.open.committed(last);
                if !sim.open.state().agrees_with(&self.truth[&run])
                    && self.truth[&run].version == sim.open.state().version
                {
                    let text = format!("I10: server {id} and the facts of {run} differ");
                    self.fault(text);
                }
                self.act(id, run, done);
            }
            Err(refused) => {
                let (state, read_at) = load(&self.ledger, run).expect("the run is there");
                self.say(|| format!("server {id} is refused: {refused}"));
                let Some(sim) = self.servers[at].runs.get_mut(&run) else {
                    return;
                };
                let group = match &refused {
                    AppendError::Claimed { key, .. } => group_of_claim(key).map(str::to_owned),
                    _ => None,
                };
                if let Some(group) = group {
                    sim.conflicted(state, read_at);
                    learn(&self.ledger, &self.servers[at].pool, &group);
                    self.seen.conflicts += 1;
                } else if matches!(refused, AppendError::Conflict { .. } | AppendError::Reused { .. }) {
                    sim.conflicted(state, read_at);
                    self.seen.conflicts += 1;
                } else {
                    let rejected = sim.open.rejected(state, read_at, &refused.to_string());
                    self.seen.refused += 1;
                    if let Err(why) = rejected {
                        self.fault(format!("halted: {why}"));
                    }
                }
            }
        }
    }

    /// Appends to the ledger and checks every fact.
    pub(super) fn commit(&mut self, append: &Append) -> Result<u64, AppendError> {
        let now = self.timestamp();
        let before = self.ledger.head();
        let appended = self.ledger.append(append, now)?;
        if appended.repeated {
            self.seen.repeats += 1;
            for fact in &append.facts {
                let there = &self.ledger.facts[(appended.first - 1) as usize..appended.last as usize];
                if !there
                    .iter()
                    .any(|old| old.new.id == fact.id && old.new.body == fact.body && old.new.kind == fact.kind)
                {
                    self.fault(format!(
                        "I3: a fact was taken for another one: {} {}",
                        fact.kind, fact.body
                    ));
                }
            }
            return Ok(appended.last);
        }
        for seq in before..appended.last {
            let fact = std::sync::Arc::clone(&self.ledger.facts[seq as usize]);
            self.check(&fact);
        }
        Ok(appended.last)
    }
}
