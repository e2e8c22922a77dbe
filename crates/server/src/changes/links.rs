//! What commits that came say of themselves: the first line, and their ties to other changes.

use facts::Commit;
use source::message::{change_id, depends_on};
use source::{Repository, SourceError};

use super::kinds::{ChangeLinked, SaidDependency};

/// At most so many commits that a merge brings are asked what they depend on.
const MOST_BROUGHT: usize = 1_000;
/// At most so many changes that one depends on are looked at.
const MOST_DEPENDENCIES: usize = 100;
/// At most so many letters of what a trailer says become part of a fact.
const LONGEST_TEXT: usize = 300;

/// What a commit says of itself.
pub(super) struct Said {
    /// The first line of its message.
    pub(super) subject: String,
    /// Its ties, where it says any.
    pub(super) links: Option<ChangeLinked>,
}

/// What these commits say of themselves. A merge also says what the commits say that it brings: what is not
/// behind its first parent.
pub(super) fn said(repository: &Repository, commits: &[Commit]) -> Result<Vec<Said>, SourceError> {
    let one = |commit: &Commit| {
        let info = repository.commit(commit)?;
        let mut links = ChangeLinked {
            commit: commit.clone(),
            change_id: change_id(&info.message),
            brings: Vec::new(),
            depends_on: named(&info.message, None),
        };
        if let [first, _, ..] = info.parents.as_slice() {
            for brought in repository.between(Some(first), commit, MOST_BROUGHT)? {
                if brought == *commit {
                    continue;
                }
                let message = repository.commit(&brought)?.message;
                links.brings.extend(change_id(&message));
                links.depends_on.extend(named(&message, Some(&brought)));
            }
        }
        links.depends_on.truncate(MOST_DEPENDENCIES);
        let says = links.change_id.is_some() || !links.brings.is_empty() || !links.depends_on.is_empty();
        Ok(Said {
            subject: info.title().to_owned(),
            links: says.then_some(links),
        })
    };
    commits.iter().map(one).collect()
}

fn named(message: &str, of: Option<&Commit>) -> Vec<SaidDependency> {
    depends_on(message)
        .into_iter()
        .map(|depends| SaidDependency {
            of: of.cloned(),
            line: depends.line,
            text: depends.text.chars().take(LONGEST_TEXT).collect(),
        })
        .collect()
}
