//! Tekton: pipelines, their runs and tasks, and the annotations of Pipelines-as-Code.

use std::collections::BTreeMap;

use crate::model::{At, Job, Service, System, Workflow};
use crate::occasion::{Condition, Filter, Names, Occasion, Occasions, Pattern};
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;

/// Reads all definitions of a folder at once; asked for the first of them only.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let is_definition =
        |path: &str| path.starts_with(".tekton/") && (path.ends_with(".yaml") || path.ends_with(".yml"));
    let files: Vec<String> = reader
        .tree
        .entries()
        .iter()
        .map(|entry| entry.path.clone())
        .filter(|path| is_definition(path))
        .take(200)
        .collect();
    if files.first().map(String::as_str) != Some(file) {
        return Vec::new();
    }
    let mut documents: Vec<(String, Node)> = Vec::new();
    for file in &files {
        documents.extend(reader.yaml(file).into_iter().map(|node| (file.clone(), node)));
    }
    // Tasks of the tree that a run may name.
    let mut tasks: BTreeMap<String, (String, Node)> = BTreeMap::new();
    let mut pipelines: BTreeMap<String, (String, Node)> = BTreeMap::new();
    let elsewhere: Vec<String> = reader
        .tree
        .entries()
        .iter()
        .map(|entry| entry.path.clone())
        .filter(|path| path.starts_with("tekton/") && (path.ends_with(".yaml") || path.ends_with(".yml")))
        .take(100)
        .collect();
    for path in elsewhere {
        documents.extend(reader.yaml(&path).into_iter().map(|node| (path.clone(), node)));
    }
    for (file, node) in &documents {
        let name = node
            .at(&["metadata", "name"])
            .and_then(Node::text)
            .unwrap_or_default()
            .to_owned();
        match node.text_of("kind") {
            Some("Task" | "ClusterTask") => {
                tasks.insert(file.clone(), (file.clone(), node.clone()));
                tasks.insert(name, (file.clone(), node.clone()));
            }
            Some("Pipeline") => {
                pipelines.insert(name, (file.clone(), node.clone()));
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    for (file, node) in &documents {
        if node.text_of("kind") != Some("PipelineRun") {
            continue;
        }
        let mut workflow = Workflow::new(System::Tekton, file, Occasions::default());
        let name = node
            .at(&["metadata", "name"])
            .or_else(|| node.at(&["metadata", "generateName"]));
        workflow.name = name.and_then(Node::text).map(str::to_owned);
        workflow.line = node.member("metadata").map_or(node.line, |(key, _)| key.line);
        workflow.occasions = annotations(node, &reader.names);
        let (from, spec) = match node.at(&["spec", "pipelineSpec"]) {
            Some(spec) => (file.clone(), Some(spec.clone())),
            None => {
                let reference = node
                    .at(&["spec", "pipelineRef", "name"])
                    .and_then(Node::text)
                    .unwrap_or_default();
                match pipelines.get(reference) {
                    Some((from, pipeline)) => (from.clone(), pipeline.get("spec").cloned()),
                    None => {
                        workflow.unread.push(At::new(file, node.line));
                        (file.clone(), None)
                    }
                }
            }
        };
        if let Some(spec) = spec {
            jobs(reader, &from, &spec, &tasks, &mut workflow);
        }
        all.push(workflow);
    }
    all
}

fn annotations(node: &Node, names: &Names) -> Occasions {
    let get = |name: &str| {
        node.at(&["metadata", "annotations"])
            .and_then(|annotations| annotations.text_of(&format!("pipelinesascode.tekton.dev/{name}")))
    };
    let list = |text: &str| -> Vec<String> {
        text.trim_matches(['[', ']', ' '])
            .split(',')
            .map(|word| word.trim().trim_matches(['"', '\'']).to_owned())
            .collect()
    };
    let mut all = Occasions::default();
    if let Some(events) = get("on-event") {
        let branches = get("on-target-branch").map(list).unwrap_or_default();
        for event in list(events) {
            let filter = |prefix: &str| Filter {
                include: branches
                    .iter()
                    .filter(|branch| !branch.starts_with("refs/tags/"))
                    .map(|branch| Pattern::glob(branch.trim_start_matches(prefix)))
                    .collect(),
                exclude: Vec::new(),
            };
            let condition = match event.as_str() {
                "push" => Condition::All(vec![
                    Condition::Started(vec![Occasion::Trunk, Occasion::Branch]),
                    Condition::Branch(filter("refs/heads/")),
                ]),
                "pull_request" => Condition::Target(filter("refs/heads/")),
                _ => Condition::Started(vec![Occasion::Other]),
            };
            all.add(&Occasions::where_holds(&condition, names));
            if branches.iter().any(|branch| branch.starts_with("refs/tags/")) {
                all.add(&Occasions::of([Occasion::Tag]));
            }
        }
    } else if let Some(expression) = get("on-cel-expression") {
        all.add(&cel(expression));
    } else {
        all.add(&Occasions::of([Occasion::Manual]));
    }
    if get("on-comment").is_some() {
        all.add(&Occasions::of([Occasion::Other]));
    }
    all
}

/// The usual forms: `event == "push" && target_branch == "main"`.
fn cel(expression: &str) -> Occasions {
    let mut all = Occasions::default();
    let put = |all: &mut Occasions, occasion| all.set(occasion, crate::occasion::Truth::Perhaps);
    if expression.contains("pull_request") {
        put(&mut all, Occasion::Request);
    }
    if expression.contains("push") {
        if expression.contains("refs/tags") {
            put(&mut all, Occasion::Tag);
        } else {
            put(&mut all, Occasion::Trunk);
        }
    }
    if !all.any() {
        put(&mut all, Occasion::Other);
    }
    all
}

fn jobs(
    reader: &Reader<'_>,
    file: &str,
    spec: &Node,
    tasks: &BTreeMap<String, (String, Node)>,
    workflow: &mut Workflow,
) {
    let both = [spec.get("tasks"), spec.get("finally")];
    for task in both
        .into_iter()
        .flatten()
        .flat_map(|list| list.elements().iter().take(300))
    {
        let name = task.text_of("name").unwrap_or("task");
        let mut job = Job::new(name, At::new(file, task.line), workflow.occasions.clone());
        job.needs = task.get("runAfter").map(Node::texts).unwrap_or_default();
        job.matrix = task.member("matrix").map(|(key, _)| key.line);
        job.timeout = task.member("timeout").map(|(key, _)| key.line);
        job.ignored = task.text_of("onError") == Some("continue");
        job.inputs = task
            .get("params")
            .map_or(&[][..], Node::elements)
            .iter()
            .filter_map(|one| Some((one.text_of("name")?.to_owned(), one.text_of("value")?.to_owned())))
            .collect();
        let (from, inner) = match task.get("taskSpec") {
            Some(inner) => (file.to_owned(), Some(inner.clone())),
            None => {
                let reference = task.at(&["taskRef", "name"]).and_then(Node::text);
                let reference = reference.or_else(|| resolver_name(task)).unwrap_or_default();
                match tasks.get(reference) {
                    Some((from, found)) => {
                        job.template = Some(from.clone());
                        workflow.shared.push(At::new(file, task.line));
                        (from.clone(), found.get("spec").cloned())
                    }
                    None => {
                        workflow.unread.push(At::new(file, task.line));
                        let context = crate::purpose::Context::of_step(file, task.line, "", name);
                        let mut step = steps::builtin(
                            reader,
                            At::new(file, task.line),
                            reference,
                            &job.inputs,
                            name,
                            &job.occasions,
                        );
                        if step.doings.is_empty() {
                            step.doings = known_task(reader, reference, &context);
                        }
                        job.steps.push(step);
                        (file.to_owned(), None)
                    }
                }
            }
        };
        if let Some(inner) = inner {
            job.services = inner
                .get("sidecars")
                .map_or(&[][..], Node::elements)
                .iter()
                .filter_map(|one| one.text_of("image").map(Service::of))
                .collect();
            for step in inner.get("steps").map_or(&[][..], Node::elements) {
                step_of(reader, &from, step, &mut job);
            }
        }
        steps::note_shape(&mut job);
        workflow.jobs.push(job);
    }
}

fn resolver_name(task: &Node) -> Option<&str> {
    task.at(&["taskRef", "params"])?
        .elements()
        .iter()
        .find(|one| matches!(one.text_of("name"), Some("name" | "pathInRepo")))?
        .text_of("value")
}

/// Tasks of the catalogue, by what they are called there.
fn known_task(reader: &Reader<'_>, name: &str, context: &crate::purpose::Context) -> Vec<crate::purpose::Doing> {
    let command = match name {
        "golang-test" => "go test ./...",
        "golang-build" => "go build ./...",
        "golangci-lint" => "golangci-lint run",
        "kaniko" => "executor --destination x",
        "buildah" => "buildah bud && buildah push",
        "ko" => "ko build",
        "maven" => "mvn package",
        "gradle" => "gradle build",
        "npm" => "npm test",
        "pytest" => "pytest",
        "flake8" => "flake8",
        "helm-upgrade-from-source" | "helm-upgrade-from-repo" => "helm upgrade x y",
        "kubernetes-actions" => "kubectl apply -f x",
        "openshift-client" => "oc apply -f x",
        "trivy-scanner" => "trivy image x",
        "sonarqube-scanner" => "sonar-scanner",
        "goreleaser" => "goreleaser release",
        "yaml-lint" => "yamllint .",
        _ => "",
    };
    if command.is_empty() {
        reader.resolver.name(name, name, context)
    } else {
        reader.resolver.text(command, context)
    }
}

fn step_of(reader: &Reader<'_>, file: &str, step: &Node, job: &mut Job) {
    let words = format!("{} {}", job.words(), step.text_of("name").unwrap_or_default());
    let on = job.occasions.clone();
    let ignored = step.text_of("onError") == Some("continue");
    let before = job.steps.len();
    if let Some(script) = step.get("script")
        && let Some(text) = script.text()
    {
        job.steps
            .push(steps::run(reader, At::new(file, script.line), text, "", &words, &on));
    } else {
        let mut command = step.get("command").map(Node::texts).unwrap_or_default();
        command.extend(step.get("args").map(Node::texts).unwrap_or_default());
        if command.is_empty() {
            return;
        }
        let line = step
            .member("command")
            .or_else(|| step.member("args"))
            .map_or(step.line, |(key, _)| key.line);
        // Words stand for themselves; each is quoted again.
        let text: Vec<String> = command
            .iter()
            .map(|word| format!("'{}'", word.replace('\'', "'\\''")))
            .collect();
        let program = step.text_of("image").unwrap_or_default();
        let image = program
            .split(['@', ':'])
            .next()
            .unwrap_or_default()
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let text = if step.get("command").is_some() {
            text.join(" ")
        } else {
            format!("{image} {}", text.join(" "))
        };
        job.steps
            .push(steps::run(reader, At::new(file, line), &text, "", &words, &on));
    }
    for one in &mut job.steps[before..] {
        one.ignored |= ignored;
    }
}
