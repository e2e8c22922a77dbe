//! What is wrong with an address or its credentials.

use std::path::PathBuf;

/// Why a bucket cannot be used as it was named.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The address is none.
    #[error("`{address}` is no address of a bucket: {reason}")]
    Address {
        /// The address, without its options.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody says who asks.
    #[error("there are no credentials for {0}")]
    NoCredentials(String),
    /// A profile has no keys.
    #[error("{} holds no keys of the profile `{profile}`", path.display())]
    NoKeys {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: String,
    },
    /// A file of certificates is none.
    #[error("{} holds no certificates", .0.display())]
    NoCertificates(PathBuf),
}

impl BucketError {
    /// What to do about it.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Address { .. } => Some(
                "write it as s3://BUCKET/PREFIX, followed by ?endpoint=URL&region=NAME&style=path&profile=NAME&credentials=FILE where needed",
            ),
            Self::NoCredentials(_) => Some(
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file with ?credentials=FILE; ?credentials=none asks as nobody",
            ),
            Self::NoKeys { .. } => Some(
                "only keys are read, no roles and no single sign-on: `aws configure export-credentials --format env` makes keys of those",
            ),
            Self::File { .. } | Self::NoCertificates(_) => None,
        }
    }
}
