//! The components' repositories, read on threads that may block.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use facts::{Commit, ComponentName, ReleaseLine, Timestamp};
use source::hosting::{Host, Limits};
use source::remote::{Address, AddressError, Allowed, Credential};
use source::{CheckoutLimits, NewTag, RefName, Repository, SourceError};

use super::members::Lists;

/// How long fetching a remote may take.
const FETCH: Duration = Duration::from_secs(600);

/// Why a repository could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// Git or the disk says no.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Reading stopped.
    #[error("reading the repository stopped: {0}")]
    Stopped(#[from] tokio::task::JoinError),
    /// The address cannot be followed.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The repository does not list the component at this commit.
    #[error("{} does not list the component `{member}`", commit.short())]
    NotListed {
        /// The component's name in the list.
        member: String,
        /// The commit.
        commit: Commit,
    },
}

impl RepositoryError {
    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Stopped(_) => None,
            Self::Address(error) => Some(error.hint()),
            Self::NotListed { .. } => {
                Some("the list stands in throughline.yaml at the repository's top, under `components`")
            }
        }
    }
}

/// What people want to know of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitSummary {
    /// The first line of its message.
    pub title: String,
    /// The rest of its message.
    pub body: String,
    /// The name of who wrote it.
    pub author: String,
    /// When it was made.
    pub committed_at: Timestamp,
}

/// The repositories of all components.
pub struct Repositories {
    host: Host,
    allowed: Allowed,
    /// Where components lie that share a repository; the register says so, and this is what it said.
    homes: RwLock<HashMap<ComponentName, Home>>,
}

/// Where a component lies that shares a repository.
#[derive(Debug, Clone)]
struct Home {
    repository: ComponentName,
    member: String,
}

/// The line that a new repository begins with.
fn main_line() -> ReleaseLine {
    #[allow(clippy::expect_used)] // a constant
    ReleaseLine::new("main").expect("`main` is a branch name")
}

impl Repositories {
    /// The repositories below `folder`. `allow_files` lets paths of this machine be followed.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(folder: &Path, largest_push: u64, allow_files: bool) -> Result<Self, RepositoryError> {
        let limits = Limits {
            push_bytes: largest_push,
            ..Limits::default()
        };
        let repositories = source::Repositories::open(folder)?;
        let allowed = Allowed {
            files: allow_files,
            plain_http: allow_files,
        };
        Ok(Self {
            host: Host::new(repositories, limits),
            allowed,
            homes: RwLock::default(),
        })
    }

    /// What answers git's own requests.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The component `name` is the one called `member` in the list of `repository`.
    pub fn settle(&self, name: ComponentName, repository: ComponentName, member: String) {
        let mut homes = self.homes.write().unwrap_or_else(PoisonError::into_inner);
        homes.insert(name, Home { repository, member });
    }

    fn home(&self, name: &ComponentName) -> Option<Home> {
        let homes = self.homes.read().unwrap_or_else(PoisonError::into_inner);
        homes.get(name).cloned()
    }

    /// The name of the repository that a component lies in.
    pub fn name_of(&self, name: &ComponentName) -> ComponentName {
        self.home(name).map_or_else(|| name.clone(), |home| home.repository)
    }

    /// The name of a component in the list of its repository, where that holds several.
    pub fn member(&self, name: &ComponentName) -> Option<String> {
        self.home(name).map(|home| home.member)
    }

    /// The repository that a component lies in.
    ///
    /// # Errors
    /// When it is not there.
    pub fn repository(&self, name: &ComponentName) -> Result<Repository, SourceError> {
        self.host.repositories().get(&self.name_of(name))
    }

    /// The folder of a component at a commit, relative to its repository's top; empty for the top.
    ///
    /// # Errors
    /// When the repository cannot be read, or does not list the component.
    pub async fn folder(&self, name: &ComponentName, commit: &Commit) -> Result<String, RepositoryError> {
        let Some(Home { member, .. }) = self.home(name) else {
            return Ok(String::new());
        };
        let (at, wanted) = (commit.clone(), member.clone());
        let folder = self.read(name, move |repository| {
            let list = Lists::default().at(repository, &at)?;
            Ok(list.and_then(|list| Some(list.member(&wanted)?.folder.clone())))
        });
        let commit = commit.clone();
        folder.await?.ok_or(RepositoryError::NotListed { member, commit })
    }

    /// The components that a repository lists at a commit; `None` where the list cannot be read.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn listed(
        &self,
        name: &ComponentName,
        commit: &Commit,
    ) -> Result<Option<Arc<pipeline::Components>>, RepositoryError> {
        let at = commit.clone();
        self.read(name, move |repository| Lists::default().at(repository, &at))
            .await
    }

    /// The paths that a commit touches, seen from its first parent.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn touched(&self, name: &ComponentName, commit: &Commit) -> Result<Vec<String>, RepositoryError> {
        let commit = commit.clone();
        let changed = self.read(name, move |repository| {
            let parents = repository.commit(&commit)?.parents;
            repository.changed_paths(parents.first(), &commit)
        });
        Ok(changed.await?.into_iter().map(|one| one.path).collect())
    }

    /// Whether the repository is there.
    pub fn exists(&self, name: &ComponentName) -> bool {
        self.path(name).is_dir()
    }

    fn path(&self, name: &ComponentName) -> PathBuf {
        self.host.repositories().path(&self.name_of(name))
    }

    /// Makes the repository when it is not there.
    ///
    /// # Errors
    /// When git or the disk fails.
    pub async fn create(&self, name: &ComponentName) -> Result<(), RepositoryError> {
        self.host.repositories().create(name, &main_line()).await?;
        Ok(())
    }

    /// Reads a repository on a thread that may block.
    ///
    /// # Errors
    /// When it is not there, or as `read`.
    pub async fn read<T: Send + 'static>(
        &self,
        name: &ComponentName,
        read: impl FnOnce(&Repository) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, RepositoryError> {
        let repository = self.repository(name)?;
        Ok(tokio::task::spawn_blocking(move || read(&repository)).await??)
    }

    /// Branches and tags, by full name, with the commit each points to; none for a repository that is
    /// not there.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn refs(&self, name: &ComponentName) -> Result<BTreeMap<String, Commit>, RepositoryError> {
        if !self.exists(name) {
            return Ok(BTreeMap::new());
        }
        let refs = self.read(name, Repository::refs).await?;
        // A tag may point to something that is no commit; it brings no change.
        Ok(refs
            .0
            .into_iter()
            .filter_map(|(name, target)| Some((name.as_str().to_owned(), target.commit?)))
            .collect())
    }

    /// Whether `ancestor` is among what is behind `commit`; not when it is gone.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn is_ancestor(
        &self,
        name: &ComponentName,
        ancestor: &Commit,
        commit: &Commit,
    ) -> Result<bool, RepositoryError> {
        let (ancestor, commit) = (ancestor.clone(), commit.clone());
        self.read(name, move |repository| {
            Ok(repository.has(&ancestor)? && repository.is_ancestor(&ancestor, &commit)?)
        })
        .await
    }

    /// The commits that came to a branch when it moved from `old` to `new`, oldest first.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn arrived(
        &self,
        name: &ComponentName,
        old: &Commit,
        new: &Commit,
        limit: usize,
    ) -> Result<Vec<Commit>, RepositoryError> {
        let (old, new) = (old.clone(), new.clone());
        self.read(name, move |repository| {
            let old = repository.has(&old)?.then_some(old);
            match old {
                Some(old) => repository.arrived(Some(&old), &new, limit),
                None => Ok(vec![new]),
            }
        })
        .await
    }

    /// A file at a commit; `None` where there is none.
    ///
    /// # Errors
    /// When it is larger than `limit` or cannot be read.
    pub async fn file(
        &self,
        name: &ComponentName,
        commit: &Commit,
        path: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, RepositoryError> {
        let (commit, path) = (commit.clone(), path.to_owned());
        self.read(name, move |repository| repository.file(&commit, &path, limit))
            .await
    }

    /// What a commit says about itself.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn commit(&self, name: &ComponentName, commit: &Commit) -> Result<CommitSummary, RepositoryError> {
        let commit = commit.clone();
        let info = self.read(name, move |repository| repository.commit(&commit)).await?;
        let body = info.message.split_once('\n').map(|(_, body)| body.trim().to_owned());
        Ok(CommitSummary {
            title: info.title().to_owned(),
            body: body.unwrap_or_default(),
            author: info.author.name,
            committed_at: info.committed_at,
        })
    }

    /// The main line, for one who looks at `line`: where there is a `master` and no `main`, that is it.
    pub fn main_for(line: &ReleaseLine) -> ReleaseLine {
        if line.as_str() == "master" {
            line.clone()
        } else {
            main_line()
        }
    }

    /// Writes the files of a commit into an empty folder.
    ///
    /// # Errors
    /// When the commit is not there or git refuses its files.
    pub async fn check_out(&self, name: &ComponentName, commit: &Commit, folder: &Path) -> Result<(), RepositoryError> {
        let repository = self.repository(name)?;
        Ok(repository.checkout(commit, folder, CheckoutLimits::default()).await?)
    }

    /// Packs what pushes left in many small pieces, when there are many. No commit is removed.
    ///
    /// # Errors
    /// When git fails.
    pub async fn tidy(&self, name: &ComponentName) -> Result<(), RepositoryError> {
        Ok(self.repository(name)?.tidy().await?)
    }

    /// Whether an address may be followed.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_url(&self, url: &str) -> Result<(), AddressError> {
        Address::parse(url, self.allowed).map(drop)
    }

    /// Makes the repository what it is at `url`.
    ///
    /// # Errors
    /// When the remote does not answer, does not accept the credential, or sends what git refuses.
    pub async fn mirror(
        &self,
        name: &ComponentName,
        url: &str,
        credential: &Credential,
    ) -> Result<(), RepositoryError> {
        let address = Address::parse(url, self.allowed)?;
        self.create(name).await?;
        self.host
            .repositories()
            .get(name)?
            .mirror(&address, credential, FETCH)
            .await?;
        Ok(())
    }

    /// Where a tag leads here; nothing when it is not there.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn tag(&self, name: &ComponentName, tag: &RefName) -> Result<Option<Commit>, RepositoryError> {
        let tag = tag.clone();
        self.read(name, move |repository| repository.tag(&tag)).await
    }

    /// Makes a tag here, unless one of that name is there.
    ///
    /// # Errors
    /// When one is there, or git fails.
    pub async fn make_tag(&self, name: &ComponentName, tag: NewTag<'_>) -> Result<(), RepositoryError> {
        Ok(self.repository(name)?.make_tag(tag).await?)
    }

    /// Where a tag leads at `url`; nothing when it is not there.
    ///
    /// # Errors
    /// When the remote does not answer or does not accept the credential.
    pub async fn remote_tag(
        &self,
        name: &ComponentName,
        url: &str,
        credential: &Credential,
        tag: &RefName,
    ) -> Result<Option<Commit>, RepositoryError> {
        let address = Address::parse(url, self.allowed)?;
        let repository = self.repository(name)?;
        Ok(repository.remote_tag(&address, credential, tag, FETCH).await?)
    }

    /// Pushes a tag to `url`, unless one of that name is there.
    ///
    /// # Errors
    /// When one is there, the remote does not answer, or the credential may not write.
    pub async fn push_tag(
        &self,
        name: &ComponentName,
        url: &str,
        credential: &Credential,
        tag: NewTag<'_>,
    ) -> Result<(), RepositoryError> {
        let address = Address::parse(url, self.allowed)?;
        let repository = self.repository(name)?;
        Ok(repository.push_tag(&address, credential, tag, FETCH).await?)
    }
}
