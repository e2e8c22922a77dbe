//! The versions of a tool that a job runs with, as a matrix of the tests: those that are on this machine.

use workflow::model::Job;

use crate::Machine;
use crate::part::{Matrix, Part, Role, Tool};

/// The versions that the tests of a part run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Versions {
    values: Vec<String>,
    from: String,
}

/// What a job's matrix is for a part.
pub(super) enum Looked {
    /// It has nothing to do with its tool.
    Nothing,
    /// Why it is not taken.
    Not(String),
    /// It is taken, but for the versions that are not here.
    Found(Versions, Vec<String>),
}

/// What the names of axes contain that are about a tool, and what it is called.
fn names(tool: Tool) -> Option<(&'static [&'static str], &'static str)> {
    Some(match tool {
        Tool::Python => (&["python", "py"], "Python"),
        Tool::Cargo => (&["rust", "toolchain", "channel"], "Rust"),
        Tool::Node => (&["node"], "Node"),
        Tool::Go => (&["go"], "Go"),
        Tool::Maven | Tool::Gradle => (&["java", "jdk"], "Java"),
        _ => return None,
    })
}

/// Looks at the matrix of a job.
pub(super) fn look(part: &Part, job: &Job, machine: &Machine) -> Looked {
    let Some((words, called)) = names(part.tool) else {
        return Looked::Nothing;
    };
    let axis = job.axes.iter().find(|(name, _)| {
        let name = name.to_lowercase();
        let parts: Vec<&str> = name.split(['-', '_', '.']).collect();
        words.iter().any(|word| parts.contains(word))
    });
    let Some((_, values)) = axis else {
        return Looked::Nothing;
    };
    let is_known = |value: &&String| match part.tool {
        Tool::Python => is_python(value) && machine.has(&format!("python{value}")),
        Tool::Cargo => is_toolchain(value) && machine.toolchains.iter().any(|known| known == *value),
        _ => false,
    };
    if !matches!(part.tool, Tool::Python | Tool::Cargo) {
        return Looked::Not(format!(
            "the steps run once, with the {called} that is here: there is no way to have several that works everywhere"
        ));
    }
    if part.programs.iter().any(|program| program == "poetry") {
        return Looked::Not("the steps run once: Poetry has one environment for a folder".to_owned());
    }
    let (here, missing): (Vec<&String>, Vec<&String>) = values.iter().partition(is_known);
    let all = |list: &[&String]| list.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", ");
    match here.as_slice() {
        [] => Looked::Not(format!(
            "the steps run once, with the {called} that is here: none of {} is on this machine",
            all(&missing)
        )),
        [one] => Looked::Not(format!(
            "the steps run once, with the {called} that is here: of {} only {one} is on this machine",
            all(&values.iter().collect::<Vec<_>>())
        )),
        several => Looked::Found(
            Versions {
                values: several.iter().map(|value| (*value).clone()).collect(),
                from: format!("{}:{}", job.at.file, job.matrix.unwrap_or(job.at.line)),
            },
            missing.into_iter().map(|value| crate::write::clean(value)).collect(),
        ),
    }
}

fn is_python(value: &str) -> bool {
    value.split_once('.').is_some_and(|(major, minor)| {
        let is_number = |text: &str| !text.is_empty() && text.len() < 4 && text.chars().all(|c| c.is_ascii_digit());
        is_number(major) && is_number(minor)
    })
}

fn is_toolchain(value: &str) -> bool {
    !value.is_empty()
        && value.len() < 40
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

/// Has the tests of a part run once for each version.
pub(super) fn vary(part: &mut Part, versions: &Versions) {
    let install = part.step(Role::Install).cloned();
    let uses_uv = part.programs.iter().any(|program| program == "uv");
    let tool = part.tool;
    let Some(test) = part.steps.iter_mut().find(|step| step.role == Role::Test) else {
        return;
    };
    let axis = match (tool, install) {
        (Tool::Python, Some(install)) => {
            let mut run = Vec::new();
            if uses_uv {
                run.push("export UV_PYTHON=\"$PYTHON\" UV_PROJECT_ENVIRONMENT=\".venv-$PYTHON\"".to_owned());
                run.extend(install.run.clone());
            } else {
                let own = |line: &String| {
                    line.replace("python3 -m venv", "python$PYTHON -m venv")
                        .replace(".venv", ".venv-$PYTHON")
                };
                run.extend(install.run.iter().map(own));
            }
            run.extend(test.run.iter().filter(|line| *line != crate::stacks::OPEN).cloned());
            test.run = run;
            test.needs.retain(|need| *need != install.name);
            for (name, value) in install.variables {
                test.variables.entry(name).or_insert(value);
            }
            test.about.push(format!(
                "each version has an environment of its own; the versions are those of {} that are on this machine",
                versions.from
            ));
            "PYTHON"
        }
        (Tool::Cargo, _) => {
            for line in &mut test.run {
                if let Some(rest) = line.strip_prefix("cargo ") {
                    *line = format!("cargo \"+$RUST\" {rest}");
                }
            }
            test.about.push(format!(
                "the toolchains are those of {} that are on this machine",
                versions.from
            ));
            "RUST"
        }
        _ => return,
    };
    if test.variables.contains_key(axis) {
        test.variables.remove(axis);
    }
    test.kept = None;
    // Each version with each of the values that its commands are started with.
    let others = test.matrix.take().unwrap_or(Matrix {
        names: Vec::new(),
        rows: vec![Vec::new()],
    });
    let with = |version: &String| {
        let version = version.clone();
        others.rows.iter().map(move |row| {
            let mut whole = vec![version.clone()];
            whole.extend(row.iter().cloned());
            whole
        })
    };
    test.matrix = Some(Matrix {
        rows: versions.values.iter().flat_map(with).collect(),
        names: std::iter::once(axis.to_owned())
            .chain(others.names.iter().cloned())
            .collect(),
    });
}
