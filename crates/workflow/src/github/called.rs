//! Workflows and actions that are called: those of the tree are read, of others only the name is known.

use super::{Around, DEEPEST, fill, read_jobs, read_step};
use crate::model::{At, Job, Pinning, Step, StepKind, Used};
use crate::occasion::Occasions;
use crate::purpose::{Context, Doing};
use crate::read::Reader;
use crate::yaml::Node;

/// The jobs of a called workflow of the tree, as if they stood in the caller.
#[expect(clippy::too_many_arguments, reason = "the caller with all that surrounds it")]
pub(super) fn jobs(
    reader: &Reader<'_>,
    target: &str,
    call: &Node,
    caller: &Job,
    place: &At,
    around: &Around,
    unread: &mut Vec<At>,
    shared: &mut Vec<At>,
) -> Option<Vec<Job>> {
    let path = target.strip_prefix("./")?;
    if around.depth >= DEEPEST || around.chain.iter().any(|at| at.file == path) {
        return None;
    }
    let documents = reader.yaml(path);
    let root = documents.first()?;
    let jobs = root.get("jobs")?;
    let mut inner = Around {
        chain: around.chain.clone(),
        depth: around.depth + 1,
        folder: super::default_folder(root).unwrap_or_default(),
        ..Around::default()
    };
    inner.chain.push(place.clone());
    super::environment_values(root, &mut inner.values);
    let inputs = root
        .get("on")
        .or_else(|| root.get("true"))
        .and_then(|on| on.at(&["workflow_call", "inputs"]));
    for (key, input) in inputs.map_or(&[][..], Node::members) {
        if let Some(default) = input.text_of("default") {
            inner.values.insert(format!("inputs.{}", key.name), default.to_owned());
        }
    }
    for (key, value) in call.get("with").map_or(&[][..], Node::members) {
        if let Some(text) = value.text() {
            let value = fill(text, &around.values);
            inner.values.insert(format!("inputs.{}", key.name), value);
        }
    }
    let mut called = read_jobs(reader, path, jobs, &inner, &caller.occasions, unread, shared);
    for job in &mut called {
        job.needs = job.needs.iter().map(|need| rename(need, &caller.id)).collect();
        if job.needs.is_empty() {
            job.needs.clone_from(&caller.needs);
        }
        job.id = format!("{} / {}", caller.id, job.id);
        job.template = Some(path.to_owned());
        job.inputs.extend(caller.inputs.iter().cloned());
        if job.matrix.is_none() {
            job.matrix = caller.matrix;
            job.axes.clone_from(&caller.axes);
            job.combinations.clone_from(&caller.combinations);
        }
        if job.concurrency.is_none() {
            job.concurrency = caller.concurrency;
        }
    }
    Some(called)
}

fn rename(need: &str, caller: &str) -> String {
    match need.strip_prefix('?') {
        Some(need) => format!("?{caller} / {need}"),
        None => format!("{caller} / {need}"),
    }
}

/// A job that calls what is not in the tree: what its name says is all that is known.
pub(super) fn unknown(reader: &Reader<'_>, target: &str, mut job: Job, place: At) -> Job {
    let mut used = Used::parse(target);
    used.inputs.clone_from(&job.inputs);
    let context = Context::of_step(&place.file, place.line, "", &job.words());
    let mut doings = reader.resolver.part(&used.name, &used.inputs, &context);
    if doings.is_empty() {
        let stem = used.name.rsplit('/').next().unwrap_or(&used.name);
        let stem = stem.split('.').next().unwrap_or(stem);
        doings = reader.resolver.name(stem, &used.name, &context);
        if doings.is_empty() {
            doings = reader.resolver.name(&job.id, &used.name, &context);
        }
    }
    job.template = Some(used.name.clone());
    job.steps = vec![Step {
        at: place,
        chain: job.chain.clone(),
        name: None,
        kind: StepKind::Use(used),
        occasions: job.occasions.clone(),
        ignored: false,
        folder: String::new(),
        variables: Vec::new(),
        doings,
    }];
    job
}

/// What a composite action of the tree does.
pub(super) fn action(reader: &Reader<'_>, used: &Used, context: &Context, around: &Around) -> Vec<Doing> {
    debug_assert_eq!(used.pinning, Pinning::Local);
    let folder = crate::purpose::join("", &used.name);
    let by_name = || {
        let stem = folder.rsplit('/').next().unwrap_or(&folder);
        reader.resolver.name(stem, &used.name, context)
    };
    if around.depth >= DEEPEST {
        return Vec::new();
    }
    let path = ["action.yml", "action.yaml"]
        .iter()
        .map(|name| crate::purpose::join(&folder, name))
        .find(|path| reader.tree.has(path));
    let Some(path) = path else {
        // Checked out or made while it runs.
        reader.leave_out(&context.file, context.line);
        return by_name();
    };
    let documents = reader.yaml(&path);
    let Some(runs) = documents.first().and_then(|root| root.get("runs")) else {
        return Vec::new();
    };
    let Some(list) = runs.get("steps") else {
        return by_name();
    };
    let mut inner = Around {
        depth: around.depth + 1,
        folder: context.folder.clone(),
        values: around
            .values
            .iter()
            .filter(|(key, _)| key.starts_with("env."))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        ..Around::default()
    };
    for (key, input) in documents[0].get("inputs").map_or(&[][..], Node::members) {
        if let Some(default) = input.text_of("default") {
            inner.values.insert(format!("inputs.{}", key.name), default.to_owned());
        }
    }
    for (name, value) in &used.inputs {
        inner.values.insert(format!("inputs.{name}"), value.clone());
    }
    let mut steps = Vec::new();
    let all = Occasions::of(crate::occasion::Occasion::ALL);
    for node in list.elements().iter().take(200) {
        read_step(reader, &path, node, &inner, &all, &context.hints, &mut steps);
    }
    let from = At::new(context.file.clone(), context.line);
    let mut doings = Vec::new();
    for step in steps {
        let place = step.at.clone();
        for mut doing in step.doings {
            let mut chain = vec![from.clone()];
            if doing.chain.is_empty() && doing.at != place {
                chain.push(place.clone());
            }
            chain.extend(doing.chain);
            doing.chain = chain;
            doing.ignored |= step.ignored;
            doings.push(doing);
        }
    }
    doings
}
