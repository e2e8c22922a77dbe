//! What a build has beside its own files: packages of components that it needs, and the code of changes in
//! other repositories that it depends on.
//!
//! A step of its own brings them before any other step of the build begins, each into a folder of its own: packages
//! into the folder that the variable `THROUGHLINE_NEEDS` names, files of commits into `THROUGHLINE_DEPENDS`. What is
//! brought stands in the plan by digest or commit, so the run's record says what it was built with, and a retry and
//! a rebuild have the same.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use artifact::{BlobStore, Package};
use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use facts::{Commit, ComponentName, Digest, StepName};
use pipeline::Plan;
use pipeline::plan::{PlannedStep, RUN, RunInput, VERSION};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::ports::{Commits, Workspace};

/// The action that brings what a build has beside it.
pub const BESIDE: &str = "beside";
/// The name of its step, where the definition has none of that name.
const STEP: &str = "needs";

/// Something that a build has beside its own files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// What its folder is called.
    pub name: String,
    /// What is in it.
    #[serde(flatten)]
    pub what: What,
}

/// What is in such a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The files of a package.
    Package(Digest),
    /// The files of a commit of a repository.
    Commit {
        /// The repository.
        repository: ComponentName,
        /// The commit.
        commit: Commit,
    },
}

/// What things in one folder have in common.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Kind {
    Package,
    Commit,
}

impl What {
    fn kind(&self) -> Kind {
        match self {
            Self::Package(_) => Kind::Package,
            Self::Commit { .. } => Kind::Commit,
        }
    }
}

/// Adds what a build has of other repositories, each thing still called by the whole name of its repository or
/// component, to what it has of its own. Their folders are called by the names without the teams; where that would
/// be one name for two things, with them: `shop.core`.
pub fn join(beside: &mut Vec<Beside>, of_others: Vec<Beside>) {
    let short = |name: &str| name.split_once('/').map_or(name, |(_, short)| short).to_owned();
    let names: Vec<(Kind, String)> = beside
        .iter()
        .chain(&of_others)
        .map(|one| (one.what.kind(), short(&one.name)))
        .collect();
    for one in of_others {
        let wanted = (one.what.kind(), short(&one.name));
        let taken = names.iter().filter(|name| **name == wanted).count() > 1;
        let name = if taken { one.name.replace('/', ".") } else { wanted.1 };
        beside.push(Beside { name, what: one.what });
    }
}

/// What the action is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct BesideInput {
    beside: Vec<Beside>,
}

/// `plan`, with a step before all others that brings `beside`. Each step that runs commands gets a variable for each
/// thing, such as `THROUGHLINE_NEED_CORE` with a package's digest or `THROUGHLINE_DEPENDS_CORE` with a commit: so a
/// kept result is one for these.
#[must_use]
pub fn with(plan: Plan, beside: Vec<Beside>) -> Plan {
    if beside.is_empty() || plan.steps.is_empty() {
        return plan;
    }
    let taken = |name: &str| plan.steps.iter().any(|step| step.name.as_str() == name);
    let free = std::iter::once(STEP.to_owned()).chain((2..).map(|number| format!("{STEP}-{number}")));
    let name = free
        .filter(|name| !taken(name))
        .find_map(|name| StepName::new(name).ok());
    let Some(name) = name else { return plan };
    let variables: BTreeMap<String, String> = beside.iter().map(variable).collect();
    let mut steps = vec![PlannedStep::new(name.clone(), BESIDE, json!(BesideInput { beside }))];
    for mut step in plan.steps {
        // A step of a module sees what is outside of it in the condition of the outermost step that uses a module.
        let when = step
            .within
            .first_mut()
            .map_or(&mut step.when, |outermost| &mut outermost.when);
        if let Some(asked) = when.take() {
            *when = Some(format!("needs['{name}'].result == 'succeeded' && ({asked})"));
        }
        step.needs.insert(0, name.clone());
        if matches!(step.action.as_str(), RUN | VERSION)
            && let Ok(mut input) = serde_json::from_value::<RunInput>(step.input.clone())
        {
            input.variables.extend(variables.clone());
            step.input = json!(input);
        }
        steps.push(step);
    }
    Plan { steps, ..plan }
}

/// The names of what a step with the action [`BESIDE`] brings; none where `input` is not of such a step.
pub fn brought(input: &serde_json::Value) -> Vec<String> {
    of_input(input).into_iter().map(|beside| beside.name).collect()
}

/// What a step brings, by its input.
pub(crate) fn of_input(input: &serde_json::Value) -> Vec<Beside> {
    let input: Option<BesideInput> = serde_json::from_value(input.clone()).ok();
    input.map(|input| input.beside).unwrap_or_default()
}

fn variable(beside: &Beside) -> (String, String) {
    let name: String = beside
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    match &beside.what {
        What::Package(package) => (format!("THROUGHLINE_NEED_{name}"), package.to_string()),
        What::Commit { commit, .. } => (format!("THROUGHLINE_DEPENDS_{name}"), commit.to_string()),
    }
}

/// The action `beside`.
pub struct BesideAction {
    store: Arc<BlobStore>,
    workspace: Arc<dyn Workspace>,
    commits: Arc<dyn Commits>,
}

impl BesideAction {
    /// An action that brings packages from `store` and commits from `commits`.
    pub fn new(store: Arc<BlobStore>, workspace: Arc<dyn Workspace>, commits: Arc<dyn Commits>) -> Self {
        Self {
            store,
            workspace,
            commits,
        }
    }

    async fn bring(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let input: BesideInput = serde_json::from_value(step.input.clone())
            .map_err(|error| ActionOutcome::failed(format!("the step's input does not fit: {error}")))?;
        let commit = step.request.commit.clone();
        let commit = commit.ok_or_else(|| ActionOutcome::failed("the run has no commit"))?;
        let for_now = |error: String| ActionOutcome::failed_for_now(error);
        let ready = self.workspace.ready(step.run, &step.request.component_name, &commit);
        let workspace = ready.await.map_err(|error| for_now(error.to_string()))?;
        for beside in &input.beside {
            let folder = match beside.what.kind() {
                Kind::Package => self.workspace.needs(step.run, &workspace),
                Kind::Commit => self.workspace.depends(step.run, &workspace),
            };
            let place = folder.join(&beside.name);
            if place.is_dir() {
                continue; // An attempt that died has brought it.
            }
            // Made beside and renamed, so that a folder that is there is whole.
            let fresh = folder.join(format!(".{}", beside.name));
            clear(&fresh).map_err(|error| for_now(error.to_string()))?;
            std::fs::create_dir_all(&fresh).map_err(|error| for_now(error.to_string()))?;
            match &beside.what {
                What::Package(digest) => {
                    let (store, digest, into) = (self.store.clone(), *digest, fresh.clone());
                    let unpacked = tokio::task::spawn_blocking(move || {
                        let package = Package::read(&store, &digest)?;
                        artifact::package::unpack(&store, &package, &into)
                    });
                    let unpacked = unpacked.await.map_err(|panic| for_now(panic.to_string()))?;
                    unpacked.map_err(|error| for_now(format!("{}: {error}", beside.name)))?;
                    writable(&fresh).map_err(|error| for_now(error.to_string()))?;
                    step.log.out(&format!("{}: the package {digest}", beside.name));
                }
                What::Commit { repository, commit } => {
                    let checked_out = self.commits.check_out(repository, commit, &fresh).await;
                    checked_out.map_err(|error| for_now(format!("{}: {error}", beside.name)))?;
                    step.log.out(&format!("{}: {repository} at {commit}", beside.name));
                }
            }
            std::fs::rename(&fresh, &place).map_err(|error| for_now(error.to_string()))?;
        }
        Ok(ActionOutcome::succeeded(json!({ "beside": input.beside })))
    }
}

/// Removes what an attempt that died left.
fn clear(folder: &Path) -> std::io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    writable(folder)?;
    std::fs::remove_dir_all(folder)
}

/// Folders of a package are made writable: the workspace is removed with its run.
fn writable(folder: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            writable(&entry.path())?;
        }
    }
    Ok(())
}

#[async_trait]
impl StepAction for BesideAction {
    fn kind(&self) -> &'static str {
        BESIDE
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.bring(&step).await.unwrap_or_else(|outcome| outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_waits_for_what_is_brought_and_is_told_what_it_is() {
        let definition =
            "throughline: 1\nsteps:\n  needs: { run: x }\n  b: { needs: [needs], run: x, when: run.line == 'main' }\n";
        let plan = pipeline::Definition::parse(definition, "t.yaml").unwrap().plan();
        let beside = Beside {
            name: "the-core".to_owned(),
            what: What::Package(Digest::of("x")),
        };
        let plan = with(plan, vec![beside]);
        plan.check().unwrap();
        let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["needs-2", "needs", "b"]);
        assert_eq!(
            plan.steps[2].when.as_deref(),
            Some("needs['needs-2'].result == 'succeeded' && (run.line == 'main')")
        );
        let input: RunInput = serde_json::from_value(plan.steps[1].input.clone()).unwrap();
        assert_eq!(
            input.variables["THROUGHLINE_NEED_THE_CORE"],
            Digest::of("x").to_string()
        );
    }

    #[test]
    fn a_step_of_a_module_asks_for_what_is_brought_where_it_sees_what_is_outside_of_the_module() {
        let module = "throughline: 1
inputs: { STRICT: { type: boolean, default: true } }
steps:
  one: { run: x }
  two: { run: x, needs: [one], when: needs.one.result == 'succeeded' && inputs.STRICT }
";
        let definition = "throughline: 1
steps:
  a: { run: x }
  m: { uses: ./m.yaml, needs: [a], when: needs.a.result == 'succeeded' }
";
        let mut modules = pipeline::definition::modules::Gathering::of(definition.as_bytes(), "");
        while let Some(location) = modules.next() {
            let text = module.to_owned();
            modules.bring(
                location,
                Ok(pipeline::definition::modules::Module { commit: None, text }),
            );
        }
        let plan = pipeline::Definition::parse_with(definition, "throughline.yaml", &modules.finish())
            .unwrap()
            .plan();
        let before: Vec<Option<String>> = plan.steps.iter().map(|step| step.when.clone()).collect();
        let beside = Beside {
            name: "core".to_owned(),
            what: What::Package(Digest::of("x")),
        };
        let plan = with(plan, vec![beside]);
        plan.check().unwrap();
        let inner: Vec<Option<String>> = plan.steps[1..].iter().map(|step| step.when.clone()).collect();
        assert_eq!(inner, before, "what a module says sees the module alone");
        for step in &plan.steps[2..] {
            assert_eq!(
                step.within[0].when.as_deref(),
                Some("needs['needs'].result == 'succeeded' && (needs.a.result == 'succeeded')"),
                "{}",
                step.name
            );
        }
    }

    #[test]
    fn things_of_others_are_called_without_their_team_unless_two_would_be_called_the_same() {
        let package = |name: &str| Beside {
            name: name.to_owned(),
            what: What::Package(Digest::of(name)),
        };
        let commit = |name: &str| Beside {
            name: name.to_owned(),
            what: What::Commit {
                repository: ComponentName::new(name).unwrap(),
                commit: Commit::new("1".repeat(40)).unwrap(),
            },
        };
        let mut beside = vec![package("core")];
        let of_others = ["shop/core", "lib/log", "shop/all.api"];
        let of_others = of_others
            .iter()
            .flat_map(|name| [package(name), commit(name)])
            .collect();
        join(&mut beside, of_others);
        let of_kind = |kind: Kind| {
            let names = beside.iter().filter(|one| one.what.kind() == kind);
            names.map(|one| one.name.as_str()).collect::<Vec<_>>()
        };
        // A package and the files of a commit lie in folders of their own.
        assert_eq!(of_kind(Kind::Package), ["core", "shop.core", "log", "all.api"]);
        assert_eq!(of_kind(Kind::Commit), ["core", "log", "all.api"]);
        assert_eq!(
            variable(&beside[2]),
            ("THROUGHLINE_DEPENDS_CORE".to_owned(), "1".repeat(40))
        );
    }
}
