//! Modules of builds, and components: parts with an artifact of their own.
//!
//! A *module* is what a build knows as a part. A *component* has an artifact of its own: a package that
//! is published under its own version, or something that is deployed (an image, a service of a compose
//! file, a web application). Private packages, packages that share one version, and what lies among
//! tools, tests, documents or templates are modules at most.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Component, Place};
use serde_json::Value;

use super::Found;
use super::containers::is_containerfile;
use crate::catalogue::{Catalogue, folder_of, is_below, join, name_of};
use crate::context::{Context, text};
use crate::formats::json;
use crate::languages::{self, is_test_folder};
use crate::manifests::{Ecosystem, Manifest};
use crate::observation::{at, at_line};
use crate::reading::line_of;

/// The most components that are told apart.
const MOST: usize = 400;

#[derive(Debug, Clone)]
struct Candidate {
    name: Option<String>,
    versioned: bool,
    image: bool,
    place: Place,
}

/// Folders of what helps to make the product and is none.
pub(super) fn is_auxiliary(folder: &str) -> bool {
    folder.split('/').any(|part| {
        let small = part.to_ascii_lowercase();
        is_test_folder(part)
            || small.starts_with('.')
            || small.ends_with("-template")
            || matches!(
                small.as_str(),
                "tools"
                    | "tool"
                    | "hack"
                    | "scripts"
                    | "script"
                    | "ci"
                    | "build"
                    | "docs"
                    | "doc"
                    | "documentation"
                    | "website"
                    | "bench"
                    | "benches"
                    | "benchmark"
                    | "benchmarks"
                    | "templates"
                    | "template"
                    | "xtask"
                    | "fuzz"
                    | "devcontainer"
                    | "storybook"
                    | "contrib"
                    | "support"
                    | "docker"
                    | "site"
                    | "misc"
            )
    })
}

/// Files that say a folder is deployed by itself.
const DEPLOYED: &[&str] = &[
    "fly.toml",
    "serverless.yml",
    "serverless.yaml",
    "serverless.ts",
    "wrangler.toml",
    "wrangler.jsonc",
    "vercel.json",
    "netlify.toml",
    "Procfile",
    "app.yaml",
    "firebase.json",
    "samconfig.toml",
    "throughline.yaml",
];

pub(super) fn look(context: &mut Context<'_>) -> Found {
    modules(context);
    let mut candidates: BTreeMap<String, Candidate> = BTreeMap::new();
    let shared = lockstep(context);
    for manifest in &context.manifests.all {
        consider_manifest(context, manifest, &shared, &mut candidates);
    }
    images(context, &mut candidates);
    compose_and_skaffold(context, &mut candidates);
    let has_product = context
        .catalogue
        .own()
        .any(|file| !file.test && file.language.is_some_and(languages::writes_products));
    if candidates.is_empty() && !has_product {
        charts(context, &mut candidates);
    }
    add_root(context, &mut candidates);
    let mut components = Vec::new();
    let mut places = Vec::new();
    if candidates.len() > MOST {
        context.reader.limit(&format!(
            "of {} components the first {MOST} are told apart",
            candidates.len()
        ));
    }
    for (folder, candidate) in candidates.into_iter().take(MOST) {
        let name = candidate.name.unwrap_or_else(|| name_of(&folder).to_owned());
        let path = match &candidate.place {
            Place::File { file, .. } => file.clone(),
            _ => folder.clone(),
        };
        if candidate.versioned {
            context
                .notes
                .yes("components_versioned", at_line(&path, None, name.clone()));
        }
        if candidate.image {
            context
                .notes
                .yes("components_with_image", at_line(&path, None, name.clone()));
        }
        places.push(candidate.place);
        components.push(Component { name, folder });
    }
    if components.len() < 2 {
        components.clear();
    }
    Found { components, places }
}

/// Counts the modules that builds know.
fn modules(context: &mut Context<'_>) {
    let mut counted: BTreeSet<(Ecosystem, String)> = BTreeSet::new();
    let mut declared: Vec<(Ecosystem, String, String)> = Vec::new();
    for manifest in &context.manifests.all {
        if manifest.is_of_tests() || is_auxiliary(&manifest.folder) {
            continue;
        }
        let is_package = match manifest.ecosystem {
            Ecosystem::Cargo => manifest.value.get("package").is_some(),
            Ecosystem::Java => manifest.tool != "gradle" && (manifest.tool != "maven" || manifest.members.is_empty()),
            Ecosystem::Node => manifest.name.is_some() && manifest.members.is_empty(),
            Ecosystem::Python => manifest.name.is_some(),
            Ecosystem::Ruby => manifest.tool == "rubygems",
            _ => true,
        };
        if is_package && counted.insert((manifest.ecosystem, manifest.folder.clone())) {
            context.notes.yes("modules", at(&manifest.path));
        }
        if manifest.tool == "gradle" && name_of(&manifest.path).starts_with("settings.gradle") {
            for member in &manifest.members {
                let folder = join(&manifest.folder, member).unwrap_or_default();
                declared.push((Ecosystem::Java, folder, manifest.path.clone()));
            }
            if manifest.members.is_empty() {
                declared.push((Ecosystem::Java, manifest.folder.clone(), manifest.path.clone()));
            }
        }
    }
    for (ecosystem, folder, path) in declared {
        if counted.insert((ecosystem, folder.clone())) {
            context.notes.yes("modules", at_line(&path, None, folder));
        }
    }
}

/// Ecosystems and groups of packages that are released under one version: their packages are modules.
fn lockstep(context: &Context<'_>) -> BTreeSet<Ecosystem> {
    let mut shared = BTreeSet::new();
    for file in context.catalogue.named("lerna.json") {
        if let Some(content) = context.reader.text(&file.path)
            && let Ok(value) = json::read(&content)
            && text(&value, "version").is_some_and(|version| version != "independent" && version != "0.0.0")
        {
            shared.insert(Ecosystem::Node);
        }
    }
    let mut versions: BTreeMap<Ecosystem, Vec<&str>> = BTreeMap::new();
    for manifest in &context.manifests.all {
        if manifest.publishable
            && !is_auxiliary(&manifest.folder)
            && let Some(version) = &manifest.version
        {
            versions.entry(manifest.ecosystem).or_default().push(version);
        }
    }
    for (ecosystem, all) in versions {
        let first = all.first().copied().unwrap_or_default();
        if all.len() >= 3 && all.iter().all(|version| *version == first) {
            shared.insert(ecosystem);
        }
    }
    shared
}

fn has_image(catalogue: &Catalogue, folder: &str) -> bool {
    let inside = |name: &str| {
        if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        }
    };
    ["Dockerfile", "Containerfile", "docker/Dockerfile"]
        .iter()
        .any(|name| catalogue.has(&inside(name)))
}

fn consider_manifest(
    context: &Context<'_>,
    manifest: &Manifest,
    shared: &BTreeSet<Ecosystem>,
    candidates: &mut BTreeMap<String, Candidate>,
) {
    let folder = manifest.folder.as_str();
    if folder.is_empty() || is_auxiliary(folder) {
        return;
    }
    let deployed = DEPLOYED
        .iter()
        .any(|name| context.catalogue.has(&format!("{folder}/{name}")));
    let image = has_image(&context.catalogue, folder);
    let own_version = manifest.publishable
        && !manifest.shares_version
        && !shared.contains(&manifest.ecosystem)
        && match manifest.ecosystem {
            // A version stands in tags of the folder, or is computed.
            Ecosystem::Go => !image && !folder.split('/').any(|part| part == "internal"),
            Ecosystem::Python | Ecosystem::Ruby => manifest.name.is_some(),
            Ecosystem::Java => manifest.tool == "maven" && manifest.version.is_some(),
            _ => manifest.version.is_some(),
        };
    let runs = manifest.runnable && matches!(manifest.ecosystem, Ecosystem::Dotnet | Ecosystem::Java);
    if !(deployed || image || own_version || runs) || !has_source(&context.catalogue, folder) {
        return;
    }
    let candidate = candidates.entry(folder.to_owned()).or_insert_with(|| Candidate {
        name: None,
        versioned: false,
        image: false,
        place: Place::file(&manifest.path),
    });
    candidate.versioned |= own_version;
    candidate.image |= image;
    if candidate.name.is_none() {
        candidate.name = manifest.name.clone().map(|name| short(manifest.ecosystem, &name));
    }
}

/// The name that people say: the last part of a module's path or of coordinates.
fn short(ecosystem: Ecosystem, name: &str) -> String {
    match ecosystem {
        Ecosystem::Go => {
            let mut parts = name.rsplit('/');
            let last = parts.next().unwrap_or(name);
            let major = last
                .strip_prefix('v')
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
            if major { parts.next().unwrap_or(last) } else { last }.to_owned()
        }
        Ecosystem::Java => name.rsplit(':').next().unwrap_or(name).to_owned(),
        _ => name.to_owned(),
    }
}

/// Whether a folder holds source files of a product.
fn has_source(catalogue: &Catalogue, folder: &str) -> bool {
    catalogue
        .below(folder)
        .any(|file| !file.test && file.language.is_some())
}

/// Folders with a definition of an image and source files beside it.
fn images(context: &Context<'_>, candidates: &mut BTreeMap<String, Candidate>) {
    for file in context.catalogue.own().filter(|file| is_containerfile(&file.path)) {
        let mut folder = folder_of(&file.path);
        if name_of(folder) == "docker" {
            folder = folder_of(folder);
        }
        if folder.is_empty() || is_auxiliary(folder) {
            continue;
        }
        let direct = context
            .catalogue
            .below(folder)
            .any(|other| !other.test && other.language.is_some_and(languages::writes_products));
        if !direct
            || candidates
                .keys()
                .any(|known| known != folder && !known.is_empty() && is_below(folder, known))
        {
            continue;
        }
        candidates
            .entry(folder.to_owned())
            .and_modify(|known| known.image = true)
            .or_insert_with(|| Candidate {
                name: None,
                versioned: false,
                image: true,
                place: Place::file(&file.path),
            });
    }
}

/// Services that a compose file, and artifacts that skaffold, builds from folders of the tree.
fn compose_and_skaffold(context: &Context<'_>, candidates: &mut BTreeMap<String, Candidate>) {
    for file in &context.data {
        let folder = folder_of(&file.path);
        if is_auxiliary(folder) {
            continue;
        }
        let name = name_of(&file.path);
        let mut built: Vec<(String, String)> = Vec::new();
        for document in &file.documents {
            if super::containers::is_compose(name)
                && let Some(Value::Object(services)) = document.value.get("services")
            {
                for (service, value) in services {
                    let from = match value.get("build") {
                        Some(Value::String(from)) => Some(from.as_str()),
                        Some(build) => Some(text(build, "context").unwrap_or(".")),
                        None => None,
                    };
                    built.extend(from.map(|from| (service.clone(), from.to_owned())));
                }
            }
            if name.starts_with("skaffold")
                && let Some(Value::Array(artifacts)) =
                    document.value.get("build").and_then(|build| build.get("artifacts"))
            {
                for artifact in artifacts {
                    let image = text(artifact, "image").unwrap_or_default();
                    let from = text(artifact, "context").unwrap_or(".");
                    built.push((name_of(image).to_owned(), from.to_owned()));
                }
            }
        }
        for (service, from) in built {
            let Some(folder) = join(folder, &from).filter(|folder| !folder.is_empty() && !is_auxiliary(folder)) else {
                continue;
            };
            if !has_source(&context.catalogue, &folder) {
                continue;
            }
            let place = Place::File {
                file: file.path.clone(),
                line: line_of(&file.text, &service),
                what: Some(service.clone()),
            };
            candidates
                .entry(folder)
                .and_modify(|known| known.image = true)
                .or_insert(Candidate {
                    name: Some(service),
                    versioned: false,
                    image: true,
                    place,
                });
        }
    }
}

/// In a repository of charts, each chart is what is delivered.
fn charts(context: &Context<'_>, candidates: &mut BTreeMap<String, Candidate>) {
    for file in context.catalogue.named("chart.yaml") {
        let folder = folder_of(&file.path);
        if folder.is_empty() || is_auxiliary(folder) || folder.contains("/charts/") {
            continue;
        }
        let Some(value) = context
            .data_at(&file.path)
            .and_then(|data| data.documents.first())
            .map(|document| &document.value)
        else {
            continue;
        };
        if text(value, "type") == Some("library") {
            continue;
        }
        candidates.insert(
            folder.to_owned(),
            Candidate {
                name: text(value, "name").map(str::to_owned),
                versioned: text(value, "version").is_some(),
                image: false,
                place: Place::file(&file.path),
            },
        );
    }
}

/// The root is a component beside others when it makes something and has source of its own.
fn add_root(context: &Context<'_>, candidates: &mut BTreeMap<String, Candidate>) {
    let manifests: Vec<&Manifest> = context
        .manifests
        .all
        .iter()
        .filter(|manifest| manifest.folder.is_empty())
        .collect();
    let image = has_image(&context.catalogue, "");
    let maker = manifests
        .iter()
        .find(|manifest| manifest.publishable)
        .or_else(|| manifests.iter().find(|manifest| manifest.runnable));
    let others: Vec<String> = candidates.keys().cloned().collect();
    let mut rest = context.catalogue.own().filter(|file| {
        !file.test
            && file.language.is_some_and(languages::writes_products)
            && !others.iter().any(|folder| is_below(&file.path, folder))
            && !is_auxiliary(folder_of(&file.path))
    });
    let Some(source) = rest.next() else { return };
    // One stray file at the root (a set-up of a tool) makes no component beside others.
    let alone = candidates.is_empty();
    if (maker.is_none() && !image && !alone) || (!alone && rest.nth(1).is_none()) {
        return;
    }
    let named = maker
        .filter(|manifest| manifest.name.is_some())
        .or_else(|| manifests.iter().find(|manifest| manifest.name.is_some()))
        .or(maker)
        .or(manifests.first());
    candidates.insert(
        String::new(),
        Candidate {
            name: named
                .and_then(|manifest| manifest.name.as_deref().map(|name| short(manifest.ecosystem, name)))
                .or_else(|| Some("root".to_owned())),
            versioned: named.is_some_and(|manifest| {
                manifest.version.is_some() || (manifest.publishable && manifest.ecosystem != Ecosystem::Java)
            }),
            image,
            place: Place::file(named.map_or(&source.path, |manifest| &manifest.path)),
        },
    );
}

#[cfg(test)]
mod tests {
    use crate::testing::inventory;

    fn names(files: &[(&str, &str)]) -> Vec<String> {
        crate::components(&inventory(files))
            .into_iter()
            .map(|component| format!("{}={}", component.folder, component.name))
            .collect()
    }

    #[test]
    fn published_members_of_a_workspace_are_components_and_private_ones_are_not() {
        let found = names(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
            ("crates/a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"1.0.0\"\n"),
            ("crates/a/src/lib.rs", ""),
            ("crates/b/Cargo.toml", "[package]\nname = \"b\"\nversion = \"0.3.0\"\n"),
            ("crates/b/src/lib.rs", ""),
            (
                "crates/c/Cargo.toml",
                "[package]\nname = \"c\"\nversion = \"0.3.0\"\npublish = false\n",
            ),
            ("crates/c/src/lib.rs", ""),
            (
                "examples/x/Cargo.toml",
                "[package]\nname = \"x\"\nversion = \"0.3.0\"\n",
            ),
            ("examples/x/src/lib.rs", ""),
        ]);
        assert_eq!(found, ["crates/a=a", "crates/b=b"]);
    }

    #[test]
    fn packages_that_share_one_version_are_modules() {
        let mut files = vec![("lerna.json".to_owned(), "{\"version\": \"7.0.0\"}".to_owned())];
        for name in ["a", "b"] {
            files.push((
                format!("packages/{name}/package.json"),
                format!("{{\"name\": \"{name}\", \"version\": \"7.0.0\"}}"),
            ));
            files.push((format!("packages/{name}/index.js"), String::new()));
        }
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        assert!(names(&files).is_empty());
        let inventory = inventory(&files);
        let measures = crate::measures(&inventory, None);
        assert_eq!(measures["files.modules"].value, evidence::Value::Integer(2));
        assert_eq!(measures["files.components"].value, evidence::Value::Integer(1));
    }

    #[test]
    fn services_that_are_built_from_folders_are_components() {
        let found = names(&[
            (
                "compose.yaml",
                "services:\n  web:\n    build: ./frontend\n  db:\n    image: postgres\n",
            ),
            ("frontend/index.ts", ""),
            ("api/Dockerfile", "FROM python:3\n"),
            ("api/app.py", ""),
            ("docker/db/Dockerfile", "FROM postgres\n"),
            ("test/mock/Dockerfile", "FROM a\n"),
            ("test/mock/server.py", ""),
        ]);
        assert_eq!(found, ["api=api", "frontend=web"]);
    }

    #[test]
    fn a_manifest_at_a_folders_root_that_is_broken_hides_nothing_else() {
        let found = names(&[
            ("a/package.json", "{"),
            ("a/index.js", ""),
            ("b/package.json", "{\"name\": \"b\", \"version\": \"1.0.0\"}"),
            ("b/index.js", ""),
            ("c/package.json", "{\"name\": \"c\", \"version\": \"2.0.0\"}"),
            ("c/index.js", ""),
        ]);
        assert_eq!(found, ["b=b", "c=c"]);
    }

    #[test]
    fn each_component_sees_its_own_files_and_what_is_shared() {
        let inventory = inventory(&[
            ("api/Dockerfile", "FROM python:3\n"),
            ("api/app.py", ""),
            ("web/Dockerfile", "FROM node:20\n"),
            ("web/app.ts", ""),
            ("k8s/api.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: api}\n"),
            ("Makefile", "build:\n\tdocker build .\n"),
        ]);
        let all = crate::components(&inventory);
        let web = crate::measures(&inventory, all.iter().find(|component| component.name == "web"));
        assert_eq!(web["files.product_files"].value, evidence::Value::Integer(1));
        assert_eq!(web["files.containers"].value, evidence::Value::Integer(1));
        assert_eq!(web["files.kubernetes"].value, evidence::Value::Integer(0));
        assert_eq!(
            web["files.build_scripted"].value,
            evidence::Value::List(vec!["make".to_owned()])
        );
        let api = crate::measures(&inventory, all.iter().find(|component| component.name == "api"));
        assert_eq!(api["files.kubernetes"].value, evidence::Value::Integer(1));
    }
}
