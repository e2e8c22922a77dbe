//! Small questions about words and paths of commands.

use super::files::Script;
use crate::shell;

/// The names that a pattern stands for, such as `test:*`; none where it is a name itself.
pub(super) fn named_like<'s>(scripts: &'s [Script], name: &str) -> Vec<&'s str> {
    let is_name = scripts.iter().any(|script| script.name == name);
    match name.strip_suffix('*').filter(|_| !is_name) {
        Some(start) => scripts
            .iter()
            .map(|script| script.name.as_str())
            .filter(|name| name.starts_with(start) && !name.ends_with('*'))
            .take(20)
            .collect(),
        None => Vec::new(),
    }
}

/// A command as a person would name it: its first words. A part goes by its name.
pub(super) fn shown(tool: &str, texts: &str) -> String {
    // What a part's name begins with says only which system it is of.
    let tool = ["step:", "task:", "plugin:", "resource:"]
        .iter()
        .find_map(|family| tool.strip_prefix(family))
        .unwrap_or(tool);
    let is_command = texts
        .split_whitespace()
        .next()
        .is_some_and(|first| shell::base(first) == tool);
    if !is_command || texts == tool {
        return tool.to_owned();
    }
    let mut short = String::new();
    for word in texts.split_whitespace().take(4) {
        if !short.is_empty() && short.len() + word.len() > 48 {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    short.chars().take(80).collect()
}

/// The arguments without what they leave out.
pub(super) fn meant(texts: &str) -> String {
    let mut kept = Vec::new();
    let mut leaves_out = false;
    for word in texts.split_whitespace() {
        let excludes = [
            "--exclude",
            "--skip",
            "--ignore",
            "--deselect",
            "-x",
            "--testPathIgnorePatterns",
            "not",
            "-not",
        ];
        if leaves_out {
            leaves_out = false;
            continue;
        }
        if excludes.contains(&word) {
            leaves_out = true;
        } else if !excludes
            .iter()
            .any(|option| word.starts_with(option) && word.contains('='))
            && !word.starts_with('!')
            && !word.starts_with("-Dskip")
        {
            kept.push(word);
        }
    }
    kept.join(" ")
}

/// `docker-compose up` as `compose up`, without options before the sub-command.
pub(super) fn normal(words: &[String]) -> Vec<String> {
    let compose = words.first().is_some_and(|word| shell::base(word) == "docker-compose");
    let rest = words.iter().skip(1).cloned();
    if compose {
        std::iter::once("compose".to_owned()).chain(rest).collect()
    } else {
        rest.collect()
    }
}

pub(super) fn is_shell(path: &str, text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("#!") {
        return ["sh", "bash", "zsh", "dash", "ash"].iter().any(|shell| {
            first.trim_end().ends_with(shell)
                || first.contains(&format!("/{shell} "))
                || first.contains(&format!(" {shell} "))
        });
    }
    [".sh", ".bash", ".ps1", ".bat", ".cmd", ".zsh"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

/// The folder a file is in.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path below a folder, without `.` and `..`; one that would leave the tree ends at its root.
pub(crate) fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = if path.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').filter(|part| !part.is_empty()).collect()
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a program is given several goals at once, so that its arguments speak of other goals too.
pub(super) fn has_goals(program: &str) -> bool {
    matches!(
        program,
        "rake" | "gradle" | "gradlew" | "mvn" | "mvnw" | "sbt" | "ant" | "ninja"
    )
}
