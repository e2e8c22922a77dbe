//! Builds: one run for each change, and what follows when it ends well.

use std::sync::Arc;

use artifact::BlobStore;
use delivery::{Delivery, PackageAccepted};
use engine::query::RunFilter;
use engine::{BrokenDefinition, Engine, RunRequest, RunResult, State};
use facts::{Actor, Clock, Commit, ComponentId, Digest, Entropy, ReleaseLine, RunId, Trust};
use ledger::{Append, Direction, Ledger, Op, Row, Select, Value};
use pipeline::{Definition, Plan};
use serde_json::json;
use source::version::Scheme;

use super::register::{Component, Register};
use super::repositories::Repositories;
use super::view::CHANGES;
use crate::error::ServerError;
use crate::ports::StoredPackages;

/// The kind of runs that build.
pub const BUILD: &str = "build";
/// The file that says how a component is built.
const DEFINITION: &str = "throughline.yaml";
/// The largest definition that is read, in bytes.
const LARGEST_DEFINITION: u64 = 4 * 1024 * 1024;
/// How many changes that were not built yet are looked at in one go after a restart.
const PAGE: usize = 500;

/// The key that makes sure that a commit is built once for each definition and trust.
pub fn build_key(component: ComponentId, commit: &Commit, definition: Digest, trust: Trust) -> String {
    format!("build:{component}/{commit}/{definition}/{trust}")
}

/// Starts builds, and brings their packages onto the path.
pub struct Builds {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    engine: Arc<Engine>,
    delivery: Delivery,
    register: Register,
    repositories: Arc<Repositories>,
    packages: Arc<StoredPackages>,
    store: Arc<BlobStore>,
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
    /// The stored packages.
    pub packages: Arc<StoredPackages>,
    /// The blobs, in which definitions are kept.
    pub store: Arc<BlobStore>,
}

/// A change as it was recorded.
struct Change {
    component: ComponentId,
    branch: String,
    commit: Commit,
    position: u64,
    actor: Actor,
    trust: Trust,
}

fn change(row: &Row) -> Result<Change, ServerError> {
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
            packages,
            store,
        } = parts;
        Self {
            ledger,
            clock,
            entropy,
            engine,
            delivery,
            register,
            repositories,
            packages,
            store,
        }
    }

    /// Goes through the changes after `position` that have no build yet, and starts it. Returns the
    /// position of the last change seen.
    ///
    /// # Errors
    /// When the ledger cannot be read. A change that cannot be built is logged and passed over.
    pub async fn catch_up(&self, mut position: u64) -> Result<u64, ServerError> {
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
                if let Err(error) = self.consider(&change).await {
                    tracing::error!(commit = %change.commit, %error, "a change could not be built");
                }
            }
            if rows.len() < PAGE {
                return Ok(position);
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
            self.accept(&change(&row)?, run).await?;
        }
        Ok(())
    }

    async fn consider(&self, change: &Change) -> Result<(), ServerError> {
        let Some(component) = self.register.by_id(change.component).await? else {
            return Ok(());
        };
        let (definition, plan) = self.definition(&component, &change.commit).await?;
        let request = RunRequest {
            run: RunId::new(self.clock.now(), &*self.entropy),
            kind: BUILD.to_owned(),
            key: build_key(change.component, &change.commit, definition, change.trust),
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
            plan,
        };
        let submitted = self
            .engine
            .submit(request, Append::unconditional(Vec::new()))
            .await
            .map_err(|error| ServerError::Engine(error.to_string()))?;
        if submitted.repeated {
            self.accept(change, submitted.run).await?;
        }
        Ok(())
    }

    /// The definition at a commit: its digest, and its plan or what is wrong with it. The text is
    /// kept as a blob under its digest.
    async fn definition(
        &self,
        component: &Component,
        commit: &Commit,
    ) -> Result<(Digest, Result<Plan, BrokenDefinition>), ServerError> {
        let text = self
            .repositories
            .file(&component.name, commit, DEFINITION, LARGEST_DEFINITION)
            .await?;
        let Some(text) = text else {
            let missing = BrokenDefinition {
                file: DEFINITION.to_owned(),
                line: 0,
                column: 0,
                message: "the commit has no definition".to_owned(),
                hint: Some(format!(
                    "add a {DEFINITION} that says how to build it; docs/pipeline.md has examples"
                )),
            };
            return Ok((Digest::of(""), Err(missing)));
        };
        let (store, kept) = (self.store.clone(), text.clone());
        let stored = tokio::task::spawn_blocking(move || store.put_bytes(&kept)).await;
        let digest = stored
            .map_err(|panic| ServerError::Internal(panic.to_string()))??
            .digest;
        let plan = match Definition::parse_bytes(&text, DEFINITION) {
            Ok(definition) => Ok(definition.plan()),
            Err(diagnostics) => {
                let first = diagnostics.first();
                let more = diagnostics.iter().len() - 1;
                let message = match more {
                    0 => first.message.clone(),
                    _ => format!("{} (and {more} more)", first.message),
                };
                Err(BrokenDefinition {
                    file: first.file.clone(),
                    line: first.line,
                    column: first.column,
                    message,
                    hint: first.hint.clone(),
                })
            }
        };
        Ok((digest, plan))
    }

    /// Brings the package of a run that ended well onto the path, when the change is trusted and
    /// came to a release line.
    async fn accept(&self, change: &Change, run: RunId) -> Result<(), ServerError> {
        let Some(row) = engine::query::run(&*self.ledger, run).await? else {
            return Ok(());
        };
        if row.state != State::Finished || row.result != Some(RunResult::Succeeded) || row.trust != Trust::Trusted {
            return Ok(());
        }
        let Ok(line) = ReleaseLine::new(&change.branch) else {
            return Ok(());
        };
        if change.trust != Trust::Trusted || !self.delivery.path().delivers(&line) {
            return Ok(());
        }
        let steps = engine::query::steps(&*self.ledger, run).await?.rows;
        let packaged = steps
            .iter()
            .find_map(|step| step.outputs.as_ref()?.get("package")?.as_str()?.parse().ok());
        let Some(package) = packaged else { return Ok(()) };
        if self.delivery.state(change.component).packages.contains_key(&package) {
            return Ok(());
        }
        let Some(component) = self.register.by_id(change.component).await? else {
            return Ok(());
        };
        let document = delivery::ports::Packages::document(&*self.packages, package).await;
        let document = document.map_err(|error| ServerError::Internal(error.to_string()))?;
        let version = self
            .repositories
            .version(&component.name, &change.commit, &line, Scheme::Semantic)
            .await?;
        let accepted = PackageAccepted {
            package,
            version,
            component_name: component.name.clone(),
            commit: change.commit.clone(),
            line,
            order: change.position,
            run,
            author: change.actor,
            definition: row.definition,
            gates: document.gates.clone(),
        };
        self.delivery.accept(change.component, accepted).await?;
        Ok(())
    }
}
