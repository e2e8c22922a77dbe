//! Where a module lies, as `uses` says it.

use std::fmt;

use facts::{Commit, ComponentName};
use serde::{Deserialize, Serialize};

/// The file of a repository that is meant where `uses` names none.
pub const USUAL_FILE: &str = "module.yaml";
/// The longest path, version and address.
const LONGEST: usize = 500;
/// How references are written.
const FORMS: &str =
    "write `./ci/test.yaml`, `/ci/test.yaml` from the repository's top, or `team/repository/test.yaml@v1`";

/// Where a module lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Location {
    /// The other repository, and the version of it; `None` is the commit of the definition.
    pub elsewhere: Option<Elsewhere>,
    /// The file, relative to the top of its repository.
    pub path: String,
}

/// A repository at a version of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Elsewhere {
    /// The repository.
    pub repository: Origin,
    /// The version: the name of a tag, or a whole commit id.
    pub version: String,
}

/// Which repository is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// One that the server has, by its name.
    Named(ComponentName),
    /// One by its address.
    Address(String),
}

/// Something that `uses` says and that is no module's place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LocationError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// Where a file lies that uses modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base {
    /// The other repository that it is of.
    pub elsewhere: Option<Elsewhere>,
    /// Its folder, relative to the repository's top; empty at the top.
    pub folder: String,
}

impl Elsewhere {
    /// The commit that the version names by itself.
    pub fn commit(&self) -> Option<Commit> {
        Commit::new(self.version.as_str()).ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => fmt::Display::fmt(name, f),
            Self::Address(address) => f.write_str(address),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.elsewhere {
            None => write!(f, "/{}", self.path),
            Some(Elsewhere { repository, version }) => {
                let between = match repository {
                    Origin::Named(_) => "/",
                    Origin::Address(_) => "//",
                };
                write!(f, "{repository}{between}{}@{version}", self.path)
            }
        }
    }
}

impl TryFrom<String> for Location {
    type Error = LocationError;

    fn try_from(text: String) -> Result<Self, LocationError> {
        Self::read(&text, &Base::default())
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.to_string()
    }
}

impl Location {
    /// Reads what `uses` says in a file that lies at `base`.
    ///
    /// # Errors
    /// When it names no module.
    pub fn read(text: &str, base: &Base) -> Result<Self, LocationError> {
        let shown: String = text.chars().take(200).collect();
        let wrong = |message: String, hint: &str| LocationError {
            message,
            hint: hint.to_owned(),
        };
        if text.starts_with("./") || text.starts_with("../") || text.starts_with('/') {
            if text.contains('@') {
                let hint = "a file of the same repository is taken from the same commit: leave the version out";
                return Err(wrong(format!("`{shown}` has a version"), hint));
            }
            let folder = if text.starts_with('/') {
                ""
            } else {
                base.folder.as_str()
            };
            let Some(path) = below(folder, text) else {
                return Err(wrong(format!("`{shown}` leads out of its repository"), FORMS));
            };
            if !is_path(&path) {
                return Err(wrong(format!("`{shown}` is no file's path"), FORMS));
            }
            return Ok(Self {
                elsewhere: base.elsewhere.clone(),
                path,
            });
        }
        let Some((place, version)) = text.rsplit_once('@').filter(|(_, version)| is_version(version)) else {
            let is_file = [".yaml", ".yml"].iter().any(|end| text.ends_with(end));
            return Err(match text.split('/').count() {
                _ if text.contains(['@', ':', ' ']) => wrong(format!("`{shown}` names no module"), FORMS),
                parts if is_file && parts < 3 => {
                    let hint = format!("a file beside this one is written `./{shown}`");
                    wrong(format!("`{shown}` names no module"), &hint)
                }
                2.. => {
                    let hint = format!(
                        "add the tag or the whole commit id: `{shown}@v1`; a file of this repository begins with `./`"
                    );
                    wrong(format!("`{shown}` has no version"), &hint)
                }
                _ => wrong(format!("`{shown}` names no module"), FORMS),
            });
        };
        let names_none = || wrong(format!("`{shown}` names no module"), FORMS);
        let (repository, path) = if place.contains(':') {
            let (address, path) = of_address(place).ok_or_else(names_none)?;
            if holds_password(address) {
                let hint = "git asks its own helpers for it: leave it out, for everybody reads this file";
                return Err(wrong("the address of the module holds a password".to_owned(), hint));
            }
            if address.len() > LONGEST || address.chars().any(|c| c.is_control() || c.is_whitespace()) {
                return Err(names_none());
            }
            (Origin::Address(address.to_owned()), path)
        } else {
            let mut parts = place.splitn(3, '/');
            let (Some(team), Some(name)) = (parts.next(), parts.next()) else {
                return Err(names_none());
            };
            let name = ComponentName::new(format!("{team}/{name}"))
                .map_err(|error| wrong(format!("`{shown}` names no module: {error}"), FORMS))?;
            (Origin::Named(name), parts.next().unwrap_or(USUAL_FILE))
        };
        if !is_path(path) || path.contains('@') {
            return Err(names_none());
        }
        Ok(Self {
            elsewhere: Some(Elsewhere {
                repository,
                version: version.to_owned(),
            }),
            path: path.to_owned(),
        })
    }

    /// What it is called in messages.
    pub fn file(&self) -> String {
        match self.elsewhere {
            None => self.path.clone(),
            Some(_) => self.to_string(),
        }
    }

    /// Where its own modules are looked for.
    pub fn base(&self) -> Base {
        Base {
            elsewhere: self.elsewhere.clone(),
            folder: self.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned(),
        }
    }
}

/// `path` as seen from `folder`; `None` where it leads out of the repository.
fn below(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let given = path.strip_prefix('/').unwrap_or(path);
    for part in given.split('/') {
        match part {
            "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether it is the path of a file, without detours.
fn is_path(path: &str) -> bool {
    let fits = |part: &str| !matches!(part, "" | "." | ".." | ".git") && !part.contains('\\');
    path.len() <= LONGEST && !path.chars().any(char::is_control) && path.split('/').all(fits)
}

/// Whether it can be the name of a tag, or a commit id.
fn is_version(text: &str) -> bool {
    text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+'))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+'))
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("/.")
        && !text.ends_with(".lock")
}

/// The address of a repository, and the path after `//`.
fn of_address(place: &str) -> Option<(&str, &str)> {
    let start = match place.find("://") {
        Some(at) if ["https", "http", "ssh", "file"].contains(&&place[..at]) => at + 3,
        Some(_) => return None,
        // As in `git@host:team/name.git`.
        None if place.starts_with('-') || place.contains("::") => return None,
        None => 0,
    };
    let (address, path) = match place[start..].find("//") {
        Some(at) => (&place[..start + at], &place[start + at + 2..]),
        None => (place, USUAL_FILE),
    };
    (address.len() > start).then_some((address, path))
}

/// Whether an address holds a password, as in `https://user:password@host/`.
fn holds_password(address: &str) -> bool {
    let Some((_, rest)) = address.split_once("://") else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or_default();
    host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_repository_are_named_from_where_they_are_used_or_from_the_top() {
        let base = Base {
            elsewhere: None,
            folder: "apps/web".to_owned(),
        };
        for (text, path) in [
            ("./ci/test.yaml", "apps/web/ci/test.yaml"),
            ("../../ci/test.yaml", "ci/test.yaml"),
            ("/ci/test.yaml", "ci/test.yaml"),
        ] {
            let location = Location::read(text, &base).unwrap();
            assert_eq!((location.path.as_str(), &location.elsewhere), (path, &None), "{text}");
            assert_eq!(Location::try_from(location.to_string()), Ok(location));
        }
        for text in [
            "../../../x.yaml",
            "./.git/config",
            "./a//b",
            "/",
            "/a/../../b",
            "./a\\b",
            "./a\u{7}",
        ] {
            assert!(Location::read(text, &base).is_err(), "{text}");
        }
    }

    #[test]
    fn others_are_named_by_repository_file_and_version() {
        for (text, repository, path, version) in [
            ("tools/ci@v1", "tools/ci", "module.yaml", "v1"),
            (
                "tools/ci/rust/test.yaml@rust/1.2.0+x",
                "tools/ci",
                "rust/test.yaml",
                "rust/1.2.0+x",
            ),
            (
                "https://example.org/tools/ci.git//rust.yaml@v1",
                "https://example.org/tools/ci.git",
                "rust.yaml",
                "v1",
            ),
            (
                "git@example.org:tools/ci.git//rust.yaml@v1",
                "git@example.org:tools/ci.git",
                "rust.yaml",
                "v1",
            ),
            ("file:///srv/ci.git@v1", "file:///srv/ci.git", "module.yaml", "v1"),
        ] {
            let location = Location::read(text, &Base::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
            let elsewhere = location.elsewhere.clone().unwrap();
            assert_eq!(elsewhere.repository.to_string(), repository);
            assert_eq!((location.path.as_str(), elsewhere.version.as_str()), (path, version));
            assert_eq!(Location::try_from(location.to_string()), Ok(location));
        }
        for text in [
            "",
            "tools@v1",
            "tools/ci/../x@v1",
            "tools/ci@--upload-pack=x",
            "tools/ci@",
            "Tools/ci@v1",
            "tools/ci@v1 x",
            "tools/ci@a..b",
            "ext::sh -c id@v1",
            "gopher://x/y@v1",
            "https://user:secret@example.org/x.git@v1",
            "https:////x@v1",
        ] {
            assert!(Location::read(text, &Base::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_module_uses_beside_it_is_of_the_same_version() {
        let module = Location::read("tools/ci/rust/test.yaml@v2", &Base::default()).unwrap();
        let beside = Location::read("../lint.yaml", &module.base()).unwrap();
        assert_eq!(beside.to_string(), "tools/ci/lint.yaml@v2");
        assert!(Location::read("../../lint.yaml", &module.base()).is_err());
    }

    #[test]
    fn what_is_forgotten_most_often_is_said() {
        let hint = |text: &str| Location::read(text, &Base::default()).unwrap_err().hint;
        assert_eq!(
            hint("ci/rust.yaml"),
            "a file beside this one is written `./ci/rust.yaml`"
        );
        assert!(hint("tools/ci/rust.yaml").starts_with("add the tag or the whole commit id: `tools/ci/rust.yaml@v1`"));
        assert!(hint("./rust.yaml@v1").contains("leave the version out"));
    }
}
