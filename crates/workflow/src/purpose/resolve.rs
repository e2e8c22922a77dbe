//! From a text of a step through the tree to what is done in the end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use evidence::Tree;

use super::files::Script;
use super::found::LARGEST;
use super::targets::{self, Target};
use super::wording::{is_shell, join, named_like, normal, parent};
use super::{Doing, Given, Purpose, parts, programs};
use crate::model::At;
use crate::shell::{self, Command, Unwrapped};

/// How many scripts are followed one after another.
const DEEPEST: usize = 6;
/// How many commands are looked at in all definitions of a tree.
const MOST_COMMANDS: usize = 60_000;

/// Finds out what texts do.
pub struct Resolver<'a> {
    pub(super) tree: &'a dyn Tree,
    pub(super) scripts: RefCell<HashMap<String, Rc<Vec<Script>>>>,
    pub(super) manifests: RefCell<Option<Rc<Vec<String>>>>,
    left: Cell<usize>,
}

/// Where a text stands.
#[derive(Debug, Clone)]
pub struct Context {
    /// The folder it runs in, from the root.
    pub folder: String,
    /// The file it stands in.
    pub file: String,
    /// The line of the file that the text's first line is.
    pub line: u32,
    /// The places it was reached from, the step's first.
    pub chain: Vec<At>,
    /// The names around it: of the job, the step, the scripts on the way.
    pub hints: String,
    /// Whether its failure is passed over.
    pub ignored: bool,
    /// How many scripts were followed.
    pub depth: usize,
}

impl Context {
    /// A step's own text.
    pub fn of_step(file: &str, line: u32, folder: &str, hints: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            file: file.to_owned(),
            line,
            chain: Vec::new(),
            hints: hints.to_owned(),
            ignored: false,
            depth: 0,
        }
    }

    fn at(&self, command: &Command) -> At {
        At::new(self.file.clone(), self.line.saturating_add(command.line))
    }

    fn of_script(&self, from: At, file: &str, line: u32, folder: &str, name: &str, ignored: bool) -> Self {
        let mut chain = self.chain.clone();
        chain.push(from);
        Self {
            folder: folder.to_owned(),
            file: file.to_owned(),
            line,
            chain,
            hints: format!("{} {name}", self.hints),
            ignored: self.ignored || ignored,
            depth: self.depth + 1,
        }
    }
}

impl<'a> Resolver<'a> {
    /// One for a tree.
    pub fn new(tree: &'a dyn Tree) -> Self {
        Self {
            tree,
            scripts: RefCell::default(),
            manifests: RefCell::default(),
            left: Cell::new(MOST_COMMANDS),
        }
    }

    /// The tree it looks in.
    pub fn tree(&self) -> &'a dyn Tree {
        self.tree
    }

    /// What a shell text does.
    pub fn text(&self, text: &str, context: &Context) -> Vec<Doing> {
        let mut out = Vec::new();
        self.run(text, context, &mut out);
        out
    }

    /// What a part does that others made; parts that take a script are followed into it.
    pub fn part(&self, name: &str, inputs: &[(String, String)], context: &Context) -> Vec<Doing> {
        let mut out = Vec::new();
        let at = At::new(context.file.clone(), context.line);
        let words = inputs
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(" ");
        if name.eq_ignore_ascii_case("actions/github-script") {
            self.github_script(inputs, &at, context, &mut out);
        }
        for give in parts::given_by(name, inputs) {
            let input = |name: &str| {
                inputs
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.clone())
            };
            match give.purpose {
                Purpose::Script => {
                    if let Some(text) = input(&give.detail) {
                        self.run(&text, context, &mut out);
                    }
                }
                Purpose::Gradle => {
                    if let Some(arguments) = input("arguments") {
                        self.run(&format!("gradle {arguments}"), context, &mut out);
                    }
                }
                Purpose::NpmCustom => {
                    if let Some(command) = input("customcommand") {
                        self.run(&format!("npm {command}"), context, &mut out);
                    }
                }
                _ => self.put(&give, name, &words, &at, context, false, &mut out),
            }
        }
        out
    }

    /// Calls of the programming interface that make tags and releases.
    fn github_script(&self, inputs: &[(String, String)], at: &At, context: &Context, out: &mut Vec<Doing>) {
        let Some((_, script)) = inputs.iter().find(|(key, _)| key == "script") else {
            return;
        };
        let mut gives = Vec::new();
        if script.contains(".createRelease(") {
            gives.extend([(Purpose::Release, ""), (Purpose::Publish, "github-release")]);
        }
        if script.contains(".createRef(") && script.contains("refs/tags/") {
            gives.push((Purpose::Tag, ""));
        }
        for (purpose, detail) in gives {
            let give = Given {
                purpose,
                detail: detail.to_owned(),
                environment: None,
            };
            self.put(&give, "actions/github-script", "", at, context, false, out);
        }
    }

    /// What a name alone says.
    pub fn name(&self, name: &str, tool: &str, context: &Context) -> Vec<Doing> {
        let mut out = Vec::new();
        let at = At::new(context.file.clone(), context.line);
        self.by_names(&[name.to_owned()], tool, name, &at, context, false, &mut out);
        out
    }

    fn run(&self, text: &str, context: &Context, out: &mut Vec<Doing>) {
        let mut context = context.clone();
        for command in shell::parse(text) {
            if self.left.get() == 0 {
                return;
            }
            self.left.set(self.left.get() - 1);
            if matches!(command.program(), "cd" | "pushd" | "Set-Location") {
                if let Some(folder) = command.words.get(1) {
                    context.folder = join(&context.folder, folder);
                }
                continue;
            }
            self.command(command, &context, out);
        }
    }

    fn command(&self, command: Command, context: &Context, out: &mut Vec<Doing>) {
        let at = context.at(&command);
        // What an image does that is run, whatever it is given to do.
        if matches!(command.program(), "docker" | "podman" | "docker-compose") {
            let compose = normal(&command.words);
            let gives = programs::of_command("docker", &compose).unwrap_or_default();
            let texts = compose.join(" ");
            for give in &gives {
                self.put(give, "docker", &texts, &at, context, command.ignored, out);
            }
            // An image that goes by the name of its program is that program.
            if let Some(words) = shell::image_as_program(&command.words)
                && programs::knows(&words[0])
            {
                let gives = programs::of_command(&words[0], &words[1..]).unwrap_or_default();
                let texts = words.join(" ");
                for give in gives.iter().filter(|give| give.purpose != Purpose::Setup) {
                    self.put(give, &words[0], &texts, &at, context, command.ignored, out);
                }
            }
        }
        let ignored = command.ignored;
        let command = match shell::unwrap(command) {
            Unwrapped::Command(command) => command,
            Unwrapped::Text(text, outer) => {
                let mut inner = context.clone();
                inner.line = inner.line.saturating_add(outer.line);
                inner.ignored |= ignored;
                inner.depth += 1;
                if inner.depth <= DEEPEST {
                    self.run(&text, &inner, out);
                }
                return;
            }
        };
        let program = command.program().to_owned();
        let arguments = &command.words[1.min(command.words.len())..];
        let texts = command.words.join(" ");
        if matches!(program.as_str(), "docker" | "podman" | "docker-compose") {
            return;
        }
        if let Some(target) = targets::of_command(&program, arguments)
            && self.target(&target, &command, context, &at, ignored, out)
        {
            return;
        }
        let known = programs::of_command(&program, arguments);
        if let Some(gives) = &known {
            for give in gives {
                self.put(give, &program, &texts, &at, context, ignored, out);
            }
            let goals = matches!(
                program.as_str(),
                "gradle" | "gradlew" | "rake" | "cap" | "mage" | "fastlane"
            );
            if goals && gives.is_empty() {
                self.by_names(arguments, &program, &texts, &at, context, ignored, out);
            }
            if !gives.is_empty() || goals {
                return;
            }
        }
        if matches!(
            program.as_str(),
            "rake" | "gulp" | "grunt" | "invoke" | "inv" | "earthly" | "fab" | "mage" | "cake"
        ) {
            self.by_names(arguments, &program, &texts, &at, context, ignored, out);
            return;
        }
        // A program that an interpreter is given by its path: `php bin/phpstan`.
        if matches!(program.as_str(), "php" | "node" | "ruby" | "python" | "python3")
            && context.depth < DEEPEST
            && let Some(at) = command.words.iter().skip(1).position(|word| !word.starts_with('-'))
            && let Some(word) = command.words.get(at + 1)
        {
            let name = shell::base(word);
            let name = [".js", ".mjs", ".cjs", ".php", ".phar"]
                .iter()
                .find_map(|ending| name.strip_suffix(ending))
                .unwrap_or(name)
                .to_owned();
            if word.contains('/') && programs::knows(&name) {
                let mut inner = command.clone();
                inner.words = std::iter::once(name)
                    .chain(command.words[at + 2..].iter().cloned())
                    .collect();
                let mut deeper = context.clone();
                deeper.depth += 1;
                self.command(inner, &deeper, out);
                return;
            }
        }
        self.script(&program, &command, context, &at, ignored, out);
    }

    /// A file of the tree, or one that is named as a script.
    fn script(
        &self,
        program: &str,
        command: &Command,
        context: &Context,
        at: &At,
        ignored: bool,
        out: &mut Vec<Doing>,
    ) {
        let interpreted = matches!(
            program,
            "python"
                | "python3"
                | "node"
                | "ruby"
                | "php"
                | "perl"
                | "tsx"
                | "ts-node"
                | "source"
                | "."
                | "Rscript"
                | "deno"
                | "bun"
                | "groovy"
                | "julia"
                | "lua"
                | "rails"
                | "bundle"
        );
        let word = if interpreted {
            command
                .words
                .iter()
                .skip(1)
                .find(|word| !word.starts_with('-') && *word != "run")
        } else {
            command.words.first()
        };
        let Some(word) = word else { return };
        let looks = word.contains('/')
            || [".sh", ".bash", ".py", ".rb", ".ps1", ".bat", ".js", ".ts"]
                .iter()
                .any(|e| word.ends_with(e));
        if !looks {
            return;
        }
        let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
        let stem = name.split('.').next().unwrap_or(name).to_owned();
        let found = self.find_file(word, &context.folder);
        if let Some(path) = &found
            && context.depth < DEEPEST
            && !context.chain.iter().any(|place| &place.file == path)
            && let Ok(Some(bytes)) = self.tree.read(path, LARGEST)
        {
            let text = String::from_utf8_lossy(&bytes);
            if is_shell(path, &text) {
                let before = out.len();
                let inner = context.of_script(at.clone(), path, 1, &context.folder, &stem, ignored);
                self.run(&text, &inner, out);
                if out[before..].iter().any(|doing| doing.purpose != Purpose::Setup) {
                    return;
                }
            }
        }
        if matches!(program, "source" | ".") || stem == "all" || stem.contains('$') || name.contains('$') {
            return;
        }
        let arguments: Vec<String> = std::iter::once(stem)
            .chain(
                command
                    .words
                    .iter()
                    .skip(1)
                    .filter(|word| !word.starts_with('-'))
                    .take(2)
                    .cloned(),
            )
            .take(if found.is_some() || looks { 2 } else { 0 })
            .collect();
        let texts = command.words.join(" ");
        self.by_names(
            &arguments[..1.min(arguments.len())],
            word,
            &texts,
            at,
            context,
            ignored,
            out,
        );
    }

    /// Follows a command to the script it names. Says whether it is understood by that.
    fn target(
        &self,
        target: &Target,
        command: &Command,
        context: &Context,
        at: &At,
        ignored: bool,
        out: &mut Vec<Doing>,
    ) -> bool {
        let program = command.program();
        let texts = command.words.join(" ");
        let folder = match &target.folder {
            Some(folder) => join(&context.folder, folder),
            None => context.folder.clone(),
        };
        let files = self.files_of(target, &folder);
        let asked: Vec<Option<&str>> = if target.names.is_empty() {
            vec![None]
        } else {
            target.names.iter().map(|name| Some(name.as_str())).collect()
        };
        let mut understood = false;
        for name in asked {
            let before = out.len();
            let mut found = false;
            for file in &files {
                found |= self.follow(file, name, context, at, ignored, &mut Vec::new(), out);
            }
            understood |= found;
            let says_nothing = out[before..]
                .iter()
                .all(|doing| matches!(doing.purpose, Purpose::Setup | Purpose::Cache));
            if found
                && !says_nothing
                && let Some(name) = name
            {
                self.named_delivery(name, program, &texts, at, context, ignored, before, out);
            }
            if says_nothing && let Some(name) = name {
                if found || (!target.or_program && program != "cargo" && program != "composer") {
                    let names = [name.to_owned()];
                    self.by_names(&names, program, &texts, at, context, ignored, out);
                    understood = true;
                } else if target.or_program
                    && programs::of_command(program, &command.words[1..])
                        .is_none_or(|gives| gives.iter().all(|give| give.purpose == Purpose::Setup))
                {
                    // `yarn jest`: a program of a dependency.
                    let words = command.words[1..]
                        .iter()
                        .skip_while(|word| *word != name)
                        .cloned()
                        .collect::<Vec<_>>();
                    if !words.is_empty() && context.depth < DEEPEST {
                        let inner = Command {
                            words,
                            line: command.line,
                            ignored,
                            conditional: command.conditional,
                            variables: Vec::new(),
                        };
                        let mut deeper = context.clone();
                        deeper.depth += 1;
                        self.command(inner, &deeper, out);
                        if out.len() == before {
                            let names = [name.to_owned()];
                            self.by_names(&names, program, &texts, at, context, ignored, out);
                        }
                        understood = true;
                    }
                }
            }
        }
        if !understood && matches!(program, "make" | "gmake") && target.names.is_empty() {
            // A makefile that is made by configure or CMake builds.
            let give = Given {
                purpose: Purpose::Build,
                detail: String::new(),
                environment: None,
            };
            self.put(&give, program, &texts, at, context, ignored, out);
            return true;
        }
        understood
    }

    /// Runs a script of a file and what it asks to run before. Says whether it was found.
    #[expect(
        clippy::too_many_arguments,
        reason = "what is followed and from where, all of it needed"
    )]
    fn follow(
        &self,
        file: &str,
        name: Option<&str>,
        context: &Context,
        at: &At,
        ignored: bool,
        seen: &mut Vec<String>,
        out: &mut Vec<Doing>,
    ) -> bool {
        if context.depth >= DEEPEST || seen.len() > 40 || self.left.get() == 0 {
            return false;
        }
        let scripts = self.scripts(file);
        // `test:*` stands for all that begin so.
        let several = name.map(|name| named_like(&scripts, name)).unwrap_or_default();
        if !several.is_empty() {
            let mut found = false;
            for name in several {
                found |= self.follow(file, Some(name), context, at, ignored, seen, out);
            }
            return found;
        }
        let found = match name {
            Some(name) => scripts.iter().find(|script| script.name == name),
            None => scripts.first(),
        };
        let Some(script) = found else { return false };
        if seen.contains(&script.name) {
            return true;
        }
        seen.push(script.name.clone());
        let folder = parent(file);
        for before in &script.before {
            self.follow(file, Some(before), context, at, ignored, seen, out);
        }
        let inner = context.of_script(at.clone(), file, script.line, folder, &script.name, ignored);
        if context.chain.iter().filter(|place| place.file == file).count() > 3 {
            return true;
        }
        if file.ends_with("package.json") {
            // Hooks around a script.
            for hook in ["pre", "post"] {
                let hook = format!("{hook}{}", script.name);
                if let Some(script) = scripts.iter().find(|script| script.name == hook) {
                    let mut around = inner.clone();
                    around.line = script.line;
                    self.run(&script.text, &around, out);
                }
            }
        }
        if file.ends_with("composer.json") {
            for line in script.text.lines() {
                match line.strip_prefix('@') {
                    Some(other) => {
                        let other = other.split_whitespace().next().unwrap_or_default();
                        if other != "php" && other != "composer" {
                            self.follow(file, Some(other), context, at, ignored, seen, out);
                        } else {
                            self.run(line.trim_start_matches('@'), &inner, out);
                        }
                    }
                    None => self.run(line, &inner, out),
                }
            }
            return true;
        }
        self.run(&script.text, &inner, out);
        true
    }
}
