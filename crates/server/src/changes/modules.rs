//! The modules that definitions use, looked up for a commit.
//!
//! Files of the same repository are taken from the very commit, those of others from the commit that the version
//! means. A tag may be moved, so what versions mean is found out once for each commit of a component, and recorded
//! before anything is built with it: a restart, another branch and another look get the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use facts::{Actor, Commit, ComponentName};
use ledger::{Append, AppendError, Ledger};
use pipeline::definition::modules::{Elsewhere, Gathering, LARGEST_MODULE, Library, Location, Missing, Module, Origin};
use source::{RefName, SourceError};

use super::kinds::{MODULES_RESOLVED, ModulesResolved, ResolvedVersion, stream};
use super::register::{Component, Register};
use super::repositories::{Repositories, RepositoryError};
use crate::error::ServerError;

/// The commits that versions mean.
type Versions = BTreeMap<Elsewhere, Commit>;

/// Looks modules up.
#[derive(Clone)]
pub struct Modules {
    ledger: Arc<dyn Ledger>,
    register: Register,
    repositories: Arc<Repositories>,
}

/// What was found, and whether all of it is there.
struct Found {
    library: Library,
    versions: Versions,
    is_whole: bool,
}

impl Modules {
    /// Modules of these components.
    pub fn new(ledger: Arc<dyn Ledger>, register: Register, repositories: Arc<Repositories>) -> Self {
        Self {
            ledger,
            register,
            repositories,
        }
    }

    /// The modules that a definition in `folder` uses at a commit, with what versions mean recorded for good.
    ///
    /// # Errors
    /// When something cannot be read or recorded.
    pub async fn for_build(
        &self,
        component: &Component,
        commit: &Commit,
        folder: &str,
        definition: &[u8],
    ) -> Result<Library, ServerError> {
        loop {
            let known = self.recorded(component, commit, definition, folder).await?;
            let is_recorded = known.is_some();
            let gathering = Gathering::of(definition, folder);
            let found = self
                .gather(component, commit, gathering, known.unwrap_or_default())
                .await?;
            // Of what is not there a build fails and says so; it may come, so nothing is recorded.
            if is_recorded || found.versions.is_empty() || !found.is_whole {
                return Ok(found.library);
            }
            let versions = found.versions.into_iter().map(|(elsewhere, commit)| ResolvedVersion {
                repository: elsewhere.repository.to_string(),
                version: elsewhere.version,
                commit,
            });
            let body = ModulesResolved {
                commit: commit.clone(),
                versions: versions.collect(),
            };
            let claim = Some(claim(component, commit));
            let fact = self
                .register
                .fact(stream(component.id), MODULES_RESOLVED, &body, Actor::System, claim);
            crashpoint::reach("server.modules.before");
            match self.ledger.append(Append::unconditional(vec![fact])).await {
                Ok(_) => return Ok(found.library),
                // Another look was first: its answer holds.
                Err(AppendError::Claimed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The same for one who only looks: what was recorded, or else what versions mean now.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn to_look_at(
        &self,
        component: &Component,
        commit: &Commit,
        folder: &str,
        definition: &[u8],
    ) -> Result<Library, ServerError> {
        let known = self.recorded(component, commit, definition, folder).await?;
        let gathering = Gathering::of(definition, folder);
        let found = self
            .gather(component, commit, gathering, known.unwrap_or_default())
            .await?;
        Ok(found.library)
    }

    /// What versions mean, as recorded for a commit; most definitions use no module and are not asked about.
    async fn recorded(
        &self,
        component: &Component,
        commit: &Commit,
        definition: &[u8],
        folder: &str,
    ) -> Result<Option<Versions>, ServerError> {
        if Gathering::of(definition, folder).next().is_none() {
            return Ok(None);
        }
        let Some(fact) = self.ledger.find_claim(&claim(component, commit)).await? else {
            return Ok(None);
        };
        let body: ModulesResolved = serde_json::from_value(fact.new.body.clone())?;
        let versions = body.versions.into_iter().map(|resolved| {
            let repository = match ComponentName::new(resolved.repository.as_str()) {
                Ok(name) => Origin::Named(name),
                Err(_) => Origin::Address(resolved.repository),
            };
            let version = resolved.version;
            (Elsewhere { repository, version }, resolved.commit)
        });
        Ok(Some(versions.collect()))
    }

    async fn gather(
        &self,
        component: &Component,
        commit: &Commit,
        mut gathering: Gathering,
        mut versions: Versions,
    ) -> Result<Found, ServerError> {
        let mut is_whole = true;
        while let Some(location) = gathering.next() {
            let found = match &location.elsewhere {
                None => self.file(&component.name, commit, &location).await?,
                Some(elsewhere) => self.elsewhere(elsewhere, &location, &mut versions).await?,
            };
            is_whole &= found.is_ok();
            gathering.bring(location, found);
        }
        Ok(Found {
            library: gathering.finish(),
            versions,
            is_whole,
        })
    }

    /// A module of another repository.
    async fn elsewhere(
        &self,
        elsewhere: &Elsewhere,
        location: &Location,
        versions: &mut Versions,
    ) -> Result<Result<Module, Missing>, ServerError> {
        let Some(other) = self.repository(&elsewhere.repository).await? else {
            let hint = match elsewhere.repository {
                Origin::Named(_) => "push it here, or let the server follow it: `throughline repo add`",
                Origin::Address(_) => {
                    "a server fetches nothing while it builds: let it follow that address with `throughline repo add`"
                }
            };
            let message = format!("there is no repository `{}` on this server", elsewhere.repository);
            return Ok(Err(Missing::new(message, hint)));
        };
        let commit = match versions.get(elsewhere) {
            Some(commit) => commit.clone(),
            None => match self.version(&other, elsewhere).await? {
                Ok(commit) => commit,
                Err(missing) => return Ok(Err(missing)),
            },
        };
        versions.insert(elsewhere.clone(), commit.clone());
        let found = self.file(&other.name, &commit, location).await?;
        Ok(found.map(|module| Module {
            commit: Some(commit),
            ..module
        }))
    }

    /// The repository that is meant: of that name, or followed from that address.
    async fn repository(&self, origin: &Origin) -> Result<Option<Component>, ServerError> {
        let plain = |address: &str| {
            let address = address.trim_end_matches('/');
            address.strip_suffix(".git").unwrap_or(address).to_owned()
        };
        Ok(match origin {
            Origin::Named(name) => self.register.by_name(name).await?.filter(|found| found.place.is_none()),
            Origin::Address(address) => self.register.all().await?.into_iter().find(|component| {
                let remote = component.remote.as_ref().filter(|_| component.place.is_none());
                remote.is_some_and(|remote| plain(remote) == plain(address))
            }),
        })
    }

    /// The commit that a version means: that of a tag, or itself.
    async fn version(&self, other: &Component, elsewhere: &Elsewhere) -> Result<Result<Commit, Missing>, ServerError> {
        let wanted = elsewhere.clone();
        let found = self.repositories.read(&other.name, move |repository| {
            if let Some(commit) = wanted.commit() {
                let there = repository.has(&commit)?;
                return Ok(there.then_some(commit).ok_or_else(|| Missing::version(&wanted, None)));
            }
            let refs = repository.refs()?;
            let at = |kind: &str| {
                let name = RefName::new(format!("refs/{kind}/{}", wanted.version))?;
                refs.get(&name)?.commit.clone()
            };
            Ok(at("tags").ok_or_else(|| Missing::version(&wanted, at("heads").as_ref())))
        });
        match found.await {
            Ok(found) => Ok(found),
            // Nothing was pushed to it yet.
            Err(RepositoryError::Source(SourceError::NoRepository(_))) => Ok(Err(Missing::version(elsewhere, None))),
            Err(error) => Err(error.into()),
        }
    }

    /// A file of a repository at a commit, as a module.
    async fn file(
        &self,
        name: &ComponentName,
        commit: &Commit,
        location: &Location,
    ) -> Result<Result<Module, Missing>, ServerError> {
        let read = self
            .repositories
            .file(name, commit, &location.path, LARGEST_MODULE)
            .await;
        let missing = match read {
            Ok(Some(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => return Ok(Ok(Module { commit: None, text })),
                Err(_) => Missing::no_text(location),
            },
            Ok(None) => Missing::file(location),
            Err(RepositoryError::Source(SourceError::NotAFile { kind, .. })) => Missing::not_a_file(location, kind),
            Err(RepositoryError::Source(SourceError::TooLarge { .. })) => Missing::too_large(location),
            Err(RepositoryError::Source(SourceError::NoCommit(gone))) if location.elsewhere.is_some() => Missing::new(
                format!(
                    "commit {} of the module `{}` is gone from its repository",
                    gone.short(),
                    location.file()
                ),
                "push it there again",
            ),
            Err(error) => return Err(error.into()),
        };
        Ok(Err(missing))
    }
}

/// What makes sure that the versions of a commit's modules are recorded once.
fn claim(component: &Component, commit: &Commit) -> String {
    format!("modules:{}/{commit}", component.id)
}
