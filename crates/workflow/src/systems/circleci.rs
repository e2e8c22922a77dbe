//! CircleCI.

use crate::comparison;
use crate::model::{At, Job, Service, StepKind, System, Used, Workflow};
use crate::occasion::{Condition, Filter, Occasion, Occasions, Pattern, Truth};
use crate::purpose::{Context, Purpose};
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;

const DEEPEST: usize = 6;

struct Config<'n> {
    file: &'n str,
    root: &'n Node,
    reader: &'n Reader<'n>,
}

/// Reads a configuration: each of its workflows is a pipeline.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let documents = reader.yaml(file);
    let Some(root) = documents.first().filter(|root| root.is_map()) else {
        return Vec::new();
    };
    let config = Config { file, root, reader };
    let mut all = Vec::new();
    let shared: Vec<At> = root
        .get("orbs")
        .map_or(&[][..], Node::members)
        .iter()
        .map(|(key, _)| At::new(file, key.line))
        .collect();
    if let Some(workflows) = root.get("workflows") {
        for (key, node) in workflows.members() {
            if key.name != "version" && node.is_map() {
                let mut workflow = config.workflow(&key.name, node);
                workflow.line = key.line;
                workflow.shared.clone_from(&shared);
                all.push(workflow);
            }
        }
    }
    if all.is_empty()
        && let Some((key, node)) = root.get("jobs").and_then(|jobs| jobs.member("build"))
    {
        let mut workflow = Workflow::new(System::CircleCi, file, by_default());
        let mut job = Job::new("build", At::new(file, key.line), by_default());
        config.fill_job(node, &[], &mut job, 0);
        workflow.jobs.push(job);
        all.push(workflow);
    }
    if root.get("setup").is_some_and(Node::is_true) {
        // The rest is made by this configuration while it runs.
        for other in [
            "continue_config.yml",
            "continue-config.yml",
            "continue.yml",
            "config_continue.yml",
        ] {
            let path = format!(".circleci/{other}");
            if reader.tree.has(&path) && path != file {
                all.extend(read(reader, &path));
                return all;
            }
        }
        reader.leave_out(file, root.line);
    }
    all
}

fn by_default() -> Occasions {
    Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Request])
}

impl Config<'_> {
    fn workflow(&self, name: &str, node: &Node) -> Workflow {
        let mut occasions = by_default();
        occasions.set(Occasion::Tag, Truth::Yes);
        let scheduled = node
            .get("triggers")
            .map_or(&[][..], Node::elements)
            .iter()
            .any(|trigger| trigger.get("schedule").is_some());
        if scheduled {
            occasions = Occasions::of([Occasion::Schedule]);
        }
        for (key, opposite) in [("when", false), ("unless", true)] {
            if let Some(condition) = node.get(key) {
                let text = condition.text().map(|text| text.replace("<<", " ").replace(">>", " "));
                let condition = text.map_or(Condition::Unknown, |text| comparison::condition(text.trim()));
                let condition = if opposite { condition.negated() } else { condition };
                occasions = occasions.when(&condition, &self.reader.names);
                if format!("{:?}", node.get(key)).contains("scheduled_pipeline") && !opposite {
                    occasions = Occasions::of([Occasion::Schedule]);
                }
            }
        }
        let mut workflow = Workflow::new(System::CircleCi, self.file, occasions.clone());
        workflow.name = Some(name.to_owned());
        for entry in node.get("jobs").map_or(&[][..], Node::elements).iter().take(500) {
            let (job_name, at, settings) = match entry.members().first() {
                Some((key, settings)) => (key.name.clone(), At::new(self.file, key.line), settings.clone()),
                None => match entry.text() {
                    Some(text) => (text.to_owned(), At::new(self.file, entry.line), Node::nothing()),
                    None => continue,
                },
            };
            workflow.jobs.push(self.job(&job_name, at, &settings, &occasions));
        }
        let mut started = Occasions::default();
        for job in &workflow.jobs {
            started.add(&job.occasions);
        }
        workflow.occasions = started;
        // What waits for another job does not run without it.
        for _ in 0..8 {
            let known: Vec<(String, Occasions)> = workflow
                .jobs
                .iter()
                .map(|job| (job.id.clone(), job.occasions.clone()))
                .collect();
            for job in &mut workflow.jobs {
                for (need, of_need) in &known {
                    if job.needs.contains(need) {
                        job.occasions = job.occasions.and(of_need);
                    }
                }
                for step in &mut job.steps {
                    step.occasions = step.occasions.and(&job.occasions);
                }
            }
        }
        workflow
    }

    fn job(&self, name: &str, at: At, settings: &Node, most: &Occasions) -> Job {
        let mut occasions = most.clone();
        if !most.may(Occasion::Schedule) {
            let filters = settings.get("filters");
            let branches = filters.and_then(|filters| filters.get("branches"));
            let tags = filters.and_then(|filters| filters.get("tags"));
            let on_branches = [Occasion::Trunk, Occasion::Branch, Occasion::Request].to_vec();
            let mut conditions = vec![Condition::All(vec![
                Condition::Started(on_branches),
                Condition::Branch(branches.map(filter).unwrap_or_default()),
            ])];
            if let Some(tags) = tags {
                conditions.push(Condition::All(vec![
                    Condition::Started(vec![Occasion::Tag]),
                    Condition::Tag(filter(tags)),
                ]));
            }
            occasions = most.when(&Condition::Any(conditions), &self.reader.names);
        }
        let id = settings.text_of("name").unwrap_or(name);
        let mut job = Job::new(id, at.clone(), occasions);
        job.needs = settings
            .get("requires")
            .map_or(&[][..], Node::elements)
            .iter()
            .filter_map(|need| {
                need.text()
                    .map(str::to_owned)
                    .or_else(|| Some(need.members().first()?.0.name.clone()))
            })
            .collect();
        if settings.text_of("type") == Some("approval") {
            job.manual = Some(at.line);
            let on = job.occasions.clone();
            job.steps.push(steps::doing(at, Purpose::Approve, "", "approval", &on));
            return job;
        }
        job.matrix = settings.member("matrix").map(|(key, _)| key.line);
        let mut values: Vec<(String, String)> = steps::texts_of(Some(settings));
        for (key, list) in settings.at(&["matrix", "parameters"]).map_or(&[][..], Node::members) {
            values.push((key.name.clone(), list.texts().join(",")));
        }
        job.inputs = values
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "requires" | "filters" | "name" | "context"))
            .cloned()
            .collect();
        match self.root.get("jobs").and_then(|jobs| jobs.get(name)) {
            Some(node) => {
                job.template = Some(name.to_owned());
                for part in ["pre-steps", "post-steps"] {
                    self.steps(settings.get(part), &values, &mut job, 0);
                }
                self.fill_job(node, &values, &mut job, 0);
            }
            None => self.of_orb(name, at, &values, &mut job, 0),
        }
        steps::note_shape(&mut job);
        job
    }

    fn fill_job(&self, node: &Node, values: &[(String, String)], job: &mut Job, depth: usize) {
        let values = with_defaults(node, values);
        let executor = node.get("executor").map_or(node, |executor| {
            let name = executor.text().or_else(|| executor.text_of("name")).unwrap_or_default();
            self.root.at(&["executors", name]).unwrap_or(node)
        });
        let images: Vec<&Node> = executor
            .get("docker")
            .map_or(&[][..], Node::elements)
            .iter()
            .filter_map(|container| container.get("image"))
            .collect();
        job.image = images.first().and_then(|image| image.text()).map(str::to_owned);
        job.services = images
            .iter()
            .skip(1)
            .filter_map(|image| image.text().map(Service::of))
            .collect();
        job.runners = ["machine", "macos", "resource_class"]
            .iter()
            .filter(|name| executor.get(name).is_some())
            .map(|name| executor.text_of(name).unwrap_or(name).to_owned())
            .collect();
        if let Some((key, _)) = node.member("parallelism") {
            job.matrix.get_or_insert(key.line);
        }
        if let Some(folder) = node.text_of("working_directory") {
            let folder = folder.trim_start_matches("~/").trim_start_matches("./");
            // The first part is the checkout itself.
            job.folder = folder.split_once('/').map_or("", |(_, inner)| inner).to_owned();
        }
        self.steps(node.get("steps"), &values, job, depth);
        job.end = node.get("steps").and_then(steps::end_of);
    }

    fn steps(&self, list: Option<&Node>, values: &[(String, String)], job: &mut Job, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for step in list.map_or(&[][..], Node::elements).iter().take(300) {
            match step.members().first() {
                Some((key, settings)) => {
                    self.step(&key.name, At::new(self.file, key.line), settings, values, job, depth)
                }
                None => {
                    if let Some(name) = step.text() {
                        self.step(
                            name,
                            At::new(self.file, step.line),
                            &Node::nothing(),
                            values,
                            job,
                            depth,
                        );
                    }
                }
            }
        }
    }

    fn step(&self, name: &str, at: At, settings: &Node, values: &[(String, String)], job: &mut Job, depth: usize) {
        let on = job.occasions.clone();
        match name {
            "checkout" | "setup_remote_docker" | "add_ssh_keys" => {}
            "run" => {
                let command = if settings.is_map() {
                    settings.get("command")
                } else {
                    Some(settings)
                };
                let Some((command, text)) = command.and_then(|command| Some((command, command.text()?))) else {
                    return;
                };
                if settings.text_of("when") == Some("on_fail") {
                    return;
                }
                let folder = settings.text_of("working_directory").unwrap_or(&job.folder).to_owned();
                let folder = folder
                    .trim_start_matches("~/project/")
                    .trim_start_matches("./")
                    .to_owned();
                let words = format!("{} {}", job.words(), settings.text_of("name").unwrap_or_default());
                let place = At::new(self.file, command.line);
                let mut step = steps::run(self.reader, place, &fill(text, values), &folder, &words, &on);
                step.name = settings.text_of("name").map(str::to_owned);
                job.steps.push(step);
            }
            "when" | "unless" => self.steps(settings.get("steps"), values, job, depth + 1),
            "steps" => {}
            _ => {
                let mut inner = steps::texts_of(Some(settings));
                for (_, value) in &mut inner {
                    *value = fill(value, values);
                }
                if let Some(command) = self.root.at(&["commands", name]) {
                    let inner = with_defaults(command, &inner);
                    self.steps(command.get("steps"), &inner, job, depth + 1);
                } else if name.contains('/') {
                    self.of_orb(name, at, &inner, job, depth);
                } else {
                    let words = job.words();
                    job.steps
                        .push(steps::builtin(self.reader, at, name, &inner, &words, &on));
                }
            }
        }
    }

    /// A command or job of an orb: one that is written here is read, of others the name is known.
    fn of_orb(&self, name: &str, at: At, values: &[(String, String)], job: &mut Job, depth: usize) {
        let (orb, command) = name.split_once('/').unwrap_or((name, ""));
        let source = self.root.at(&["orbs", orb]);
        if let Some(own) = source.filter(|source| source.is_map()) {
            for part in ["commands", "jobs"] {
                if let Some(node) = own.at(&[part, command]) {
                    let values = with_defaults(node, values);
                    self.steps(node.get("steps"), &values, job, depth + 1);
                    return;
                }
            }
        }
        let text = source.and_then(Node::text).unwrap_or(orb);
        let orb_used = Used::parse(text);
        let short = orb_used.name.rsplit('/').next().unwrap_or(orb).to_owned();
        let used = Used {
            name: format!("{short}/{command}"),
            inputs: values.to_vec(),
            ..orb_used
        };
        let words = job.words();
        let on = job.occasions.clone();
        let mut step = steps::part(self.reader, at.clone(), used.clone(), "", &words, &on);
        if step.doings.is_empty() {
            let context = Context::of_step(&at.file, at.line, "", &words);
            step.doings = self.reader.resolver.name(command, name, &context);
        }
        step.kind = StepKind::Use(used);
        job.steps.push(step);
    }
}

fn with_defaults(node: &Node, values: &[(String, String)]) -> Vec<(String, String)> {
    let mut all = values.to_vec();
    for (key, parameter) in node.get("parameters").map_or(&[][..], Node::members) {
        if !all.iter().any(|(name, _)| name == &key.name)
            && let Some(default) = parameter.text_of("default")
        {
            all.push((key.name.clone(), default.to_owned()));
        }
    }
    all
}

fn fill(text: &str, values: &[(String, String)]) -> String {
    if !text.contains("<<") {
        return text.to_owned();
    }
    let mut out = text.to_owned();
    for (name, value) in values {
        for form in [
            format!("<< parameters.{name} >>"),
            format!("<<parameters.{name}>>"),
            format!("<< parameters.{name}>>"),
            format!("<<parameters.{name} >>"),
        ] {
            out = out.replace(&form, value);
        }
    }
    // What is left would read as a redirection.
    out.replace("<<", "{{").replace(">>", "}}")
}

fn filter(node: &Node) -> Filter {
    let patterns = |name: &str| -> Vec<Pattern> {
        node.get(name)
            .map(Node::texts)
            .unwrap_or_default()
            .iter()
            .map(|text| match Pattern::slashed(text) {
                // A whole name has to fit.
                Pattern::Regex(expression) => Pattern::Regex(format!("^(?:{expression})$")),
                other => other,
            })
            .collect()
    };
    Filter {
        include: patterns("only"),
        exclude: patterns("ignore"),
    }
}
