//! The first definition of a repository that has none.
//!
//! [`draft`] looks at a tree of files: which stacks are there (`stacks`), and which commands another system's
//! definitions start (`taken`). From that it writes a commented `throughline.yaml` that can be checked and run
//! as it is. What it could not take over it names, each with its place and the reason.
//!
//! The same tree gives the same bytes: nothing here reads a clock, a machine or chance, and all I/O goes through
//! the tree. Whether a program is there is looked at by whoever shows the draft.

mod arrange;
mod part;
mod service;
mod stacks;
mod taken;
mod view;
mod write;

use evidence::Tree;

use view::View;

/// A definition, and what it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The text of `throughline.yaml`.
    pub text: String,
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
                format!(" (also lines {}{more})", shown.join(", "))
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
pub fn draft(tree: &dyn Tree) -> Option<Draft> {
    let view = View::new(tree);
    let (mut parts, mut notes) = stacks::look(&view);
    let taken = taken::take(&view, &mut parts);
    parts.retain(|part| !part.steps.is_empty());
    if parts.is_empty() {
        return None;
    }
    notes.extend(parts.iter().flat_map(|part| part.notes.clone()));
    notes.extend(taken.notes);
    let arranged = arrange::arrange(&parts);
    let mut programs: Vec<String> = Vec::new();
    for program in parts.iter().flat_map(|part| &part.programs) {
        if !programs.contains(program) {
            programs.push(program.clone());
        }
    }
    let found: Vec<Found> = parts
        .iter()
        .map(|part| Found {
            kind: part.kind.clone(),
            folder: part.folder.clone(),
            because: part.because.clone(),
        })
        .collect();
    let text = write::write(&arranged, &found, &notes, &taken.definitions, &taken.untaken);
    Some(Draft {
        text,
        parts: found,
        steps: arranged
            .steps
            .iter()
            .map(|step| DraftStep {
                name: step.name.clone(),
                run: step.run.clone(),
                from: step.from.clone(),
            })
            .collect(),
        files: arranged.files.iter().map(|file| file.from.clone()).collect(),
        has_service: arranged.service.is_some(),
        definitions: taken.definitions,
        untaken: taken.untaken,
        notes,
        programs,
    })
}
