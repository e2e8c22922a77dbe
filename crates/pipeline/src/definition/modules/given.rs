//! What a module is given where it is used: values for its inputs, and names of secrets.

use std::collections::BTreeMap;

use policy::nearest::nearest;
use serde_json::Value;

use super::Location;
use super::inputs::{Input, InputKind, Inputs, Typed};
use super::read::Parsed;
use crate::definition::{Reader, file};
use crate::fill::fill;
use crate::yaml::{Node, Place};

/// The most that the inputs of a module may have together, in bytes.
const LARGEST_INPUTS: usize = 16 << 10;

impl Reader<'_> {
    /// What the inputs of a module are where it is used; by a step with a matrix, with the values of one instance.
    pub(super) fn given(
        &self,
        step: &file::Step,
        axes: Option<&BTreeMap<String, String>>,
        (place, node): (Place, &Node),
        location: &Location,
        module: &Parsed,
    ) -> Inputs {
        let checks = self.checks;
        let declared = &module.file.inputs.0;
        let said = node.get("with");
        for (key, _) in said.map(Node::members).unwrap_or_default() {
            if !declared.iter().any(|(name, _)| *name == key.name) {
                let near = nearest(&key.name, declared.iter().map(|(name, _)| name.as_str()));
                let hint = match (near, declared.is_empty()) {
                    (Some(near), _) => format!("did you mean `{near}`?"),
                    (None, true) => format!("{} takes none: remove it", location.file()),
                    (None, false) => {
                        let names: Vec<String> = declared.iter().map(|(name, _)| format!("`{name}`")).collect();
                        format!("{} takes {}", location.file(), names.join(", "))
                    }
                };
                checks.say(
                    key.place,
                    format!("the module has no input `{}`", key.name),
                    Some(&hint),
                );
            }
        }
        let mut inputs = Inputs::default();
        let nodes = module.root.get("inputs").map(Node::members).unwrap_or_default();
        for ((name, input), (key, _)) in declared.iter().zip(nodes) {
            let there = format!("{}:{}:{}", location.file(), key.place.line, key.place.column);
            let given = step.with.get(name).map(|given| &given.0);
            if given.is_none() && input.is_required() {
                checks.say(
                    place,
                    format!("the module wants `{name}`, which is not given"),
                    Some(&format!("say it under `with`; it is declared in {there}")),
                );
                continue;
            }
            let written = said.and_then(|said| said.get(name));
            if input.kind == InputKind::Secret {
                let secret = given.and_then(|given| self.secret_given(name, given, written.unwrap_or(node), &there));
                inputs.secrets.insert(name.clone(), secret);
                continue;
            }
            let default = || input.default.as_ref().and_then(|default| input.typed(&default.0).ok());
            let typed = match (given, written) {
                (Some(given), Some(written)) => self.typed((name, input), given, axes, written, &there),
                _ => Some(default().unwrap_or_else(|| input.empty())),
            };
            let Some(Typed { text, value }) = typed else { continue };
            inputs.texts.push((name.clone(), text));
            inputs.values.insert(name.clone(), value);
        }
        if inputs.texts.iter().map(|(_, text)| text.len()).sum::<usize>() > LARGEST_INPUTS {
            let message = format!("the inputs have more than {LARGEST_INPUTS} bytes together");
            let hint = "put what is long into a file, and give the module its path";
            checks.say(said.map_or(place, |said| said.place), message, Some(hint));
        }
        inputs
    }

    /// The value of an input. In texts, the axes of a matrix, variables of the file and inputs of the module that
    /// it stands in are filled in.
    fn typed(
        &self,
        (name, input): (&str, &Input),
        given: &Value,
        axes: Option<&BTreeMap<String, String>>,
        written: &Node,
        there: &str,
    ) -> Option<Typed> {
        let checks = self.checks;
        let before = checks.count();
        let put = |text: &str, place: Place| self.filled_in(text, axes, place);
        let mut became = None;
        let typed = match given {
            Value::String(text) => {
                let full = put(text, written.place);
                became = (full != *text).then(|| full.clone());
                if full == *text {
                    input.typed(given)
                } else {
                    input.of_text(&full)
                }
            }
            Value::Array(all) => {
                let nodes = written.elements().iter().map(|node| node.place);
                let full = all.iter().zip(nodes).map(|(each, place)| match each {
                    Value::String(text) => Value::String(put(text, place)),
                    other => other.clone(),
                });
                input.typed(&Value::Array(full.collect()))
            }
            other => input.typed(other),
        };
        if checks.count() > before {
            return None;
        }
        match typed {
            Ok(typed) => {
                checks.no_nul(written.place, &typed.text);
                checks.text(name, written);
                Some(typed)
            }
            Err(expected) => {
                let hint = match (input.kind, given) {
                    (InputKind::String | InputKind::Choice, Value::Number(_) | Value::Bool(_)) => {
                        let text = checks.source.written(written.place);
                        format!("put it in quotes: \"{text}\"; it is declared in {there}")
                    }
                    (InputKind::List, Value::String(text)) => {
                        format!("a list is written [{text}]; it is declared in {there}")
                    }
                    _ => format!("it is declared in {there}"),
                };
                let message = match became {
                    Some(full) => format!("`{name}` must be {expected}, and is `{full}` here"),
                    None => format!("`{name}` must be {expected}"),
                };
                checks.say(written.place, message, Some(&hint));
                None
            }
        }
    }

    /// A text with what the file it stands in gives filled in.
    fn filled_in(&self, text: &str, axes: Option<&BTreeMap<String, String>>, place: Place) -> String {
        if !text.contains('$') {
            return text.to_owned();
        }
        let shared = self.root.get("variables").map(Node::to_json);
        let shared: BTreeMap<String, String> = shared
            .as_ref()
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), crate::checks::to_text(value)))
            .collect();
        let inputs = self.at.inputs.as_ref();
        let value = |name: &str| {
            let of_axis = axes.and_then(|axes| axes.get(name)).map(String::as_str);
            let of_input = || inputs.and_then(|inputs| inputs.text(name));
            of_axis
                .or_else(of_input)
                .or_else(|| shared.get(name).map(String::as_str))
        };
        fill(text, value).unwrap_or_else(|error| {
            let names = inputs
                .into_iter()
                .flat_map(|inputs| inputs.texts.iter().map(|(name, _)| name));
            let names = axes
                .into_iter()
                .flat_map(BTreeMap::keys)
                .chain(names)
                .chain(shared.keys());
            let names: Vec<String> = names.map(|name| format!("`${name}`")).collect();
            let hint = if names.is_empty() {
                "this file has no `variables` that could be; no shell reads it".to_owned()
            } else {
                format!("there are {}", names.join(", "))
            };
            self.checks.say(place, error.to_string(), Some(&hint));
            String::new()
        })
    }

    /// The user's name of a secret that is given to a module: what the definition says, or what was given to the
    /// module that this is in.
    fn secret_given(&self, name: &str, given: &Value, node: &Node, there: &str) -> Option<String> {
        let checks = self.checks;
        let Value::String(text) = given else {
            let hint = format!("it is declared in {there}");
            checks.say(
                node.place,
                format!("`{name}` must be the name of a secret"),
                Some(&hint),
            );
            return None;
        };
        match &self.at.inputs {
            None => {
                checks.secret(node.place, text);
                Some(text.clone())
            }
            Some(inputs) => match inputs.secrets.get(text) {
                Some(secret) => secret.clone(),
                None => {
                    self.no_secret(node.place, text, inputs);
                    None
                }
            },
        }
    }

    /// The secrets that a step gets. Those of a module's step are named by the module's inputs: the user says which
    /// secrets they are.
    pub(in crate::definition) fn secrets_named(&self, node: &Node, secrets: Vec<file::Secret>) -> Vec<file::Secret> {
        let Some(inputs) = &self.at.inputs else { return secrets };
        let nodes = node.get("secrets").map(Node::elements).unwrap_or_default();
        let named = secrets.into_iter().zip(nodes).filter_map(|(secret, node)| {
            let Some(given) = inputs.secrets.get(&secret.secret) else {
                self.no_secret(node.place_of(&["secret"]), &secret.secret, inputs);
                return None;
            };
            // The module's commands know the file by the name of the input.
            let file = secret.file.unwrap_or(secret.secret);
            given.clone().map(|given| file::Secret {
                secret: given,
                variable: secret.variable,
                file: Some(file),
            })
        });
        named.collect()
    }

    fn no_secret(&self, place: Place, name: &str, inputs: &Inputs) {
        let hint = match nearest(name, inputs.secrets.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "declare it, such as `inputs: {{ {}: {{ type: secret }} }}`: who uses the module says which secret it is",
                name.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
            ),
        };
        let message = format!("the module has no input `{name}` of type `secret`");
        self.checks.say(place, message, Some(&hint));
    }

    /// No step of a module sets what is an input.
    pub(in crate::definition) fn inputs_stand(&self, node: &Node) {
        let Some(inputs) = &self.at.inputs else { return };
        let matrix = node.get("matrix");
        let axes = matrix.map(Node::members).unwrap_or_default();
        let included = matrix.and_then(|matrix| matrix.get("include")).map(Node::elements);
        let included = included.unwrap_or_default().iter().flat_map(Node::members);
        let own = node.get("variables").map(Node::members).unwrap_or_default();
        for (key, _) in own.iter().chain(axes).chain(included) {
            if inputs.text(&key.name).is_some() {
                let message = format!("`{}` is an input of the module", key.name);
                self.checks.say(key.place, message, Some("choose another name"));
            }
        }
    }

    /// What a condition says of inputs: of a module's step, and of those there are.
    pub(in crate::definition) fn when_of_inputs(&self, place: Place, name: Option<&str>) {
        let checks = self.checks;
        match (&self.at.inputs, name) {
            (None, _) => {
                let hint = "a module has inputs; ask for what is known here, such as `run.line`";
                checks.say(place, "`when`: there are no inputs here", Some(hint));
            }
            (Some(inputs), Some(name)) if !inputs.values.contains_key(name) => {
                let near = nearest(name, inputs.values.keys().map(String::as_str));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                checks.say(
                    place,
                    format!("`when`: the module has no input `{name}`"),
                    hint.as_deref(),
                );
            }
            _ => {}
        }
    }
}
