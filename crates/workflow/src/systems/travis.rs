//! Travis CI.

use crate::comparison;
use crate::model::{At, Job, Service, System, Workflow};
use crate::occasion::{Condition, Filter, Occasion, Occasions, Pattern};
use crate::purpose::{Context, Purpose};
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;

/// The phases of a job in their order.
const PHASES: &[&str] = &[
    "before_install",
    "install",
    "before_script",
    "script",
    "after_success",
    "after_script",
    "before_deploy",
    "after_deploy",
];

/// What a language does when nothing is said.
const DEFAULTS: &[(&str, &str)] = &[
    ("ruby", "rake"),
    ("node_js", "npm test"),
    ("go", "go test ./..."),
    ("rust", "cargo build && cargo test"),
    ("php", "phpunit"),
    ("scala", "sbt test"),
    ("perl", "prove"),
    ("elixir", "mix test"),
    ("clojure", "lein test"),
    ("haskell", "cabal test"),
    ("swift", "xcodebuild test"),
    ("objective-c", "xcodebuild test"),
    ("r", "R CMD check"),
    ("julia", "julia Pkg.test"),
    ("crystal", "crystal spec"),
    ("dart", "dart test"),
];

/// Reads a build file.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let documents = reader.yaml(file);
    let Some(root) = documents.first().filter(|root| root.is_map()) else {
        return Vec::new();
    };
    let mut occasions = Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Request, Occasion::Tag]);
    occasions.set(Occasion::Schedule, crate::occasion::Truth::No);
    if let Some(branches) = root.get("branches") {
        let patterns = |name: &str| -> Vec<Pattern> {
            let list = branches.get(name).map(Node::texts).unwrap_or_default();
            list.iter().map(|text| Pattern::slashed(text)).collect()
        };
        let filter = Filter {
            include: patterns("only"),
            exclude: patterns("except"),
        };
        // Tags are branches here; a request is looked at by its target.
        let fits_tag = ["v1.2.3", "1.2.3"]
            .iter()
            .any(|tag| filter.fits(tag, &reader.names) > crate::occasion::Truth::No);
        let condition = Condition::Any(vec![
            Condition::All(vec![
                Condition::Started(vec![Occasion::Trunk, Occasion::Branch]),
                Condition::Branch(filter.clone()),
            ]),
            Condition::Target(filter),
            Condition::All(vec![
                Condition::Started(vec![Occasion::Tag]),
                Condition::Fixed(fits_tag),
            ]),
        ]);
        occasions = occasions.when(&condition, &reader.names);
    }
    occasions = occasions.when(
        &comparison::condition(root.text_of("if").unwrap_or_default()),
        &reader.names,
    );
    let mut workflow = Workflow::new(System::Travis, file, occasions.clone());
    workflow.unread = root
        .get("import")
        .map_or(&[][..], Node::each)
        .iter()
        .map(|node| At::new(file, node.line))
        .collect();
    let listed = root
        .get("jobs")
        .or_else(|| root.get("matrix"))
        .and_then(|jobs| if jobs.is_map() { jobs.get("include") } else { Some(jobs) });
    let included = listed.map_or(&[][..], Node::elements);
    let allowed = root
        .get("jobs")
        .or_else(|| root.get("matrix"))
        .and_then(|jobs| jobs.get("allow_failures"));
    let mut stage: Option<String> = None;
    let mut all: Vec<(String, String)> = Vec::new();
    let varied = [
        "rvm",
        "python",
        "node_js",
        "go",
        "jdk",
        "php",
        "env",
        "os",
        "rust",
        "gemfile",
        "scala",
        "compiler",
        "otp_release",
    ]
    .iter()
    .find_map(|name| root.member(name).filter(|(_, node)| node.elements().len() > 1))
    .map(|(key, _)| key.line);
    if included.is_empty() || varied.is_some() {
        let line = root.member("script").map_or(root.line, |(key, _)| key.line);
        let mut job = Job::new("build", At::new(file, line), occasions.clone());
        job.matrix = varied;
        fill(reader, file, root, None, &mut job);
        workflow.jobs.push(job);
    }
    for node in included.iter().take(200) {
        if let Some(name) = node.text_of("stage") {
            stage = Some(name.to_owned());
        }
        let name = node.text_of("name").or(node.text_of("stage")).unwrap_or("build");
        let on = occasions.when(
            &comparison::condition(node.text_of("if").unwrap_or_default()),
            &reader.names,
        );
        let id = format!("{name} {}", workflow.jobs.len() + 1);
        let mut job = Job::new(id, At::new(file, node.line), on);
        job.name = Some(name.to_owned());
        job.stage.clone_from(&stage);
        job.needs = all
            .iter()
            .filter(|(_, of)| Some(of) != stage.as_ref())
            .map(|(name, _)| name.clone())
            .collect();
        job.ignored = allowed.is_some_and(|allowed| {
            allowed.elements().iter().any(|one| {
                !one.members().is_empty()
                    && one
                        .members()
                        .iter()
                        .all(|(key, value)| node.get(&key.name).map(Node::texts) == Some(value.texts()))
            })
        });
        fill(reader, file, root, Some(node), &mut job);
        all.push((job.id.clone(), stage.clone().unwrap_or_default()));
        workflow.jobs.push(job);
    }
    vec![workflow]
}

fn fill(reader: &Reader<'_>, file: &str, root: &Node, own: Option<&Node>, job: &mut Job) {
    let get = |name: &str| own.and_then(|own| own.member(name)).or_else(|| root.member(name));
    job.services = Service::all(get("services").map(|(_, node)| node.texts()).unwrap_or_default());
    job.services
        .retain(|service| service.image != "docker" && service.image != "xvfb");
    job.cache = get("cache").map(|(key, _)| key.line);
    job.runners = get("os").map(|(_, node)| node.texts()).unwrap_or_default();
    for phase in PHASES {
        if let Some((_, node)) = get(phase) {
            if node.text() == Some("skip") || node.text() == Some("true") {
                continue;
            }
            let before = job.steps.len();
            steps::script(reader, file, node, job);
            if phase.starts_with("after_") {
                // What comes after does not change the outcome.
                for step in &mut job.steps[before..] {
                    step.ignored = true;
                }
            }
        }
    }
    if get("script").is_none() {
        let (line, language) = get("language").map_or((root.line, "ruby"), |(key, node)| {
            (key.line, node.text().unwrap_or("ruby"))
        });
        let language = if language == "python" || language == "generic" || language == "minimal" {
            ""
        } else {
            language
        };
        let command = match language {
            "java" | "groovy" | "android" | "kotlin"
                if reader.tree.has("gradlew") || reader.tree.has("build.gradle") =>
            {
                Some("gradle check")
            }
            "java" | "groovy" | "kotlin" => Some("mvn test -B"),
            "c" | "cpp" => Some("make test"),
            _ => DEFAULTS
                .iter()
                .find(|(name, _)| *name == language)
                .map(|(_, command)| *command),
        };
        if let Some(command) = command {
            let on = job.occasions.clone();
            let step = steps::run(reader, At::new(file, line), command, "", "build", &on);
            job.steps.push(step);
        }
    }
    job.end = get("script").and_then(|(_, node)| steps::end_of(node));
    if let Some((key, deploy)) = get("deploy") {
        let several = if deploy.is_list() {
            deploy.elements().to_vec()
        } else {
            vec![deploy.clone()]
        };
        for one in &several {
            provider(
                reader,
                file,
                if several.len() > 1 { one.line } else { key.line },
                one,
                job,
            );
        }
    }
    steps::note_shape(job);
}

fn provider(reader: &Reader<'_>, file: &str, line: u32, node: &Node, job: &mut Job) {
    let name = node.text_of("provider").or_else(|| node.text()).unwrap_or_default();
    let on = node.get("on");
    // Without a word on it, from the branch that everything is merged to.
    let mut conditions = Vec::new();
    let tags = on.and_then(|on| on.get("tags")).is_some_and(Node::is_true);
    let any_branch = on.and_then(|on| on.get("all_branches")).is_some_and(Node::is_true);
    let branch = on.and_then(|on| on.get("branch"));
    if tags {
        conditions.push(Condition::Started(vec![Occasion::Tag]));
    } else if let Some(branch) = branch {
        let patterns: Vec<String> = if branch.is_map() {
            branch.members().iter().map(|(key, _)| key.name.clone()).collect()
        } else {
            branch.texts()
        };
        conditions.push(Condition::Branch(Filter::signed(patterns)));
    } else if !any_branch {
        conditions.push(Condition::Branch(Filter::one(Pattern::Trunk)));
    }
    conditions.push(Condition::Started(vec![Occasion::Request]).negated());
    if let Some(condition) = on.and_then(|on| on.get("condition")) {
        for text in condition.texts() {
            conditions.push(match comparison::condition(&text) {
                Condition::Fixed(_) => Condition::Unknown,
                other => other,
            });
        }
    }
    let occasions = job.occasions.when(&Condition::All(conditions), &reader.names);
    let at = At::new(file, line);
    let (purpose, detail) = match name {
        "npm" => (Purpose::Publish, "npm"),
        "pypi" => (Purpose::Publish, "pypi"),
        "rubygems" => (Purpose::Publish, "rubygems"),
        "cargo" => (Purpose::Publish, "crates.io"),
        "releases" => (Purpose::Publish, "github-release"),
        "hackage" => (Purpose::Publish, "hackage"),
        "snap" => (Purpose::Publish, "snap"),
        "bintray" | "packagecloud" | "nuget" | "puppetforge" | "launchpad" => (Purpose::Publish, name),
        "pages" | "surge" => (Purpose::Pages, ""),
        "heroku" | "elasticbeanstalk" | "lambda" | "codedeploy" | "ecs" | "opsworks" | "cloudfoundry" | "gae"
        | "firebase" | "openshift" | "engineyard" | "netlify" | "scalingo" | "cloudformation" | "netlify:edge"
        | "convox" | "azure_web_apps" | "hephy" | "chef_supermarket" | "transifex" => (Purpose::Deploy, name),
        "s3" | "gcs" | "cloudfiles" | "azure_storage" => (Purpose::Upload, name),
        "script" => {
            let text = node.text_of("script").unwrap_or_default();
            let line = node.get("script").map_or(line, |node| node.line);
            let words = format!("{} deploy", job.words());
            let mut step = steps::run(reader, At::new(file, line), text, "", &words, &occasions);
            if step.doings.is_empty() {
                let context = Context::of_step(file, line, "", &words);
                step.doings = reader.resolver.name("deploy", text, &context);
            }
            job.steps.push(step);
            return;
        }
        _ => return,
    };
    let mut step = steps::doing(at, purpose, detail, name, &occasions);
    for doing in &mut step.doings {
        doing.words = format!(
            "deploy {name} {}",
            steps::texts_of(Some(node))
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        );
    }
    job.steps.push(step);
}
