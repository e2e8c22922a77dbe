//! Single commands out of the text of a script.

/// A command on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub text: String,
    /// Its words without assignments before the program; quotes are left as they are.
    pub words: Vec<String>,
}

/// The commands of a script; nothing where it is more than a list of them.
pub(crate) fn split(text: &str) -> Option<Vec<Command>> {
    const SHAPES: &[&str] = &[
        "if", "for", "while", "until", "case", "function", "then", "else", "elif", "fi", "do", "done", "esac", "{",
        "}", "(", ")", "[[", "trap", "foreach", "try",
    ];
    let mut commands = Vec::new();
    let mut whole = String::new();
    for line in text.lines() {
        let line = line.trim();
        if whole.is_empty() && (line.is_empty() || line.starts_with('#')) {
            continue;
        }
        if let Some(start) = line.strip_suffix('\\') {
            whole.push_str(start.trim_end());
            whole.push(' ');
            continue;
        }
        whole.push_str(line);
        let line = std::mem::take(&mut whole);
        let first = line.split([' ', '\t', ';', '(']).next().unwrap_or_default();
        if SHAPES.contains(&first) || line.starts_with('(') || line.contains("<<") || line.contains("() {") {
            return None;
        }
        for part in parts(&line) {
            if SHAPES.contains(&part.split_whitespace().next().unwrap_or_default()) {
                return None;
            }
            commands.push(Command::new(&part));
        }
    }
    if !whole.trim().is_empty() {
        commands.push(Command::new(whole.trim()));
    }
    Some(commands)
}

/// A line cut at `&&` and `;` that stand outside of quotes.
fn parts(line: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '&') if chars.peek() == Some(&'&') => {
                chars.next();
                parts.push(std::mem::take(&mut part));
                continue;
            }
            (None, ';') => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part);
    parts
        .iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

impl Command {
    pub fn new(text: &str) -> Self {
        let text = text.split(" #").next().unwrap_or_default().trim().to_owned();
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let assignments = words
            .iter()
            .take_while(|word| {
                word.split_once('=').is_some_and(|(name, _)| {
                    !name.is_empty()
                        && name
                            .chars()
                            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
                })
            })
            .count();
        words.drain(..assignments);
        Self { text, words }
    }

    /// The program, without the folder it lies in.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    pub fn starts(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && words.iter().zip(&self.words).all(|(wanted, word)| word == wanted)
    }

    /// The line of a file that it stands in, looked for from a line on.
    pub fn line_in(&self, file: &str, from: u32) -> u32 {
        let wanted: String = self.text.chars().take(40).collect();
        let start = usize::try_from(from.saturating_sub(1)).unwrap_or(0);
        file.lines()
            .enumerate()
            .skip(start)
            .take(200)
            .find(|(_, line)| line.contains(wanted.trim()))
            .and_then(|(at, _)| u32::try_from(at + 1).ok())
            .unwrap_or(from)
    }

    /// Whether it only says or looks at something.
    pub fn is_talk(&self) -> bool {
        let shows = self.words.len() == 2 && matches!(self.word(1), "--version" | "-V" | "-v" | "version" | "-version");
        shows
            || self.words.is_empty()
            || matches!(
                self.program(),
                "echo"
                    | "ls"
                    | "pwd"
                    | "env"
                    | "printenv"
                    | "true"
                    | "printf"
                    | "set"
                    | "date"
                    | "uname"
                    | "whoami"
                    | "df"
                    | "free"
                    | ":"
                    | "exit"
            )
            || self.starts(&["git", "config"])
            || self.starts(&["git", "fetch"])
            || self.starts(&["corepack", "enable"])
    }

    /// Whether it changes the machine rather than the folder.
    pub fn is_machine(&self) -> bool {
        matches!(
            self.program(),
            "sudo"
                | "apt"
                | "apt-get"
                | "apk"
                | "dnf"
                | "yum"
                | "brew"
                | "choco"
                | "rustup"
                | "curl"
                | "wget"
                | "pipx"
                | "nvm"
                | "pyenv"
                | "systemctl"
                | "service"
                | "chmod"
                | "chown"
                | "ln"
                | "snap"
                | "gem"
                | "conda"
                | "source"
                | "."
                | "export"
                | "tar"
                | "unzip"
        ) || (matches!(self.program(), "npm" | "pnpm" | "yarn") && (self.has("-g") || self.has("--global")))
            || (self.program() == "git" && !self.starts(&["git", "diff"]))
            || self.starts(&["cargo", "install"])
            || self.starts(&["cargo", "binstall"])
            || self.starts(&["go", "install"])
            || self.starts(&["go", "mod"])
            || self.starts(&["docker", "login"])
    }

    /// The folder it goes to, where that is all it does.
    pub fn changes_folder(&self) -> Option<&str> {
        (self.words.len() == 2 && matches!(self.program(), "cd" | "pushd")).then(|| self.word(1))
    }

    /// Whether it uses a value that only another system knows.
    pub fn value_of_elsewhere(&self) -> bool {
        const BEGINNINGS: &[&str] = &[
            "GITHUB_",
            "RUNNER_",
            "ACTIONS_",
            "CI_",
            "CIRCLE_",
            "TRAVIS_",
            "BUILD_",
            "SYSTEM_",
            "AGENT_",
            "DRONE_",
            "BUILDKITE_",
            "GITLAB_",
        ];
        self.text.contains("${{")
            || self.text.contains("<<")
            || self.text.split('$').skip(1).any(|after| {
                let name = after.trim_start_matches('{');
                BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
            })
    }

    /// The same for a command whose quoted words may hold what a shell would read outside of them.
    pub fn is_plain_but_for_quotes(&self) -> bool {
        let mut outside = String::new();
        let mut quote = None;
        for c in self.text.chars() {
            match quote {
                Some(open) if c == open => quote = None,
                Some(_) => {}
                None if matches!(c, '"' | '\'') => quote = Some(c),
                None => outside.push(c),
            }
        }
        let substitutes = self.text.contains('`') || self.text.contains("$(");
        quote.is_none() && !outside.contains(['|', '>', '<', '&']) && !substitutes
    }

    /// Whether a shell does more with it than start it.
    pub fn is_plain(&self) -> bool {
        !self.text.contains(['|', '>', '<', '`', '&']) && !self.text.contains("$(") && self.words.len() < 60
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<String> {
        split(script).unwrap().into_iter().map(|command| command.text).collect()
    }

    #[test]
    fn a_list_of_commands_is_split_and_a_program_is_not() {
        assert_eq!(
            texts("# first\nnpm ci && npm test\ncargo test \\\n  --all\nsh -c 'a && b'; ls"),
            ["npm ci", "npm test", "cargo test --all", "sh -c 'a && b'", "ls"]
        );
        assert!(split("if [ x ]; then\n make\nfi").is_none());
        assert!(split("cat <<EOF\nx\nEOF").is_none());
    }

    #[test]
    fn values_of_other_systems_are_noticed() {
        let value = |text: &str| Command::new(text).value_of_elsewhere();
        assert!(value("cargo test ${{ matrix.flags }}"));
        assert!(value("echo $GITHUB_SHA"));
        assert!(!value("make CFLAGS=$CFLAGS"));
    }

    #[test]
    fn assignments_before_a_program_are_no_words() {
        let command = Command::new("RUST_LOG=x CI=1 cargo test # all");
        assert_eq!(command.program(), "cargo");
        assert_eq!(command.text, "RUST_LOG=x CI=1 cargo test");
    }
}
