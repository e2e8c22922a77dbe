//! The stacks: one file each, a function from a folder to a [`Part`].

mod cargo;
mod cmake;
mod docker;
mod go;
mod gradle;
mod make;
mod maven;
mod node;
mod python;
pub(crate) mod toml_file;

pub(crate) use node::wants_browser;
pub(crate) use python::OPEN;

use crate::part::{Part, Tool};
use crate::view::{View, folder_of, join};

/// The parts of a tree, the root's first, at most so many, and what was left out.
pub(crate) fn look(view: &View<'_>, most: usize) -> (Vec<Part>, Vec<String>) {
    let mut parts: Vec<Part> = Vec::new();
    let mut notes = Vec::new();
    for (manifests, read) in READERS {
        let mut folders: Vec<String> = manifests.iter().flat_map(|name| view.folders_with(name)).collect();
        folders.sort();
        folders.dedup();
        for folder in folders {
            if claimed(&parts, *read, &folder, view) {
                continue;
            }
            if !is_plain(&folder) {
                notes.push(format!(
                    "{folder}/ is left out: its name has signs that patterns of files use"
                ));
                continue;
            }
            let Some(part) = (read.look)(view, &folder) else {
                continue;
            };
            if parts.len() >= most {
                notes.push(format!(
                    "{folder}/ ({}) is left out: no more than {most} parts are taken",
                    part.kind
                ));
                continue;
            }
            parts.push(part);
        }
    }
    // Where the root is built, what lies below it is often its tooling.
    if parts.iter().any(|part| part.folder.is_empty()) {
        parts.retain(|part| {
            let stays = part.folder.is_empty() || stands_alone(view, &part.folder);
            if !stays {
                notes.push(format!(
                    "{0}/ ({1}) is left out: it has no lock file of its own, and the root is built already; steps with `folder: {0}` would add it",
                    part.folder, part.kind
                ));
            }
            stays
        });
    }
    parts.sort_by(|a, b| a.folder.cmp(&b.folder));
    (parts, notes)
}

/// What a workspace at the root deploys, in parts of their own.
#[derive(Default)]
pub(crate) struct Deployed {
    /// The parts, each with patterns of the files outside of its folder that concern it.
    pub parts: Vec<(Part, Vec<String>)>,
    /// Whether members are published, too: then the whole packs them.
    pub is_published: bool,
    /// What a person should know.
    pub note: Option<String>,
}

/// What a workspace at the root deploys; nothing where there is no workspace.
pub(crate) fn deployed(view: &View<'_>, parts: &[Part]) -> Deployed {
    match parts {
        [part] if part.folder.is_empty() && part.tool == Tool::Cargo => Deployed {
            parts: cargo::services(view),
            ..Deployed::default()
        },
        [part] if part.folder.is_empty() && part.tool == Tool::Node => node::deployed(view),
        _ => Deployed::default(),
    }
}

/// Reads a stack of one kind.
#[derive(Clone, Copy)]
struct Reading {
    tool: Tool,
    look: fn(&View<'_>, &str) -> Option<Part>,
    /// Whether a part of it in a folder takes those below it in.
    takes_below: bool,
    /// Whether it only counts where nothing else in the folder does.
    last_resort: bool,
}

const fn reading(tool: Tool, look: fn(&View<'_>, &str) -> Option<Part>) -> Reading {
    Reading {
        tool,
        look,
        takes_below: true,
        last_resort: false,
    }
}

const READERS: &[(&[&str], Reading)] = &[
    (&["Cargo.toml"], reading(Tool::Cargo, cargo::look)),
    (
        &["pyproject.toml", "setup.py", "requirements.txt", "Pipfile"],
        Reading {
            takes_below: false,
            ..reading(Tool::Python, python::look)
        },
    ),
    (
        &["go.mod"],
        Reading {
            takes_below: false,
            ..reading(Tool::Go, go::look)
        },
    ),
    (&["pom.xml"], reading(Tool::Maven, maven::look)),
    (
        &[
            "settings.gradle",
            "settings.gradle.kts",
            "build.gradle",
            "build.gradle.kts",
        ],
        reading(Tool::Gradle, gradle::look),
    ),
    (
        &["package.json"],
        Reading {
            takes_below: false,
            ..reading(Tool::Node, node::look)
        },
    ),
    (
        &["CMakeLists.txt"],
        Reading {
            last_resort: true,
            ..reading(Tool::Cmake, cmake::look)
        },
    ),
    (
        &["Makefile", "makefile", "GNUmakefile", "configure.ac", "configure"],
        Reading {
            last_resort: true,
            ..reading(Tool::Make, make::look)
        },
    ),
    (
        &["Dockerfile", "Containerfile"],
        Reading {
            last_resort: true,
            ..reading(Tool::Docker, docker::look)
        },
    ),
];

/// Whether a part that was found already stands for a folder.
fn claimed(parts: &[Part], reading: Reading, folder: &str, view: &View<'_>) -> bool {
    let above = |part: &Part| part.folder.is_empty() || folder == part.folder || is_below(folder, &part.folder);
    parts.iter().any(|part| {
        if part.tool == reading.tool && part.folder != folder && above(part) {
            return reading.takes_below || !has_lock(view, folder);
        }
        // A second stack beside a first one in the same folder is often only its tooling.
        reading.last_resort && above(part)
    })
}

/// Whether a path means itself in patterns, commands and YAML.
fn is_plain(path: &str) -> bool {
    path.chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '@'))
}

fn is_below(folder: &str, above: &str) -> bool {
    folder.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

const LOCKS: &[&str] = &[
    "Cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "uv.lock",
    "poetry.lock",
    "Pipfile.lock",
    "go.sum",
    "requirements.txt",
    "gradlew",
    "mvnw",
];

fn has_lock(view: &View<'_>, folder: &str) -> bool {
    view.first_of(folder, LOCKS).is_some()
}

/// Whether what lies in a folder is built for its own sake.
fn stands_alone(view: &View<'_>, folder: &str) -> bool {
    has_lock(view, folder) && folder_of(folder).split('/').all(|part| !part.starts_with('_'))
}

/// The patterns that a list names: folders with a manifest below `folder`.
pub(crate) fn members(view: &View<'_>, folder: &str, patterns: &[String], manifest: &str) -> Vec<String> {
    let mut wanted = globset::GlobSetBuilder::new();
    let mut unwanted = globset::GlobSetBuilder::new();
    for pattern in patterns {
        let (pattern, into) = match pattern.strip_prefix('!') {
            Some(pattern) => (pattern, &mut unwanted),
            None => (pattern.as_str(), &mut wanted),
        };
        let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
        if let Ok(glob) = globset::GlobBuilder::new(pattern).literal_separator(true).build() {
            into.add(glob);
        }
    }
    let (Ok(wanted), Ok(unwanted)) = (wanted.build(), unwanted.build()) else {
        return Vec::new();
    };
    let mut found: Vec<String> = view
        .below(folder)
        .filter(|path| crate::view::name_of(path) == manifest)
        .map(folder_of)
        .filter(|path| *path != folder)
        .filter_map(|path| {
            let inner = if folder.is_empty() {
                path
            } else {
                path.strip_prefix(folder)?.strip_prefix('/')?
            };
            (wanted.is_match(inner)
                && !unwanted.is_match(inner)
                && !inner.split('/').any(|part| part == "node_modules"))
            .then(|| join(folder, inner))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Lines that make a folder for what is built, and have git ignore it where it does not.
pub(crate) fn make_scratch(name: &str, ignored: bool) -> Vec<String> {
    if ignored {
        Vec::new()
    } else {
        vec![format!("mkdir -p {name} && echo '*' > {name}/.gitignore")]
    }
}
