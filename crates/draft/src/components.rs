//! Whether a tree is one component or several: what is deployed by itself is a component of its own.
//!
//! Folders with stacks of their own are several components, and so are several services of one workspace, since a
//! package holds one service; of a workspace of Node pages that are built count, too. Everything else is one.

use std::collections::BTreeSet;

use evidence::{Entry, Tree, TreeError};

use crate::arrange::plain;
use crate::part::{Part, Tool};
use crate::stacks;
use crate::view::{View, folder_of, join, name_of};

/// The most components that are drafted.
const MOST_COMPONENTS: usize = 40;
/// The most parts that one definition is made of.
const MOST_PARTS: usize = 8;
/// The longest name of a component.
const LONGEST_NAME: usize = 40;

/// A component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub name: String,
    pub folder: String,
    /// Patterns of files outside of its folder that concern it.
    pub also: Vec<String>,
}

/// The parts of a tree, and the components that some of them belong to.
pub(crate) struct Sorted {
    pub parts: Vec<Part>,
    pub members: Vec<Member>,
    pub notes: Vec<String>,
}

impl Member {
    /// A part as it is within the component's folder; nothing where it lies elsewhere.
    pub fn own(&self, part: &Part) -> Option<Part> {
        let inner = below(&part.folder, &self.folder)?.to_owned();
        let mut own = part.clone();
        for path in &mut own.because {
            if let Some(inner) = below(path, &self.folder) {
                *path = inner.to_owned();
            }
        }
        own.folder = inner;
        Some(own)
    }
}

/// A path below a folder, as it is called there.
fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(folder)?;
    match rest.strip_prefix('/') {
        Some(inner) => Some(inner),
        None => rest.is_empty().then_some(""),
    }
}

/// Sorts the stacks of a tree into components; with `one`, there are none.
pub(crate) fn sort(tree: &dyn Tree, view: &View<'_>, one: bool) -> Sorted {
    if one {
        let (parts, notes) = stacks::look(view, MOST_PARTS);
        return Sorted {
            parts,
            members: Vec::new(),
            notes,
        };
    }
    let (mut parts, mut notes) = stacks::look(view, MOST_COMPONENTS);
    let folders = outermost(&parts);
    if folders.len() > 1 {
        let is_whole = |part: &Part| part.folder.is_empty() && matches!(part.tool, Tool::Make | Tool::Docker);
        for part in parts.iter().filter(|part| is_whole(part)) {
            notes.push(format!(
                "{} is left out: what lies below it is built folder by folder",
                part.because.join(", ")
            ));
        }
        parts.retain(|part| part.folder.is_empty() && !is_whole(part));
        let mut names = BTreeSet::new();
        let mut members = Vec::new();
        for folder in folders {
            let name = free_name(&folder, &mut names);
            parts.extend(within(tree, &folder, &mut notes));
            members.push(Member {
                name,
                folder,
                also: Vec::new(),
            });
        }
        return Sorted { parts, members, notes };
    }
    let deployed = stacks::deployed(view, &parts);
    notes.extend(deployed.note);
    if deployed.parts.len() > 1 {
        let mut names = BTreeSet::new();
        let mut members = Vec::new();
        for (part, also) in deployed.parts {
            members.push(Member {
                name: free_name(&part.folder, &mut names),
                folder: part.folder.clone(),
                also,
            });
            parts.push(part);
        }
        // The whole is still checked and tested; what is packaged is packaged by the components.
        for part in parts
            .iter_mut()
            .filter(|part| part.folder.is_empty() && !deployed.is_published)
        {
            part.leave_packaging();
        }
        return Sorted { parts, members, notes };
    }
    if parts.len() > MOST_PARTS {
        let (parts, notes) = stacks::look(view, MOST_PARTS);
        return Sorted {
            parts,
            members: Vec::new(),
            notes,
        };
    }
    Sorted {
        parts,
        members: Vec::new(),
        notes,
    }
}

/// The folders of parts below the root that lie in no other part's folder.
fn outermost(parts: &[Part]) -> Vec<String> {
    let mut folders: Vec<String> = Vec::new();
    let mut all: Vec<&str> = parts.iter().map(|part| part.folder.as_str()).collect();
    all.sort_unstable();
    for folder in all.into_iter().filter(|folder| !folder.is_empty()) {
        if !folders.iter().any(|known| below(folder, known).is_some()) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

/// The parts of a folder as if it were a tree of its own, with their places in the whole.
fn within(tree: &dyn Tree, folder: &str, notes: &mut Vec<String>) -> Vec<Part> {
    let inner = Below::new(tree, folder);
    let view = View::new(&inner);
    let (parts, inner_notes) = stacks::look(&view, MOST_PARTS);
    notes.extend(inner_notes.into_iter().map(|note| format!("in {folder}/: {note}")));
    let reaches_out = reaches_out(&view);
    if reaches_out && !parts.is_empty() {
        notes.push(format!(
            "{folder}/ names files outside of its folder, so nothing of it is kept from run to run; `also:` of its component says which files concern it"
        ));
    }
    let in_whole = |mut part: Part| {
        part.folder = match part.folder.as_str() {
            "" => folder.to_owned(),
            inner => join(folder, inner),
        };
        for path in &mut part.because {
            *path = join(folder, path);
        }
        for note in &mut part.notes {
            *note = format!("in {folder}/: {note}");
        }
        for step in &mut part.steps {
            if reaches_out {
                step.kept = None;
            }
        }
        part
    };
    parts.into_iter().map(in_whole).collect()
}

/// Whether manifests and settings of a folder name files above it.
fn reaches_out(view: &View<'_>) -> bool {
    const ENDINGS: &[&str] = &[
        "toml", "json", "mod", "work", "gradle", "kts", "xml", "txt", "cfg", "js", "cjs", "mjs", "ts", "yaml", "yml",
    ];
    view.below("")
        .filter(|path| folder_of(path).is_empty())
        .filter(|path| {
            let ending = name_of(path).rsplit_once('.').map(|(_, ending)| ending);
            ending.is_some_and(|ending| ENDINGS.contains(&ending)) || matches!(*path, "Makefile" | "Dockerfile")
        })
        .filter(|path| !path.contains("lock"))
        .any(|path| view.text_or_empty(path).contains("../"))
}

/// A name that no other component has.
fn free_name(folder: &str, names: &mut BTreeSet<String>) -> String {
    // Some folders are called for what is in them, not for what they are.
    let telling = match folder.rsplit_once('/') {
        Some((above, "src" | "app" | "code" | "source" | "cmd")) => name_of(above),
        _ => name_of(folder),
    };
    let short = plain(&telling.replace('.', "-"));
    let long = plain(&folder.replace(['/', '.'], "-"));
    for name in [short, long] {
        if !name.is_empty() && name.len() <= LONGEST_NAME && names.insert(name.clone()) {
            return name;
        }
    }
    let mut number = 1;
    loop {
        let name = format!("component-{number}");
        if names.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

/// The part of a tree that lies below a folder.
struct Below<'t> {
    tree: &'t dyn Tree,
    folder: String,
    entries: Vec<Entry>,
}

impl<'t> Below<'t> {
    fn new(tree: &'t dyn Tree, folder: &str) -> Self {
        let entries = tree.entries().iter();
        let inner = entries.filter_map(|entry| {
            let path = below(&entry.path, folder).filter(|path| !path.is_empty())?;
            Some(Entry {
                path: path.to_owned(),
                kind: entry.kind,
            })
        });
        let mut entries: Vec<Entry> = inner.collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self {
            tree,
            folder: folder.to_owned(),
            entries,
        }
    }
}

impl Tree for Below<'_> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, TreeError> {
        self.tree.read(&join(&self.folder, path), most)
    }
}
