//! A module's file, read and checked by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use facts::StepName;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Library;
use super::expand::{At, Tally};
use super::inputs::{Input, InputKind, Inputs, Typed};
use crate::checks::Checks;
use crate::definition::{Reader, file, matrix, text_of};
use crate::diagnostic::Diagnostics;
use crate::named::Named;
use crate::schema::Scalar;
use crate::yaml::{Node, Source};
use crate::{reading, schema};

/// The most inputs of a module.
const MOST_INPUTS: usize = 64;
/// Keys of a definition that have no place in a module.
const NOT_HERE: [&str; 9] = [
    "package",
    "service",
    "configuration",
    "database",
    "verify",
    "gates",
    "version",
    "components",
    "concurrency",
];

static SCHEMA: LazyLock<Value> = LazyLock::new(schema::of::<ModuleFile>);

/// The JSON Schema of a module.
pub fn json_schema() -> &'static Value {
    &SCHEMA
}

/// A piece of a pipeline that definitions use with `uses`: steps, and the inputs that they take.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "module.yaml")]
pub(super) struct ModuleFile {
    /// The version of this file's language: 1.
    #[schemars(range(min = 1, max = 1))]
    #[allow(dead_code)] // read before everything else
    throughline: u32,
    /// What it is for.
    #[allow(dead_code)] // for those who read the file
    description: Option<String>,
    /// What those who use it may or must say, by name. Each is a variable of every step of the module.
    #[serde(default)]
    pub inputs: Named<Input>,
    /// Variables set for every step of the module; a step's own come before them. Those of the definition that
    /// uses it are not seen.
    #[serde(default)]
    pub variables: BTreeMap<String, Scalar>,
    /// The program that runs the commands of every step that names none; `sh` by default.
    pub shell: Option<String>,
    /// The steps, as in a definition.
    pub steps: Named<file::Step>,
}

/// A module that was read: its tree, and what it says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub root: Node,
    pub file: ModuleFile,
}

impl Parsed {
    /// Reads a module.
    pub fn read(source: Source<'_>) -> Result<Self, Diagnostics> {
        let (root, file) =
            reading::read::<ModuleFile>(&source, &SCHEMA).map_err(|wrong| not_here(&source).unwrap_or(wrong))?;
        let checks = Checks::new(source);
        if file.steps.0.is_empty() {
            checks.say(
                root.place_of(&["steps"]),
                "the module has no steps",
                Some("write what is done, such as `steps: { test: { run: make test } }`"),
            );
        }
        inputs(&checks, &root, &file);
        Diagnostics::none_of(checks.into_wrong())?;
        Ok(Self { root, file })
    }
}

/// What a definition may say and a module may not: it gives steps, and those who use it decide the rest.
fn not_here(source: &Source<'_>) -> Option<Diagnostics> {
    let root = source.parse().ok()?;
    let checks = Checks::new(*source);
    for (key, _) in root.members() {
        if NOT_HERE.contains(&key.name.as_str()) {
            checks.say(
                key.place,
                format!("`{}` has no place in a module", key.name),
                Some("a module gives steps; what is packaged, let in and checked is said in the definition"),
            );
        }
    }
    Diagnostics::none_of(checks.into_wrong()).err()
}

/// Whether a file has the keys of a module, or of a definition that was taken for one, and no others. What a file
/// of another repository says that is none is not told to those who name it.
pub(super) fn is_like_one(source: Source<'_>) -> bool {
    let known = SCHEMA.get("properties").and_then(Value::as_object);
    source.parse().is_ok_and(|root| {
        let keys = root.members().iter().map(|(key, _)| key.name.as_str());
        let knows = |key: &str| known.is_some_and(|known| known.contains_key(key)) || NOT_HERE.contains(&key);
        root.get("steps").is_some() && keys.into_iter().all(knows)
    })
}

/// Whether the declared inputs make sense.
fn inputs(checks: &Checks<'_>, root: &Node, file: &ModuleFile) {
    let nodes = root.get("inputs").map(Node::members).unwrap_or_default();
    if nodes.len() > MOST_INPUTS {
        let message = format!("there are {} inputs, more than the {MOST_INPUTS} allowed", nodes.len());
        checks.say(root.place_of(&["inputs"]), message, None);
        return;
    }
    let shared = root.get("variables");
    for ((name, input), (key, node)) in file.inputs.0.iter().zip(nodes) {
        checks.variable(key.place, name);
        if let Some((key, _)) = shared.and_then(|shared| shared.member(name)) {
            let message = format!("`{name}` is an input already");
            checks.say(key.place, message, Some("take it out of one of the two"));
        }
        if input.kind == InputKind::Secret {
            checks.secret(key.place, name);
            if node.get("default").is_some() {
                let hint = "a module gets no secret that its user does not name: remove it, or write `required: false`";
                checks.say(node.place_of(&["default"]), "a `secret` has no `default`", Some(hint));
                continue;
            }
        }
        choices(checks, input, node);
        let mut default_fits = true;
        if let Some(default) = &input.default {
            let place = node.place_of(&["default"]);
            match input.typed(&default.0) {
                Err(expected) => {
                    default_fits = false;
                    checks.say(place, format!("the default of `{name}` must be {expected}"), None);
                }
                Ok(Typed { text, .. }) => checks.no_nul(place, &text),
            }
        }
        match (input.required, &input.default) {
            (Some(true), Some(_)) if default_fits => checks.say(
                node.place_of(&["required"]),
                format!("`{name}` has a `default`, so it need not be given"),
                Some("remove one of the two"),
            ),
            (Some(false), Some(_)) => checks.say(
                node.place_of(&["required"]),
                "`required` is without effect: with a `default` it need not be given",
                Some("remove it"),
            ),
            (Some(false), None) if input.kind == InputKind::Choice => checks.say(
                node.place_of(&["required"]),
                format!("`{name}` would be none of its values"),
                Some("give it a `default`"),
            ),
            _ => {}
        }
    }
}

/// A choice has values, each once; nothing else has.
fn choices(checks: &Checks<'_>, input: &Input, node: &Node) {
    let place = node.place_of(&["values"]);
    match (input.kind == InputKind::Choice, input.values.is_empty()) {
        (true, true) => checks.say(
            place,
            "a `choice` has `values`",
            Some("name them: `type: choice, values: [a, b]`"),
        ),
        (false, false) => checks.say(
            place,
            "`values` is without effect: only a `choice` has them",
            Some("write `type: choice`, or remove it"),
        ),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    let nodes = node.get("values").map(Node::elements).unwrap_or_default();
    for (value, node) in input.values.iter().zip(nodes) {
        checks.no_nul(node.place, value);
        if !seen.insert(value) {
            checks.say(node.place, format!("`{value}` stands here twice"), None);
        }
    }
}

/// Whether bytes look like a module and not like a definition.
pub fn is_module(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.contains("inputs")
        && (Source { file: "", text }).parse().is_ok_and(|root| {
            let declares = |node: &Node| node.members().iter().all(|(_, input)| input.get("type").is_some());
            root.get("inputs").is_some_and(declares)
        })
}

/// Checks a module by itself, with values for its inputs that fit; what its steps are called.
///
/// # Errors
/// Everything that is wrong, each with its place.
pub fn check(bytes: &[u8], file: &str, library: &Library) -> Result<Vec<StepName>, Diagnostics> {
    let text = text_of(bytes, file)?;
    let source = Source { file, text };
    let Parsed { root, file } = Parsed::read(source)?;
    let mut inputs = Inputs::default();
    for (name, input) in &file.inputs.0 {
        if input.kind == InputKind::Secret {
            inputs.secrets.insert(name.clone(), Some(name.clone()));
            continue;
        }
        let Typed { text, value } = sample(input);
        inputs.texts.push((name.clone(), text));
        inputs.values.insert(name.clone(), value);
    }
    let (checks, tally) = (Checks::new(source), Tally::default());
    let at = At {
        library,
        tally: &tally,
        base: library.base(),
        chain: Vec::new(),
        inputs: Some(inputs),
    };
    let reader = Reader {
        checks: &checks,
        root: &root,
        at: &at,
    };
    let mut steps = reader.module_steps(&file);
    matrix::needs_of_instances(&mut steps);
    Diagnostics::none_of(checks.into_wrong())?;
    Ok(steps.into_iter().map(|step| step.name).collect())
}

/// A value that an input may have.
fn sample(input: &Input) -> Typed {
    let text = match input.kind {
        InputKind::Number => "1",
        InputKind::Choice => input.values.first().map_or("", String::as_str),
        _ => "x",
    };
    let given = input.default.as_ref().and_then(|default| input.typed(&default.0).ok());
    given
        .or_else(|| input.of_text(text).ok())
        .unwrap_or_else(|| input.empty())
}
