//! The workspace as cargo describes it: which crates there are, and what each depends on.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::Program;

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Part of the crate itself.
    Normal,
    /// Of its build script.
    Build,
    /// Of its tests only.
    Development,
}

/// What a crate's manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Whether it is a crate of this workspace.
    pub ours: bool,
}

/// A crate of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The package's name.
    pub name: String,
    /// Its folder, from the root, with forward slashes.
    pub folder: String,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
}

impl Member {
    /// Where its manifest is.
    pub fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

/// The folder with the workspace's manifest: the parent of this crate's.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from("xtask"));
    here.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The folder cargo builds in.
pub fn build_folder(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    }
}

/// Asks cargo for the workspace's crates. Needs no network.
pub fn members(root: &Path) -> Result<Vec<Member>, String> {
    let text = Program::new(
        "cargo",
        &["metadata", "--no-deps", "--offline", "--format-version", "1"],
        root,
    )
    .output()?;
    let value: Value = serde_json::from_str(&text).map_err(|error| format!("cargo's metadata is not JSON: {error}"))?;
    Ok(read(&value))
}

/// The members in a document of `cargo metadata --no-deps`.
fn read(value: &Value) -> Vec<Member> {
    let root = value["workspace_root"].as_str().unwrap_or_default();
    let mut members: Vec<Member> = value["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|package| {
            let manifest = package["manifest_path"].as_str().unwrap_or_default();
            let folder = manifest.strip_prefix(root).unwrap_or(manifest).trim_start_matches('/');
            Member {
                name: package["name"].as_str().unwrap_or_default().to_owned(),
                folder: folder.trim_end_matches("/Cargo.toml").to_owned(),
                dependencies: package["dependencies"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(dependency)
                    .collect(),
            }
        })
        .collect();
    members.sort_by(|left, right| left.name.cmp(&right.name));
    members
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        kind: match value["kind"].as_str() {
            Some("dev") => Kind::Development,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
        ours: value["source"].is_null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_description_gives_each_crate_its_folder_and_what_it_depends_on_and_for_what() {
        let value = serde_json::json!({
            "workspace_root": "/somewhere",
            "packages": [{
                "name": "ledger",
                "manifest_path": "/somewhere/crates/ledger/Cargo.toml",
                "dependencies": [
                    { "name": "facts", "kind": null, "source": null },
                    { "name": "proptest", "kind": "dev", "source": "registry+x" },
                ],
            }],
        });
        let members = read(&value);
        assert_eq!(members[0].folder, "crates/ledger");
        assert_eq!(
            members[0].dependencies[0],
            Dependency {
                name: "facts".into(),
                kind: Kind::Normal,
                ours: true
            }
        );
        assert_eq!(members[0].dependencies[1].kind, Kind::Development);
        assert!(!members[0].dependencies[1].ours);
    }
}
