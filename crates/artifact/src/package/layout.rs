//! A package as an OCI image layout: a folder that skopeo, podman and oras read as it is.

use std::fs;
use std::io;
use std::path::Path;

use facts::Version;
use serde_json::json;

use super::{Package, PackageError, media};
use crate::blob::BlobStore;

/// Writes a package to `folder`, which must be empty or absent, as an OCI image layout, under the tag
/// `version` when one is given.
///
/// # Errors
/// When a blob is missing or damaged, or the folder cannot be written.
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
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(folder).map_err(wrong)?;
    if fs::read_dir(folder).map_err(wrong)?.next().is_some() {
        return Err(wrong(io::Error::new(
            io::ErrorKind::DirectoryNotEmpty,
            "the folder is not empty",
        )));
    }
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
