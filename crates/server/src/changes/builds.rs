//! Builds: one run for each change, and what follows when it ends well.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use access::Access;
use artifact::BlobStore;
use build::Beside;
use build::beside::What;
use delivery::Delivery;
use engine::query::RunFilter;
use engine::{BrokenDefinition, Engine, RunRequest, RunResult};
use facts::{Actor, Clock, Commit, ComponentId, Digest, Entropy, ReleaseLine, RunId, Trust};
use ledger::{Append, Direction, Ledger, Op, Row, Select, Value};
use pipeline::{Definition, Diagnostics, Plan};
use serde_json::json;
use source::SourceError;

use super::depends::{Depends, Met};
use super::modules::Modules;
use super::needs::{Held, Needs, Waits};
use super::register::{Component, Register};
use super::repositories::{Repositories, RepositoryError};
use super::versions::Versions;
use super::view::CHANGES;
use crate::error::ServerError;
use crate::ports::StoredPackages;

/// The kind of runs that build.
pub const BUILD: &str = "build";
/// The file that says how a component is built.
pub(super) const DEFINITION: &str = "throughline.yaml";
/// The largest definition that is read, in bytes.
pub(super) const LARGEST_DEFINITION: u64 = 4 * 1024 * 1024;
/// How many changes that were not built yet are looked at in one go after a restart.
const PAGE: usize = 500;

/// The key that makes sure that a commit is built once for each definition, trust, and set of other repositories'
/// commits that are beside it.
pub fn build_key(
    component: ComponentId,
    commit: &Commit,
    definition: Digest,
    trust: Trust,
    beside: &[Beside],
) -> String {
    let key = format!("build:{component}/{commit}/{definition}/{trust}");
    let of_others = beside.iter().filter(|one| matches!(one.what, What::Commit { .. }));
    let of_others: Vec<&Beside> = of_others.collect();
    if of_others.is_empty() {
        return key;
    }
    format!("{key}/{}", Digest::of(json!(of_others).to_string()))
}

/// What the key of a build ends with in which no tool had a cache of its own, since its line forbids that: what was
/// built with them elsewhere does not count there.
const WITHOUT_CACHES: &str = "/without-tool-caches";

/// Whether a run with this key was made without tools' caches because its line forbids them.
pub(super) fn is_without_caches(key: &str) -> bool {
    key.ends_with(WITHOUT_CACHES)
}

/// A definition at a change's commit.
struct Defined {
    /// The digest of its text.
    definition: Digest,
    /// Its plan on the change's line, or what is wrong with it.
    plan: Result<Plan, BrokenDefinition>,
    /// Whether the line forbids tools' caches.
    without_caches: bool,
}

/// What is told of all that is wrong with a definition: the first thing that comes with a hint, for it
/// often is the cause of others, or else the first.
fn broken(diagnostics: &Diagnostics) -> BrokenDefinition {
    let told = diagnostics.iter().find(|diagnostic| diagnostic.hint.is_some());
    let told = told.unwrap_or_else(|| diagnostics.first());
    let message = match diagnostics.iter().len() - 1 {
        0 => told.message.clone(),
        more => format!("{} (and {more} more)", told.message),
    };
    let otherwise = || "`throughline check` lists all that is wrong before a push".to_owned();
    BrokenDefinition {
        file: told.file.clone(),
        line: told.line,
        column: told.column,
        message,
        hint: Some(told.hint.clone().unwrap_or_else(otherwise)),
    }
}

/// The definitions that were read last, by their digests; `None` for a text that is none.
pub(super) type ReadDefinitions = HashMap<Digest, Option<Arc<Definition>>>;

/// Starts builds, and brings their packages onto the path.
pub struct Builds {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) engine: Arc<Engine>,
    pub(super) delivery: Delivery,
    pub(super) register: Register,
    pub(super) repositories: Arc<Repositories>,
    pub(super) modules: Modules,
    pub(super) versions: Arc<Versions>,
    pub(super) packages: Arc<StoredPackages>,
    pub(super) store: Arc<BlobStore>,
    pub(super) access: Arc<Access>,
    /// Changes that wait for other builds before their own, and for what. Worked out again after a restart.
    pub(super) held: Mutex<BTreeMap<Held, Waits>>,
    /// The definitions that were built last.
    pub(super) read: Mutex<ReadDefinitions>,
}

/// What builds work with.
pub struct BuildParts {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// What drives the runs.
    pub engine: Arc<Engine>,
    /// The path of packages.
    pub delivery: Delivery,
    /// The components.
    pub register: Register,
    /// Their repositories.
    pub repositories: Arc<Repositories>,
    /// The versions of changes.
    pub versions: Arc<Versions>,
    /// The stored packages.
    pub packages: Arc<StoredPackages>,
    /// The blobs, in which definitions are kept.
    pub store: Arc<BlobStore>,
    /// Who may do what.
    pub access: Arc<Access>,
}

/// A change as it was recorded.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) component: ComponentId,
    pub(super) branch: String,
    pub(super) commit: Commit,
    pub(super) position: u64,
    pub(super) actor: Actor,
    pub(super) trust: Trust,
}

pub(super) fn change(row: &Row) -> Result<Change, ServerError> {
    Ok(Change {
        component: row.parse("component")?,
        branch: row.text("branch")?.to_owned(),
        commit: row.parse("head")?,
        position: row.natural("position")?,
        actor: row.parse("actor")?,
        trust: serde_json::from_value(json!(row.text("trust")?))?,
    })
}

impl Builds {
    /// Builds with these parts.
    pub fn new(parts: BuildParts) -> Self {
        let BuildParts {
            ledger,
            clock,
            entropy,
            engine,
            delivery,
            register,
            repositories,
            versions,
            packages,
            store,
            access,
        } = parts;
        Self {
            modules: Modules::new(ledger.clone(), register.clone(), repositories.clone()),
            read: Mutex::default(),
            held: Mutex::default(),
            ledger,
            clock,
            entropy,
            engine,
            delivery,
            register,
            repositories,
            versions,
            packages,
            store,
            access,
        }
    }

    /// What looks up the modules that definitions use.
    pub fn modules(&self) -> &Modules {
        &self.modules
    }

    /// Goes through the changes after `position` that have no build yet, and starts it. Whether each has
    /// one now; what could not be built is logged, and is to be tried again.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn catch_up(&self, mut position: u64) -> Result<bool, ServerError> {
        let mut all = true;
        loop {
            let query = Select::from(CHANGES)
                .filter("run", Op::Eq, Value::Null)
                .filter("position", Op::Gt, position)
                .order("position", Direction::Asc)
                .limit(PAGE);
            let rows = self.ledger.select(query).await?.rows;
            for row in &rows {
                let change = change(row)?;
                position = position.max(change.position);
                let considered = self.consider(&change).await;
                if let Err(ServerError::Repository(RepositoryError::Source(SourceError::NoCommit(gone)))) = &considered
                {
                    tracing::warn!(commit = %gone, "a change is gone from its repository and is not built");
                } else if let Err(error) = considered {
                    tracing::error!(commit = %change.commit, %error, "a change could not be built; it is tried again soon");
                    all = false;
                }
            }
            if rows.len() < PAGE {
                return Ok(all);
            }
        }
    }

    /// Looks at the newest builds again, for those that ended while nobody looked.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn recover(&self) -> Result<(), ServerError> {
        let filter = RunFilter {
            kind: Some(BUILD.to_owned()),
            result: Some(RunResult::Succeeded),
            ..RunFilter::default()
        };
        for run in engine::query::runs(&*self.ledger, &filter, PAGE, None).await?.rows {
            self.ended(run.id).await?;
        }
        Ok(())
    }

    /// A build has ended: when it ended well, its package comes onto the path of every release line
    /// its commit is on.
    ///
    /// # Errors
    /// When something cannot be read or recorded.
    pub async fn ended(&self, run: RunId) -> Result<(), ServerError> {
        let Some(row) = engine::query::run(&*self.ledger, run).await? else {
            return Ok(());
        };
        let Some(commit) = row.commit.filter(|_| row.kind == BUILD) else {
            return Ok(());
        };
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, row.component.to_string())
            .filter("head", Op::Eq, commit.as_str());
        for row in self.ledger.select(query).await?.rows {
            // A change that has, or will have, a build of its own: with others beside it.
            let own: Option<RunId> = row.optional_parse("run")?;
            let change = change(&row)?;
            if own.is_none_or(|own| own == run) && !self.is_held(&change) {
                self.accept(&change, run).await?;
            }
        }
        self.consider_held().await
    }

    pub(super) async fn consider(&self, change: &Change) -> Result<(), ServerError> {
        let Some(component) = self.register.by_id(change.component).await? else {
            return Ok(());
        };
        let mut waits = Waits::default();
        let mut beside = match self.needs(&component, change).await? {
            Needs::Met(beside) => beside,
            Needs::Wait(reasons) => {
                waits.reasons.extend(reasons);
                Vec::new()
            }
        };
        let (mut met, mut refused) = (Met::default(), None);
        match self.depends(&component, change).await? {
            Depends::Met(depends) => met = depends,
            Depends::Wait(reasons) => {
                waits.reasons.extend(reasons);
                waits.for_another = true;
            }
            Depends::Refused(why) => refused = Some(why),
        }
        if refused.is_none()
            && let Some(reason) = self.held_behind(&component, change).await?
        {
            waits.reasons.push(reason);
            waits.for_another = true;
        }
        if refused.is_none() && !waits.reasons.is_empty() {
            self.hold(change, waits);
            return Ok(());
        }
        self.release(change);
        if !self.engine.leads() {
            // Whoever leads builds it.
            return Ok(());
        }
        build::beside::join(&mut beside, met.beside);
        if let Some(why) = refused {
            return self.refuse(&component, change, why, change.actor).await.map(drop);
        }
        let Defined {
            definition,
            plan,
            without_caches,
        } = self.definition(&component, change).await?;
        let mut key = build_key(change.component, &change.commit, definition, change.trust, &beside);
        if without_caches {
            key.push_str(WITHOUT_CACHES);
        }
        let mut request = self.request(&component, change, definition, key);
        request.plan = plan.map(|plan| build::beside::with(plan, beside));
        if !met.on.is_empty() {
            request.context["depends_on"] = json!(met.on);
        }
        self.submit(change, request).await.map(drop)
    }

    /// A build that is refused, for what is no matter of its definition.
    pub(super) async fn refuse(
        &self,
        component: &Component,
        change: &Change,
        why: BrokenDefinition,
        actor: Actor,
    ) -> Result<RunId, ServerError> {
        let Defined {
            definition,
            without_caches,
            ..
        } = self.definition(component, change).await?;
        let key = build_key(change.component, &change.commit, definition, change.trust, &[]);
        // Somebody else may bring the same commit, and may name what this one may not.
        let mut key = format!("{key}/refused:{}", Digest::of(why.to_string()));
        if without_caches {
            key.push_str(WITHOUT_CACHES);
        }
        let mut request = self.request(component, change, definition, key);
        request.plan = Err(why);
        request.actor = actor;
        self.submit(change, request).await
    }

    /// What is asked of the engine for a build, but for its plan.
    fn request(&self, component: &Component, change: &Change, definition: Digest, key: String) -> RunRequest {
        RunRequest {
            run: RunId::new(self.clock.now(), &*self.entropy),
            kind: BUILD.to_owned(),
            key,
            component: change.component,
            component_name: component.name.clone(),
            commit: Some(change.commit.clone()),
            line: ReleaseLine::new(&change.branch).ok(),
            environment: None,
            definition,
            trust: change.trust,
            actor: change.actor,
            cause: None,
            context: json!({ "branch": change.branch }),
            plan: Ok(Plan::default()),
        }
    }

    async fn submit(&self, change: &Change, request: RunRequest) -> Result<RunId, ServerError> {
        let submitted = self
            .engine
            .submit(request, Append::unconditional(Vec::new()))
            .await
            .map_err(|error| ServerError::Engine(error.to_string()))?;
        if submitted.repeated {
            self.accept(change, submitted.run).await?;
        }
        Ok(submitted.run)
    }

    /// The definition at a change's commit, with its plan on the change's line. The text is kept as a blob under
    /// its digest.
    async fn definition(&self, component: &Component, change: &Change) -> Result<Defined, ServerError> {
        let commit = &change.commit;
        let folder = match self.repositories.folder(&component.name, commit).await {
            Err(RepositoryError::NotListed { .. }) => String::new(),
            folder => folder?,
        };
        let path = match folder.as_str() {
            "" => DEFINITION.to_owned(),
            folder => format!("{folder}/{DEFINITION}"),
        };
        let read = self
            .repositories
            .file(&component.name, commit, &path, LARGEST_DEFINITION)
            .await;
        let unreadable = |message: String, hint: String| {
            let whole_file = BrokenDefinition {
                file: path.clone(),
                line: 0,
                column: 0,
                message,
                hint: Some(hint),
            };
            Ok(Defined {
                definition: Digest::of(""),
                plan: Err(whole_file),
                without_caches: false,
            })
        };
        let text = match read {
            Ok(Some(text)) => text,
            Ok(None) => {
                return unreadable(
                    "the commit has no definition".to_owned(),
                    format!("add a {path} that says how to build it; docs/pipeline.md has examples"),
                );
            }
            Err(RepositoryError::Source(SourceError::NotAFile { kind, .. })) => {
                return unreadable(
                    format!("it is {kind}, not a file"),
                    "the definition is one plain file in the component's folder".to_owned(),
                );
            }
            Err(RepositoryError::Source(SourceError::TooLarge { size, limit, .. })) => {
                return unreadable(
                    format!("it has {size} bytes, more than the {limit} that are read"),
                    "move long scripts into files of their own and call them from the steps".to_owned(),
                );
            }
            Err(error) => return Err(error.into()),
        };
        let library = self.modules.for_build(component, commit, &folder, &text).await?;
        let parsed = Definition::parse_bytes_with(&text, &path, &library);
        // A definition that uses modules is kept with them.
        let kept = parsed
            .as_ref()
            .ok()
            .and_then(|definition| definition.kept().map(<[u8]>::to_vec));
        let (store, kept) = (self.store.clone(), kept.unwrap_or(text));
        let stored = tokio::task::spawn_blocking(move || store.put_bytes(&kept)).await;
        let digest = stored
            .map_err(|panic| ServerError::Internal(panic.to_string()))??
            .digest;
        let mut without_caches = false;
        let plan = match parsed {
            Ok(definition) if component.place.is_some() && !definition.components().is_empty() => {
                Err(BrokenDefinition {
                    file: path,
                    line: 0,
                    column: 0,
                    message: "components are listed at the repository's top, not in one of them".to_owned(),
                    hint: Some(format!("move `components` into {DEFINITION} at the top")),
                })
            }
            Ok(definition) => {
                without_caches = definition.forbids_tool_caches(&change.branch);
                let (plan, machine) = (definition.plan_on(&change.branch), self.engine.machine());
                let too_large = definition.too_large(&plan, machine.places(), machine.counted_memory());
                match Diagnostics::none_of(too_large) {
                    Ok(()) => Ok(plan),
                    Err(diagnostics) => Err(broken(&diagnostics)),
                }
            }
            Err(diagnostics) => Err(broken(&diagnostics)),
        };
        Ok(Defined {
            definition: digest,
            plan,
            without_caches,
        })
    }
}
