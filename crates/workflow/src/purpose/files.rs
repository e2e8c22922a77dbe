//! Files that hold named scripts: package.json, Makefile, justfile, Taskfile, tox, nox, composer.

use crate::yaml;

/// A named script of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub text: String,
    /// The line its text begins in, from 1.
    pub line: u32,
    /// Other scripts of the file that it runs before.
    pub before: Vec<String>,
}

impl Script {
    fn new(name: impl Into<String>, text: impl Into<String>, line: u32) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            line,
            before: Vec::new(),
        }
    }
}

/// The scripts of a file, by its name.
pub(crate) fn scripts_of(path: &str, text: &str) -> Vec<Script> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "package.json" | "composer.json" | "deno.json" | "deno.jsonc" => json_scripts(text),
        "makefile" | "gnumakefile" => makefile(text),
        "justfile" | ".justfile" => justfile(text),
        "taskfile.yml" | "taskfile.yaml" => taskfile(text),
        "tox.ini" | "setup.cfg" => tox(text),
        "noxfile.py" => nox(text),
        "pyproject.toml" => pyproject(text),
        "config.toml" | "config" => cargo_aliases(text),
        _ if lower.ends_with(".mk") || lower.ends_with(".mak") => makefile(text),
        _ => Vec::new(),
    }
}

fn line_of(text: &str, needle: &str) -> u32 {
    let at = text.find(needle).unwrap_or(0);
    u32::try_from(text[..at].matches('\n').count() + 1).unwrap_or(1)
}

fn json_scripts(text: &str) -> Vec<Script> {
    // JSON is YAML, but for tabs; the tree with lines is read that way.
    let text = text.replace('\t', "  ");
    let read = yaml::read(&text);
    let Some(root) = read.documents.first() else {
        return Vec::new();
    };
    let mut scripts = Vec::new();
    for part in ["scripts", "tasks"] {
        for (key, node) in root.get(part).map_or(&[][..], yaml::Node::members) {
            let lines: Vec<String> = match node.get("command") {
                Some(command) => command.texts(),
                None => node.texts(),
            };
            scripts.push(Script::new(&key.name, lines.join("\n"), key.line));
        }
    }
    scripts
}

fn makefile(text: &str) -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let line_number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        if let Some(recipe) = line.strip_prefix('\t') {
            let goes_on = open.first().is_some_and(|index| scripts[*index].text.ends_with("\\\n"));
            let recipe = if goes_on {
                recipe
            } else {
                recipe.trim_start_matches(['@', '-', '+', ' '])
            };
            for index in &open {
                let script = &mut scripts[*index];
                if script.text.is_empty() {
                    script.line = line_number;
                }
                script.text.push_str(recipe);
                script.text.push('\n');
            }
            continue;
        }
        let mut whole = line.trim_end().to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            match lines.next() {
                Some((_, more)) => whole.push_str(more.trim()),
                None => break,
            }
        }
        if whole.trim().is_empty() || whole.starts_with('#') || whole.starts_with(' ') {
            continue;
        }
        let head = whole.split('#').next().unwrap_or_default();
        let Some((targets, rest)) = head.split_once(':') else {
            continue;
        };
        open.clear();
        if rest.starts_with('=') || targets.contains('=') || targets.contains('$') {
            continue;
        }
        let rest = rest.trim_start_matches(':');
        let (needs, recipe) = rest.split_once(';').unwrap_or((rest, ""));
        if needs.contains('=') {
            continue;
        }
        let before: Vec<String> = needs
            .split_whitespace()
            .filter(|need| *need != "|" && !need.contains('$') && !need.contains('%'))
            .map(str::to_owned)
            .collect();
        for target in targets.split_whitespace() {
            if target.starts_with('.') && target != ".DEFAULT" {
                continue;
            }
            match scripts.iter().position(|script| script.name == target) {
                Some(index) => {
                    scripts[index].before.extend(before.clone());
                    open.push(index);
                }
                None => {
                    let mut script = Script::new(target, recipe.trim(), line_number);
                    script.before.clone_from(&before);
                    open.push(scripts.len());
                    scripts.push(script);
                }
            }
        }
    }
    scripts
}

fn justfile(text: &str) -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line_number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        if line.starts_with([' ', '\t']) {
            if let Some(script) = scripts.last_mut() {
                if script.text.is_empty() {
                    script.line = line_number;
                }
                script.text.push_str(line.trim().trim_start_matches(['@', '-']));
                script.text.push('\n');
            }
            continue;
        }
        let head = line.split('#').next().unwrap_or_default();
        let Some((name, rest)) = head.split_once(':') else {
            continue;
        };
        if rest.starts_with('=') || name.starts_with(['[', '"']) {
            continue;
        }
        let Some(name) = name.split_whitespace().next() else {
            continue;
        };
        let mut script = Script::new(name.trim_start_matches('@'), "", line_number);
        script.before = rest
            .split_whitespace()
            .filter(|word| !word.starts_with(['(', '&']))
            .map(str::to_owned)
            .collect();
        scripts.push(script);
    }
    scripts
}

fn taskfile(text: &str) -> Vec<Script> {
    let read = yaml::read(text);
    let tasks = read.documents.first().and_then(|root| root.get("tasks"));
    let mut scripts = Vec::new();
    for (key, node) in tasks.map_or(&[][..], yaml::Node::members) {
        let commands = match node.get("cmds").or_else(|| node.get("cmd")) {
            Some(commands) => commands,
            None => node,
        };
        let mut script = Script::new(&key.name, "", key.line);
        for command in commands.each() {
            if let Some(text) = command.text().or_else(|| command.text_of("cmd")) {
                if script.text.is_empty() {
                    script.line = command.line;
                }
                script.text.push_str(text);
                script.text.push('\n');
            }
            if let Some(task) = command.text_of("task") {
                script.before.push(task.to_owned());
            }
        }
        for need in node.get("deps").map_or(&[][..], yaml::Node::each) {
            if let Some(task) = need.text().or_else(|| need.text_of("task")) {
                script.before.push(task.to_owned());
            }
        }
        scripts.push(script);
    }
    scripts
}

/// `[testenv]` and `[testenv:name]` with their `commands`.
fn tox(text: &str) -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    let (mut section, mut within) = (None::<String>, false);
    for (number, line) in text.lines().enumerate() {
        let line_number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        if let Some(name) = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = match name {
                "testenv" => Some(String::new()),
                _ => name.strip_prefix("testenv:").map(str::to_owned),
            };
            within = false;
            continue;
        }
        let Some(name) = &section else { continue };
        let command = if line.starts_with([' ', '\t']) && within {
            line.trim()
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with([' ', '\t'])
        {
            within = key.trim() == "commands";
            if !within {
                continue;
            }
            value.trim()
        } else {
            continue;
        };
        let script = match scripts.iter().position(|script| &script.name == name) {
            Some(index) => &mut scripts[index],
            None => {
                scripts.push(Script::new(name, "", line_number));
                let last = scripts.len() - 1;
                &mut scripts[last]
            }
        };
        let command = command.trim_start_matches(['-', ' ']);
        if !command.is_empty() {
            script.text.push_str(&command.replace("{posargs}", ""));
            script.text.push('\n');
        }
    }
    scripts
}

/// Functions of `session`, and what they give to `session.run(...)`.
fn nox(text: &str) -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line_number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        if let Some(rest) = line.strip_prefix("def ") {
            let name = rest.split('(').next().unwrap_or_default();
            scripts.push(Script::new(name.replace('_', "-"), "", line_number));
            continue;
        }
        if let Some((_, rest)) = line.split_once("session.run(")
            && let Some(script) = scripts.last_mut()
        {
            let words: Vec<&str> = rest
                .split(',')
                .map(|word| word.trim().trim_end_matches(')'))
                .filter(|word| word.starts_with(['"', '\'']))
                .collect();
            script.text.push_str(&words.join(" "));
            script.text.push('\n');
        }
    }
    scripts
}

/// Scripts of poe, PDM, Hatch and taskipy.
fn pyproject(text: &str) -> Vec<Script> {
    let Ok(root) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let tool = root.get("tool").and_then(toml::Value::as_table);
    let mut scripts = Vec::new();
    let tables = [
        &["poe", "tasks"][..],
        &["pdm", "scripts"],
        &["taskipy", "tasks"],
        &["pixi", "tasks"],
        &["hatch", "envs", "default", "scripts"],
    ];
    for path in tables {
        let mut table = tool;
        for part in path {
            table = table.and_then(|table| table.get(*part)).and_then(toml::Value::as_table);
        }
        for (name, value) in table.into_iter().flatten() {
            let command = |value: &toml::Value| {
                value
                    .as_str()
                    .or_else(|| value.get("cmd").and_then(toml::Value::as_str))
                    .or_else(|| value.get("shell").and_then(toml::Value::as_str))
                    .or_else(|| value.get("composite").and_then(toml::Value::as_str))
                    .map(str::to_owned)
            };
            let commands: Vec<String> = match value.as_array() {
                Some(list) => list.iter().filter_map(command).collect(),
                None => command(value).into_iter().collect(),
            };
            let line = line_of(text, &format!("\n{name} ="));
            scripts.push(Script::new(name, commands.join("\n"), line + 1));
        }
    }
    scripts
}

fn cargo_aliases(text: &str) -> Vec<Script> {
    let Ok(root) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let aliases = root.get("alias").and_then(toml::Value::as_table);
    aliases
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| {
            let words = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Array(list) => list
                    .iter()
                    .filter_map(toml::Value::as_str)
                    .collect::<Vec<_>>()
                    .join(" "),
                _ => return None,
            };
            Some(Script::new(
                name,
                format!("cargo {words}"),
                line_of(text, &format!("\n{name}")) + 1,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_found_with_their_lines_and_what_runs_before() {
        let make = "A := 1\nall: build test\n\nbuild:\n\tcargo build\n\ntest: build ## tests\n\t@cargo test \\\n\t  --all\n.PHONY: all\n";
        let scripts = scripts_of("Makefile", make);
        let names: Vec<&str> = scripts.iter().map(|script| script.name.as_str()).collect();
        assert_eq!(names, ["all", "build", "test"]);
        assert_eq!(scripts[0].before, ["build", "test"]);
        assert_eq!(
            (scripts[2].text.as_str(), scripts[2].line),
            ("cargo test \\\n  --all\n", 8)
        );
    }

    #[test]
    fn scripts_of_other_files_are_found() {
        let just = scripts_of(
            "justfile",
            "default: test\n\ntest arg='': build\n    cargo test {{arg}}\n",
        );
        assert_eq!(just[1].text, "cargo test {{arg}}\n");
        assert_eq!(just[1].before, ["build"]);
        let tox = scripts_of(
            "tox.ini",
            "[testenv]\ncommands =\n    pytest {posargs}\n[testenv:lint]\ncommands = flake8 src\n",
        );
        assert_eq!(tox[0].text, "pytest \n");
        assert_eq!((tox[1].name.as_str(), tox[1].text.as_str()), ("lint", "flake8 src\n"));
        let package = scripts_of("a/package.json", "{\n\t\"scripts\": {\n\t\t\"test\": \"jest\"\n\t}\n}");
        assert_eq!((package[0].text.as_str(), package[0].line), ("jest", 3));
        let nox = scripts_of(
            "noxfile.py",
            "@nox.session\ndef tests(session):\n    session.run('pytest', '-q')\n",
        );
        assert_eq!(nox[0].text, "'pytest' '-q'\n");
        let task = scripts_of(
            "Taskfile.yml",
            "tasks:\n  test:\n    deps: [build]\n    cmds:\n      - go test ./...\n",
        );
        assert_eq!((task[0].text.as_str(), task[0].line), ("go test ./...\n", 5));
    }
}
