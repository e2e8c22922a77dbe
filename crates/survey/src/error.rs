//! Why a repository cannot be surveyed at all. What is only partly unreadable is a finding instead.

use std::path::PathBuf;

/// Why a repository cannot be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// There is no such folder.
    #[error("there is no folder `{}`", path.display())]
    NoFolder {
        /// What was given.
        path: PathBuf,
    },
    /// The folder is in no repository.
    #[error("`{}` is not in a git repository", path.display())]
    NoRepository {
        /// What was given.
        path: PathBuf,
    },
    /// The repository is of a form that cannot be read yet.
    #[error("the repository `{}` {form}, which cannot be read yet", path.display())]
    Form {
        /// The repository.
        path: PathBuf,
        /// What is special about it, as the rest of the sentence.
        form: String,
        /// Whether it is how refs are stored, which git can change back.
        is_refs: bool,
    },
    /// The repository cannot be opened.
    #[error("the repository `{}` cannot be opened: {reason}", path.display())]
    Open {
        /// The repository.
        path: PathBuf,
        /// What the library said.
        reason: String,
    },
    /// The names of branches and tags cannot be read.
    #[error("the branches and tags of `{}` cannot be read: {reason}", path.display())]
    Refs {
        /// The repository.
        path: PathBuf,
        /// What the library said.
        reason: String,
    },
    /// There is no such branch.
    #[error("there is no branch `{branch}` in `{}`", path.display())]
    NoBranch {
        /// The repository.
        path: PathBuf,
        /// The name that was given.
        branch: String,
    },
    /// The newest commit of trunk cannot be read, so nothing can be said.
    #[error("the newest commit of `{branch}` in `{}`, {commit}, cannot be read: {reason}", path.display())]
    Tip {
        /// The repository.
        path: PathBuf,
        /// The branch.
        branch: String,
        /// The commit.
        commit: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl SurveyError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoFolder { .. } => {
                Some("give the folder of a repository on this machine; clone it first if it is elsewhere")
            }
            Self::NoRepository { .. } => {
                Some("run it in a clone or give the path of one; a history begins with `git init` and a commit")
            }
            Self::Form { is_refs: true, .. } => {
                Some("`git refs migrate --ref-format=files` changes how refs are stored")
            }
            Self::Form { .. } => None,
            Self::Open { .. } | Self::Refs { .. } => {
                Some("`git -C PATH fsck` says what is wrong; a fresh clone usually mends it")
            }
            Self::NoBranch { .. } => Some("`git branch --all` lists the branches"),
            Self::Tip { .. } => {
                Some("`git fsck` lists what is broken or missing; fetch it again, or clone the repository anew")
            }
        }
    }
}
