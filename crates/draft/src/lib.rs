//! The first definition of a repository that has none.
//!
//! [`draft`] looks at a tree of files: which stacks are there (`stacks`), and which commands another system's
//! definitions start (`taken`). From that it writes a commented `throughline.yaml` that can be checked and run
//! as it is. What it could not take over it names, each with its place and the reason.
//!
//! The same tree gives the same bytes: nothing here reads a clock, a machine or chance, and all I/O goes through
//! the tree. Whether a program is there is looked at by whoever shows the draft.

mod arrange;
mod beside;
mod components;
mod newer;
mod part;
mod service;
mod stacks;
mod taken;
mod view;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use evidence::Tree;

use arrange::Definition;
use part::Part;
use view::View;

/// What is wanted of a draft.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// One definition for the whole tree, also where several components lie in it.
    pub one: bool,
    /// What services beside tests run as.
    pub services: ServicesAs,
    /// What there is to run steps with.
    pub machine: Machine,
}

/// What services beside tests run as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServicesAs {
    /// Containers where the machine has an engine for them, or else processes.
    #[default]
    Machine,
    /// Containers.
    Container,
    /// Processes, where it is known how they are started.
    Process,
}

/// What there is on a machine, as far as a draft depends on it.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Whether there is an engine for containers.
    pub containers: bool,
    /// Which of [`Machine::PROGRAMS`] are there.
    pub programs: BTreeSet<String>,
    /// The toolchains of Rust by the names that `cargo +NAME` knows.
    pub toolchains: Vec<String>,
    /// The versions of [`Machine::VERSIONED`] that are there, by program.
    pub versions: BTreeMap<String, String>,
}

impl Machine {
    /// The programs of whose versions a draft speaks, and how they are asked.
    pub const VERSIONED: &[(&str, &str)] = &[
        ("node", "--version"),
        ("python3", "--version"),
        ("rustc", "--version"),
        ("go", "version"),
    ];

    /// The programs that a draft may depend on.
    pub const PROGRAMS: &[&str] = &[
        "postgres",
        "redis-server",
        "memcached",
        "python3.8",
        "python3.9",
        "python3.10",
        "python3.11",
        "python3.12",
        "python3.13",
        "python3.14",
        "python3.15",
    ];

    pub(crate) fn has(&self, program: &str) -> bool {
        self.programs.contains(program)
    }
}

/// A definition, and what it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The text of `throughline.yaml`.
    pub text: String,
    /// The components that it lists, each with a definition of its own; mostly none.
    pub components: Vec<DraftComponent>,
    /// What was found.
    pub parts: Vec<Found>,
    /// The steps, in the order of the file.
    pub steps: Vec<DraftStep>,
    /// What the package takes, as patterns below the root; empty where there is no package.
    pub files: Vec<String>,
    /// Whether what is packaged answers requests.
    pub has_service: bool,
    /// The files of other systems whose commands were looked at.
    pub definitions: Vec<String>,
    /// What of them was not taken over.
    pub untaken: Vec<Untaken>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The programs that the steps start.
    pub programs: Vec<String>,
}

/// A component in a folder of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftComponent {
    /// Its name in the list.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// Patterns of files outside of its folder that concern it.
    pub also: Vec<String>,
    /// The text of the `throughline.yaml` in it.
    pub text: String,
    /// Its steps, in the order of the file.
    pub steps: Vec<DraftStep>,
    /// What its package takes, as patterns below its folder.
    pub files: Vec<String>,
    /// Whether what is packaged answers requests.
    pub has_service: bool,
}

/// A stack in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is, for people.
    pub kind: String,
    /// The folder; empty for the root.
    pub folder: String,
    /// The files that say so.
    pub because: Vec<String>,
}

/// A step of the draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftStep {
    /// Its name.
    pub name: String,
    /// Its commands.
    pub run: Vec<String>,
    /// The place of the definition that it was taken from; nothing where it is the stack's custom.
    pub from: Option<String>,
}

/// A part of another system's definition that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Untaken {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What stands there.
    pub what: String,
    /// Why it was left.
    pub reason: String,
}

impl Draft {
    /// What was not taken over, each file's parts with the same reason in one line: the place of the first, what
    /// stands there and why, and the lines of the others.
    pub fn untaken_in_lines(&self) -> Vec<(String, String)> {
        in_lines(&self.untaken)
    }
}

pub(crate) fn in_lines(untaken: &[Untaken]) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut said: Vec<(&str, &str)> = Vec::new();
    for part in untaken {
        let about = (part.file.as_str(), part.reason.as_str());
        if said.contains(&about) {
            continue;
        }
        said.push(about);
        let others = untaken
            .iter()
            .filter(|other| (other.file.as_str(), other.reason.as_str()) == about && *other != part);
        let mut others: Vec<u32> = others
            .map(|other| other.line)
            .filter(|line| *line != part.line)
            .collect();
        others.dedup();
        let also = match others.len() {
            0 => String::new(),
            many => {
                let shown: Vec<String> = others.iter().take(8).map(u32::to_string).collect();
                let more = if many > 8 {
                    format!(" and {} more", many - 8)
                } else {
                    String::new()
                };
                let lines = if many == 1 { "line" } else { "lines" };
                format!(" (also {lines} {}{more})", shown.join(", "))
            }
        };
        lines.push((
            format!("{}:{}", part.file, part.line),
            format!("{}: {}{also}", part.what, part.reason),
        ));
    }
    lines
}

/// Drafts a definition. `None` where nothing says how anything is built.
pub fn draft(tree: &dyn Tree, wishes: &Wishes) -> Option<Draft> {
    let view = View::new(tree);
    let mut sorted = components::sort(tree, &view, wishes.one);
    let taken = taken::take(&view, &mut sorted.parts, wishes.services, &wishes.machine);
    sorted.parts.retain(|part| !part.steps.is_empty());
    if sorted.parts.is_empty() {
        return None;
    }
    let mut notes = sorted.notes;
    notes.extend(sorted.parts.iter().flat_map(|part| part.notes.clone()));
    notes.extend(taken.notes);
    for part in &sorted.parts {
        let newer = newer::notes(&view, part, &wishes.machine).into_iter();
        notes.extend(newer.filter(|note| !notes.contains(note)).collect::<Vec<_>>());
    }
    let found: Vec<Found> = sorted.parts.iter().map(found_of).collect();
    let programs = programs(&sorted.parts);
    let mut components = Vec::new();
    for member in &sorted.members {
        let parts: Vec<Part> = sorted.parts.iter().filter_map(|part| member.own(part)).collect();
        if parts.is_empty() {
            continue;
        }
        let found: Vec<Found> = parts.iter().map(found_of).collect();
        let arranged = arrange::arrange(&parts);
        components.push(DraftComponent {
            name: member.name.clone(),
            folder: member.folder.clone(),
            also: member.also.clone(),
            text: write::component(&member.name, &arranged, &found),
            steps: steps(&arranged),
            files: files(&arranged),
            has_service: arranged.service.is_some(),
        });
    }
    let own = sorted
        .parts
        .iter()
        .filter(|part| sorted.members.iter().all(|member| member.own(part).is_none()));
    let own: Vec<Part> = own.cloned().collect();
    let arranged = arrange::arrange(&own);
    let text = write::write(&write::Sheet {
        definition: &arranged,
        components: &components,
        found: &found,
        notes: &notes,
        definitions: &taken.definitions,
        untaken: &taken.untaken,
    });
    Some(Draft {
        text,
        components,
        parts: found,
        steps: steps(&arranged),
        files: files(&arranged),
        has_service: arranged.service.is_some(),
        definitions: taken.definitions,
        untaken: taken.untaken,
        notes,
        programs,
    })
}

fn found_of(part: &Part) -> Found {
    Found {
        kind: part.kind.clone(),
        folder: part.folder.clone(),
        because: part.because.clone(),
    }
}

fn steps(definition: &Definition) -> Vec<DraftStep> {
    let steps = definition.steps.iter();
    steps
        .map(|step| DraftStep {
            name: step.name.clone(),
            run: step.run.clone(),
            from: step.from.clone(),
        })
        .collect()
}

fn files(definition: &Definition) -> Vec<String> {
    definition.files.iter().map(|file| file.from.clone()).collect()
}

/// The programs that the steps and the services beside them start, each once.
fn programs(parts: &[Part]) -> Vec<String> {
    let mut programs: Vec<String> = Vec::new();
    for part in parts {
        let services = part.steps.iter().flat_map(|step| &step.services);
        let beside = services.filter_map(|service| service.program().map(str::to_owned));
        for program in part.programs.iter().cloned().chain(beside) {
            if !programs.contains(&program) {
                programs.push(program);
            }
        }
    }
    programs
}
