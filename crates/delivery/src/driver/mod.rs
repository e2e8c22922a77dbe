//! The driver: reads facts, asks the decisions, records what they say. It decides nothing itself.

pub(crate) mod component;
mod neighbours;
pub(crate) mod runs;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use facts::published::{Judgement, VERDICT_RECORDED};
use facts::{Actor, Clock, Commit, ComponentId, ComponentName, Digest, EnvironmentName, RunId, Timestamp};
use ledger::{AppendError, Ledger, LedgerError, Select};
use tokio::sync::{mpsc, watch};

use crate::decide::{self, AskError};
use crate::depends::{self, Others, Standing};
use crate::gate::{self, GateVerdict};
use crate::kinds::{DeliveryFact, Dependency, PackageAccepted};
use crate::path::Path;
use crate::ports::{Commits, Packages};
use crate::state::State;
use crate::views::COMPONENTS;

use component::Loaded;
use neighbours::Neighbours;
use runs::Reach;

/// Why delivery could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// What was asked for cannot be.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The ledger refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The engine refused a run.
    #[error("the run could not be started: {0}")]
    Engine(String),
    /// A run could not be read.
    #[error(transparent)]
    Query(#[from] engine::query::QueryError),
    /// A fact of this domain could not be read.
    #[error("a fact of delivery cannot be read: {0}")]
    Fact(#[from] serde_json::Error),
    /// A stored row could not be read.
    #[error(transparent)]
    Row(#[from] ledger::RowError),
    /// Where a change is that a package depends on cannot be told.
    #[error("whether packages of {component} hold {} cannot be told: {reason}", commit.short())]
    Dependency {
        /// The component that the change belongs to.
        component: ComponentName,
        /// The change.
        commit: Commit,
        /// Why.
        reason: String,
    },
    /// The package could not be read.
    #[error("the package {} cannot be read: {reason}", package.short())]
    Package {
        /// Which.
        package: Digest,
        /// Why.
        reason: String,
    },
}

/// What the driver works with.
#[derive(Clone)]
pub struct Parts {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The engine that drives deployments.
    pub engine: Arc<engine::Engine>,
    /// The stored packages.
    pub packages: Arc<dyn Packages>,
    /// The commits of all components.
    pub commits: Arc<dyn Commits>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// The pause before something is tried again that the ledger could not do.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// Delivery: the path of packages through the environments.
#[derive(Clone)]
pub struct Delivery(Arc<Inner>);

struct Inner {
    reach: Reach,
    path: watch::Sender<Arc<Path>>,
    components: tokio::sync::Mutex<HashMap<ComponentId, Loaded>>,
    /// The last state of each component, for whoever only reads.
    states: Mutex<HashMap<ComponentId, Arc<State>>>,
    nudges: mpsc::UnboundedSender<ComponentId>,
    /// Whether what happens next is decided here; else another server does, and this one looks on.
    leads: AtomicBool,
}

impl Delivery {
    /// Reads what is known, finishes what was begun before a restart, and goes on from there.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn start(parts: Parts, path: Path) -> Result<Self, DeliveryError> {
        Self::begin(parts, path, true).await
    }

    /// Reads what is known and follows it, and decides nothing by itself, because another server does. What
    /// people ask for is recorded here as there. Until it is told to [lead](Self::lead).
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn stand_by(parts: Parts, path: Path) -> Result<Self, DeliveryError> {
        Self::begin(parts, path, false).await
    }

    /// Decides from now on what happens next. Nobody else may.
    pub async fn lead(&self) {
        self.0.leads.store(true, Ordering::SeqCst);
        for component in self.0.components.lock().await.keys() {
            self.nudge(*component);
        }
    }

    async fn begin(parts: Parts, path: Path, leads: bool) -> Result<Self, DeliveryError> {
        let (path, _) = watch::channel(Arc::new(path));
        let (nudges, nudged) = mpsc::unbounded_channel();
        let delivery = Self(Arc::new(Inner {
            reach: parts.into(),
            path,
            components: tokio::sync::Mutex::default(),
            states: Mutex::default(),
            nudges,
            leads: AtomicBool::new(leads),
        }));
        let head = delivery.0.reach.ledger.head().await?;
        let rows = delivery.0.reach.ledger.select(Select::from(COMPONENTS)).await?.rows;
        for row in rows {
            delivery.settle(row.parse("component")?).await?;
        }
        tokio::spawn(follow(Arc::downgrade(&delivery.0), head, nudged));
        Ok(delivery)
    }

    /// The policy in force.
    pub fn path(&self) -> Arc<Path> {
        self.0.path.borrow().clone()
    }

    /// Another policy is in force from now on: every component is decided anew.
    pub async fn set_path(&self, path: Path) {
        self.0.path.send_replace(Arc::new(path));
        for component in self.0.components.lock().await.keys() {
            self.nudge(*component);
        }
    }

    /// What is known of the component's way; empty for a component without packages.
    pub fn state(&self, component: ComponentId) -> Arc<State> {
        let states = self.0.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&component).cloned().unwrap_or_default()
    }

    /// What the gate of `environment` says to a package now.
    ///
    /// # Errors
    /// When the environment or the package is not known, or the verdicts on it cannot be read.
    pub async fn gate(
        &self,
        component: ComponentId,
        environment: &EnvironmentName,
        package: Digest,
    ) -> Result<GateVerdict, DeliveryError> {
        let path = self.path();
        let policy = path
            .get(environment)
            .ok_or_else(|| AskError::UnknownEnvironment(environment.clone()))?;
        let mut state = self.state(component);
        let package = state
            .packages
            .get(&package)
            .ok_or(AskError::UnknownPackage(package))?
            .clone();
        // Decisions bring the verdicts on what is in the way; people may ask about any package.
        if !state.verdicts.contains_key(&package.digest) && verdicts::may_be_asked(&path, &package) {
            let read = verdicts::on(&*self.0.reach.ledger, package.digest).await?;
            Arc::make_mut(&mut state).verdicts.insert(package.digest, read);
        }
        let here = state.environment(environment);
        let on: BTreeSet<Dependency> = depends::of(&state, &here, &package).into_iter().cloned().collect();
        if !on.is_empty() {
            Arc::make_mut(&mut state).others = self.look(on).await?;
        }
        Ok(gate::judge(&state, &path, policy, &package, self.0.reach.clock.now()))
    }

    async fn look(&self, on: BTreeSet<Dependency>) -> Result<Others, DeliveryError> {
        Neighbours::default().look(on, &self.0.reach).await
    }

    /// How far these changes of other components are in each environment of the path.
    ///
    /// # Errors
    /// When the ledger or a repository cannot be read.
    pub async fn standing(
        &self,
        on: &[Dependency],
    ) -> Result<Vec<(Dependency, Vec<(EnvironmentName, Standing)>)>, DeliveryError> {
        let others = self.look(on.iter().cloned().collect()).await?;
        let state = State {
            others,
            ..State::default()
        };
        let path = self.path();
        let of_each = |on: &Dependency| {
            let policies = path.environments().iter();
            let places = policies.map(|policy| (policy.name.clone(), depends::standing(&state, policy, on)));
            (on.clone(), places.collect())
        };
        Ok(on.iter().map(of_each).collect())
    }

    /// A trusted build finished well: its package comes onto the path, with the changes of other components
    /// that it depends on. Saying it twice changes nothing.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub async fn accept(
        &self,
        component: ComponentId,
        accepted: PackageAccepted,
        depends_on: &[Dependency],
    ) -> Result<(), DeliveryError> {
        self.ask(component, Actor::System, |state, _, _| {
            Ok(decide::accept(state, &accepted, depends_on))
        })
        .await
    }

    /// Somebody approves; see [`decide::approve`].
    ///
    /// # Errors
    /// When it cannot be, or the ledger refuses.
    pub async fn approve(
        &self,
        component: ComponentId,
        environment: &EnvironmentName,
        package: Digest,
        role: &str,
        by: Actor,
    ) -> Result<(), DeliveryError> {
        self.ask(component, by, |state, path, _| {
            Ok(vec![decide::approve(state, path, environment, package, role, by)?])
        })
        .await
    }

    /// Somebody asks for a package; see [`decide::promote`].
    ///
    /// # Errors
    /// When it cannot be, or the ledger refuses.
    pub async fn promote(
        &self,
        component: ComponentId,
        environment: &EnvironmentName,
        package: Digest,
        by: Actor,
    ) -> Result<(), DeliveryError> {
        self.ask(component, by, |state, path, now| {
            Ok(vec![decide::promote(state, path, environment, package, by, now)?])
        })
        .await
    }

    /// Somebody goes back; see [`decide::roll_back`]. Returns the run that does it.
    ///
    /// # Errors
    /// When it cannot be, or the ledger refuses.
    pub async fn roll_back(
        &self,
        component: ComponentId,
        environment: &EnvironmentName,
        to: Option<Digest>,
        why: &str,
        by: Actor,
    ) -> Result<Option<RunId>, DeliveryError> {
        let mut run = None;
        self.ask(component, by, |state, path, now| {
            let facts = decide::roll_back(component, state, path, environment, to, why, now)?;
            run = facts.iter().find_map(|fact| match fact {
                DeliveryFact::Intended(intent) => Some(intent.run),
                _ => None,
            });
            Ok(facts)
        })
        .await?;
        Ok(run)
    }

    /// The cause of a bar is linked; see [`decide::unbar`].
    ///
    /// # Errors
    /// When the package is not barred, or the ledger refuses.
    pub async fn unbar(
        &self,
        component: ComponentId,
        package: Digest,
        cause: &str,
        by: Actor,
    ) -> Result<(), DeliveryError> {
        self.ask(component, by, |state, _, _| {
            Ok(vec![decide::unbar(state, package, cause)?])
        })
        .await
    }

    /// Records what somebody's wish comes to.
    async fn ask(
        &self,
        component: ComponentId,
        by: Actor,
        decide: impl FnMut(&State, &Path, Timestamp) -> Result<Vec<DeliveryFact>, AskError>,
    ) -> Result<(), DeliveryError> {
        let result = {
            let mut components = self.0.components.lock().await;
            let loaded = components.entry(component).or_insert_with(|| Loaded::new(component));
            let result = loaded.ask(&self.0.reach, || self.path(), by, decide).await;
            // Whoever asked sees what they asked for.
            self.publish(loaded);
            result
        };
        self.nudge(component);
        result
    }

    /// Decides for one component until nothing is left to decide; tells when to look again.
    async fn settle(&self, component: ComponentId) -> Result<Option<Timestamp>, DeliveryError> {
        let mut components = self.0.components.lock().await;
        let loaded = components.entry(component).or_insert_with(|| Loaded::new(component));
        let wake_at = match self.0.leads.load(Ordering::SeqCst) {
            true => loaded.settle(&self.0.reach, || self.path()).await,
            false => loaded.look_on(&self.0.reach, &self.path()).await.map(|()| None),
        };
        self.publish(loaded);
        wake_at
    }

    fn publish(&self, loaded: &Loaded) {
        let mut states = self.0.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(loaded.id, Arc::new(loaded.state.clone()));
    }

    fn nudge(&self, component: ComponentId) {
        // The receiver lives as long as the follower; without it nothing is decided any more.
        let _ = self.0.nudges.send(component);
    }

    /// For each environment, the packages that could come next and what their gates say.
    pub fn waiting(&self, component: ComponentId) -> BTreeMap<EnvironmentName, Vec<(Digest, GateVerdict)>> {
        let (state, path, now) = (self.state(component), self.path(), self.0.reach.clock.now());
        path.environments()
            .iter()
            .map(|policy| {
                let here = state.environment(&policy.name);
                let mut packages = decide::candidates(&state, policy, &here);
                if let Some(asked) = here.requested.and_then(|(digest, _)| state.packages.get(&digest))
                    && !packages.contains(&asked)
                {
                    packages.push(asked);
                }
                let judged = packages
                    .into_iter()
                    .filter(|package| {
                        here.open
                            .as_ref()
                            .is_none_or(|open| open.intent.package != package.digest)
                    })
                    .map(|package| (package.digest, gate::judge(&state, &path, policy, package, now)))
                    .filter(|(_, verdict)| verdict.judgement != Judgement::Fail)
                    .collect();
                (policy.name.clone(), judged)
            })
            .collect()
    }

    /// The names of the components that have packages on the path.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn components(&self) -> Result<BTreeMap<ComponentId, ComponentName>, DeliveryError> {
        let rows = self.0.reach.ledger.select(Select::from(COMPONENTS)).await?.rows;
        rows.iter()
            .map(|row| Ok((row.parse("component")?, row.parse("name")?)))
            .collect()
    }
}

/// Follows the ledger: whatever touches a component's delivery makes it be decided anew. Runs until
/// the last handle is gone.
async fn follow(
    inner: std::sync::Weak<Inner>,
    mut position: facts::Position,
    mut nudged: mpsc::UnboundedReceiver<ComponentId>,
) {
    let Some(mut head) = inner.upgrade().map(|inner| inner.reach.ledger.follow()) else {
        return;
    };
    let mut wakes: BTreeMap<ComponentId, Timestamp> = BTreeMap::new();
    // When to read the ledger again after it could not be read.
    let mut read_again: Option<Timestamp> = None;
    // Timers of before a restart were recomputed when the components were settled, but not kept.
    if let Some(inner) = inner.upgrade() {
        for component in inner.components.lock().await.keys() {
            let _ = inner.nudges.send(*component);
        }
    }
    loop {
        let next = wakes.values().chain(&read_again).min().copied();
        let sleep = {
            let Some(inner) = inner.upgrade() else { return };
            let now = inner.reach.clock.now();
            next.map(|at| std::time::Duration::try_from(at.duration_since(now)).unwrap_or_default())
        };
        let mut dirty = Vec::new();
        tokio::select! {
            changed = head.changed() => if changed.is_err() { return },
            component = nudged.recv() => match component {
                Some(component) => dirty.push(component),
                None => return,
            },
            () = async { match sleep {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            } } => {}
        }
        let Some(inner) = inner.upgrade() else { return };
        let delivery = Delivery(inner);
        while let Ok(component) = nudged.try_recv() {
            dirty.push(component);
        }
        let now = delivery.0.reach.clock.now();
        let soon = now.checked_add(RETRY).unwrap_or(now);
        read_again = match delivery.touched(&mut position, &mut dirty).await {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%error, "the ledger cannot be followed; it is tried again");
                Some(soon)
            }
        };
        dirty.extend(
            wakes
                .iter()
                .filter(|(_, at)| **at <= now)
                .map(|(component, _)| *component),
        );
        dirty.sort_unstable();
        dirty.dedup();
        for component in dirty {
            wakes.remove(&component);
            match delivery.settle(component).await {
                Ok(Some(at)) => {
                    wakes.insert(component, at);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%component, %error, "delivery could not be decided; it is tried again");
                    wakes.insert(component, soon);
                }
            }
        }
    }
}

impl Delivery {
    /// Gathers the components that new facts touch: their own facts, and the ends of their
    /// deployments' runs. What was gathered before an error stays.
    async fn touched(
        &self,
        position: &mut facts::Position,
        touched: &mut Vec<ComponentId>,
    ) -> Result<(), DeliveryError> {
        loop {
            let facts = self.0.reach.ledger.read(*position, 1_000).await?;
            let Some(last) = facts.last() else { break };
            *position = last.seq;
            for fact in &facts {
                if fact.stream().kind() == "delivery" {
                    let Ok(component) = fact.stream().key().parse::<ComponentId>() else {
                        continue;
                    };
                    touched.push(component);
                    // Whatever depends on a change of it may go on, or not any more.
                    let states = self.0.states.lock().unwrap_or_else(PoisonError::into_inner);
                    let depends = |state: &State| state.neighbours().contains(&component);
                    touched.extend(states.iter().filter(|(_, state)| depends(state)).map(|(id, _)| *id));
                } else if fact.kind() == VERDICT_RECORDED
                    && let Ok(package) = fact.stream().key().parse::<Digest>()
                {
                    let states = self.0.states.lock().unwrap_or_else(PoisonError::into_inner);
                    let holders = states.iter().filter(|(_, state)| state.packages.contains_key(&package));
                    touched.extend(holders.map(|(id, _)| *id));
                } else if fact.kind() == engine::kinds::FINISHED
                    && let Ok(run) = fact.stream().key().parse::<RunId>()
                {
                    let states = self.0.states.lock().unwrap_or_else(PoisonError::into_inner);
                    touched.extend(states.iter().filter(|(_, state)| drives(state, run)).map(|(id, _)| *id));
                }
            }
        }
        Ok(())
    }
}

fn drives(state: &State, run: RunId) -> bool {
    state
        .environments
        .values()
        .any(|environment| environment.open.as_ref().is_some_and(|open| open.intent.run == run))
}
