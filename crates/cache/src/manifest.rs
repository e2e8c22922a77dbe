//! What the result of a step depends on.

use std::collections::BTreeMap;

use facts::Digest;
use serde::{Deserialize, Serialize};

/// Everything that a step's result may depend on. Two equal manifests mean the same result.
///
/// Its digest is the SHA-256 of its JSON text, whose fields stand in the order below and whose maps
/// and lists are sorted; a change of this order or of a name is a new [`Manifest::VERSION`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this shape.
    pub version: u32,
    /// The domain of trust that the step runs in, such as `trusted`, `untrusted` or `local`: what is made
    /// in one is never used in another.
    pub trust: String,
    /// The component, by its name; results of one are not those of another.
    pub component: String,
    /// The system and processor that the step runs on, such as `linux/amd64`.
    pub platform: String,
    /// The digest of the image that the step runs in, and the user it names; absent where it runs on the
    /// machine itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The commands.
    pub script: String,
    /// The program that runs the commands, with its arguments.
    pub shell: Vec<String>,
    /// The folder they run in, beneath the workspace.
    pub folder: String,
    /// The variables that the definition sets.
    pub variables: BTreeMap<String, String>,
    /// What the declared tools say of their versions, by the command that was asked.
    pub tools: BTreeMap<String, String>,
    /// Which files count as outputs.
    pub outputs: Vec<String>,
    /// By the steps it needs, the digest of what each leaves and of what that one's own needs leave.
    pub needs: BTreeMap<String, Digest>,
    /// By their names, what the services beside the step are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, String>,
    /// The files it may read, sorted by path.
    pub inputs: Vec<Input>,
}

/// One file that a step may read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Input {
    /// The path beneath the workspace.
    pub path: String,
    /// Whether it may be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
    /// The digest of its bytes; of a link, of where it points.
    pub digest: Digest,
    /// Whether it is a link.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub link: bool,
}

/// Under which a result is kept: the digest of its manifest's text, and the domain of trust it belongs to.
///
/// The domain is part of the manifest, so no digest is of two domains. It stands here as well because a share
/// keeps the domains in folders of their own, which its owner can let different people write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    digest: Digest,
    domain: String,
}

impl Key {
    /// The key of a manifest with this digest. A domain that is no plain word stands for itself by its digest.
    pub fn new(domain: &str, digest: Digest) -> Self {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_plain = (1..=64).contains(&domain.len()) && domain.bytes().all(plain);
        Self {
            digest,
            domain: if is_plain {
                domain.to_owned()
            } else {
                Digest::of(domain).hex()
            },
        }
    }

    /// The digest of the manifest's text.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The domain of trust, as a name of a folder.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl Manifest {
    /// The version of the shape that this program writes.
    pub const VERSION: u32 = 1;

    /// The key of the result.
    pub fn key(&self) -> Key {
        Key::new(&self.trust, Digest::of(self.text()))
    }

    /// The text that the key is the digest of.
    pub fn text(&self) -> Vec<u8> {
        // A struct of strings, lists and maps with string keys is always JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
