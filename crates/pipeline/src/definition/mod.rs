//! `throughline.yaml`: how a component is built, packaged and run.

pub mod components;
mod concurrency;
mod file;
mod image;
mod kept;
mod lines;
mod matrix;
pub mod modules;
mod parts;
mod reports;
mod resources;
mod services;
mod steps;
mod version;

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use facts::{Digest, StepName};
use policy::nearest::nearest;
use serde_json::{Value, json};

use crate::checks::Checks;
use crate::configuration::DEFAULT;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::PackageDocument;
use crate::environments::Environments;
use crate::plan::{EffectClass, PACKAGE, PackageFile, PackageInput, Plan, PlannedStep};
use crate::yaml::{Node, Place, Source};
use crate::{reading, schema};
use components::Components;
use modules::{At, Bundle, Library, Tally, UsedModule};

/// The name of the file in the component's folder.
pub const FILE: &str = "throughline.yaml";

static SCHEMA: LazyLock<Value> = LazyLock::new(schema::of::<file::File>);

/// The JSON Schema of `throughline.yaml`.
pub fn json_schema() -> &'static Value {
    &SCHEMA
}

/// A checked definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    plan: Plan,
    document: PackageDocument,
    tag: Option<String>,
    /// Whether the file itself says what the tag's name begins with.
    tag_is_named: bool,
    components: Components,
    /// The bytes in which it is kept, where it uses modules.
    bundle: Option<Vec<u8>>,
    lines: lines::Lines,
    digest: Digest,
    file: String,
    /// Environments that the definition names, with their places.
    mentioned: Vec<(String, Place)>,
    /// What steps say that they take of a machine.
    asked: Vec<resources::Asked>,
}

impl Definition {
    /// Reads a definition; `file` is what the file is called in messages.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn parse(text: &str, file: &str) -> Result<Self, Diagnostics> {
        Self::parse_with(text, file, &Library::default())
    }

    /// Reads a definition that uses these modules.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place, in the modules too.
    pub fn parse_with(text: &str, file: &str, library: &Library) -> Result<Self, Diagnostics> {
        let source = Source { file, text };
        let (root, parsed) = reading::read::<file::File>(&source, &SCHEMA)?;
        let checks = Checks::new(source);
        let tally = Tally::default();
        let mut definition = Reader {
            checks: &checks,
            root: &root,
            at: &At::definition(library, &tally),
        }
        .definition(parsed, file);
        Diagnostics::none_of(checks.into_wrong())?;
        let used = tally.used();
        if !used.is_empty() {
            let bundle = Bundle::bytes(text, library, &used);
            definition.digest = Digest::of(&bundle);
            definition.bundle = Some(bundle);
        }
        Ok(definition)
    }

    /// Reads a definition as it was kept, see [`Definition::kept`].
    ///
    /// # Errors
    /// As for [`Definition::parse`].
    pub fn parse_kept(bytes: &[u8], file: &str) -> Result<Self, Diagnostics> {
        match Bundle::read(bytes) {
            Some((text, library)) => Self::parse_with(&text, file, &library),
            None => Self::parse_bytes(bytes, file),
        }
    }

    /// The bytes in which it is kept where it uses modules: its text and theirs. The definition's digest is that
    /// of these bytes, else that of its text.
    pub fn kept(&self) -> Option<&[u8]> {
        self.bundle.as_deref()
    }

    /// The modules that it uses, directly or over others, in the order of their places.
    pub fn modules(&self) -> &[UsedModule] {
        &self.document.modules
    }

    /// Reads a definition from bytes, which may be anything.
    ///
    /// # Errors
    /// When the bytes are no text, or as for [`Definition::parse`].
    pub fn parse_bytes(bytes: &[u8], file: &str) -> Result<Self, Diagnostics> {
        Self::parse(text_of(bytes, file)?, file)
    }

    /// Reads a definition that uses these modules from bytes, which may be anything.
    ///
    /// # Errors
    /// When the bytes are no text, or as for [`Definition::parse_with`].
    pub fn parse_bytes_with(bytes: &[u8], file: &str, library: &Library) -> Result<Self, Diagnostics> {
        Self::parse_with(text_of(bytes, file)?, file, library)
    }

    /// The steps of a build, the one named `package` last.
    pub fn plan(&self) -> Plan {
        self.plan.clone()
    }

    /// The names of the steps of a build, in the order of [`Definition::plan`].
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &StepName> {
        self.plan.steps.iter().map(|step| &step.name)
    }

    /// The same on a line: where the file forbids tools' caches there, no step has any.
    pub fn plan_on(&self, line: &str) -> Plan {
        if self.forbids_tool_caches(line) {
            lines::without_caches(self.plan())
        } else {
            self.plan()
        }
    }

    /// Whether the folders under `cache` of steps are not kept from run to run on a line.
    pub fn forbids_tool_caches(&self, line: &str) -> bool {
        self.lines.forbid_caches(line)
    }

    /// What is frozen into the package.
    pub fn document(&self) -> &PackageDocument {
        &self.document
    }

    /// What the name of the tag begins with that a commit gets once its package is built; `None` where
    /// there is to be none.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The same for one of several components of a repository, whose tags begin with its name where its file
    /// says nothing else.
    pub fn tag_of(&self, member: Option<&str>) -> Option<String> {
        let tag = self.tag.as_deref()?;
        Some(match member {
            Some(member) if !self.tag_is_named => format!("{member}-{tag}"),
            _ => tag.to_owned(),
        })
    }

    /// Whether a package comes out.
    pub fn makes_package(&self) -> bool {
        self.plan.steps.iter().any(|step| step.action == PACKAGE)
    }

    /// The components that the repository holds, where this is the file at its top.
    pub fn components(&self) -> &Components {
        &self.components
    }

    /// The digest of the text it was read from, or of that with its modules; see [`Definition::kept`].
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Environments that the definition names and that are not there. They are no errors of the file: it
    /// may be built where they do not exist.
    pub fn unknown_environments(&self, environments: &Environments) -> Vec<Diagnostic> {
        let names = || environments.iter().map(|environment| environment.name.as_str());
        self.mentioned
            .iter()
            .filter(|(name, _)| names().all(|known| known != name))
            .map(|(name, place)| Diagnostic {
                file: self.file.clone(),
                line: place.line,
                column: place.column,
                message: format!("there is no environment `{name}`"),
                hint: nearest(name, names()).map(|near| format!("did you mean `{near}`?")),
            })
            .collect()
    }
}

/// The text that `bytes` are.
pub(crate) fn text_of<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, Diagnostics> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        Diagnostic {
            file: file.to_owned(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: 0,
            message: "this is no text".to_owned(),
            hint: Some("the file must be a text in UTF-8".to_owned()),
        }
        .into()
    })
}

/// The name that the file gives to a step; of the instances of a matrix all have the same, and all that a module gives.
fn written_as(step: &PlannedStep) -> &str {
    step.named().as_str()
}

/// Turns the parsed file into a definition and notes what is wrong.
struct Reader<'a> {
    checks: &'a Checks<'a>,
    root: &'a Node,
    at: &'a At<'a>,
}

impl Reader<'_> {
    fn definition(&self, parsed: file::File, file: &str) -> Definition {
        let mut mentioned = Vec::new();
        if let Some(values) = self.root.get("configuration").and_then(|node| node.get("values")) {
            let own = values.members().iter().filter(|(key, _)| key.name != DEFAULT);
            mentioned.extend(own.map(|(key, _)| (key.name.clone(), key.place)));
        }
        for gate in self.root.get("gates").into_iter().flat_map(Node::elements) {
            if let Some(node) = gate.get("environment") {
                mentioned.push((node.to_json().as_str().unwrap_or_default().to_owned(), node.place));
            }
        }
        let names: Vec<String> = parsed.steps.0.iter().map(|(name, _)| name.clone()).collect();
        let tag_is_named = matches!(&parsed.version, file::Version::Rule(rule) if rule.prefix.is_some());
        let components = match parsed.components {
            Some(listed) => Components::read(self.checks, self.root, listed),
            None => Components::default(),
        };
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let defaults = self.defaults(parsed.variables, parsed.shell);
        let version = self.version(parsed.version, &names, &defaults);
        let mut steps = self.steps(parsed.steps, &defaults);
        let document = PackageDocument {
            version_scheme: version.scheme,
            service: parsed.service.map(|service| self.service(service)),
            configuration: parsed
                .configuration
                .map(|configuration| self.configuration(configuration)),
            database: parsed.database.map(|database| self.database(database)),
            verify: self.verify(parsed.verify),
            gates: self.gates(parsed.gates),
            modules: self.at.tally.used(),
        };
        match parsed.package {
            Some(package) => {
                let package = self.package(package, &document, &steps, &names);
                // A version that cannot be had is known before the package is put together.
                let package = package.map(|mut package| {
                    package.needs.extend(version.step.iter().map(|step| step.name.clone()));
                    package
                });
                steps.extend(version.step);
                steps.extend(package);
            }
            None => self.nothing_without_package(),
        }
        matrix::needs_of_instances(&mut steps);
        let concurrency = self.concurrency(self.root, parsed.concurrency, None);
        let own = concurrency.as_ref().map(|concurrency| &concurrency.group);
        let written = self.written_steps();
        for step in &steps {
            // What a module says is in its own file.
            let node = written.get(written_as(step)).filter(|_| step.within.is_empty());
            if let (Some(group), Some(node)) = (step.concurrency.as_ref().map(|own| &own.group), node)
                && Some(group) == own
            {
                let message = "without effect: the whole run is in this group already";
                let hint = "take `concurrency` away here, or from the top of the file";
                self.checks.say(node.place_of(&["concurrency"]), message, Some(hint));
            }
        }
        let asked = self.asked(&steps);
        let absent = |key: &str| self.root.get(key).is_none();
        if steps.is_empty() && names.is_empty() && absent("package") && absent("components") {
            let hint = "write what is done, such as `steps: { test: { run: make test } }`";
            self.checks.say(
                self.root.place,
                "there is nothing to do: no steps and no package",
                Some(hint),
            );
        }
        Definition {
            plan: Plan { steps, concurrency },
            document,
            tag: version.tag,
            tag_is_named,
            components,
            bundle: None,
            lines: self.lines(&parsed.lines),
            digest: Digest::of(self.checks.source.text),
            file: file.to_owned(),
            mentioned,
            asked,
        }
    }

    /// The steps as they stand in the file, by their names there.
    fn written_steps(&self) -> HashMap<&str, &Node> {
        let steps = self.root.get("steps").map(Node::members).unwrap_or_default();
        steps.iter().map(|(key, node)| (key.name.as_str(), node)).collect()
    }

    /// What is frozen into a package is without effect where there is none.
    fn nothing_without_package(&self) {
        for key in ["version", "service", "configuration", "database", "verify", "gates"] {
            if let Some((key, _)) = self.root.member(key) {
                let message = format!("`{}` is without effect: there is no `package`", key.name);
                self.checks
                    .say(key.place, message, Some("say what goes into the package, or remove it"));
            }
        }
    }

    fn package(
        &self,
        package: file::Package,
        document: &PackageDocument,
        steps: &[PlannedStep],
        names: &BTreeSet<&str>,
    ) -> Option<PlannedStep> {
        let node = self.root.get("package")?;
        let mut files = Vec::with_capacity(package.files.len());
        let nodes = node.get("files").map(Node::elements).unwrap_or_default();
        for (entry, node) in package.files.into_iter().zip(nodes) {
            let is_glob = entry.from.contains(['*', '?', '[', '{']);
            self.checks.path(node.place_of(&["from"]), "the path", &entry.from);
            let to = match entry.to {
                Some(to) => {
                    self.checks.path(node.place_of(&["to"]), "the path in the package", &to);
                    to
                }
                // The matches of a glob keep their paths.
                None if is_glob => ".".to_owned(),
                None => entry.from.clone(),
            };
            files.push(PackageFile { from: entry.from, to });
        }
        if let Some(database) = &document.database
            && !files.iter().any(|file| file.to == database.migrations)
        {
            files.push(PackageFile {
                from: database.migrations.clone(),
                to: database.migrations.clone(),
            });
        }
        if files.is_empty() {
            let place = self.root.member("package").map_or(node.place, |(key, _)| key.place);
            self.checks.say(
                place,
                "the package has no files",
                Some("name them: `files: [{ from: target/release/app }]`"),
            );
        }
        let needs = match package.needs {
            Some(needs) => self.needs(node, &needs, names),
            None => steps.iter().map(|step| step.name.clone()).collect(),
        };
        let input = PackageInput {
            files,
            document: document.clone(),
        };
        let mut step = PlannedStep::new(StepName::new(PACKAGE).ok()?, PACKAGE, json!(input)).needing(needs);
        step.effect = EffectClass::Idempotent;
        Some(step)
    }
}
