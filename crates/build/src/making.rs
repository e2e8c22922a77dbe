//! How a package was made: told in parts from the facts of its build, and compared with how another one was.
//!
//! What a definition names stands in the plan; what was there when it was carried out (the digest of an image, what
//! tools said of their versions, whose kept result it was) stands in what the steps put out.

use std::collections::{BTreeMap, HashMap};

use engine::kinds::Requested;
use facts::{Commit, ComponentName, Digest, RunId, StepName};
use pipeline::Plan;
use pipeline::definition::modules::Origin;
use pipeline::plan::{PACKAGE, PackageInput, PlannedStep, RUN, RunInput, ServiceUse, VERSION};
use serde_json::Value;

use crate::beside::{self, What};

/// So many characters of a value are kept at most.
const LONGEST: usize = 4_000;
/// Variables by which steps find what is beside them: what that is stands in parts of its own.
const OF_BESIDE: [&str; 2] = ["THROUGHLINE_NEED_", "THROUGHLINE_DEPENDS_"];

/// What a part is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The build as a whole.
    Build,
    /// What it was made from.
    Source,
    /// What it had beside its own files.
    Beside,
    /// One of its steps.
    Step,
}

impl Subject {
    /// The word for it on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Source => "source",
            Self::Beside => "beside",
            Self::Step => "step",
        }
    }
}

/// What a part leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leads {
    /// A package.
    Package(Digest),
    /// A commit of a repository.
    Commit(ComponentName, Commit),
    /// A run.
    Run(RunId),
}

/// One thing that is known of how a package was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is about.
    pub subject: Subject,
    /// The step, for a part about one; empty otherwise.
    pub of: String,
    /// What it is, such as `commands` or `image`.
    pub what: String,
    /// Its value.
    pub value: String,
    /// What it leads to.
    pub leads: Option<Leads>,
}

impl Part {
    /// A part about the build as a whole.
    pub fn of_build(what: &str, value: impl Into<String>) -> Self {
        Self::new(Subject::Build, "", what, value)
    }

    fn new(subject: Subject, of: &str, what: impl Into<String>, value: impl Into<String>) -> Self {
        let mut value: String = value.into();
        if let Some((end, _)) = value.char_indices().nth(LONGEST) {
            value.truncate(end);
            value.push('…');
        }
        Self {
            subject,
            of: of.to_owned(),
            what: what.into(),
            value,
            leads: None,
        }
    }

    fn leading(mut self, leads: Option<Leads>) -> Self {
        self.leads = leads;
        self
    }
}

/// A part that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// What it was with the one package; nothing where it was not there.
    pub before: Option<Part>,
    /// What it was with the other.
    pub after: Option<Part>,
}

impl Differing {
    /// The part, on whichever side it is.
    pub fn part(&self) -> Option<&Part> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

/// How a package was made: by what its run was asked to do and what the steps put out. Only steps that the package
/// needs count; the others made nothing of it.
pub fn parts(requested: &Requested, plan: &[PlannedStep], outputs: &BTreeMap<StepName, Value>) -> Vec<Part> {
    let mut parts = vec![Part::of_build("trust", requested.trust.to_string())];
    parts.extend(
        requested
            .line
            .as_ref()
            .map(|line| Part::of_build("branch", line.as_str())),
    );
    if let Some(commit) = &requested.commit {
        let leads = Leads::Commit(requested.component_name.clone(), commit.clone());
        parts.push(Part::new(Subject::Source, "", "commit", commit.as_str()).leading(Some(leads)));
    }
    parts.push(Part::new(
        Subject::Source,
        "",
        "definition",
        requested.definition.to_string(),
    ));
    for step in needed(plan) {
        let none = Value::Null;
        let put_out = outputs.get(&step.name).unwrap_or(&none);
        match step.action.as_str() {
            beside::BESIDE => parts.extend(brought(&step)),
            RUN | VERSION => parts.extend(ran(&step, put_out)),
            PACKAGE => {
                parts.extend(modules(&step));
                parts.extend(packaged(&step));
            }
            _ => {}
        }
    }
    // The steps come as the plan has them, after all that is said of the build as a whole.
    parts.sort_by_key(|part| part.subject);
    parts
}

/// The steps that the package needs, and its own; all where there is none that packages.
fn needed(plan: &[PlannedStep]) -> Vec<PlannedStep> {
    let packages = plan.iter().filter(|step| step.action == PACKAGE);
    let names: Vec<StepName> = packages.map(|step| step.name.clone()).collect();
    match Plan::of(plan.to_vec()).only(&names) {
        Ok(only) if !names.is_empty() => only.steps,
        _ => plan.to_vec(),
    }
}

fn brought(step: &PlannedStep) -> Vec<Part> {
    let all = beside::of_input(&step.input).into_iter();
    all.map(|one| {
        let (name, value, leads) = match one.what {
            What::Package(package) => (one.name, package.to_string(), Leads::Package(package)),
            // Of one component both may be there.
            What::Commit { repository, commit } => (
                format!("{} (files)", one.name),
                format!("{repository} at {commit}"),
                Leads::Commit(repository, commit),
            ),
        };
        Part::new(Subject::Beside, "", name, value).leading(Some(leads))
    })
    .collect()
}

/// The modules that the definition's steps came from: their commits, and what they said.
fn modules(step: &PlannedStep) -> Vec<Part> {
    let input: PackageInput = serde_json::from_value(step.input.clone()).unwrap_or_default();
    let modules = input.document.modules.into_iter();
    modules
        .map(|used| {
            let what = format!("module {}", used.module.file());
            let Some(commit) = used.commit else {
                return Part::new(Subject::Source, "", what, used.digest.to_string());
            };
            let leads = match used.module.elsewhere.map(|elsewhere| elsewhere.repository) {
                Some(Origin::Named(name)) => Some(Leads::Commit(name, commit.clone())),
                _ => None,
            };
            Part::new(Subject::Source, "", what, format!("{commit} {}", used.digest)).leading(leads)
        })
        .collect()
}

fn ran(step: &PlannedStep, put_out: &Value) -> Vec<Part> {
    let Ok(input) = serde_json::from_value::<RunInput>(step.input.clone()) else {
        return Vec::new();
    };
    let part = |what: &str, value: String| Part::new(Subject::Step, step.name.as_str(), what, value);
    let text = |pointer: &str| put_out.pointer(pointer).and_then(Value::as_str);
    let mut parts = vec![part("commands", input.script.trim().to_owned())];
    parts.extend(input.shell.map(|shell| part("shell", shell)));
    parts.extend(input.folder.map(|folder| part("folder", folder)));
    if let Some(image) = &input.image {
        let digest = text("/container/digest");
        parts.push(part(
            "image",
            digest.map_or_else(|| image.name.clone(), |digest| format!("{} {digest}", image.name)),
        ));
        parts.extend(text("/container/engine").map(|engine| part("engine", engine.to_owned())));
    }
    parts.extend(text("/isolation").map(|isolation| part("isolation", isolation.to_owned())));
    for (tool, said) in put_out.get("tools").and_then(Value::as_object).into_iter().flatten() {
        parts.push(part(
            &format!("tool {tool}"),
            said.as_str().unwrap_or_default().trim().to_owned(),
        ));
    }
    let variables = input
        .variables
        .iter()
        .filter(|(name, _)| !OF_BESIDE.iter().any(|of| name.starts_with(of)));
    parts.extend(variables.map(|(name, value)| part(&format!("variable {name}"), value.clone())));
    let secrets = input.secrets.iter();
    parts.extend(secrets.map(|secret| part(&format!("secret {}", secret.secret), "given".to_owned())));
    parts.extend(
        input
            .cache
            .iter()
            .map(|cache| part(&format!("cache {}", cache.path), cache.key.clone())),
    );
    parts.extend(
        input
            .services
            .iter()
            .map(|one| part(&format!("service {}", one.name), service(one))),
    );
    parts.extend(
        text("/kept/key")
            .or(text("/key"))
            .map(|key| part("inputs", key.to_owned())),
    );
    let made_by = text("/kept/made_by");
    let leads = made_by.and_then(|run| run.parse().ok()).map(Leads::Run);
    let result = made_by.map_or_else(|| "came of this run".to_owned(), |run| format!("kept from {run}"));
    parts.push(part("result", result).leading(leads));
    parts
}

fn service(service: &ServiceUse) -> String {
    let image = service.image.as_ref().map(|image| image.name.as_str());
    let parts = image.into_iter().chain(service.run.as_deref().map(str::trim));
    parts.collect::<Vec<_>>().join(": ")
}

fn packaged(step: &PlannedStep) -> Option<Part> {
    let input: PackageInput = serde_json::from_value(step.input.clone()).ok()?;
    let files = input.files.iter().map(|file| match file.from == file.to {
        true => file.from.clone(),
        false => format!("{} as {}", file.from, file.to),
    });
    let files = files.collect::<Vec<_>>().join("\n");
    Some(Part::new(Subject::Step, step.name.as_str(), "files", files))
}

/// How `after` was made in another way than `before`: what is said of the build as a whole first, then the steps.
pub fn differing(before: &[Part], after: &[Part]) -> Vec<Differing> {
    let key = |part: &Part| (part.subject, part.of.clone(), part.what.clone());
    let there: HashMap<_, _> = before.iter().map(|part| (key(part), part)).collect();
    let here: HashMap<_, _> = after.iter().map(|part| (key(part), part)).collect();
    let changed = after.iter().filter_map(|part| {
        let other = there.get(&key(part)).copied();
        (other.map(|other| &other.value) != Some(&part.value)).then(|| Differing {
            before: other.cloned(),
            after: Some(part.clone()),
        })
    });
    let gone = before
        .iter()
        .filter(|part| !here.contains_key(&key(part)))
        .map(|part| Differing {
            before: Some(part.clone()),
            after: None,
        });
    let mut all: Vec<Differing> = changed.chain(gone).collect();
    all.sort_by_key(|one| one.part().map(|part| part.subject));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use facts::{ComponentId, Trust};
    use serde_json::json;

    fn step(name: &str, action: &str, input: Value, needs: &[&str]) -> PlannedStep {
        let needs = needs.iter().map(|need| need.parse().unwrap());
        PlannedStep::new(name.parse().unwrap(), action, input).needing(needs)
    }

    fn requested(commit: &str) -> Requested {
        Requested {
            kind: "build".to_owned(),
            key: "k".to_owned(),
            component: ComponentId::of_key("shop/cart"),
            component_name: "shop/cart".parse().unwrap(),
            commit: Some(commit.repeat(40).parse().unwrap()),
            line: Some("main".parse().unwrap()),
            environment: None,
            definition: Digest::of("definition"),
            trust: Trust::Trusted,
            context: Value::Null,
            steps: 0,
            broken: None,
            concurrency: None,
        }
    }

    fn plan(image: &str, need: &str) -> Vec<PlannedStep> {
        let beside = json!({ "beside": [{ "name": "core", "package": Digest::of(need) }] });
        let compile = json!({
            "script": "make\n", "image": { "name": image }, "secrets": [{ "secret": "npm" }],
            "variables": { "MODE": "fast", "THROUGHLINE_NEED_CORE": "x" }, "cache": [{ "path": "target", "key": "main" }],
        });
        vec![
            step("needs", beside::BESIDE, beside, &[]),
            step("compile", RUN, compile, &["needs"]),
            step("lint", RUN, json!({ "script": "lint" }), &["needs"]),
            step(
                "package",
                PACKAGE,
                json!({ "files": [{ "from": "app", "to": "app" }], "document": {} }),
                &["compile"],
            ),
        ]
    }

    fn outputs(said: &str) -> BTreeMap<StepName, Value> {
        let compile = json!({ "container": { "engine": "podman 5", "digest": "sha256:aa" }, "tools": { "cc --version": said }, "key": "sha256:bb" });
        BTreeMap::from([("compile".parse().unwrap(), compile)])
    }

    fn told(parts: &[Part]) -> Vec<String> {
        let told = parts.iter().filter(|part| part.subject == Subject::Step);
        told.map(|part| format!("{} {}: {}", part.of, part.what, part.value))
            .collect()
    }

    #[test]
    fn what_the_package_needs_is_told_with_what_was_there_and_nothing_of_other_steps() {
        let parts = parts(&requested("a"), &plan("rust:1", "one"), &outputs("cc 12\n"));
        assert_eq!(
            told(&parts),
            [
                "compile commands: make",
                "compile image: rust:1 sha256:aa",
                "compile engine: podman 5",
                "compile tool cc --version: cc 12",
                "compile variable MODE: fast",
                "compile secret npm: given",
                "compile cache target: main",
                "compile inputs: sha256:bb",
                "compile result: came of this run",
                "package files: app",
            ]
        );
        let beside = parts.iter().find(|part| part.subject == Subject::Beside).unwrap();
        assert_eq!(
            (beside.what.as_str(), &beside.leads),
            ("core", &Some(Leads::Package(Digest::of("one"))))
        );
    }

    #[test]
    fn two_that_were_made_differently_differ_in_just_that() {
        let before = parts(&requested("a"), &plan("rust:1", "one"), &outputs("cc 12"));
        let mut kept = outputs("cc 13");
        let made_by = RunId::of_key("earlier");
        let compile = kept.values_mut().next().unwrap();
        compile["kept"] = json!({ "key": "sha256:bb", "made_by": made_by });
        let mut plan = plan("rust:1", "two");
        plan[1].input["variables"] = json!({ "MODE": "slow" });
        plan[1].input["cache"] = json!([]);
        let after = parts(&requested("b"), &plan, &kept);
        let told: Vec<String> = differing(&before, &after)
            .iter()
            .map(|one| {
                let value = |part: &Option<Part>| {
                    part.as_ref()
                        .map_or("none".to_owned(), |part| part.value.chars().take(9).collect())
                };
                format!(
                    "{}: {} / {}",
                    one.part().unwrap().what,
                    value(&one.before),
                    value(&one.after)
                )
            })
            .collect();
        let [one, two] = ["one", "two"].map(|text| Digest::of(text).to_string()[..9].to_owned());
        assert_eq!(
            told,
            [
                "commit: aaaaaaaaa / bbbbbbbbb".to_owned(),
                format!("core: {one} / {two}"),
                "tool cc --version: cc 12 / cc 13".to_owned(),
                "variable MODE: fast / slow".to_owned(),
                "result: came of t / kept from".to_owned(),
                "cache target: main / none".to_owned(),
            ]
        );
        assert_eq!(differing(&after, &after), []);
    }
}
