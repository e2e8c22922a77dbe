//! What a change depends on, as the message of its commit says it: `Depends-On: shop/core@1a2b3c4`. Pure.

use std::fmt;

use facts::ComponentName;

use super::trailers::{Trailer, trailers};

/// The key of the trailer that says what a change depends on.
const KEY: &str = "Depends-On";
/// The key of the trailer that names a change over all commits that it ever was.
const CHANGE_ID: &str = "Change-Id";
/// The least number of digits that name a commit.
const LEAST: usize = 7;
/// How many digits a whole commit has.
const WHOLE: usize = 40;

/// The name of a change in another repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    /// A commit, or the beginning of one, in small letters.
    Commit(String),
    /// The `Change-Id` of its message: the newest commit that has it.
    Change(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Commit(text) | Self::Change(text)) = self;
        f.write_str(text)
    }
}

/// A change in another repository that one depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DependsOn {
    /// The repository, or one component of it.
    pub on: ComponentName,
    /// The change.
    pub id: Id,
}

impl fmt::Display for DependsOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.on, self.id)
    }
}

/// A trailer that says what a change depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depends {
    /// The line of the message, from 1.
    pub line: u32,
    /// What stands there.
    pub text: String,
}

/// Why what a trailer says names no change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependsError {
    /// It has another shape.
    #[error("`{KEY}: {0}` does not name a change")]
    Shape(String),
    /// What stands before the `@` is no name.
    #[error("`{0}` is no name of a repository or component")]
    Name(String),
    /// What stands behind the `@` is no commit.
    #[error("`{0}` is no commit and no Change-Id")]
    Id(String),
    /// The beginning of a commit is too short.
    #[error("`{0}` is too short to name a commit")]
    Short(String),
}

impl DependsError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Shape(_) => "write `Depends-On: TEAM/NAME@COMMIT`, one line for each change",
            Self::Name(_) => "a name has a team, a slash and the repository's own name, as in shop/core",
            Self::Id(_) => {
                "name a commit by at least 7 of its digits, or a change by the Change-Id of its message; \
                 a branch would be another commit tomorrow"
            }
            Self::Short(_) => "name at least 7 of the commit's digits",
        }
    }
}

impl std::str::FromStr for DependsOn {
    type Err = DependsError;

    /// `TEAM/NAME@COMMIT`, or the address of a change's page.
    fn from_str(text: &str) -> Result<Self, DependsError> {
        let cut = |text: &str| text.chars().take(200).collect::<String>();
        let shape = || DependsError::Shape(cut(text));
        let page = |address: &str| {
            let (_, path) = address.split_once("/components/")?;
            let (name, change) = path.split_once("/changes/")?;
            Some((name.to_owned(), change.trim_end_matches('/').to_owned()))
        };
        let (name, id) = if text.starts_with("https://") || text.starts_with("http://") {
            page(text).ok_or_else(shape)?
        } else {
            let (name, id) = text.rsplit_once('@').ok_or_else(shape)?;
            (name.trim().to_owned(), id.trim().to_owned())
        };
        if name.is_empty() || id.is_empty() || id.contains(char::is_whitespace) {
            return Err(shape());
        }
        let on = ComponentName::new(&name).map_err(|_| DependsError::Name(cut(&name)))?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(change) = change_name(&id) {
            return Ok(Self {
                on,
                id: Id::Change(change),
            });
        }
        if !digits(&id) || id.len() > WHOLE {
            return Err(DependsError::Id(cut(&id)));
        }
        if id.len() < LEAST {
            return Err(DependsError::Short(id));
        }
        Ok(Self {
            on,
            id: Id::Commit(id.to_ascii_lowercase()),
        })
    }
}

/// A `Change-Id`, as Gerrit's hook makes them: `I` and 40 digits.
fn change_name(text: &str) -> Option<String> {
    let digits = text.strip_prefix('I')?;
    let whole = digits.len() == WHOLE && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| format!("I{}", digits.to_ascii_lowercase()))
}

fn of_key<'a>(all: &'a [Trailer], key: &'a str) -> impl DoubleEndedIterator<Item = &'a Trailer> {
    all.iter().filter(move |trailer| trailer.key.eq_ignore_ascii_case(key))
}

/// What the message of a commit says that its change depends on, in the order of its lines.
pub fn depends_on(message: &str) -> Vec<Depends> {
    let all = trailers(message);
    of_key(&all, KEY)
        .map(|trailer| Depends {
            line: trailer.line,
            text: trailer.value.clone(),
        })
        .collect()
}

/// The `Change-Id` of a commit's message: the last one, where there are several.
pub fn change_id(message: &str) -> Option<String> {
    let all = trailers(message);
    of_key(&all, CHANGE_ID)
        .rev()
        .find_map(|trailer| change_name(&trailer.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, DependsError> {
        text.parse::<DependsOn>().map(|depends| depends.to_string())
    }

    #[test]
    fn a_commit_a_change_id_and_the_address_of_a_page_name_a_change() {
        let id = format!("I{}", "aB".repeat(20));
        for (text, expected) in [
            ("shop/core@1a2b3c4".to_owned(), "shop/core@1a2b3c4".to_owned()),
            (
                " shop/all.api @ 1A2B3C4D".trim().to_owned(),
                "shop/all.api@1a2b3c4d".to_owned(),
            ),
            (format!("shop/core@{id}"), format!("shop/core@I{}", "ab".repeat(20))),
            (
                "https://ci.example/components/shop/core/changes/1a2b3c4d".to_owned(),
                "shop/core@1a2b3c4d".to_owned(),
            ),
        ] {
            assert_eq!(read(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_names_no_change_is_told_with_what_to_write() {
        for (text, expected) in [
            ("shop/core", "does not name a change"),
            ("1a2b3c4", "does not name a change"),
            ("shop/core@1a2b3c4 and more", "does not name a change"),
            ("https://ci.example/shop/core", "does not name a change"),
            ("core@1a2b3c4", "is no name of a repository"),
            ("shop/core@main", "is no commit and no Change-Id"),
            ("shop/core@1a2b", "is too short"),
            ("", "does not name a change"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert!(!error.hint().is_empty());
        }
    }

    #[test]
    fn the_keys_case_means_nothing_and_there_may_be_several() {
        let message = "feat: x\n\ntext\n\ndepends-on: a/b@1234567\nDEPENDS-ON: c/d@main\nDepends-on-it: e\n";
        let found: Vec<(u32, String)> = depends_on(message)
            .into_iter()
            .map(|one| (one.line, one.text))
            .collect();
        assert_eq!(found, [(5, "a/b@1234567".to_owned()), (6, "c/d@main".to_owned())]);
        let id = format!("I{}", "0".repeat(40));
        assert_eq!(change_id(&format!("x\n\nChange-Id: {id}\n")), Some(id));
        assert_eq!(change_id("x\n\nChange-Id: Imain\n"), None);
    }
}
