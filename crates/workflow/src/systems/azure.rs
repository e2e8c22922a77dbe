//! Azure Pipelines.

use super::azure_condition::condition;
use crate::model::{At, Environment, Job, Service, StepKind, System, Workflow};
use crate::occasion::{Condition, Filter, Occasion, Occasions, Pattern};
use crate::purpose::{Context, Purpose, join, parent};
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;

const DEEPEST: usize = 8;

struct Reading<'r> {
    reader: &'r Reader<'r>,
    workflow: Workflow,
    /// Names of repositories that templates come from.
    outside: Vec<String>,
}

#[derive(Clone)]
struct Around {
    file: String,
    values: Vec<(String, String)>,
    chain: Vec<At>,
    occasions: Occasions,
    stage: Option<String>,
    needs: Vec<String>,
    manual: Option<u32>,
    template: Option<String>,
    depth: usize,
}

/// Reads a pipeline; files that are only templates are read where they are used.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let documents = reader.yaml(file);
    let Some(root) = documents.first().filter(|root| root.is_map()) else {
        return Vec::new();
    };
    let has = |name: &str| root.get(name).is_some();
    if !(has("steps") || has("jobs") || has("stages") || has("extends") || has("trigger")) {
        return Vec::new();
    }
    // Other files are pipelines only when they say what starts them.
    let is_main = file
        .rsplit('/')
        .next()
        .is_some_and(|name| name.trim_start_matches('.').starts_with("azure-pipeline"));
    if !(is_main || has("trigger") || has("pr") || has("schedules") || has("resources")) {
        return Vec::new();
    }
    let occasions = triggers(reader, root);
    let mut workflow = Workflow::new(System::AzurePipelines, file, occasions.clone());
    workflow.line = root.member("trigger").map_or(root.line, |(key, _)| key.line);
    workflow.name = root.text_of("name").map(str::to_owned);
    for part in ["trigger", "pr"] {
        if let Some(paths) = root.at(&[part, "paths", "include"]) {
            workflow.paths.extend(paths.texts());
        }
    }
    let outside = root
        .at(&["resources", "repositories"])
        .map_or(&[][..], Node::elements)
        .iter()
        .filter_map(|repository| repository.text_of("repository").map(str::to_owned))
        .collect();
    let mut reading = Reading {
        reader,
        workflow,
        outside,
    };
    let mut values = Vec::new();
    for parameter in root.get("parameters").map_or(&[][..], Node::elements) {
        if let (Some(name), Some(default)) = (parameter.text_of("name"), parameter.text_of("default")) {
            values.push((name.to_owned(), default.to_owned()));
        }
    }
    values.extend(steps::texts_of(root.get("variables")));
    let around = Around {
        file: file.to_owned(),
        values,
        chain: Vec::new(),
        occasions,
        stage: None,
        needs: Vec::new(),
        manual: None,
        template: None,
        depth: 0,
    };
    reading.body(root, &around);
    if let Some(extends) = root.get("extends") {
        reading.template(extends, &around);
    }
    vec![reading.workflow]
}

fn triggers(reader: &Reader<'_>, root: &Node) -> Occasions {
    let mut all = Occasions::of([Occasion::Manual]);
    match root.get("trigger") {
        None => all.add(&Occasions::of([Occasion::Trunk, Occasion::Branch])),
        Some(trigger) if trigger.text() == Some("none") => {}
        Some(trigger) => {
            let branches = trigger
                .get("branches")
                .or(if trigger.is_map() { None } else { Some(trigger) });
            let mut conditions = Vec::new();
            let on_branches = Condition::Started(vec![Occasion::Trunk, Occasion::Branch]);
            if let Some(branches) = branches {
                conditions.push(Condition::All(vec![on_branches, Condition::Branch(filter(branches))]));
            } else if trigger.get("tags").is_none() {
                conditions.push(on_branches);
            }
            if let Some(tags) = trigger.get("tags") {
                conditions.push(Condition::All(vec![
                    Condition::Started(vec![Occasion::Tag]),
                    Condition::Tag(filter(tags)),
                ]));
            }
            if branches.is_some_and(|branches| branches.texts().iter().any(|text| text.starts_with("refs/tags"))) {
                conditions.push(Condition::Started(vec![Occasion::Tag]));
            }
            all.add(&Occasions::where_holds(&Condition::Any(conditions), &reader.names));
        }
    }
    match root.get("pr") {
        Some(pr) if pr.text() == Some("none") => {}
        Some(pr) => {
            let branches = pr.get("branches").or(if pr.is_map() { None } else { Some(pr) });
            let target = branches.map(filter).unwrap_or_default();
            all.add(&Occasions::where_holds(&Condition::Target(target), &reader.names));
        }
        // Requests start it unless it says otherwise, for repositories on GitHub.
        None => all.set(Occasion::Request, crate::occasion::Truth::Perhaps),
    }
    if root.get("schedules").is_some() {
        all.add(&Occasions::of([Occasion::Schedule]));
    }
    if root
        .at(&["resources", "pipelines"])
        .is_some_and(|pipelines| pipelines.elements().iter().any(|one| one.get("trigger").is_some()))
    {
        all.add(&Occasions::of([Occasion::Other]));
    }
    all
}

fn filter(node: &Node) -> Filter {
    let patterns = |node: &Node| -> Vec<Pattern> {
        node.texts()
            .iter()
            .map(|text| {
                let text = text.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
                // Here `*` goes beyond a slash.
                Pattern::glob(&text.replace("**", "*").replace('*', "**"))
            })
            .collect()
    };
    if node.is_map() {
        Filter {
            include: node.get("include").map(patterns).unwrap_or_default(),
            exclude: node.get("exclude").map(patterns).unwrap_or_default(),
        }
    } else {
        Filter {
            include: patterns(node),
            exclude: Vec::new(),
        }
    }
}

impl Reading<'_> {
    /// Stages, jobs or steps, whichever stand there.
    fn body(&mut self, node: &Node, around: &Around) {
        if around.depth > DEEPEST || self.workflow.jobs.len() > 500 {
            return;
        }
        let mut before: Option<String> = None;
        for stage in expanded(node.get("stages"), 0) {
            if stage.get("template").is_some() {
                let mut inner = around.clone();
                inner.needs.extend(before.clone());
                self.template(&stage, &inner);
                continue;
            }
            let mut inner = around.clone();
            let name = fill(stage.text_of("stage").unwrap_or_default(), &around.values);
            inner.stage = Some(name.clone());
            inner.needs = match stage.get("dependsOn") {
                Some(needs) => needs.texts(),
                None => before.clone().into_iter().collect(),
            };
            inner.occasions = around.occasions.when(
                &condition(&fill(stage.text_of("condition").unwrap_or_default(), &around.values)),
                &self.reader.names,
            );
            inner.values.extend(steps::texts_of(stage.get("variables")));
            inner.manual = stage
                .member("trigger")
                .filter(|(_, value)| value.text() == Some("manual"))
                .map(|(key, _)| key.line)
                .or(around.manual);
            self.body(&stage, &inner);
            before = Some(name);
        }
        for job in expanded(node.get("jobs"), 0) {
            if job.get("template").is_some() {
                self.template(&job, around);
            } else {
                self.job(&job, around);
            }
        }
        if node.get("steps").is_some() {
            self.job(node, around);
        }
    }

    fn template(&mut self, node: &Node, around: &Around) {
        let Some((key, name)) = node
            .member("template")
            .and_then(|(key, node)| Some((key, node.text()?)))
        else {
            return;
        };
        let at = At::new(&around.file, key.line);
        self.workflow.shared.push(at.clone());
        let (path, repository) = name.split_once('@').unwrap_or((name, "self"));
        let found = (repository == "self" || !self.outside.iter().any(|known| known == repository))
            .then(|| self.find(&fill(path, &around.values), &around.file))
            .flatten();
        let Some(found) = found.filter(|_| around.depth < DEEPEST) else {
            self.workflow.unread.push(at);
            return;
        };
        let documents = self.reader.yaml(&found);
        let Some(root) = documents.first() else { return };
        let mut inner = around.clone();
        inner.depth += 1;
        inner.file.clone_from(&found);
        inner.chain.push(at);
        inner.template = Some(found);
        inner.values = template_values(root, node, &around.values);
        self.body(root, &inner);
    }

    fn find(&self, path: &str, from: &str) -> Option<String> {
        let own = join(parent(from), path);
        let root = join("", path);
        let first = if path.starts_with('/') { root.clone() } else { own };
        [first, root].into_iter().find(|path| self.reader.tree.has(path))
    }

    fn job(&mut self, node: &Node, around: &Around) {
        let named = node.member("deployment").or_else(|| node.member("job"));
        let (line, written) = match named {
            Some((key, name)) => (key.line, name.text().unwrap_or_default().to_owned()),
            None => (
                node.member("steps").map_or(node.line, |(key, _)| key.line),
                String::new(),
            ),
        };
        let mut name = fill(&written, &around.values);
        if name.is_empty() {
            name = around.stage.clone().unwrap_or_else(|| "job".to_owned());
        }
        let when = condition(&fill(node.text_of("condition").unwrap_or_default(), &around.values));
        let occasions = around.occasions.when(&when, &self.reader.names);
        let mut job = Job::new(name, At::new(&around.file, line), occasions);
        job.name = node.text_of("displayName").map(|text| fill(text, &around.values));
        job.chain.clone_from(&around.chain);
        job.stage.clone_from(&around.stage);
        job.template.clone_from(&around.template);
        job.manual = around.manual;
        job.inputs.clone_from(&around.values);
        job.ignored = node.get("continueOnError").is_some_and(Node::is_true);
        let needs = node.get("dependsOn").map(Node::texts).unwrap_or_default();
        let of_stages = self
            .workflow
            .jobs
            .iter()
            .filter(|job| job.stage.as_ref().is_some_and(|stage| around.needs.contains(stage)))
            .map(|job| job.id.clone());
        job.needs = needs.into_iter().chain(of_stages).collect();
        let line_of = |name: &str| node.member(name).map(|(key, _)| key.line);
        job.matrix = line_of("strategy").filter(|_| node.at(&["strategy", "matrix"]).is_some());
        job.timeout = line_of("timeoutInMinutes");
        job.runners = node
            .get("pool")
            .and_then(|pool| {
                pool.text()
                    .or_else(|| pool.text_of("vmImage"))
                    .or_else(|| pool.text_of("name"))
            })
            .map(|text| fill(text, &around.values))
            .into_iter()
            .collect();
        job.services = node
            .get("services")
            .map_or(&[][..], Node::members)
            .iter()
            .map(|(key, _)| Service::of(&key.name))
            .collect();
        job.image = node
            .get("container")
            .and_then(|container| container.text().or_else(|| container.text_of("image")))
            .map(str::to_owned);
        if let Some((key, environment)) = node.member("environment") {
            let written = environment
                .text()
                .or_else(|| environment.text_of("name"))
                .unwrap_or_default();
            let name = fill(written, &around.values);
            job.environments.push(Environment {
                name: name.split('.').next().unwrap_or_default().to_owned(),
                at: At::new(&around.file, key.line),
            });
        }
        let mut lists: Vec<&Node> = node.get("steps").into_iter().collect();
        for kind in ["runOnce", "rolling", "canary"] {
            for phase in ["preDeploy", "deploy", "routeTraffic", "postRouteTraffic"] {
                lists.extend(node.at(&["strategy", kind, phase, "steps"]));
            }
            if kind != "runOnce" && node.at(&["strategy", kind]).is_some() {
                let at = At::new(&around.file, node.member("strategy").map_or(line, |(key, _)| key.line));
                let on = job.occasions.clone();
                job.steps.push(steps::doing(at, Purpose::Gradual, kind, kind, &on));
            }
        }
        job.end = lists.last().and_then(|list| steps::end_of(list));
        for list in lists {
            self.steps(list, around, &mut job);
        }
        steps::note_shape(&mut job);
        self.workflow.jobs.push(job);
    }

    fn steps(&mut self, list: &Node, around: &Around, job: &mut Job) {
        if around.depth > DEEPEST {
            return;
        }
        for node in expanded(Some(list), 0).into_iter().take(500) {
            if node.get("template").is_some() {
                self.step_template(&node, around, job);
                continue;
            }
            let Some((key, value)) = node.members().first().cloned() else {
                continue;
            };
            let when = node.text_of("condition").unwrap_or_default();
            let on = job
                .occasions
                .when(&condition(&fill(when, &around.values)), &self.reader.names);
            if node
                .get("enabled")
                .is_some_and(|enabled| enabled.text() == Some("false"))
            {
                continue;
            }
            let display = node.text_of("displayName").unwrap_or_default();
            let words = format!("{} {display}", job.words());
            let folder = node.text_of("workingDirectory").unwrap_or_default();
            let folder = folder
                .replace("$(Build.SourcesDirectory)", "")
                .replace("$(System.DefaultWorkingDirectory)", "");
            let folder = folder.trim_matches('/').to_owned();
            let mut step = match key.name.as_str() {
                "script" | "bash" | "pwsh" | "powershell" => {
                    let text = fill(value.text().unwrap_or_default(), &around.values);
                    steps::run(
                        self.reader,
                        At::new(&around.file, value.line),
                        &text,
                        &folder,
                        &words,
                        &on,
                    )
                }
                "task" => self.task(&node, &value, around, &folder, &words, &on),
                "publish" => steps::doing(At::new(&around.file, key.line), Purpose::Keep, "", "publish", &on),
                "download" => steps::doing(At::new(&around.file, key.line), Purpose::Fetch, "", "download", &on),
                _ => continue,
            };
            step.name = (!display.is_empty()).then(|| display.to_owned());
            step.ignored = node.get("continueOnError").is_some_and(Node::is_true);
            step.chain.clone_from(&around.chain);
            job.steps.push(step);
        }
    }

    fn task(
        &self,
        node: &Node,
        value: &Node,
        around: &Around,
        folder: &str,
        words: &str,
        on: &Occasions,
    ) -> crate::model::Step {
        let name = value.text().unwrap_or_default();
        let name = name.split('@').next().unwrap_or(name).to_owned();
        let mut inputs = steps::texts_of(node.get("inputs"));
        for (_, text) in &mut inputs {
            *text = fill(text, &around.values);
        }
        let at = At::new(&around.file, value.line);
        let input = |name: &str| {
            inputs
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, text)| text.clone())
        };
        // Maven and Gradle say what they do in their goals.
        let command = match name.to_ascii_lowercase().as_str() {
            "maven" => Some(format!(
                "mvn {} {}",
                input("goals").unwrap_or("package".to_owned()),
                input("options").unwrap_or_default()
            )),
            "gradle" => Some(format!(
                "gradle {} {}",
                input("tasks").unwrap_or("build".to_owned()),
                input("options").unwrap_or_default()
            )),
            _ => None,
        };
        if let Some(command) = command {
            return steps::run(self.reader, at, &command, folder, words, on);
        }
        let context = Context::of_step(&at.file, at.line, folder, words);
        let mut step = steps::builtin(self.reader, at, &format!("task:{name}"), &inputs, words, on);
        if ["AzureCLI", "AzurePowerShell", "Bash", "PowerShell", "CmdLine"].contains(&name.as_str())
            && let Some(file) = input("filePath").or_else(|| input("scriptPath"))
        {
            step.doings.extend(self.reader.resolver.text(&file, &context));
        }
        step.kind = StepKind::Builtin(name);
        step
    }

    fn step_template(&mut self, node: &Node, around: &Around, job: &mut Job) {
        let Some((key, name)) = node
            .member("template")
            .and_then(|(key, node)| Some((key, node.text()?)))
        else {
            return;
        };
        let at = At::new(&around.file, key.line);
        self.workflow.shared.push(at.clone());
        let (path, repository) = name.split_once('@').unwrap_or((name, "self"));
        let found = (repository == "self").then(|| self.find(path, &around.file)).flatten();
        let Some(found) = found else {
            self.workflow.unread.push(at);
            return;
        };
        let documents = self.reader.yaml(&found);
        let Some(root) = documents.first() else { return };
        let mut inner = around.clone();
        inner.depth += 1;
        inner.file = found;
        inner.chain.push(at);
        inner.values = template_values(root, node, &around.values);
        if let Some(list) = root.get("steps") {
            self.steps(list, &inner, job);
        }
    }
}

/// The values a template is read with: its defaults, then what it is given.
fn template_values(root: &Node, call: &Node, around: &[(String, String)]) -> Vec<(String, String)> {
    let mut values: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, text: String| match values.iter_mut().find(|(known, _)| known == name) {
        Some((_, value)) => *value = text,
        None => values.push((name.to_owned(), text)),
    };
    for parameter in root.get("parameters").map_or(&[][..], Node::elements) {
        if let (Some(name), Some(default)) = (parameter.text_of("name"), parameter.text_of("default")) {
            put(name, default.to_owned());
        }
    }
    for (name, text) in steps::texts_of(root.get("parameters")) {
        put(&name, text);
    }
    for (name, text) in steps::texts_of(call.get("parameters")) {
        put(&name, fill(&text, around));
    }
    values
}

/// Elements with `${{ if }}` and `${{ each }}` opened.
fn expanded(list: Option<&Node>, depth: usize) -> Vec<Node> {
    let mut all = Vec::new();
    if depth > DEEPEST {
        return all;
    }
    for element in list.map_or(&[][..], Node::elements) {
        match element.members().first() {
            Some((key, inner)) if key.name.starts_with("${{") => all.extend(expanded(Some(inner), depth + 1)),
            _ => all.push(element.clone()),
        }
        if all.len() > 2_000 {
            break;
        }
    }
    all
}

/// Puts what is known in the place of `${{ parameters.x }}`, `${{ variables.x }}` and `$(x)`.
fn fill(text: &str, values: &[(String, String)]) -> String {
    if !text.contains('$') {
        return text.to_owned();
    }
    let mut out = text.to_owned();
    for (name, value) in values {
        if value.contains("${{") || value.len() > 300 {
            continue;
        }
        for form in [
            format!("${{{{ parameters.{name} }}}}"),
            format!("${{{{parameters.{name}}}}}"),
            format!("${{{{ variables.{name} }}}}"),
            format!("$({name})"),
        ] {
            if out.contains(&form) {
                out = out.replace(&form, value);
            }
        }
    }
    out
}
