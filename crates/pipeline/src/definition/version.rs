//! How the package's version is made, and whether it becomes a tag.

use std::collections::BTreeSet;

use facts::{ReleaseLine, StepName};
use serde_json::json;

use super::steps::Defaults;
use super::{Reader, file};
use crate::document::VersionScheme;
use crate::plan::{PlannedStep, RunInput, VERSION};

/// How long the command may take where nothing is said, in seconds.
const USUAL_TIMEOUT: u64 = 300;

/// What `version` comes to.
#[derive(Debug, Default)]
pub(super) struct Versioned {
    pub scheme: VersionScheme,
    /// What the tag's name begins with, where there is to be a tag.
    pub tag: Option<String>,
    /// The step that prints the version, where there is one.
    pub step: Option<PlannedStep>,
}

impl Reader<'_> {
    /// `steps` are the names of all steps.
    pub(super) fn version(&self, version: file::Version, steps: &BTreeSet<&str>, defaults: &Defaults) -> Versioned {
        let rule = match version {
            file::Version::Scheme(scheme) => {
                return Versioned {
                    scheme: named(scheme),
                    ..Versioned::default()
                };
            }
            file::Version::Rule(rule) => rule,
        };
        let node = self.root.get("version").unwrap_or(self.root);
        let place = |key: &str| node.member(key).map_or(node.place, |(key, _)| key.place);
        let checks = self.checks;
        let tag = rule.tag.then(|| rule.prefix.clone().unwrap_or_else(|| "v".to_owned()));
        match (&tag, &rule.prefix) {
            (None, Some(_)) => checks.say(
                place("prefix"),
                "`prefix` is without effect: there is to be no tag",
                Some("write `tag: true`, or remove it"),
            ),
            // A tag's name obeys the rules of a branch's.
            (Some(prefix), Some(_)) if prefix.len() > 64 || ReleaseLine::new(format!("{prefix}1.0.0")).is_err() => {
                checks.say(
                    node.place_of(&["prefix"]),
                    format!("`{}1.0.0` is no name of a tag", prefix.escape_debug()),
                    Some("begin it with a word such as `v` or `shop/v`, at most 64 characters"),
                );
            }
            _ => {}
        }
        let Some(command) = rule.command else {
            for (key, there) in [("needs", rule.needs.is_some()), ("timeout", rule.timeout.is_some())] {
                if there {
                    let message = format!("`{key}` is without effect: there is no `command`");
                    checks.say(place(key), message, Some("write the `command`, or remove it"));
                }
            }
            return Versioned {
                scheme: named(rule.scheme.unwrap_or_default()),
                tag,
                step: None,
            };
        };
        if rule.scheme.is_some() {
            checks.say(
                place("scheme"),
                "`scheme` and `command` are two ways to make the version",
                Some("keep one of them"),
            );
        }
        checks.script(node, "command", &command);
        if let Some((key, _)) = self.root.get("steps").and_then(|steps| steps.member(VERSION)) {
            let message = "`version` is the name of the step that prints the version";
            checks.say(key.place, message, Some("choose another name"));
        }
        let needs = self.needs(node, &rule.needs.unwrap_or_default(), steps);
        let timeout = checks.seconds(node, "timeout", rule.timeout.as_deref(), USUAL_TIMEOUT);
        let input = RunInput {
            script: command,
            shell: defaults.shell.clone(),
            variables: defaults.variables.clone(),
            ..RunInput::default()
        };
        let step = StepName::new(VERSION).ok().map(|name| {
            let mut step = PlannedStep::new(name, VERSION, json!(input)).needing(needs);
            step.timeout_seconds = Some(timeout);
            step
        });
        Versioned {
            scheme: VersionScheme::Command,
            tag,
            step,
        }
    }
}

fn named(scheme: file::Scheme) -> VersionScheme {
    match scheme {
        file::Scheme::Semantic => VersionScheme::Semantic,
        file::Scheme::Calendar => VersionScheme::Calendar,
    }
}
