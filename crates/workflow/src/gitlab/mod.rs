//! GitLab CI.

mod merged;
mod rules;

use crate::model::{At, Environment, Job, Pinning, Service, System, Used, Workflow};
use crate::occasion::{Occasion, Occasions, Truth};
use crate::purpose::Purpose;
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;
use merged::{Definition, Part};

/// Names that are no jobs.
const RESERVED: &[&str] = &[
    "image",
    "services",
    "stages",
    "types",
    "before_script",
    "after_script",
    "variables",
    "cache",
    "include",
    "workflow",
    "default",
    "pages:deploy",
    "spec",
];

/// Reads a definition with all that it includes.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    read_started(reader, file, None, 0)
}

fn read_started(reader: &Reader<'_>, file: &str, by: Option<&Occasions>, depth: usize) -> Vec<Workflow> {
    let definition = Definition::read(reader, file);
    if definition.parts.is_empty() {
        return Vec::new();
    }
    let mut occasions = match by {
        Some(occasions) => occasions.clone(),
        None => Occasions::of(Occasion::ALL),
    };
    let mut line = 1;
    if let Some(part) = definition.parts.get("workflow")
        && let Some(rules) = part.node.get("rules")
    {
        line = part.line;
        let rules = definition.flat(rules, 0);
        occasions = occasions.and(&rules::read(&rules, &reader.names).occasions);
    } else if by.is_none() {
        line = definition.parts.get("workflow").map_or(1, |part| part.line);
    }
    let mut workflow = Workflow::new(System::GitlabCi, file, occasions.clone());
    workflow.line = line;
    workflow.name = definition
        .parts
        .get("workflow")
        .and_then(|part| part.node.text_of("name"))
        .map(str::to_owned);
    workflow.unread.clone_from(&definition.unread);
    workflow.shared.clone_from(&definition.shared);
    let stages = definition.stages();
    let mut children = Vec::new();
    for (name, part) in &definition.parts {
        if name.starts_with('.') || RESERVED.contains(&name.as_str()) || !part.node.is_map() {
            continue;
        }
        if let Some(job) = read_job(
            reader,
            &definition,
            name,
            part,
            &occasions,
            &mut children,
            &mut workflow.unread,
        ) {
            workflow.jobs.push(job);
        }
    }
    for (template, at) in &definition.templates {
        let mut job = Job::new(template.clone(), at.clone(), rules::by_default().and(&occasions));
        let used = Used {
            name: template.clone(),
            version: None,
            pinning: Pinning::Version,
            inputs: Vec::new(),
        };
        let on = job.occasions.clone();
        let mut step = steps::part(reader, at.clone(), used, "", template, &on);
        step.kind = crate::model::StepKind::Builtin(template.clone());
        // Scans of the templates report and let the pipeline go on.
        job.ignored = template.to_lowercase().contains("security") || template.to_lowercase().contains("scanning");
        job.steps.push(step);
        workflow.jobs.push(job);
    }
    wait_for_stages(&mut workflow.jobs, &stages);
    workflow.occasions = started(&workflow.jobs, &occasions);
    let mut all = vec![workflow];
    if depth < 3 {
        for (child, occasions) in children {
            if all.iter().all(|workflow| workflow.file != child) {
                all.extend(read_started(reader, &child, Some(&occasions), depth + 1));
            }
        }
    }
    all
}

/// When it starts at all: on what starts one of its jobs.
fn started(jobs: &[Job], most: &Occasions) -> Occasions {
    let mut all = Occasions::default();
    for job in jobs {
        all.add(&job.occasions);
    }
    all.and(most)
}

fn wait_for_stages(jobs: &mut [Job], stages: &[String]) {
    let order = |job: &Job| {
        let stage = job.stage.as_deref().unwrap_or("test");
        stages.iter().position(|name| name == stage)
    };
    let all: Vec<(String, Option<usize>)> = jobs.iter().map(|job| (job.id.clone(), order(job))).collect();
    for job in jobs.iter_mut() {
        let own = order(job);
        if job.needs.is_empty() {
            job.needs = all
                .iter()
                .filter(|(_, stage)| matches!((stage, own), (Some(stage), Some(own)) if *stage < own))
                .map(|(name, _)| name.clone())
                .collect();
        }
        job.needs.retain(|need| need != "-");
    }
}

fn read_job(
    reader: &Reader<'_>,
    definition: &Definition,
    name: &str,
    part: &Part,
    occasions: &Occasions,
    children: &mut Vec<(String, Occasions)>,
    unread: &mut Vec<At>,
) -> Option<Job> {
    let resolved = definition.resolved(name);
    let get = |key: &str| resolved.get(key);
    let node = |key: &str| get(key).map(|part| &part.node);
    if !["script", "trigger", "extends", "run"]
        .iter()
        .any(|key| get(key).is_some() || part.node.get(key).is_some())
    {
        return None;
    }
    let run = if let Some(rules) = get("rules") {
        rules::read(&definition.flat(&rules.node, 0), &reader.names)
    } else {
        rules::only_except(node("only"), node("except"), &reader.names)
    };
    let mut job = Job::new(name, At::new(&part.file, part.line), run.occasions.and(occasions));
    job.paths = run.paths;
    job.manual = run.manual;
    job.ignored = run.ignored || node("allow_failure").is_some_and(Node::is_true);
    job.stage = Some(node("stage").and_then(Node::text).unwrap_or("test").to_owned());
    match get("when").and_then(|part| Some((part.line, part.node.text()?))) {
        Some((line, "manual")) if run.conditions_free => job.manual = Some(line),
        Some((_, "never" | "on_failure")) => job.occasions = Occasions::default(),
        _ => {}
    }
    let mut values = steps::texts_of(definition.parts.get("variables").map(|part| &part.node));
    values.extend(steps::texts_of(node("variables")));
    values.reverse();
    job.inputs = steps::texts_of(part.node.get("variables"));
    job.template = part
        .node
        .get("extends")
        .map(|extends| extends.texts().join(" "))
        .filter(|text| !text.is_empty());
    if let Some(environment) = get("environment") {
        let text = environment
            .node
            .text()
            .or_else(|| environment.node.text_of("name"))
            .unwrap_or_default();
        let stops = environment
            .node
            .text_of("action")
            .is_some_and(|action| action != "start");
        if !stops {
            let filled = steps::fill(text, &values);
            let name = filled
                .split('$')
                .next()
                .unwrap_or_default()
                .trim_end_matches(['/', '-']);
            if !name.is_empty() {
                job.environments.push(Environment {
                    name: name.to_owned(),
                    at: At::new(&environment.file, environment.line),
                });
            }
        } else {
            job.occasions = Occasions::default();
        }
    }
    let image = |node: &Node| node.text().or_else(|| node.text_of("name")).map(str::to_owned);
    job.image = node("image").and_then(image);
    job.services = node("services")
        .map_or(&[][..], Node::elements)
        .iter()
        .filter_map(|node| {
            Some(Service {
                name: node.text_of("alias").map(str::to_owned),
                image: image(node)?,
                variables: texts_of(node.get("variables")),
                line: node.line,
                ..Service::default()
            })
        })
        .filter(|service| !service.image.contains("dind"))
        .collect();
    job.variables = texts_of(definition.parts.get("variables").map(|part| &part.node));
    for (name, value) in texts_of(node("variables")) {
        job.variables.retain(|(known, _)| *known != name);
        job.variables.push((name, value));
    }
    job.runners = node("tags").map(Node::texts).unwrap_or_default();
    job.matrix = get("parallel").map(|part| part.line);
    job.axes = axes_of(node("parallel"));
    job.combinations = node("parallel").map(crate::matrix::of_gitlab).unwrap_or_default();
    job.timeout = get("timeout").map(|part| part.line);
    job.cache = get("cache").map(|part| part.line);
    job.concurrency = get("resource_group").map(|part| part.line);
    if let Some(needs) = get("needs").or_else(|| get("dependencies")) {
        let flat = definition.flat(&needs.node, 0);
        job.needs = flat
            .iter()
            .filter_map(|need| need.text().or_else(|| need.text_of("job")))
            .map(str::to_owned)
            .collect();
        if job.needs.is_empty() {
            job.needs.push("-".to_owned());
        }
    }
    if let Some(artifacts) = get("artifacts")
        && artifacts.node.get("paths").is_some()
    {
        job.keeps = Some(artifacts.line);
    }
    matrix_environments(node("parallel"), &mut job, get("environment"));
    for key in ["before_script", "script", "after_script"] {
        if let Some(script) = get(key) {
            let flat = Node {
                kind: crate::yaml::Kind::List(definition.flat(&script.node, 0)),
                ..script.node.clone()
            };
            steps::script(reader, &script.file, &flat, &mut job);
        }
    }
    job.end = part.node.get("script").and_then(steps::end_of);
    keywords(&resolved, name, &mut job);
    if let Some(trigger) = get("trigger") {
        trigger_of(reader, trigger, &mut job, children, unread);
    }
    steps::note_shape(&mut job);
    Some(job)
}

/// Names with texts, as variables are written; a variable may also be a map with its `value`.
fn texts_of(node: Option<&Node>) -> Vec<(String, String)> {
    let members = node.map_or(&[][..], Node::members);
    members
        .iter()
        .filter_map(|(key, value)| {
            let text = value.text().or_else(|| value.text_of("value"))?;
            Some((key.name.clone(), text.to_owned()))
        })
        .collect()
}

/// The axes of a matrix that is one combination of lists.
fn axes_of(parallel: Option<&Node>) -> Vec<(String, Vec<String>)> {
    match parallel.and_then(|parallel| parallel.get("matrix")).map(Node::elements) {
        Some([one]) => one
            .members()
            .iter()
            .map(|(key, values)| (key.name.clone(), values.texts()))
            .collect(),
        _ => Vec::new(),
    }
}

/// Environments that come from the values of a matrix.
fn matrix_environments(parallel: Option<&Node>, job: &mut Job, environment: Option<&Part>) {
    let Some(matrix) = parallel.and_then(|parallel| parallel.get("matrix")) else {
        return;
    };
    let written = environment
        .and_then(|part| part.node.text().or_else(|| part.node.text_of("name")))
        .unwrap_or_default();
    for element in matrix.elements() {
        for (key, values) in element.members() {
            let used = written.contains(&format!("${}", key.name)) || written.contains(&format!("${{{}}}", key.name));
            if used {
                for value in values.texts() {
                    job.environments.push(Environment {
                        name: value,
                        at: At::new(&job.at.file, key.line),
                    });
                }
            }
        }
    }
}

/// What keywords do that are no scripts.
fn keywords(resolved: &std::collections::BTreeMap<String, Part>, name: &str, job: &mut Job) {
    let occasions = job.occasions.clone();
    let mut add = |part: &Part, purpose: Purpose, detail: &str, tool: &str| {
        let at = At::new(&part.file, part.line);
        job.steps.push(steps::doing(at, purpose, detail, tool, &occasions));
    };
    if let Some(part) = resolved.get("release") {
        add(part, Purpose::Release, "", "release");
        add(part, Purpose::Publish, "gitlab-release", "release");
        add(part, Purpose::TagIfNone, "", "release");
    }
    if let Some(part) = resolved.get("coverage") {
        add(part, Purpose::Coverage, "gitlab", "coverage");
    }
    if let Some(part) = resolved.get("artifacts")
        && let Some(reports) = part.node.get("reports")
    {
        for (key, _) in reports.members() {
            let report = match key.name.as_str() {
                "coverage_report" | "cobertura" => Some((Purpose::Coverage, "cobertura")),
                "codequality" => Some((Purpose::Analysis, "codequality")),
                "sast" => Some((Purpose::Code, "sast")),
                "secret_detection" => Some((Purpose::Secrets, "gitlab")),
                "dependency_scanning" => Some((Purpose::Dependencies, "gitlab")),
                "container_scanning" => Some((Purpose::Images, "gitlab")),
                "cyclonedx" => Some((Purpose::Sbom, "cyclonedx")),
                "terraform" => Some((Purpose::Plan, "terraform")),
                "load_performance" => Some((Purpose::Performance, "k6")),
                _ => None,
            };
            if let Some((purpose, detail)) = report {
                let mut at = part.clone();
                at.line = key.line;
                add(&at, purpose, detail, &key.name);
            }
        }
    }
    let publishes = resolved
        .get("pages")
        .is_some_and(|part| part.node.is_true() || part.node.is_map());
    if (name == "pages" || publishes)
        && let Some(part) = resolved.get("script")
    {
        add(part, Purpose::Pages, "", "pages");
    }
}

/// A child pipeline of the tree is read; another project's is started and not seen.
fn trigger_of(
    reader: &Reader<'_>,
    trigger: &Part,
    job: &mut Job,
    children: &mut Vec<(String, Occasions)>,
    unread: &mut Vec<At>,
) {
    let at = At::new(&trigger.file, trigger.line);
    let step = steps::doing(at.clone(), Purpose::Start, "", "trigger", &job.occasions);
    job.steps.push(step);
    let Some(include) = trigger.node.get("include") else {
        unread.push(at);
        return;
    };
    for one in include.each() {
        let path = one.text().or_else(|| one.text_of("local"));
        match path.map(|path| path.trim_start_matches('/')) {
            Some(path) if reader.tree.has(path) => children.push((path.to_owned(), job.occasions.clone())),
            _ => unread.push(at.clone()),
        }
    }
}

/// Proposed changes show the pipelines of their branches.
pub(super) fn with_requests(mut occasions: Occasions) -> Occasions {
    if occasions.on(Occasion::Branch) == Truth::Yes && !occasions.may(Occasion::Request) {
        occasions.set(Occasion::Request, Truth::Yes);
    }
    occasions
}
