//! Lines that go into a file that is there.

use workflow::model::{Job, System};

use crate::next::Edit;

/// Adds a trigger to a workflow of GitHub whose `on:` is a map of lines.
pub(super) fn trigger(file: &str, text: &str, name: &str, further: &[&str]) -> Option<Edit> {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines
        .iter()
        .position(|line| matches!(line.trim_end(), "on:" | "'on':" | "\"on\":"))?;
    let block: Vec<&str> = lines[at + 1..]
        .iter()
        .take_while(|line| line.trim().is_empty() || line.starts_with([' ', '#']))
        .copied()
        .collect();
    let first = block
        .iter()
        .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    if first.trim_start().starts_with('-') || block.iter().any(|line| line.trim().starts_with(name)) {
        return None;
    }
    let indent = indent(first);
    let mut added = format!("{indent}{name}\n");
    for line in further {
        added.push_str(&format!("{indent}{line}\n"));
    }
    edit(file, text, at + 1, added)
}

/// A step to add.
pub(super) struct Added<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What it runs.
    pub command: &'a str,
    /// Where, from the root.
    pub folder: &'a str,
    /// An image that brings what it needs.
    pub image: &'a str,
}

impl Added<'_> {
    /// The command from where the job works, for systems that have no word for a folder.
    fn from(&self, job: &Job) -> String {
        if self.folder.is_empty() || job.folder == self.folder {
            self.command.to_owned()
        } else {
            format!("cd {} && {}", self.folder, self.command)
        }
    }

    fn key(&self) -> String {
        self.name.to_lowercase().replace(' ', "-")
    }
}

/// Adds a step that runs a command at the end of a job.
pub(super) fn step(system: System, job: &Job, text: &str, step: &Added<'_>) -> Option<Edit> {
    let lines: Vec<&str> = text.lines().collect();
    let (name, command) = (step.name, step.from(job));
    match system {
        System::GithubActions => {
            let (line, indent) = end_of_steps(job, &lines)?;
            let mut added = format!("{indent}- name: {name}\n");
            if command != step.command {
                added.push_str(&format!("{indent}  working-directory: {}\n", step.folder));
            }
            added.push_str(&format!("{indent}  run: {}\n", quoted(step.command)));
            edit(&job.at.file, text, line, added)
        }
        System::CircleCi => {
            let (line, indent) = end_of_steps(job, &lines)?;
            let added = format!(
                "{indent}- run:\n{indent}    name: {name}\n{indent}    command: {}\n",
                quoted(&command)
            );
            edit(&job.at.file, text, line, added)
        }
        System::AzurePipelines => {
            let (line, indent) = end_of_steps(job, &lines)?;
            let added = format!(
                "{indent}- script: {}\n{indent}  displayName: {name}\n",
                quoted(&command)
            );
            edit(&job.at.file, text, line, added)
        }
        System::GitlabCi => {
            let mut added = format!("\n{}:\n", step.key());
            if let Some(stage) = &job.stage {
                added.push_str(&format!("  stage: {stage}\n"));
            }
            if let Some(image) = &job.image {
                added.push_str(&format!("  image: {image}\n"));
            }
            added.push_str(&format!("  script:\n    - {}\n", quoted(&command)));
            edit(&job.at.file, text, lines.len(), added)
        }
        System::Jenkins => {
            let last = job.steps.iter().map(|step| step.at.line as usize).max()?;
            let line = *lines.get(last.checked_sub(1)?)?;
            // Only after a step that is one line; what opens a bracket or a text goes on.
            let is_one = line.trim_start().starts_with("sh ") && !line.contains("'''") && !line.contains("\"\"\"");
            let added = format!("{}sh '{}'\n", indent(line), command.replace('\'', "\\'"));
            is_one.then(|| edit(&job.at.file, text, last, added)).flatten()
        }
        System::Throughline => {
            let steps = lines.iter().position(|line| line.trim_end() == "steps:")?;
            let first = lines[steps + 1..].iter().find(|line| !line.trim().is_empty())?;
            let indent = indent(first);
            let added = format!("{indent}{}:\n{indent}  run: {}\n", step.key(), quoted(&command));
            edit(&job.at.file, text, block_end(&lines, steps), added)
        }
        System::Buildkite => {
            let (line, indent) = end_of_element(job, &lines)?;
            let added = format!("{indent}- label: {name}\n{indent}  command: {}\n", quoted(&command));
            edit(&job.at.file, text, line, added)
        }
        System::Woodpecker => {
            let steps = lines
                .iter()
                .position(|line| matches!(line.trim_end(), "steps:" | "pipeline:"))?;
            let first = lines[steps + 1..]
                .iter()
                .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
            let indent = indent(first);
            let (head, inner) = if first.trim_start().starts_with("- ") {
                (format!("{indent}- name: {}\n", step.key()), format!("{indent}  "))
            } else {
                (format!("{indent}{}:\n", step.key()), format!("{indent}  "))
            };
            let added = format!(
                "{head}{inner}image: {}\n{inner}commands:\n{inner}  - {}\n",
                step.image,
                quoted(&command)
            );
            edit(&job.at.file, text, end_of_list(&lines, steps), added)
        }
        _ => None,
    }
}

/// Keeps the files `kept` that a job makes.
pub(super) fn keep(system: System, job: &Job, text: &str, kept: &str) -> Option<Edit> {
    let lines: Vec<&str> = text.lines().collect();
    match system {
        System::GithubActions => {
            let (line, indent) = end_of_steps(job, &lines)?;
            let added = format!(
                "{indent}- uses: actions/upload-artifact@v4\n{indent}  with:\n{indent}    name: build-${{{{ github.sha }}}}\n{indent}    path: {kept}\n"
            );
            edit(&job.at.file, text, line, added)
        }
        System::CircleCi => {
            let (line, indent) = end_of_steps(job, &lines)?;
            let path = kept.trim_end_matches('/');
            edit(
                &job.at.file,
                text,
                line,
                format!("{indent}- store_artifacts:\n{indent}    path: {path}\n"),
            )
        }
        System::GitlabCi => {
            let line = job.at.line as usize;
            let head = *lines.get(line.checked_sub(1)?)?;
            let block: Vec<&str> = lines[line..]
                .iter()
                .take_while(|line| line.is_empty() || line.starts_with(' '))
                .copied()
                .collect();
            if !head.trim_end().ends_with(':') || block.iter().any(|line| line.trim_start().starts_with("artifacts:")) {
                return None;
            }
            let added = format!("  artifacts:\n    paths: [\"{kept}\"]\n    expire_in: 90 days\n");
            edit(&job.at.file, text, line, added)
        }
        System::Jenkins => {
            let last = job.steps.iter().map(|step| step.at.line as usize).max()?;
            let line = *lines.get(last.checked_sub(1)?)?;
            let is_one = line.trim_start().starts_with("sh ") && !line.contains("'''") && !line.contains("\"\"\"");
            let added = format!("{}archiveArtifacts artifacts: '{}'\n", indent(line), glob(kept));
            is_one.then(|| edit(&job.at.file, text, last, added)).flatten()
        }
        System::AzurePipelines => {
            let (line, indent) = end_of_steps(job, &lines)?;
            let path = kept.trim_end_matches('/');
            edit(
                &job.at.file,
                text,
                line,
                format!("{indent}- publish: {path}\n{indent}  artifact: build\n"),
            )
        }
        System::Buildkite => {
            let (line, indent) = end_of_element(job, &lines)?;
            edit(
                &job.at.file,
                text,
                line,
                format!("{indent}  artifact_paths: \"{}\"\n", glob(kept)),
            )
        }
        _ => None,
    }
}

fn glob(kept: &str) -> String {
    if kept.ends_with('/') {
        format!("{kept}**")
    } else {
        kept.to_owned()
    }
}

/// The last line of a job's steps, and the spaces before its `-`.
fn end_of_steps(job: &Job, lines: &[&str]) -> Option<(usize, String)> {
    if let Some(end) = job.end {
        return Some((end.line as usize, " ".repeat((end.column as usize).checked_sub(1)?)));
    }
    let from = (job.at.line as usize).checked_sub(1)?;
    let steps = (from..block_end(lines, from)).find(|at| lines[*at].trim_end().ends_with("steps:"))?;
    let first = lines[steps + 1..]
        .iter()
        .find(|line| line.trim_start().starts_with("- "))?;
    let list = indent(first);
    let mut end = steps + 1;
    for (at, line) in lines.iter().enumerate().skip(steps + 1) {
        let inside = line.starts_with(&format!("{list}-")) || line.starts_with(&format!("{list} "));
        if inside {
            end = at + 1;
        } else if !line.trim().is_empty() {
            break;
        }
    }
    Some((end, list))
}

/// The last line of the element of a list that is a job, and the spaces before its `-`.
fn end_of_element(job: &Job, lines: &[&str]) -> Option<(usize, String)> {
    let from = (job.at.line as usize).checked_sub(1)?;
    let start = (0..=from).rev().find(|at| lines[*at].trim_start().starts_with("- "))?;
    Some((block_end(lines, start), indent(lines[start])))
}

/// The last line of what stands below a key, also where a list below it is not indented.
fn end_of_list(lines: &[&str], key: usize) -> usize {
    let outer = indent(lines[key]).len();
    let mut end = key + 1;
    for (at, line) in lines.iter().enumerate().skip(key + 1) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        if indent(line).len() < outer || indent(line).len() == outer && !line.trim_start().starts_with("- ") {
            break;
        }
        end = at + 1;
    }
    end
}

/// The number of the last line of the block that begins at the index `start`.
fn block_end(lines: &[&str], start: usize) -> usize {
    let outer = indent(lines[start]).len();
    let mut end = start + 1;
    for (at, line) in lines.iter().enumerate().skip(start + 1) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        if indent(line).len() <= outer {
            break;
        }
        end = at + 1;
    }
    end
}

fn indent(line: &str) -> String {
    line.chars()
        .take_while(|letter| *letter == ' ' || *letter == '\t')
        .collect()
}

/// A command as a value of YAML: in quotes where YAML would read it as something else.
fn quoted(command: &str) -> String {
    let plain = !command.contains(": ") && !command.contains(" #") && !command.contains('"') && !command.ends_with(':');
    if plain {
        command.to_owned()
    } else {
        format!("'{}'", command.replace('\'', "''"))
    }
}

fn edit(file: &str, text: &str, line: usize, lines: String) -> Option<Edit> {
    let after = text.lines().nth(line.checked_sub(1)?)?;
    Some(Edit {
        file: file.to_owned(),
        after_line: u32::try_from(line).ok(),
        after: Some(after.to_owned()),
        lines,
    })
}
