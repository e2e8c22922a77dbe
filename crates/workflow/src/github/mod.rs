//! GitHub Actions; Gitea and Forgejo read the same.

mod called;
mod expression;
mod triggers;

use std::collections::BTreeMap;

use crate::model::{At, End, Environment, Job, Pinning, Service, Step, StepKind, System, Used, Workflow};
use crate::occasion::{Condition, Occasions};
use crate::purpose::{Context, Doing, Purpose};
use crate::read::Reader;
use crate::yaml::Node;

/// How deep called workflows and actions are followed.
const DEEPEST: usize = 4;

/// What a part is read with: inputs, values of a matrix, and where it was called.
#[derive(Debug, Clone, Default)]
struct Around {
    values: BTreeMap<String, String>,
    /// What a name may stand for: values of a matrix, choices of whoever starts it.
    choices: BTreeMap<String, Vec<String>>,
    chain: Vec<At>,
    folder: String,
    depth: usize,
}

/// Reads a workflow.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let documents = reader.yaml(file);
    let Some(root) = documents.first() else {
        return Vec::new();
    };
    let Some(jobs) = root.get("jobs") else {
        if !root.is_null() {
            let hint = "a workflow has `on:` and `jobs:`".to_owned();
            reader.finding(file, root.line, "this workflow has no jobs", Some(hint));
        }
        return Vec::new();
    };
    let triggers = triggers::read(reader, file, root);
    let mut workflow = Workflow::new(System::GithubActions, file, triggers.occasions);
    workflow.name = root.text_of("name").map(str::to_owned);
    workflow.line = triggers.line;
    workflow.after = triggers.after;
    workflow.called_only = triggers.called && !workflow.occasions.any() && workflow.after.is_empty();
    workflow.paths = triggers.paths;
    workflow.concurrency = root.member("concurrency").map(|(key, _)| key.line);
    let mut around = Around {
        folder: default_folder(root).unwrap_or_default(),
        ..Around::default()
    };
    environment_values(root, &mut around.values);
    let inputs = root
        .get("on")
        .or_else(|| root.get("true"))
        .and_then(|on| on.at(&["workflow_dispatch", "inputs"]));
    for (key, input) in inputs.map_or(&[][..], Node::members) {
        if let Some(options) = input.get("options") {
            for name in ["inputs", "github.event.inputs"] {
                around.choices.insert(format!("{name}.{}", key.name), options.texts());
            }
        }
    }
    // A workflow that waits for another one gets its occasions when all are read.
    let occasions = if workflow.after.is_empty() {
        workflow.occasions.clone()
    } else {
        let mut all = workflow.occasions.clone();
        all.add(&Occasions::of(crate::occasion::Occasion::ALL));
        all
    };
    workflow.jobs = read_jobs(
        reader,
        file,
        jobs,
        &around,
        &occasions,
        &mut workflow.unread,
        &mut workflow.shared,
    );
    pass_on_needs(&mut workflow.jobs);
    vec![workflow]
}

fn default_folder(node: &Node) -> Option<String> {
    node.at(&["defaults", "run", "working-directory"])
        .and_then(Node::text)
        .map(|folder| folder.trim_start_matches("./").trim_end_matches('/').to_owned())
}

fn environment_values(node: &Node, values: &mut BTreeMap<String, String>) {
    for (key, value) in node.get("env").map_or(&[][..], Node::members) {
        if let Some(text) = value.text() {
            values.insert(format!("env.{}", key.name), text.to_owned());
        }
    }
}

fn read_jobs(
    reader: &Reader<'_>,
    file: &str,
    jobs: &Node,
    around: &Around,
    occasions: &Occasions,
    unread: &mut Vec<At>,
    shared: &mut Vec<At>,
) -> Vec<Job> {
    let mut all = Vec::new();
    for (key, node) in jobs.members().iter().take(500) {
        let at = At::new(file, key.line);
        let job = read_job(reader, file, &key.name, at.clone(), node, around, occasions);
        let Some((uses, target)) = node.member("uses").and_then(|(key, node)| Some((key, node.text()?))) else {
            all.push(job);
            continue;
        };
        let place = At::new(file, uses.line);
        shared.push(place.clone());
        match called::jobs(reader, target, node, &job, &place, around, unread, shared) {
            Some(called) => all.extend(called),
            None => {
                unread.push(place.clone());
                all.push(called::unknown(reader, target, job, place));
            }
        }
    }
    all
}

fn read_job(
    reader: &Reader<'_>,
    file: &str,
    id: &str,
    at: At,
    node: &Node,
    around: &Around,
    occasions: &Occasions,
) -> Job {
    let text = |name: &str| node.text_of(name).map(|text| fill(text, &around.values));
    let line = |name: &str| node.member(name).map(|(key, _)| key.line);
    let condition = text("if").unwrap_or_default();
    let mut job = Job::new(
        id,
        at,
        occasions.when(&expression::condition(&condition), &reader.names),
    );
    // What waits for nothing, or goes on whatever came of it, is not kept back by it.
    if !expression::ignores_needs(&condition) {
        job.needs = node.get("needs").map(Node::texts).unwrap_or_default();
    } else {
        job.needs = node
            .get("needs")
            .map(Node::texts)
            .unwrap_or_default()
            .into_iter()
            .map(|need| format!("?{need}"))
            .collect();
    }
    job.chain.clone_from(&around.chain);
    job.name = text("name");
    job.ignored = node.get("continue-on-error").is_some_and(Node::is_true);
    job.timeout = line("timeout-minutes");
    job.concurrency = line("concurrency");
    job.folder = default_folder(node).unwrap_or_else(|| around.folder.clone());
    let mut values = around.values.clone();
    environment_values(node, &mut values);
    let mut matrix = around.choices.clone();
    for (name, list) in matrix_values(node.at(&["strategy", "matrix"]), &around.values) {
        matrix.insert(format!("matrix.{name}"), list);
    }
    job.matrix = node
        .get("strategy")
        .and_then(|strategy| strategy.member("matrix"))
        .map(|(key, _)| key.line);
    job.axes = axes_of(node.at(&["strategy", "matrix"]), &values);
    if let Some(matrix) = node.at(&["strategy", "matrix"]) {
        job.combinations = crate::matrix::of_github(matrix, |text| fill(text, &values));
    }
    job.runners = match node.get("runs-on") {
        Some(runner) if runner.is_map() => runner.get("group").map(Node::texts).unwrap_or_default(),
        Some(runner) => runner.texts(),
        None => Vec::new(),
    };
    let runners: Vec<String> = job.runners.iter().map(|runner| fill(runner, &values)).collect();
    crate::matrix::put_on(&mut job.combinations, &runners);
    job.runners = runners.iter().flat_map(|runner| spread(runner, &matrix)).collect();
    job.image = node
        .get("container")
        .and_then(|container| container.text().or_else(|| container.text_of("image")))
        .map(str::to_owned);
    job.services = node
        .get("services")
        .map_or(&[][..], Node::members)
        .iter()
        .map(|(key, service)| service_of(&key.name, key.line, service, &values))
        .collect();
    if let Some((key, environment)) = node.member("environment") {
        let name = environment
            .text()
            .or_else(|| environment.text_of("name"))
            .unwrap_or_default();
        for name in spread(&fill(name, &values), &matrix) {
            job.environments.push(Environment {
                name,
                at: At::new(file, key.line),
            });
        }
    }
    job.inputs = node
        .get("with")
        .map_or(&[][..], Node::members)
        .iter()
        .filter_map(|(key, value)| Some((key.name.clone(), fill(value.text()?, &values))))
        .collect();
    let of_environment = |name: &str| name.starts_with("matrix.") && crate::finish::names_environment(&name[7..]);
    if let Some((name, list)) = matrix.iter().find(|(name, _)| of_environment(name)) {
        job.inputs.push((name[7..].to_owned(), list.join(",")));
    }
    let around = Around {
        choices: matrix,
        values,
        folder: job.folder.clone(),
        ..around.clone()
    };
    if let Some(steps) = node.get("steps") {
        let words = job.words();
        for step in steps.elements().iter().take(500) {
            read_step(reader, file, step, &around, &job.occasions, &words, &mut job.steps);
        }
        if let Some(last) = steps.elements().last() {
            job.end = Some(End {
                line: crate::steps::last_line(last),
                column: steps.column,
            });
        }
    }
    for step in &job.steps {
        let does = |purpose: Purpose| step.doings.iter().any(|doing| doing.purpose == purpose);
        if does(Purpose::Cache) {
            job.cache.get_or_insert(step.at.line);
        }
        if does(Purpose::Keep) {
            job.keeps.get_or_insert(step.at.line);
        }
    }
    job
}

fn read_step(
    reader: &Reader<'_>,
    file: &str,
    node: &Node,
    around: &Around,
    occasions: &Occasions,
    words: &str,
    steps: &mut Vec<Step>,
) {
    let name = node.text_of("name").map(|name| fill(name, &around.values));
    let condition = node.text_of("if").unwrap_or_default();
    let condition = expression::condition(&fill(condition, &around.values));
    let occasions = occasions.when(&condition, &reader.names);
    if condition == Condition::Fixed(false) {
        return;
    }
    let folder = node
        .text_of("working-directory")
        .map(|folder| fill(folder, &around.values))
        .map_or_else(|| around.folder.clone(), |folder| clean(&folder));
    let mut step = Step {
        at: At::new(file, node.line),
        chain: around.chain.clone(),
        name,
        kind: StepKind::Builtin("nothing".to_owned()),
        occasions,
        ignored: node.get("continue-on-error").is_some_and(Node::is_true),
        folder: folder.clone(),
        variables: variables_of(node, around),
        doings: Vec::new(),
    };
    let hints = format!("{words} {}", step.name.as_deref().unwrap_or_default());
    if let Some(run) = node.get("run")
        && let Some(text) = run.text()
    {
        let text = fill(text, &around.values);
        let context = Context::of_step(file, run.line, &folder, &hints);
        for text in spread(&text, &around.choices).iter().take(12) {
            for doing in reader.resolver.text(text, &context) {
                if !step
                    .doings
                    .iter()
                    .any(|known| known.purpose == doing.purpose && known.at == doing.at && known.detail == doing.detail)
                {
                    step.doings.push(doing);
                }
            }
        }
        step.kind = StepKind::Run { text };
    } else if let Some((key, uses)) = node.member("uses")
        && let Some(target) = uses.text()
    {
        step.at.line = key.line;
        // `$/` is the root of the repository.
        let target = target
            .strip_prefix('$')
            .filter(|rest| rest.starts_with('/'))
            .map_or_else(|| target.to_owned(), |rest| format!(".{rest}"));
        let mut used = Used::parse(&target);
        used.inputs = node
            .get("with")
            .map_or(&[][..], Node::members)
            .iter()
            .filter_map(|(key, value)| Some((key.name.clone(), fill(value.text()?, &around.values))))
            .collect();
        let context = Context::of_step(file, key.line, &folder, &hints);
        if used.pinning == Pinning::Local {
            for inputs in combinations(&used.inputs, &around.choices) {
                let one = Used { inputs, ..used.clone() };
                for doing in called::action(reader, &one, &context, around) {
                    if !step.doings.contains(&doing) {
                        step.doings.push(doing);
                    }
                }
            }
        } else {
            step.doings = reader.resolver.part(&used.name, &used.inputs, &context);
            if used.name.starts_with("actions/setup-")
                && (used.input("cache").is_some() || used.name == "actions/setup-go")
            {
                step.doings.push(cached(&used.name, &context));
            }
        }
        step.kind = StepKind::Use(used);
    }
    steps.push(step);
}

/// The variables that a step sees: those of the workflow, of the job, and its own.
fn variables_of(step: &Node, around: &Around) -> Vec<(String, String)> {
    let mut values = around.values.clone();
    environment_values(step, &mut values);
    let named = values
        .into_iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("env.")?.to_owned(), value)));
    named.collect()
}

fn cached(tool: &str, context: &Context) -> Doing {
    Doing {
        purpose: Purpose::Cache,
        detail: String::new(),
        environment: None,
        tool: tool.to_owned(),
        at: At::new(context.file.clone(), context.line),
        chain: context.chain.clone(),
        ignored: false,
        by_name: false,
        words: String::new(),
    }
}

/// A folder without what stands for the root.
fn clean(folder: &str) -> String {
    let folder = folder
        .trim_start_matches("${{ github.workspace }}")
        .trim_start_matches("${{github.workspace}}")
        .trim_start_matches('/')
        .trim_start_matches("./")
        .trim_end_matches('/');
    if folder == "." {
        String::new()
    } else {
        folder.to_owned()
    }
}

/// Puts what is known in the place of `${{ inputs.x }}`, `${{ env.X }}`.
fn fill(text: &str, values: &BTreeMap<String, String>) -> String {
    if !text.contains("inputs.") && !text.contains("env.") {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        let Some(end) = rest[start..].find("}}") else { break };
        let inner = rest[start + 3..start + end].trim();
        out.push_str(&rest[..start]);
        match values.get(inner) {
            Some(value) => out.push_str(value),
            None => out.push_str(&rest[start..start + end + 2]),
        }
        rest = &rest[start + end + 2..];
    }
    out.push_str(rest);
    // A condition stands without braces.
    if !text.contains("${{") && values.keys().any(|key| out.contains(key.as_str())) {
        for (key, value) in values {
            if out.contains(key.as_str()) && !value.contains("${{") && value.len() < 100 {
                let quoted = if value == "true" || value == "false" {
                    value.clone()
                } else {
                    format!("'{}'", value.replace('\'', "''"))
                };
                out = replace_word(&out, key, &quoted);
            }
        }
    }
    out
}

/// Replaces a name where it is not part of a longer one.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    while let Some(at) = rest.find(word) {
        let before = rest[..at].chars().next_back().is_some_and(is_part);
        let after = rest[at + word.len()..].chars().next().is_some_and(is_part);
        out.push_str(&rest[..at]);
        out.push_str(if before || after { word } else { by });
        rest = &rest[at + word.len()..];
    }
    out.push_str(rest);
    out
}

/// The inputs once for each value of what they name that has several: of the first such input.
fn combinations(inputs: &[(String, String)], choices: &BTreeMap<String, Vec<String>>) -> Vec<Vec<(String, String)>> {
    for (at, (_, value)) in inputs.iter().enumerate() {
        let values = spread(value, choices);
        if values.len() > 1 {
            return values
                .into_iter()
                .take(12)
                .map(|value| {
                    let mut one = inputs.to_vec();
                    one[at].1 = value;
                    one
                })
                .collect();
        }
    }
    vec![inputs.to_vec()]
}

/// A service beside a job. Its health is asked by an option of the engine that starts it.
fn service_of(name: &str, line: u32, node: &Node, values: &BTreeMap<String, String>) -> Service {
    let variables = node.get("env").map_or(&[][..], Node::members);
    Service {
        name: Some(name.to_owned()),
        image: fill(node.text_of("image").unwrap_or(name), values),
        variables: variables
            .iter()
            .filter_map(|(key, value)| Some((key.name.clone(), fill(value.text()?, values))))
            .collect(),
        ports: node.get("ports").map(Node::texts).unwrap_or_default(),
        health: node.text_of("options").and_then(health_of),
        line,
    }
}

/// What the options of an engine start to ask a service's health.
fn health_of(options: &str) -> Option<String> {
    let (_, after) = options.split_once("--health-cmd")?;
    let after = after.trim_start_matches(['=', ' ', '\t', '\n', '\\']);
    let command = match after.chars().next()? {
        quote @ ('"' | '\'') => after[1..].split(quote).next()?,
        _ => after.split_whitespace().next()?,
    };
    Some(command.trim().to_owned()).filter(|command| !command.is_empty())
}

/// The axes of a matrix with the values that are written down; nothing of what is worked out while it runs.
fn axes_of(matrix: Option<&Node>, values: &BTreeMap<String, String>) -> Vec<(String, Vec<String>)> {
    let members = matrix.map_or(&[][..], Node::members);
    let mut axes: Vec<(String, Vec<String>)> = members
        .iter()
        .filter(|(key, _)| key.name != "include" && key.name != "exclude")
        .map(|(key, node)| {
            let texts = node.elements().iter().filter_map(Node::text);
            (
                key.name.clone(),
                texts.take(50).map(|text| fill(text, values)).collect(),
            )
        })
        .collect();
    // Where there are no axes, each entry of `include` is a combination of its own.
    if axes.is_empty() {
        let include = matrix
            .and_then(|matrix| matrix.get("include"))
            .map_or(&[][..], Node::elements);
        for (key, node) in include.iter().take(50).flat_map(Node::members) {
            let Some(text) = node.text().map(|text| fill(text, values)) else {
                continue;
            };
            match axes.iter_mut().find(|(name, _)| *name == key.name) {
                Some((_, known)) if known.contains(&text) => {}
                Some((_, known)) => known.push(text),
                None => axes.push((key.name.clone(), vec![text])),
            }
        }
    }
    axes
}

/// The values of a matrix by name, those of `include` too.
fn matrix_values(matrix: Option<&Node>, values: &BTreeMap<String, String>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let Some(matrix) = matrix else { return all };
    let mut add = |name: &str, node: &Node| {
        let list = all.entry(name.to_owned()).or_default();
        for text in node.texts() {
            let text = fill(&text, values);
            if list.len() < 50 && !list.contains(&text) {
                list.push(text);
            }
        }
    };
    for (key, node) in matrix.members() {
        if key.name == "include" {
            for element in node.elements() {
                for (key, node) in element.members() {
                    add(&key.name, node);
                }
            }
        } else if key.name != "exclude" {
            add(&key.name, node);
        }
    }
    all
}

/// A text for each value of what it names that has several.
fn spread(text: &str, matrix: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    for (name, values) in matrix {
        for form in [format!("${{{{ {name} }}}}"), format!("${{{{{name}}}}}")] {
            if text.contains(&form) && !values.is_empty() {
                return values.iter().map(|value| text.replace(&form, value)).collect();
            }
        }
    }
    vec![text.to_owned()]
}

/// A job runs only when those it waits for do, unless it says otherwise.
fn pass_on_needs(jobs: &mut [Job]) {
    for _ in 0..12 {
        let mut changed = false;
        for index in 0..jobs.len() {
            let mut occasions = jobs[index].occasions.clone();
            for need in &jobs[index].needs {
                if need.starts_with('?') {
                    continue;
                }
                let called = format!("{need} / ");
                let mut of_need = Occasions::default();
                let mut found = false;
                for other in jobs.iter() {
                    if &other.id == need || other.id.starts_with(&called) {
                        of_need.add(&other.occasions);
                        found = true;
                    }
                }
                if found {
                    occasions = occasions.and(&of_need);
                }
            }
            if occasions != jobs[index].occasions {
                let kept = occasions.clone();
                for step in &mut jobs[index].steps {
                    step.occasions = step.occasions.and(&kept);
                }
                jobs[index].occasions = occasions;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    for job in jobs {
        for need in &mut job.needs {
            if let Some(name) = need.strip_prefix('?') {
                *need = name.to_owned();
            }
        }
    }
}
