//! The modules that a definition uses, looked up on this machine.
//!
//! Files of the repository are read as they lie there. Those of other repositories are fetched with git into a
//! folder of the user's cache; a version that was fetched once is never asked for again, so that the same is done
//! without a network, too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use facts::{Commit, Digest};
use pipeline::definition::modules::{Elsewhere, Gathering, LARGEST_MODULE, Library, Location, Missing, Module, Origin};

use crate::printer::Printer;
use crate::settings::LocalSettings;

/// How long git may take, also to fetch.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most that is read of what git says, in bytes.
const MOST: usize = LARGEST_MODULE as usize + (64 << 10);

/// Modules that were looked up, and what there is to say of them.
pub(super) struct Found {
    library: Library,
    /// The versions that were fetched again and are another commit now, each in a sentence.
    moved: Vec<String>,
}

impl Found {
    /// The modules, once a person was told what is to be told.
    pub fn told(self, printer: &mut Printer) -> Library {
        for sentence in self.moved {
            printer.say(&sentence);
        }
        self.library
    }
}

/// The modules that a definition uses, or a module; `file` is where it lies. With `again`, versions that were fetched
/// before are fetched again.
pub(super) async fn library(file: &Path, bytes: &[u8], settings: &LocalSettings, again: bool) -> Found {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let top = top(folder);
    let below = folder.strip_prefix(&top).unwrap_or(Path::new(""));
    let mut gathering = Gathering::of(bytes, &below.to_string_lossy());
    let mut fetching = Fetching {
        folder: &top,
        settings,
        again,
        origin: None,
        fresh: BTreeMap::new(),
        moved: Vec::new(),
    };
    while let Some(location) = gathering.next() {
        let found = match &location.elsewhere {
            None => beside(&top, &location),
            Some(elsewhere) => fetching.module(elsewhere, &location).await,
        };
        gathering.bring(location, found);
    }
    Found {
        library: gathering.finish(),
        moved: fetching.moved,
    }
}

/// The top of the repository that a folder is in; without one, the folder itself.
fn top(folder: &Path) -> PathBuf {
    let top = folder.ancestors().find(|folder| folder.join(".git").exists());
    top.unwrap_or(folder).to_owned()
}

/// A file of the repository; none that leads out of it.
fn beside(top: &Path, location: &Location) -> Result<Module, Missing> {
    let path = top.join(&location.path);
    let metadata = std::fs::symlink_metadata(&path).map_err(|_| Missing::file(location))?;
    let inside = path.canonicalize().ok().zip(top.canonicalize().ok());
    if metadata.is_symlink() || !inside.is_some_and(|(path, top)| path.starts_with(top)) {
        return Err(Missing::not_a_file(location, "a link"));
    }
    if metadata.is_dir() {
        return Err(Missing::not_a_file(location, "a folder"));
    }
    if metadata.len() > LARGEST_MODULE {
        return Err(Missing::too_large(location));
    }
    let bytes = std::fs::read(&path).map_err(|error| {
        let message = format!("the module `{}` cannot be read: {error}", location.file());
        Missing::new(message, "look at the rights of the file")
    })?;
    let text = String::from_utf8(bytes).map_err(|_| Missing::no_text(location))?;
    Ok(Module { commit: None, text })
}

/// Modules of other repositories.
struct Fetching<'a> {
    folder: &'a Path,
    settings: &'a LocalSettings,
    /// Whether what was fetched before is fetched again.
    again: bool,
    /// Where this repository comes from, once it was asked.
    origin: Option<Option<String>>,
    /// What was fetched again by now.
    fresh: BTreeMap<Elsewhere, Commit>,
    moved: Vec<String>,
}

impl Fetching<'_> {
    async fn module(&mut self, elsewhere: &Elsewhere, location: &Location) -> Result<Module, Missing> {
        let address = self.address(&elsewhere.repository).await?;
        let store = self.store(&address).await?;
        let commit = self.commit(&store, &address, elsewhere).await?;
        let text = self.text(&store, &commit, location).await?;
        Ok(Module {
            commit: Some(commit),
            text,
        })
    }

    /// Where a repository lies: one that is named without an address lies beside where this one comes from.
    async fn address(&mut self, repository: &Origin) -> Result<String, Missing> {
        let name = match repository {
            Origin::Address(address) => return Ok(address.clone()),
            Origin::Named(name) => name,
        };
        if self.origin.is_none() {
            let folder = self.folder.to_string_lossy().into_owned();
            let asked = self.git(&["-C", &folder, "config", "--get", "remote.origin.url"]).await;
            self.origin = Some(asked.ok().map(|said| said.trim().to_owned()));
        }
        let origin = self.origin.as_ref().and_then(Option::as_deref);
        origin.and_then(|origin| neighbour(origin, name.as_str())).ok_or_else(|| {
            Missing::new(
                format!("it is not known here where `{name}` lies: this repository has no remote `origin`"),
                "it is looked for beside the remote `origin`: add that, or name the module by the address of its repository",
            )
        })
    }

    /// The folder in which what is fetched from an address is kept.
    async fn store(&self, address: &str) -> Result<String, Missing> {
        let name = Digest::of(address).hex();
        let store = self.settings.cache.join("modules").join(&name[..32]);
        let shown = store.to_string_lossy().into_owned();
        if !store.join("HEAD").is_file() {
            let wrong = |reason: String| {
                let message = format!("modules cannot be kept in {shown}: {reason}");
                Missing::new(message, "choose another folder for the cache")
            };
            std::fs::create_dir_all(&store).map_err(|error| wrong(error.to_string()))?;
            let made = self
                .git(&["init", "--quiet", "--bare", "--template=", "--", &shown])
                .await;
            made.map_err(wrong)?;
        }
        Ok(shown)
    }

    /// The commit that a version means: as it was fetched before, or else as it is fetched now.
    async fn commit(&mut self, store: &str, address: &str, elsewhere: &Elsewhere) -> Result<Commit, Missing> {
        let own = format!("refs/modules/{}", Digest::of(&elsewhere.version).hex());
        let before = self.known(store, &own).await;
        // What a commit's id names is the same for ever.
        let again = self.again && elsewhere.commit().is_none();
        match (&before, self.fresh.get(elsewhere)) {
            (Some(commit), _) if !again => return Ok(commit.clone()),
            (_, Some(commit)) => return Ok(commit.clone()),
            _ => {}
        }
        let at = format!("--git-dir={store}");
        let from = match elsewhere.commit() {
            Some(commit) => format!("+{commit}:{own}"),
            None => format!("+refs/tags/{}:{own}", elsewhere.version),
        };
        let fetch = [
            at.as_str(),
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--",
            address,
            &from,
        ];
        let reason = self.git(&fetch).await.err();
        match (&reason, before, self.known(store, &own).await) {
            // Whoever fetches at the same time may have been first.
            (_, None, Some(commit)) => Ok(commit),
            (None, Some(before), Some(commit)) => {
                let Elsewhere { repository, version } = elsewhere;
                if before != commit {
                    let (before, now) = (before.short(), commit.short());
                    self.moved.push(format!(
                        "`{repository}` at `{version}` is {now} now; it was {before} when it was fetched before"
                    ));
                }
                self.fresh.insert(elsewhere.clone(), commit.clone());
                Ok(commit)
            }
            (_, before, _) => {
                let reason = reason.unwrap_or_default();
                self.why_not(address, elsewhere, before.is_some(), reason).await
            }
        }
    }

    async fn known(&self, store: &str, name: &str) -> Option<Commit> {
        let (at, name) = (format!("--git-dir={store}"), format!("{name}^{{commit}}"));
        let said = self.git(&[&at, "rev-parse", "--verify", "--quiet", &name]).await.ok()?;
        Commit::new(said.trim()).ok()
    }

    /// Why a version could not be fetched.
    async fn why_not(
        &self,
        address: &str,
        elsewhere: &Elsewhere,
        was_there: bool,
        reason: String,
    ) -> Result<Commit, Missing> {
        let Elsewhere { repository, version } = elsewhere;
        let branch = format!("refs/heads/{version}");
        match self.git(&["ls-remote", "--", address, &branch]).await {
            // It answers, so it has no such version.
            Ok(said) => {
                let commit = said
                    .split_whitespace()
                    .next()
                    .and_then(|commit| Commit::new(commit).ok());
                Err(Missing::version(elsewhere, commit.as_ref()))
            }
            Err(_) if was_there => Err(Missing::new(
                format!("`{repository}` at `{version}` cannot be fetched again: {reason}"),
                "without --refresh-modules what was fetched before is used",
            )),
            Err(_) => Err(Missing::new(
                format!("`{repository}` at `{version}` was not fetched before and cannot be now: {reason}"),
                format!(
                    "it was looked for at {}; what was fetched once is used without a network",
                    shown(address)
                ),
            )),
        }
    }

    /// The text of a file at a commit.
    async fn text(&self, store: &str, commit: &Commit, location: &Location) -> Result<String, Missing> {
        let at = format!("--git-dir={store}");
        let list = [&at, "ls-tree", "-l", "-z", commit.as_str(), "--", &location.path];
        let listed = self.git(&list).await.unwrap_or_default();
        // `100644 blob ID SIZE<tab>PATH`
        let (entry, path) = listed.trim_end_matches('\0').split_once('\t').unwrap_or_default();
        let mut words = entry.split_whitespace();
        let (Some(mode), Some(kind), Some(id), Some(size)) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Missing::file(location));
        };
        if path != location.path {
            return Err(Missing::file(location));
        }
        match (mode, kind) {
            ("120000", _) => return Err(Missing::not_a_file(location, "a link")),
            (_, "tree") => return Err(Missing::not_a_file(location, "a folder")),
            (_, "blob") => {}
            _ => return Err(Missing::not_a_file(location, "another repository")),
        }
        if size.parse::<u64>().unwrap_or(u64::MAX) > LARGEST_MODULE {
            return Err(Missing::too_large(location));
        }
        self.git(&[&at, "cat-file", "blob", id])
            .await
            .map_err(|_| Missing::no_text(location))
    }

    /// What git says; where it says no, the line in which it says why.
    async fn git(&self, arguments: &[&str]) -> Result<String, String> {
        let mut spec = process::Spec::new("git")
            .args(["-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never"])
            .args(arguments);
        for (name, value) in &self.settings.variables {
            // In a hook of git's these speak of another repository.
            if !matches!(name.as_str(), "GIT_DIR" | "GIT_WORK_TREE" | "GIT_INDEX_FILE") {
                spec = spec.variable(name, value);
            }
        }
        let spec = spec.variable("GIT_TERMINAL_PROMPT", "0");
        let output = process::run(spec, b"", PATIENCE, MOST).await;
        let output = output.map_err(|error| error.to_string())?;
        if output.is_success() {
            return String::from_utf8(output.stdout).map_err(|_| "it is no text".to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = || said.lines().filter(|line| !line.trim().is_empty());
        let told = lines()
            .find_map(|line| line.strip_prefix("fatal: "))
            .or_else(|| lines().next_back());
        Err(told.unwrap_or("git says no").to_owned())
    }
}

/// Where another repository lies when this one lies at `origin`: the last two parts of the address are replaced.
fn neighbour(origin: &str, name: &str) -> Option<String> {
    let bare = origin.trim_end_matches('/');
    let end = if bare.ends_with(".git") { ".git" } else { "" };
    let (rest, _) = bare.rsplit_once('/')?;
    let at = rest.rfind(['/', ':'])?;
    Some(format!("{}{name}{end}", &rest[..=at]))
}

/// An address without what stands before `@`, which may be a password.
fn shown(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default().len();
            let rest = rest[..host].rfind('@').map_or(rest, |at| &rest[at + 1..]);
            format!("{scheme}://{rest}")
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_repositories_lie_beside_this_one() {
        for (origin, expected) in [
            (
                "http://127.0.0.1:8400/git/shop/web.git",
                "http://127.0.0.1:8400/git/tools/ci.git",
            ),
            ("git@example.org:shop/web.git", "git@example.org:tools/ci.git"),
            ("https://example.org/shop/web/", "https://example.org/tools/ci"),
        ] {
            assert_eq!(neighbour(origin, "tools/ci").unwrap(), expected);
        }
        assert_eq!(neighbour("web", "tools/ci"), None);
    }

    #[test]
    fn no_password_of_an_address_is_shown() {
        assert_eq!(shown("https://u:secret@h/x.git"), "https://h/x.git");
        assert_eq!(shown("git@h:x.git"), "git@h:x.git");
    }
}
