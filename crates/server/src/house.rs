//! The house: every room opened and connected.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use access::Access;
use artifact::registry::Registry;
use artifact::{BlobStore, UnpackCache};
use build::rebuild::{CompareAction, LeaveOutAction};
use build::{BesideAction, KeptResults, PackageAction, RunAction, VersionAction, Workspaces};
use delivery::{ActionParts, Delivery, Parts};
use engine::Engine;
use executor::{Executor, LocalExecutor, LocalOptions};
use facts::{Actor, Clock, ComponentName, Entropy, RunId, StepName, SystemClock, SystemEntropy};
use ledger::Ledger;
use pipeline::Environments;
use tokio::sync::{Notify, RwLock, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::backup::restored::{self, FirstStart};
use crate::changes::kinds::{COMPONENT_PLACED, POLICY_CHANGED};
use crate::changes::{
    BuildParts, Builds, Intake, Rebuilds, Register, RegisterError, RemoteParts, Remotes, Repositories, TagAction,
    Versions,
};
use crate::checkpoints::{CheckpointParts, Checkpoints};
use crate::data::{Company, lock, opening, private_folder, refuse_network};
use crate::duties::{Duties, Duty};
use crate::error::ServerError;
use crate::hooks::Counts;
use crate::notifications::Outgoing;
use crate::policy::Policy;
use crate::ports::{
    ClaimedNames, EnvironmentDatabases, EnvironmentTargets, HeldChanges, KeptLogs, StepScripts, StoredPackages,
    StoredSecrets,
};
use crate::problem::Problem;
use crate::servers::Servers;
use crate::settings::Settings;
use crate::store;
use crate::views;
use crate::watch::Watched;

pub use crate::open_error::OpenError;

/// How many webhooks are read at a time.
const HOOKS_AT_ONCE: usize = 8;

/// All rooms, connected.
pub struct House {
    /// What the server was told.
    pub settings: Settings,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// The facts.
    pub ledger: Arc<dyn Ledger>,
    /// Tokens, sessions, secrets, people.
    pub access: Arc<Access>,
    /// Signed checkpoints of the ledger.
    pub checkpoints: Arc<Checkpoints>,
    /// The blobs.
    pub store: Arc<BlobStore>,
    /// What answers those who pull packages.
    pub registry: Arc<Registry>,
    /// The packages.
    pub packages: Arc<StoredPackages>,
    /// The kept logs.
    pub logs: Arc<KeptLogs>,
    /// The components.
    pub register: Register,
    /// Their repositories.
    pub repositories: Arc<Repositories>,
    /// Pushes.
    pub intake: Intake,
    /// Builds.
    pub builds: Builds,
    /// Builds again.
    pub rebuilds: Rebuilds,
    /// Followed repositories.
    pub remotes: Remotes,
    /// Runs.
    pub engine: Arc<Engine>,
    /// Steps as processes.
    pub executor: Arc<dyn Executor>,
    /// The workspaces of runs.
    pub workspaces: Arc<Workspaces>,
    /// The kept results of steps.
    pub results: Arc<KeptResults>,
    /// Where packages run.
    pub targets: Arc<EnvironmentTargets>,
    /// The environments' policy.
    pub policy: Policy,
    /// The path of packages.
    pub delivery: Delivery,
    /// How people and machines outside are told, where they are.
    pub(crate) notifications: Option<Arc<Outgoing>>,
    /// How many webhooks came.
    pub(crate) hooks: Counts,
    /// How many webhooks are read at a time.
    pub(crate) hook_turns: Semaphore,
    /// Components whose pushes could not be recorded yet.
    pub(crate) overdue: Overdue,
    /// What the watch over the rules has seen.
    pub(crate) watched: Watched,
    /// What this server does by itself, and what others do.
    pub(crate) duties: Arc<Duties>,
    /// This server among those of its data folder.
    pub(crate) servers: Arc<Servers>,
    /// Held by whoever counts on everything being kept; what is removed after a while waits for them.
    pub(crate) keeping: Arc<RwLock<()>>,
    /// Cancelled when the server stops.
    pub stopping: CancellationToken,
    url: OnceLock<String>,
    _lock: File,
}

/// Components to look at again, because what was pushed could not be recorded.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    names: Mutex<BTreeSet<ComponentName>>,
    /// Hears of each that is added.
    pub added: Notify,
}

impl Overdue {
    fn names(&self) -> MutexGuard<'_, BTreeSet<ComponentName>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, name: ComponentName) {
        self.names().insert(name);
        self.added.notify_one();
    }

    /// All of them, to be looked at now.
    pub fn take(&self) -> BTreeSet<ComponentName> {
        std::mem::take(&mut *self.names())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names().is_empty()
    }
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House")
            .field("data", &self.settings.data)
            .finish_non_exhaustive()
    }
}

fn room<E: std::fmt::Display>(room: &'static str) -> impl Fn(E) -> OpenError {
    move |error| OpenError::Room {
        room,
        reason: error.to_string(),
    }
}

/// Says where the components lie that share a repository.
async fn settle(register: &Register, repositories: &Repositories) -> Result<(), RegisterError> {
    let all = register.all().await?;
    for component in &all {
        if let Some(place) = &component.place
            && let Some(home) = all.iter().find(|other| other.id == place.repository)
        {
            repositories.settle(component.name.clone(), home.name.clone(), place.member.clone());
        }
    }
    Ok(())
}

/// Enters this process among the servers of the folder, which are of one version.
fn enter(data: &std::path::Path, clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Result<Arc<Servers>, OpenError> {
    let servers = Servers::enter(data, clock, entropy).map_err(|source| OpenError::File {
        path: data.join("servers"),
        source,
    })?;
    let others = servers.others();
    let own = env!("CARGO_PKG_VERSION");
    if let Some(other) = others.iter().find(|other| other.about.version != own) {
        let url = other.about.url.clone();
        return Err(OpenError::OtherVersion {
            url: url.unwrap_or_else(|| format!("process {}", other.about.pid)),
            theirs: other.about.version.clone(),
            own,
        });
    }
    if others.is_empty() {
        // Copies of a backup that was not taken to its end.
        let _ = std::fs::remove_dir_all(data.join(crate::backup::DRAFTS));
    }
    Ok(Arc::new(servers))
}

/// Takes up again what an earlier server left running.
async fn resume(targets: &EnvironmentTargets) {
    for (placement, resumed) in targets.resume().await {
        if let Err(error) = resumed {
            tracing::error!(component = %placement.component_name, environment = %placement.environment, %error,
                "what runs there could not be taken up again");
        }
    }
}

impl House {
    /// Opens every room below the data folder, and takes up what was left unfinished.
    ///
    /// # Errors
    /// When the folder is used by another server, a store cannot be opened, or the policy is wrong.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, OpenError> {
        let data = settings.data.clone();
        private_folder(&data)?;
        let data = data
            .canonicalize()
            .map_err(|source| OpenError::File { path: data, source })?;
        refuse_network(&data)?;
        let company = match settings.database {
            Some(_) => Company::Sharing,
            None => Company::Alone,
        };
        let lock = lock(&data, company).await?;
        let opening = opening(&data).await?;
        let restored = restored::may_start(&data)?;
        for name in [
            "blobs",
            "repositories",
            "runs",
            "caches",
            "results",
            "targets",
            "databases",
            "packages",
        ] {
            private_folder(&data.join(name))?;
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let servers = enter(&data, clock.clone(), &*entropy)?;
        let store::Store { ledger, leases } = store::open(
            &data,
            settings.database.as_ref(),
            views::all(),
            clock.clone(),
            entropy.as_ref(),
        )
        .await?;
        let duties = Duties::start(leases, &ledger, servers.clone()).await;
        let duties = duties.map_err(room("the leases of the ledger"))?;
        let leads = duties.leads(Duty::Runs);
        let access = Access::open(&data, settings.secret_key.as_deref(), clock.clone(), entropy.clone())
            .map_err(room("the store of access"))?;
        let access = Arc::new(access);
        let notifications = settings.notifications.as_deref();
        let notifications = notifications.map(|file| Outgoing::open(file, access.clone(), clock.clone()));
        let notifications = notifications
            .transpose()
            .map_err(OpenError::Notifications)?
            .map(Arc::new);
        let checkpoints = CheckpointParts {
            ledger: duties.ledger(Duty::Checkpoints),
            clock: clock.clone(),
            entropy: entropy.clone(),
            folder: settings.checkpoints.clone(),
            interval: settings.checkpoint_interval,
        };
        let checkpoints = Checkpoints::open(&data, checkpoints).await;
        let checkpoints = Arc::new(checkpoints.map_err(room("the key of checkpoints"))?);
        if duties.leads(Duty::Checkpoints) {
            checkpoints.take_over().await.map_err(room("the key of checkpoints"))?;
        }
        let store = Arc::new(BlobStore::open(&data.join("blobs")).map_err(room("the blob store"))?);
        let unpacked = UnpackCache::open(&data.join("packages")).map_err(room("the folder of packages"))?;
        let packages = Arc::new(StoredPackages::new(store.clone(), unpacked));
        let logs = Arc::new(KeptLogs::new(store.clone()));
        let register = Register::new(ledger.clone(), clock.clone(), entropy.clone());
        let folder = data.join("repositories");
        let repositories = Repositories::open(&folder, settings.largest_push, settings.is_local());
        let repositories = Arc::new(repositories.map_err(room("the folder of repositories"))?);
        settle(&register, &repositories)
            .await
            .map_err(room("the register of components"))?;
        let intake = Intake::new(ledger.clone(), register.clone(), repositories.clone());
        let workspaces = Workspaces::new(data.join("runs"), data.join("caches"), repositories.clone());
        let workspaces = Arc::new(workspaces);
        let mut options = LocalOptions::new(&data, &settings.executable);
        options.isolation = settings.isolation;
        options.containers = settings.containers;
        options.hidden = settings.hidden.clone();
        let executor: Arc<dyn Executor> = Arc::new(LocalExecutor::new(options).map_err(room("the executor"))?);
        if leads {
            let sweeping = executor.clone();
            tokio::spawn(async move { sweeping.sweep().await });
        }

        let policy = Policy::open(&settings, &store, &register).await?;
        let targets = EnvironmentTargets::new(
            &data,
            settings.executable.clone(),
            settings.step_variables.all().clone(),
            policy.current(),
        );
        let targets = Arc::new(targets);
        if let Some(mark) = restored.filter(|_| leads) {
            let first = FirstStart {
                data: &data,
                ledger: &ledger,
                clock: &clock,
                targets: &targets,
                environments: &policy.environments(),
            };
            first.look(mark).await.map_err(room("what was put back"))?;
        }
        if leads {
            resume(&targets).await;
        }
        let databases = EnvironmentDatabases::new(data.join("databases"), policy.current());
        let secrets = Arc::new(StoredSecrets::new(access.clone()));
        let results = cache::Store::open(&data.join("results"), settings.shared_results.clone())
            .map_err(room("the results of steps"))?;
        let platform = artifact::Platform::here().to_string();
        let results = Arc::new(KeptResults::new(results, platform, clock.clone()));
        let run = Arc::new(RunAction::new(
            executor.clone(),
            workspaces.clone(),
            secrets.clone(),
            repositories.clone(),
            settings.step_variables.clone(),
            results.clone(),
        ));
        let parts = ActionParts {
            packages: packages.clone(),
            targets: targets.clone(),
            databases: Arc::new(databases),
            secrets,
            scripts: Arc::new(StepScripts::new(run.clone())),
            clock: clock.clone(),
        };
        let mut actions = delivery::actions::all(&parts);
        let versions = Arc::new(Versions::new(ledger.clone(), repositories.clone()));
        let names = Arc::new(ClaimedNames::new(ledger.clone(), versions.clone()));
        actions.push(run.clone());
        actions.push(Arc::new(VersionAction::new(run, names)));
        actions.push(Arc::new(TagAction::new(
            register.clone(),
            repositories.clone(),
            intake.clone(),
            access.clone(),
        )));
        actions.push(Arc::new(PackageAction::new(
            store.clone(),
            workspaces.clone(),
            repositories.clone(),
        )));
        actions.push(Arc::new(BesideAction::new(
            store.clone(),
            workspaces.clone(),
            repositories.clone(),
        )));
        actions.push(Arc::new(CompareAction::new(
            store.clone(),
            workspaces.clone(),
            repositories.clone(),
            clock.clone(),
        )));
        actions.push(Arc::new(LeaveOutAction));
        let ports = engine::Ports {
            ledger: duties.ledger(Duty::Runs),
            clock: clock.clone(),
            entropy: entropy.clone(),
            actions,
            runs_folder: data.join("runs"),
            logs: Some(logs.clone()),
            max_parallel: settings.max_parallel,
            memory: executor::machine::memory(),
            grace: engine::GRACE,
        };
        let engine = match leads {
            true => Engine::start(ports).await.map_err(room("the engine"))?,
            false => Engine::stand_by(ports),
        };
        let engine = Arc::new(engine);
        let parts = Parts {
            ledger: duties.ledger(Duty::Runs),
            engine: engine.clone(),
            packages: packages.clone(),
            commits: Arc::new(HeldChanges::new(ledger.clone(), repositories.clone())),
            clock: clock.clone(),
        };
        let delivery = match leads {
            true => Delivery::start(parts, policy.path()).await,
            false => Delivery::stand_by(parts, policy.path()).await,
        };
        let delivery = delivery.map_err(room("delivery"))?;
        let builds = Builds::new(BuildParts {
            ledger: ledger.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            engine: engine.clone(),
            delivery: delivery.clone(),
            register: register.clone(),
            repositories: repositories.clone(),
            versions,
            packages: packages.clone(),
            store: store.clone(),
            access: access.clone(),
        });
        let rebuilds = Rebuilds::new(
            ledger.clone(),
            clock.clone(),
            entropy.clone(),
            engine.clone(),
            store.clone(),
        );
        let remotes = Remotes::start(RemoteParts {
            register: register.clone(),
            repositories: repositories.clone(),
            intake: intake.clone(),
            own_intake: Intake::new(duties.ledger(Duty::Sources), register.clone(), repositories.clone()),
            access: access.clone(),
            interval: settings.poll_interval,
            clock: clock.clone(),
            duties: duties.clone(),
        });
        drop(opening);
        Ok(Arc::new(Self {
            registry: Arc::new(Registry::new((*store).clone())),
            rebuilds,
            remotes,
            url: OnceLock::new(),
            settings: Settings { data, ..settings },
            clock,
            entropy,
            ledger,
            access,
            checkpoints,
            store,
            packages,
            logs,
            register,
            repositories,
            intake,
            builds,
            engine,
            executor,
            workspaces,
            results,
            targets,
            policy,
            delivery,
            notifications,
            watched: Watched::default(),
            hooks: Counts::default(),
            hook_turns: Semaphore::new(HOOKS_AT_ONCE),
            overdue: Overdue::default(),
            keeping: Arc::default(),
            stopping: CancellationToken::new(),
            duties,
            servers,
            _lock: lock,
        }))
    }

    /// Takes up the runs, and what follows from them, in the place of the server that led them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) async fn take_over(&self) -> Result<(), ServerError> {
        let sweeping = self.executor.clone();
        tokio::spawn(async move { sweeping.sweep().await });
        self.policy.read_again(&self.store, &self.register).await?;
        resume(&self.targets).await;
        self.engine.lead().await?;
        self.delivery.lead().await;
        Ok(())
    }

    /// Another policy of environments is in force from now on.
    ///
    /// # Errors
    /// When it cannot be recorded or written.
    pub async fn use_policy(&self, environments: Environments, text: String, actor: Actor) -> Result<(), ServerError> {
        // A server that is being opened reads the file, which is written after the fact.
        let opening = opening(&self.settings.data).await;
        let _opening = opening.map_err(|error| ServerError::Internal(error.to_string()))?;
        self.policy
            .change(environments, text, &self.store, &self.register, actor)
            .await?;
        self.delivery.set_path(self.policy.path()).await;
        Ok(())
    }

    /// The address that people and machines use.
    pub fn url(&self) -> String {
        let known = self.settings.public_url.clone().or_else(|| self.url.get().cloned());
        known.unwrap_or_else(|| format!("http://{}", self.settings.address))
    }

    /// Refuses what only the server does that leads the duty, and says which that is.
    pub(crate) async fn must_lead(&self, duty: Duty) -> Result<(), Problem> {
        if self.duties.leads(duty) {
            return Ok(());
        }
        let all = self.duties.all().await?;
        let holder = all
            .into_iter()
            .find(|lease| lease.duty == duty.name())
            .map(|lease| lease.holder.id);
        let led_by = self
            .servers
            .others()
            .into_iter()
            .find(|one| Some(&one.about.id) == holder.as_ref());
        let place = led_by.and_then(|one| one.about.url);
        let status = axum::http::StatusCode::CONFLICT;
        let problem = Problem::new(
            status,
            "not-leading",
            format!("another server leads the duty `{}`", duty.name()),
        );
        Err(match place {
            Some(url) => problem.hint(format!("ask {url}")),
            None => problem.hint("ask again in some seconds: nobody leads it yet"),
        })
    }

    /// Takes in what another server did: a policy that it was told, components that came with a push to it.
    ///
    /// # Errors
    /// When the ledger or the policy's file cannot be read.
    pub(crate) async fn take_in(&self, fact: &facts::Fact) -> Result<(), ServerError> {
        match fact.kind() {
            POLICY_CHANGED => {
                let another = self.policy.read_again(&self.store, &self.register).await?;
                if another {
                    self.delivery.set_path(self.policy.path()).await;
                }
            }
            COMPONENT_PLACED => settle(&self.register, &self.repositories).await?,
            _ => {}
        }
        Ok(())
    }

    /// The server listens at `address` now, with a certificate for `name` where that names one.
    pub(crate) fn listens(&self, address: std::net::SocketAddr, name: Option<&str>) {
        let url = match (self.settings.tls.is_some(), name) {
            (true, Some(name)) if address.port() == 443 => format!("https://{name}"),
            (true, Some(name)) => format!("https://{name}:{}", address.port()),
            (true, None) => format!("https://{address}"),
            (false, _) => format!("http://{address}"),
        };
        let _ = self.url.set(url);
    }

    /// The file that an attempt logs to.
    pub fn log_path(&self, run: RunId, step: &StepName, attempt: u32) -> PathBuf {
        engine::log::log_path(&self.settings.data.join("runs"), run, step, attempt)
    }

    /// Looks for what a push brought, records it, and starts the builds.
    pub(crate) async fn look(&self, name: &ComponentName, actor: Actor) {
        let taken = match self.register.by_name(name).await {
            Ok(Some(component)) => self.intake.take_in(&component, actor).await.map_err(ServerError::from),
            Ok(None) => return,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = taken {
            tracing::error!(component = %name, %error, "a push could not be recorded; it is looked for again soon");
            self.overdue.add(name.clone());
        }
    }
}
