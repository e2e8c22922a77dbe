//! Results of steps that are kept: what one depends on is worked out, looked up, put back or kept.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache::{CacheError, Input, Kept, Key, Manifest, Memory, Reason, Store, Tree, TreeError, explain, restore};
use engine::{ActionOutcome, StepContext};
use facts::{Clock, ComponentName, Digest, RunId, StepName, Trust};
use pipeline::plan::{KeptResult, Plan, RunInput, ServiceUse};

use crate::graph::{Graph, globs};
use crate::run::shell;
use crate::seen::{Seen, lock};

/// The largest log that is put back, in bytes.
const LARGEST_LOG: u64 = 256 * 1024 * 1024;
/// Between the digest of an image and the user that a step names.
const AS_USER: &str = " as ";
/// How many runs' workspaces are remembered at a time.
const MOST_RUNS: usize = 64;

/// The results that are kept, and what is known of the workspaces of runs.
pub struct KeptResults {
    store: Store,
    clock: Arc<dyn Clock>,
    /// The system and processor of this machine.
    platform: String,
    /// Digests of files, where all runs work in one folder.
    memory: Option<Arc<Memory>>,
    seen: Mutex<VecDeque<(RunId, Arc<Seen>)>>,
}

/// A step of which everything is known that its result depends on.
pub struct Prepared {
    /// Under which the result is kept.
    pub key: Key,
    manifest: Manifest,
    /// The step's place in its plan.
    place: usize,
    seen: Arc<Seen>,
    workspace: PathBuf,
}

/// A result that was put back.
struct PutBack {
    kept: Kept,
    /// How many files were written.
    written: u64,
    /// Its log, as the file of a log holds it; empty where it said nothing.
    log: Vec<u8>,
}

/// A step whose result is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: &'a StepName,
    /// The component.
    pub component: &'a ComponentName,
    /// The domain of trust: the trust of the change, or `local`.
    pub trust: &'a str,
    /// The whole plan.
    pub plan: &'a Plan,
    /// The step's input, in the shape of the action `run`.
    pub input: &'a RunInput,
    /// What its result depends on.
    pub kept: &'a KeptResult,
    /// The folder with the run's files.
    pub workspace: &'a Path,
}

/// What looking for a kept result came to.
pub(crate) enum Looked {
    /// It was kept, and is back: the outcome of the step.
    PutBack(ActionOutcome),
    /// The step must run.
    Run {
        /// What its result depends on; absent where that cannot be worked out.
        prepared: Option<Box<Prepared>>,
        /// Why it runs, each reason a line.
        why: Vec<String>,
    },
    /// The workspace cannot be written, and why.
    Failed(String),
}

impl KeptResults {
    /// Results in `store`, for workspaces that each run has for itself.
    pub fn new(store: Store, platform: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            platform,
            memory: None,
            seen: Mutex::default(),
        }
    }

    /// The same, for runs that work in one folder of somebody's own, a domain of trust for itself, with the
    /// digests of its files remembered in `memory`.
    #[must_use]
    pub fn remembering(mut self, memory: Arc<Memory>) -> Self {
        self.memory = Some(memory);
        self
    }

    /// The domain of trust of a change.
    pub fn domain(&self, trust: Trust) -> String {
        match self.memory {
            Some(_) => "local".to_owned(),
            None => trust.to_string(),
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is known of the workspace of a run. The runs used longest ago are forgotten; they are looked
    /// at again when they are asked for.
    fn seen(&self, run: RunId) -> Arc<Seen> {
        let mut all = lock(&self.seen);
        if let Some(place) = all.iter().position(|(known, _)| *known == run)
            && let Some(found) = all.remove(place)
        {
            let seen = found.1.clone();
            all.push_back(found);
            return seen;
        }
        let memory = self.memory.clone();
        let seen = Arc::new(Seen::new(
            memory.unwrap_or_else(|| Arc::new(Memory::open(Path::new("")))),
        ));
        all.push_back((run, seen.clone()));
        if all.len() > MOST_RUNS {
            all.pop_front();
        }
        seen
    }

    /// The tools of a step that have not been asked for their versions in this run.
    pub fn unasked(&self, run: RunId, image: Option<&str>, kept: &KeptResult) -> Vec<String> {
        let seen = self.seen(run);
        let known = lock(&seen.tools);
        let unasked = kept
            .tools
            .iter()
            .filter(|tool| !known.contains_key(&in_image(image, tool)));
        unasked.cloned().collect()
    }

    /// Notes what a tool says of its version in this run.
    pub fn asked(&self, run: RunId, image: Option<&str>, tool: String, version: String) {
        let seen = self.seen(run);
        let mut known = lock(&seen.tools);
        known.insert(in_image(image, &tool), version);
    }

    /// Notes which image a name means in this run.
    pub fn has_image(&self, run: RunId, name: &str, digest: &str) {
        let seen = self.seen(run);
        let mut known = lock(&seen.images);
        known.insert(name.to_owned(), digest.to_owned());
    }

    /// Takes the tools of a step to say what they said the last time, and its image to be that of the last
    /// time, for a look ahead that runs nothing.
    pub fn assume_tools(&self, sought: &Sought<'_>) {
        let last = self.store.last(sought.component.as_str(), sought.step);
        let image = sought.input.image.as_ref().map(|image| image.name.as_str());
        let Some(last) = last else { return };
        for (tool, version) in last.tools {
            self.asked(sought.run, image, tool, version);
        }
        if let (Some(name), Some(image)) = (image, last.image) {
            let digest = image.split(AS_USER).next().unwrap_or_default();
            self.has_image(sought.run, name, digest);
        }
    }

    /// Works out what the result of a step depends on, now that the steps it needs are done.
    ///
    /// # Errors
    /// Says why it cannot be worked out; the step then runs, and its result is not kept.
    pub fn prepare(&self, sought: &Sought<'_>) -> Result<Prepared, String> {
        let Sought {
            kept, input, workspace, ..
        } = *sought;
        let seen = self.seen(sought.run);
        let graph = seen.graph.get_or_init(|| Graph::of(sought.plan));
        let place = graph.place(sought.step).ok_or("the step is not in its plan")?;
        let image = input.image.as_ref().map(|image| image.name.as_str());
        let tools = {
            let known = lock(&seen.tools);
            let said = |tool: &String| {
                let version = known.get(&in_image(image, tool)).cloned();
                (tool.clone(), version.unwrap_or_default())
            };
            kept.tools.iter().map(said).collect()
        };
        let manifest = Manifest {
            version: Manifest::VERSION,
            trust: sought.trust.to_owned(),
            component: sought.component.to_string(),
            platform: self.platform.clone(),
            image: input.image.as_ref().map(|image| {
                let digest = lock(&seen.images).get(&image.name).cloned().unwrap_or_default();
                match &image.user {
                    Some(user) => format!("{digest}{AS_USER}{user}"),
                    None => digest,
                }
            }),
            script: input.script.clone(),
            shell: shell(input.shell.as_deref()),
            folder: input.folder.clone().unwrap_or_default(),
            variables: input.variables.clone(),
            tools,
            outputs: kept.outputs.clone(),
            services: services(&seen, input),
            needs: self
                .needs(&seen, graph, place, workspace)
                .map_err(|error| error.to_string())?,
            inputs: self
                .inputs(&seen, kept, graph, place, workspace)
                .map_err(|error| error.to_string())?,
        };
        Ok(Prepared {
            key: manifest.key(),
            manifest,
            place,
            seen: seen.clone(),
            workspace: workspace.to_owned(),
        })
    }

    /// The files that a step may read: those it names, but for what it leaves itself, and what other
    /// steps leave, which is none of its business or counts among its needs.
    fn inputs(
        &self,
        seen: &Seen,
        kept: &KeptResult,
        graph: &Graph,
        place: usize,
        workspace: &Path,
    ) -> Result<Vec<Input>, TreeError> {
        let patterns = globs(&kept.inputs);
        let files = seen.files(graph, workspace, &patterns)?;
        let mut inputs = files.tree.matching(&kept.inputs, &patterns)?;
        inputs.retain(|file| !files.left.contains(&file.path) && !graph.outputs(place).matches(&file.path));
        inputs
            .iter()
            .map(|file| seen.memory.input(workspace, file, &*self.clock))
            .collect()
    }

    /// By the names of the steps that one needs, what each leaves.
    fn needs(
        &self,
        seen: &Seen,
        graph: &Graph,
        place: usize,
        workspace: &Path,
    ) -> Result<BTreeMap<String, Digest>, TreeError> {
        let mut needs = BTreeMap::new();
        for need in graph.needs(place) {
            needs.insert(graph.name(*need).to_string(), self.left(seen, graph, *need, workspace)?);
        }
        Ok(needs)
    }

    /// The digest of what a step that is done leaves, and of what the steps it needs leave.
    fn left(&self, seen: &Seen, graph: &Graph, place: usize, workspace: &Path) -> Result<Digest, TreeError> {
        let mut open = vec![place];
        // Needs first; a plan has no cycles.
        while let Some(step) = open.last().copied() {
            let unknown: Vec<usize> = {
                let known = lock(&seen.left);
                let needs = graph.needs(step).iter().copied();
                needs.filter(|need| !known.contains_key(need)).collect()
            };
            if !unknown.is_empty() {
                open.extend(unknown);
                continue;
            }
            open.pop();
            if !lock(&seen.left).contains_key(&step) {
                let outputs = Tree::outputs(workspace, graph.outputs(step))?;
                let outputs = outputs
                    .iter()
                    .map(|file| seen.memory.input(workspace, file, &*self.clock));
                seen.has_left(graph, step, &outputs.collect::<Result<Vec<_>, _>>()?);
            }
        }
        Ok(lock(&seen.left).get(&place).copied().unwrap_or_else(|| Digest::of("")))
    }

    /// Puts the kept result of a step into its workspace. `None` where none is kept, or where what is
    /// kept is damaged: the step must run.
    ///
    /// # Errors
    /// When the workspace cannot be written.
    fn put_back(&self, prepared: &Prepared) -> Result<Option<PutBack>, CacheError> {
        let Some(kept) = self.store.find(&prepared.key) else {
            return Ok(None);
        };
        let restored = restore(
            &prepared.workspace,
            &self.store,
            &prepared.key,
            &kept,
            prepared.graph().outputs(prepared.place),
            &prepared.seen.memory,
            &*self.clock,
        );
        let restored = match restored {
            Ok(restored) => restored,
            Err(CacheError::Damaged(path)) => {
                tracing::warn!(path, "a kept result is damaged; the step runs");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if restored.written + restored.removed > 0 {
            prepared.seen.changed();
        }
        let left: Vec<Input> = kept.outputs.iter().map(cache::Output::as_input).collect();
        prepared.seen.has_left(prepared.graph(), prepared.place, &left);
        let log = self.store.log(&prepared.key, &kept);
        let log = log.and_then(|bytes| executor::logs::decompress(&bytes, LARGEST_LOG).ok());
        Ok(Some(PutBack {
            kept,
            written: restored.written,
            log: log.unwrap_or_default(),
        }))
    }

    /// Looks for the result of a step, and puts it back where it is kept.
    pub(crate) fn look(&self, step: &StepContext, sought: &Sought<'_>) -> Looked {
        let prepared = match self.prepare(sought) {
            Ok(prepared) => prepared,
            Err(reason) => {
                let why = format!("what its result depends on cannot be worked out: {reason}");
                return Looked::Run {
                    prepared: None,
                    why: vec![why],
                };
            }
        };
        match self.put_back(&prepared) {
            Ok(Some(back)) => {
                // Losing a log is no reason to run the step.
                let _ = write_log(step, &back.log);
                let mut outputs = serde_json::json!({
                    "kept": {
                        "key": prepared.key.digest(),
                        "made_by": back.kept.made_by,
                        "made_at": back.kept.made_at,
                        "took_ms": back.kept.took_ms,
                        "written": back.written,
                    }
                });
                prepared.tell_tools(&mut outputs);
                Looked::PutBack(ActionOutcome::succeeded(outputs))
            }
            Ok(None) => Looked::Run {
                why: self.why(&step.step, &prepared),
                prepared: Some(Box::new(prepared)),
            },
            Err(error) => Looked::Failed(error.to_string()),
        }
    }

    /// Whether the result is kept, as far as can be said without looking at its files.
    pub fn has(&self, prepared: &Prepared) -> bool {
        self.store.find(&prepared.key).is_some()
    }

    /// Why a step runs, each reason a line.
    pub fn why(&self, step: &StepName, prepared: &Prepared) -> Vec<String> {
        let last = self.store.last(&prepared.manifest.component, step);
        let mut reasons = explain(last.as_ref(), &prepared.manifest);
        if reasons.is_empty() {
            reasons.push(Reason::NotKept);
        }
        reasons.iter().map(ToString::to_string).collect()
    }

    /// Notes that a step has run and may have written anywhere.
    pub(crate) fn has_run(&self, run: RunId, step: &StepName) {
        let seen = self.seen(run);
        seen.changed();
        if let Some(place) = seen.graph.get().and_then(|graph| graph.place(step)) {
            lock(&seen.left).remove(&place);
        }
    }

    /// Keeps what a step has left. `Ok(false)` where its inputs have changed while it ran, so that
    /// nobody can say what its result came from.
    ///
    /// # Errors
    /// When something cannot be read or kept. The step's own result is not touched by that.
    pub(crate) fn keep(
        &self,
        step: &StepContext,
        kept: &KeptResult,
        prepared: &Prepared,
        took: Duration,
    ) -> Result<bool, CacheError> {
        let (graph, place) = (prepared.graph(), prepared.place);
        let inputs = self.inputs(&prepared.seen, kept, graph, place, &prepared.workspace)?;
        if inputs != prepared.manifest.inputs {
            return Ok(false);
        }
        let said = std::fs::metadata(step.log.path()).is_ok_and(|log| log.len() > 0);
        let log = match said.then(|| executor::logs::compress(step.log.path())) {
            Some(Ok(bytes)) => Some(self.store.keep_bytes(&bytes)?),
            Some(Err(_)) | None => None,
        };
        let result = Kept {
            version: Store::VERSION,
            outputs: self.store.keep_outputs(&prepared.workspace, graph.outputs(place))?,
            log,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            made_by: step.run.to_string(),
            made_at: self.clock.now(),
        };
        self.store.keep(&prepared.key, &result)?;
        let left: Vec<Input> = result.outputs.iter().map(cache::Output::as_input).collect();
        prepared.seen.has_left(graph, place, &left);
        self.store.note_last(&step.step, &prepared.manifest)?;
        Ok(true)
    }
}

/// What the services of a step are, as texts, with the digests of their images.
fn services(seen: &Seen, input: &RunInput) -> BTreeMap<String, String> {
    let images = lock(&seen.images);
    let text = |service: &ServiceUse| {
        let digest = service.image.as_ref().and_then(|image| images.get(&image.name));
        serde_json::json!([service, digest]).to_string()
    };
    let services = input.services.iter();
    services.map(|service| (service.name.clone(), text(service))).collect()
}

/// By what a tool's version is known.
fn in_image(image: Option<&str>, tool: &str) -> (String, String) {
    (image.unwrap_or_default().to_owned(), tool.to_owned())
}

impl Prepared {
    /// Says in a step's outputs what its tools said of their versions, and under which key its result is kept: what
    /// it was made with stays known when the result is gone.
    pub(crate) fn tell(&self, outputs: &mut serde_json::Value) {
        outputs["key"] = serde_json::json!(self.key.digest());
        self.tell_tools(outputs);
    }

    fn tell_tools(&self, outputs: &mut serde_json::Value) {
        if !self.manifest.tools.is_empty() {
            outputs["tools"] = serde_json::json!(self.manifest.tools);
        }
    }

    fn graph(&self) -> &Graph {
        self.seen.graph.get_or_init(Graph::default)
    }
}

/// Writes a kept log as that of this attempt, as it was.
fn write_log(step: &StepContext, log: &[u8]) -> std::io::Result<()> {
    if log.is_empty() {
        return Ok(());
    }
    if let Some(folder) = step.log.path().parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(step.log.path(), log)
}
