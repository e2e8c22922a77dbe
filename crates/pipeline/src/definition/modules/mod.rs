//! Modules: pieces of a pipeline in files of their own, which steps use with `uses`, with typed inputs.
//!
//! A module holds steps and says what its inputs are. It holds no gates, no package and no service, so it cannot
//! weaken what others ask for. Its inputs are variables of its steps: values, which no shell takes for commands. It
//! gets no secret but those that its user names. Nothing here reads a file: who reads a definition gathers the modules
//! that it uses ([`Gathering`]), and a definition is kept together with them, so that what was built can be read
//! again whatever has become of a module.

mod expand;
mod given;
mod inputs;
mod location;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use facts::{Commit, Digest};
use serde::{Deserialize, Serialize};

use crate::yaml::{Kind, Node, Source};

pub use location::{Base, Elsewhere, Location, LocationError, Origin, USUAL_FILE};
pub use read::{check, is_module, json_schema};

pub(super) use expand::{At, Tally, twins};
pub(super) use inputs::Given;

/// The largest module, in bytes.
pub const LARGEST_MODULE: u64 = 512 << 10;
/// The most that the modules of a definition may have together, in bytes.
const LARGEST_TOGETHER: usize = 4 << 20;
/// The largest definition with its modules, as it is kept, in bytes.
pub const LARGEST_KEPT: u64 = 24 << 20;
/// The most modules that one definition may use, directly or over others.
pub const MOST_MODULES: usize = 64;
/// How deep modules may use modules.
pub const DEEPEST: usize = 5;
/// How often modules may be used, in modules too.
pub const MOST_USES: usize = 1_000;

/// A module that was looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// The commit that the version meant, for one of another repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Its text.
    pub text: String,
}

/// Why a module is not there. Where it is used is said by who reads the definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Missing {
    /// A module is not there.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// Its repository has no such version, or it names something that moves.
    pub fn version(elsewhere: &Elsewhere, branch: Option<&Commit>) -> Self {
        let Elsewhere { repository, version } = elsewhere;
        match branch {
            Some(commit) => Self::new(
                format!("`{version}` is a branch of `{repository}`, which moves: no build could be repeated"),
                format!("name a tag, or the commit that it is at now: `@{commit}`"),
            ),
            None => Self::new(
                format!("`{repository}` has no version `{version}`"),
                "a version is the name of a tag there, or a whole commit id",
            ),
        }
    }

    /// The commit has no such file.
    pub fn file(location: &Location) -> Self {
        Self::new(
            format!("there is no module `{}`", location.file()),
            match location.elsewhere {
                None => "the path is that of a file of the same commit",
                Some(_) => "the path is that of a file of the repository at that version, from its top",
            },
        )
    }

    /// What lies there is no file, but `kind`.
    pub fn not_a_file(location: &Location, kind: &str) -> Self {
        let message = format!("the module `{}` is {kind}, not a file", location.file());
        Self::new(message, "a module is one plain file")
    }

    /// It is larger than a module may be.
    pub fn too_large(location: &Location) -> Self {
        let message = format!(
            "the module `{}` has more than the {LARGEST_MODULE} bytes that are read",
            location.file()
        );
        Self::new(message, "move long scripts into files of their own")
    }

    /// It is no text.
    pub fn no_text(location: &Location) -> Self {
        let message = format!("the module `{}` is no text", location.file());
        Self::new(message, "it must be a text in UTF-8")
    }
}

/// The modules that a definition uses: each, or why it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Library {
    /// Where the definition lies, relative to its repository's top.
    folder: String,
    modules: BTreeMap<Location, Result<Module, Missing>>,
}

impl Library {
    fn base(&self) -> Base {
        Base {
            elsewhere: None,
            folder: self.folder.clone(),
        }
    }
}

/// Modules on their way: what a definition uses, what that uses, and so on.
#[derive(Debug)]
pub struct Gathering {
    library: Library,
    open: BTreeSet<Location>,
    bytes: usize,
}

impl Gathering {
    /// What the definition in `folder`, relative to its repository's top, uses. What cannot be read is said
    /// where the definition is read.
    pub fn of(definition: &[u8], folder: &str) -> Self {
        let mut gathering = Self {
            library: Library {
                folder: folder.trim_matches('/').to_owned(),
                modules: BTreeMap::new(),
            },
            open: BTreeSet::new(),
            bytes: 0,
        };
        let text = std::str::from_utf8(definition).unwrap_or_default();
        let base = gathering.library.base();
        gathering.want(text, &base);
        gathering
    }

    /// One that is not looked up yet.
    pub fn next(&self) -> Option<Location> {
        self.open.first().cloned()
    }

    /// What was found of one.
    pub fn bring(&mut self, location: Location, found: Result<Module, Missing>) {
        self.open.remove(&location);
        let found = found.and_then(|module| {
            self.bytes += module.text.len();
            if self.bytes <= LARGEST_TOGETHER {
                return Ok(module);
            }
            let message = format!("the modules together have more than {LARGEST_TOGETHER} bytes");
            Err(Missing::new(
                message,
                "use fewer of them, or move long scripts into files",
            ))
        });
        let (base, text) = (location.base(), found.as_ref().ok().map(|module| module.text.clone()));
        self.library.modules.insert(location, found);
        self.want(&text.unwrap_or_default(), &base);
    }

    /// Everything that was found.
    pub fn finish(self) -> Library {
        self.library
    }

    fn want(&mut self, text: &str, base: &Base) {
        for location in uses(text, base) {
            if self.library.modules.contains_key(&location) || self.open.contains(&location) {
                continue;
            }
            if self.library.modules.len() + self.open.len() < MOST_MODULES {
                self.open.insert(location);
                continue;
            }
            let message = format!("more than {MOST_MODULES} modules are used");
            let hint = "put steps that belong together into one module";
            self.library.modules.insert(location, Err(Missing::new(message, hint)));
        }
    }
}

/// What the steps of a file use, as far as it can be read.
fn uses(text: &str, base: &Base) -> BTreeSet<Location> {
    // Most definitions use none, and are read once.
    if !names_uses(text) {
        return BTreeSet::new();
    }
    let Ok(root) = (Source { file: "", text }).parse() else {
        return BTreeSet::new();
    };
    let steps = root.get("steps").map(Node::members).unwrap_or_default();
    let used = steps.iter().filter_map(|(_, step)| match &step.get("uses")?.kind {
        Kind::Text(text) => Location::read(text, base).ok(),
        _ => None,
    });
    // Of those that are too many one is enough.
    used.take(MOST_USES).collect()
}

/// Whether a key of this name may stand in a text.
fn names_uses(text: &str) -> bool {
    text.match_indices("uses").any(|(at, word)| {
        let rest = text[at + word.len()..].trim_start_matches(['"', '\'']);
        rest.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(':')
    })
}

/// A module as a definition used it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UsedModule {
    /// Where it lies.
    pub module: Location,
    /// The commit that the version meant, for one of another repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The digest of its text.
    pub digest: Digest,
}

/// A definition together with the modules it uses, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bundle {
    throughline_bundle: u32,
    folder: String,
    definition: String,
    modules: BTreeMap<Location, Module>,
}

/// How a kept definition begins that uses modules.
const BUNDLE: &[u8] = b"{\"throughline_bundle\":";

impl Bundle {
    /// The bytes in which a definition is kept that uses these.
    pub fn bytes(definition: &str, library: &Library, used: &[UsedModule]) -> Vec<u8> {
        let of = |used: &UsedModule| {
            let module = library.modules.get(&used.module)?.clone().ok()?;
            Some((used.module.clone(), module))
        };
        let bundle = Self {
            throughline_bundle: 1,
            folder: library.folder.clone(),
            definition: definition.to_owned(),
            modules: used.iter().filter_map(of).collect(),
        };
        // Not by way of a value, whose keys would be sorted: how it begins says what it is.
        serde_json::to_vec(&bundle).unwrap_or_default()
    }

    /// A kept definition and its modules; `None` where it uses none and is kept as it is.
    pub fn read(bytes: &[u8]) -> Option<(String, Library)> {
        if !bytes.starts_with(BUNDLE) {
            return None;
        }
        let bundle: Self = serde_json::from_slice(bytes).ok()?;
        let modules = bundle
            .modules
            .into_iter()
            .map(|(location, module)| (location, Ok(module)));
        let library = Library {
            folder: bundle.folder,
            modules: modules.collect(),
        };
        Some((bundle.definition, library))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Result<Module, Missing> {
        Ok(Module {
            commit: None,
            text: text.to_owned(),
        })
    }

    #[test]
    fn what_a_module_uses_is_looked_up_too_and_each_once() {
        let definition = "throughline: 1\nsteps:\n  a: { uses: ./a.yaml }\n  b: { uses: t/r/b.yaml@v1 }\n";
        let mut gathering = Gathering::of(definition.as_bytes(), "web");
        let mut asked = Vec::new();
        while let Some(next) = gathering.next() {
            asked.push(next.to_string());
            gathering.bring(
                next,
                module("steps: { x: { uses: ./a.yaml }, y: { \"uses\": './c.yaml' } }"),
            );
        }
        assert_eq!(
            asked,
            [
                "/web/a.yaml",
                "/web/c.yaml",
                "t/r/b.yaml@v1",
                "t/r/a.yaml@v1",
                "t/r/c.yaml@v1"
            ]
        );
        assert_eq!(gathering.finish().modules.len(), 5);
    }

    #[test]
    fn a_definition_that_only_says_the_word_is_not_read_twice() {
        for text in ["run: echo uses", "reuses: x", "# uses modules", "uses"] {
            assert_eq!(names_uses(text), text == "reuses: x", "{text}");
        }
        assert!(names_uses("{ \"uses\" : \"./a.yaml\" }"));
    }

    #[test]
    fn looking_up_ends_however_many_there_are() {
        let steps: String = (0..200).map(|n| format!("  s{n}: {{ uses: ./{n}.yaml }}\n")).collect();
        let mut gathering = Gathering::of(format!("throughline: 1\nsteps:\n{steps}").as_bytes(), "");
        let mut asked = 0;
        while let Some(next) = gathering.next() {
            asked += 1;
            gathering.bring(next, module(&"#".repeat(100 << 10)));
        }
        assert_eq!(asked, MOST_MODULES);
        let library = gathering.finish();
        let there = library.modules.values().filter(|found| found.is_ok()).count();
        assert_eq!(there, (4 << 20) / (100 << 10));
    }
}
