//! What the branches and tags of a repository point at, and how that changed.

use std::collections::BTreeMap;
use std::fmt;

use facts::{Commit, ReleaseLine};
use serde::{Deserialize, Serialize};

/// The full name of a branch or a tag, such as `refs/heads/main`. It never begins with `-` and has no
/// control characters, so it is safe as an argument and on a page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RefName(String);

impl RefName {
    /// Checks a name; nothing when it is no branch's or tag's.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let below = text
            .strip_prefix("refs/heads/")
            .or_else(|| text.strip_prefix("refs/tags/"))?;
        let plain = !below.is_empty() && text.len() <= 1_000 && !text.chars().any(|c| c.is_control() || c == ' ');
        plain.then_some(Self(text))
    }

    /// The ref of a branch.
    pub fn of_branch(line: &ReleaseLine) -> Self {
        Self(format!("refs/heads/{line}"))
    }

    /// The full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch's name, when it is one and its name is one that can be delivered from.
    pub fn branch(&self) -> Option<ReleaseLine> {
        ReleaseLine::new(self.0.strip_prefix("refs/heads/")?).ok()
    }

    /// The tag's name, when it is one.
    pub fn tag(&self) -> Option<&str> {
        self.0.strip_prefix("refs/tags/")
    }
}

impl TryFrom<String> for RefName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text.clone()).ok_or_else(|| format!("`{}` is no branch or tag", text.escape_debug()))
    }
}

impl From<RefName> for String {
    fn from(name: RefName) -> Self {
        name.0
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a branch or tag points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefTarget {
    /// The id that the ref holds: a commit's, or an annotated tag's.
    pub object: Commit,
    /// The commit that it leads to; nothing for a tag of something else.
    pub commit: Option<Commit>,
}

/// All branches and tags of a repository at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refs(pub BTreeMap<RefName, RefTarget>);

/// One branch or tag that came, moved or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// Its name.
    pub name: RefName,
    /// What it pointed at before; nothing when it is new.
    pub old: Option<RefTarget>,
    /// What it points at now; nothing when it was deleted.
    pub new: Option<RefTarget>,
}

impl Refs {
    /// What a ref points at.
    pub fn get(&self, name: &RefName) -> Option<&RefTarget> {
        self.0.get(name)
    }

    /// The branches and the commits they are at.
    pub fn branches(&self) -> impl Iterator<Item = (ReleaseLine, &Commit)> {
        self.0
            .iter()
            .filter_map(|(name, target)| Some((name.branch()?, target.commit.as_ref()?)))
    }

    /// What changed from `before` to `self`, sorted by name.
    pub fn since(&self, before: &Self) -> Vec<RefUpdate> {
        let moved = self
            .0
            .iter()
            .filter(|(name, new)| before.0.get(*name) != Some(new))
            .map(|(name, new)| RefUpdate {
                name: name.clone(),
                old: before.0.get(name).cloned(),
                new: Some(new.clone()),
            });
        let gone = before
            .0
            .iter()
            .filter(|(name, _)| !self.0.contains_key(*name))
            .map(|(name, old)| RefUpdate {
                name: name.clone(),
                old: Some(old.clone()),
                new: None,
            });
        let mut updates: Vec<_> = moved.chain(gone).collect();
        updates.sort_by(|a, b| a.name.cmp(&b.name));
        updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_branches_and_tags_have_names_here() {
        for text in ["refs/heads/main", "refs/tags/v1", "refs/heads/-x", "refs/heads/ü"] {
            assert!(RefName::new(text).is_some(), "{text}");
        }
        for text in [
            "main",
            "-x",
            "refs/heads/",
            "refs/notes/x",
            "HEAD",
            "refs/heads/a b",
            "refs/heads/a\n",
        ] {
            assert!(RefName::new(text).is_none(), "{text}");
        }
        assert!(
            RefName::new("refs/heads/-x").unwrap().branch().is_none(),
            "no option in disguise"
        );
    }

    #[test]
    fn the_difference_names_what_came_moved_and_went() {
        let target = |digit: char| RefTarget {
            object: Commit::new(digit.to_string().repeat(40)).unwrap(),
            commit: None,
        };
        let refs = |list: &[(&str, char)]| {
            Refs(
                list.iter()
                    .map(|(name, c)| (RefName::new(*name).unwrap(), target(*c)))
                    .collect(),
            )
        };
        let before = refs(&[("refs/heads/a", '1'), ("refs/heads/b", '1'), ("refs/heads/c", '1')]);
        let after = refs(&[("refs/heads/a", '1'), ("refs/heads/b", '2'), ("refs/tags/d", '3')]);
        let changes: Vec<_> = after
            .since(&before)
            .into_iter()
            .map(|u| (u.name.to_string(), u.old.is_some(), u.new.is_some()))
            .collect();
        let wanted = [
            ("refs/heads/b", true, true),
            ("refs/heads/c", true, false),
            ("refs/tags/d", false, true),
        ];
        assert_eq!(changes, wanted.map(|(name, old, new)| (name.to_owned(), old, new)));
        assert!(after.since(&after).is_empty());
    }
}
