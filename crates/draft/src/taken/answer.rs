//! What a command of another definition is for a part, by the part's own tool.

use workflow::purpose::{Doing, Purpose};

use super::command::Command;
use crate::part::{Part, Role};
use crate::view::{View, join};

/// What a command is for a part.
pub(super) enum Answer {
    /// It replaces what the part's step of that role starts, or is a further step.
    Does(Role, &'static str),
    /// The part's own build starts this line already: it stays, whatever else is built.
    Builds(String),
    /// The part's own steps do it already.
    Covered,
    /// Why it is not taken.
    Not(String),
    /// It belongs to another part.
    Other,
}

pub(super) fn cargo(command: &Command) -> Answer {
    if command.program() != "cargo" {
        return match command.program() {
            "cross" | "trunk" | "wasm-pack" | "cargo-deny" => {
                Answer::Not(format!("wants `{}`, which Cargo does not bring", command.program()))
            }
            _ => Answer::Other,
        };
    }
    if let Some(toolchain) = command.word(1).strip_prefix('+') {
        return Answer::Not(format!("wants the toolchain `{toolchain}`"));
    }
    if command
        .words
        .iter()
        .any(|word| word == "--target" || word.starts_with("--target="))
    {
        return Answer::Not("builds for another platform".to_owned());
    }
    if command.words.iter().any(|word| word.starts_with("-Z")) {
        return Answer::Not("wants a nightly toolchain".to_owned());
    }
    match command.word(1) {
        "build" | "b" => {
            let is_usual = command.words[2..].iter().all(|word| {
                matches!(
                    word.as_str(),
                    "--release"
                        | "-r"
                        | "--locked"
                        | "--verbose"
                        | "-v"
                        | "-vv"
                        | "--workspace"
                        | "--all"
                        | "--bins"
                        | "--all-targets"
                )
            });
            if is_usual {
                Answer::Covered
            } else {
                Answer::Does(Role::Lint, "check")
            }
        }
        "test" | "t" if command.has("--no-run") => Answer::Covered,
        "test" | "t" => Answer::Does(Role::Test, "test"),
        "nextest" => Answer::Not("wants `cargo nextest`; `cargo test` runs the same tests".to_owned()),
        "fmt" => Answer::Does(Role::Format, "format"),
        "clippy" => Answer::Does(Role::Lint, "lint"),
        "check" | "doc" | "rustdoc" => Answer::Does(Role::Lint, "check"),
        "fetch" | "generate-lockfile" | "update" | "clean" | "metadata" | "package" => Answer::Covered,
        other => Answer::Not(format!("wants `cargo {other}`, which is no check that Cargo brings")),
    }
}

pub(super) fn go(command: &Command) -> Answer {
    match (command.program(), command.word(1)) {
        ("go", "test") => Answer::Does(Role::Test, "test"),
        ("go", "vet") => Answer::Does(Role::Lint, "lint"),
        ("go", "build") => Answer::Covered,
        ("go", "get") => Answer::Covered,
        ("golangci-lint" | "staticcheck" | "golint" | "gofumpt" | "govulncheck", _) => {
            Answer::Not(format!("wants `{}`, which Go does not bring", command.program()))
        }
        ("make", target) => Answer::Not(format!("the steps use Go itself instead of the Makefile's `{target}`")),
        _ => Answer::Other,
    }
}

pub(super) fn maven(command: &Command) -> Answer {
    if !matches!(command.program(), "mvn" | "./mvnw" | "mvnw") {
        return Answer::Other;
    }
    let goals: Vec<&str> = command.words[1..]
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let has = |names: &[&str]| goals.iter().any(|goal| names.contains(goal));
    if has(&["deploy", "site", "release:perform"]) {
        Answer::Not("publishes".to_owned())
    } else if has(&["verify", "install", "package"]) {
        Answer::Does(Role::Build, "build")
    } else if has(&["test", "compile", "test-compile"]) {
        Answer::Covered
    } else {
        Answer::Not("no phase that builds or tests".to_owned())
    }
}

pub(super) fn gradle(command: &Command) -> Answer {
    if !matches!(command.program(), "gradle" | "./gradlew" | "gradlew") {
        return Answer::Other;
    }
    let tasks: Vec<&str> = command.words[1..]
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with('-'))
        .collect();
    if tasks.contains(&"build") {
        Answer::Does(Role::Build, "build")
    } else if tasks
        .iter()
        .all(|task| matches!(*task, "check" | "test" | "assemble" | "jar" | "clean"))
    {
        Answer::Covered
    } else {
        Answer::Not("tasks beyond `build`".to_owned())
    }
}

/// The role of something by what it is known to do.
fn role_of(doings: &[Doing]) -> Option<(Role, &'static str)> {
    let has = |purposes: &[Purpose]| doings.iter().any(|doing| purposes.contains(&doing.purpose));
    if has(&[Purpose::Test, Purpose::Integration]) {
        Some((Role::Test, "test"))
    } else if has(&[Purpose::Lint, Purpose::Analysis]) {
        Some((Role::Lint, "lint"))
    } else if has(&[Purpose::Format]) {
        Some((Role::Format, "format"))
    } else if has(&[Purpose::Types]) {
        Some((Role::Types, "types"))
    } else if has(&[Purpose::Build]) {
        Some((Role::Build, "build"))
    } else {
        None
    }
}

pub(super) fn node(view: &View<'_>, part: &Part, command: &Command, doings: &[Doing]) -> Answer {
    let program = command.program();
    if !matches!(program, "npm" | "pnpm" | "yarn" | "npx" | "bun" | "bunx" | "node") {
        return match program {
            "make" | "cargo" | "go" | "python" | "pip" => Answer::Other,
            _ => Answer::Not(format!("`{program}` is no script of package.json")),
        };
    }
    let own = part.programs.iter().any(|known| known == program) || matches!(program, "npx" | "node" | "npm");
    if !own {
        return Answer::Not(format!("`{program}` is not the manager whose lock file lies here"));
    }
    let after = |at: usize| {
        let words = command.words.get(at..).unwrap_or_default();
        words.iter().map(String::as_str).find(|word| !word.starts_with('-'))
    };
    let (is_run, script) = match (command.word(1), command.word(2)) {
        ("run" | "run-script", first) if first.starts_with('-') => {
            let script = after(2).unwrap_or_default();
            return Answer::Not(format!(
                "starts `{script}` in members of the workspace: what it is for cannot be told"
            ));
        }
        ("run" | "run-script", script) => (true, script),
        ("test" | "t" | "tst", _) => (true, "test"),
        ("ci" | "install" | "i" | "add" | "", _) => return Answer::Covered,
        (word, _) if matches!(program, "yarn" | "pnpm" | "bun") && !word.starts_with('-') => (true, word),
        _ => (false, ""),
    };
    if !is_run {
        return match role_of(doings) {
            Some((role, name)) if program == "npx" && role != Role::Build => Answer::Does(role, name),
            _ => Answer::Not("what it is for cannot be told".to_owned()),
        };
    }
    let manifest = view.text_or_empty(&join(&part.folder, "package.json"));
    let value: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
    let text = value.pointer(&format!("/scripts/{}", script.replace('~', "~0").replace('/', "~1")));
    let Some(text) = text.and_then(serde_json::Value::as_str) else {
        // Not a script: a program that the packages bring.
        return match role_of(doings) {
            Some((role, name)) if role != Role::Build && !crate::stacks::wants_browser(&command.text) => {
                Answer::Does(role, name)
            }
            _ => Answer::Not(format!("package.json has no script `{script}`")),
        };
    };
    if text.contains("--fix") || text.contains("--write") || script.ends_with(":fix") {
        return Answer::Not("changes files instead of checking them".to_owned());
    }
    if crate::stacks::wants_browser(text) {
        return Answer::Not("wants a browser, which no registry brings".to_owned());
    }
    if script.starts_with("build") {
        let own = part.step(Role::Build).map(|step| step.run.iter()).into_iter().flatten();
        let own = own.into_iter().find(|line| line.ends_with(script)).cloned();
        return own.map_or(Answer::Does(Role::Build, "build"), Answer::Builds);
    }
    if part.steps.iter().any(|step| {
        let own = step.role == Role::Build || step.role == Role::Test;
        own && step.run.contains(&command.text)
    }) && role_of(doings).is_none_or(|(role, _)| !matches!(role, Role::Test))
    {
        return Answer::Covered;
    }
    match (script, role_of(doings)) {
        _ if script == "test" || script.starts_with("test:") => Answer::Does(Role::Test, "test"),
        (_, Some((role, name))) => Answer::Does(role, name),
        ("lint", None) => Answer::Does(Role::Lint, "lint"),
        ("test", None) => Answer::Does(Role::Test, "test"),
        _ => Answer::Not("what it is for cannot be told".to_owned()),
    }
}

pub(super) fn python(view: &View<'_>, part: &Part, command: &Command, doings: &[Doing]) -> Answer {
    let with = |program: &str| part.programs.iter().any(|known| known == program);
    let program = command.program();
    let module = (matches!(program, "python" | "python3") && command.word(1) == "-m").then(|| command.word(2));
    let tool = module.unwrap_or(program);
    match tool {
        "tox" | "nox" => {
            return Answer::Not("tests on several interpreters; the step starts the tests themselves".to_owned());
        }
        "pre-commit" | "prek" => return Answer::Not("fetches the checks it starts from elsewhere".to_owned()),
        "build" | "twine" | "flit" | "hatch" | "pdm" => return Answer::Covered,
        "virtualenv" | "venv" | "ensurepip" => return Answer::Covered,
        _ => {}
    }
    if with("uv") || with("poetry") {
        let manager = if with("uv") { "uv" } else { "poetry" };
        if program != manager {
            return match program {
                "pip" | "python" | "python3" | "pytest" => {
                    Answer::Not(format!("the steps install and start with {manager}"))
                }
                _ => Answer::Other,
            };
        }
        return match command.word(1) {
            "sync" | "install" => Answer::Does(Role::Install, "install"),
            "run" if command.has("tox") || command.has("nox") || command.has("pre-commit") => Answer::Not(
                "starts the checks in environments of their own; the step starts the tests themselves".to_owned(),
            ),
            "run" => match role_of(doings) {
                Some((Role::Build, _)) | None => Answer::Not("what it is for cannot be told".to_owned()),
                Some((role, name)) => Answer::Does(role, name),
            },
            "build" | "python" | "venv" | "lock" | "config" | "check" | "self" | "cache" => Answer::Covered,
            "pip" | "tool" => Answer::Not(format!("`{manager} sync` installs what the lock file says")),
            other => Answer::Not(format!("`{manager} {other}` neither installs nor checks")),
        };
    }
    match tool {
        "pip" | "pip3" => {
            let at = if module.is_some() { 3 } else { 1 };
            if command.word(at) != "install" {
                return Answer::Covered;
            }
            let wanted: Vec<&str> = command.words[at + 1..]
                .iter()
                .map(|word| name_of_requirement(word))
                .filter(|word| !word.starts_with("--up") && *word != "-U")
                .collect();
            let is_tooling = wanted.iter().all(|word| {
                matches!(
                    *word,
                    "pip"
                        | "setuptools"
                        | "wheel"
                        | "build"
                        | "twine"
                        | "tox"
                        | "nox"
                        | "hatch"
                        | "pdm"
                        | "flit"
                        | "tox-gh-actions"
                        | "virtualenv"
                        | "coveralls"
                        | "codecov"
                        | "pre-commit"
                        | "poetry"
                        | "uv"
                )
            });
            if is_tooling {
                Answer::Covered
            } else {
                Answer::Does(Role::Install, "install")
            }
        }
        "pytest" | "py.test" | "unittest" | "coverage" => match role_of(doings) {
            Some((Role::Test, _)) => Answer::Does(Role::Test, "test"),
            _ if tool != "coverage" => Answer::Does(Role::Test, "test"),
            _ => Answer::Not("reports on coverage, which the package does not need".to_owned()),
        },
        "setup.py" => Answer::Covered,
        "ruff" | "flake8" | "mypy" | "black" | "isort" | "pylint" | "pyright" => {
            Answer::Not(format!("`{tool}` is not among what the project itself installs"))
        }
        "python" | "python3" if command.word(1) == "setup.py" => Answer::Covered,
        "python" | "python3" if view.is_file(&join(&part.folder, command.word(1))) => match role_of(doings) {
            Some((role, name)) if role != Role::Build => Answer::Does(role, name),
            None if command.word(1).contains("test") => Answer::Does(Role::Test, "test"),
            _ => Answer::Not("what it is for cannot be told".to_owned()),
        },
        "make" => Answer::Not("the steps use Python itself instead of the Makefile".to_owned()),
        _ => Answer::Other,
    }
}

/// The name in a requirement, without quotes, extras and versions.
fn name_of_requirement(word: &str) -> &str {
    let word = word.trim_matches(['"', '\'']);
    match word.split_once(['<', '>', '=', '!', '~', '[', ';']) {
        Some((name, _)) if !word.starts_with('-') => name,
        _ => word,
    }
}

pub(super) fn make(command: &Command, doings: &[Doing]) -> Answer {
    if !matches!(command.program(), "make" | "gmake" | "./configure") {
        return Answer::Other;
    }
    match role_of(doings) {
        _ if command.words.len() == 1 => Answer::Covered,
        Some((Role::Build, _)) => Answer::Covered,
        Some((role, name)) => Answer::Does(role, name),
        None => match command.word(1) {
            "test" | "check" | "tests" => Answer::Does(Role::Test, "test"),
            "lint" => Answer::Does(Role::Lint, "lint"),
            "install" | "all" | "build" => Answer::Covered,
            _ if command.word(1).starts_with("-j") => Answer::Covered,
            target => Answer::Not(format!("what the target `{target}` is for cannot be told")),
        },
    }
}
