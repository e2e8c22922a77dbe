//! The JSON of an OCI image: manifest and config, as the image specification 1.1 has them.

use facts::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PackageConfig;

/// Media types of OCI.
pub mod media {
    /// A manifest of one image.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// A list of manifests.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An image's config.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer: a tar archive compressed with gzip.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
}

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// An image's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Always [`media::MANIFEST`].
    pub media_type: String,
    /// The config.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
}

impl Manifest {
    /// Reads a manifest.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| format!("its manifest cannot be read: {e}"))?;
        if manifest.schema_version != 2 || manifest.media_type != media::MANIFEST {
            return Err(format!("its manifest has the unknown type `{}`", manifest.media_type));
        }
        if let Some(layer) = manifest.layers.iter().find(|layer| layer.media_type != media::LAYER) {
            return Err(format!("its layer has the unknown type `{}`", layer.media_type));
        }
        Ok(manifest)
    }
}

/// An image's config. What OCI asks for comes first, so that every container engine reads it; what is
/// ours stands under one key, which other programs must ignore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ImageConfig {
    pub(super) architecture: String,
    pub(super) os: String,
    pub(super) config: ContainerConfig,
    pub(super) rootfs: RootFileSystem,
    pub(super) throughline: PackageConfig,
}

/// How a container engine would run the image; a package leaves it open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ContainerConfig {}

/// The layers before compression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RootFileSystem {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) diff_ids: Vec<Digest>,
}

impl ImageConfig {
    /// Reads a config.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| format!("its config cannot be read: {e}"))
    }
}

/// The same document with the keys of all objects sorted: one document, one text.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(
                keys.into_iter()
                    .map(|(key, value)| (key.clone(), canonical(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}
