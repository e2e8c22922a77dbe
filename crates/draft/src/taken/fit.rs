//! Which commands of another definition fit into which part, and what its steps become by them.

use std::collections::{BTreeMap, BTreeSet};

use workflow::purpose::Doing;

use super::answer::{self, Answer};
use super::command::Command;
use crate::part::{Part, Role, Step, Tool};
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
}

/// A command as it stands in another definition.
pub(super) struct Found<'a> {
    pub command: &'a Command,
    pub folder: &'a str,
    pub from: String,
    pub doings: &'a [Doing],
    pub variables: BTreeMap<String, String>,
}

/// What is wanted of all parts.
#[derive(Debug, Default)]
pub(super) struct Fit {
    wanted: Vec<Wanted>,
    /// Whether jobs have services beside them.
    pub services: bool,
    /// Options for CMake's configuration.
    options: BTreeSet<String>,
}

impl Fit {
    /// Takes a command, or says why not.
    pub fn take(&mut self, view: &View<'_>, parts: &[Part], found: Found<'_>) -> Result<(), String> {
        let Found {
            command,
            folder,
            from,
            doings,
            variables,
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
                None => Err(format!("works in {folder}/, for which there are no steps here")),
            };
        }
        there.sort_by_key(|at| *at);
        let mut reason = None;
        for at in there {
            match self.ask(view, &parts[at], command, doings) {
                Answer::Other => {}
                Answer::Covered => return Ok(()),
                Answer::Not(why) => reason = reason.or(Some(why)),
                Answer::Does(role, name) => {
                    if !command.is_plain() {
                        reason = reason.or(Some(
                            "more than one plain command: in a file of its own a step can start it".to_owned(),
                        ));
                        continue;
                    }
                    let wanted = Wanted {
                        part: at,
                        role,
                        name: name.to_owned(),
                        run: command.text.clone(),
                        from: from.clone(),
                        variables: variables.clone(),
                    };
                    if !self
                        .wanted
                        .iter()
                        .any(|known| known.part == at && known.run == wanted.run)
                    {
                        self.wanted.push(wanted);
                    }
                    return Ok(());
                }
            }
        }
        Err(reason.unwrap_or_else(|| match doings.first() {
            Some(_) => format!("`{}` is no tool of what lies here", command.program()),
            None => "what it is for cannot be told".to_owned(),
        }))
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

    /// Changes the steps of the parts.
    pub fn settle(&self, parts: &mut [Part]) {
        for (at, part) in parts.iter_mut().enumerate() {
            let wanted: Vec<&Wanted> = self.wanted.iter().filter(|wanted| wanted.part == at).collect();
            for role in [Role::Install, Role::Build, Role::Test] {
                replace(part, role, &wanted);
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
            if self.services {
                // What a database holds is no file, so nothing says whether a result still stands.
                for step in part.steps.iter_mut().filter(|step| step.role == Role::Test) {
                    step.kept = None;
                }
            }
        }
    }
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
    match index {
        Some(index) if role == Role::Install => {
            let step = &mut part.steps[index];
            // The environment is made as before; what goes into it is what the definition says.
            step.run.retain(|line| {
                line.contains("-m venv") || line == crate::stacks::OPEN || line.contains("--upgrade pip")
            });
            step.run.extend(run);
            step.variables.extend(variables);
            step.from = Some(first.from.clone());
        }
        Some(index) => {
            let run = opened(part, run);
            let step = &mut part.steps[index];
            step.run = run;
            step.variables.extend(variables);
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
            step.variables.extend(variables);
            step.from = Some(first.from.clone());
            part.steps.push(step);
        }
    }
}

/// Adds checks as steps of their own.
fn add(part: &mut Part, role: Role, wanted: &[&Wanted]) {
    for wanted in wanted.iter().filter(|wanted| wanted.role == role) {
        let run = wanted.run.clone();
        if let Some(step) = part
            .steps
            .iter_mut()
            .find(|step| step.role == role && step.run.contains(&run))
        {
            step.from = Some(wanted.from.clone());
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
