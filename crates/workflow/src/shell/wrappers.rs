//! Programs that start another program: what they start is what counts.

use super::Command;

/// How many wrappers around one another are taken off.
const DEEPEST: usize = 8;

/// What is inside of a command's wrappers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwrapped {
    /// The command itself, or the one in its wrappers.
    Command(Command),
    /// A text that is run by a shell.
    Text(String, Command),
}

/// Programs whose first word that is no option is the program they start. After each: options that
/// take a value of their own.
const PLAIN: &[(&str, &[&str])] = &[
    ("sudo", &["-u", "-g", "-E"]),
    ("doas", &["-u"]),
    ("exec", &[]),
    ("command", &[]),
    ("nohup", &[]),
    ("nice", &["-n"]),
    ("ionice", &["-c", "-n"]),
    ("stdbuf", &[]),
    ("unbuffer", &[]),
    ("setsid", &[]),
    ("xargs", &["-n", "-P", "-I", "-L", "-d"]),
    ("npx", &["-p", "--package", "-c"]),
    ("bunx", &[]),
    ("pnpx", &[]),
    ("dbus-run-session", &[]),
    ("xvfb-run", &["-s", "--server-args", "-n"]),
    ("cross-env", &[]),
    ("dotenv", &["-e", "-f", "-c"]),
    ("uvx", &["--from", "--with"]),
    ("chronic", &[]),
    ("time", &[]),
    ("travis_wait", &[]),
    ("travis_retry", &[]),
    (
        "retry",
        &["-t", "-s", "--times", "--sleep", "--tries", "-n", "-d", "-a"],
    ),
    ("tini", &[]),
    ("aws-vault", &[]),
    ("ts-node", &[]),
    ("eatmydata", &[]),
    ("linux32", &[]),
    ("cross", &[]),
];

/// Programs that start another one after words of their own.
const AFTER_WORDS: &[(&str, &[&str])] = &[
    ("pnpm", &["exec"]),
    ("pnpm", &["dlx"]),
    ("yarn", &["dlx"]),
    ("yarn", &["exec"]),
    ("yarn", &["run", "-T"]),
    ("npm", &["exec"]),
    ("npm", &["x"]),
    ("bun", &["x"]),
    ("uv", &["run"]),
    ("uv", &["tool", "run"]),
    ("poetry", &["run"]),
    ("pipenv", &["run"]),
    ("pdm", &["run"]),
    ("rye", &["run"]),
    ("pipx", &["run"]),
    ("pixi", &["run"]),
    ("conda", &["run"]),
    ("mamba", &["run"]),
    ("bundle", &["exec"]),
    ("bundler", &["exec"]),
    ("rvm", &["do"]),
    ("composer", &["exec"]),
    ("dotnet", &["tool", "run"]),
    ("mise", &["exec"]),
    ("mise", &["x"]),
    ("asdf", &["exec"]),
    ("devbox", &["run"]),
    ("doppler", &["run"]),
    ("op", &["run"]),
    ("chamber", &["exec"]),
    ("aws-vault", &["exec"]),
    ("sops", &["exec-env"]),
    ("direnv", &["exec"]),
    ("nvm", &["exec"]),
    ("fnm", &["exec"]),
    ("volta", &["run"]),
    ("rustup", &["run"]),
    ("hatch", &["run"]),
    ("opam", &["exec"]),
    ("stack", &["exec"]),
    ("cabal", &["exec"]),
    ("heroku", &["run"]),
    ("dagger", &["run"]),
    ("infisical", &["run"]),
];

/// Options with a value of those programs.
const VALUES: &[&str] = &[
    "-n",
    "-p",
    "--with",
    "--extra",
    "--group",
    "--python",
    "--project",
    "--directory",
    "--package",
    "-e",
    "--env",
    "--env-file",
    "-f",
    "--filter",
    "-C",
    "--dir",
    "-a",
    "--app",
    "--prefix",
    "-c",
    "--config",
    "--only-group",
];

/// Takes the wrappers off a command.
pub fn unwrap(command: Command) -> Unwrapped {
    let mut command = command;
    for _ in 0..DEEPEST {
        match step(&command) {
            Step::Same => return Unwrapped::Command(command),
            Step::Words(words) => command.words = words,
            Step::Text(text) => return Unwrapped::Text(text, command),
        }
    }
    Unwrapped::Command(command)
}

enum Step {
    Same,
    Words(Vec<String>),
    Text(String),
}

fn step(command: &Command) -> Step {
    let words = &command.words;
    let program = command.program();
    let rest = |skip: usize, values: &[&str]| match after_options(&words[skip.min(words.len())..], values) {
        Some(inner) if !inner.is_empty() => Step::Words(inner.to_vec()),
        _ => Step::Same,
    };
    match program {
        "bash" | "sh" | "zsh" | "dash" | "ash" | "pwsh" | "powershell" | "cmd" => shell(words),
        "env" => {
            let inner: Vec<String> = words[1..]
                .iter()
                .skip_while(|word| word.contains('=') || word.starts_with('-'))
                .cloned()
                .collect();
            if inner.is_empty() {
                Step::Same
            } else {
                Step::Words(inner)
            }
        }
        "cross-env" | "dotenv" | "cross-env-shell" => {
            let inner: Vec<String> = words[1..]
                .iter()
                .skip_while(|word| word.contains('=') || word.starts_with('-'))
                .cloned()
                .collect();
            if inner.is_empty() {
                Step::Same
            } else {
                Step::Words(inner)
            }
        }
        "eval" => Step::Text(words[1..].join(" ")),
        "timeout" | "gtimeout" => match after_options(&words[1..], &["-s", "--signal", "-k", "--kill-after"]) {
            Some([_, inner @ ..]) if !inner.is_empty() => Step::Words(inner.to_vec()),
            _ => Step::Same,
        },
        "python" | "python3" | "python2" | "py" => {
            if let Some(at) = words.iter().position(|word| word == "-m")
                && at + 1 < words.len()
                && at <= 3
            {
                let mut inner = words[at + 1..].to_vec();
                if inner[0] == "build" {
                    // The module goes by another name as a program.
                    inner[0] = "pyproject-build".to_owned();
                }
                return Step::Words(inner);
            }
            Step::Same
        }
        "nix" | "nix-shell" | "nix-develop" => nix(words),
        "docker" | "podman" | "docker-compose" | "podman-compose" => docker(words),
        "wsl" | "winpty" if words.len() > 1 => rest(1, &["-d", "-u", "-e"]),
        "npx" if words.iter().any(|word| word == "-c") => words
            .iter()
            .position(|word| word == "-c")
            .and_then(|at| words.get(at + 1))
            .map_or(Step::Same, |text| Step::Text(text.clone())),
        "cross" => Step::Same,
        _ => {
            if let Some((_, values)) = PLAIN.iter().find(|(name, _)| *name == program) {
                if program == "ts-node" {
                    return Step::Same;
                }
                return rest(1, values);
            }
            for (name, own) in AFTER_WORDS {
                if *name == program
                    && words.len() > own.len() + 1
                    && own.iter().zip(&words[1..]).all(|(own, word)| *own == word.as_str())
                {
                    return rest(1 + own.len(), VALUES);
                }
            }
            Step::Same
        }
    }
}

/// What follows options, and `--`.
fn after_options<'a>(words: &'a [String], values: &[&str]) -> Option<&'a [String]> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            return Some(&words[at + 1..]);
        }
        if !word.starts_with('-') {
            return Some(&words[at..]);
        }
        at += if values.contains(&word.as_str()) { 2 } else { 1 };
    }
    None
}

fn shell(words: &[String]) -> Step {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let lower = word.to_ascii_lowercase();
        if matches!(lower.as_str(), "-command" | "/c" | "-c")
            || (word.starts_with('-') && !word.starts_with("--") && word.len() <= 6 && word.ends_with('c'))
        {
            let text = words[at + 1..].join(" ");
            return if lower == "-c" || word.starts_with('-') && words.len() > at + 1 && !lower.starts_with("-com") {
                Step::Text(words.get(at + 1).cloned().unwrap_or_default())
            } else {
                Step::Text(text)
            };
        }
        if matches!(lower.as_str(), "-o" | "-executionpolicy" | "-ep") {
            at += 2;
        } else if lower == "-file" || lower == "-f" {
            at += 1;
            break;
        } else if word.starts_with('-') || word.starts_with('+') {
            at += 1;
        } else {
            break;
        }
    }
    if at > 0 && at < words.len() {
        let mut inner = words[at..].to_vec();
        // A file that a shell is given is a script, whatever its name looks like.
        if !inner[0].contains('/') && !inner[0].contains('\\') {
            inner[0] = format!("./{}", inner[0]);
        }
        return Step::Words(inner);
    }
    Step::Same
}

fn nix(words: &[String]) -> Step {
    for (at, word) in words.iter().enumerate().skip(1) {
        match word.as_str() {
            "--run" | "--command" | "-c" if words.len() > at + 1 => {
                return if words.len() == at + 2 {
                    Step::Text(words[at + 1].clone())
                } else {
                    Step::Words(words[at + 1..].to_vec())
                };
            }
            "run" | "build" | "flake" | "fmt" => return Step::Same,
            _ => {}
        }
    }
    Step::Same
}

/// Options of `docker run` and its like that take a value.
const DOCKER_VALUES: &[&str] = &[
    "-e",
    "--env",
    "--env-file",
    "-v",
    "--volume",
    "-w",
    "--workdir",
    "-u",
    "--user",
    "--name",
    "-p",
    "--publish",
    "--network",
    "--net",
    "--entrypoint",
    "--mount",
    "-f",
    "--file",
    "--platform",
    "--profile",
    "--add-host",
    "-l",
    "--label",
    "--memory",
    "-m",
    "--cpus",
    "-h",
    "--hostname",
    "--link",
    "--volumes-from",
    "--pull",
    "--ulimit",
    "--project-name",
    "--index",
    "--cap-add",
    "--device",
    "--shm-size",
    "--security-opt",
    "--tmpfs",
    "--ipc",
];

/// What an image is given that `docker run` runs: the image's own name as the program.
pub fn image_as_program(words: &[String]) -> Option<Vec<String>> {
    let at = words.iter().position(|word| word == "run").filter(|at| *at == 1)?;
    let (image, rest) = after_options(&words[at + 1..], DOCKER_VALUES)?.split_first()?;
    let name = image.split('@').next()?.rsplit('/').next()?.split(':').next()?;
    Some(std::iter::once(name.to_owned()).chain(rest.iter().cloned()).collect())
}

fn docker(words: &[String]) -> Step {
    let Some(at) = words.iter().position(|word| word == "run" || word == "exec") else {
        return Step::Same;
    };
    if at > 6 {
        return Step::Same;
    }
    // The image or service, then the command.
    match after_options(&words[at + 1..], DOCKER_VALUES) {
        Some([_, inner @ ..]) if !inner.is_empty() && !inner[0].starts_with('-') => Step::Words(inner.to_vec()),
        _ => Step::Same,
    }
}
