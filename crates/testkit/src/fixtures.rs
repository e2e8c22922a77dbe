//! Fixtures of what stands in ledgers: a body that was ever written is read and written the same.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Checks the fixture `tests/fixtures/KIND.vVERSION.json` of the crate whose folder is `manifest`: a list of
/// bodies, each of which must come out of `T` as it went in. The name of the file.
///
/// # Panics
/// When there is no such file, or a body comes out otherwise.
#[track_caller]
#[allow(clippy::panic)] // a test cannot go on
pub fn check_fixture<T: Serialize + DeserializeOwned>(manifest: &str, kind: &str, version: u16) -> String {
    check_fixture_with(manifest, kind, version, |body| T::deserialize(body))
}

/// The same for a body that `read` reads.
///
/// # Panics
/// As [`check_fixture`].
#[track_caller]
#[allow(clippy::panic)] // a test cannot go on
pub fn check_fixture_with<T: Serialize>(
    manifest: &str,
    kind: &str,
    version: u16,
    read: impl Fn(&Value) -> Result<T, serde_json::Error>,
) -> String {
    let name = format!("{kind}.v{version}.json");
    let path = Path::new(manifest).join("tests/fixtures").join(&name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let bodies: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!bodies.is_empty(), "{name} holds no body");
    for body in bodies {
        let back = read(&body).and_then(serde_json::to_value);
        let back = back.unwrap_or_else(|error| panic!("{name}: {error}: {body}"));
        assert_eq!(back.to_string(), body.to_string(), "{name}");
    }
    name
}

/// The names of all fixtures of the crate whose folder is `manifest`, in their order.
///
/// # Panics
/// When they cannot be listed.
#[allow(clippy::expect_used)] // a test cannot go on
pub fn fixtures(manifest: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(manifest).join("tests/fixtures")).expect("a folder of fixtures");
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>, _>>().expect("names of fixtures");
    names.sort();
    names
}
