//! Woodpecker and Drone, which have the same root.

use crate::comparison;
use crate::model::{At, Job, Pinning, Service, System, Used, Workflow};
use crate::occasion::{Condition, Filter, Occasion, Occasions, Pattern};
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;

/// Reads a workflow of Woodpecker.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let documents = reader.yaml(file);
    let Some(root) = documents.first().filter(|root| root.is_map()) else {
        return Vec::new();
    };
    let Some(list) = root.get("steps").or_else(|| root.get("pipeline")) else {
        return Vec::new();
    };
    vec![pipeline(reader, file, System::Woodpecker, root, list)]
}

/// Reads the pipelines of Drone: each document is one.
pub(crate) fn read_drone(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let mut all = Vec::new();
    for root in reader.yaml(file) {
        let kind = root.text_of("kind").unwrap_or("pipeline");
        if kind != "pipeline" {
            continue;
        }
        if let Some(list) = root.get("steps").or_else(|| root.get("pipeline")) {
            all.push(pipeline(reader, file, System::Drone, &root, list));
        }
    }
    all
}

fn pipeline(reader: &Reader<'_>, file: &str, system: System, root: &Node, list: &Node) -> Workflow {
    let any = Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Request, Occasion::Tag]);
    let whole = root.get("when").or_else(|| root.get("trigger"));
    let (occasions, paths) = when(reader, whole, any);
    let mut workflow = Workflow::new(system, file, occasions.clone());
    workflow.name = root.text_of("name").map(str::to_owned);
    workflow.line = root
        .member("when")
        .or_else(|| root.member("trigger"))
        .map_or(root.line, |(key, _)| key.line);
    workflow.paths = paths;
    let stem = file
        .rsplit('/')
        .next()
        .unwrap_or(file)
        .split('.')
        .next()
        .unwrap_or(file);
    let id = workflow
        .name
        .clone()
        .filter(|_| system == System::Drone)
        .unwrap_or_else(|| stem.to_owned());
    let mut job = Job::new(
        if id.is_empty() { "pipeline".to_owned() } else { id },
        At::new(file, list.line),
        occasions.clone(),
    );
    job.needs = root.get("depends_on").map(Node::texts).unwrap_or_default();
    job.matrix = root.member("matrix").map(|(key, _)| key.line);
    job.services = match root.get("services") {
        Some(services) if services.is_map() => services
            .members()
            .iter()
            .filter_map(|(_, service)| service.text_of("image"))
            .map(Service::of)
            .collect(),
        Some(services) => services
            .elements()
            .iter()
            .filter_map(|service| service.text_of("image"))
            .map(Service::of)
            .collect(),
        None => Vec::new(),
    };
    job.runners = root
        .get("labels")
        .or_else(|| root.get("platform"))
        .map(|labels| {
            labels
                .members()
                .iter()
                .filter_map(|(key, value)| Some(format!("{}={}", key.name, value.text()?)))
                .collect()
        })
        .unwrap_or_default();
    let named: Vec<(String, u32, Node)> = if list.is_map() {
        list.members()
            .iter()
            .map(|(key, node)| (key.name.clone(), key.line, node.clone()))
            .collect()
    } else {
        list.elements()
            .iter()
            .map(|node| {
                (
                    node.text_of("name").unwrap_or_default().to_owned(),
                    node.line,
                    node.clone(),
                )
            })
            .collect()
    };
    let values = steps::texts_of(root.get("variables"));
    for (name, line, node) in named.into_iter().take(300) {
        let (on, _) = when(reader, node.get("when"), occasions.clone());
        let on = on.and(&occasions);
        let words = format!("{} {name}", job.words());
        let ignored = node.text_of("failure") == Some("ignore");
        let image = steps::fill(node.text_of("image").unwrap_or_default(), &values);
        let mut inner = Job::new(format!("{} {name}", job.id), At::new(file, line), on.clone());
        match node.get("commands").or_else(|| node.get("script")) {
            Some(commands) => {
                steps::script(reader, file, commands, &mut inner);
                job.end = steps::end_of(list);
            }
            None if node.text_of("type").is_none() => {
                let (reference, digest) = image
                    .split_once('@')
                    .map_or((image.as_str(), None), |(name, digest)| (name, Some(digest)));
                let (path, tag) = match reference.rsplit_once(':') {
                    Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
                    _ => (reference, None),
                };
                let used = Used {
                    name: path.to_owned(),
                    version: digest.or(tag).map(str::to_owned),
                    pinning: if digest.is_some() {
                        Pinning::Digest
                    } else {
                        crate::model::pinning_of(tag)
                    },
                    inputs: steps::texts_of(node.get("settings")),
                };
                let mut step = steps::part(reader, At::new(file, line), used, "", &words, &on);
                let context = crate::purpose::Context::of_step(file, line, "", &words);
                // An image that is run without commands does what its name says, if the table knows it.
                if step.doings.is_empty() {
                    let last = path.rsplit('/').next().unwrap_or(path);
                    step.doings = reader
                        .resolver
                        .part(last, &steps::texts_of(node.get("settings")), &context);
                }
                inner.steps.push(step);
            }
            None => {}
        }
        for mut step in inner.steps {
            step.name = Some(name.clone());
            step.ignored |= ignored;
            step.occasions = on.clone();
            job.steps.push(step);
        }
    }
    steps::note_shape(&mut job);
    workflow.jobs.push(job);
    workflow
}

/// `when:` as a list of alternatives or a single one, and the paths it names.
fn when(reader: &Reader<'_>, node: Option<&Node>, most: Occasions) -> (Occasions, Vec<String>) {
    let Some(node) = node else { return (most, Vec::new()) };
    let mut all = Occasions::default();
    let mut paths = Vec::new();
    let alternatives: &[Node] = node.each();
    for one in alternatives {
        let (condition, own, speaks_of_events) = single(one);
        let mut found = Occasions::where_holds(&condition, &reader.names);
        if !speaks_of_events {
            // Times, buttons and the rest count only where they are named.
            found = found.and(&most);
        }
        all.add(&found);
        paths.extend(own);
    }
    (all, paths)
}

fn single(node: &Node) -> (Condition, Vec<String>, bool) {
    let mut conditions = Vec::new();
    let mut paths = Vec::new();
    let mut events = false;
    let lists = |node: &Node| -> (Vec<String>, Vec<String>) {
        if node.is_map() {
            (
                node.get("include").map(Node::texts).unwrap_or_default(),
                node.get("exclude").map(Node::texts).unwrap_or_default(),
            )
        } else {
            (node.texts(), Vec::new())
        }
    };
    for (key, value) in node.members() {
        match key.name.as_str() {
            "event" => {
                let (include, exclude) = lists(value);
                let of = |names: &[String]| Condition::Started(names.iter().flat_map(|name| event(name)).collect());
                if !include.is_empty() {
                    events = true;
                    conditions.push(of(&include));
                }
                if !exclude.is_empty() {
                    conditions.push(of(&exclude).negated());
                }
            }
            "branch" => {
                let (include, exclude) = lists(value);
                let patterns =
                    |names: Vec<String>| -> Vec<Pattern> { names.iter().map(|name| Pattern::glob(name)).collect() };
                let filter = Filter {
                    include: patterns(include),
                    exclude: patterns(exclude),
                };
                // The branch of a request is the one it goes to; a tag has none.
                conditions.push(Condition::Any(vec![
                    Condition::All(vec![
                        Condition::Branch(filter.clone()),
                        Condition::Started(vec![Occasion::Request]).negated(),
                    ]),
                    Condition::Target(filter),
                    Condition::Started(vec![Occasion::Tag, Occasion::Release]),
                ]));
            }
            "ref" => {
                let (include, _) = lists(value);
                conditions.push(Condition::Any(
                    include
                        .iter()
                        .map(|name| match name.strip_prefix("refs/tags/") {
                            Some(tag) => Condition::Tag(Filter::one(Pattern::glob(tag))),
                            None => {
                                Condition::Branch(Filter::one(Pattern::glob(name.trim_start_matches("refs/heads/"))))
                            }
                        })
                        .collect(),
                ));
            }
            "path" => paths.extend(lists(value).0),
            "evaluate" => conditions.push(comparison::condition(value.text().unwrap_or_default())),
            "status" => {
                let (include, _) = lists(value);
                if !include.is_empty() && include.iter().all(|status| status == "failure") {
                    conditions.push(Condition::Fixed(false));
                }
            }
            "cron" => conditions.push(Condition::Started(vec![Occasion::Schedule])),
            "repo" | "instance" | "target" => {}
            _ => {}
        }
    }
    (Condition::All(conditions), paths, events)
}

/// Events as these two name them: a push is one of branches alone.
fn event(name: &str) -> Vec<Occasion> {
    match name {
        "push" => vec![Occasion::Trunk, Occasion::Branch],
        "pull_request_closed" => vec![Occasion::Other],
        _ => comparison::event(name),
    }
}
