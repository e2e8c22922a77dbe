//! Coverage, linters, formatters, type checkers, analysers, scanners: what is set up for them.

use serde_json::Value;

use crate::catalogue::{folder_of, name_of};
use crate::context::Context;
use crate::formats::{json, toml, yaml};
use crate::manifests::Ecosystem::{Node, Php, Python};
use crate::manifests::{at as member, texts};
use crate::observation::{Observations, at, at_line};
use crate::reading::{line_of, lines};

/// Hooks of pre-commit by a part of their id, the measure, and the word.
#[rustfmt::skip]
const HOOKS: &[(&str, &str, &str)] = &[
    ("ruff-format", "formatters", "ruff"), ("ruff", "linters", "ruff"), ("flake8", "linters", "flake8"), ("pylint", "linters", "pylint"),
    ("black", "formatters", "black"), ("isort", "formatters", "isort"), ("mypy", "type_checkers", "mypy"), ("pyright", "type_checkers", "pyright"),
    ("eslint", "linters", "eslint"), ("prettier", "formatters", "prettier"), ("golangci-lint", "linters", "golangci-lint"),
    ("gitleaks", "security_config", "gitleaks"), ("detect-secrets", "security_config", "detect-secrets"), ("detect-private-key", "security_config", "detect-private-key"),
    ("bandit", "security_config", "bandit"), ("trufflehog", "security_config", "trufflehog"), ("shellcheck", "linters", "shellcheck"),
    ("hadolint", "linters", "hadolint"), ("terraform_fmt", "formatters", "terraform"), ("tflint", "linters", "tflint"), ("yamllint", "linters", "yamllint"),
    ("clippy", "linters", "clippy"), ("clang-format", "formatters", "clang-format"), ("rubocop", "linters", "rubocop"), ("codespell", "linters", "codespell"),
    ("checkov", "security_config", "checkov"), ("semgrep", "security_config", "semgrep"), ("biome", "linters", "biome"),
];

/// Sections of `pyproject.toml`, `setup.cfg` and `tox.ini` that set a tool up.
#[rustfmt::skip]
const SECTIONS: &[(&str, &str, &str)] = &[
    ("ruff", "linters", "ruff"), ("black", "formatters", "black"), ("isort", "formatters", "isort"), ("mypy", "type_checkers", "mypy"),
    ("pyright", "type_checkers", "pyright"), ("pylint", "linters", "pylint"), ("flake8", "linters", "flake8"), ("bandit", "security_config", "bandit"),
    ("coverage", "coverage_config", "coverage.py"), ("ty", "type_checkers", "ty"), ("yapf", "formatters", "yapf"), ("towncrier", "changelog", "towncrier"),
];

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    manifests(context, &mut notes);
    sections(context, &mut notes);
    hooks(context, &mut notes);
    coverage(context, &mut notes);
    types(context, &mut notes);
    scripts(context, &mut notes);
    // Linters, type checkers and analysers are all static analysis.
    let also: Vec<_> = notes
        .all()
        .iter()
        .filter(|note| matches!(note.measure, "linters" | "type_checkers"))
        .filter_map(|note| Some((note.word.clone()?, note.at.clone())))
        .filter(|(word, _)| {
            !matches!(
                word.as_str(),
                "commitlint" | "yamllint" | "markdownlint" | "codespell" | "vale"
            )
        })
        .collect();
    for (word, place) in also {
        notes.word("static_analysis", &word, place);
    }
    let also: Vec<_> = notes
        .all()
        .iter()
        .filter(|note| {
            note.measure == "security_config"
                && matches!(
                    note.word.as_deref(),
                    Some("codeql" | "semgrep" | "bandit" | "brakeman" | "sobelow")
                )
        })
        .chain(notes.all().iter().filter(|note| {
            note.measure == "quality_platforms"
                && matches!(
                    note.word.as_deref(),
                    Some("sonarqube" | "codeclimate" | "codacy" | "deepsource" | "scrutinizer")
                )
        }))
        .filter_map(|note| Some((note.word.clone()?, note.at.clone())))
        .collect();
    for (word, place) in also {
        notes.word("static_analysis", &word, place);
    }
    context.notes = notes;
}

fn manifests(context: &Context<'_>, notes: &mut Observations) {
    for manifest in &context.manifests.all {
        let line = |key: &str| context.reader.text(&manifest.path).and_then(|text| line_of(&text, key));
        match manifest.ecosystem {
            Node => {
                for (key, measure, word) in [
                    ("eslintConfig", "linters", "eslint"),
                    ("prettier", "formatters", "prettier"),
                    ("nyc", "coverage_config", "istanbul"),
                    ("c8", "coverage_config", "istanbul"),
                    ("stylelint", "linters", "stylelint"),
                ] {
                    if manifest.value.get(key).is_some() {
                        notes.word(measure, word, at_line(&manifest.path, line(&format!("\"{key}\"")), key));
                    }
                }
                if member(&manifest.value, &["jest", "coverageThreshold"]).is_some() {
                    notes.yes(
                        "coverage_threshold",
                        at_line(&manifest.path, line("coverageThreshold"), "coverageThreshold"),
                    );
                    notes.word(
                        "coverage_config",
                        "jest",
                        at_line(&manifest.path, line("coverageThreshold"), "coverageThreshold"),
                    );
                }
                if manifest
                    .scripts
                    .iter()
                    .any(|(_, command)| command.contains("--coverage") || command.contains("--check-coverage"))
                {
                    notes.word(
                        "coverage_config",
                        "istanbul",
                        at_line(&manifest.path, line("coverage"), "--coverage"),
                    );
                }
                if manifest
                    .scripts
                    .iter()
                    .any(|(_, command)| command.contains("--check-coverage"))
                {
                    notes.yes(
                        "coverage_threshold",
                        at_line(&manifest.path, line("--check-coverage"), "--check-coverage"),
                    );
                }
                if let Some(hooks) = manifest
                    .value
                    .get("simple-git-hooks")
                    .or_else(|| manifest.value.get("gitHooks"))
                    .or_else(|| member(&manifest.value, &["husky", "hooks"]))
                    && hooks.get("pre-commit").is_some()
                {
                    notes.yes("pre_commit", at_line(&manifest.path, line("pre-commit"), "pre-commit"));
                }
            }
            Python => {
                if let Some(Value::Object(tools)) = manifest.value.get("tool") {
                    for (section, measure, word) in SECTIONS {
                        if tools.contains_key(*section) {
                            notes.word(
                                measure,
                                word,
                                at_line(
                                    &manifest.path,
                                    line(&format!("[tool.{section}")),
                                    format!("tool.{section}"),
                                ),
                            );
                        }
                    }
                    if tools.get("ruff").is_some_and(|ruff| ruff.get("format").is_some()) {
                        notes.word(
                            "formatters",
                            "ruff",
                            at_line(&manifest.path, line("[tool.ruff.format"), "tool.ruff.format"),
                        );
                    }
                }
                if member(&manifest.value, &["tool", "coverage", "report", "fail_under"]).is_some() {
                    notes.yes(
                        "coverage_threshold",
                        at_line(&manifest.path, line("fail_under"), "fail_under"),
                    );
                }
                let options = member(&manifest.value, &["tool", "pytest", "ini_options", "addopts"]);
                if texts(options).iter().any(|option| option.contains("--cov-fail-under")) {
                    notes.yes(
                        "coverage_threshold",
                        at_line(&manifest.path, line("--cov-fail-under"), "--cov-fail-under"),
                    );
                }
            }
            crate::manifests::Ecosystem::Cargo => {
                for path in [["lints", "clippy"].as_slice(), &["workspace", "lints", "clippy"]] {
                    if member(&manifest.value, path).is_some() {
                        notes.word(
                            "linters",
                            "clippy",
                            at_line(&manifest.path, line("lints.clippy"), "lints.clippy"),
                        );
                    }
                }
            }
            Php => {
                if let Some(Value::Object(scripts)) = manifest.value.get("scripts") {
                    for (name, command) in scripts {
                        if texts(Some(command))
                            .iter()
                            .any(|command| command.contains("composer audit"))
                        {
                            notes.word(
                                "security_config",
                                "composer-audit",
                                at_line(&manifest.path, line(name), name.as_str()),
                            );
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// Sections of ini files that several tools share.
fn sections(context: &Context<'_>, notes: &mut Observations) {
    for name in ["setup.cfg", "tox.ini", ".coveragerc"] {
        for file in context.catalogue.named(name) {
            let Some(text) = context.reader.text(&file.path) else {
                continue;
            };
            for (number, line) in lines(&text) {
                let line = line.trim();
                if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                    let tool = section.split(':').find(|part| *part != "tool").unwrap_or(section);
                    for (wanted, measure, word) in SECTIONS {
                        if tool == *wanted || tool.starts_with(&format!("{wanted}-")) {
                            notes.word(measure, word, at_line(&file.path, Some(number), line));
                        }
                    }
                } else if line.starts_with("fail_under") || line.contains("--cov-fail-under") {
                    notes.yes("coverage_threshold", at_line(&file.path, Some(number), line));
                }
            }
        }
    }
    for name in ["pytest.ini", "noxfile.py"] {
        for file in context.catalogue.named(name) {
            if let Some(text) = context.reader.text(&file.path)
                && let Some(line) = line_of(&text, "--cov-fail-under")
            {
                notes.yes(
                    "coverage_threshold",
                    at_line(&file.path, Some(line), "--cov-fail-under"),
                );
            }
        }
    }
}

fn hooks(context: &Context<'_>, notes: &mut Observations) {
    for name in [".pre-commit-config.yaml", ".pre-commit-config.yml"] {
        for file in context.catalogue.named(name) {
            let Some(text) = context.reader.text(&file.path) else {
                continue;
            };
            let value = match yaml::first(&text) {
                Ok(value) => value,
                Err(_) => {
                    // The finding is kept where all YAML files are read.
                    notes.doubt(&["pre_commit", "linters", "formatters"], &at(&file.path));
                    continue;
                }
            };
            let repositories = value.get("repos").and_then(Value::as_array);
            let ids: Vec<&str> = repositories
                .into_iter()
                .flatten()
                .filter_map(|repository| repository.get("hooks")?.as_array())
                .flatten()
                .filter_map(|hook| hook.get("id")?.as_str())
                .collect();
            if !ids.is_empty() {
                notes.yes("pre_commit", at(&file.path));
            }
            for id in ids {
                if let Some((_, measure, word)) = HOOKS.iter().find(|(part, ..)| id.contains(part)) {
                    notes.word(
                        measure,
                        word,
                        at_line(&file.path, line_of(&text, &format!("id: {id}")), id),
                    );
                }
            }
        }
    }
}

/// Thresholds in files of their own.
fn coverage(context: &Context<'_>, notes: &mut Observations) {
    for name in ["codecov.yml", ".codecov.yml", "codecov.yaml", ".codecov.yaml"] {
        for file in context.catalogue.named(name) {
            let Some(data) = context.data_at(&file.path) else {
                continue;
            };
            for document in &data.documents {
                for kind in ["project", "patch"] {
                    let Some(status) = member(&document.value, &["coverage", "status", kind]) else {
                        continue;
                    };
                    let parts: Vec<&Value> = match status {
                        Value::Object(members) => members.values().collect(),
                        _ => Vec::new(),
                    };
                    let blocks = parts.iter().any(|part| {
                        part.get("target").is_some() && part.get("informational") != Some(&Value::Bool(true))
                    });
                    if blocks {
                        notes.yes(
                            "coverage_threshold",
                            at_line(&file.path, line_of(&data.text, kind), format!("status {kind}")),
                        );
                    }
                }
            }
        }
    }
    let mut needles: Vec<(String, &str)> = Vec::new();
    for file in context.catalogue.own() {
        let name = file.name();
        let stem = name.split('.').next().unwrap_or_default();
        if matches!(stem, "jest" | "vitest" | "vite" | "karma") && name.contains("conf")
            || name == "vitest.workspace.ts"
        {
            needles.push((file.path.clone(), "thresholds"));
            needles.push((file.path.clone(), "coverageThreshold"));
        } else if matches!(
            name,
            "spec_helper.rb" | "test_helper.rb" | "rails_helper.rb" | ".simplecov"
        ) {
            needles.push((file.path.clone(), "minimum_coverage"));
            needles.push((file.path.clone(), "SimpleCov"));
        } else if name == ".testcoverage.yml" {
            needles.push((file.path.clone(), "threshold"));
        } else if matches!(name, ".nycrc" | ".nycrc.json" | ".c8rc.json") {
            needles.push((file.path.clone(), "check-coverage"));
        } else if name == "pom.xml" {
            needles.push((file.path.clone(), "<minimum>"));
        } else if name.ends_with(".gradle") || name.ends_with(".gradle.kts") {
            needles.push((file.path.clone(), "jacocoTestCoverageVerification"));
            needles.push((file.path.clone(), "koverVerify"));
        }
    }
    for (path, needle) in needles.into_iter().take(400) {
        let Some(text) = context.reader.glance(&path) else {
            continue;
        };
        let Some(line) = line_of(&text, needle) else { continue };
        if needle == "SimpleCov" {
            notes.word("coverage_config", "simplecov", at_line(&path, Some(line), needle));
        } else {
            notes.yes("coverage_threshold", at_line(&path, Some(line), needle));
        }
    }
}

/// TypeScript checks types where it is asked to be strict or to check.
fn types(context: &Context<'_>, notes: &mut Observations) {
    for file in context.catalogue.named("tsconfig.json").take(200) {
        let Some(text) = context.reader.text(&file.path) else {
            continue;
        };
        if json::read(&text).is_ok_and(|value| value.is_object()) {
            notes.word("type_checkers", "typescript", at(&file.path));
        }
    }
    for file in context.catalogue.own() {
        let folder = folder_of(&file.path);
        if name_of(folder) == "sig" && file.path.ends_with(".rbs") {
            notes.word("type_checkers", "rbs", at(&file.path));
        }
    }
    for file in context.catalogue.named(".editorconfig") {
        if let Some(text) = context.reader.text(&file.path)
            && let Some(line) = line_of(&text, "dotnet_diagnostic").or_else(|| line_of(&text, "dotnet_analyzer"))
        {
            notes.word(
                "static_analysis",
                "roslyn-analyzers",
                at_line(&file.path, Some(line), "dotnet_diagnostic"),
            );
        }
    }
    for name in ["directory.build.props"] {
        for file in context.catalogue.named(name) {
            if let Some(text) = context.reader.text(&file.path)
                && let Some(line) = line_of(&text, "EnforceCodeStyleInBuild")
                    .or_else(|| line_of(&text, "AnalysisMode"))
                    .or_else(|| line_of(&text, "TreatWarningsAsErrors"))
            {
                notes.word(
                    "static_analysis",
                    "roslyn-analyzers",
                    at_line(&file.path, Some(line), "analysis in the build"),
                );
            }
        }
    }
    for file in context.catalogue.named("deny.toml") {
        if let Some(text) = context.reader.text(&file.path)
            && let Err(broken) = toml::read(&text)
        {
            context.reader.finding(&file.path, broken.line, &broken.problem, None);
        }
    }
}

/// Commands of makefiles and scripts that run an analyser.
fn scripts(context: &Context<'_>, notes: &mut Observations) {
    #[rustfmt::skip]
    const COMMANDS: &[(&str, &str, &str)] = &[
        ("golangci-lint", "linters", "golangci-lint"), ("go vet", "linters", "go-vet"), ("staticcheck", "linters", "staticcheck"), ("gofmt", "formatters", "gofmt"), ("goimports", "formatters", "gofmt"), ("gofumpt", "formatters", "gofmt"),
        ("cargo clippy", "linters", "clippy"), ("cargo fmt", "formatters", "rustfmt"), ("shellcheck ", "linters", "shellcheck"), ("ruff ", "linters", "ruff"), ("flake8", "linters", "flake8"), ("mypy ", "type_checkers", "mypy"), ("black ", "formatters", "black"), ("isort ", "formatters", "isort"),
        ("eslint", "linters", "eslint"), ("govulncheck", "security_config", "govulncheck"), ("gosec ", "security_config", "gosec"), ("trivy ", "security_config", "trivy"), ("pip-audit", "security_config", "pip-audit"), ("bandit ", "security_config", "bandit"), ("npm audit", "security_config", "npm-audit"), ("cargo audit", "security_config", "cargo-audit"), ("cargo deny", "security_config", "cargo-deny"),
        ("buf breaking", "contract_breaking_check", "buf"), ("-coverprofile", "coverage_config", "go-cover"), ("cargo llvm-cov", "coverage_config", "llvm-cov"), ("cargo tarpaulin", "coverage_config", "tarpaulin"), ("helm lint", "linters", "helm"), ("terraform fmt", "formatters", "terraform"), ("tflint", "linters", "tflint"), ("terraform validate", "linters", "terraform"),
    ];
    for name in [
        "makefile",
        "gnumakefile",
        "justfile",
        ".justfile",
        "taskfile.yml",
        "taskfile.yaml",
    ] {
        for file in context.catalogue.named(name) {
            let Some(text) = context.reader.text(&file.path) else {
                continue;
            };
            for (number, line) in lines(&text) {
                let trimmed = line.trim();
                if trimmed.starts_with('#') || !line.starts_with([' ', '\t']) {
                    continue;
                }
                for (command, measure, word) in COMMANDS {
                    let found = trimmed.find(command).is_some_and(|position| {
                        !trimmed[..position].ends_with(|letter: char| letter.is_alphanumeric() || letter == '-')
                    });
                    if found && !trimmed.contains("install") {
                        notes.word(measure, word, at_line(&file.path, Some(number), trimmed));
                    }
                }
            }
        }
    }
    for manifest in context
        .manifests
        .all
        .iter()
        .filter(|manifest| matches!(manifest.ecosystem, Node | Php))
    {
        for (name, command) in &manifest.scripts {
            for (wanted, measure, word) in [
                ("eslint ", "linters", "eslint"),
                ("prettier ", "formatters", "prettier"),
                ("tsc --noEmit", "type_checkers", "typescript"),
                ("biome ", "linters", "biome"),
                ("npm audit", "security_config", "npm-audit"),
            ] {
                if command.contains(wanted) {
                    notes.word(
                        measure,
                        word,
                        at_line(&manifest.path, None, format!("{name}: {command}")),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{measure, words, yes};

    #[test]
    fn tools_are_seen_in_manifests_files_hooks_and_commands() {
        let files = [
            (
                "pyproject.toml",
                "[project]\nname = \"a\"\n[tool.ruff]\nline-length = 100\n[tool.mypy]\nstrict = true\n[tool.coverage.report]\nfail_under = 90\n",
            ),
            (
                ".pre-commit-config.yaml",
                "repos:\n  - repo: x\n    hooks:\n      - id: gitleaks\n      - id: black\n",
            ),
            ("Makefile", "lint:\n\tgolangci-lint run\n# go vet\n"),
        ];
        assert_eq!(words(&files, "linters"), ["golangci-lint", "ruff"]);
        assert_eq!(words(&files, "formatters"), ["black"]);
        assert_eq!(words(&files, "type_checkers"), ["mypy"]);
        assert_eq!(words(&files, "security_config"), ["gitleaks"]);
        assert_eq!(words(&files, "static_analysis"), ["golangci-lint", "mypy", "ruff"]);
        assert!(yes(&files, "pre_commit"));
        assert!(yes(&files, "coverage_threshold"));
    }

    #[test]
    fn an_empty_list_of_hooks_and_an_informational_status_hold_nothing() {
        let files = [
            (".pre-commit-config.yaml", "repos: []\n"),
            (
                "codecov.yml",
                "coverage:\n  status:\n    project:\n      default:\n        target: 80%\n        informational: true\n",
            ),
        ];
        assert!(!yes(&files, "pre_commit"));
        assert!(!yes(&files, "coverage_threshold"));
        assert_eq!(words(&files, "coverage_config"), ["codecov"]);
    }

    #[test]
    fn a_broken_list_of_hooks_leaves_it_open() {
        assert!(measure(&[(".pre-commit-config.yaml", "repos: [\n")], "pre_commit").is_none());
    }
}
