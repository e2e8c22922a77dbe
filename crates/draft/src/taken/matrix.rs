//! Values of a job's matrix in its commands: the commands once for each, by variables.

use std::collections::BTreeMap;

use workflow::model::{Combination, Job, System};

use super::command::Command;
use crate::part::Matrix;

/// A command that is started with values of a matrix.
#[derive(Debug, Clone)]
pub(super) struct Varied {
    /// The command as it is written here: with variables.
    pub run: String,
    /// The values, by the names of variables.
    pub matrix: Matrix,
    /// The command with each row of values in it.
    pub filled: Vec<Command>,
    /// The names of the values in the other definition.
    pub axes: Vec<String>,
    /// How many of them, the first ones, are variables of the command there.
    pub told: usize,
}

/// What a command has to do with the matrix of its job.
pub(super) enum Looked {
    /// Nothing.
    Nothing,
    /// Why its values cannot be variables here.
    Not(String),
    /// It is started with values of the matrix.
    Varied(Box<Varied>),
}

/// Whether a machine is one that steps do not run on.
pub(super) fn is_elsewhere(runner: &str) -> bool {
    let runner = runner.to_ascii_lowercase();
    runner.contains("windows") || runner.contains("macos") || runner.contains("macosx")
}

/// The combinations of a job's matrix that can run here.
fn here(job: &Job) -> Vec<&Combination> {
    let is_here = |combination: &&Combination| {
        combination.runners.is_empty() || !combination.runners.iter().all(|runner| is_elsewhere(runner))
    };
    job.combinations.iter().filter(is_here).collect()
}

/// The value of a matrix that is the whole of a text: `${{ matrix.NAME }}`.
pub(super) fn whole(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim();
    inner.strip_prefix("matrix.").filter(|name| is_name(name))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Looks at a command of a job; `told` are variables of the step whose values are those of an axis.
pub(super) fn look(system: System, job: &Job, command: &Command, told: &BTreeMap<String, String>) -> Looked {
    let references = match references(system, job, &command.text) {
        Ok(references) => references,
        Err(reason) => return Looked::Not(reason),
    };
    // What is a variable there already keeps its name.
    let mut names: Vec<(String, String)> = told.iter().map(|(name, axis)| (axis.clone(), name.clone())).collect();
    for reference in &references {
        if !names.iter().any(|(axis, _)| *axis == reference.axis) {
            let name = match system {
                System::GitlabCi => reference.axis.clone(),
                _ => variable(&reference.axis, &names),
            };
            names.push((reference.axis.clone(), name));
        }
    }
    if names.is_empty() {
        return Looked::Nothing;
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    for combination in here(job) {
        let value = |(axis, _): &(String, String)| combination.value(axis).unwrap_or_default().to_owned();
        let row: Vec<String> = names.iter().map(value).collect();
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return Looked::Not("none of the combinations of its matrix runs on Linux".to_owned());
    }
    if let Some(value) = rows.iter().flatten().find(|value| !is_plain(value)) {
        return Looked::Not(format!(
            "the value `{value}` of its matrix is more to a shell than text, which a variable is not"
        ));
    }
    if references.first().is_some_and(|reference| reference.from == 0) {
        return Looked::Not("a value of its matrix stands in the place of the program".to_owned());
    }
    let put = |with: &dyn Fn(&str, bool) -> String| {
        let mut text = String::new();
        let mut from = 0;
        for reference in &references {
            text.push_str(&command.text[from..reference.from]);
            let joined = command.text[reference.to..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            text.push_str(&with(&reference.axis, joined));
            from = reference.to;
        }
        text.push_str(&command.text[from..]);
        text
    };
    let at = |axis: &str| names.iter().position(|(known, _)| known == axis).unwrap_or_default();
    let run = put(&|axis, joined| match &names[at(axis)].1 {
        name if joined => format!("${{{name}}}"),
        name => format!("${name}"),
    });
    let filled = rows
        .iter()
        .map(|row| Command::new(&put(&|axis, _| row[at(axis)].clone())));
    Looked::Varied(Box::new(Varied {
        run,
        filled: filled.collect(),
        axes: names.iter().map(|(axis, _)| axis.clone()).collect(),
        told: told.len(),
        matrix: Matrix {
            names: names.into_iter().map(|(_, name)| name).collect(),
            rows,
        },
    }))
}

/// A place in a command where a value is put in.
struct Reference {
    axis: String,
    from: usize,
    to: usize,
}

/// Where a command names values of the matrix; nothing where it names other values that are not known here.
fn references(system: System, job: &Job, text: &str) -> Result<Vec<Reference>, String> {
    let mut all = Vec::new();
    let mut rest = 0;
    while let Some(from) = text[rest..].find('$').map(|at| rest + at) {
        rest = from + 1;
        let (axis, to) = if system == System::GithubActions && text[from..].starts_with("${{") {
            let Some(to) = text[from..].find("}}").map(|at| from + at + 2) else {
                return Ok(Vec::new());
            };
            match whole(&text[from..to]) {
                Some(axis) if has(job, axis) => (axis, to),
                _ => return Ok(Vec::new()),
            }
        } else if system == System::GitlabCi {
            let after = &text[from + 1..];
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, to) = match after.strip_prefix('{') {
                Some(inner) => match inner.split_once('}') {
                    Some((name, _)) => (name, from + name.len() + 3),
                    None => continue,
                },
                None => {
                    let name = after.split(|c| !is_part(c)).next().unwrap_or_default();
                    (name, from + 1 + name.len())
                }
            };
            if !has(job, name) {
                continue;
            }
            (name, to)
        } else {
            continue;
        };
        // There a shell reads a variable; what another system puts in before that, it cannot.
        if is_in_single_quotes(&text[..from]) {
            if system == System::GitlabCi {
                continue;
            }
            return Err("a value of its matrix stands in single quotes, where a variable is not read".to_owned());
        }
        all.push(Reference {
            axis: axis.to_owned(),
            from,
            to,
        });
        rest = to;
    }
    Ok(all)
}

/// Whether a matrix has a value of this name.
pub(super) fn has(job: &Job, name: &str) -> bool {
    job.combinations
        .iter()
        .any(|combination| combination.value(name).is_some())
}

fn is_in_single_quotes(before: &str) -> bool {
    let mut quote = None;
    for c in before.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            _ => {}
        }
    }
    quote == Some('\'')
}

/// Whether a shell makes nothing of a text but words.
fn is_plain(value: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || " _./:=@,+%-".contains(c);
    value.len() <= 200 && value.chars().all(fits)
}

/// The name of a variable for an axis.
fn variable(axis: &str, taken: &[(String, String)]) -> String {
    const OF_OTHERS: &[&str] = &[
        "PATH", "HOME", "USER", "SHELL", "PWD", "LANG", "TMPDIR", "TERM", "IFS", "CI",
    ];
    let upper = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let mut name: String = axis.chars().map(upper).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic())
        || name.starts_with("THROUGHLINE")
        || OF_OTHERS.contains(&name.as_str())
    {
        name = format!("MATRIX_{name}");
    }
    while taken.iter().any(|(_, known)| *known == name) {
        name.push('_');
    }
    name
}
