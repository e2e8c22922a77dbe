//! Images, and compose files.

use serde_json::Value;

use crate::catalogue::name_of;
use crate::context::Context;
use crate::formats::containerfile::{self, Containerfile};
use crate::known::{Names, Packages};
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{Java, Node};
use crate::observation::{at, at_line};
use crate::reading::line_of;

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Java, &["com.google.cloud.tools.jib", "com.google.cloud.tools:jib-maven-plugin"], "machine_images", "jib"),
    (Java, &["io.fabric8:docker-maven-plugin", "com.bmuschko.docker-*", "com.palantir.docker"], "machine_images", "build-plugin"),
    (Node, &["@nx/docker"], "machine_images", "nx-docker"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["project.toml"], "build_tools", "buildpack"),
    (&[".ko.yaml"], "machine_images", "ko"),
    (&["devcontainer.json"], "development_environment", "devcontainer"),
];

/// Whether a file defines an image, by its name.
pub(super) fn is_containerfile(path: &str) -> bool {
    let name = name_of(path).to_ascii_lowercase();
    let named = |base: &str| {
        name == base
            || name
                .strip_prefix(base)
                .is_some_and(|rest| rest.starts_with(['.', '-', '_']))
            || name
                .strip_suffix(base)
                .is_some_and(|rest| rest.ends_with(['.', '-', '_']))
    };
    (named("dockerfile") || named("containerfile"))
        && ![
            ".dockerignore",
            ".md",
            ".sh",
            ".py",
            ".yml",
            ".yaml",
            ".json",
            ".go",
            ".rb",
            ".ts",
            ".js",
            ".rs",
            ".txt",
            ".j2",
            ".tmpl",
            ".erb",
        ]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Whether a name is a compose file's.
pub(super) fn is_compose(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    ["docker-compose", "compose", "podman-compose"].iter().any(|base| {
        small
            .strip_prefix(base)
            .is_some_and(|rest| rest.starts_with(['.', '-', '_']))
    }) && (small.ends_with(".yml") || small.ends_with(".yaml"))
}

/// Whether an image serves development or tests instead of the product.
fn is_auxiliary(path: &str) -> bool {
    let small = path.to_ascii_lowercase();
    let name = name_of(&small);
    in_test_folder(path)
        || small.split('/').any(|part| {
            matches!(
                part,
                ".devcontainer"
                    | "devcontainer"
                    | ".gitpod"
                    | ".circleci"
                    | ".github"
                    | ".buildkite"
                    | "ci"
                    | ".ci"
                    | "docs"
                    | "dev"
            )
        })
        || ["dev", "test", "tests", "ci", "local", "debug", "gitpod", "e2e"]
            .iter()
            .any(|word| name.split(['.', '-', '_']).any(|part| part == *word))
}

pub(super) fn look(context: &mut Context<'_>) {
    let files: Vec<_> = context
        .catalogue
        .own()
        .filter(|file| is_containerfile(&file.path))
        .collect();
    let (files, complete) = context.reader.within("definitions of images", files, 500);
    let mut notes = std::mem::take(&mut context.notes);
    for file in files {
        let Some(text) = context.reader.text(&file.path) else {
            notes.doubt(&["containers", "machine_images"], &at(&file.path));
            continue;
        };
        let definition = containerfile::read(&text);
        if definition.stages.is_empty() {
            context
                .reader
                .finding(&file.path, None, "defines no image: there is no `FROM`", None);
            continue;
        }
        if is_auxiliary(&file.path) {
            notes.word("development_environment", "container", at(&file.path));
            continue;
        }
        notes.yes("containers", at(&file.path));
        notes.word("machine_images", "containerfile", at(&file.path));
        notes.word("build_tools", "docker", at(&file.path));
        for (base, line) in definition.outer_bases() {
            if containerfile::is_digest(base) {
                notes.yes("images_from_digest_share", at_line(&file.path, Some(line), base));
            } else {
                notes.no("images_from_digest_share", at_line(&file.path, Some(line), base));
            }
        }
        match user(&definition) {
            User::Named(name, line) => notes.yes(
                "images_not_root_share",
                at_line(&file.path, Some(line), format!("USER {name}")),
            ),
            User::Root => notes.no("images_not_root_share", at(&file.path)),
        }
        for stage in definition.final_chain() {
            for instruction in &stage.instructions {
                if instruction.name == "HEALTHCHECK" && instruction.rest != "NONE" {
                    notes.yes(
                        "health_checks",
                        at_line(&file.path, Some(instruction.line), "HEALTHCHECK"),
                    );
                }
            }
        }
    }
    if !complete {
        notes.doubt(&["containers"], &at(""));
    }
    context.notes = notes;
    compose(context);
}

enum User {
    Named(String, u32),
    Root,
}

/// The user that the last stage runs as, through the stages it stands on.
fn user(definition: &Containerfile) -> User {
    for stage in definition.final_chain() {
        for instruction in stage.instructions.iter().rev() {
            if instruction.name == "USER" {
                let name = instruction.rest.split(':').next().unwrap_or_default().trim();
                return if matches!(name, "root" | "0" | "") {
                    User::Root
                } else {
                    User::Named(name.to_owned(), instruction.line)
                };
            }
        }
        if stage.base.contains("nonroot") {
            return User::Named("nonroot".to_owned(), stage.line);
        }
    }
    User::Root
}

fn compose(context: &mut Context<'_>) {
    for file in &context.data {
        let name = name_of(&file.path);
        if !is_compose(name) {
            continue;
        }
        let notes = &mut context.notes;
        let services = file
            .documents
            .iter()
            .find_map(|document| match document.value.get("services") {
                Some(Value::Object(services)) => Some(services),
                _ => None,
            });
        let Some(services) = services else {
            if file.broken {
                notes.doubt(&["compose"], &at(&file.path));
            }
            continue;
        };
        notes.yes("compose", at(&file.path));
        let small = file.path.to_ascii_lowercase();
        let for_tests = in_test_folder(&file.path)
            || name_of(&small)
                .split(['.', '-', '_'])
                .any(|part| matches!(part, "test" | "tests" | "testing" | "e2e" | "ci" | "integration"));
        if for_tests {
            notes.word("test_environment", "compose", at(&file.path));
        } else {
            notes.word("development_environment", "compose", at(&file.path));
        }
        for (service, value) in services {
            if let Some(check) = value.get("healthcheck")
                && check.get("disable") != Some(&Value::Bool(true))
                && value.get("build").is_some()
            {
                notes.yes(
                    "health_checks",
                    at_line(
                        &file.path,
                        line_of(&file.text, "healthcheck"),
                        format!("service {service}"),
                    ),
                );
            }
            let deploy = value.get("deploy");
            if let Some(replicas) = deploy.and_then(|deploy| deploy.get("replicas")).and_then(Value::as_i64) {
                super::kubernetes::replicas(notes, &file.path, line_of(&file.text, "replicas"), replicas);
            }
            if deploy.and_then(|deploy| deploy.get("update_config")).is_some() {
                notes.word(
                    "rollout_strategies",
                    "rolling",
                    at_line(&file.path, line_of(&file.text, "update_config"), service.as_str()),
                );
                notes.yes(
                    "rolling_or_canary",
                    at_line(&file.path, line_of(&file.text, "update_config"), service.as_str()),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words, yes};

    #[test]
    fn images_are_read_as_a_whole() {
        let digest = "a".repeat(64);
        let text = format!(
            "FROM rust:1 AS build\nRUN cargo build\nFROM alpine@sha256:{digest}\nUSER app\nHEALTHCHECK CMD true\n"
        );
        let files = [("Dockerfile", text.as_str())];
        assert_eq!(count(&files, "containers"), 1);
        assert_eq!(
            measure(&files, "images_from_digest_share").unwrap().value,
            evidence::Value::Number(0.5)
        );
        assert_eq!(
            measure(&files, "images_not_root_share").unwrap().value,
            evidence::Value::Number(1.0)
        );
        assert!(yes(&files, "health_checks"));
    }

    #[test]
    fn images_of_development_and_files_of_that_name_without_a_base_do_not_count() {
        let files = [
            (".devcontainer/Dockerfile", "FROM a\n"),
            ("Dockerfile.dev", "FROM a\n"),
            ("docs/dockerfile.md", "# FROM\n"),
            ("x/Dockerfile", "this is a note\n"),
        ];
        assert_eq!(count(&files, "containers"), 0);
        assert!(words(&files, "machine_images").is_empty());
    }

    #[test]
    fn a_broken_compose_file_says_neither_yes_nor_no() {
        assert!(yes(
            &[("docker-compose.yml", "services:\n  a:\n    image: b\n")],
            "compose"
        ));
        assert!(measure(&[("docker-compose.yml", "services: [\n")], "compose").is_none());
        assert!(!yes(&[("docker-compose.yml", "x: 1\n")], "compose"));
    }
}
