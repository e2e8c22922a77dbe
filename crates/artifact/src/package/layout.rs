//! A package as an OCI image layout: a folder that skopeo, podman and oras read as it is.

use std::fs;
use std::io;
use std::path::Path;

use facts::Version;
use serde_json::json;

use super::{Package, PackageError, media};
use crate::blob::BlobStore;

/// What lies at the top of a layout.
const TOP: [&str; 3] = ["blobs", "index.json", "oci-layout"];

/// Whether a layout may be written to `folder`: it is absent, empty, or holds nothing but a layout, which is replaced.
///
/// # Errors
/// When the folder cannot be read.
pub fn takes_layout(folder: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let names: Vec<_> = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    let is_layout = names.iter().any(|name| name == "oci-layout");
    let no_other = names.iter().all(|name| TOP.iter().any(|top| name == top));
    Ok(names.is_empty() || (is_layout && no_other))
}

/// Writes a package to `folder` as an OCI image layout, under the tag `version` when one is given. The folder must be
/// absent, empty, or a layout, of which nothing stays; until the new one is whole it is as it was.
///
/// # Errors
/// When a blob is missing or damaged, the folder holds something else, or it cannot be written.
pub fn export_layout(
    store: &BlobStore,
    package: &Package,
    version: Option<&Version>,
    folder: &Path,
) -> Result<(), PackageError> {
    let wrong = |source| PackageError::Write {
        path: folder.to_owned(),
        source,
    };
    if !takes_layout(folder).map_err(wrong)? {
        return Err(wrong(io::Error::new(
            io::ErrorKind::DirectoryNotEmpty,
            "the folder holds something else than a package",
        )));
    }
    let around = folder.parent().filter(|around| !around.as_os_str().is_empty());
    let around = around.unwrap_or(Path::new("."));
    fs::create_dir_all(around).map_err(wrong)?;
    let aside = tempfile::Builder::new()
        .prefix(".package-")
        .tempdir_in(around)
        .map_err(wrong)?;
    let new = aside.path().join("new");
    write(store, package, version, &new)?;
    let old = aside.path().join("old");
    match fs::rename(folder, &old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(error)),
        _ => {}
    }
    fs::rename(&new, folder).map_err(|error| {
        let _ = fs::rename(&old, folder);
        wrong(error)
    })
}

/// Writes the layout itself, to a folder that is not there yet.
fn write(store: &BlobStore, package: &Package, version: Option<&Version>, folder: &Path) -> Result<(), PackageError> {
    let wrong = |source| PackageError::Write {
        path: folder.to_owned(),
        source,
    };
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(wrong)?;
    for digest in package.blobs() {
        let mut file = fs::File::create(blobs.join(digest.hex())).map_err(wrong)?;
        io::copy(&mut store.open_verified(&digest)?, &mut file).map_err(wrong)?;
    }
    let size = store.size(&package.digest)?.unwrap_or(0);
    let mut manifest = json!({ "mediaType": media::MANIFEST, "digest": package.digest, "size": size });
    if let Some(version) = version {
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": version });
    }
    let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [manifest] });
    fs::write(folder.join("index.json"), index.to_string()).map_err(wrong)?;
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).map_err(wrong)
}
