//! `reports`: the files in which the tests of a step say what came of them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::Reader;
use crate::globs::Globs;
use crate::plan::{ReportFiles, ReportFormat};
use crate::yaml::Node;

/// A path alone, or with the format of its files.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Report {
    Path(String),
    Files(Files),
}

/// Files that say what came of tests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    /// A file or a pattern, relative to the component's folder.
    pub path: String,
    /// What they hold; by default `junit` for files that end in `.xml`, `tap` for those that end in `.tap`.
    pub format: Option<ReportFormat>,
}

impl JsonSchema for Report {
    fn schema_name() -> Cow<'static, str> {
        "Report".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<Files>()] })
    }
}

impl Report {
    /// The path or pattern.
    pub(super) fn path_mut(&mut self) -> &mut String {
        match self {
            Self::Path(path) => path,
            Self::Files(files) => &mut files.path,
        }
    }
}

impl Reader<'_> {
    pub(super) fn reports(&self, node: &Node, reports: Vec<Report>) -> Vec<ReportFiles> {
        let nodes = node.get("reports").map(Node::elements).unwrap_or_default();
        let mut all: Vec<ReportFiles> = Vec::with_capacity(reports.len());
        for (report, node) in reports.into_iter().zip(nodes) {
            let place = node.get("path").map_or(node.place, |path| path.place);
            let (path, format) = match report {
                Report::Path(path) => (path, None),
                Report::Files(files) => (files.path, files.format),
            };
            if let Err(error) = Globs::new([path.as_str()]) {
                let hint = "write it relative to the component's folder";
                self.checks.say(place, error.to_string(), Some(hint));
                continue;
            }
            if path.starts_with('!') {
                self.checks
                    .say(place, format!("`{path}` leaves files out, and names none"), None);
                continue;
            }
            let format = format.or_else(|| {
                let lower = path.to_lowercase();
                let ends = |end: &str| lower.ends_with(end);
                let found = if ends(".xml") {
                    Some(ReportFormat::Junit)
                } else if ends(".tap") {
                    Some(ReportFormat::Tap)
                } else {
                    None
                };
                if found.is_none() {
                    let hint = format!("say it: `{{ path: {path}, format: junit }}`, or `tap`");
                    self.checks.say(
                        place,
                        format!("the name of `{path}` does not say what it holds"),
                        Some(&hint),
                    );
                }
                found
            });
            if all.iter().any(|known| known.path == path) {
                self.checks.say(place, format!("`{path}` is named twice"), None);
                continue;
            }
            all.extend(format.map(|format| ReportFiles { path, format }));
        }
        all
    }
}
