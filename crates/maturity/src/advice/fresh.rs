//! Files that are new: whole small pipelines for the stack at hand.

use evidence::Tree;
use workflow::model::System;

use super::stack::Stack;
use crate::next::Edit;

/// A pipeline that builds and tests each change; for a component, each change of its folder.
pub(super) fn build(tree: &dyn Tree, system: Option<System>, stack: &Stack, trunk: &str, folder: &str) -> Option<Edit> {
    let has_folder = |folder: &str| tree.entries().iter().any(|entry| entry.path.starts_with(folder));
    let system = system.unwrap_or(if has_folder(".gitlab/") {
        System::GitlabCi
    } else if tree.has("Jenkinsfile") {
        System::Jenkins
    } else {
        System::GithubActions
    });
    let commands: Vec<(&str, &str)> = stack.commands().collect();
    if commands.is_empty() {
        return None;
    }
    if !folder.is_empty() {
        return match system {
            System::GithubActions => of_component(tree, stack, trunk, folder),
            // Elsewhere there is one definition, which is there or would be for all components.
            _ => None,
        };
    }
    match system {
        System::GithubActions => {
            let mut text = format!(
                "name: Build\n\non:\n  push:\n    branches: [{trunk}]\n  pull_request:\n\npermissions:\n  contents: read\n\njobs:\n  build:\n    runs-on: ubuntu-latest\n    timeout-minutes: 30\n    steps:\n      - uses: actions/checkout@v4\n{}",
                stack.setup
            );
            for (name, command) in commands {
                text.push_str(&format!("      - name: {name}\n        run: {command}\n"));
            }
            new(
                tree,
                &[".github/workflows/build.yml", ".github/workflows/build-and-test.yml"],
                text,
            )
        }
        System::GitlabCi => {
            let mut text = format!("build:\n  image: {}\n  script:\n", stack.image);
            for (_, command) in commands {
                text.push_str(&format!("    - {command}\n"));
            }
            new(tree, &[".gitlab-ci.yml"], text)
        }
        System::CircleCi => {
            let mut text = format!(
                "version: 2.1\n\njobs:\n  build:\n    docker:\n      - image: {}\n    steps:\n      - checkout\n",
                stack.image
            );
            for (name, command) in commands {
                text.push_str(&format!(
                    "      - run:\n          name: {name}\n          command: {command}\n"
                ));
            }
            text.push_str("\nworkflows:\n  each-change:\n    jobs:\n      - build\n");
            new(tree, &[".circleci/config.yml"], text)
        }
        System::Jenkins => {
            let mut text = format!(
                "pipeline {{\n    agent {{ docker {{ image '{}' }} }}\n    stages {{\n",
                stack.image
            );
            for (name, command) in commands {
                text.push_str(&format!("        stage('{name}') {{\n            steps {{\n                sh '{command}'\n            }}\n        }}\n"));
            }
            text.push_str("    }\n}\n");
            new(tree, &["Jenkinsfile"], text)
        }
        System::Throughline => {
            let mut text = String::from("throughline: 1\nsteps:\n");
            let mut before: Option<String> = None;
            for (name, command) in commands {
                let key = name.to_lowercase();
                text.push_str(&format!("  {key}:\n    run: {command}\n"));
                if let Some(before) = &before {
                    text.push_str(&format!("    needs: [{before}]\n"));
                }
                before = Some(key);
            }
            new(tree, &["throughline.yaml"], text)
        }
        _ => None,
    }
}

/// A pipeline of GitHub for one component: what changes in its folder starts it, and it works there.
fn of_component(tree: &dyn Tree, stack: &Stack, trunk: &str, folder: &str) -> Option<Edit> {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    // What names a file at the root is in the folder.
    let setup: String = stack
        .setup
        .lines()
        .filter(|line| !line.trim_start().starts_with("cache:"))
        .map(|line| match line.split_once("go-version-file: ") {
            Some((before, file)) => format!("{before}go-version-file: {folder}/{file}\n"),
            None if line.contains("bundler-cache: true") => {
                format!(
                    "{line}\n{}\n",
                    line.replace("bundler-cache: true", &format!("working-directory: {folder}"))
                )
            }
            None => format!("{line}\n"),
        })
        .collect();
    let mut text = format!(
        "name: Build {name}\n\non:\n  push:\n    branches: [{trunk}]\n    paths: ['{folder}/**']\n  pull_request:\n    paths: ['{folder}/**']\n\npermissions:\n  contents: read\n\ndefaults:\n  run:\n    working-directory: {folder}\n\njobs:\n  build:\n    runs-on: ubuntu-latest\n    timeout-minutes: 30\n    steps:\n      - uses: actions/checkout@v4\n{setup}"
    );
    for (name, command) in stack.commands() {
        text.push_str(&format!("      - name: {name}\n        run: {command}\n"));
    }
    let file = format!(".github/workflows/build-{}.yml", folder.replace('/', "-"));
    new(tree, &[file.as_str()], text)
}

/// Scans of dependencies, code and secrets for GitHub.
pub(super) fn security(tree: &dyn Tree, stack: &Stack, trunk: &str) -> Option<Edit> {
    let mut text = format!(
        "name: Security\n\non:\n  push:\n    branches: [{trunk}]\n  pull_request:\n  schedule:\n    - cron: '41 3 * * 2'\n\npermissions:\n  contents: read\n\njobs:\n  dependencies:\n    if: github.event_name == 'pull_request'\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - uses: actions/dependency-review-action@v4\n        with:\n          fail-on-severity: high\n\n  secrets:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n        with:\n          fetch-depth: 0\n      - uses: gitleaks/gitleaks-action@v2\n        env:\n          GITHUB_TOKEN: ${{{{ secrets.GITHUB_TOKEN }}}}\n"
    );
    if let Some(language) = stack.codeql {
        text.push_str(&format!(
            "\n  code:\n    runs-on: ubuntu-latest\n    permissions:\n      contents: read\n      security-events: write\n    steps:\n      - uses: actions/checkout@v4\n      - uses: github/codeql-action/init@v3\n        with:\n          languages: {language}\n      - uses: github/codeql-action/analyze@v3\n"
        ));
    }
    new(
        tree,
        &[".github/workflows/security.yml", ".github/workflows/security-scans.yml"],
        text,
    )
}

/// Versions, tags and notes from the commits, for GitHub.
pub(super) fn release(tree: &dyn Tree, stack: &Stack, trunk: &str) -> Option<Edit> {
    let kind = stack.release;
    let text = format!(
        "name: Release\n\non:\n  push:\n    branches: [{trunk}]\n\npermissions:\n  contents: write\n  pull-requests: write\n\njobs:\n  release:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: googleapis/release-please-action@v4\n        with:\n          release-type: {kind}\n"
    );
    new(
        tree,
        &[".github/workflows/release-please.yml", ".github/workflows/versions.yml"],
        text,
    )
}

/// A bot that proposes updates.
pub(super) fn update_bot(tree: &dyn Tree, system: Option<System>) -> Option<Edit> {
    const ECOSYSTEMS: &[(&str, &str)] = &[
        ("Cargo.toml", "cargo"),
        ("go.mod", "gomod"),
        ("package.json", "npm"),
        ("pom.xml", "maven"),
        ("build.gradle", "gradle"),
        ("build.gradle.kts", "gradle"),
        ("pyproject.toml", "pip"),
        ("requirements.txt", "pip"),
        ("Gemfile", "bundler"),
        ("composer.json", "composer"),
        ("Dockerfile", "docker"),
    ];
    if matches!(system, Some(System::GitlabCi)) {
        let text = "{\n  \"$schema\": \"https://docs.renovatebot.com/renovate-schema.json\",\n  \"extends\": [\"config:recommended\"]\n}\n";
        return new(tree, &["renovate.json"], text.to_owned());
    }
    let mut found: Vec<&str> = ECOSYSTEMS
        .iter()
        .filter(|(file, _)| tree.has(file))
        .map(|(_, name)| *name)
        .collect();
    if tree
        .entries()
        .iter()
        .any(|entry| entry.path.starts_with(".github/workflows/"))
    {
        found.push("github-actions");
    }
    found.dedup();
    if found.is_empty() {
        return None;
    }
    let mut text = String::from("version: 2\nupdates:\n");
    for name in found {
        text.push_str(&format!(
            "  - package-ecosystem: {name}\n    directory: /\n    schedule:\n      interval: weekly\n"
        ));
    }
    new(tree, &[".github/dependabot.yml"], text)
}

/// A contributing guide with the commands of the stack.
pub(super) fn contributing(tree: &dyn Tree, stack: &Stack) -> Option<Edit> {
    let is_guide = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        path.matches('/').count() < 2 && name.starts_with("contributing")
    };
    // One that is out of date wants to be read again, not to have a second one beside it.
    if tree.entries().iter().any(|entry| is_guide(&entry.path)) {
        return None;
    }
    let mut text = format!(
        "# Contributing\n\n## Build and test\n\nThis is a {} project. From a fresh clone:\n\n```sh\n",
        stack.name
    );
    for (_, command) in stack.commands() {
        text.push_str(&format!("{command}\n"));
    }
    if let Some(lint) = stack.lint {
        text.push_str(&format!("{lint}\n"));
    }
    text.push_str(
        "```\n\n## The way of a change\n\n1. Branch from trunk, and keep the branch shorter than a day.\n2. Change the tests with the code.\n3. Open a request; the pipeline builds and tests it.\n4. Merge when it is green and somebody else has read it.\n",
    );
    new(tree, &["CONTRIBUTING.md"], text)
}

/// Breaking changes of interfaces, for GitHub.
pub(super) fn contracts(tree: &dyn Tree) -> Option<Edit> {
    let file = |ends: &[&str]| {
        tree.entries()
            .iter()
            .map(|entry| entry.path.as_str())
            .find(|path| ends.iter().any(|end| path.ends_with(end)))
    };
    let steps = if file(&[".proto"]).is_some() {
        "      - uses: bufbuild/buf-action@v1\n        with:\n          lint: false\n          format: false\n          breaking: true\n".to_owned()
    } else {
        let path = file(&[
            "openapi.yaml",
            "openapi.yml",
            "openapi.json",
            "swagger.yaml",
            "swagger.json",
        ])?;
        format!(
            "      - run: git fetch --depth=1 origin ${{{{ github.base_ref }}}}\n      - uses: oasdiff/oasdiff-action/breaking@main\n        with:\n          base: origin/${{{{ github.base_ref }}}}:{path}\n          revision: {path}\n          fail-on: ERR\n"
        )
    };
    let text = format!(
        "name: Contracts\n\non:\n  pull_request:\n\npermissions:\n  contents: read\n\njobs:\n  breaking:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n{steps}"
    );
    new(tree, &[".github/workflows/contracts.yml"], text)
}

/// A new file under the first of these names that is free.
fn new(tree: &dyn Tree, names: &[&str], lines: String) -> Option<Edit> {
    let file = names.iter().find(|name| !tree.has(name))?;
    Some(Edit {
        file: (*file).to_owned(),
        after_line: None,
        after: None,
        lines,
    })
}
