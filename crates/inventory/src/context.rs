//! What every family reads from and writes to: files, manifests, documents read once for all, notes.

use std::rc::Rc;

use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::formats::{json, yaml};
use crate::manifests::Manifests;
use crate::observation::Observations;
use crate::reading::Reader;

/// A YAML or JSON file that was read as a whole.
pub(crate) struct DataFile {
    pub path: String,
    pub text: Rc<str>,
    pub documents: Vec<yaml::Document>,
    /// Whether some of it could not be read.
    pub broken: bool,
}

/// The context of a reading.
pub(crate) struct Context<'t> {
    pub catalogue: Catalogue,
    pub reader: Reader<'t>,
    pub manifests: Manifests,
    /// Own YAML files, and the JSON files that describe something known.
    pub data: Vec<DataFile>,
    /// Whether all such files were read.
    pub data_complete: bool,
    pub notes: Observations,
}

/// The most YAML files, and the most JSON files, that are read.
const MOST: usize = 3_000;
/// Longer data files are not descriptions but data.
const LONGEST_DATA: usize = 256 * 1024;

impl Context<'_> {
    /// Documents of a file read before.
    pub fn data_at(&self, path: &str) -> Option<&DataFile> {
        self.data
            .binary_search_by(|file| file.path.as_str().cmp(path))
            .ok()
            .and_then(|index| self.data.get(index))
    }
}

/// Folders and names of data files that describe nothing that is looked for.
fn is_beside_the_point(path: &str) -> bool {
    let name = crate::catalogue::name_of(path);
    matches!(
        name,
        "pnpm-lock.yaml"
            | "package-lock.json"
            | "composer.lock"
            | "npm-shrinkwrap.json"
            | "pubspec.lock"
            | "mkdocs.yml"
    ) || path.starts_with(".github/workflows/")
        || path.split('/').any(|part| {
            matches!(
                part,
                "locales"
                    | "locale"
                    | "i18n"
                    | "l10n"
                    | "translations"
                    | "lang"
                    | "languages"
                    | "_data"
                    | "content"
                    | "crowdin"
            )
        })
}

/// Whether a folder belongs to a chart and holds templates, which are no YAML yet.
pub(crate) fn is_chart_template(catalogue: &Catalogue, path: &str) -> bool {
    path.match_indices("/templates/")
        .any(|(at, _)| catalogue.has(&format!("{}/Chart.yaml", &path[..at])))
        || path.starts_with("templates/") && catalogue.has("Chart.yaml")
}

/// Reads the data files of the product itself, once for all families.
pub(crate) fn read_data(catalogue: &Catalogue, reader: &Reader<'_>) -> (Vec<DataFile>, bool) {
    let mut data = Vec::new();
    let files: Vec<_> = catalogue
        .ending("yaml")
        .chain(catalogue.ending("yml"))
        .filter(|file| !is_beside_the_point(&file.path) && !is_chart_template(catalogue, &file.path))
        .collect();
    let (files, all_yaml) = reader.within("YAML files", files, MOST);
    for file in files {
        let Some(text) = reader.glance(&file.path) else {
            continue;
        };
        if text.len() > LONGEST_DATA
            && !text
                .get(..2_000)
                .is_some_and(|head| head.contains("openapi:") || head.contains("swagger:"))
        {
            continue;
        }
        let (documents, broken) = yaml::read(&text);
        let broken_any = !broken.is_empty();
        // A template of some tool is not broken YAML, and a file among tests may be broken on purpose.
        let templated = text.contains("{{") || text.contains("{%") || text.contains("<%") || text.contains("${");
        if !templated && !crate::languages::in_test_folder(&file.path) {
            for error in broken.iter().take(3) {
                reader.finding(&file.path, error.line, &error.problem, None);
            }
        }
        data.push(DataFile {
            path: file.path.clone(),
            text,
            documents,
            broken: broken_any,
        });
    }
    let files: Vec<_> = catalogue
        .ending("json")
        .filter(|file| !is_beside_the_point(&file.path) && file.name() != "package.json")
        .collect();
    let (files, all_json) = reader.within("JSON files", files, MOST);
    for file in files {
        let Some(text) = reader.glance(&file.path) else {
            continue;
        };
        if !describes(&text) {
            continue;
        }
        if let Ok(value) = json::read(&text) {
            data.push(DataFile {
                path: file.path.clone(),
                text,
                documents: vec![yaml::Document { line: 1, value }],
                broken: false,
            });
        }
    }
    data.sort_by(|a, b| a.path.cmp(&b.path));
    (data, all_yaml && all_json)
}

/// Whether a JSON text may be one of the kinds that are looked for.
fn describes(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "\"openapi\"",
        "\"asyncapi\"",
        "\"swagger\"",
        "\"panels\"",
        "\"AWSTemplateFormatVersion\"",
        "\"Resources\"",
        "json-schema.org",
        "\"apiVersion\"",
        "\"flags\"",
        "\"FeatureManagement\"",
        "\"featureFlags\"",
        "\"feature_flags\"",
        "\"interactions\"",
        "\"$schema\"",
        "deploymentTemplate.json",
        "\"builders\"",
        "\"sops\"",
    ];
    text.len() <= LONGEST_DATA * 2 && WORDS.iter().any(|word| text.contains(word))
}

/// A member of a document as text.
pub(crate) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}
