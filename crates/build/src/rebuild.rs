//! Rebuilds: the same commit built again from nothing, and compared with the package that stands.
//!
//! A rebuild is a plan of its own: no cache is read or written, nothing that changes the world is done again,
//! and where a build puts its package together, this one compares. What it makes stands in a store of its own
//! that is gone afterwards, so that it can never be taken for a package.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use artifact::package::{Change, Content, Difference, contents, difference_between};
use artifact::{BlobStore, Package};
use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext, StepResult};
use facts::published::Judgement;
use facts::{Clock, Digest, StepName};
use pipeline::Plan;
use pipeline::plan::{EffectClass, GroupRule, PACKAGE, PackageInput, PlannedStep, RUN, VERSION};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::package::{PackageAction, Trouble};
use crate::ports::{Commits, Workspace};
use crate::verdict::Published;

/// The kind of runs that build again.
pub const REBUILD: &str = "rebuild";
/// What a rebuild judges.
pub const REPRODUCIBLE: &str = "reproducible";
/// The action that puts the package together again and compares it.
pub const COMPARE: &str = "compare";
/// The action of steps that a rebuild leaves out.
pub const LEAVE_OUT: &str = "leave-out";

/// How many entries that differ stand in a verdict itself; all of them stand in its evidence.
const SHOWN: usize = 50;
/// How many entries that differ are kept as evidence.
const KEPT: usize = 20_000;
/// How many of them are named in a sentence.
const NAMED: usize = 3;
/// Files up to this size are looked into for the path of the workspace.
const LOOKED_INTO: u64 = 64 * 1024 * 1024;

/// What the action `compare` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct CompareInput {
    /// As for the action `package`.
    #[serde(flatten)]
    package: PackageInput,
    /// The package that stands.
    against: Digest,
}

/// The numbers behind a verdict on reproducibility.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The digest of what the rebuild put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<Digest>,
    /// How many entries the package that stands has.
    pub entries: u64,
    /// How many entries differ.
    pub differing: u64,
    /// The first of them; all stand in the evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Change>,
    /// The parts of the config that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<String>,
    /// Whether both hold the same and are only packed differently.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encoding_only: bool,
    /// How many of the differing files hold the path of the workspace that they were built in.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub holding_their_workspace: u64,
    /// The blob with the whole [`Difference`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Digest>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the shape that serde asks for
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The plan of a rebuild, from that of the build: only what the package needs, without caches and kept results; what
/// changes the world is left out, and the last step compares with `against`.
pub fn plan(build: &Plan, against: Digest) -> Plan {
    let by_name: BTreeMap<&StepName, &PlannedStep> = build.steps.iter().map(|step| (&step.name, step)).collect();
    let mut needed: BTreeSet<&StepName> = BTreeSet::new();
    let packaging = build.steps.iter().filter(|step| step.action == PACKAGE);
    let mut waiting: Vec<&StepName> = packaging.map(|step| &step.name).collect();
    while let Some(name) = waiting.pop() {
        if needed.insert(name) {
            waiting.extend(by_name.get(name).into_iter().flat_map(|step| &step.needs));
        }
    }
    let steps = build.steps.iter().filter(|step| needed.contains(&step.name));
    Plan::of(steps.map(|step| again(step, against)).collect())
}

/// The plan of a build from nothing: only what the package needs, without caches and kept results; what changes
/// the world is left out.
pub fn from_nothing(build: &Plan) -> Plan {
    let mut plan = plan(build, Digest::of(""));
    for step in plan.steps.iter_mut().filter(|step| step.action == COMPARE) {
        step.action = PACKAGE.to_owned();
        if let Some(input) = step.input.as_object_mut() {
            input.remove("against");
        }
    }
    plan
}

fn again(step: &PlannedStep, against: Digest) -> PlannedStep {
    let mut step = step.clone();
    // A rebuild waits for its turn like others, and takes nobody's.
    if let Some(concurrency) = &mut step.concurrency {
        concurrency.rule = GroupRule::Queue;
    }
    let left_out = |why: &str| (LEAVE_OUT.to_owned(), json!({ "why": why }));
    match step.action.as_str() {
        PACKAGE => {
            step.action = COMPARE.to_owned();
            if let Some(input) = step.input.as_object_mut() {
                input.insert("against".to_owned(), json!(against));
            }
        }
        VERSION => (step.action, step.input) = left_out("a rebuild gets no version"),
        RUN if step.effect == EffectClass::Effect => {
            (step.action, step.input) = left_out("it changes the world and is not done again");
            step.effect = EffectClass::Idempotent;
        }
        _ => {
            if let Some(input) = step.input.as_object_mut() {
                input.remove("cache");
                input.remove("unkept");
                input.insert("fresh".to_owned(), json!(true));
            }
        }
    }
    step
}

/// The action `leave-out`.
#[derive(Debug, Default)]
pub struct LeaveOutAction;

#[async_trait]
impl StepAction for LeaveOutAction {
    fn kind(&self) -> &'static str {
        LEAVE_OUT
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        let why = step
            .input
            .get("why")
            .and_then(Value::as_str)
            .unwrap_or("it is not needed");
        step.log.out(&format!("left out of the rebuild: {why}"));
        ActionOutcome::succeeded(Value::Null)
    }
}

/// The action `compare`.
pub struct CompareAction {
    store: Arc<BlobStore>,
    workspace: Arc<dyn Workspace>,
    package: PackageAction,
    clock: Arc<dyn Clock>,
}

impl CompareAction {
    /// An action that compares with packages in `store`.
    pub fn new(
        store: Arc<BlobStore>,
        workspace: Arc<dyn Workspace>,
        commits: Arc<dyn Commits>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            package: PackageAction::new(store.clone(), workspace.clone(), commits),
            store,
            workspace,
            clock,
        }
    }

    async fn compare(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let input: CompareInput = serde_json::from_value(step.input.clone())
            .map_err(|error| ActionOutcome::failed(format!("the step's input does not fit: {error}")))?;
        let against = input.against;
        let unknown = |why: String| self.judged(step, against, Judgement::Unknown, why, Compared::default());
        let store = self.store.clone();
        let stands = tokio::task::spawn_blocking(move || Package::read(&store, &against)).await;
        let stands = match stands.map_err(|panic| ActionOutcome::failed_for_now(panic.to_string()))? {
            Ok(stands) => stands,
            Err(error) => return Ok(unknown(format!("the package that stands cannot be read: {error}"))),
        };
        let commit = step.request.commit.clone();
        let commit = commit.ok_or_else(|| ActionOutcome::failed("the run has no commit"))?;
        let workspace = self
            .workspace
            .ready(step.run, &step.request.component_name, &commit)
            .await;
        let workspace = workspace.map_err(|error| ActionOutcome::failed_for_now(error.to_string()))?;
        // Beside the workspace; what an attempt that died left is in the way.
        let aside = Aside::new(&workspace).map_err(|error| ActionOutcome::failed_for_now(error.to_string()))?;
        let rebuilt_store = Arc::new(
            aside
                .store()
                .map_err(|error| ActionOutcome::failed_for_now(error.to_string()))?,
        );
        // Called as the package that stands is, whatever the component is called today.
        let name = stands.config.name.clone();
        let rebuilt = match self
            .package
            .put_together(step, input.package, rebuilt_store.clone(), name)
            .await
        {
            Ok(rebuilt) => rebuilt,
            Err(Trouble::Full(error)) => return Err(ActionOutcome::failed_for_now(error)),
            Err(Trouble::Package(error)) => {
                let error = error.lines().next().unwrap_or_default().to_owned();
                return Ok(unknown(format!("the package could not be put together again: {error}")));
            }
        };
        step.log.out(&format!("stands  {against}\nrebuilt {}", rebuilt.digest));
        let store = self.store.clone();
        let compared = tokio::task::spawn_blocking(move || {
            compare(&store, &stands, &rebuilt_store, &rebuilt, &workspace).map_err(|error| error.to_string())
        });
        let compared = compared
            .await
            .map_err(|panic| ActionOutcome::failed_for_now(panic.to_string()))?;
        drop(aside);
        Ok(match compared {
            Ok(compared) => {
                let (result, reason) = verdict(&compared);
                for file in &compared.files {
                    step.log.out(&described(file));
                }
                self.judged(step, against, result, reason, compared)
            }
            Err(error) => unknown(format!("the packages cannot be compared: {error}")),
        })
    }

    /// The outcome of a verdict, which is published with it.
    fn judged(
        &self,
        step: &StepContext,
        package: Digest,
        result: Judgement,
        reason: String,
        compared: Compared,
    ) -> ActionOutcome {
        let outputs = json!({ "verdict": result, "rebuilt": compared.rebuilt, "differing": compared.differing });
        let published = Published {
            about: REPRODUCIBLE,
            result,
            reasons: vec![reason.clone()],
            evidence: compared.evidence.into_iter().collect(),
            numbers: json!(compared),
        };
        let fact = published.fact(package, step.run, self.clock.now(), step.attempt);
        let ended = if result == Judgement::Pass {
            ActionOutcome::succeeded(outputs)
        } else {
            let message = match result {
                Judgement::Fail => format!("not reproducible: {reason}"),
                _ => reason,
            };
            ActionOutcome::ended(StepResult::Failed { message, code: None }, outputs)
        };
        ended.publishing([fact])
    }
}

#[async_trait]
impl StepAction for CompareAction {
    fn kind(&self) -> &'static str {
        COMPARE
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.compare(&step).await.unwrap_or_else(|outcome| outcome)
    }
}

/// A folder beside the workspace for what is put together again; gone when dropped.
struct Aside(std::path::PathBuf);

impl Aside {
    fn new(workspace: &Path) -> std::io::Result<Self> {
        let aside = Self(workspace.with_file_name("rebuilt"));
        aside.remove()?;
        Ok(aside)
    }

    fn store(&self) -> Result<BlobStore, artifact::BlobError> {
        BlobStore::open(&self.0)
    }

    fn remove(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Left behind, it is in nobody's way: it is removed before the next comparison.
        let _ = self.remove();
    }
}

/// Compares what was put together again with what stands. Keeps the whole difference as a blob.
fn compare(
    store: &BlobStore,
    stands: &Package,
    rebuilt_store: &BlobStore,
    rebuilt: &Package,
    workspace: &Path,
) -> Result<Compared, artifact::PackageError> {
    let entries = contents(store, stands)?.len() as u64;
    let mut whole = difference_between((store, stands), (rebuilt_store, rebuilt))?;
    let mut compared = Compared {
        rebuilt: Some(rebuilt.digest),
        entries,
        differing: whole.files.len() as u64,
        config: whole.config.clone(),
        encoding_only: whole.encoding_only,
        ..Compared::default()
    };
    if whole.is_empty() {
        return Ok(compared);
    }
    compared.holding_their_workspace = holding(&whole, rebuilt_store, rebuilt, workspace)?;
    whole.files.truncate(KEPT);
    compared.files = whole.files.iter().take(SHOWN).cloned().collect();
    let evidence = serde_json::to_vec(&whole).unwrap_or_default();
    compared.evidence = Some(store.put_bytes(&evidence)?.digest);
    Ok(compared)
}

/// How many of the differing files hold the path of the workspace: the usual cause of a difference.
fn holding(
    whole: &Difference,
    store: &BlobStore,
    rebuilt: &Package,
    workspace: &Path,
) -> Result<u64, artifact::PackageError> {
    let differing: BTreeSet<&str> = whole
        .files
        .iter()
        .filter(|file| file.how().contains(&"bytes"))
        .map(Change::path)
        .collect();
    if differing.is_empty() {
        return Ok(0);
    }
    let needle = workspace.display().to_string().into_bytes();
    artifact::package::count_files_with(store, rebuilt, LOOKED_INTO, &needle, |path| differing.contains(path))
}

/// What the comparison comes to, and why, as a sentence.
fn verdict(compared: &Compared) -> (Judgement, String) {
    if compared.encoding_only {
        let reason = "the rebuild holds the same, entry by entry; only its packing differs, as by another version of Throughline";
        return (Judgement::Pass, reason.to_owned());
    }
    let count = |count: u64, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    if compared.differing == 0 && compared.config.is_empty() {
        let entries = count(compared.entries, "entry", "entries");
        return (
            Judgement::Pass,
            format!("the rebuild is the same package, byte for byte, in all of its {entries}"),
        );
    }
    let mut parts = Vec::new();
    if compared.differing > 0 {
        let mut named: Vec<String> = compared.files.iter().take(NAMED).map(described).collect();
        if compared.differing > named.len() as u64 {
            named.push("...".to_owned());
        }
        let verb = if compared.differing == 1 { "differs" } else { "differ" };
        parts.push(format!(
            "{} of {} {verb} ({})",
            compared.differing,
            count(compared.entries, "entry", "entries"),
            named.join("; ")
        ));
    }
    if !compared.config.is_empty() {
        parts.push(format!(
            "the package's {} {}",
            compared.config.join(", "),
            if compared.config.len() == 1 {
                "differs"
            } else {
                "differ"
            }
        ));
    }
    if compared.holding_their_workspace > 0 {
        parts.push(format!(
            "{} the path of the workspace, which is another one for each run: tell the compiler to leave it out",
            if compared.holding_their_workspace == 1 {
                "1 file holds".to_owned()
            } else {
                format!("{} files hold", compared.holding_their_workspace)
            }
        ));
    }
    (Judgement::Fail, parts.join("; "))
}

/// How one entry differs, in words: `bin/shop: size 1203, then 1210; bytes`.
pub fn described(change: &Change) -> String {
    use artifact::package::ContentKind;
    let path = change.path().escape_debug();
    let size = |content: &Content| match &content.kind {
        ContentKind::File { size, .. } => *size,
        _ => 0,
    };
    match change {
        Change::Added { .. } => format!("{path}: only in the rebuild"),
        Change::Removed { .. } => format!("{path}: not in the rebuild"),
        Change::Changed { before, after } => {
            let how = change.how().into_iter().map(|how| match (how, &after.kind) {
                ("size", _) => format!("size {}, then {}", size(before), size(after)),
                ("mode", ContentKind::File { executable: true, .. }) => {
                    "mode: executable only in the rebuild".to_owned()
                }
                ("mode", _) => "mode: not executable in the rebuild".to_owned(),
                (how, _) => how.to_owned(),
            });
            format!("{path}: {}", how.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use artifact::package::ContentKind;

    use super::*;

    fn step(name: &str, action: &str, needs: &[&str], input: Value) -> PlannedStep {
        PlannedStep::new(StepName::new(name).unwrap(), action, input)
            .needing(needs.iter().map(|need| StepName::new(*need).unwrap()))
    }

    #[test]
    fn a_rebuild_does_what_the_package_needs_without_caches_effects_and_names() {
        let mut publish = step(
            "publish",
            RUN,
            &["compile"],
            json!({ "script": "./publish", "observe": "x" }),
        );
        publish.effect = EffectClass::Effect;
        let build = Plan {
            concurrency: None,
            steps: vec![
                step("lint", RUN, &[], json!({ "script": "lint" })),
                step(
                    "compile",
                    RUN,
                    &[],
                    json!({ "script": "make", "cache": [{ "path": "target", "key": "k" }] }),
                ),
                publish,
                step("version", VERSION, &[], json!({ "script": "v" })),
                step("package", PACKAGE, &["publish", "version"], json!({ "files": [] })),
            ],
        };
        let against = Digest::of("package");
        let plan = plan(&build, against);
        plan.check().unwrap();
        let told: Vec<_> = plan
            .steps
            .iter()
            .map(|step| (step.name.as_str(), step.action.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("compile", RUN),
                ("publish", LEAVE_OUT),
                ("version", LEAVE_OUT),
                ("package", COMPARE)
            ]
        );
        assert_eq!(plan.steps[0].input, json!({ "script": "make", "fresh": true }));
        assert_eq!(plan.steps[1].effect, EffectClass::Idempotent);
        assert_eq!(plan.steps[3].input, json!({ "files": [], "against": against }));
    }

    #[test]
    fn a_verdict_says_which_files_differ_and_how() {
        let file = |path: &str, size, bytes: &str, executable| Content {
            path: path.to_owned(),
            kind: ContentKind::File {
                size,
                digest: Digest::of(bytes),
                executable,
            },
        };
        let changed = |before, after| Change::Changed { before, after };
        let compared = Compared {
            entries: 14,
            differing: 2,
            files: vec![
                changed(file("bin/shop", 10, "a", true), file("bin/shop", 12, "b", false)),
                Change::Added {
                    content: file("log.txt", 1, "x", false),
                },
            ],
            holding_their_workspace: 1,
            ..Compared::default()
        };
        let (result, reason) = verdict(&compared);
        assert_eq!(result, Judgement::Fail);
        assert_eq!(
            reason,
            "2 of 14 entries differ (bin/shop: mode: not executable in the rebuild, size 10, then 12, bytes; log.txt: only in the rebuild); \
             1 file holds the path of the workspace, which is another one for each run: tell the compiler to leave it out"
        );
        let same = Compared {
            entries: 1,
            ..Compared::default()
        };
        assert_eq!(
            verdict(&same),
            (
                Judgement::Pass,
                "the rebuild is the same package, byte for byte, in all of its 1 entry".to_owned()
            )
        );
    }
}
