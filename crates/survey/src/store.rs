//! A repository on disk: found, opened, and read object by object.
//!
//! No settings of the system or of a user count, nothing is ever run, nothing is fetched, and nothing outside of
//! the repository's own folder is read. Replaced objects are read as they were.

use std::path::{Path, PathBuf};

use gix::objs::{Find as _, FindHeader as _, Kind};

use crate::error::SurveyError;
use crate::rows::CommitId;

/// No object beyond this is ever held in memory, in bytes.
const LARGEST_OBJECT: &str = "gitoxide.objects.allocLimit=268435456";

/// What each thread keeps of decoded objects, in bytes.
const OBJECT_CACHE: usize = 24 * 1024 * 1024;

/// What each thread keeps of objects that others are stored as differences from, in bytes.
const DELTA_CACHE: usize = 32 * 1024 * 1024;

/// An opened repository.
pub(crate) struct Store {
    /// The folder of the repository itself (`.git`, of the main worktree).
    pub path: PathBuf,
    /// Its name for people.
    pub name: String,
    /// What cannot be seen of it, and why, as sentences.
    pub limits: Vec<String>,
    /// Whether branches beside the one that was cloned may exist and cannot be seen.
    pub is_single_branch: bool,
    /// Whether contents may lack that the remote promised.
    pub is_partial: bool,
    /// Where history is cut off on purpose.
    pub shallow: Vec<CommitId>,
    shared: gix::ThreadSafeRepository,
}

/// Why an object is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// It is not here.
    Missing,
    /// It is here and broken, or not what was expected.
    Broken(String),
}

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("the object is missing"),
            Self::Broken(reason) => write!(f, "the object is broken ({reason})"),
        }
    }
}

impl Store {
    /// Finds the repository that `path` is in, and opens it.
    pub fn open(path: &Path) -> Result<Self, SurveyError> {
        let given = path
            .canonicalize()
            .ok()
            .filter(|path| path.is_dir())
            .ok_or_else(|| SurveyError::NoFolder { path: path.to_owned() })?;
        let options = gix::discover::upwards::Options {
            trust: gix::discover::upwards::TrustPolicy::Assume(gix::sec::Trust::Full),
            ..Default::default()
        };
        let (found, _) = gix::discover::upwards_opts(&given, options)
            .map_err(|_| SurveyError::NoRepository { path: path.to_owned() })?;
        let (folder, worktree) = found.into_repository_and_work_tree_directories();
        check_form(&folder)?;
        let shared = gix::open::Options::isolated()
            .with(gix::sec::Trust::Full)
            .open_path_as_is(true)
            .config_overrides([LARGEST_OBJECT])
            .open(&folder)
            .map_err(|error| SurveyError::Open {
                path: folder.clone(),
                reason: error.to_string(),
            })?;
        let reader = shared.to_thread_local();
        let common = reader.common_dir();
        let common = common.canonicalize().unwrap_or_else(|_| common.to_owned());
        let mut store = Self {
            name: name(&reader, &common, worktree.as_deref()),
            path: common,
            limits: Vec::new(),
            is_single_branch: false,
            is_partial: false,
            shallow: Vec::new(),
            shared,
        };
        store.look_around(&reader);
        Ok(store)
    }

    /// Finds what keeps parts of the repository from being seen.
    fn look_around(&mut self, reader: &gix::Repository) {
        if let Ok(Some(commits)) = reader.shallow_commits() {
            self.shallow = commits.iter().filter_map(|id| own(id)).collect();
        }
        if !self.shallow.is_empty() {
            self.limits.push(format!(
                "the clone is shallow: what is older than {} is not seen; `git fetch --unshallow` brings it",
                counted(self.shallow.len(), "commit at its edge", "commits at its edge"),
            ));
        }
        let config = reader.config_snapshot();
        let is_yes = |key: &str| config.boolean(key).unwrap_or(false);
        self.is_partial = config.string("extensions.partialClone").is_some() || is_yes("remote.origin.promisor");
        if self.is_partial {
            self.limits.push(
                "the clone is partial: contents that were left out are not seen; `git fetch --refetch --no-filter` brings them"
                    .to_owned(),
            );
        }
        let specs = config.plumbing().strings("remote.origin.fetch").unwrap_or_default();
        self.is_single_branch = !specs.is_empty() && !specs.iter().any(|spec| spec.contains(&b'*'));
        if self.is_single_branch {
            self.limits.push(
                "only one branch was cloned: other branches are not seen; \
                 `git remote set-branches origin '*'` and a fetch bring them"
                    .to_owned(),
            );
        }
        let replaced = reader
            .references()
            .ok()
            .and_then(|refs| refs.prefixed("refs/replace/").ok().map(Iterator::count))
            .unwrap_or(0);
        if replaced > 0 {
            self.limits.push(format!(
                "{} replaced (`git replace`): what was committed is read, not its replacement",
                counted(replaced, "object is", "objects are"),
            ));
        }
        if self
            .path
            .join("info/grafts")
            .metadata()
            .is_ok_and(|file| file.len() > 0)
        {
            self.limits
                .push("the grafts in `info/grafts` are not followed: the parents that commits name are".to_owned());
        }
    }

    /// A reader for one thread.
    pub fn reader(&self) -> Reader {
        let mut repository = self.shared.to_thread_local();
        repository.objects.ignore_replacements = true;
        repository.objects.refresh_never();
        repository.object_cache_size(OBJECT_CACHE);
        repository
            .objects
            .set_pack_cache(|| Box::new(gix::odb::pack::cache::lru::MemoryCappedHashmap::new(DELTA_CACHE)));
        Reader { repository }
    }

    /// The commit-graph file, where there is one that can be believed.
    pub fn commit_graph(&self) -> Option<gix::commitgraph::Graph> {
        if !self.shallow.is_empty() {
            return None;
        }
        self.shared.to_thread_local().commit_graph().ok()
    }

    /// An error about the refs of this repository.
    pub fn refs_error(&self, reason: impl std::fmt::Display) -> SurveyError {
        SurveyError::Refs {
            path: self.path.clone(),
            reason: reason.to_string(),
        }
    }
}

/// `1 thing` or `2 things`.
pub(crate) fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// An id of the library's as one of ours.
pub(crate) fn own(id: &gix::oid) -> Option<CommitId> {
    id.as_bytes().try_into().ok().map(CommitId)
}

/// Refuses what the library would misread.
fn check_form(folder: &Path) -> Result<(), SurveyError> {
    let common = std::fs::read_to_string(folder.join("commondir"))
        .map_or_else(|_| folder.to_owned(), |common| folder.join(common.trim_end()));
    let Ok(bytes) = std::fs::read(common.join("config")) else {
        return Ok(());
    };
    let Ok(config) = gix::config::File::try_from(String::from_utf8_lossy(&bytes).as_ref()) else {
        return Ok(());
    };
    let form = |form: String, is_refs| SurveyError::Form {
        path: folder.to_owned(),
        form,
        is_refs,
    };
    match config.string("extensions.objectFormat") {
        Some(format) if !format.eq_ignore_ascii_case(b"sha1") => {
            let name = if format.eq_ignore_ascii_case(b"sha256") {
                "SHA-256".to_owned()
            } else {
                format!("`{}`", format.to_string().escape_debug())
            };
            return Err(form(format!("names its objects by {name}"), false));
        }
        _ => {}
    }
    match config.string("extensions.refStorage") {
        Some(storage) if !storage.eq_ignore_ascii_case(b"files") => {
            let name = storage.to_string().escape_debug().to_string();
            Err(form(format!("stores its refs as `{name}`"), true))
        }
        _ => Ok(()),
    }
}

/// The last part of the address it was cloned from, or of its path.
fn name(reader: &gix::Repository, common: &Path, worktree: Option<&Path>) -> String {
    let address = reader.config_snapshot().string("remote.origin.url");
    let address = address.map(|address| address.to_string());
    let from_address = address.as_deref().and_then(|address| {
        let last = address.trim_end_matches('/').rsplit(['/', ':']).next()?;
        let last = last.strip_suffix(".git").unwrap_or(last);
        (!matches!(last, "" | "." | "..")).then(|| last.to_owned())
    });
    let is_dot_git = common.file_name().is_some_and(|name| name == ".git");
    let folder = match (is_dot_git, worktree) {
        (true, _) => common.parent(),
        (false, Some(worktree)) => Some(worktree),
        (false, None) => Some(common),
    };
    let name = from_address.or_else(|| {
        let name = folder?.file_name()?.to_string_lossy().into_owned();
        Some(name.strip_suffix(".git").map_or(name.clone(), str::to_owned))
    });
    let name = name.unwrap_or_else(|| "repository".to_owned());
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Reads objects, in one thread.
pub(crate) struct Reader {
    repository: gix::Repository,
}

impl Reader {
    /// The bytes of an object of a kind.
    pub fn read<'b>(&self, id: &CommitId, kind: Kind, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Lacking> {
        match self.any(id, buffer)? {
            (found, bytes) if found == kind => Ok(bytes),
            (found, _) => Err(Lacking::Broken(format!("it is a {found}, not a {kind}"))),
        }
    }

    /// The bytes of an object, and its kind.
    pub fn any<'b>(&self, id: &CommitId, buffer: &'b mut Vec<u8>) -> Result<(Kind, &'b [u8]), Lacking> {
        let id = gix::ObjectId::Sha1(id.0);
        match self.repository.objects.try_find(&id, buffer) {
            Ok(Some(data)) => Ok((data.kind, data.data)),
            Ok(None) => Err(Lacking::Missing),
            Err(error) => Err(Lacking::Broken(one_line(&error.to_string()))),
        }
    }

    /// The size of a file's contents in bytes, without reading them.
    pub fn size(&self, id: &CommitId) -> Result<u64, Lacking> {
        let id = gix::ObjectId::Sha1(id.0);
        match self.repository.objects.try_header(&id) {
            Ok(Some(header)) if header.kind == Kind::Blob => Ok(header.size),
            Ok(Some(header)) => Err(Lacking::Broken(format!("it is a {}, not a file", header.kind))),
            Ok(None) => Err(Lacking::Missing),
            Err(error) => Err(Lacking::Broken(one_line(&error.to_string()))),
        }
    }

    /// The library's own view of the repository.
    pub fn repository(&self) -> &gix::Repository {
        &self.repository
    }
}

fn one_line(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
    line.trim_end_matches('.').to_owned()
}
