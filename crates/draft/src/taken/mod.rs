//! What other systems' definitions start, taken over where it builds, tests or checks and can run here; the rest is
//! named with its place and the reason.

mod answer;
mod command;
mod fit;
mod matrix;
mod services;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use workflow::model::{Job, Step as OtherStep, StepKind, System, Used, Workflow};
use workflow::occasion::{Occasion, Truth};
use workflow::purpose::{Doing, Purpose};

use crate::Untaken;
use crate::part::Part;
use crate::view::{View, join};
use crate::{Machine, ServicesAs};
use command::{Command, split};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub definitions: Vec<String>,
    pub untaken: Vec<Untaken>,
    pub notes: Vec<String>,
}

/// Looks at the definitions of other systems, and changes the steps of the parts to what these start.
pub(crate) fn take(view: &View<'_>, parts: &mut [Part], wish: ServicesAs, machine: &Machine) -> Taken {
    let workflows = workflow::read(view.tree(), None);
    let mut taker = Taker {
        view,
        taken: Taken::default(),
        fit: fit::Fit::default(),
        said: BTreeSet::new(),
        ways: services::Ways { wish, machine },
        beside: Rc::from(Vec::new()),
        varied: BTreeSet::new(),
    };
    for workflow in &workflows.list {
        if matches!(
            workflow.system,
            System::Throughline | System::Concourse | System::Tekton
        ) || workflow.called_only
        {
            continue;
        }
        if !taker.taken.definitions.contains(&workflow.file) {
            taker.taken.definitions.push(workflow.file.clone());
        }
        for job in &workflow.jobs {
            taker.job(workflow, job, parts);
        }
    }
    for at in &workflows.unread {
        if taker.taken.definitions.contains(&at.file) {
            taker.leave(
                &at.file,
                at.line,
                "a part from elsewhere",
                "it does not lie in this repository",
            );
        }
    }
    taker.fit.settle(parts);
    let mut taken = taker.taken;
    taken.untaken.sort();
    taken.untaken.dedup();
    taken
}

struct Taker<'a, 't> {
    view: &'a View<'t>,
    taken: Taken,
    fit: fit::Fit,
    /// What was named already: one line of a definition may be read for several values of a matrix.
    said: BTreeSet<(String, u32, String)>,
    ways: services::Ways<'a>,
    /// What stands beside the job that is looked at.
    beside: Rc<[services::Placed]>,
    /// The axes of its matrix whose values were taken over.
    varied: BTreeSet<String>,
}

/// The longest text of a command that is shown.
const LONGEST: usize = 70;
/// The longest time that a job may take and that is worth saying, in minutes.
const LONGEST_JOB: u32 = 1_440;

impl Taker<'_, '_> {
    fn leave(&mut self, file: &str, line: u32, what: &str, reason: &str) {
        let mut what: String = crate::write::clean(what.lines().next().unwrap_or_default());
        if what.chars().count() > LONGEST {
            what = what.chars().take(LONGEST - 1).collect();
            what.push('…');
        }
        if self.said.insert((file.to_owned(), line, what.clone())) {
            self.taken.untaken.push(Untaken {
                file: file.to_owned(),
                line,
                what,
                reason: crate::write::clean(reason),
            });
        }
    }

    fn job(&mut self, workflow: &Workflow, job: &Job, parts: &mut [Part]) {
        let (file, line) = (&job.at.file, job.at.line);
        let named = format!("job `{}`", job.id);
        if let Some(reason) = not_of_a_change(&job.occasions) {
            return self.leave(file, line, &named, &reason);
        }
        if !job.environments.is_empty() {
            let reason =
                "it deploys to an environment, which a build does not: environments.yaml says where packages go";
            return self.leave(file, line, &named, reason);
        }
        if !job.runners.is_empty() && job.runners.iter().all(|runner| matrix::is_elsewhere(runner)) {
            let reason = format!("it runs on {}, and steps run on Linux", job.runners.join(", "));
            return self.leave(file, line, &named, &reason);
        }
        if let Some(image) = &job.image {
            let reason = "the steps run on this machine; `image:` on a step puts it into an image";
            self.leave(file, line, &format!("image {image} of {named}"), reason);
        }
        let taken = services::take(self.view, job, self.ways);
        for (what, line, reason) in &taken.left {
            self.leave(file, *line, what, reason);
        }
        self.beside = taken.services.into();
        self.varied.clear();
        for step in &job.steps {
            self.step(workflow, job, step, parts);
        }
        self.beside_tests(job);
        if let Some(line) = job.matrix {
            self.matrix(job, line, parts);
        }
    }

    /// Services of a job whose tests are started in a way of their own belong to the tests here all the same.
    fn beside_tests(&mut self, job: &Job) {
        let services = std::mem::replace(&mut self.beside, Rc::from(Vec::new()));
        if services.is_empty() || self.fit.has_tests_with(&services) {
            return;
        }
        let is_test = |doing: &Doing| matches!(doing.purpose, Purpose::Test | Purpose::Integration);
        let tests = |step: &&OtherStep| step.doings.iter().any(is_test);
        let says_so = |step: &&OtherStep| matches!(&step.kind, StepKind::Run { text } if text.contains("test"));
        let step = job.steps.iter().find(tests).or_else(|| job.steps.iter().find(says_so));
        let Some(step) = step else {
            return;
        };
        let (variables, _) = self.variables(step, job);
        self.fit.beside.push(fit::BesideTests {
            folder: step.folder.clone(),
            services,
            variables,
            timeout: self.timeout(job),
        });
    }

    /// How long a job may take, in minutes, where its definition says so by a number of them.
    fn timeout(&self, job: &Job) -> Option<u32> {
        let at = usize::try_from(job.timeout?).ok()?.checked_sub(1)?;
        let text = self.view.text(&job.at.file)?;
        let (key, value) = text.lines().nth(at)?.split_once(':')?;
        let is_in_minutes = matches!(
            key.trim(),
            "timeout-minutes" | "timeoutInMinutes" | "timeout_in_minutes"
        );
        let value = value.split('#').next().unwrap_or_default().trim();
        let minutes: u32 = value.parse().ok().filter(|_| is_in_minutes)?;
        (1..=LONGEST_JOB).contains(&minutes).then_some(minutes)
    }

    /// The versions of a tool that a job runs with.
    fn matrix(&mut self, job: &Job, line: u32, parts: &[Part]) {
        let mut reason =
            "the steps run once, with the versions that are here; `matrix:` on a step runs it for several".to_owned();
        let mut what = format!("the matrix of job `{}`", job.id);
        if !self.varied.is_empty() {
            let is_left = |name: &&str| !self.varied.iter().any(|axis| axis.split('.').next() == Some(name));
            let left: Vec<&str> = job.axes.iter().map(|(name, _)| name.as_str()).filter(is_left).collect();
            if left.is_empty() {
                return;
            }
            what = format!("{} of {what}", left.join(", "));
            let is_machine = |value: &String| matrix::is_elsewhere(value) || value.contains("ubuntu");
            let of_left = job.axes.iter().filter(|(name, _)| left.contains(&name.as_str()));
            if of_left.flat_map(|(_, values)| values).all(is_machine) {
                return self.leave(&job.at.file, line, &what, "the steps run on this machine");
            }
        }
        for (at, part) in parts.iter().enumerate().filter(|(_, part)| part.folder == job.folder) {
            match versions::look(part, job, self.ways.machine) {
                versions::Looked::Nothing => {}
                versions::Looked::Not(why) => reason = why,
                versions::Looked::Found(versions, left) => {
                    self.fit.versions.entry(at).or_insert(versions);
                    if left.is_empty() {
                        return;
                    }
                    what = format!("{what}: {}", left.join(", "));
                    reason = "these are not on this machine; the others are taken over".to_owned();
                }
            }
        }
        self.leave(&job.at.file, line, &what, &reason);
    }

    fn step(&mut self, workflow: &Workflow, job: &Job, step: &OtherStep, parts: &mut [Part]) {
        let (file, line) = (&step.at.file, step.at.line);
        match &step.kind {
            StepKind::Use(used) => self.used(workflow, step, used, parts, job),
            StepKind::Builtin(name) => {
                if !step.doings.iter().all(|doing| is_provision(doing.purpose)) {
                    self.leave(file, line, name, &purpose_reason(&step.doings));
                }
            }
            StepKind::Run { text } => {
                if let Some(reason) = not_of_a_change(&step.occasions) {
                    return self.leave(file, line, text, &reason);
                }
                if step.ignored || job.ignored {
                    return self.leave(file, line, text, "its failure is passed over there");
                }
                let lines = self.view.text_or_empty(file);
                match split(text) {
                    Some(commands) => {
                        let mut folder = step.folder.clone();
                        for command in commands {
                            let line = command.line_in(&lines, line);
                            self.command(workflow, job, step, &command, line, &mut folder, parts);
                        }
                    }
                    None => {
                        let first = text
                            .lines()
                            .map(str::trim)
                            .find(|line| !line.is_empty())
                            .unwrap_or_default();
                        let line = Command::new(first).line_in(&lines, line);
                        let reason = "a script with conditions or loops: put into a file, a step can start it";
                        self.leave(file, line, first, reason);
                    }
                }
            }
        }
    }

    fn used(&mut self, workflow: &Workflow, step: &OtherStep, used: &Used, parts: &mut [Part], job: &Job) {
        let (file, line) = (step.at.file.clone(), step.at.line);
        if SETS_UP
            .iter()
            .any(|name| used.name == *name || used.name.starts_with(&format!("{name}/")))
        {
            return;
        }
        if matches!(used.name.as_str(), "actions-rs/cargo" | "ClementTsang/cargo-action")
            && let Some(sub) = used.input("command")
        {
            let text = format!("cargo {sub} {}", used.input("args").unwrap_or_default());
            let command = Command::new(text.trim());
            return self.plain(workflow, job, step, (&command, line, &job.folder), parts);
        }
        if services::is_starter(&used.name) {
            return;
        }
        let reason = match used.name.as_str() {
            "actions/upload-artifact" | "actions/download-artifact" => {
                "files go from step to step by themselves; `package:` names what is handed on".to_owned()
            }
            name if name.starts_with("./") => {
                "an action of this repository; what it starts can be written as a step".to_owned()
            }
            _ => purpose_reason(&step.doings),
        };
        self.leave(&file, line, &used.name, &reason);
    }

    #[expect(clippy::too_many_arguments, reason = "a command with all that it stands in")]
    fn command(
        &mut self,
        workflow: &Workflow,
        job: &Job,
        step: &OtherStep,
        command: &Command,
        line: u32,
        folder: &mut String,
        parts: &mut [Part],
    ) {
        let file = step.at.file.clone();
        if command.is_talk() {
            return;
        }
        if command.is_machine() {
            return self.leave(
                &file,
                line,
                &command.text,
                "sets up the machine, which stands ready here",
            );
        }
        if let Some(to) = command.changes_folder() {
            match to.strip_prefix("..") {
                Some(_) => *folder = step.folder.clone(),
                None => *folder = join(folder, to.trim_start_matches("./").trim_end_matches('/')),
            }
            return;
        }
        if !self.beside.is_empty() && services::is_client(command.program()) && command.is_plain_but_for_quotes() {
            return self.fit.prepare.push((self.beside.clone(), command.text.clone()));
        }
        self.plain(workflow, job, step, (command, line, folder), parts);
    }

    /// A command that builds, tests or checks, if anything.
    fn plain(
        &mut self,
        workflow: &Workflow,
        job: &Job,
        step: &OtherStep,
        (command, line, folder): (&Command, u32, &str),
        parts: &[Part],
    ) {
        let file = &step.at.file;
        let text = command.text.clone();
        let (variables, told) = self.variables(step, job);
        let varied = match matrix::look(workflow.system, job, command, &told) {
            matrix::Looked::Nothing if command.value_of_elsewhere() => {
                let reason = format!("uses a value that only {} knows", system_name(workflow.system));
                return self.leave(file, line, &text, &reason);
            }
            matrix::Looked::Nothing => None,
            matrix::Looked::Not(reason) => return self.leave(file, line, &text, &reason),
            matrix::Looked::Varied(varied) => Some(*varied),
        };
        let doings: Vec<Doing> = step
            .doings
            .iter()
            .filter(|doing| doing.first().line == line || step.doings.len() == 1)
            .cloned()
            .collect();
        let found = fit::Found {
            command,
            varied: varied.as_ref(),
            folder,
            from: format!("{file}:{line}"),
            doings: &doings,
            variables,
            services: self.beside.clone(),
            timeout: self.timeout(job),
        };
        if let Some(doing) = found.doings.iter().find(|doing| is_delivery(doing.purpose)) {
            return self.leave(file, line, &text, &purpose_reason(std::slice::from_ref(doing)));
        }
        match self.fit.take(self.view, parts, found) {
            Err(reason) => self.leave(file, line, &text, &reason),
            Ok(left) => {
                for (values, reason) in left {
                    self.leave(file, line, &format!("{values} of {text}"), &reason);
                }
                self.varied.extend(varied.into_iter().flat_map(|varied| varied.axes));
            }
        }
    }

    /// The variables that a step may have here, and those whose values are all those of an axis of its matrix; the
    /// others are named.
    fn variables(&mut self, step: &OtherStep, job: &Job) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        const OF_THE_TERMINAL: &[&str] = &["CI", "CARGO_TERM_COLOR", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "TERM"];
        let mut taken = BTreeMap::new();
        let mut told = BTreeMap::new();
        for (name, value) in job.variables.iter().chain(&step.variables) {
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if OF_THE_TERMINAL.contains(&name.as_str()) || !is_name || name.starts_with("THROUGHLINE") {
                continue;
            }
            if let Some(axis) = matrix::whole(value).filter(|axis| matrix::has(job, axis)) {
                told.insert(name.clone(), axis.to_owned());
                continue;
            }
            let strict = value.contains("-D") && (name == "RUSTFLAGS" || name == "RUSTDOCFLAGS");
            let reason = if strict {
                "makes every warning of a newer compiler an error"
            } else if value.contains("${{")
                || job.variables.contains(&(name.clone(), value.clone())) && value.contains('$')
                || value.len() > 500
                || value.chars().any(char::is_control)
            {
                "uses a value that only the other system knows"
            } else {
                taken.insert(name.clone(), value.clone());
                continue;
            };
            self.leave(&step.at.file, step.at.line, &format!("variable {name}"), reason);
        }
        (taken, told)
    }
}

/// Why something is not done for each change; nothing where it is.
fn not_of_a_change(occasions: &workflow::occasion::Occasions) -> Option<String> {
    let of = |occasion| occasions.on(occasion) != Truth::No;
    if of(Occasion::Trunk) || of(Occasion::Request) || of(Occasion::Branch) {
        return None;
    }
    let when = [
        (Occasion::Tag, "tags"),
        (Occasion::Release, "releases"),
        (Occasion::Schedule, "set times"),
        (Occasion::Manual, "people who ask for it"),
        (Occasion::Other, "other events"),
    ];
    let when: Vec<&str> = when
        .iter()
        .filter(|(occasion, _)| of(*occasion))
        .map(|(_, word)| *word)
        .collect();
    Some(if when.is_empty() {
        "it never runs for a change".to_owned()
    } else {
        format!("it runs for {} only, not for each change", when.join(", "))
    })
}

/// Actions that only prepare what a step finds on its machine.
const SETS_UP: &[&str] = &[
    "actions/checkout",
    "actions/cache",
    "actions/setup-node",
    "actions/setup-python",
    "actions/setup-go",
    "actions/setup-java",
    "actions/setup-dotnet",
    "dtolnay/rust-toolchain",
    "actions-rs/toolchain",
    "actions-rust-lang/setup-rust-toolchain",
    "moonrepo/setup-rust",
    "Swatinem/rust-cache",
    "pnpm/action-setup",
    "astral-sh/setup-uv",
    "snok/install-poetry",
    "abatilo/actions-poetry",
    "gradle/actions",
    "gradle/gradle-build-action",
    "gradle/wrapper-validation-action",
    "oven-sh/setup-bun",
    "step-security/harden-runner",
    "lukka/get-cmake",
];

fn system_name(system: System) -> &'static str {
    match system {
        System::GithubActions => "GitHub Actions",
        System::GitlabCi => "GitLab CI",
        System::CircleCi => "CircleCI",
        System::Travis => "Travis CI",
        System::AzurePipelines => "Azure Pipelines",
        System::Jenkins => "Jenkins",
        _ => "that system",
    }
}

fn is_provision(purpose: Purpose) -> bool {
    matches!(
        purpose,
        Purpose::Cache | Purpose::Setup | Purpose::Keep | Purpose::Fetch | Purpose::Changes
    )
}

/// Whether something hands results on, which is no part of a build.
fn is_delivery(purpose: Purpose) -> bool {
    matches!(
        purpose,
        Purpose::Publish
            | Purpose::Push
            | Purpose::Pages
            | Purpose::Release
            | Purpose::Deploy
            | Purpose::Tag
            | Purpose::TagIfNone
            | Purpose::Apply
            | Purpose::Promote
            | Purpose::PromoteFile
            | Purpose::Upload
            | Purpose::Copy
            | Purpose::Remote
            | Purpose::Request
            | Purpose::Merge
            | Purpose::Notify
            | Purpose::CoverageUpload
            | Purpose::CodeUpload
            | Purpose::Sign
            | Purpose::Preview
    )
}

/// Why what is done for these purposes is not taken over.
fn purpose_reason(doings: &[Doing]) -> String {
    let has = |purposes: &[Purpose]| doings.iter().any(|doing| purposes.contains(&doing.purpose));
    if has(&[Purpose::CoverageUpload, Purpose::CodeUpload]) {
        "hands results to a service elsewhere".to_owned()
    } else if has(&[Purpose::Pages]) {
        "publishes a site, which is no part of the package".to_owned()
    } else if has(&[
        Purpose::Publish,
        Purpose::Push,
        Purpose::Release,
        Purpose::Tag,
        Purpose::TagIfNone,
    ]) {
        "publishes: the package is made here once, and where it goes is said by environments.yaml".to_owned()
    } else if has(&[Purpose::Deploy, Purpose::Apply, Purpose::Promote, Purpose::Preview]) {
        "deploys: environments.yaml says where packages go".to_owned()
    } else if has(&[Purpose::Notify, Purpose::Request, Purpose::Merge]) {
        "speaks to people or to the host of the repository".to_owned()
    } else if has(&[Purpose::Code, Purpose::Dependencies, Purpose::Secrets, Purpose::Images]) {
        "a scanner: where its program is installed, a step can start it".to_owned()
    } else {
        "its code is elsewhere: where the program is installed, a step can start it".to_owned()
    }
}
