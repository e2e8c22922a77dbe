//! The decisions of the OCI distribution API (version 1.1), as far as pulling goes: from a request to
//! what to answer. The routes, the authorisation and the sending of bytes are the server's.
//!
//! The server parses a request with [`Route::parse`], authorises it for [`Route::name`], gathers what
//! the component holds as [`Holdings`], and sends what [`Registry::answer`] says. A blob is given out
//! only when a package of the component is made of it, so that knowing a digest opens nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use facts::{ComponentName, Digest, Version};
use serde_json::json;

use crate::blob::BlobStore;
use crate::package::{Package, PackageError, media};

/// How many tags a page of the list has at most.
const TAGS_LIMIT: usize = 1_000;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Does this server speak the API?
    Base,
    /// A manifest, by digest or by tag.
    Manifest {
        /// The component.
        name: ComponentName,
        /// Which manifest.
        reference: Reference,
    },
    /// A blob.
    Blob {
        /// The component.
        name: ComponentName,
        /// The blob's digest.
        digest: Digest,
    },
    /// The tags.
    Tags {
        /// The component.
        name: ComponentName,
        /// At most so many.
        limit: Option<usize>,
        /// Only those after this one.
        last: Option<String>,
    },
    /// What refers to a manifest: signatures, provenance.
    Referrers {
        /// The component.
        name: ComponentName,
        /// The manifest.
        digest: Digest,
        /// Whether the client asked for one type only.
        filtered: bool,
    },
}

/// How a client names a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By its digest.
    Digest(Digest),
    /// By a tag, which is a version.
    Tag(Version),
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, `Content-Length` included.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing: the answer to `HEAD`.
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
    /// `length` bytes of a blob from `offset` on.
    Blob {
        /// The blob.
        digest: Digest,
        /// The first byte.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
}

/// A package that a component holds, and its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The package.
    pub package: Digest,
    /// The versions that name it.
    pub versions: Vec<Version>,
}

/// What a component holds, newest first; nothing when the component is unknown to the caller.
pub type Holdings = [Held];

/// The error codes of the distribution specification that pulling can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The blob is not here.
    BlobUnknown,
    /// The digest cannot be read.
    DigestInvalid,
    /// The manifest is not here.
    ManifestUnknown,
    /// The name cannot be read.
    NameInvalid,
    /// The repository is not here.
    NameUnknown,
    /// Nobody said who asks.
    Unauthorized,
    /// Who asks may not.
    Denied,
    /// The operation is not supported.
    Unsupported,
}

impl Code {
    fn text_and_status(self) -> (&'static str, u16) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", 404),
            Self::DigestInvalid => ("DIGEST_INVALID", 400),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", 404),
            Self::NameInvalid => ("NAME_INVALID", 400),
            Self::NameUnknown => ("NAME_UNKNOWN", 404),
            Self::Unauthorized => ("UNAUTHORIZED", 401),
            Self::Denied => ("DENIED", 403),
            Self::Unsupported => ("UNSUPPORTED", 405),
        }
    }
}

impl Answer {
    /// An error in the words of the specification.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        let (text, status) = code.text_and_status();
        let body = json!({ "errors": [{ "code": text, "message": message.into(), "detail": null }] });
        let mut answer = Self::json(status, body.to_string().into_bytes());
        if code == Code::Unauthorized {
            answer
                .headers
                .push(("WWW-Authenticate", "Basic realm=\"throughline\"".to_owned()));
        }
        answer
    }

    fn json(status: u16, bytes: Vec<u8>) -> Self {
        Self::typed(status, "application/json", bytes)
    }

    fn typed(status: u16, media_type: &str, bytes: Vec<u8>) -> Self {
        let headers = vec![
            ("Docker-Distribution-Api-Version", "registry/2.0".to_owned()),
            ("Content-Type", media_type.to_owned()),
            ("Content-Length", bytes.len().to_string()),
        ];
        Self {
            status,
            headers,
            body: Body::Bytes(bytes),
        }
    }

    /// The same answer without a body: `Content-Length` stays.
    pub fn without_body(mut self) -> Self {
        self.body = Body::Empty;
        self
    }
}

impl Route {
    /// Reads a request. `path` begins with `/v2`; both `path` and `query` are as they came, encoded.
    ///
    /// # Errors
    /// Gives the answer for what cannot be read or is not supported.
    pub fn parse(method: &str, path: &str, query: &str) -> Result<Self, Answer> {
        if !matches!(method, "GET" | "HEAD") {
            return Err(Answer::error(
                Code::Unsupported,
                "packages are made by runs: this registry is read-only",
            ));
        }
        let rest = path.strip_prefix("/v2").unwrap_or(path);
        if matches!(rest, "" | "/") {
            return Ok(Self::Base);
        }
        let unknown = || Answer::error(Code::NameUnknown, "there is no such path in the registry");
        let parts: Vec<&str> = rest.strip_prefix('/').ok_or_else(unknown)?.split('/').collect();
        // A component's name has two parts, `team/component`; so has the tail, such as `tags/list`.
        let [team, short, kind, last] = parts[..] else {
            return Err(unknown());
        };
        let name = ComponentName::new(format!("{team}/{short}"))
            .map_err(|error| Answer::error(Code::NameInvalid, error.to_string()))?;
        match (kind, last) {
            ("manifests", reference) => {
                let reference = if reference.contains(':') || reference.contains("%3A") {
                    Reference::Digest(digest(reference)?)
                } else {
                    let tag = Version::new(reference)
                        .map_err(|error| Answer::error(Code::ManifestUnknown, error.to_string()))?;
                    Reference::Tag(tag)
                };
                Ok(Self::Manifest { name, reference })
            }
            ("blobs", reference) => Ok(Self::Blob {
                name,
                digest: digest(reference)?,
            }),
            ("tags", "list") => {
                let limit = parameter(query, "n").map(|n| n.parse().unwrap_or(TAGS_LIMIT));
                Ok(Self::Tags {
                    name,
                    limit,
                    last: parameter(query, "last"),
                })
            }
            ("referrers", reference) => {
                let filtered = parameter(query, "artifactType").is_some();
                Ok(Self::Referrers {
                    name,
                    digest: digest(reference)?,
                    filtered,
                })
            }
            _ => Err(unknown()),
        }
    }

    /// The component that the request is about: what the caller must be allowed to read.
    pub fn name(&self) -> Option<&ComponentName> {
        match self {
            Self::Base => None,
            Self::Manifest { name, .. }
            | Self::Blob { name, .. }
            | Self::Tags { name, .. }
            | Self::Referrers { name, .. } => Some(name),
        }
    }
}

fn digest(text: &str) -> Result<Digest, Answer> {
    let text = text.replace("%3A", ":").replace("%3a", ":");
    text.parse()
        .map_err(|error: facts::digest::DigestError| Answer::error(Code::DigestInvalid, error.to_string()))
}

/// A parameter's value. Tags need no encoding but `%3A`-like escapes, which no tag holds.
fn parameter(query: &str, key: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(k, _)| *k == key)
        .map(|(_, v)| v.to_owned())
}

/// Answers requests from a blob store. Remembers which blobs a package is made of, which never changes.
#[derive(Debug)]
pub struct Registry {
    store: BlobStore,
    blobs: Mutex<HashMap<Digest, HashSet<Digest>>>,
}

impl Registry {
    /// A registry over `store`.
    pub fn new(store: BlobStore) -> Self {
        Self {
            store,
            blobs: Mutex::new(HashMap::new()),
        }
    }

    /// Answers a request. `range` is the value of the header `Range`; `holdings` is what the component
    /// of [`Route::name`] holds. For `HEAD`, send [`Answer::without_body`].
    ///
    /// # Errors
    /// When the store fails otherwise than by missing blobs: an internal error.
    pub fn answer(&self, route: &Route, range: Option<&str>, holdings: &Holdings) -> Result<Answer, PackageError> {
        match route {
            Route::Base => Ok(Answer::json(200, b"{}".to_vec())),
            Route::Manifest { reference, .. } => self.manifest(reference, holdings),
            Route::Blob { digest, .. } => self.blob(digest, range, holdings),
            Route::Tags { name, limit, last } => Ok(tags(name, *limit, last.as_deref(), holdings)),
            Route::Referrers { filtered, .. } => {
                let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [] });
                let mut answer = Answer::typed(200, media::INDEX, index.to_string().into_bytes());
                if *filtered {
                    answer.headers.push(("OCI-Filters-Applied", "artifactType".to_owned()));
                }
                Ok(answer)
            }
        }
    }

    fn manifest(&self, reference: &Reference, holdings: &Holdings) -> Result<Answer, PackageError> {
        let held = match reference {
            Reference::Digest(digest) => holdings.iter().find(|held| held.package == *digest),
            Reference::Tag(tag) => holdings.iter().find(|held| held.versions.contains(tag)),
        };
        let Some(held) = held else {
            return Ok(Answer::error(
                Code::ManifestUnknown,
                "the component has no such package",
            ));
        };
        let bytes = self.store.read(&held.package, 4 * 1024 * 1024)?;
        let mut answer = Answer::typed(200, media::MANIFEST, bytes);
        answer.headers.push(("Docker-Content-Digest", held.package.to_string()));
        answer.headers.push(("ETag", format!("\"{}\"", held.package)));
        Ok(answer)
    }

    fn blob(&self, digest: &Digest, range: Option<&str>, holdings: &Holdings) -> Result<Answer, PackageError> {
        let unknown = || Answer::error(Code::BlobUnknown, "no package of the component is made of this blob");
        if !self.belongs(digest, holdings)? {
            return Ok(unknown());
        }
        let Some(size) = self.store.size(digest)? else {
            return Ok(unknown());
        };
        let mut headers = vec![
            ("Docker-Distribution-Api-Version", "registry/2.0".to_owned()),
            ("Content-Type", "application/octet-stream".to_owned()),
            ("Docker-Content-Digest", digest.to_string()),
            ("ETag", format!("\"{digest}\"")),
            ("Accept-Ranges", "bytes".to_owned()),
            ("Cache-Control", "private, max-age=31536000, immutable".to_owned()),
        ];
        let (status, offset, length) = match range.and_then(|text| parse_range(text, size)) {
            None => (200, 0, size),
            Some(Ok((first, last))) => {
                headers.push(("Content-Range", format!("bytes {first}-{last}/{size}")));
                (206, first, last - first + 1)
            }
            Some(Err(NotSatisfiable)) => {
                headers.push(("Content-Range", format!("bytes */{size}")));
                headers.push(("Content-Length", "0".to_owned()));
                return Ok(Answer {
                    status: 416,
                    headers,
                    body: Body::Empty,
                });
            }
        };
        headers.push(("Content-Length", length.to_string()));
        Ok(Answer {
            status,
            headers,
            body: Body::Blob {
                digest: *digest,
                offset,
                length,
            },
        })
    }

    /// Whether one of the packages is made of the blob.
    fn belongs(&self, digest: &Digest, holdings: &Holdings) -> Result<bool, PackageError> {
        for held in holdings {
            let known = self
                .blobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&held.package)
                .cloned();
            let blobs = match known {
                Some(blobs) => blobs,
                None => {
                    let blobs: HashSet<_> = match Package::read(&self.store, &held.package) {
                        Ok(package) => package.blobs().collect(),
                        // One damaged package does not hide the others.
                        Err(PackageError::Blob(_) | PackageError::NotAPackage { .. }) => continue,
                        Err(error) => return Err(error),
                    };
                    let mut known = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
                    known.insert(held.package, blobs.clone());
                    blobs
                }
            };
            if blobs.contains(digest) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn tags(name: &ComponentName, limit: Option<usize>, last: Option<&str>, holdings: &Holdings) -> Answer {
    let mut all: Vec<&str> = holdings
        .iter()
        .flat_map(|held| &held.versions)
        .map(Version::as_str)
        .collect();
    all.sort_unstable();
    all.dedup();
    let limit = limit.unwrap_or(TAGS_LIMIT).min(TAGS_LIMIT);
    let rest: Vec<&str> = all
        .into_iter()
        .filter(|tag| last.is_none_or(|last| *tag > last))
        .collect();
    let page = &rest[..rest.len().min(limit)];
    let mut answer = Answer::json(200, json!({ "name": name, "tags": page }).to_string().into_bytes());
    if let Some(end) = page.last()
        && page.len() < rest.len()
    {
        answer.headers.push((
            "Link",
            format!("</v2/{name}/tags/list?n={limit}&last={end}>; rel=\"next\""),
        ));
    }
    answer
}

#[derive(Debug, PartialEq, Eq)]
struct NotSatisfiable;

/// The first and the last byte of a single range; nothing for what must be ignored (RFC 9110, 14.2).
fn parse_range(text: &str, size: u64) -> Option<Result<(u64, u64), NotSatisfiable>> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return None;
    }
    if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        return Some(if count == 0 || size == 0 {
            Err(NotSatisfiable)
        } else {
            Ok((size.saturating_sub(count), size - 1))
        });
    }
    let first: u64 = first.parse().ok()?;
    let last: u64 = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    if last < first {
        return None;
    }
    Some(if first >= size {
        Err(NotSatisfiable)
    } else {
        Ok((first, last.min(size - 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_range_is_cut_to_the_blob_and_others_are_ignored() {
        let cases = [
            ("bytes=0-3", Some(Ok((0, 3)))),
            ("bytes=4-", Some(Ok((4, 9)))),
            ("bytes=4-100", Some(Ok((4, 9)))),
            ("bytes=-3", Some(Ok((7, 9)))),
            ("bytes=-30", Some(Ok((0, 9)))),
            ("bytes=10-", Some(Err(NotSatisfiable))),
            ("bytes=-0", Some(Err(NotSatisfiable))),
            ("bytes=3-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=+1-2", None),
            ("bytes=a-b", None),
            ("lines=1-2", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse_range(text, 10), wanted, "{text}");
        }
    }

    #[test]
    fn requests_that_write_or_name_nothing_are_answered_in_the_words_of_the_specification() {
        let status = |method, path| Route::parse(method, path, "").unwrap_err().status;
        assert_eq!(status("POST", "/v2/shop/cart/blobs/uploads/"), 405);
        assert_eq!(status("PUT", "/v2/shop/cart/manifests/1.0.0"), 405);
        assert_eq!(status("GET", "/v2/_catalog"), 404);
        assert_eq!(status("GET", "/v2/shop/CART/tags/list"), 400);
        assert_eq!(status("GET", "/v2/shop/../tags/list"), 400);
        assert_eq!(status("GET", "/v2/shop/cart/blobs/sha256:12"), 400);
        assert_eq!(status("GET", "/v2/shop/cart/manifests/-x"), 404);
        assert_eq!(Route::parse("GET", "/v2/", "").unwrap(), Route::Base);
    }
}
