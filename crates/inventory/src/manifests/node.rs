//! `package.json`, and `deno.json`.

use serde_json::Value;

use super::{Dependency, Ecosystem, Manifest, at, text_at, texts};
use crate::formats::{Broken, json};
use crate::reading::line_of;

pub(super) fn read(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let value = json::read(text)?;
    if !value.is_object() {
        return Err(Broken {
            line: Some(1),
            problem: "is no object".to_owned(),
        });
    }
    let tool = match text_at(&value, &["packageManager"]).and_then(|named| named.split('@').next()) {
        Some("pnpm") => "pnpm",
        Some("yarn") => "yarn",
        Some("bun") => "bun",
        _ => "npm",
    };
    let mut manifest = Manifest::of(path, Ecosystem::Node, tool);
    manifest.name = text_at(&value, &["name"]).map(str::to_owned);
    manifest.version = text_at(&value, &["version"]).map(str::to_owned);
    let private = value
        .get("private")
        .is_some_and(|private| private == &Value::Bool(true) || private.as_str() == Some("true"));
    manifest.publishable = !private
        && manifest.name.is_some()
        && manifest
            .version
            .as_deref()
            .is_some_and(|version| version != "0.0.0" || private);
    manifest.runnable = manifest_runs(&value);
    manifest.members = match value.get("workspaces") {
        Some(Value::Object(_)) => texts(at(&value, &["workspaces", "packages"])),
        other => texts(other),
    };
    if let Some(Value::Object(scripts)) = value.get("scripts") {
        manifest.scripts = scripts
            .iter()
            .filter_map(|(name, command)| Some((name.clone(), command.as_str()?.to_owned())))
            .collect();
    }
    for section in [
        "dependencies",
        "devDependencies",
        "optionalDependencies",
        "peerDependencies",
    ] {
        let Some(Value::Object(members)) = value.get(section) else {
            continue;
        };
        for (name, requirement) in members {
            if section == "peerDependencies" && manifest.dependency(name).is_some() {
                continue;
            }
            let requirement = requirement.as_str().unwrap_or_default().to_owned();
            manifest.dependencies.push(Dependency {
                exact: is_exact(&requirement),
                local: ["workspace:", "file:", "link:", "portal:"]
                    .iter()
                    .any(|scheme| requirement.starts_with(scheme)),
                line: line_of(text, &format!("\"{name}\"")),
                name: name.clone(),
                requirement,
            });
        }
    }
    manifest.value = value;
    Ok(Some(manifest))
}

fn manifest_runs(value: &Value) -> bool {
    value.get("bin").is_some() || at(value, &["scripts", "start"]).is_some()
}

fn is_exact(requirement: &str) -> bool {
    let bare = requirement
        .strip_prefix("npm:")
        .and_then(|alias| alias.rsplit_once('@'))
        .map_or(requirement, |(_, version)| version);
    let bare = bare.strip_prefix(['=', 'v']).unwrap_or(bare);
    bare.split('.').count() >= 3
        && bare.starts_with(|letter: char| letter.is_ascii_digit())
        && !bare.contains([' ', '|', '*', 'x', '>', '<'])
}

pub(super) fn read_deno(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let value = json::read(text)?;
    let mut manifest = Manifest::of(path, Ecosystem::Node, "deno");
    manifest.name = text_at(&value, &["name"]).map(str::to_owned);
    manifest.version = text_at(&value, &["version"]).map(str::to_owned);
    manifest.publishable = manifest.name.is_some() && manifest.version.is_some();
    manifest.members = texts(value.get("workspace"));
    if let Some(Value::Object(tasks)) = value.get("tasks") {
        manifest.scripts = tasks
            .iter()
            .filter_map(|(name, command)| {
                let command = command.as_str().or_else(|| text_at(command, &["command"]))?;
                Some((name.clone(), command.to_owned()))
            })
            .collect();
    }
    manifest.value = value;
    Ok(Some(manifest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::read_for_test;

    #[test]
    fn names_workspaces_scripts_and_dependencies_are_read() {
        let all = read_for_test(&[(
            "package.json",
            r#"{"name": "@a/b", "version": "1.0.0", "workspaces": {"packages": ["packages/*"]},
                "scripts": {"test": "jest"}, "packageManager": "pnpm@9.0.0",
                "dependencies": {"c": "workspace:*", "d": "1.2.3"}, "devDependencies": {"jest": "^29"}}"#,
        )]);
        assert_eq!(all[0].tool, "pnpm");
        assert!(all[0].publishable);
        assert_eq!(all[0].members, ["packages/*"]);
        assert_eq!(all[0].scripts, [("test".to_owned(), "jest".to_owned())]);
        assert!(all[0].dependency("c").is_some_and(|d| d.local));
        assert!(all[0].dependency("d").is_some_and(|d| d.exact));
        assert!(all[0].dependency("jest").is_some_and(|d| !d.exact));
    }

    #[test]
    fn a_private_package_publishes_nothing_and_a_broken_one_is_left_out() {
        assert!(
            !read_for_test(&[("package.json", r#"{"name": "a", "version": "1.0.0", "private": true}"#)])[0].publishable
        );
        assert!(read_for_test(&[("package.json", "{")]).is_empty());
        assert!(read_for_test(&[("package.json", "[]")]).is_empty());
    }

    #[test]
    fn only_whole_versions_are_exact() {
        assert!(is_exact("1.2.3"));
        assert!(is_exact("npm:other@4.0.1"));
        for open in [
            "^1.2.3",
            "~1.2",
            "1.x.x",
            ">=1.0.0",
            "*",
            "latest",
            "1.2.3 || 2.0.0",
            "",
        ] {
            assert!(!is_exact(open), "{open}");
        }
    }
}
