//! Buildkite.

use crate::comparison;
use crate::model::{At, Job, StepKind, System, Used, Workflow};
use crate::occasion::{Condition, Filter, Occasion, Occasions, Pattern};
use crate::purpose::Purpose;
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;

/// Reads a pipeline. What starts it is set up elsewhere: by default every change and request.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let documents = reader.yaml(file);
    let Some(root) = documents.first() else {
        return Vec::new();
    };
    let list = if root.is_map() {
        match root.get("steps") {
            Some(list) => list,
            None => return Vec::new(),
        }
    } else {
        root
    };
    let stem = file.rsplit('/').next().unwrap_or(file);
    let mut occasions = Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Request, Occasion::Tag]);
    let main = ["pipeline.yml", "pipeline.yaml", "buildkite.yml", "buildkite.yaml"].contains(&stem);
    if !main {
        // Uploaded by another one, or a pipeline of its own: on what occasion is not written here.
        let release = stem.contains("release") || stem.contains("deploy");
        occasions = Occasions::default();
        for occasion in [Occasion::Trunk, Occasion::Manual] {
            occasions.set(occasion, crate::occasion::Truth::Perhaps);
        }
        if !release {
            occasions.set(Occasion::Request, crate::occasion::Truth::Perhaps);
        }
        if stem.contains("nightly") || stem.contains("schedule") {
            occasions = Occasions::of([Occasion::Schedule]);
        }
    }
    let mut workflow = Workflow::new(System::Buildkite, file, occasions.clone());
    let mut reading = Reading {
        reader,
        file,
        env: steps::texts_of(root.get("env")),
        before: Vec::new(),
        manual: None,
    };
    reading.list(list, &occasions, &mut workflow, 0);
    vec![workflow]
}

struct Reading<'r> {
    reader: &'r Reader<'r>,
    file: &'r str,
    env: Vec<(String, String)>,
    /// What stands before the last `wait`.
    before: Vec<String>,
    manual: Option<u32>,
}

impl Reading<'_> {
    fn list(&mut self, list: &Node, occasions: &Occasions, workflow: &mut Workflow, depth: usize) {
        if depth > 4 {
            return;
        }
        for node in list.elements().iter().take(500) {
            if node.text() == Some("wait") || node.get("wait").is_some() || node.text_of("type") == Some("wait") {
                self.before = workflow.jobs.iter().map(|job| job.id.clone()).collect();
                continue;
            }
            let on = self.when(node, occasions);
            if let Some((key, inner)) = node.member("group") {
                let _ = (key, inner);
                if let Some(steps) = node.get("steps") {
                    self.list(steps, &on, workflow, depth + 1);
                }
                continue;
            }
            let block = node.member("block").or_else(|| node.member("input"));
            if let Some((key, label)) = block {
                let label = label.text().or_else(|| node.text_of("key")).unwrap_or("block");
                let mut job = Job::new(label, At::new(self.file, key.line), on.clone());
                job.manual = Some(key.line);
                job.needs.clone_from(&self.before);
                job.steps.push(steps::doing(
                    At::new(self.file, key.line),
                    Purpose::Approve,
                    "",
                    &key.name,
                    &on,
                ));
                self.manual = Some(key.line);
                workflow.jobs.push(job);
                self.before = workflow.jobs.iter().map(|job| job.id.clone()).collect();
                continue;
            }
            self.job(node, on, workflow);
        }
    }

    fn when(&self, node: &Node, occasions: &Occasions) -> Occasions {
        let mut conditions = vec![comparison::condition(node.text_of("if").unwrap_or_default())];
        if let Some(branches) = node.get("branches") {
            let mut filter = Filter::default();
            let words: Vec<String> = branches
                .texts()
                .iter()
                .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .collect();
            for word in words {
                match word.strip_prefix('!') {
                    Some(not) => filter.exclude.push(Pattern::glob(&not.replace('*', "**"))),
                    None => filter.include.push(Pattern::glob(&word.replace('*', "**"))),
                }
            }
            conditions.push(Condition::Branch(filter));
        }
        occasions.when(&Condition::All(conditions), &self.reader.names)
    }

    fn job(&mut self, node: &Node, on: Occasions, workflow: &mut Workflow) {
        let label = node
            .text_of("key")
            .or_else(|| node.text_of("id"))
            .or_else(|| node.text_of("label"))
            .or_else(|| node.text_of("name"));
        let id = label.map_or_else(|| format!("step {}", workflow.jobs.len() + 1), str::to_owned);
        let mut job = Job::new(id, At::new(self.file, node.line), on.clone());
        job.name = node
            .text_of("label")
            .or_else(|| node.text_of("name"))
            .map(str::to_owned);
        let named: Vec<String> = node
            .get("depends_on")
            .map_or(&[][..], Node::each)
            .iter()
            .filter_map(|need| need.text().or_else(|| need.text_of("step")))
            .map(str::to_owned)
            .collect();
        job.needs = if node.get("depends_on").is_some() {
            named
        } else {
            self.before.clone()
        };
        let line = |name: &str| node.member(name).map(|(key, _)| key.line);
        job.matrix = line("matrix").or_else(|| line("parallelism"));
        job.timeout = line("timeout_in_minutes");
        job.concurrency = line("concurrency_group");
        job.cache = line("cache");
        job.keeps = line("artifact_paths");
        job.ignored = node.get("soft_fail").is_some_and(Node::is_true);
        job.runners = node
            .get("agents")
            .map(|agents| {
                agents
                    .members()
                    .iter()
                    .filter_map(|(key, value)| Some(format!("{}={}", key.name, value.text()?)))
                    .chain(agents.texts())
                    .collect()
            })
            .unwrap_or_default();
        job.inputs = steps::texts_of(node.get("env"));
        job.inputs.extend(self.env.iter().cloned());
        if let Some(trigger) = node.member("trigger") {
            job.steps.push(steps::doing(
                At::new(self.file, trigger.0.line),
                Purpose::Start,
                "",
                "trigger",
                &on,
            ));
        }
        for key in ["command", "commands"] {
            let Some(commands) = node.get(key) else { continue };
            let uploads = commands.texts().iter().any(|text| text.contains("pipeline upload"));
            if uploads {
                self.uploads(commands, workflow);
            }
            steps::script(self.reader, self.file, commands, &mut job);
        }
        let plugins = node.get("plugins").cloned().unwrap_or_else(Node::nothing);
        let listed: Vec<Node> = if plugins.is_map() {
            vec![plugins]
        } else {
            plugins.elements().to_vec()
        };
        for plugin in &listed {
            let (name, line, inputs) = match plugin.members().first() {
                Some((key, settings)) => (key.name.clone(), key.line, steps::texts_of(Some(settings))),
                None => (plugin.text().unwrap_or_default().to_owned(), plugin.line, Vec::new()),
            };
            let (path, version) = name
                .split_once('#')
                .map_or((name.as_str(), None), |(path, version)| (path, Some(version)));
            let short = path
                .trim_end_matches(".git")
                .rsplit('/')
                .next()
                .unwrap_or(path)
                .trim_end_matches("-buildkite-plugin");
            let used = Used {
                name: short.to_owned(),
                version: version.map(str::to_owned),
                pinning: crate::model::pinning_of(version),
                inputs,
            };
            let words = job.words();
            let known = Used {
                name: format!("plugin:{short}"),
                ..used.clone()
            };
            let mut step = steps::part(self.reader, At::new(self.file, line), known, "", &words, &on);
            step.kind = StepKind::Use(used);
            job.steps.push(step);
        }
        steps::note_shape(&mut job);
        workflow.jobs.push(job);
    }

    /// `buildkite-agent pipeline upload FILE`: a file of the tree is read on its own.
    fn uploads(&self, commands: &Node, workflow: &mut Workflow) {
        for text in commands.texts() {
            let Some((before, after)) = text.split_once("pipeline upload") else {
                continue;
            };
            let path = after.split_whitespace().find(|word| !word.starts_with('-'));
            let piped = before.contains('|');
            match path {
                Some(path) if self.reader.tree.has(path.trim_start_matches("./")) => {}
                None if !piped => {}
                _ => workflow.unread.push(At::new(self.file, commands.line)),
            }
        }
    }
}
