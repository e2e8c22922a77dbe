//! Builds of Gradle and sbt: `build.gradle`, `settings.gradle`, both in Groovy and Kotlin, the catalogue
//! of versions, `build.sbt`. Programs are not run; what they say plainly is read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Dependency, Ecosystem, Manifest, text_at};
use crate::catalogue::{Catalogue, name_of};
use crate::formats::groovy::{self, Line};
use crate::formats::{Broken, toml};
use crate::reading::{Reader, line_of};

/// Names of the catalogue, dots between their parts, with what they stand for and whether exactly.
pub(super) type Central = BTreeMap<String, Vec<(String, bool)>>;

/// Reads `libs.versions.toml`.
pub(super) fn catalogue_of_versions(catalogue: &Catalogue, reader: &Reader<'_>) -> Central {
    let mut central = Central::new();
    let files: Vec<_> = catalogue
        .ending("toml")
        .filter(|file| file.path.ends_with(".versions.toml"))
        .take(50)
        .collect();
    for file in files {
        let Some(text) = reader.text(&file.path) else { continue };
        let value = match toml::read(&text) {
            Ok(value) => value,
            Err(broken) => {
                reader.finding(&file.path, broken.line, &broken.problem, None);
                continue;
            }
        };
        for (section, prefix) in [("libraries", "libs."), ("plugins", "libs.plugins.")] {
            let Some(Value::Object(members)) = value.get(section) else {
                continue;
            };
            for (alias, entry) in members {
                let name = match entry {
                    Value::String(text) => {
                        let parts: Vec<&str> = text.split(':').collect();
                        parts.get(..2.min(parts.len())).unwrap_or_default().join(":")
                    }
                    _ => text_at(entry, &["module"])
                        .or_else(|| text_at(entry, &["id"]))
                        .map(str::to_owned)
                        .or_else(|| {
                            Some(format!(
                                "{}:{}",
                                text_at(entry, &["group"])?,
                                text_at(entry, &["name"])?
                            ))
                        })
                        .unwrap_or_default(),
                };
                central
                    .entry(format!("{prefix}{}", alias.replace(['-', '_'], ".")))
                    .or_default()
                    .push((name, true));
            }
        }
        if let Some(Value::Object(bundles)) = value.get("bundles") {
            for (alias, members) in bundles {
                let all: Vec<(String, bool)> = super::texts(Some(members))
                    .iter()
                    .filter_map(|member| central.get(&format!("libs.{}", member.replace(['-', '_'], "."))))
                    .flatten()
                    .cloned()
                    .collect();
                central.insert(format!("libs.bundles.{}", alias.replace(['-', '_'], ".")), all);
            }
        }
    }
    central
}

pub(super) fn read(path: &str, text: &str, central: &Central) -> Option<Manifest> {
    let name = name_of(path);
    let settings = name.starts_with("settings.gradle");
    let mut manifest = Manifest::of(path, Ecosystem::Java, "gradle");
    for line in groovy::read(text) {
        if settings {
            read_settings(&line, &mut manifest);
        }
        plugins(&line, central, &mut manifest);
        dependencies(&line, central, &mut manifest);
        if line
            .blocks
            .iter()
            .all(|block| matches!(block.as_str(), "allprojects" | "subprojects"))
            && let Some(version) = assigned(&line.text, "version")
        {
            if line.blocks.is_empty() {
                manifest.version = Some(version);
            }
        } else if line.text.contains("jib") && line.text.ends_with('{') {
            manifest.runnable = true;
        }
    }
    if manifest.dependencies.iter().any(|dependency| {
        matches!(
            dependency.name.as_str(),
            "application"
                | "org.springframework.boot"
                | "com.google.cloud.tools.jib"
                | "io.quarkus"
                | "io.micronaut.application"
                | "com.android.application"
                | "war"
                | "com.gradleup.shadow"
                | "com.github.johnrengel.shadow"
        )
    }) {
        manifest.runnable = true;
    }
    manifest.publishable = manifest.dependencies.iter().any(|dependency| {
        matches!(
            dependency.name.as_str(),
            "maven-publish" | "com.vanniktech.maven.publish" | "ivy-publish" | "com.gradle.plugin-publish"
        )
    });
    Some(manifest)
}

fn read_settings(line: &Line, manifest: &mut Manifest) {
    let text = line.text.as_str();
    if text.starts_with("include") && !text.starts_with("includeBuild") {
        for project in groovy::texts(text) {
            let folder = project.trim_start_matches(':').replace(':', "/");
            if !folder.is_empty() && !folder.contains('$') {
                manifest.members.push(folder);
            }
        }
    } else if !manifest.members.is_empty() && (text.starts_with(['\'', '"'])) {
        // A list that goes on over several lines.
        for project in groovy::texts(text) {
            manifest.members.push(project.trim_start_matches(':').replace(':', "/"));
        }
    } else if let Some(name) = assigned(text, "rootProject.name") {
        manifest.name = Some(name);
    }
}

fn assigned(text: &str, name: &str) -> Option<String> {
    let rest = text.strip_prefix(name)?.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    if !rest.starts_with(['"', '\'']) {
        return None;
    }
    groovy::texts(rest).first().map(|value| (*value).to_owned())
}

fn plugins(line: &Line, central: &Central, manifest: &mut Manifest) {
    let in_plugins = line.blocks.iter().any(|block| block == "plugins");
    let text = line.text.as_str();
    let mut found: Vec<(String, bool)> = Vec::new();
    if in_plugins {
        for part in ["id(", "id ", "id'", "id\""] {
            if let Some(start) = text.find(part) {
                let values = groovy::texts(&text[start..]);
                if let Some(id) = values.first() {
                    found.push((
                        (*id).to_owned(),
                        values.get(1).is_none_or(|version| !version.contains('+')),
                    ));
                }
                break;
            }
        }
        if let Some(name) = text.strip_prefix("kotlin(") {
            let values = groovy::texts(name);
            found.extend(
                values
                    .first()
                    .map(|name| (format!("org.jetbrains.kotlin.{name}"), true)),
            );
        }
        if let Some(start) = text.find("alias(") {
            found.extend(references(&text[start..], central));
        }
        let bare = text.trim_matches('`');
        if bare.chars().all(|letter| letter.is_alphanumeric() || letter == '-') {
            found.push((bare.to_owned(), true));
        }
    } else if text.starts_with("apply plugin:") || text.starts_with("apply(plugin") {
        found.extend(groovy::texts(text).first().map(|id| ((*id).to_owned(), true)));
    }
    for (name, exact) in found {
        manifest.dependencies.push(Dependency {
            name,
            requirement: String::new(),
            exact,
            local: false,
            line: Some(line.number),
        });
    }
}

fn references(text: &str, central: &Central) -> Vec<(String, bool)> {
    let Some(start) = text.find("libs.") else {
        return Vec::new();
    };
    let end = text[start..]
        .find(|letter: char| !(letter.is_alphanumeric() || letter == '.'))
        .map_or(text.len(), |length| start + length);
    let name = text[start..end].trim_end_matches(".get").trim_end_matches('.');
    central.get(name).cloned().unwrap_or_default()
}

fn dependencies(line: &Line, central: &Central, manifest: &mut Manifest) {
    if !line.blocks.iter().any(|block| block == "dependencies") {
        return;
    }
    let mut found: Vec<(String, bool, String)> = Vec::new();
    for text in groovy::texts(&line.text) {
        let parts: Vec<&str> = text.split(':').collect();
        if let [group, artifact, rest @ ..] = parts.as_slice()
            && !group.is_empty()
            && !artifact.is_empty()
            && !text.contains([' ', '/'])
        {
            // A version that a variable holds may follow without a colon.
            let artifact = artifact.split('$').next().unwrap_or(artifact);
            let version = rest.first().copied().unwrap_or_default();
            let exact = !(version.contains('+')
                || version.starts_with("latest")
                || version.starts_with(['[', '('])
                || version.ends_with("-SNAPSHOT"));
            found.push((format!("{group}:{artifact}"), exact, version.to_owned()));
        }
    }
    if line.text.contains("group:") && line.text.contains("name:") {
        let values = groovy::texts(&line.text);
        if let [group, artifact, ..] = values.as_slice() {
            found.push((
                format!("{group}:{artifact}"),
                true,
                values.get(2).copied().unwrap_or_default().to_owned(),
            ));
        }
    }
    found.extend(
        references(&line.text, central)
            .into_iter()
            .map(|(name, exact)| (name, exact, String::new())),
    );
    for (name, exact, requirement) in found {
        manifest.dependencies.push(Dependency {
            name,
            requirement,
            exact,
            local: false,
            line: Some(line.number),
        });
    }
}

/// `build.sbt`: `"org" %% "name" % "version"`.
pub(super) fn read_sbt(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Java, "sbt");
    for line in groovy::read(text) {
        let trimmed = line.text.as_str();
        if let Some(rest) = trimmed.split_once(":=").map(|(name, rest)| (name.trim(), rest)) {
            let value = groovy::texts(rest.1).first().map(|value| (*value).to_owned());
            match rest.0 {
                "name" => manifest.name = manifest.name.take().or(value),
                "version" | "ThisBuild / version" => manifest.version = manifest.version.take().or(value),
                _ => {}
            }
        }
        if trimmed.contains('%') {
            let values = groovy::texts(trimmed);
            for pair in values.chunks(3) {
                if let [group, artifact, rest @ ..] = pair
                    && group.contains('.')
                {
                    manifest.dependencies.push(Dependency {
                        name: format!("{group}:{artifact}"),
                        requirement: rest.first().copied().unwrap_or_default().to_owned(),
                        exact: true,
                        local: false,
                        line: line_of(text, group),
                    });
                }
            }
        }
        if trimmed.contains("project.in(file(") || trimmed.contains("project in file(") {
            manifest.members.extend(
                groovy::texts(trimmed)
                    .first()
                    .filter(|folder| **folder != ".")
                    .map(|folder| (*folder).to_owned()),
            );
        }
    }
    manifest.publishable = true;
    Ok(Some(manifest))
}

#[cfg(test)]
mod tests {
    use crate::manifests::read_for_test;

    #[test]
    fn plugins_dependencies_and_projects_are_read_in_both_languages() {
        let all = read_for_test(&[
            (
                "settings.gradle.kts",
                "rootProject.name = \"shop\"\ninclude(\":core\", \":web:api\")\n",
            ),
            (
                "build.gradle.kts",
                "plugins {\n  id(\"org.springframework.boot\") version \"3.2.0\"\n  alias(libs.plugins.spotless)\n  kotlin(\"jvm\")\n}\nversion = \"1.0\"\ndependencies {\n  // implementation(\"no:no:1\")\n  testImplementation(libs.junit.api)\n  implementation(\"a.b:c:1.+\")\n}\n",
            ),
            (
                "gradle/libs.versions.toml",
                "[libraries]\njunit-api = { module = \"org.junit.jupiter:junit-jupiter\", version = \"5\" }\n[plugins]\nspotless = { id = \"com.diffplug.spotless\", version = \"6\" }\n",
            ),
        ]);
        let settings = all
            .iter()
            .find(|manifest| manifest.path.starts_with("settings"))
            .unwrap();
        assert_eq!(settings.members, ["core", "web/api"]);
        let build = all.iter().find(|manifest| manifest.path == "build.gradle.kts").unwrap();
        assert!(build.runnable);
        assert_eq!(build.version.as_deref(), Some("1.0"));
        for name in [
            "org.junit.jupiter:junit-jupiter",
            "com.diffplug.spotless",
            "org.jetbrains.kotlin.jvm",
        ] {
            assert!(build.dependency(name).is_some(), "{name}");
        }
        assert!(build.dependency("a.b:c").is_some_and(|d| !d.exact));
        assert!(build.dependency("no:no").is_none());
    }

    #[test]
    fn sbt_is_read() {
        let all = read_for_test(&[(
            "build.sbt",
            "name := \"x\"\nlibraryDependencies += \"org.scalatest\" %% \"scalatest\" % \"3.2\" % Test\n",
        )]);
        assert_eq!(all[0].name.as_deref(), Some("x"));
        assert!(all[0].dependency("org.scalatest:scalatest").is_some());
    }
}
