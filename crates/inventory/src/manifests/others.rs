//! Manifests of technologies that need little: PHP, Elixir, Dart, Swift, Haskell, R, Clojure.

use serde_json::Value;

use super::{Dependency, Ecosystem, Manifest, text_at};
use crate::formats::groovy::texts;
use crate::formats::{Broken, json, yaml};
use crate::reading::{line_of, lines};

pub(super) fn read_composer(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let value = json::read(text)?;
    let mut manifest = Manifest::of(path, Ecosystem::Php, "composer");
    manifest.name = text_at(&value, &["name"]).map(str::to_owned);
    manifest.version = text_at(&value, &["version"]).map(str::to_owned);
    let kind = text_at(&value, &["type"]).unwrap_or("library");
    manifest.publishable = manifest.name.is_some() && kind != "project";
    manifest.runnable = kind == "project";
    if let Some(Value::Object(scripts)) = value.get("scripts") {
        for (name, command) in scripts {
            let command = super::texts(Some(command)).join(" && ");
            manifest.scripts.push((name.clone(), command));
        }
    }
    for section in ["require", "require-dev"] {
        let Some(Value::Object(members)) = value.get(section) else {
            continue;
        };
        for (name, requirement) in members {
            if name == "php" || name.starts_with("ext-") || name.starts_with("lib-") {
                continue;
            }
            let requirement = requirement.as_str().unwrap_or_default().to_owned();
            let bare = requirement.trim_start_matches('v');
            manifest.dependencies.push(Dependency {
                name: name.to_ascii_lowercase(),
                exact: bare.split('.').count() >= 3 && bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'),
                local: false,
                line: line_of(text, &format!("\"{name}\"")),
                requirement,
            });
        }
    }
    manifest.value = value;
    Ok(Some(manifest))
}

pub(super) fn read_mix(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Elixir, "mix");
    for (number, line) in lines(text) {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("app: :") {
            manifest.name = Some(word(name));
        } else if let Some(version) = line.strip_prefix("version: ") {
            manifest.version = texts(version).first().map(|value| (*value).to_owned());
        } else if line.starts_with("package:") {
            manifest.publishable = true;
        } else if line.starts_with("apps_path:") {
            manifest.members = texts(line).iter().map(|folder| format!("{folder}/*")).collect();
        } else if line.starts_with("releases:") {
            manifest.runnable = true;
        } else if let Some(rest) = line.strip_prefix("{:").or_else(|| line.strip_prefix("[{:")) {
            let requirement = texts(rest).first().copied().unwrap_or_default().to_owned();
            if rest.contains(',') {
                manifest.dependencies.push(Dependency {
                    name: word(rest),
                    exact: requirement.starts_with("==") || requirement.starts_with(|c: char| c.is_ascii_digit()),
                    local: rest.contains("path:") || rest.contains("in_umbrella:"),
                    line: Some(number),
                    requirement,
                });
            }
        }
    }
    Ok(Some(manifest))
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

pub(super) fn read_pubspec(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let value = yaml::first(text)?;
    let mut manifest = Manifest::of(path, Ecosystem::Dart, "pub");
    manifest.name = text_at(&value, &["name"]).map(str::to_owned);
    manifest.version = text_at(&value, &["version"]).map(str::to_owned);
    manifest.publishable = manifest.version.is_some() && text_at(&value, &["publish_to"]) != Some("none");
    manifest.members = super::texts(value.get("workspace"));
    for section in ["dependencies", "dev_dependencies"] {
        let Some(Value::Object(members)) = value.get(section) else {
            continue;
        };
        for (name, entry) in members {
            let requirement = entry.as_str().unwrap_or_default().to_owned();
            manifest.dependencies.push(Dependency {
                name: name.clone(),
                exact: requirement.starts_with(|c: char| c.is_ascii_digit()),
                local: entry.get("path").is_some() || entry.get("sdk").is_some(),
                line: line_of(text, &format!("{name}:")),
                requirement,
            });
        }
    }
    manifest.value = value;
    Ok(Some(manifest))
}

pub(super) fn read_swift(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Swift, "swift");
    for (number, line) in lines(text) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix(".package(") {
            let values = texts(rest);
            if let Some(address) = values.first() {
                let name = address.rsplit('/').next().unwrap_or(address);
                manifest.dependencies.push(Dependency {
                    name: name.trim_end_matches(".git").to_owned(),
                    requirement: values.get(1).copied().unwrap_or_default().to_owned(),
                    exact: rest.contains("exact:") || rest.contains("revision:"),
                    local: rest.starts_with("path:"),
                    line: Some(number),
                });
            }
        } else if manifest.name.is_none()
            && let Some(rest) = line.strip_prefix("name:")
        {
            manifest.name = texts(rest).first().map(|name| (*name).to_owned());
        }
    }
    manifest.publishable = true;
    Ok(Some(manifest))
}

pub(super) fn read_cabal(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Other, "cabal");
    for (_, line) in lines(text) {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "name" if manifest.name.is_none() => manifest.name = Some(value.trim().to_owned()),
            "version" if manifest.version.is_none() => manifest.version = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    manifest.publishable = manifest.name.is_some();
    Ok(manifest.name.is_some().then_some(manifest))
}

/// `DESCRIPTION` of a package of R.
pub(super) fn read_description(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    if !(text.starts_with("Package:") || text.contains("\nPackage:")) {
        return Ok(None);
    }
    let mut manifest = Manifest::of(path, Ecosystem::Other, "r");
    let mut key = String::new();
    for (number, line) in lines(text) {
        let value = match line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) {
            Some((name, value)) => {
                name.clone_into(&mut key);
                value
            }
            None => line,
        };
        match key.as_str() {
            "Package" => manifest.name = Some(value.trim().to_owned()),
            "Version" => manifest.version = Some(value.trim().to_owned()),
            "Imports" | "Suggests" | "Depends" | "LinkingTo" => {
                for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    let bare = name.split([' ', '(']).next().unwrap_or(name);
                    if bare != "R" {
                        manifest.dependencies.push(Dependency {
                            name: bare.to_owned(),
                            requirement: String::new(),
                            exact: false,
                            local: false,
                            line: Some(number),
                        });
                    }
                }
            }
            _ => {}
        }
    }
    manifest.publishable = true;
    Ok(Some(manifest))
}

pub(super) fn read_leiningen(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Java, "leiningen");
    if let Some(rest) = text.find("(defproject").map(|at| &text[at + 11..]) {
        let mut words = rest.split_whitespace();
        manifest.name = words.next().map(str::to_owned);
        manifest.version = words.next().map(|version| version.trim_matches('"').to_owned());
    }
    manifest.publishable = true;
    Ok(Some(manifest))
}

#[cfg(test)]
mod tests {
    use crate::manifests::read_for_test;

    #[test]
    fn small_manifests_are_read() {
        let all = read_for_test(&[
            (
                "a/composer.json",
                r#"{"name": "a/b", "require": {"php": "^8", "monolog/monolog": "3.0.1"}}"#,
            ),
            (
                "b/mix.exs",
                "app: :shop,\nversion: \"0.1.0\",\n{:phoenix, \"~> 1.7\"},\n# {:old, \"1\"}\n",
            ),
            ("c/pubspec.yaml", "name: app\ndev_dependencies:\n  test: ^1.0.0\n"),
            (
                "d/Package.swift",
                "let package = Package(\n  name: \"Kit\",\n  dependencies: [\n    .package(url: \"https://x/swift-log.git\", exact: \"1.0.0\"),\n",
            ),
            (
                "e/DESCRIPTION",
                "Package: dplyr\nVersion: 1.0\nImports:\n    R6,\n    rlang (>= 1)\n",
            ),
        ]);
        assert!(
            all.iter()
                .any(|manifest| manifest.dependency("monolog/monolog").is_some_and(|d| d.exact))
        );
        assert!(
            all.iter()
                .any(|manifest| manifest.dependency("phoenix").is_some() && manifest.dependencies.len() == 1)
        );
        assert!(all.iter().any(|manifest| manifest.dependency("test").is_some()));
        assert!(
            all.iter()
                .any(|manifest| manifest.dependency("swift-log").is_some_and(|d| d.exact))
        );
        assert!(all.iter().any(|manifest| manifest.dependency("rlang").is_some()));
    }
}
