//! The world of a simulated history: time, the store, processes, people, and what goes wrong.

mod driving;
mod people;
mod rules;
mod working;

use std::collections::{BTreeMap, BTreeSet};

use facts::{Actor, ComponentId, ComponentName, Digest, RunId, StepName, Timestamp, Trust};
use ledger::Append;
use pipeline::plan::{Concurrency, GroupRule, Retries};
use pipeline::{EffectClass, Plan, PlannedStep};
use serde_json::json;

use super::Seen;
use super::ledger::SimLedger;
use super::random::Random;
use super::rows::Tables;
use super::server::Server;
use crate::action::ActionOutcome;
use crate::decide::Input;
use crate::invariants::{Groups, History};
use crate::request::RunRequest;
use crate::state::RunState;

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
    groups: Groups,
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
            groups: Groups::default(),
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
        let grouped = self.random.percent(70);
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
            if grouped {
                step.concurrency = self.concurrency(50);
            }
            plan.push(step);
        }
        let mut plan = Plan::of(plan);
        if grouped {
            plan.concurrency = self.concurrency(30);
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
            plan: Ok(plan),
        }
    }

    fn concurrency(&mut self, percent: u64) -> Option<Concurrency> {
        if !self.random.percent(percent) {
            return None;
        }
        let rules = [
            GroupRule::Queue,
            GroupRule::Queue,
            GroupRule::Newest,
            GroupRule::Replace,
        ];
        Some(Concurrency {
            group: format!("g{}", self.random.below(2)),
            rule: *self.random.pick(&rules).unwrap_or(&GroupRule::Queue),
        })
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
            Event::Wake { server, run } => self.wake(server, run),
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
}

/// The step of that name in the run's plan.
fn planned(truth: &RunState, step: &StepName) -> PlannedStep {
    truth.planned(truth.place(step).expect("a step of the plan")).clone()
}
