//! The world of a simulated history: time, the store, processes, people, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use facts::{
    Actor, ActorId, ComponentId, ComponentName, Digest, Fact, FactId, NewFact, RunId, StepName, Stream, Timestamp,
    Trust,
};
use ledger::{Append, AppendError};
use pipeline::plan::Retries;
use pipeline::{EffectClass, Plan, PlannedStep};
use serde_json::json;

use super::Seen;
use super::ledger::SimLedger;
use super::random::Random;
use super::rows::Tables;
use super::server::{Server, SimRun, Wish, free_kinds, load};
use crate::action::{ActionOutcome, Observation, StepResult};
use crate::attempt::Work;
use crate::decide::{Action, Attempt, Input, Refused, Situation, request_facts};
use crate::invariants::History;
use crate::kinds::{Next, RunFact, Seen as Saw, claim_of, stream_of};
use crate::open_run::{Done, Turn};
use crate::request::RunRequest;
use crate::result::{RunResult, State};
use crate::state::RunState;
use crate::view::{QUESTIONS, STEPS};

/// When faults stop, in milliseconds.
const CALM: u64 = 30_000;
/// By when every run must have ended.
const END: u64 = 2_000_000;
/// How long an attempt that does not hear is left alone.
const GRACE: u64 = 2_000;

type Key = (RunId, StepName, u32);

/// Something that happens at a time.
enum Event {
    /// The client asks for its run, maybe again.
    Submit(usize),
    /// The store takes up an append of this server.
    Store {
        server: u64,
        run: RunId,
        append: Append,
        client: Option<usize>,
    },
    /// The work of an attempt is done.
    Ends(Key),
    /// An attempt that was told to stop stops.
    Stops {
        server: u64,
        key: Key,
    },
    /// An input reaches a server.
    Deliver {
        server: u64,
        run: RunId,
        input: Input,
    },
    /// An effect is looked for, by this server.
    Look {
        server: u64,
        key: Key,
    },
    /// A deadline of a run passes.
    Wake {
        server: u64,
        run: RunId,
    },
    Crash,
    Start,
    /// People look at what there is.
    People,
}

/// The work of one attempt, outside of any server.
struct Process {
    /// It dies with this server; `None` outlives them all.
    home: Option<u64>,
    running: bool,
    /// What it comes to, if it comes to an end and was not killed.
    outcome: Option<ActionOutcome>,
    applies: bool,
    deaf: bool,
    /// It was looked for before it began: it is lost, and must not begin.
    fenced: bool,
}

impl Process {
    fn fence() -> Self {
        Self {
            home: None,
            running: false,
            outcome: None,
            applies: false,
            deaf: false,
            fenced: true,
        }
    }
}

/// Which faults happen in this history, in percent.
struct Faults {
    crash_at_store: u64,
    store_errors: u64,
    machine_dies: u64,
    twice: u64,
    two_servers: bool,
    late_commits: bool,
}

pub(super) struct World {
    seed: u64,
    print: bool,
    random: Random,
    now: u64,
    count: u64,
    events: BTreeMap<(u64, u64), Event>,
    faults: Faults,
    places: usize,
    ledger: SimLedger,
    histories: BTreeMap<RunId, History>,
    truth: BTreeMap<RunId, RunState>,
    tables: Tables,
    servers: Vec<Server>,
    started: u64,
    processes: BTreeMap<Key, Process>,
    effects: BTreeMap<(RunId, StepName), u32>,
    clients: Vec<RunRequest>,
    acknowledged: BTreeMap<usize, RunId>,
    wishes: u64,
    rounds: BTreeMap<RunId, u32>,
    woken: BTreeSet<(u64, RunId, u64)>,
    seen: Seen,
    wrong: Option<String>,
}

impl World {
    pub(super) fn new(seed: u64, print: bool) -> Self {
        let mut random = Random::new(seed);
        let mut some = |chance, most| {
            if random.percent(chance) {
                1 + random.below(most)
            } else {
                0
            }
        };
        // Each history has its own mix, so that rare faults meet each other.
        let faults = Faults {
            crash_at_store: some(60, 12),
            store_errors: some(50, 20),
            machine_dies: some(40, 60),
            twice: some(50, 40),
            two_servers: some(35, 1) > 0,
            late_commits: some(50, 1) > 0,
        };
        let places = 1 + random.below(4) as usize;
        let mut world = Self {
            seed,
            print,
            random,
            now: 0,
            count: 0,
            events: BTreeMap::new(),
            faults,
            places,
            ledger: SimLedger::default(),
            histories: BTreeMap::new(),
            truth: BTreeMap::new(),
            tables: Tables::default(),
            servers: Vec::new(),
            started: 0,
            processes: BTreeMap::new(),
            effects: BTreeMap::new(),
            clients: Vec::new(),
            acknowledged: BTreeMap::new(),
            wishes: 0,
            rounds: BTreeMap::new(),
            woken: BTreeSet::new(),
            seen: Seen::default(),
            wrong: None,
        };
        for client in 0..=world.random.below(3) as usize {
            let request = world.request(client);
            world.clients.push(request);
            let at = world.random.below(3_000);
            world.after(at, Event::Submit(client));
        }
        world.after(0, Event::Start);
        world.after(500, Event::People);
        if world.faults.crash_at_store > 0 {
            let at = world.random.below(8_000);
            world.after(at, Event::Crash);
        }
        world
    }

    /// The digest of the whole history.
    pub(super) fn digest(mut self) -> Option<Digest> {
        let _ = self.go();
        self.ledger.facts.last().map(|fact| fact.hash)
    }

    pub(super) fn run(mut self) -> Result<Seen, String> {
        self.go()?;
        Ok(self.seen)
    }

    fn go(&mut self) -> Result<(), String> {
        while let Some(((at, _), event)) = self.events.pop_first() {
            self.now = at;
            if at > END {
                break;
            }
            self.happen(event);
            self.pump();
            if let Some(wrong) = self.wrong.take() {
                return Err(format!("{wrong} (at {} ms)", self.now));
            }
        }
        let open: Vec<_> = self
            .histories
            .iter()
            .filter(|(_, history)| !history.is_finished())
            .collect();
        if self.acknowledged.len() < self.clients.len() || !open.is_empty() {
            let states: Vec<String> = open
                .iter()
                .map(|(run, _)| format!("{:?}", self.truth[*run].steps))
                .collect();
            return Err(format!("liveness: {} runs never ended: {states:?}", open.len()));
        }
        self.seen.facts = self.ledger.facts.len();
        Ok(())
    }

    fn say(&self, text: impl FnOnce() -> String) {
        if self.print {
            println!("[{:>7}] {}", self.now, text());
        }
    }

    fn fault(&mut self, text: String) {
        self.say(|| format!("WRONG: {text}"));
        self.wrong.get_or_insert(text);
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.count += 1;
        self.events.insert((self.now + delay, self.count), event);
    }

    fn soon(&mut self, most: u64, event: Event) {
        let delay = self.random.below(most);
        self.after(delay, event);
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + self.now as i64).expect("in range")
    }

    fn calm(&self) -> bool {
        self.now >= CALM
    }

    fn chance(&mut self, percent: u64) -> bool {
        let hit = self.random.percent(percent);
        hit && !self.calm()
    }

    /// A run of a few steps that need one another.
    fn request(&mut self, client: usize) -> RunRequest {
        let steps = 1 + self.random.below(7);
        let mut plan: Vec<PlannedStep> = Vec::new();
        for at in 0..steps {
            let name = StepName::new(format!("s{at}")).expect("a name");
            let action = if self.random.percent(10) { "approve" } else { "run" };
            let mut step = PlannedStep::new(name, action, json!({"blind": self.random.percent(25)}));
            for before in &plan {
                if self.random.percent(35) {
                    step.needs.push(before.name.clone());
                }
            }
            if let (true, Some(need)) = (self.random.percent(20), step.needs.first()) {
                let wanted = if self.random.percent(50) { "succeeded" } else { "failed" };
                step.when = Some(format!("needs.{need}.result == '{wanted}'"));
            }
            step.effect = *self
                .random
                .pick(&[EffectClass::Pure, EffectClass::Idempotent, EffectClass::Effect])
                .unwrap_or(&EffectClass::Pure);
            step.timeout_seconds = self.random.percent(50).then(|| 1 + self.random.below(3));
            step.retries = Retries {
                times: self.random.below(3) as u32,
                first_delay_ms: self.random.below(1_500),
                factor: 2,
                longest_delay_ms: 3_000,
            };
            plan.push(step);
        }
        RunRequest {
            run: RunId::of_key("later"),
            kind: "build".to_owned(),
            key: format!("key-{client}"),
            component: ComponentId::of_key("shop/cart"),
            component_name: ComponentName::new("shop/cart").expect("a name"),
            commit: None,
            line: None,
            environment: None,
            definition: Digest::of("definition"),
            trust: Trust::Trusted,
            actor: Actor::System,
            cause: None,
            context: json!(null),
            plan: Ok(Plan { steps: plan }),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Submit(client) => self.submit(client),
            Event::Store {
                server,
                run,
                append,
                client,
            } => self.store(server, run, append, client),
            Event::Ends(key) => self.ends(key),
            Event::Stops { server, key } => self.stops(server, key),
            Event::Deliver { server, run, input } => self.deliver(server, run, input),
            Event::Look { server, key } => self.look(server, key),
            Event::Wake { server, run } => {
                self.woken.remove(&(server, run, self.now));
            }
            Event::Crash => {
                if !self.calm() {
                    self.crash(0);
                    self.soon(12_000, Event::Crash);
                }
            }
            Event::Start => self.start(),
            Event::People => self.people(),
        }
    }

    // Servers.

    fn start(&mut self) {
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
    fn crash(&mut self, at: usize) {
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
    fn take_over(&mut self) {
        let open = self.open_runs();
        for server in &mut self.servers {
            for run in &open {
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

    fn open_runs(&self) -> Vec<RunId> {
        let open = self.histories.iter().filter(|(_, history)| !history.is_finished());
        open.map(|(run, _)| *run).collect()
    }

    fn kill(&mut self, key: &Key) {
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

    fn server(&mut self, id: u64) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.id == id)
    }

    fn index(&self, id: u64) -> Option<usize> {
        self.servers.iter().position(|server| server.id == id)
    }

    /// Lets every server do what it can do now.
    fn pump(&mut self) {
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
    fn turn(&mut self, id: u64, run: RunId) -> bool {
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
                } else if let Some(deadline) = deadline {
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

    // The store.

    fn store(&mut self, id: u64, run: RunId, append: Append, client: Option<usize>) {
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

    fn again(&mut self, id: u64, run: RunId, append: Append, client: Option<usize>) {
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

    fn appended(&mut self, id: u64, run: RunId, result: Result<u64, AppendError>) {
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
                if matches!(refused, AppendError::Conflict { .. } | AppendError::Reused { .. }) {
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
    fn commit(&mut self, append: &Append) -> Result<u64, AppendError> {
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

    // The rules.

    fn check(&mut self, fact: &Fact) {
        let Ok(run) = fact.stream().key().parse::<RunId>() else {
            return;
        };
        self.say(|| format!("fact {}: {} {}", fact.seq, fact.kind(), fact.new.body));
        if let Err(violation) = self.histories.entry(run).or_default().check(fact) {
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
            Some(RunFact::CancelRequested(_)) => self.seen.cancelled += 1,
            Some(RunFact::Reopened(_)) => self.seen.reopened += 1,
            _ => {}
        }
    }

    /// I10: the view says what the facts say.
    fn check_view(&mut self, run: RunId) {
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

    fn check_answer(&mut self, wish: &Wish, answer: &Result<(), Refused>) {
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

    // Actions.

    fn act(&mut self, id: u64, run: RunId, done: Done<Wish>) {
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

    fn perform(&mut self, id: u64, run: RunId, attempt: Attempt) {
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
    fn outcome(&mut self, run: RunId, planned: &PlannedStep) -> ActionOutcome {
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

    fn resume(&mut self, id: u64, run: RunId, attempt: Attempt) {
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
    fn tell(&mut self, id: u64, key: &Key, outcome: ActionOutcome) {
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

    fn tell_all(&mut self, key: &Key) {
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

    fn ends(&mut self, key: Key) {
        let Some(process) = self.processes.get_mut(&key).filter(|process| process.running) else {
            return;
        };
        process.running = false;
        if process.applies {
            self.apply(&key);
        }
        self.tell_all(&key);
    }

    fn stops(&mut self, id: u64, key: Key) {
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
    fn apply(&mut self, key: &Key) {
        let count = self.effects.entry((key.0, key.1.clone())).or_default();
        *count += 1;
        if *count > 1 {
            let text = format!("the effect of `{}` was applied {count} times", key.1);
            self.fault(text);
        }
    }

    fn deliver(&mut self, id: u64, run: RunId, input: Input) {
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

    fn look(&mut self, id: u64, key: Key) {
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

    // People and clients.

    fn submit(&mut self, client: usize) {
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

    fn submitted(&mut self, id: u64, run: RunId, client: usize, result: Result<(), AppendError>) {
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

    fn people(&mut self) {
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
    fn answer(&mut self, run: RunId, step: StepName) {
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

    fn wish(&mut self, run: RunId, kind: &'static str, input: impl FnOnce(Actor) -> Input) {
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

/// The step of that name in the run's plan.
fn planned(truth: &RunState, step: &StepName) -> PlannedStep {
    truth.planned(truth.place(step).expect("a step of the plan")).clone()
}
