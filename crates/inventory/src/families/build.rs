//! How things are built: stacks, build systems, workspace tools, programs of tasks.

use crate::catalogue::name_of;
use crate::context::Context;
use crate::known::{Names, Packages};
use crate::manifests::Ecosystem::{Java, Node, Php, Python};
use crate::observation::{at, at_line};
use crate::reading::lines;

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Node, &["turbo"], "build_tools", "turbo"),
    (Node, &["nx", "@nrwl/workspace"], "build_tools", "nx"),
    (Node, &["lerna"], "build_tools", "lerna"),
    (Node, &["webpack"], "build_tools", "webpack"),
    (Node, &["vite"], "build_tools", "vite"),
    (Node, &["rollup"], "build_tools", "rollup"),
    (Node, &["esbuild"], "build_tools", "esbuild"),
    (Node, &["tsup", "tsdown"], "build_tools", "tsup"),
    (Node, &["typescript"], "build_tools", "typescript"),
    (Node, &["gulp"], "build_tools", "gulp"),
    (Node, &["grunt"], "build_tools", "grunt"),
    (Python, &["tox"], "build_tools", "tox"),
    (Python, &["nox"], "build_tools", "nox"),
    (Python, &["invoke"], "build_tools", "invoke"),
    (Php, &["laravel/framework"], "build_tools", "laravel"),
    (Java, &["org.springframework.boot", "org.springframework.boot:spring-boot-maven-plugin"], "build_tools", "spring-boot"),
    // Borders between modules that a check holds.
    (Java, &["com.tngtech.archunit:*"], "module_boundaries", "archunit"),
    (Java, &["org.springframework.modulith:*"], "module_boundaries", "spring-modulith"),
    (Python, &["import-linter"], "module_boundaries", "import-linter"),
    (Python, &["tach"], "module_boundaries", "tach"),
    (Node, &["dependency-cruiser"], "module_boundaries", "dependency-cruiser"),
    (Node, &["eslint-plugin-boundaries"], "module_boundaries", "eslint-boundaries"),
    (Node, &["eslint-plugin-import-access"], "module_boundaries", "eslint-import-access"),
    (Php, &["qossmic/deptrac", "qossmic/deptrac-shim", "deptrac/deptrac"], "module_boundaries", "deptrac"),
    (Php, &["phpat/phpat"], "module_boundaries", "phpat"),
    (crate::manifests::Ecosystem::Dotnet, &["netarchtest.rules", "tngtech.archunitnet*"], "module_boundaries", "archunitnet"),
    (crate::manifests::Ecosystem::Ruby, &["packwerk"], "module_boundaries", "packwerk"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["turbo.json"], "build_tools", "turbo"),
    (&["nx.json"], "build_tools", "nx"),
    (&["lerna.json"], "build_tools", "lerna"),
    (&["rush.json"], "build_tools", "rush"),
    (&["pnpm-workspace.yaml"], "build_tools", "pnpm"),
    (&["meson.build"], "build_tools", "meson"),
    (&["meson.build"], "build_scripted", "meson"),
    (&["module.bazel", "workspace.bazel"], "build_tools", "bazel"),
    (&["module.bazel", "workspace.bazel"], "build_scripted", "bazel"),
    (&["build.ninja"], "build_tools", "ninja"),
    (&["configure.ac", "configure.in"], "build_tools", "autotools"),
    (&["configure.ac", "configure.in"], "build_scripted", "autotools"),
    (&["sconstruct"], "build_tools", "scons"),
    (&["sconstruct"], "build_scripted", "scons"),
    (&["wscript"], "build_tools", "waf"),
    (&["pants.toml"], "build_tools", "pants"),
    (&["pants.toml"], "build_scripted", "pants"),
    (&[".buckconfig"], "build_tools", "buck"),
    (&["earthfile"], "build_tools", "earthly"),
    (&["earthfile"], "build_scripted", "earthly"),
    (&["build.xml"], "build_tools", "ant"),
    (&["dune-project"], "build_tools", "dune"),
    (&["dune-project"], "build_scripted", "dune"),
    (&["build.zig"], "build_tools", "zig"),
    (&["build.zig"], "build_scripted", "zig"),
    (&["stack.yaml"], "build_tools", "stack"),
    (&["stack.yaml"], "build_scripted", "stack"),
    (&["rebar.config"], "build_tools", "rebar"),
    (&["rebar.config"], "build_scripted", "rebar"),
    (&["deps.edn"], "build_tools", "clojure"),
    (&["build.sc", "build.mill"], "build_tools", "mill"),
    (&["build.sc", "build.mill"], "build_scripted", "mill"),
    (&["tox.ini"], "build_tools", "tox"),
    (&["noxfile.py"], "build_tools", "nox"),
    (&["tasks.py"], "build_tools", "invoke"),
    (&["magefile.go"], "build_tools", "mage"),
    (&["dagger.json"], "build_tools", "dagger"),
    (&["global.json"], "build_tools", "dotnet"),
    (&["build.cake"], "build_tools", "cake"),
    (&["mise.toml", ".mise.toml", ".tool-versions"], "development_environment", "mise"),
    (&["vagrantfile"], "development_environment", "vagrant"),
    (&[".gitpod.yml"], "development_environment", "gitpod"),
    (&[".envrc"], "development_environment", "direnv"),
    (&["flake.nix", "shell.nix", "devenv.nix"], "development_environment", "nix"),
    (&["deptrac.yaml", "deptrac.yml", "depfile.yaml"], "module_boundaries", "deptrac"),
    (&[".importlinter"], "module_boundaries", "import-linter"),
    (&[".dependency-cruiser.*"], "module_boundaries", "dependency-cruiser"),
    (&["packwerk.yml"], "module_boundaries", "packwerk"),
    (&["tach.toml"], "module_boundaries", "tach"),
    (&[".go-arch-lint.yml", "arch-go.yml"], "module_boundaries", "go-arch-lint"),
];

/// A target of a makefile.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub name: String,
    pub line: u32,
    /// Its commands, and what it depends on.
    pub commands: String,
}

/// Targets of a makefile or a `justfile`.
pub(super) fn targets(text: &str) -> Vec<Target> {
    let mut found: Vec<Target> = Vec::new();
    for (number, line) in lines(text) {
        if line.starts_with(['\t', ' ']) {
            if let Some(last) = found.last_mut()
                && last.commands.len() < 16_384
            {
                last.commands.push_str(line.trim());
                last.commands.push('\n');
            }
            continue;
        }
        if line.starts_with(['#', '.', '@', '[']) || line.contains(":=") || line.contains("::=") || line.contains("?=")
        {
            continue;
        }
        let Some((names, rest)) = line.split_once(':') else {
            continue;
        };
        if names.contains(['=', '$', '(', '"']) {
            continue;
        }
        // A recipe of just has parameters after its name.
        for name in names.split_whitespace().take(8) {
            found.push(Target {
                name: name.trim_start_matches('@').to_owned(),
                line: number,
                commands: format!("{}\n", rest.trim()),
            });
        }
    }
    found
}

/// Whether a path is a makefile of the product, by its name.
fn is_makefile(name: &str) -> bool {
    matches!(name, "makefile" | "gnumakefile" | "makefile.am") || name.ends_with(".mk")
}

pub(super) fn look(context: &mut Context<'_>) {
    manifests(context);
    makefiles(context);
    cmake(context);
    let mut notes = std::mem::take(&mut context.notes);
    for ending in ["sln", "slnx"] {
        for file in context.catalogue.ending(ending) {
            notes.word("build_tools", "dotnet", at(&file.path));
        }
    }
    for file in context.catalogue.ending("pbxproj") {
        notes.word("build_tools", "xcode", at(&file.path));
        notes.word("stacks", "apple", at(&file.path));
        notes.word("build_scripted", "xcode", at(&file.path));
    }
    for file in context.catalogue.named("package.swift") {
        notes.word("build_scripted", "swift", at(&file.path));
    }
    for file in context.catalogue.named("rakefile") {
        notes.word("build_tools", "rake", at(&file.path));
        notes.word("build_scripted", "rake", at(&file.path));
    }
    for name in ["taskfile.yml", "taskfile.yaml"] {
        for file in context.catalogue.named(name) {
            notes.word("build_tools", "task", at(&file.path));
            if let Some(data) = context.data_at(&file.path)
                && data
                    .documents
                    .iter()
                    .any(|document| document.value.get("tasks").is_some())
            {
                notes.word("build_scripted", "task", at(&file.path));
            }
        }
    }
    for file in context.catalogue.named("build.xml") {
        if let Some(text) = context.reader.text(&file.path)
            && let Ok(root) = crate::formats::xml::read(&text)
            && root.name == "project"
        {
            notes.word("build_scripted", "ant", at(&file.path));
        }
    }
    for file in context.catalogue.named("workspace") {
        if let Some(text) = context.reader.text(&file.path)
            && (text.contains("workspace(") || text.contains("http_archive("))
        {
            notes.word("build_tools", "bazel", at(&file.path));
            notes.word("build_scripted", "bazel", at(&file.path));
        }
    }
    for file in context.catalogue.own() {
        let name = file.name();
        let small = name.to_ascii_lowercase();
        let stem = small.split('.').next().unwrap_or_default();
        let program = matches!(
            small.rsplit('.').next(),
            Some("sh" | "bash" | "ps1" | "cmd" | "bat" | "cake")
        ) || (file.executable && !small.contains('.'));
        if program && matches!(stem, "build" | "compile" | "make") && !crate::languages::in_test_folder(&file.path) {
            notes.word("build_scripted", "script", at(&file.path));
        }
    }
    context.notes = notes;
}

fn manifests(context: &mut Context<'_>) {
    let notes = &mut context.notes;
    for manifest in &context.manifests.all {
        if manifest.is_of_tests() {
            continue;
        }
        // What helps to make or describe the product is no part of it.
        if super::components::is_auxiliary(&manifest.folder) {
            continue;
        }
        let here = || at(&manifest.path);
        let tool = manifest.tool;
        match tool {
            "r" | "cabal" => notes.word("stacks", if tool == "r" { "r" } else { "haskell" }, here()),
            _ => {
                // A manifest of tools alone makes no stack.
                let docs = manifest.path.starts_with("docs/")
                    || manifest.path.starts_with("doc/")
                    || manifest.path.starts_with(".github/");
                if !docs {
                    notes.word("stacks", manifest.ecosystem.word(), here());
                }
            }
        }
        notes.word("build_tools", tool, here());
        let scripted = match tool {
            "npm" | "yarn" | "pnpm" | "bun" | "deno" => {
                let named = [
                    "build",
                    "compile",
                    "dist",
                    "prepare",
                    "prepublishOnly",
                    "bundle",
                    "prepack",
                ];
                let script = manifest.scripts.iter().find(|(name, command)| {
                    (named.contains(&name.as_str()) || name.starts_with("build:")) && !is_placeholder(command)
                });
                if let Some((name, command)) = script {
                    let line = context
                        .reader
                        .text(&manifest.path)
                        .and_then(|text| crate::reading::line_of(&text, &format!("\"{name}\":")));
                    notes.word(
                        "build_scripted",
                        tool,
                        at_line(&manifest.path, line, format!("{name}: {command}")),
                    );
                }
                false
            }
            "pip" | "conda" | "pipenv" | "nuget" | "bundler" | "composer" | "r" => false,
            "setuptools" => manifest.publishable,
            "gradle" => !name_of(&manifest.path).starts_with("settings."),
            _ => manifest.ecosystem != crate::manifests::Ecosystem::Python || manifest.name.is_some(),
        };
        if scripted {
            notes.word("build_scripted", tool, here());
        }
        if manifest.ecosystem == Node
            && let Some(command) = manifest
                .scripts
                .iter()
                .find(|(_, command)| command.contains("depcruise"))
        {
            notes.word(
                "module_boundaries",
                "dependency-cruiser",
                at_line(&manifest.path, None, command.0.clone()),
            );
        }
        if manifest.ecosystem == Python && crate::manifests::at(&manifest.value, &["tool", "importlinter"]).is_some() {
            notes.word("module_boundaries", "import-linter", here());
        }
    }
    for (path, ecosystem) in &context.manifests.broken {
        notes.word("stacks", ecosystem.word(), at(path));
        notes.doubt(
            &[
                "build_scripted",
                "unit_test_frameworks",
                "linters",
                "formatters",
                "flags",
                "pinned_share",
            ],
            &at(path),
        );
    }
}

/// Commands that stand where none was written yet.
pub(super) fn is_placeholder(command: &str) -> bool {
    command.trim().is_empty()
        || command.contains("no test specified")
        || command.trim() == "exit 0"
        || command.trim() == "true"
}

fn makefiles(context: &mut Context<'_>) {
    let files: Vec<_> = context
        .catalogue
        .named("makefile")
        .chain(context.catalogue.named("gnumakefile"))
        .chain(context.catalogue.named("makefile.am"))
        .chain(context.catalogue.named("justfile"))
        .chain(context.catalogue.named(".justfile"))
        .chain(context.catalogue.ending("mk"))
        .collect();
    let (files, _) = context.reader.within("makefiles", files, 300);
    let mut notes = std::mem::take(&mut context.notes);
    for file in files {
        if crate::languages::in_test_folder(&file.path)
            || file.path.starts_with("docs/")
            || file.path.starts_with("doc/")
        {
            continue;
        }
        let Some(text) = context.reader.text(&file.path) else {
            continue;
        };
        let name = file.name().to_ascii_lowercase();
        let tool = if is_makefile(&name) { "make" } else { "just" };
        let targets = targets(&text);
        if targets.is_empty() {
            continue;
        }
        notes.word("build_tools", tool, at(&file.path));
        let builds = targets.iter().find(|target| {
            let name = target.name.to_ascii_lowercase();
            matches!(
                name.as_str(),
                "build"
                    | "all"
                    | "compile"
                    | "dist"
                    | "install"
                    | "release"
                    | "package"
                    | "image"
                    | "default"
                    | "binary"
            ) || name.starts_with("build-")
                || name.starts_with("build_")
                || name.contains("$(")
                || name.ends_with(".o")
                || target.commands.contains("$(CC)")
        });
        if let Some(target) = builds {
            notes.word(
                "build_scripted",
                tool,
                at_line(&file.path, Some(target.line), target.name.clone()),
            );
        } else if tool == "make"
            && (text.contains("$(CC)")
                || text.contains("gcc ")
                || text.contains("go build")
                || text.contains("cargo build"))
        {
            notes.word(
                "build_scripted",
                tool,
                at_line(&file.path, Some(targets[0].line), targets[0].name.clone()),
            );
        }
    }
    context.notes = notes;
}

fn cmake(context: &mut Context<'_>) {
    let files: Vec<_> = context.catalogue.named("cmakelists.txt").collect();
    let (files, _) = context.reader.within("files of CMake", files, 400);
    let mut notes = std::mem::take(&mut context.notes);
    for file in files {
        notes.word("build_tools", "cmake", at(&file.path));
        notes.word("stacks", "native", at(&file.path));
        let Some(text) = context.reader.text(&file.path) else {
            continue;
        };
        let tests = crate::languages::in_test_folder(&file.path);
        for (number, line) in lines(&text) {
            let line = line.trim();
            let call = line.split('(').next().unwrap_or_default().trim().to_ascii_lowercase();
            let first = line
                .split_once('(')
                .and_then(|(_, rest)| rest.split_whitespace().next())
                .unwrap_or_default()
                .trim_end_matches(')');
            match call.as_str() {
                "add_library" | "add_executable"
                    if !tests && !line.contains("ALIAS") && !line.contains("INTERFACE IMPORTED") =>
                {
                    notes.yes("modules", at_line(&file.path, Some(number), first));
                    notes.word("build_scripted", "cmake", at_line(&file.path, Some(number), first));
                }
                "project" => notes.word("build_scripted", "cmake", at_line(&file.path, Some(number), line)),
                "enable_testing" | "add_test" | "include" if line.contains("CTest") || call != "include" => {
                    notes.word("unit_test_frameworks", "ctest", at_line(&file.path, Some(number), line));
                }
                _ => {}
            }
            let native: &[(&str, &str, &str)] = &[
                ("gtest", "unit_test_frameworks", "googletest"),
                ("googletest", "unit_test_frameworks", "googletest"),
                ("catch2", "unit_test_frameworks", "catch2"),
                ("doctest", "unit_test_frameworks", "doctest"),
            ];
            if matches!(
                call.as_str(),
                "find_package" | "fetchcontent_declare" | "target_link_libraries" | "add_subdirectory"
            ) {
                let small = line.to_ascii_lowercase();
                for (needle, measure, word) in native {
                    if small.contains(needle) {
                        notes.word(measure, word, at_line(&file.path, Some(number), line));
                    }
                }
                if small.contains("benchmark::benchmark") || small.contains("find_package(benchmark") {
                    notes.word(
                        "performance_tests",
                        "google-benchmark",
                        at_line(&file.path, Some(number), line),
                    );
                }
            }
        }
    }
    context.notes = notes;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{measure, words};

    #[test]
    fn a_build_is_scripted_when_a_definition_says_how() {
        let files = [
            ("package.json", "{\"name\": \"a\", \"scripts\": {\"build\": \"tsc\"}}"),
            ("Makefile", "build: main.o\n\tcc main.o\n"),
        ];
        assert_eq!(words(&files, "build_scripted"), ["make", "npm"]);
        assert_eq!(words(&files, "stacks"), ["node"]);
    }

    #[test]
    fn a_manifest_without_a_build_is_no_scripted_build_and_a_broken_one_leaves_it_open() {
        let none = [(
            "package.json",
            "{\"name\": \"a\", \"scripts\": {\"build\": \"exit 0\"}}",
        )];
        assert!(words(&none, "build_scripted").is_empty());
        assert!(measure(&[("package.json", "{")], "build_scripted").is_none());
    }

    #[test]
    fn targets_of_makefiles_are_told_from_assignments() {
        let found = targets("A := b\n.PHONY: x\nbuild test: dep\n\tgo build\nx = a:b\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name, "build");
        assert!(found[1].commands.contains("go build"));
    }
}
