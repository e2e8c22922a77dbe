//! The facts of signed checkpoints.

use facts::{Digest, Position, Stream};
use serde::{Deserialize, Serialize};
use signing::{Envelope, KeyId, PublicKey};

/// The kind of [`SigningKeyAdded`].
pub const SIGNING_KEY_ADDED: &str = "signing_key.added";
/// The kind of [`CheckpointSigned`].
pub const CHECKPOINT_SIGNED: &str = "checkpoint.signed";

/// The stream of the keys that ever signed.
pub fn keys_stream() -> Stream {
    Stream::new("signing", "keys")
}

/// The stream of the checkpoints.
pub fn checkpoints_stream() -> Stream {
    Stream::new("signing", "checkpoints")
}

/// The server signs with this key from now on. Earlier ones stay good for what they signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyAdded {
    /// Its name.
    pub key: KeyId,
    /// The key that checks its signatures, as PEM.
    pub public_key: PublicKey,
}

/// All facts up to a position were signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointSigned {
    /// The position of the last fact that is covered.
    pub position: Position,
    /// Its hash.
    pub hash: Digest,
    /// The key that signed.
    pub key: KeyId,
    /// What somebody keeps elsewhere.
    pub envelope: Envelope,
}
