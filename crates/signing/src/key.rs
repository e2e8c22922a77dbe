//! Ed25519 keys and their files.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use disk::{Disk, Draft, LocalDisk};
use facts::{Digest, Entropy};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// What stands before the 32 bytes of a private key in PKCS#8 (RFC 8410, section 7).
const PRIVATE: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// What stands before the 32 bytes of a public key in SubjectPublicKeyInfo (RFC 8410, section 4).
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Others can use the private key.
    #[error("{} can be used by others (mode {mode:o})\nhint: `chmod 600` it; if somebody else may have read it, make another key", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The text is no such key.
    #[error("{0} holds no {1} key of the kind Ed25519, as PEM")]
    Shape(String, &'static str),
}

/// The name of a key: the SHA-256 of its SubjectPublicKeyInfo, as 64 hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits: what people read.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if text.len() == 64 && digits {
            Ok(Self(text))
        } else {
            Err(de::Error::custom("the id of a key is 64 lower-case hex digits"))
        }
    }
}

/// A key that checks signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    fn information(&self) -> [u8; 44] {
        let mut whole = [0; 44];
        whole[..12].copy_from_slice(&PUBLIC);
        whole[12..].copy_from_slice(&self.0);
        whole
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        KeyId(Digest::of(self.information()).hex())
    }

    /// Its text as PEM, with a line end.
    pub fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.information())
    }

    /// A key from its PEM. `source` names where it stood, for the error.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_pem(text: &str, source: &str) -> Result<Self, KeyError> {
        let bytes = of_pem("PUBLIC KEY", text).and_then(|bytes| {
            bytes
                .strip_prefix(&PUBLIC)
                .and_then(|key| <[u8; 32]>::try_from(key).ok())
        });
        bytes
            .map(Self)
            .ok_or_else(|| KeyError::Shape(source.to_owned(), "public"))
    }

    /// Every key in a text that holds one or more as PEM. `source` names where it stood, for the error.
    ///
    /// # Errors
    /// When there is none, or one is no such key.
    pub fn all_in(text: &str, source: &str) -> Result<Vec<Self>, KeyError> {
        let ends = text
            .match_indices("-----END PUBLIC KEY-----")
            .map(|(at, end)| at + end.len());
        let mut from = 0;
        let keys = ends.map(|end| {
            let key = Self::from_pem(&text[from..end], source);
            from = end;
            key
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(KeyError::Shape(source.to_owned(), "public"));
        }
        Ok(keys)
    }

    /// Whether `signature` is this key's for `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id().short())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.pem())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_pem(&String::deserialize(deserializer)?, "the text").map_err(de::Error::custom)
    }
}

/// A key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
    id: KeyId,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id.short())
    }
}

impl SigningKey {
    fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        let id = public.id();
        Some(Self { pair, public, id })
    }

    /// The key in the file; `None` where there is no such file.
    ///
    /// # Errors
    /// When others can use it, it cannot be read, or is no key.
    pub fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let unusable = unusable(path);
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(error)),
        };
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Permissions {
                path: path.to_owned(),
                mode,
            });
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(unusable)?);
        let seed = of_pem("PRIVATE KEY", &text).map(Zeroizing::new);
        seed.and_then(|bytes| Self::from_seed(bytes.strip_prefix(&PRIVATE)?.try_into().ok()?))
            .map(Some)
            .ok_or_else(|| KeyError::Shape(path.display().to_string(), "private"))
    }

    /// Makes a new key and its file, which only its owner may read; durably, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let mut whole = Zeroizing::new([0_u8; 48]);
        whole[..16].copy_from_slice(&PRIVATE);
        entropy.fill(&mut whole[16..]);
        let text = Zeroizing::new(pem("PRIVATE KEY", whole.as_slice()));
        write(&LocalDisk, path, &text).map_err(unusable(path))?;
        Self::read(path)?.ok_or_else(|| KeyError::Shape(path.display().to_string(), "private"))
    }

    /// The key that checks its signatures.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its name.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// A crash or a power cut leaves no half of a key.
fn write(disk: &dyn Disk, path: &Path, text: &str) -> io::Result<()> {
    let mut draft = Draft::begin(disk, path, 0o600)?;
    draft.add(text.as_bytes())?;
    let sealed = draft.seal()?;
    crashpoint::reach("signing.key.before");
    sealed.name()?.sync()
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> KeyError {
    move |error| KeyError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(bytes)
    )
}

fn of_pem(label: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use facts::SystemEntropy;

    use super::*;
    use testkit::SimulatedDisk;

    #[test]
    fn a_power_cut_at_any_operation_leaves_the_whole_key_or_none() {
        let path = Path::new("/data/signing.key");
        SimulatedDisk::cut_everywhere(
            SimulatedDisk::new,
            |disk| write(disk, path, "the key"),
            |survivors, done| match survivors.get(path) {
                Some(key) => assert_eq!(key, b"the key"),
                None => assert!(!done, "something may be signed with it"),
            },
        );
    }

    #[test]
    fn a_key_comes_back_from_its_file_which_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        assert!(SigningKey::read(&path).unwrap().is_none());
        let made = SigningKey::create(&path, &SystemEntropy).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = SigningKey::read(&path).unwrap().unwrap();
        assert_eq!(made.public(), read.public());
        assert!(read.public().verifies(b"x", &made.sign(b"x")));
        assert!(!read.public().verifies(b"y", &made.sign(b"x")));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            SigningKey::read(&path),
            Err(KeyError::Permissions { mode: 0o640, .. })
        ));
    }

    /// The first test of RFC 8032, section 7.1, and the PEM that openssl writes for the key.
    #[test]
    fn keys_and_signatures_are_those_of_the_standard() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let key = SigningKey::from_seed(&seed).unwrap();
        assert_eq!(
            key.public().pem(),
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"
        );
        assert!(
            key.sign(b"")
                .starts_with(&[0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60, 0xac, 0x72])
        );
        assert_eq!(PublicKey::from_pem(&key.public().pem(), "x").unwrap().id(), *key.id());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "nonsense",
            "-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PRIVATE KEY-----\n",
        ] {
            let error = PublicKey::from_pem(text, "key.pub").unwrap_err();
            assert!(error.to_string().starts_with("key.pub holds no public key"), "{error}");
        }
    }
}
