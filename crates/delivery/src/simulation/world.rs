//! The world of a history: servers that come and go, runs that go on, people, policies and time.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use facts::published::Judgement;
use facts::{
    Actor, ActorId, Clock as _, Commit, ComponentId, ComponentName, Digest, EnvironmentName, Position, ReleaseLine,
    RunId, Timestamp, Version,
};
use ledger::{Ledger, MemoryLedger};
use pipeline::document::PackageDocument;
use serde_json::json;
use testkit::ManualClock;

use super::Met;
use super::ledger::{Seen, Weather};
use super::neighbour::{InOrder, Neighbour};
use super::random::Random;
use super::rules::Rules;
use super::runs::{Ends, FINISHED, ModelRuns, ModelTarget, REQUESTED, Work, run_fact};
use super::wish::Wish;
use crate::decide;
use crate::driver::DeliveryError;
use crate::driver::component::Loaded;
use crate::driver::runs::Reach;
use crate::gate;
use crate::kinds::PackageAccepted;
use crate::path::{ApprovalRule, EnvironmentPolicy, Path, Strategy, TargetPolicy};
use crate::ports::{Packages, PortError};
use crate::state::Mend;
use crate::views::DeliveryView;

/// What happens in a history before faults stop.
const EVENTS: usize = 800;

type Task = Pin<Box<dyn Future<Output = (Loaded, Done)>>>;

enum Done {
    Settled(Result<Option<Timestamp>, DeliveryError>),
    Asked(Box<Wish>, Result<(), DeliveryError>),
}

/// One process of the server.
struct Server {
    path: Arc<Mutex<Arc<Path>>>,
    /// Its component, while it does nothing.
    loaded: Option<Loaded>,
    task: Option<Task>,
    dirty: bool,
    wake_at: Option<Timestamp>,
}

struct NoFiles;

#[async_trait]
impl Packages for NoFiles {
    async fn document(&self, _: Digest) -> Result<Arc<PackageDocument>, PortError> {
        Ok(Arc::default())
    }

    async fn verify(&self, _: Digest) -> Result<(), PortError> {
        Ok(())
    }

    async fn folder(&self, _: Digest) -> Result<PathBuf, PortError> {
        Err(PortError("there are no files".into()))
    }
}

pub(crate) struct World {
    component: ComponentId,
    neighbour: Option<Neighbour>,
    random: Random,
    weather: Arc<Mutex<Weather>>,
    clock: ManualClock,
    ledger: Arc<MemoryLedger>,
    ends: Ends,
    target: ModelTarget,
    open: BTreeMap<RunId, Work>,
    rules: Rules,
    checked: Position,
    path: Arc<Path>,
    servers: Vec<Server>,
    commits: u64,
    met: Met,
    print: bool,
}

fn place(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

fn person(number: u64) -> Actor {
    Actor::User(ActorId::of_key(&number.to_string()))
}

/// The policies that come and go: with and without approvals, one region, a stage between, a renamed one.
fn paths() -> Vec<Arc<Path>> {
    let line = |name: &str| ReleaseLine::new(name).unwrap();
    let policy = |name: &str, after: &[&str], soak: u64, approvals: u32| EnvironmentPolicy {
        name: place(name),
        after: after.iter().map(|name| place(name)).collect(),
        lines: if name == "production" {
            vec![line("main")]
        } else {
            vec![line("main"), line("hotfix")]
        },
        soak: Duration::from_secs(soak),
        approvals: (0..approvals.min(1))
            .map(|_| ApprovalRule {
                role: "operations".into(),
                of: approvals,
            })
            .collect(),
        gates: Vec::new(),
        strategy: Strategy::Rolling,
        target: TargetPolicy::Process { instances: 1 },
        address: None,
        database: None,
    };
    let all = [
        vec![policy("staging", &[], 20, 0), policy("production", &["staging"], 10, 0)],
        vec![policy("staging", &[], 60, 0), policy("production", &["staging"], 0, 1)],
        vec![
            policy("staging", &[], 20, 0),
            policy("america", &["staging"], 0, 0),
            policy("production", &["staging", "america"], 0, 2),
        ],
        vec![policy("production", &[], 10, 0)],
        vec![policy("stage", &[], 5, 0), policy("production", &["stage"], 10, 0)],
    ];
    let revision = |number: usize| Digest::of(format!("policy {number}"));
    let all = all.into_iter().enumerate();
    all.map(|(number, policies)| Arc::new(Path::new(policies, revision(number))))
        .collect()
}

/// The answer of a future that never waits.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the ledger in memory never waits"),
    }
}

impl World {
    pub(crate) fn new(seed: u64, print: bool) -> Self {
        let mut random = Random::new(seed);
        let clock = ManualClock::new();
        let ledger = MemoryLedger::new(vec![Arc::new(DeliveryView)], Arc::new(clock.clone())).unwrap();
        let paths = paths();
        let mut rules = Rules::default();
        rules
            .paths
            .extend(paths.iter().map(|path| (path.revision, path.clone())));
        // Some histories keep the plain path, so that packages get far.
        let first = if random.percent(60) {
            0
        } else {
            random.below(5) as usize
        };
        let weather = Weather {
            random: Random::new(random.next()),
            failing: random.below(8),
            lost: 0,
        };
        // In some histories packages depend on changes of another component.
        let neighbour = random.percent(35).then(Neighbour::new);
        rules.other = neighbour.as_ref().map(|neighbour| neighbour.component);
        Self {
            component: ComponentId::of_key("shop/cart"),
            neighbour,
            weather: Arc::new(Mutex::new(weather)),
            clock,
            ledger: Arc::new(ledger),
            ends: Ends::default(),
            target: ModelTarget::default(),
            open: BTreeMap::new(),
            rules,
            checked: 0,
            path: paths[first].clone(),
            servers: Vec::new(),
            commits: 0,
            met: Met::default(),
            print,
            random,
        }
    }

    pub(crate) fn run(&mut self) -> Result<Met, String> {
        let storm = self.random.below(6);
        let changes = if self.random.percent(40) { 2 } else { 0 };
        self.start();
        for _ in 0..EVENTS {
            self.event(storm, changes)?;
            self.check()?;
        }
        self.calm()?;
        self.arrived()?;
        let verified = now_or_never(self.ledger.verify(None, &|_| {})).map_err(|error| error.to_string())?;
        if let Some(problem) = verified.fault {
            return Err(format!("the ledger is damaged: {problem:?}"));
        }
        let rebuilt = now_or_never(self.ledger.rebuild(&|_| {})).map_err(|error| error.to_string())?;
        if rebuilt.differed() {
            return Err("the view differs from its facts".into());
        }
        self.met.facts = self.rules.facts.len();
        self.met.intents = self.rules.intents;
        self.met.returns = self.rules.returns;
        self.met.bars = self.rules.barred().len();
        self.met.depended = self.rules.depended;
        self.met.lost = self.weather.lock().unwrap().lost;
        Ok(self.met)
    }

    /// The digest of everything that happened.
    pub(crate) fn digest(&self) -> Digest {
        let facts = now_or_never(self.ledger.read(0, usize::MAX)).unwrap();
        facts.last().map_or(Digest::of(""), |fact| fact.hash)
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.print {
            println!("{} {}", self.clock.now(), what());
        }
    }

    fn start(&mut self) {
        self.servers.push(Server {
            path: Arc::new(Mutex::new(self.path.clone())),
            loaded: Some(Loaded::new(self.component)),
            task: None,
            dirty: true,
            wake_at: None,
        });
    }

    fn reach(&self) -> Reach {
        let seen = Seen {
            inner: self.ledger.clone(),
            weather: self.weather.clone(),
        };
        Reach {
            ledger: Arc::new(seen.clone()),
            runs: Arc::new(ModelRuns {
                ledger: seen,
                ends: self.ends.clone(),
            }),
            packages: Arc::new(NoFiles),
            commits: Arc::new(InOrder),
            clock: Arc::new(self.clock.clone()),
        }
    }

    fn event(&mut self, storm: u64, changes: u64) -> Result<(), String> {
        let chance = self.random.below(1_000);
        if chance < storm * 3 && !self.servers.is_empty() {
            let dies = self.random.below(self.servers.len() as u64) as usize;
            self.met.crashes += usize::from(self.servers[dies].task.is_some());
            self.servers.remove(dies);
            self.say(|| format!("server {dies} dies"));
        }
        // Rarely an old server goes on beside the new one.
        if self.servers.is_empty() || (self.servers.len() < 2 && self.random.percent(storm)) {
            self.start();
        }
        match self.random.below(100) {
            0..=7 => self.wish_for(),
            8..=10 => {
                let by = Duration::from_secs(self.random.below(30));
                self.clock.advance(by);
            }
            11..=13 if self.random.percent(changes * 5) => {
                let paths = paths();
                self.path = self.random.pick(&paths).unwrap().clone();
                // An old server may not hear of it.
                let heard = self.random.below(3);
                for server in self.servers.iter_mut().rev().take(heard as usize + 1) {
                    *server.path.lock().unwrap() = self.path.clone();
                    server.dirty = true;
                }
            }
            14..=34 => self.go_on(false)?,
            35..=38 if self.neighbour.is_some() => self.other_moves(false)?,
            _ => {
                let which = self.random.below(self.servers.len() as u64) as usize;
                self.poll(which)?;
            }
        }
        Ok(())
    }

    /// Somebody wishes something of the newest server.
    fn wish_for(&mut self) {
        let Some(server) = self.servers.len().checked_sub(1) else {
            return;
        };
        if self.servers[server].task.is_some() {
            return;
        }
        let packages: Vec<Digest> = self.rules.packages().keys().copied().collect();
        let paths = self.path.clone();
        let names: Vec<_> = paths.environments().iter().map(|policy| policy.name.clone()).collect();
        let name = self.random.pick(&names).cloned().unwrap();
        let by = person(self.random.below(4));
        let known = self.random.pick(&packages).copied();
        let newest = self.rules.packages().values().max_by_key(|package| package.order);
        let newest = newest.map(|package| package.package);
        let wish = match (self.random.below(100), known, newest) {
            (0..=24, _, _) | (_, None, _) | (_, _, None) => self.commit(),
            (25..=34, Some(package), _) => Wish::Promote(name, package, by),
            (35..=54, _, Some(package)) => Wish::Approve(name, package, by),
            (55..=74, Some(package), _) => Wish::Approve(name, package, by),
            (75..=84, _, _) => Wish::RollBack(name, None),
            (85..=89, package, _) => Wish::RollBack(name, package),
            (_, Some(package), _) => {
                let barred = self.rules.barred().iter().copied().collect::<Vec<_>>();
                Wish::Unbar(self.random.pick(&barred).copied().unwrap_or(package))
            }
        };
        self.say(|| format!("server {server} is asked for {wish:?}"));
        let loaded = self.servers[server].loaded.take();
        let (reach, path) = (self.reach(), self.servers[server].path.clone());
        let component = self.component;
        let by = match &wish {
            Wish::Approve(_, _, by) | Wish::Promote(_, _, by) => *by,
            _ => by,
        };
        self.servers[server].task = loaded.map(|mut loaded| -> Task {
            Box::pin(async move {
                let result = loaded
                    .ask(
                        &reach,
                        || path.lock().unwrap().clone(),
                        by,
                        |state, path, now| wish.decide(component, state, path, now),
                    )
                    .await;
                (loaded, Done::Asked(Box::new(wish), result))
            })
        });
    }

    /// A build ends. Some end later than those of newer commits, some are of another line.
    fn commit(&mut self) -> Wish {
        self.commits += 1;
        let number = self.commits;
        let late = if self.random.percent(20) {
            self.random.below(60)
        } else {
            0
        };
        let depends = self.random.percent(30).then_some(self.neighbour.as_ref()).flatten();
        let on = depends.map(|neighbour| neighbour.change(&mut self.random));
        let accepted = PackageAccepted {
            package: Digest::of(format!("package {number}")),
            version: Version::new(format!("0.{number}.0")).unwrap(),
            component_name: ComponentName::new("shop/cart").unwrap(),
            commit: Commit::new(format!("{number:040}")).unwrap(),
            line: ReleaseLine::new(if self.random.percent(85) { "main" } else { "hotfix" }).unwrap(),
            order: (number * 20).saturating_sub(late).max(1) * 100 + number,
            run: RunId::of_key(&number.to_string()),
            author: person(self.random.below(4)),
            definition: Digest::of("definition"),
            gates: Vec::new(),
        };
        Wish::Accept(accepted, on.into_iter().collect())
    }

    /// The other component does something, or comes to rest.
    fn other_moves(&mut self, rests: bool) -> Result<(), String> {
        let names: Vec<_> = self
            .path
            .environments()
            .iter()
            .map(|policy| policy.name.clone())
            .collect();
        let now = self.clock.now();
        let Some(neighbour) = &mut self.neighbour else {
            return Ok(());
        };
        let facts = neighbour.moves(&names, rests, &mut self.random, now);
        let append = ledger::Append::unconditional(facts);
        now_or_never(self.ledger.append(append)).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// One of the open runs performs its next step.
    fn go_on(&mut self, calm: bool) -> Result<(), String> {
        let runs: Vec<RunId> = self.open.keys().copied().collect();
        let Some(run) = self.random.pick(&runs).copied() else {
            return Ok(());
        };
        let Some(work) = self.open.get_mut(&run) else {
            return Ok(());
        };
        let Some(ended) = work.go_on(&mut self.target, &mut self.random, calm)? else {
            return Ok(());
        };
        self.say(|| format!("{run} ends {:?}", ended.result));
        self.open.remove(&run);
        self.ends.lock().unwrap().insert(run, ended);
        let fact = run_fact(run, 2, FINISHED, json!(null), self.clock.now());
        now_or_never(self.ledger.append(ledger::Append::unconditional(vec![fact]))).map_err(|e| e.to_string())?;
        Ok(())
    }

    /// One server goes on until its next operation of the ledger.
    fn poll(&mut self, which: usize) -> Result<(), String> {
        let now = self.clock.now();
        let reach = self.reach();
        let Some(server) = self.servers.get_mut(which) else {
            return Ok(());
        };
        if server.task.is_none() {
            let due = server.wake_at.is_some_and(|at| at <= now);
            if !std::mem::take(&mut server.dirty) && !due {
                return Ok(());
            }
            server.wake_at = None;
            let path = server.path.clone();
            let loaded = server.loaded.take();
            server.task = loaded.map(|mut loaded| -> Task {
                Box::pin(async move {
                    let result = loaded.settle(&reach, || path.lock().unwrap().clone()).await;
                    (loaded, Done::Settled(result))
                })
            });
        }
        let Some(task) = &mut server.task else { return Ok(()) };
        let Poll::Ready((loaded, done)) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            return Ok(());
        };
        server.task = None;
        server.loaded = Some(loaded);
        match done {
            Done::Settled(Ok(wake_at)) => server.wake_at = wake_at,
            Done::Settled(Err(error)) => {
                // The driver tries again after a while.
                server.wake_at = now.checked_add(Duration::from_secs(5)).ok();
                self.say(|| format!("server {which} cannot decide: {error}"));
            }
            Done::Asked(wish, result) => {
                server.dirty = true;
                self.check()?;
                match result {
                    Ok(()) => {
                        self.met.wishes += 1;
                        if !self.rules.facts.iter().any(|fact| wish.is_met_by(fact)) {
                            return Err(format!("granted and not recorded: {wish:?}"));
                        }
                    }
                    Err(DeliveryError::Ask(error)) => {
                        self.met.refused += 1;
                        self.say(|| format!("refused: {error}"));
                    }
                    Err(error) => self.say(|| format!("not done: {error}")),
                }
            }
        }
        Ok(())
    }

    /// Checks every fact that is new.
    fn check(&mut self) -> Result<(), String> {
        let facts = now_or_never(self.ledger.read(self.checked, usize::MAX)).map_err(|error| error.to_string())?;
        for fact in facts {
            self.checked = fact.seq;
            self.say(|| format!("#{} {} {}", fact.seq, fact.kind(), fact.new.body));
            if fact.kind() == REQUESTED {
                let run = fact.stream().key().parse().map_err(|error| format!("{error:?}"))?;
                self.open.insert(run, Work::begin(&fact.new.body));
            }
            self.rules
                .check(&fact, &self.target)
                .map_err(|wrong| format!("at fact {}: {wrong}", fact.seq))?;
            for server in &mut self.servers {
                server.dirty = true;
            }
        }
        Ok(())
    }

    /// Faults stop: one new server, and every run goes well. Time passes only where somebody waits
    /// for it.
    fn calm(&mut self) -> Result<(), String> {
        self.say(|| "faults stop".into());
        self.weather.lock().unwrap().failing = 0;
        self.servers.clear();
        self.start();
        let rests = self.random.percent(50);
        self.other_moves(rests)?;
        for _ in 0..200_000 {
            self.poll(0)?;
            self.check()?;
            let server = &self.servers[0];
            if server.task.is_some() || server.dirty {
                continue;
            }
            if !self.open.is_empty() {
                self.go_on(true)?;
                self.check()?;
                continue;
            }
            match server.wake_at {
                Some(at) if at > self.clock.now() => self.clock.set(at),
                Some(_) => {}
                None => return Ok(()),
            }
        }
        Err("it never comes to rest".into())
    }

    /// Every environment holds the newest package that its gates allow, or something says why not.
    fn arrived(&mut self) -> Result<(), String> {
        let server = self.servers.first().ok_or("no server")?;
        let state = &server.loaded.as_ref().ok_or("the server still works")?.state;
        let now = self.clock.now();
        let later = now
            .checked_add(Duration::from_secs(1_000_000))
            .map_err(|error| error.to_string())?;
        let decision = decide::advance(self.component, state, &self.path, later);
        if !decision.facts.is_empty() {
            return Err(format!(
                "only time passed, and nobody looked again: {:?}",
                decision.facts
            ));
        }
        for policy in self.path.environments() {
            let here = state.environment(&policy.name);
            if here.open.is_some() {
                return Err(format!("a deployment without end in {}: {:?}", policy.name, here.open));
            }
            let mend = here.mend(&state.packages);
            let waits_without_reason = here
                .last
                .as_ref()
                .is_some_and(|last| !last.intent.purpose.is_return() && last.intent.from.package.is_none());
            if mend == Some(Mend::Person) && waits_without_reason {
                return Err(format!(
                    "{} waits for a person, though nothing was there before",
                    policy.name
                ));
            }
            self.met.stuck += usize::from(mend == Some(Mend::Person));
            match (mend, here.current.package, self.target.there.get(&policy.name)) {
                (Some(Mend::Return(to)), _, _) => return Err(format!("{to} does not come back to {}", policy.name)),
                (None, Some(package), Some((_, there))) if package != *there => {
                    return Err(format!(
                        "{there} is in {} instead of {package}, and nobody says so",
                        policy.name
                    ));
                }
                _ => {}
            }
            let stood = here
                .stood
                .iter()
                .chain(&here.current.package)
                .map(|digest| state.packages[digest].order)
                .max();
            for package in state.packages.values() {
                let verdict = gate::judge(state, &self.path, policy, package, now);
                let had_its_turn = Some(package.order) <= stood
                    || here.tried.contains(&package.digest)
                    || here.superseded.contains_key(&package.digest);
                if verdict.judgement == Judgement::Pass && !had_its_turn {
                    return Err(format!(
                        "{} could come to {} and does not",
                        package.version, policy.name
                    ));
                }
                if verdict.judgement != Judgement::Pass
                    && verdict.obstacle().is_none_or(|obstacle| obstacle.reason.is_empty())
                {
                    return Err(format!(
                        "{} may not come to {}, and nobody says why",
                        package.version, policy.name
                    ));
                }
                let asked = here.requested.is_some_and(|(asked, _)| asked == package.digest);
                if asked && verdict.judgement == Judgement::Pass {
                    return Err(format!(
                        "{} was asked for in {} and does not come",
                        package.version, policy.name
                    ));
                }
            }
        }
        Ok(())
    }
}
