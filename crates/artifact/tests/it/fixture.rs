//! A workspace, a store and a recipe to build on.

use std::path::Path;

use artifact::{BlobStore, Package, Platform, Recipe, RecipeFile, package};
use facts::{Commit, ComponentId, ComponentName, Digest, Timestamp};
use serde_json::json;
use tempfile::TempDir;

pub struct Fixture {
    pub workspace: TempDir,
    pub data: TempDir,
    pub store: BlobStore,
}

impl Fixture {
    /// A workspace with these files; a name ending with `*` is executable, without the star.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let workspace = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(workspace.path(), name, text);
        }
        let data = tempfile::tempdir().unwrap();
        let store = BlobStore::open(&data.path().join("blobs")).unwrap();
        Self { workspace, data, store }
    }

    pub fn build(&self, files: &[(&str, &str)]) -> Result<Package, package::PackageError> {
        package::build(&self.store, self.workspace.path(), &recipe(files))
    }

    pub fn paths(&self, package: &Package) -> Vec<String> {
        package::contents(&self.store, package)
            .unwrap()
            .into_iter()
            .map(|content| content.path)
            .collect()
    }
}

pub fn write(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let (name, mode) = name.strip_suffix('*').map_or((name, 0o640), |name| (name, 0o700));
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub fn recipe(files: &[(&str, &str)]) -> Recipe {
    Recipe {
        component: ComponentId::of_key("shop/cart"),
        component_name: ComponentName::new("shop/cart").unwrap(),
        commit: Commit::new("0123456789012345678901234567890123456789").unwrap(),
        commit_time: Timestamp::from_second(1_700_000_000).unwrap(),
        definition: Digest::of("definition"),
        platform: Platform {
            os: "linux".into(),
            architecture: "amd64".into(),
        },
        document: json!({ "service": { "command": ["bin/server"] } }),
        files: files
            .iter()
            .map(|(from, to)| RecipeFile {
                from: (*from).into(),
                to: (*to).into(),
            })
            .collect(),
    }
}
