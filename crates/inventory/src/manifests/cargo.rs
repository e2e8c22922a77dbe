//! `Cargo.toml`.

use serde_json::Value;

use super::{Dependency, Ecosystem, Manifest, at, text_at, texts};
use crate::formats::{Broken, toml};
use crate::reading::line_of;

pub(super) fn read(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let value = toml::read(text)?;
    let mut manifest = Manifest::of(path, Ecosystem::Cargo, "cargo");
    if let Some(package) = value.get("package") {
        manifest.name = text_at(package, &["name"]).map(str::to_owned);
        manifest.version = text_at(package, &["version"]).map(str::to_owned);
        manifest.shares_version = at(package, &["version", "workspace"]) == Some(&Value::Bool(true));
        manifest.publishable = match package.get("publish") {
            Some(Value::Bool(yes)) => *yes,
            Some(Value::Array(registries)) => !registries.is_empty(),
            Some(_) => false,
            None => manifest.version.is_some() || manifest.shares_version,
        };
        if manifest.version.as_deref() == Some("0.0.0") {
            manifest.publishable = false;
        }
    }
    manifest.runnable = value.get("bin").is_some();
    manifest.members = texts(at(&value, &["workspace", "members"]));
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        gather(text, value.get(section), &mut manifest.dependencies);
        if let Some(Value::Object(targets)) = value.get("target") {
            for target in targets.values() {
                gather(text, target.get(section), &mut manifest.dependencies);
            }
        }
    }
    gather(
        text,
        at(&value, &["workspace", "dependencies"]),
        &mut manifest.dependencies,
    );
    manifest.value = value;
    Ok(Some(manifest))
}

fn gather(text: &str, from: Option<&Value>, into: &mut Vec<Dependency>) {
    let Some(Value::Object(members)) = from else { return };
    for (key, value) in members {
        let inherited = at(value, &["workspace"]) == Some(&Value::Bool(true));
        let requirement = value
            .as_str()
            .or_else(|| text_at(value, &["version"]))
            .unwrap_or_default()
            .to_owned();
        let name = text_at(value, &["package"]).unwrap_or(key).to_owned();
        if inherited && into.iter().any(|known| known.name == name) {
            continue;
        }
        into.push(Dependency {
            exact: requirement.starts_with('=') || value.get("rev").is_some(),
            local: value.get("path").is_some(),
            line: line_of(text, &format!("\n{key} ="))
                .map(|line| line + 1)
                .or_else(|| line_of(text, key)),
            name,
            requirement,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::manifests::read_for_test;

    #[test]
    fn package_workspace_and_dependencies_are_read() {
        let all = read_for_test(&[(
            "Cargo.toml",
            "[package]\nname = \"a\"\nversion = \"1.2.0\"\n[workspace]\nmembers = [\"crates/*\"]\n[dependencies]\nserde = \"1\"\nlocal = { path = \"x\" }\n[target.'cfg(unix)'.dev-dependencies]\ncriterion = { version = \"=0.5.1\" }\n",
        )]);
        assert!(all[0].publishable);
        assert_eq!(all[0].members, ["crates/*"]);
        assert_eq!(all[0].dependency("serde").and_then(|d| d.line), Some(7));
        assert!(all[0].dependency("criterion").is_some_and(|d| d.exact));
        assert!(all[0].dependency("local").is_some_and(|d| d.local));
    }

    #[test]
    fn a_package_that_is_not_published_is_known_as_such() {
        let all = read_for_test(&[(
            "Cargo.toml",
            "[package]\nname = \"a\"\nversion = \"1.0.0\"\npublish = false\n",
        )]);
        assert!(!all[0].publishable);
        assert!(read_for_test(&[("Cargo.toml", "[package\n")]).is_empty());
    }
}
