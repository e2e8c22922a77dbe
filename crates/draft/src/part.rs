//! A part of a repository: one stack in one folder, and the steps it asks for.

use std::collections::BTreeMap;

use crate::beside::Beside;

/// What a step does, in the order in which steps are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Brings what the part depends on.
    Install,
    /// Checks the format.
    Format,
    /// Looks for likely mistakes.
    Lint,
    /// Checks types.
    Types,
    /// Makes what is shipped.
    Build,
    /// Tests it.
    Test,
    /// Puts together what the package takes.
    Pack,
}

impl Role {
    /// The usual name of a step that does it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Format => "format",
            Self::Lint => "lint",
            Self::Types => "types",
            Self::Build => "build",
            Self::Test => "test",
            Self::Pack => "pack",
        }
    }
}

/// What the result of a step depends on and what it leaves, so that it can be kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub outputs: Vec<String>,
    pub tools: Vec<String>,
}

/// Rows of values, by the names of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matrix {
    pub names: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Matrix {
    /// The values of each name, each once, where the rows are all of them with one another, in this order.
    pub fn axes(&self) -> Option<Vec<(&str, Vec<&str>)>> {
        let mut axes: Vec<(&str, Vec<&str>)> = Vec::new();
        for (at, name) in self.names.iter().enumerate() {
            let mut values: Vec<&str> = Vec::new();
            for value in self.rows.iter().filter_map(|row| row.get(at)) {
                if !values.contains(&value.as_str()) {
                    values.push(value);
                }
            }
            axes.push((name, values));
        }
        let mut all: Vec<Vec<&str>> = vec![Vec::new()];
        for (_, values) in &axes {
            let before = std::mem::take(&mut all);
            for row in &before {
                all.extend(values.iter().map(|value| [row.as_slice(), &[*value]].concat()));
            }
            if all.len() > self.rows.len() {
                return None;
            }
        }
        (all == self.rows).then_some(axes)
    }

    /// Whether its rows have different names as steps: signs that no name holds are left out of them.
    pub fn can_be_named(&self) -> bool {
        let word = |value: &String| -> String {
            value
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_lowercase()
        };
        let mut seen = std::collections::BTreeSet::new();
        self.rows
            .iter()
            .all(|row| seen.insert(row.iter().map(word).collect::<Vec<_>>()))
    }
}

/// A step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub role: Role,
    /// Its name within the part.
    pub name: String,
    /// What is said about it, in lines.
    pub about: Vec<String>,
    /// The commands, in lines.
    pub run: Vec<String>,
    /// The names of the part's steps that it needs.
    pub needs: Vec<String>,
    pub variables: BTreeMap<String, String>,
    /// Variables whose values are made of those that tell where a service is.
    pub exports: BTreeMap<String, String>,
    /// What runs beside it.
    pub services: Vec<Beside>,
    /// What it is done for, each once.
    pub matrix: Option<Matrix>,
    /// Folders kept from run to run, with their keys.
    pub cache: Vec<(String, String)>,
    pub kept: Option<Kept>,
    /// How long it may take, in minutes.
    pub timeout: Option<u32>,
    /// Whether the package waits for it.
    pub packaged: bool,
    /// The place of the definition that its commands were taken from.
    pub from: Option<String>,
}

impl Step {
    /// A step with commands.
    pub fn new<S: Into<String>>(role: Role, run: impl IntoIterator<Item = S>) -> Self {
        Self {
            role,
            name: role.name().to_owned(),
            about: Vec::new(),
            run: run.into_iter().map(Into::into).collect(),
            needs: Vec::new(),
            variables: BTreeMap::new(),
            exports: BTreeMap::new(),
            services: Vec::new(),
            matrix: None,
            cache: Vec::new(),
            kept: None,
            timeout: None,
            packaged: matches!(role, Role::Build | Role::Test | Role::Pack),
            from: None,
        }
    }

    pub fn about(mut self, line: impl Into<String>) -> Self {
        self.about.push(line.into());
        self
    }

    pub fn needs(mut self, name: &str) -> Self {
        if !self.needs.iter().any(|known| known == name) {
            self.needs.push(name.to_owned());
        }
        self
    }

    pub fn cache(mut self, path: &str, key: &str) -> Self {
        self.cache.push((path.to_owned(), key.to_owned()));
        self
    }

    /// The same with its result kept where `if_so`.
    pub fn kept(mut self, if_so: bool, outputs: &[String], tools: &[&str]) -> Self {
        if if_so {
            self.kept = Some(Kept {
                outputs: outputs.to_vec(),
                tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
            });
        }
        self
    }
}

/// A file or folder for the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shipped {
    /// Relative to the part's folder.
    pub from: String,
    /// Where it goes; by its own path where nothing is said.
    pub to: Option<String>,
}

impl Shipped {
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            from: from.into(),
            to: Some(to.into()),
        }
    }

    pub fn as_it_is(from: impl Into<String>) -> Self {
        Self {
            from: from.into(),
            to: None,
        }
    }
}

/// A process that answers requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub command: Vec<String>,
    /// The variable with the port, where it is another one than `PORT`.
    pub port: Option<String>,
    /// The path that says whether it is well.
    pub health: Option<String>,
    /// Why it is taken for one.
    pub about: Vec<String>,
}

/// A stack in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// What it is: `Rust`, `Node with pnpm`.
    pub kind: String,
    /// The tool whose commands in other definitions are its own.
    pub tool: Tool,
    pub folder: String,
    /// The files that say so.
    pub because: Vec<String>,
    pub steps: Vec<Step>,
    pub files: Vec<Shipped>,
    /// Said above the files of the package.
    pub about_files: Vec<String>,
    pub service: Option<Service>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The programs that its steps start.
    pub programs: Vec<String>,
}

/// The tools that have commands of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Cargo,
    Node,
    Python,
    Go,
    Maven,
    Gradle,
    Cmake,
    Make,
    Docker,
}

impl Part {
    pub fn new(kind: impl Into<String>, tool: Tool, folder: &str) -> Self {
        Self {
            kind: kind.into(),
            tool,
            folder: folder.to_owned(),
            because: Vec::new(),
            steps: Vec::new(),
            files: Vec::new(),
            about_files: Vec::new(),
            service: None,
            notes: Vec::new(),
            programs: Vec::new(),
        }
    }

    pub fn step(&self, role: Role) -> Option<&Step> {
        self.steps.iter().find(|step| step.role == role)
    }

    /// Leaves out what makes a package, and keeps what checks and tests.
    pub fn leave_packaging(&mut self) {
        // Tests of a workspace of Node are those of what its members built.
        let is_tested = self.tool == Tool::Node && self.step(Role::Test).is_some();
        self.steps
            .retain(|step| step.role != Role::Pack && (step.role != Role::Build || is_tested));
        let left: Vec<String> = self.steps.iter().map(|step| step.name.clone()).collect();
        for step in &mut self.steps {
            step.needs.retain(|need| left.contains(need));
        }
        self.files.clear();
        self.about_files.clear();
        self.service = None;
    }

    pub fn because(&mut self, path: &str) {
        if !self.because.iter().any(|known| known == path) {
            self.because.push(path.to_owned());
        }
    }

    pub fn uses(&mut self, program: &str) {
        if !self.programs.iter().any(|known| known == program) {
            self.programs.push(program.to_owned());
        }
    }
}
