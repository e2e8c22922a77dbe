//! Manifests of packages: what something is called, what it depends on, what it is made of. One file
//! for each technology; all of them end in the same [`Manifest`].

mod cargo;
mod dotnet;
mod go;
mod gradle;
mod maven;
mod node;
mod others;
mod python;
mod ruby;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalogue::{Catalogue, folder_of};
use crate::formats::Broken;
use crate::languages::in_test_folder;
use crate::reading::Reader;

/// Whose packages a manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ecosystem {
    Cargo,
    Node,
    Python,
    Go,
    /// Coordinates `group:artifact`, whether of Maven, Gradle or sbt; plugins of Gradle by their id.
    Java,
    Dotnet,
    Php,
    Ruby,
    Elixir,
    Dart,
    Swift,
    Other,
}

impl Ecosystem {
    /// The word for it in the list of stacks.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cargo => "rust",
            Self::Node => "node",
            Self::Python => "python",
            Self::Go => "go",
            Self::Java => "java",
            Self::Dotnet => "dotnet",
            Self::Php => "php",
            Self::Ruby => "ruby",
            Self::Elixir => "elixir",
            Self::Dart => "dart",
            Self::Swift => "swift",
            Self::Other => "other",
        }
    }
}

/// A dependency as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub name: String,
    /// The versions that are asked for, as written; empty where none is.
    pub requirement: String,
    /// Whether this leaves one version only.
    pub exact: bool,
    /// Whether it is of the same repository.
    pub local: bool,
    pub line: Option<u32>,
}

/// A manifest of any technology.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub path: String,
    pub folder: String,
    pub ecosystem: Ecosystem,
    /// The tool that reads it.
    pub tool: &'static str,
    pub name: Option<String>,
    /// Its own version; absent when it has none or takes it from elsewhere.
    pub version: Option<String>,
    /// Takes its version from a parent or workspace.
    pub shares_version: bool,
    /// Makes a package that is published: not private, not a mere list.
    pub publishable: bool,
    /// Makes something that runs: a program, a web application.
    pub runnable: bool,
    /// Says that parts exist besides: patterns of folders.
    pub members: Vec<String>,
    pub dependencies: Vec<Dependency>,
    /// Named commands.
    pub scripts: Vec<(String, String)>,
    /// The whole document, where it is a tree.
    pub value: Value,
}

impl Manifest {
    pub(crate) fn of(path: &str, ecosystem: Ecosystem, tool: &'static str) -> Self {
        Self {
            path: path.to_owned(),
            folder: folder_of(path).to_owned(),
            ecosystem,
            tool,
            name: None,
            version: None,
            shares_version: false,
            publishable: false,
            runnable: false,
            members: Vec::new(),
            dependencies: Vec::new(),
            scripts: Vec::new(),
            value: Value::Null,
        }
    }

    /// The dependency of a name.
    pub fn dependency(&self, name: &str) -> Option<&Dependency> {
        self.dependencies.iter().find(|dependency| dependency.name == name)
    }

    /// Whether it lies among tests, so that what it makes is no product.
    pub fn is_of_tests(&self) -> bool {
        in_test_folder(&self.path)
    }
}

/// What all readers of manifests give, and the files that could not be read.
pub(crate) struct Manifests {
    pub all: Vec<Manifest>,
    /// Broken files, by path, with whose packages they would have named.
    pub broken: Vec<(String, Ecosystem)>,
    /// Versions that Gradle's catalogue or .NET's central file hold.
    pub has_central_versions: bool,
}

/// The most manifests of one kind that are read.
const MOST: usize = 1_500;

type ReadOne = fn(&str, &str) -> Result<Option<Manifest>, Broken>;

/// Reads all manifests of the product itself.
pub(crate) fn read(catalogue: &Catalogue, reader: &Reader<'_>) -> Manifests {
    let mut manifests = Manifests {
        all: Vec::new(),
        broken: Vec::new(),
        has_central_versions: false,
    };
    let named: &[(&str, Ecosystem, ReadOne)] = &[
        ("cargo.toml", Ecosystem::Cargo, cargo::read),
        ("package.json", Ecosystem::Node, node::read),
        ("deno.json", Ecosystem::Node, node::read_deno),
        ("deno.jsonc", Ecosystem::Node, node::read_deno),
        ("pyproject.toml", Ecosystem::Python, python::read_project),
        ("setup.cfg", Ecosystem::Python, python::read_setup_configuration),
        ("setup.py", Ecosystem::Python, python::read_setup_program),
        ("pipfile", Ecosystem::Python, python::read_pipfile),
        ("environment.yml", Ecosystem::Python, python::read_conda),
        ("environment.yaml", Ecosystem::Python, python::read_conda),
        ("go.mod", Ecosystem::Go, go::read),
        ("pom.xml", Ecosystem::Java, maven::read),
        ("build.sbt", Ecosystem::Java, gradle::read_sbt),
        ("project.clj", Ecosystem::Java, others::read_leiningen),
        ("composer.json", Ecosystem::Php, others::read_composer),
        ("gemfile", Ecosystem::Ruby, ruby::read_gemfile),
        ("mix.exs", Ecosystem::Elixir, others::read_mix),
        ("pubspec.yaml", Ecosystem::Dart, others::read_pubspec),
        ("package.swift", Ecosystem::Swift, others::read_swift),
        ("description", Ecosystem::Other, others::read_description),
        ("packages.config", Ecosystem::Dotnet, dotnet::read_packages),
    ];
    for (name, ecosystem, read_one) in named {
        let files: Vec<_> = catalogue.named(name).collect();
        each(reader, &mut manifests, files, *ecosystem, name, *read_one);
    }
    let ended: &[(&str, Ecosystem, ReadOne)] = &[
        ("csproj", Ecosystem::Dotnet, dotnet::read),
        ("fsproj", Ecosystem::Dotnet, dotnet::read),
        ("vbproj", Ecosystem::Dotnet, dotnet::read),
        ("gemspec", Ecosystem::Ruby, ruby::read_gemspec),
        ("cabal", Ecosystem::Other, others::read_cabal),
    ];
    for (ending, ecosystem, read_one) in ended {
        let files: Vec<_> = catalogue.ending(ending).collect();
        each(reader, &mut manifests, files, *ecosystem, ending, *read_one);
    }
    let requirements: Vec<_> = catalogue
        .ending("txt")
        .chain(catalogue.ending("in"))
        .filter(|file| python::is_requirements(&file.path) && !is_compiled(catalogue, &file.path))
        .collect();
    each(
        reader,
        &mut manifests,
        requirements,
        Ecosystem::Python,
        "requirements",
        python::read_requirements,
    );
    let central = gradle::catalogue_of_versions(catalogue, reader);
    let sets = dotnet::central_versions(catalogue, reader);
    manifests.has_central_versions = !central.is_empty() || !sets.is_empty();
    let files: Vec<_> = catalogue
        .ending("gradle")
        .chain(
            catalogue
                .ending("kts")
                .filter(|file| file.path.ends_with(".gradle.kts")),
        )
        .collect();
    let (files, _) = reader.within("build files of Gradle", files, MOST);
    for file in files {
        if let Some(text) = reader.text(&file.path)
            && let Some(manifest) = gradle::read(&file.path, &text, &central)
        {
            manifests.all.push(manifest);
        }
    }
    dotnet::fill_versions(&mut manifests.all, &sets);
    settle(&mut manifests.all);
    manifests
}

/// Whether a list of requirements is written by a tool from another one, so that it is a lock.
pub(crate) fn is_compiled(catalogue: &Catalogue, path: &str) -> bool {
    path.strip_suffix(".txt")
        .is_some_and(|stem| catalogue.has(&format!("{stem}.in")))
}

fn each(
    reader: &Reader<'_>,
    manifests: &mut Manifests,
    files: Vec<&crate::catalogue::FileFact>,
    ecosystem: Ecosystem,
    kind: &str,
    read_one: ReadOne,
) {
    let (files, _) = reader.within(&format!("files `{kind}`"), files, MOST);
    for file in files {
        let Some(text) = reader.text(&file.path) else {
            manifests.broken.push((file.path.clone(), ecosystem));
            continue;
        };
        match read_one(&file.path, &text) {
            Ok(Some(manifest)) => manifests.all.push(manifest),
            Ok(None) => {}
            Err(broken) => {
                reader.finding(&file.path, broken.line, &broken.problem, None);
                manifests.broken.push((file.path.clone(), ecosystem));
            }
        }
    }
}

/// What only the whole tells: dependencies on packages of the same repository are local.
fn settle(all: &mut [Manifest]) {
    let mut names: BTreeMap<(Ecosystem, String), String> = BTreeMap::new();
    for manifest in all.iter() {
        if let Some(name) = &manifest.name {
            names.insert((manifest.ecosystem, name.clone()), manifest.path.clone());
        }
    }
    for manifest in all {
        let ecosystem = manifest.ecosystem;
        for dependency in &mut manifest.dependencies {
            if names
                .get(&(ecosystem, dependency.name.clone()))
                .is_some_and(|path| *path != manifest.path)
            {
                dependency.local = true;
            }
        }
    }
}

/// The text of a member of a tree.
pub(crate) fn text_at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    at(value, path)?.as_str()
}

/// A member of a tree.
pub(crate) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// The texts of a list.
pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .take(5_000)
            .map(str::to_owned)
            .collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
pub(crate) fn read_for_test(files: &[(&str, &str)]) -> Vec<Manifest> {
    let tree = evidence::MemoryTree::of(files.iter().copied());
    let catalogue = Catalogue::of(&tree, None);
    let reader = Reader::new(&tree);
    read(&catalogue, &reader).all
}
