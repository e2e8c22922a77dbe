//! AppVeyor, Cirrus CI and Bitbucket Pipelines.

use crate::comparison;
use crate::model::{At, Environment, Job, Pinning, Service, System, Used, Workflow};
use crate::occasion::{Condition, Filter, Occasion, Occasions, Pattern};
use crate::purpose::Purpose;
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;

/// Reads AppVeyor's build file.
pub(crate) fn appveyor(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let mut all = Vec::new();
    for root in reader.yaml(file) {
        if !root.is_map() {
            continue;
        }
        let mut occasions = Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Request, Occasion::Tag]);
        if let Some(branches) = root.get("branches") {
            let patterns = |name: &str| -> Vec<Pattern> {
                let list = branches.get(name).map(Node::texts).unwrap_or_default();
                list.iter().map(|text| Pattern::slashed(text)).collect()
            };
            let filter = Filter {
                include: patterns("only"),
                exclude: patterns("except"),
            };
            let condition = Condition::Any(vec![
                Condition::Branch(filter.clone()),
                Condition::Target(filter),
                Condition::Started(vec![Occasion::Tag]),
            ]);
            occasions = occasions.when(&condition, &reader.names);
        }
        if root.get("skip_tags").is_some_and(Node::is_true) {
            occasions.set(Occasion::Tag, crate::occasion::Truth::No);
        }
        let mut workflow = Workflow::new(System::Appveyor, file, occasions.clone());
        let mut job = Job::new("build", At::new(file, root.line), occasions.clone());
        job.matrix = root.at(&["environment", "matrix"]).map(|node| node.line);
        job.runners = root.get("image").map(Node::texts).unwrap_or_default();
        job.cache = root.member("cache").map(|(key, _)| key.line);
        job.services = Service::all(root.get("services").map(Node::texts).unwrap_or_default());
        for phase in [
            "install",
            "before_build",
            "build_script",
            "after_build",
            "before_test",
            "test_script",
            "after_test",
            "before_deploy",
            "deploy_script",
            "on_success",
        ] {
            let Some(node) = root.get(phase) else { continue };
            for one in node.each() {
                let script = one.members().first().map_or(one, |(_, inner)| inner);
                steps::script(reader, file, script, &mut job);
            }
        }
        if let Some((key, build)) = root.member("build")
            && !build.is_false()
            && root.get("build_script").is_none()
        {
            job.steps.push(steps::doing(
                At::new(file, key.line),
                Purpose::Build,
                "",
                "msbuild",
                &occasions,
            ));
        }
        if let Some((key, artifacts)) = root.member("artifacts")
            && !artifacts.elements().is_empty()
        {
            job.steps.push(steps::doing(
                At::new(file, key.line),
                Purpose::Keep,
                "",
                "artifacts",
                &occasions,
            ));
        }
        if let Some((key, deploy)) = root.member("deploy") {
            for one in deploy.each() {
                let detail = match one.text_of("provider").unwrap_or_default() {
                    "NuGet" => "nuget",
                    "GitHub" => "github-release",
                    "BinTray" => "bintray",
                    _ => continue,
                };
                let step = steps::doing(At::new(file, key.line), Purpose::Publish, detail, "deploy", &occasions);
                job.steps.push(step);
            }
        }
        steps::note_shape(&mut job);
        workflow.jobs.push(job);
        all.push(workflow);
    }
    all
}

/// Reads Cirrus CI's tasks.
pub(crate) fn cirrus(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let documents = reader.yaml(file);
    let Some(root) = documents.first().filter(|root| root.is_map()) else {
        return Vec::new();
    };
    let most = Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Request, Occasion::Tag]);
    let mut workflow = Workflow::new(System::Cirrus, file, most.clone());
    let template = |node: &Node| node.text().is_some();
    for (key, node) in root.members() {
        let is_task = key.name == "task" || key.name.ends_with("_task");
        let is_docker = key.name == "docker_builder" || key.name.ends_with("_docker_builder");
        if (!is_task && !is_docker) || template(node) {
            continue;
        }
        let only = node
            .text_of("only_if")
            .or_else(|| node.text_of("skip_if_not"))
            .unwrap_or_default();
        let on = most.when(&comparison::condition(only), &reader.names);
        let name = node.text_of("name").unwrap_or(key.name.trim_end_matches("_task"));
        let mut job = Job::new(name, At::new(file, key.line), on.clone());
        job.needs = node.get("depends_on").map(Node::texts).unwrap_or_default();
        job.matrix = node.member("matrix").map(|(key, _)| key.line);
        job.timeout = node.member("timeout_in").map(|(key, _)| key.line);
        job.ignored = node.get("allow_failures").is_some_and(Node::is_true);
        job.manual = node
            .member("trigger_type")
            .filter(|(_, kind)| kind.text() == Some("manual"))
            .map(|(key, _)| key.line);
        for (part, script) in node.members() {
            if part.name == "script" || part.name.ends_with("_script") {
                steps::script(reader, file, script, &mut job);
            } else if part.name.ends_with("_cache") {
                job.cache.get_or_insert(part.line);
            } else if part.name.ends_with("_artifacts") {
                job.steps.push(steps::doing(
                    At::new(file, part.line),
                    Purpose::Keep,
                    "",
                    "artifacts",
                    &on,
                ));
            }
        }
        steps::note_shape(&mut job);
        workflow.jobs.push(job);
    }
    vec![workflow]
}

/// Reads Bitbucket Pipelines.
pub(crate) fn bitbucket(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let documents = reader.yaml(file);
    let Some(pipelines) = documents.first().and_then(|root| root.get("pipelines")) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for (key, node) in pipelines.members() {
        let named: Vec<(String, u32, &Node, Occasions)> = match key.name.as_str() {
            "default" => vec![(
                "default".to_owned(),
                key.line,
                node,
                Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Request]),
            )],
            kind => node
                .members()
                .iter()
                .map(|(name, list)| {
                    let filter = Filter {
                        include: vec![Pattern::glob(&name.name)],
                        exclude: Vec::new(),
                    };
                    let condition = match kind {
                        "branches" => Condition::All(vec![
                            Condition::Started(vec![Occasion::Trunk, Occasion::Branch]),
                            Condition::Branch(filter),
                        ]),
                        "tags" => Condition::All(vec![Condition::Started(vec![Occasion::Tag]), Condition::Tag(filter)]),
                        "pull-requests" => Condition::Started(vec![Occasion::Request]),
                        "custom" => Condition::Started(vec![Occasion::Manual]),
                        _ => Condition::Fixed(false),
                    };
                    let on = Occasions::where_holds(&condition, &reader.names);
                    (name.name.clone(), name.line, list, on)
                })
                .collect(),
        };
        for (name, line, list, on) in named {
            let mut workflow = Workflow::new(System::Bitbucket, file, on.clone());
            workflow.name = Some(name);
            workflow.line = line;
            bitbucket_steps(reader, file, list, &on, &mut workflow, 0);
            all.push(workflow);
        }
    }
    all
}

fn bitbucket_steps(
    reader: &Reader<'_>,
    file: &str,
    list: &Node,
    on: &Occasions,
    workflow: &mut Workflow,
    depth: usize,
) {
    if depth > 4 {
        return;
    }
    for node in list.elements().iter().take(200) {
        if let Some(parallel) = node.get("parallel") {
            bitbucket_steps(
                reader,
                file,
                parallel.get("steps").unwrap_or(parallel),
                on,
                workflow,
                depth + 1,
            );
            continue;
        }
        if let Some(stage) = node.get("stage") {
            if let Some(inner) = stage.get("steps") {
                bitbucket_steps(reader, file, inner, on, workflow, depth + 1);
            }
            continue;
        }
        let Some((key, step)) = node.member("step") else {
            continue;
        };
        let name = step
            .text_of("name")
            .map_or_else(|| format!("step {}", workflow.jobs.len() + 1), str::to_owned);
        let mut job = Job::new(name, At::new(file, key.line), on.clone());
        job.needs = workflow.jobs.iter().map(|job| job.id.clone()).collect();
        job.manual = step
            .member("trigger")
            .filter(|(_, kind)| kind.text() == Some("manual"))
            .map(|(key, _)| key.line);
        job.services = Service::all(step.get("services").map(Node::texts).unwrap_or_default());
        job.services.retain(|service| service.image != "docker");
        job.cache = step.member("caches").map(|(key, _)| key.line);
        job.timeout = step.member("max-time").map(|(key, _)| key.line);
        if let Some((key, environment)) = step.member("deployment") {
            job.environments.push(Environment {
                name: environment.text().unwrap_or_default().to_owned(),
                at: At::new(file, key.line),
            });
        }
        if let Some((key, _)) = step.member("artifacts") {
            job.steps.push(steps::doing(
                At::new(file, key.line),
                Purpose::Keep,
                "",
                "artifacts",
                on,
            ));
        }
        for phase in ["script", "after-script"] {
            for one in step.get(phase).map_or(&[][..], Node::elements) {
                if let Some(pipe) = one.text_of("pipe") {
                    let (path, version) = pipe
                        .rsplit_once(':')
                        .map_or((pipe, None), |(path, version)| (path, Some(version)));
                    let used = Used {
                        name: path.to_owned(),
                        version: version.map(str::to_owned),
                        pinning: Pinning::Version,
                        inputs: steps::texts_of(one.get("variables")),
                    };
                    let words = job.words();
                    let mut step = steps::part(reader, At::new(file, one.line), used, "", &words, on);
                    if step.doings.is_empty() && path.contains("deploy") {
                        let short = path.rsplit('/').next().unwrap_or(path);
                        step.doings = steps::doing(At::new(file, one.line), Purpose::Deploy, short, path, on).doings;
                    }
                    job.steps.push(step);
                } else {
                    steps::script(reader, file, one, &mut job);
                }
            }
        }
        steps::note_shape(&mut job);
        workflow.jobs.push(job);
    }
}
