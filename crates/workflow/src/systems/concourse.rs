//! Concourse.

use std::collections::BTreeMap;

use crate::model::{At, Job, System, Workflow};
use crate::occasion::{Occasion, Occasions, Truth};
use crate::purpose::Purpose;
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;

const DEEPEST: usize = 8;

/// A resource: its kind, and whether it is the product's own source.
struct Resource {
    kind: String,
    request: bool,
    schedule: bool,
    branch: Option<String>,
    tags: bool,
}

/// Whether a document is a pipeline of Concourse: jobs in a list, with plans.
pub(crate) fn is_pipeline(root: &Node) -> bool {
    root.get("jobs")
        .is_some_and(|jobs| jobs.elements().iter().any(|job| job.get("plan").is_some()))
}

/// Reads a pipeline.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let Some(text) = reader.text(file) else {
        return Vec::new();
    };
    // Files of any name may be one: a broken file is none of ours unless it looks like it.
    if !text.contains("plan:") || !text.contains("jobs:") {
        return Vec::new();
    }
    let documents = reader.yaml(file);
    let Some(root) = documents.first().filter(|root| is_pipeline(root)) else {
        return Vec::new();
    };
    let mut resources: BTreeMap<String, Resource> = BTreeMap::new();
    for node in root.get("resources").map_or(&[][..], Node::elements) {
        let name = node.text_of("name").unwrap_or_default().to_owned();
        let kind = node.text_of("type").unwrap_or_default().to_owned();
        resources.insert(
            name,
            Resource {
                request: kind.contains("pull-request") || kind == "pr" || kind.contains("merge-request"),
                schedule: kind == "time" || kind.contains("cron"),
                branch: node.at(&["source", "branch"]).and_then(Node::text).map(str::to_owned),
                tags: node.at(&["source", "tag_filter"]).is_some() || kind == "github-release",
                kind,
            },
        );
    }
    let mut workflow = Workflow::new(System::Concourse, file, Occasions::default());
    workflow.polls = !root
        .get("resources")
        .map_or(&[][..], Node::elements)
        .iter()
        .any(|resource| resource.get("webhook_token").is_some());
    for node in root.get("jobs").map_or(&[][..], Node::elements).iter().take(500) {
        let name = node.text_of("name").unwrap_or("job");
        let mut job = Job::new(name, At::new(file, node.line), Occasions::default());
        job.concurrency = node
            .member("serial")
            .or_else(|| node.member("serial_groups"))
            .map(|(key, _)| key.line);
        let mut plan = Plan {
            reader,
            file,
            resources: &resources,
            triggered: false,
            unread: Vec::new(),
        };
        let mut gathered = Gathered::default();
        plan.gather(node.get("plan"), &mut gathered, 0);
        // A job that gets what another has passed runs after it, by itself where it says so.
        job.needs.clone_from(&gathered.passed);
        job.occasions = gathered.occasions;
        if !plan.triggered {
            job.manual = Some(node.line);
            if !job.occasions.any() {
                job.occasions.set(Occasion::Manual, Truth::Yes);
            }
        }
        plan.steps(node.get("plan"), &mut job, 0);
        workflow.unread.append(&mut plan.unread);
        steps::note_shape(&mut job);
        workflow.jobs.push(job);
    }
    // Occasions flow along what is passed.
    for _ in 0..10 {
        let known: Vec<(String, Occasions)> = workflow
            .jobs
            .iter()
            .map(|job| (job.id.clone(), job.occasions.clone()))
            .collect();
        for job in &mut workflow.jobs {
            if job.occasions.any() && !job.occasions.may(Occasion::Other) {
                continue;
            }
            let mut all = Occasions::default();
            for (name, occasions) in &known {
                if job.needs.contains(name) {
                    all.add(occasions);
                }
            }
            all.set(Occasion::Other, Truth::No);
            if all.any() {
                job.occasions = all;
            }
        }
    }
    let mut started = Occasions::default();
    for job in &mut workflow.jobs {
        if job.manual.is_some() {
            // A person starts it, with what the jobs before have passed.
            let mut by_hand = Occasions::default();
            by_hand.set(Occasion::Manual, Truth::Yes);
            job.occasions = by_hand;
        }
        started.add(&job.occasions);
        for step in &mut job.steps {
            step.occasions = job.occasions.clone();
        }
    }
    workflow.occasions = started;
    vec![workflow]
}

#[derive(Default)]
struct Gathered {
    occasions: Occasions,
    passed: Vec<String>,
}

struct Plan<'r> {
    reader: &'r Reader<'r>,
    file: &'r str,
    resources: &'r BTreeMap<String, Resource>,
    triggered: bool,
    unread: Vec<At>,
}

fn inner(node: &Node) -> Vec<&Node> {
    let mut all = Vec::new();
    for key in ["do", "in_parallel", "aggregate", "try", "across"] {
        if let Some(inner) = node.get(key) {
            all.push(inner.get("steps").unwrap_or(inner));
        }
    }
    all
}

impl Plan<'_> {
    fn gather(&mut self, list: Option<&Node>, gathered: &mut Gathered, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for node in list.map_or(&[][..], Node::each) {
            if let Some(name) = node.text_of("get") {
                let resource = node.text_of("resource").unwrap_or(name);
                let passed = node.get("passed").map(Node::texts).unwrap_or_default();
                let triggers = node.get("trigger").is_some_and(Node::is_true);
                self.triggered |= triggers;
                gathered.passed.extend(passed.clone());
                if passed.is_empty()
                    && (triggers || !self.triggered)
                    && let Some(found) = self.resources.get(resource)
                {
                    if found.request {
                        gathered.occasions.set(Occasion::Request, Truth::Yes);
                    } else if found.schedule && triggers {
                        gathered.occasions.set(Occasion::Schedule, Truth::Yes);
                    } else if found.tags && triggers {
                        gathered.occasions.set(Occasion::Tag, Truth::Yes);
                    } else if found.kind == "git" && triggers {
                        let trunk = found
                            .branch
                            .as_ref()
                            .is_none_or(|branch| branch.contains("((") || self.reader.names.is_trunk(branch));
                        let occasion = if trunk { Occasion::Trunk } else { Occasion::Branch };
                        gathered.occasions.set(occasion, Truth::Yes);
                    } else if triggers {
                        gathered.occasions.set(Occasion::Other, Truth::Perhaps);
                    }
                } else if !passed.is_empty() && triggers && !gathered.occasions.any() {
                    gathered.occasions.set(Occasion::Other, Truth::Perhaps);
                }
            }
            for list in inner(node) {
                self.gather(Some(list), gathered, depth + 1);
            }
        }
    }

    fn steps(&mut self, list: Option<&Node>, job: &mut Job, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for node in list.map_or(&[][..], Node::each).iter().take(300) {
            let line = node.line;
            let on = job.occasions.clone();
            let before = job.steps.len();
            if let Some(name) = node.text_of("task") {
                self.task(name, node, job);
            } else if let Some(name) = node.text_of("put") {
                let resource = node.text_of("resource").unwrap_or(name);
                let kind = self.resources.get(resource).map_or("", |found| found.kind.as_str());
                let inputs = steps::texts_of(node.get("params"));
                let words = format!("{} {name}", job.words());
                let step = steps::builtin(
                    self.reader,
                    At::new(self.file, line),
                    &format!("resource:{kind}"),
                    &inputs,
                    &words,
                    &on,
                );
                job.steps.push(step);
            } else if let Some(name) = node.text_of("get") {
                if !node.get("passed").map(Node::texts).unwrap_or_default().is_empty() {
                    job.steps
                        .push(steps::doing(At::new(self.file, line), Purpose::Fetch, "", name, &on));
                }
            } else if node.get("set_pipeline").is_some() {
                job.steps.push(steps::doing(
                    At::new(self.file, line),
                    Purpose::Configure,
                    "concourse",
                    "set_pipeline",
                    &on,
                ));
            }
            for list in inner(node) {
                let from = job.steps.len();
                self.steps(Some(list), job, depth + 1);
                if node.get("try").is_some() {
                    for step in &mut job.steps[from..] {
                        step.ignored = true;
                    }
                }
            }
            if node.get("timeout").is_some() {
                job.timeout.get_or_insert(line);
            }
            let _ = before;
        }
    }

    fn task(&mut self, name: &str, node: &Node, job: &mut Job) {
        let on = job.occasions.clone();
        let words = format!("{} {name}", job.words());
        let (file, config) = match (node.get("config"), node.text_of("file")) {
            (Some(config), _) => (self.file.to_owned(), Some(config.clone())),
            (None, Some(path)) => match self.find(path) {
                Some(found) => {
                    let config = self.reader.yaml(&found).into_iter().next();
                    (found, config)
                }
                None => (self.file.to_owned(), None),
            },
            (None, None) => (self.file.to_owned(), None),
        };
        let at = At::new(self.file, node.line);
        let mut doings = Vec::new();
        match &config {
            Some(config) => {
                if job.image.is_none() {
                    job.image = config
                        .at(&["image_resource", "source", "repository"])
                        .and_then(Node::text)
                        .map(str::to_owned);
                }
                if let Some(run) = config.get("run") {
                    let path = run.text_of("path").unwrap_or_default().to_owned();
                    let arguments = run.get("args").map(Node::elements).unwrap_or_default();
                    let line = arguments.last().map_or(run.line, |last| last.line);
                    let program = self.find(&path).unwrap_or(path);
                    let texts: Vec<String> = arguments
                        .iter()
                        .filter_map(|node| node.text().map(str::to_owned))
                        .collect();
                    let shell = ["sh", "bash"].iter().any(|shell| program.ends_with(shell));
                    let text = match texts.last() {
                        Some(script) if shell && texts.len() > 1 => script.clone(),
                        _ => std::iter::once(program).chain(texts).collect::<Vec<_>>().join(" "),
                    };
                    let step = steps::run(self.reader, At::new(&file, line), &text, "", &words, &on);
                    doings = step.doings;
                    if file != self.file {
                        for doing in &mut doings {
                            doing.chain.insert(0, at.clone());
                        }
                    }
                }
            }
            None => {
                self.unread.push(at.clone());
            }
        }
        if doings.is_empty() {
            let context = crate::purpose::Context::of_step(&at.file, at.line, "", &words);
            doings = self.reader.resolver.name(name, name, &context);
        }
        let mut step = steps::doing(at, Purpose::Setup, "", name, &on);
        step.doings = doings;
        job.steps.push(step);
    }

    /// A path that begins with the name of an input: the rest is looked for in the tree.
    fn find(&self, path: &str) -> Option<String> {
        let (_, rest) = path.split_once('/')?;
        [rest, path]
            .into_iter()
            .find(|path| self.reader.tree.has(path))
            .map(str::to_owned)
    }
}
