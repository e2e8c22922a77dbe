//! Which commands of another definition fit into which part, and what its steps become by them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use workflow::purpose::Doing;

use super::answer::{self, Answer};
use super::command::Command;
use super::matrix::Varied;
use super::services::{Placed, retell};
use super::versions::{self, Versions};
use crate::part::{Matrix, Part, Role, Step, Tool};
use crate::view::{View, join};

/// A command that is taken over.
#[derive(Debug, Clone)]
struct Wanted {
    part: usize,
    role: Role,
    name: String,
    run: String,
    from: String,
    variables: BTreeMap<String, String>,
    services: Rc<[Placed]>,
    timeout: Option<u32>,
    matrix: Option<Matrix>,
}

/// A command as it stands in another definition.
pub(super) struct Found<'a> {
    pub command: &'a Command,
    /// The same with values of its job's matrix.
    pub varied: Option<&'a Varied>,
    pub folder: &'a str,
    pub from: String,
    pub doings: &'a [Doing],
    pub variables: BTreeMap<String, String>,
    /// What stands beside its job.
    pub services: Rc<[Placed]>,
    /// How long its job may take, in minutes.
    pub timeout: Option<u32>,
}

/// What a command is for a part.
enum Fitted {
    /// It belongs to another part.
    Other,
    /// The part's own steps do it already.
    Covered,
    /// Why it is not taken.
    Not(String),
    Does(Does),
}

/// A command that becomes one of a step.
struct Does {
    role: Role,
    name: &'static str,
    run: String,
    matrix: Option<Matrix>,
    /// Variables with the only value that they have here.
    variables: BTreeMap<String, String>,
    /// With which values it is not taken, and why.
    left: Vec<(String, String)>,
}

impl Does {
    fn once(role: Role, name: &'static str, run: String) -> Fitted {
        Fitted::Does(Self {
            role,
            name,
            run,
            matrix: None,
            variables: BTreeMap::new(),
            left: Vec::new(),
        })
    }
}

/// Services beside tests that are not started by the commands of the job itself.
#[derive(Debug)]
pub(super) struct BesideTests {
    pub folder: String,
    pub services: Rc<[Placed]>,
    pub variables: BTreeMap<String, String>,
    /// How long their job may take, in minutes.
    pub timeout: Option<u32>,
}

/// What is wanted of all parts.
#[derive(Debug, Default)]
pub(super) struct Fit {
    wanted: Vec<Wanted>,
    /// Services that belong to the tests of a folder.
    pub beside: Vec<BesideTests>,
    /// Commands of the services' own clients, which prepare what the tests of the same job want.
    pub prepare: Vec<(Rc<[Placed]>, String)>,
    /// The versions of a part's tool that its tests run with.
    pub versions: BTreeMap<usize, Versions>,
    /// Options for CMake's configuration.
    options: BTreeSet<String>,
}

impl Fit {
    /// Takes a command, or says why not. The answer is with which values of its matrix it is left, and why.
    pub fn take(&mut self, view: &View<'_>, parts: &[Part], found: Found<'_>) -> Result<Vec<(String, String)>, String> {
        let Found {
            command,
            varied,
            folder,
            from,
            doings,
            mut variables,
            services,
            timeout,
        } = found;
        let mut there: Vec<usize> = (0..parts.len()).filter(|at| parts[*at].folder == folder).collect();
        if there.is_empty() {
            return match parts
                .iter()
                .position(|part| folder.starts_with(&join(&part.folder, "")))
            {
                Some(_) => Err(format!(
                    "works in {folder}/, which the steps here build as a part of the whole"
                )),
                None if folder.is_empty() => Err("works at the top, for which there are no steps here".to_owned()),
                None => Err(format!("works in {folder}/, for which there are no steps here")),
            };
        }
        there.sort_by_key(|at| *at);
        let mut reason = None;
        for at in there {
            let fitted = match varied {
                Some(varied) => self.varied(view, &parts[at], varied, doings),
                None => self.fitted(view, &parts[at], command, doings),
            };
            let does = match fitted {
                Fitted::Other => continue,
                Fitted::Covered => return Ok(Vec::new()),
                Fitted::Not(why) => {
                    reason = reason.or(Some(why));
                    continue;
                }
                Fitted::Does(does) => does,
            };
            let Does {
                role,
                name,
                run,
                matrix,
                left,
                ..
            } = does;
            variables.extend(does.variables);
            let others = self
                .wanted
                .iter()
                .filter(|known| known.part == at && known.role == role);
            let mut others = others.filter(|known| known.matrix.is_some() && known.matrix != matrix);
            if let Some(other) = others.next().filter(|_| matrix.is_some()) {
                return Err(format!(
                    "it is done for other values than what was taken from {}",
                    other.from
                ));
            }
            if self
                .wanted
                .iter()
                .all(|known| known.part != at || !is_same(&known.run, &run))
            {
                self.wanted.push(Wanted {
                    part: at,
                    role,
                    name: name.to_owned(),
                    run,
                    from,
                    variables,
                    services,
                    timeout,
                    matrix,
                });
            }
            return Ok(left);
        }
        Err(reason.unwrap_or_else(|| match doings.first() {
            Some(_) => format!("`{}` is no tool of what lies here", command.program()),
            None => "what it is for cannot be told".to_owned(),
        }))
    }

    fn fitted(&mut self, view: &View<'_>, part: &Part, command: &Command, doings: &[Doing]) -> Fitted {
        match self.ask(view, part, command, doings) {
            Answer::Other => Fitted::Other,
            Answer::Covered => Fitted::Covered,
            Answer::Not(why) => Fitted::Not(why),
            Answer::Builds(line) => Does::once(Role::Build, "build", line),
            Answer::Does(role, name) if command.is_plain() => Does::once(role, name, command.text.clone()),
            Answer::Does(..) => {
                Fitted::Not("more than one plain command: in a file of its own a step can start it".to_owned())
            }
        }
    }

    /// What a command is with each row of its values: the rows with which it does the same become a matrix.
    fn varied(&mut self, view: &View<'_>, part: &Part, varied: &Varied, doings: &[Doing]) -> Fitted {
        let names = &varied.matrix.names;
        let mut rows: Vec<(Vec<String>, Does)> = Vec::new();
        let mut left: Vec<(String, String)> = Vec::new();
        let mut is_covered = false;
        for (row, command) in varied.matrix.rows.iter().zip(&varied.filled) {
            let told: Vec<String> = names
                .iter()
                .zip(row)
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            match self.fitted(view, part, command, doings) {
                Fitted::Other => {}
                Fitted::Covered => is_covered = true,
                Fitted::Not(why) => left.push((told.join(" "), why)),
                Fitted::Does(does) => match rows.first() {
                    Some((_, first)) if first.role != does.role => {
                        left.push((
                            told.join(" "),
                            "does something else than with the other values".to_owned(),
                        ));
                    }
                    _ => rows.push((row.clone(), does)),
                },
            }
        }
        let matrix = Matrix {
            names: names.clone(),
            rows: rows.iter().map(|(row, _)| row.clone()).collect(),
        };
        let several = rows.len() > 1;
        let Some((row, does)) = rows.into_iter().next() else {
            return match left.into_iter().next() {
                _ if is_covered => Fitted::Covered,
                Some((_, why)) => Fitted::Not(why),
                None => Fitted::Other,
            };
        };
        if !several {
            let variables = names.iter().cloned().zip(row).take(varied.told).collect();
            return Fitted::Does(Does {
                variables,
                left,
                ..does
            });
        }
        if matches!(does.role, Role::Install | Role::Build | Role::Pack) {
            return Fitted::Not(format!(
                "the step `{}` stands once: what is packaged is made once",
                does.role.name()
            ));
        }
        if !matrix.can_be_named() {
            return Fitted::Not("the values of its matrix differ only in signs that no name of a step has".to_owned());
        }
        Fitted::Does(Does {
            run: varied.run.clone(),
            matrix: Some(matrix),
            left,
            ..does
        })
    }

    fn ask(&mut self, view: &View<'_>, part: &Part, command: &Command, doings: &[Doing]) -> Answer {
        match part.tool {
            Tool::Cargo => answer::cargo(command),
            Tool::Node => answer::node(view, part, command, doings),
            Tool::Python => answer::python(view, part, command, doings),
            Tool::Go => answer::go(command),
            Tool::Maven => answer::maven(command),
            Tool::Gradle => answer::gradle(command),
            Tool::Cmake => self.cmake(command),
            Tool::Make => answer::make(command, doings),
            Tool::Docker => Answer::Other,
        }
    }

    fn cmake(&mut self, command: &Command) -> Answer {
        match command.program() {
            "ctest" => Answer::Covered,
            "cmake" if command.has("--build") || command.has("--install") => Answer::Covered,
            "cmake" => {
                let is_special = command.words.iter().any(|word| {
                    word.contains("TOOLCHAIN")
                        || word.contains("SANITIZE")
                        || word.contains("COVERAGE")
                        || word.contains("_COMPILER")
                });
                if is_special {
                    return Answer::Not("builds with other tools or instruments than what is shipped".to_owned());
                }
                let fits = |word: &&String| {
                    word.starts_with("-D")
                        && word.len() > 3
                        && word.contains('=')
                        && !word.contains(['"', '\'', '$', '\\'])
                        && !(word.contains("TEST") && word.ends_with("=OFF"))
                        && !["CMAKE_BUILD_TYPE", "CMAKE_INSTALL_PREFIX", "CMAKE_CXX_STANDARD"]
                            .iter()
                            .any(|known| word.contains(known))
                };
                // The first one is what is built; further ones are variants.
                if self.options.is_empty() {
                    self.options.extend(command.words.iter().filter(fits).cloned());
                }
                Answer::Covered
            }
            "make" | "ninja" => Answer::Covered,
            _ => Answer::Other,
        }
    }

    /// Whether tests were taken that stand beside these services.
    pub fn has_tests_with(&self, services: &Rc<[Placed]>) -> bool {
        self.wanted
            .iter()
            .any(|wanted| wanted.role == Role::Test && Rc::ptr_eq(&wanted.services, services))
    }

    /// The commands that prepare these services.
    fn prepared_with(&self, services: &Rc<[Placed]>) -> Vec<String> {
        let all = self.prepare.iter().filter(|(known, _)| Rc::ptr_eq(known, services));
        all.map(|(_, command)| command.clone()).collect()
    }

    /// Changes the steps of the parts.
    pub fn settle(&self, parts: &mut [Part]) {
        for (at, part) in parts.iter_mut().enumerate() {
            let wanted: Vec<&Wanted> = self.wanted.iter().filter(|wanted| wanted.part == at).collect();
            for role in [Role::Install, Role::Build, Role::Test] {
                replace(part, role, &wanted);
            }
            let tested: Vec<String> = wanted
                .iter()
                .filter(|wanted| wanted.role == Role::Test)
                .flat_map(|wanted| self.prepared_with(&wanted.services))
                .collect();
            if let Some(step) = part.steps.iter_mut().find(|step| step.role == Role::Test) {
                prepare_first(step, tested);
            }
            for role in [Role::Format, Role::Lint, Role::Types] {
                add(part, role, &wanted);
            }
            if part.tool == Tool::Cmake
                && let Some(line) = part
                    .steps
                    .iter_mut()
                    .find(|step| step.role == Role::Build)
                    .and_then(|step| step.run.iter_mut().find(|line| line.starts_with("cmake -S")))
            {
                for option in &self.options {
                    let name = option.split('=').next().unwrap_or_default();
                    if !line.contains(&format!("{name}=")) {
                        line.push(' ');
                        line.push_str(option);
                    }
                }
            }
            let beside: Vec<&BesideTests> = self
                .beside
                .iter()
                .filter(|beside| beside.folder == part.folder)
                .collect();
            if let Some(step) = part.steps.iter_mut().find(|step| step.role == Role::Test)
                && !beside.is_empty()
                && step.services.is_empty()
            {
                let services: Vec<Placed> = beside.iter().flat_map(|beside| beside.services.to_vec()).collect();
                let variables = beside.iter().flat_map(|beside| beside.variables.clone()).collect();
                put_beside(step, &services, variables);
                step.timeout = longest(beside.iter().map(|beside| beside.timeout));
                let prepared = beside.iter().flat_map(|beside| self.prepared_with(&beside.services));
                prepare_first(step, prepared.collect());
            }
            if let Some(versions) = self.versions.get(&at) {
                versions::vary(part, versions);
            }
        }
    }
}

/// Whether two commands do the same: a folder is the same with its last slash.
fn is_same(one: &str, other: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split_whitespace()
            .map(|word| word.trim_end_matches('/').to_owned())
            .collect()
    };
    one == other || words(one) == words(other)
}

/// Puts what is wanted into the place of what a part's step of a role starts.
fn replace(part: &mut Part, role: Role, wanted: &[&Wanted]) {
    let mine: Vec<&&Wanted> = wanted.iter().filter(|wanted| wanted.role == role).collect();
    let Some(first) = mine.first() else { return };
    let run: Vec<String> = mine.iter().map(|wanted| wanted.run.clone()).collect();
    let needs_install = part.step(Role::Install).is_some() && role != Role::Install;
    let needs_build = part.step(Role::Build).is_some() && role == Role::Test && part.tool == Tool::Node;
    let index = part.steps.iter().position(|step| step.role == role);
    let variables: BTreeMap<String, String> = mine.iter().flat_map(|wanted| wanted.variables.clone()).collect();
    let services: Vec<Placed> = mine.iter().flat_map(|wanted| wanted.services.to_vec()).collect();
    let timeout = longest(mine.iter().map(|wanted| wanted.timeout));
    match index {
        Some(index) if role == Role::Install => {
            let step = &mut part.steps[index];
            // The environment is made as before; what goes into it is what the definition says.
            step.run.retain(|line| {
                line.contains("-m venv") || line == crate::stacks::OPEN || line.contains("--upgrade pip")
            });
            step.run.extend(run);
            put_beside(step, &[], variables);
            step.timeout = timeout;
            step.from = Some(first.from.clone());
        }
        Some(index) => {
            let run = opened(part, run);
            let step = &mut part.steps[index];
            step.run = run;
            step.timeout = timeout;
            put_beside(step, &services, variables);
            step.from = Some(first.from.clone());
        }
        None => {
            let mut step = Step::new(role, opened(part, run));
            if needs_install {
                step = step.needs("install");
            }
            if needs_build {
                step = step.needs("build");
            }
            put_beside(&mut step, &services, variables);
            step.timeout = timeout;
            step.from = Some(first.from.clone());
            part.steps.push(step);
        }
    }
    let matrix = mine.iter().find_map(|wanted| wanted.matrix.clone());
    if let (Some(step), Some(matrix)) = (part.steps.iter_mut().find(|step| step.role == role), matrix) {
        done_for(step, matrix);
    }
}

/// Has a step done once for each row of values.
fn done_for(step: &mut Step, matrix: Matrix) {
    for name in &matrix.names {
        step.variables.remove(name);
        step.exports.remove(name);
    }
    // Each leaves what it leaves in the same places.
    step.kept = None;
    step.matrix = Some(matrix);
}

/// How long may take what several jobs do: as long as the longest of them, and without a limit where one has none.
fn longest(limits: impl Iterator<Item = Option<u32>>) -> Option<u32> {
    let limits: Option<Vec<u32>> = limits.collect();
    limits?.into_iter().max()
}

/// Puts services beside a step, and gives it the variables of its job as they are with them.
fn put_beside(step: &mut Step, services: &[Placed], mut variables: BTreeMap<String, String>) {
    let mut fresh: Vec<Placed> = Vec::new();
    for placed in services {
        let is_known = |known: &str| known == placed.beside.name;
        if step.services.iter().any(|known| is_known(&known.name)) {
            continue;
        }
        // What several jobs have of one kind are variants: the one that is called as its kind is meant.
        match fresh
            .iter_mut()
            .find(|known| is_known(&known.beside.name) || known.is_variant_of(placed))
        {
            Some(known) if placed.is_usual() && !known.is_usual() => *known = placed.clone(),
            Some(_) => {}
            None => fresh.push(placed.clone()),
        }
    }
    step.exports.extend(retell(&fresh, &mut variables));
    variables.retain(|name, _| !step.exports.contains_key(name));
    step.variables.extend(variables);
    if !fresh.is_empty() {
        // What a database holds is no file, so nothing says whether a result still stands.
        step.kept = None;
    }
    step.services.extend(fresh.into_iter().map(|placed| placed.beside));
}

/// Has commands run before those of a step, each once.
fn prepare_first(step: &mut Step, commands: Vec<String>) {
    let mut first: Vec<String> = Vec::new();
    for command in commands {
        if !first.contains(&command) && !step.run.contains(&command) {
            first.push(command);
        }
    }
    step.run.splice(0..0, first);
}

fn is_check(role: Role) -> bool {
    matches!(role, Role::Format | Role::Lint | Role::Types)
}

/// Adds checks as steps of their own.
fn add(part: &mut Part, role: Role, wanted: &[&Wanted]) {
    for wanted in wanted.iter().filter(|wanted| wanted.role == role) {
        let run = wanted.run.clone();
        // A script may check more than its name says; it is started once all the same.
        if let Some(step) = part
            .steps
            .iter_mut()
            .find(|step| (step.role == role || is_check(step.role)) && step.run.contains(&run))
        {
            step.from.get_or_insert_with(|| wanted.from.clone());
            continue;
        }
        if let Some(step) = part
            .steps
            .iter_mut()
            .find(|step| step.role == role && step.name == wanted.name)
        {
            // A check of the same kind goes into the same step.
            if step.from.is_none() {
                step.run.clear();
                step.from = Some(wanted.from.clone());
            }
            step.run.push(run);
            step.variables.extend(wanted.variables.clone());
            if let Some(matrix) = &wanted.matrix {
                done_for(step, matrix.clone());
            }
            continue;
        }
        let mut step = Step::new(role, opened(part, vec![run]));
        step.name.clone_from(&wanted.name);
        step.from = Some(wanted.from.clone());
        step.variables.extend(wanted.variables.clone());
        if part.step(Role::Install).is_some() {
            step = step.needs("install");
        }
        if part.tool == Tool::Cargo && role != Role::Format {
            step = step.cache("target", "cargo");
        }
        if let Some(matrix) = &wanted.matrix {
            done_for(&mut step, matrix.clone());
        }
        part.steps.push(step);
    }
}

/// Commands as they start in a step: in the part's own environment.
fn opened(part: &Part, mut run: Vec<String>) -> Vec<String> {
    let open = crate::stacks::OPEN;
    if part.steps.iter().any(|step| step.run.iter().any(|line| line == open)) {
        run.insert(0, open.to_owned());
    }
    run
}
