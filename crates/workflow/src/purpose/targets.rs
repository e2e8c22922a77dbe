//! Commands that run a script by its name: which script, of which file.

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The files that may hold it, by their names, the likeliest first.
    pub files: &'static [&'static str],
    /// The names asked for; empty for the first script of the file.
    pub names: Vec<String>,
    /// The folder it is asked in, relative to the command's own; absent for the same.
    pub folder: Option<String>,
    /// Whether all files of that name in the tree are asked, as a workspace does.
    pub everywhere: bool,
    /// Whether a name that is not found there may be a program instead: `yarn jest`.
    pub or_program: bool,
}

const PACKAGE: &[&str] = &["package.json"];
const MAKE: &[&str] = &["GNUmakefile", "makefile", "Makefile"];
const JUST: &[&str] = &["justfile", "Justfile", ".justfile", "JUSTFILE"];
const TASK: &[&str] = &["Taskfile.yml", "Taskfile.yaml", "taskfile.yml", "taskfile.yaml"];
const TOX: &[&str] = &["tox.ini", "setup.cfg"];
const NOX: &[&str] = &["noxfile.py"];
const PYPROJECT: &[&str] = &["pyproject.toml"];
const COMPOSER: &[&str] = &["composer.json"];
const DENO: &[&str] = &["deno.json", "deno.jsonc"];
const CARGO: &[&str] = &[".cargo/config.toml", ".cargo/config"];

/// Commands of package managers that are no scripts.
const NO_SCRIPTS: &[&str] = &[
    "install",
    "i",
    "ci",
    "add",
    "remove",
    "publish",
    "pack",
    "audit",
    "version",
    "config",
    "login",
    "whoami",
    "set",
    "cache",
    "global",
    "link",
    "up",
    "upgrade",
    "update",
    "dedupe",
    "prune",
    "fetch",
    "store",
    "import",
    "init",
    "create",
    "exec",
    "dlx",
    "info",
    "view",
    "ls",
    "list",
    "why",
    "outdated",
    "rebuild",
    "root",
    "bin",
    "patch",
    "dist-tag",
    "token",
    "access",
    "deprecate",
    "plugin",
    "npm",
    "constraints",
    "node",
    "pkg",
    "x",
    "env",
];

/// The script a command runs, where it runs one by name.
pub(crate) fn of_command(program: &str, arguments: &[String]) -> Option<Target> {
    match program {
        "npm" | "pnpm" | "yarn" | "yarnpkg" | "bun" | "cnpm" => package(program, arguments),
        "lerna" | "nx" | "turbo" | "rush" | "wireit" | "wsrun" | "ultra" => workspace(program, arguments),
        "run-s" | "run-p" | "npm-run-all" | "concurrently" => listed(arguments),
        "make" | "gmake" | "mingw32-make" | "nmake" => Some(make(arguments)),
        "just" => Some(simple(
            JUST,
            arguments,
            &["-f", "--justfile", "-d", "--working-directory"],
        )),
        "task" | "go-task" => Some(simple(TASK, arguments, &["-t", "--taskfile", "-d", "--dir"])),
        "tox" => Some(chosen(TOX, arguments, &["-e"], "")),
        "nox" => Some(chosen(
            NOX,
            arguments,
            &["-s", "--session", "--sessions", "-e"],
            "tests",
        )),
        "poe" | "poethepoet" => Some(simple(PYPROJECT, arguments, &["-C"])),
        "pdm" | "hatch" | "pixi" | "rye" | "taskipy" => named_run(PYPROJECT, arguments),
        "composer" => named_run(COMPOSER, arguments).or_else(|| first(COMPOSER, arguments)),
        "deno" if arguments.first().is_some_and(|word| word == "task") => Some(simple(DENO, &arguments[1..], &[])),
        "cargo" => first(CARGO, arguments),
        _ => None,
    }
}

fn target(files: &'static [&'static str], names: Vec<String>) -> Target {
    Target {
        files,
        names,
        folder: None,
        everywhere: false,
        or_program: false,
    }
}

fn package(program: &str, arguments: &[String]) -> Option<Target> {
    let mut at = 0;
    let (mut folder, mut everywhere) = (None, false);
    let mut names = Vec::new();
    let mut runs = false;
    let mut workspace_name: Option<String> = None;
    while let Some(word) = arguments.get(at) {
        at += 1;
        match word.as_str() {
            "--prefix" | "-C" | "--dir" | "--cwd" => {
                folder = arguments.get(at).cloned();
                at += 1;
            }
            "-w" | "--workspace" | "--filter" | "-F" if program != "pnpm" || word != "-w" => {
                everywhere = true;
                workspace_name = arguments.get(at).cloned();
                at += 1;
            }
            "-r" | "--recursive" | "-ws" | "--workspaces" => everywhere = true,
            "run" | "run-script" | "rum" | "urn" if !runs => runs = true,
            "workspaces" => {
                everywhere = true;
                // `yarn workspaces foreach -A run x`
                if arguments.get(at).is_some_and(|word| word == "foreach") {
                    at += 1;
                }
            }
            "workspace" if program == "yarn" => {
                everywhere = true;
                workspace_name = arguments.get(at).cloned();
                at += 1;
            }
            "t" | "tst" if program == "npm" => names.push("test".to_owned()),
            _ => {
                if let Some(value) = ["--prefix=", "--dir=", "--cwd=", "-C="]
                    .iter()
                    .find_map(|option| word.strip_prefix(option))
                {
                    folder = Some(value.to_owned());
                } else if word.starts_with("--filter=") || word.starts_with("--workspace=") {
                    everywhere = true;
                } else if !word.starts_with('-') {
                    names.push(word.clone());
                    break;
                }
            }
        }
    }
    let _ = workspace_name;
    let name = names.first()?;
    if !runs {
        if NO_SCRIPTS.contains(&name.as_str()) {
            return None;
        }
        if matches!(program, "npm") && !matches!(name.as_str(), "test" | "start" | "stop" | "restart") {
            return None;
        }
        if program == "bun" && matches!(name.as_str(), "test" | "build") {
            return None;
        }
    }
    Some(Target {
        files: PACKAGE,
        names,
        folder,
        everywhere,
        or_program: matches!(program, "yarn" | "pnpm" | "bun" | "yarnpkg"),
    })
}

fn workspace(program: &str, arguments: &[String]) -> Option<Target> {
    let mut names: Vec<String> = Vec::new();
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    match (program, words.first().map(|word| word.as_str())) {
        ("lerna", Some("run")) | ("turbo", Some("run")) | ("nx", Some("run-many" | "affected" | "run")) => {
            for option in arguments {
                if let Some(list) = option
                    .strip_prefix("--target=")
                    .or_else(|| option.strip_prefix("--targets="))
                {
                    names.extend(list.split(',').map(str::to_owned));
                }
            }
            if names.is_empty() {
                names.extend(words.iter().skip(1).map(|word| {
                    // `nx run project:target`
                    word.rsplit(':').next().unwrap_or(word).to_owned()
                }));
            }
        }
        ("turbo", Some(_)) => names.extend(words.iter().map(|word| (*word).clone())),
        ("nx", Some(name)) => names.push(name.to_owned()),
        _ => return None,
    }
    let mut target = target(PACKAGE, names);
    target.everywhere = true;
    Some(target)
}

fn listed(arguments: &[String]) -> Option<Target> {
    let names: Vec<String> = arguments
        .iter()
        .filter(|word| !word.starts_with('-'))
        .map(|word| word.trim_start_matches("npm:").to_owned())
        .filter(|word| !word.contains(' '))
        .collect();
    (!names.is_empty()).then(|| target(PACKAGE, names))
}

fn make(arguments: &[String]) -> Target {
    let mut target = target(MAKE, Vec::new());
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        at += 1;
        match word.as_str() {
            "-C" | "--directory" => {
                target.folder = arguments.get(at).cloned();
                at += 1;
            }
            "-f" | "--file" | "-I" | "-W" | "-o" => at += 1,
            "-j" | "-l" => {
                if arguments
                    .get(at)
                    .is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()))
                {
                    at += 1;
                }
            }
            _ if word.starts_with("--directory=") => {
                target.folder = word.split_once('=').map(|(_, folder)| folder.to_owned());
            }
            _ if word.starts_with("-C") && word.len() > 2 => target.folder = Some(word[2..].to_owned()),
            _ if word.starts_with(['-', '/']) || word.contains('=') || word.starts_with('$') => {}
            _ => target.names.push(word.clone()),
        }
    }
    target
}

fn simple(files: &'static [&'static str], arguments: &[String], values: &[&str]) -> Target {
    let mut target = target(files, Vec::new());
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        at += 1;
        if word == "--" {
            break;
        }
        if values.contains(&word.as_str()) {
            at += 1;
        } else if !word.starts_with('-') && !word.contains('=') {
            target.names.push(word.clone());
        }
    }
    target
}

fn chosen(files: &'static [&'static str], arguments: &[String], options: &[&str], otherwise: &str) -> Target {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        at += 1;
        if options.contains(&word.as_str()) {
            while let Some(name) = arguments.get(at).filter(|name| !name.starts_with('-')) {
                names.extend(name.split(',').map(str::to_owned));
                at += 1;
            }
        } else if let Some(list) = word.strip_prefix("-e") {
            names.extend(list.trim_start_matches('=').split(',').map(str::to_owned));
        }
    }
    if names.is_empty() {
        names.push(otherwise.to_owned());
    }
    target(files, names)
}

fn named_run(files: &'static [&'static str], arguments: &[String]) -> Option<Target> {
    let mut words = arguments.iter().filter(|word| !word.starts_with('-'));
    match words.next()?.as_str() {
        "run" | "run-script" => {
            let name = words.next()?;
            // Hatch names the environment before: `hatch run test:unit`.
            let mut target = target(files, vec![name.clone()]);
            target.or_program = true;
            Some(target)
        }
        _ => None,
    }
}

fn first(files: &'static [&'static str], arguments: &[String]) -> Option<Target> {
    let name = arguments.iter().find(|word| !word.starts_with(['-', '+']))?;
    Some(target(files, vec![name.clone()]))
}
