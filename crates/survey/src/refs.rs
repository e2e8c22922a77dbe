//! Branches and tags as they stand in the repository.

use gix::objs::Kind;

use crate::error::SurveyError;
use crate::object::{TagObject, text};
use crate::rows::{CommitId, Seconds};
use crate::store::{Lacking, Reader, Store, own};
use crate::version;

/// How many tags may lead to one another.
const TAG_DEPTH: usize = 8;

/// What branches and tags there are, and which branch is trunk.
#[derive(Debug, Default)]
pub(crate) struct Refs {
    pub branches: Vec<BranchRef>,
    pub tags: Vec<TagRef>,
    pub trunk: Option<TrunkRef>,
    /// Version tags that lead to no commit, and why.
    pub broken: Vec<(String, String)>,
    /// How many tags there are, versions or not.
    pub tag_count: usize,
}

/// A branch.
#[derive(Debug)]
pub(crate) struct BranchRef {
    pub name: String,
    pub remote: Option<String>,
    pub commit: CommitId,
}

/// A tag that is named like a version, on a commit.
#[derive(Debug)]
pub(crate) struct TagRef {
    pub name: String,
    pub commit: CommitId,
    /// `Name <mail>` and the time; absent for tags without an object of their own, or without a tagger.
    pub tagger: Option<(String, Seconds)>,
    pub annotated: bool,
}

/// The branch that is taken as trunk.
#[derive(Debug)]
pub(crate) struct TrunkRef {
    pub name: String,
    /// Where it is: here, and at the remote it was fetched from, when they differ.
    pub here: CommitId,
    pub there: Option<CommitId>,
}

/// Reads all refs. `wanted` is the branch that is to be trunk, when somebody says so.
pub(crate) fn read(store: &Store, reader: &Reader, wanted: Option<&str>) -> Result<Refs, SurveyError> {
    let repository = reader.repository();
    let platform = repository.references().map_err(|e| store.refs_error(e))?;
    let mut refs = Refs::default();
    let mut remote_heads = Vec::new();
    let mut tags = Vec::new();
    for prefix in ["refs/heads/", "refs/remotes/", "refs/tags/"] {
        for reference in platform.prefixed(prefix).map_err(|e| store.refs_error(e))? {
            // A single broken file among the refs breaks nothing else.
            let Ok(reference) = reference else { continue };
            let full = reference.name().as_bstr().to_string();
            let Some(below) = full.strip_prefix(prefix) else {
                continue;
            };
            let Some(id) = reference.try_id().and_then(|id| own(&id)) else {
                if let (Some(remote), Some(target)) = (below.strip_suffix("/HEAD"), reference.target().try_name()) {
                    remote_heads.push((remote.to_owned(), target.as_bstr().to_string()));
                }
                continue;
            };
            match prefix {
                "refs/tags/" => tags.push((below.to_owned(), id)),
                "refs/heads/" => refs.branches.push(BranchRef {
                    name: below.to_owned(),
                    remote: None,
                    commit: id,
                }),
                _ => {
                    let Some((remote, name)) = below.split_once('/') else {
                        continue;
                    };
                    // What a pull request's check-out leaves behind is no branch.
                    if !matches!(remote, "pull" | "merge-requests") && name != "HEAD" {
                        refs.branches.push(BranchRef {
                            name: name.to_owned(),
                            remote: Some(remote.to_owned()),
                            commit: id,
                        });
                    }
                }
            }
        }
    }
    refs.tag_count = tags.len();
    let mut buffer = Vec::new();
    for (name, id) in tags {
        if version::read(&name).is_none() {
            continue;
        }
        match peel(reader, id, &mut buffer) {
            Ok((commit, tagger, annotated)) => refs.tags.push(TagRef {
                name,
                commit,
                tagger,
                annotated,
            }),
            Err(reason) => refs.broken.push((name, reason)),
        }
    }
    // Of several remotes, `origin` is where the work of everybody is; the others are forks.
    if refs
        .branches
        .iter()
        .any(|branch| branch.remote.as_deref() == Some("origin"))
    {
        refs.branches
            .retain(|branch| branch.remote.as_deref().is_none_or(|remote| remote == "origin"));
    }
    refs.trunk = trunk(store, repository, &refs.branches, &remote_heads, wanted)?;
    Ok(refs)
}

type Peeled = (CommitId, Option<(String, Seconds)>, bool);

/// Follows a tag to its commit.
fn peel(reader: &Reader, id: CommitId, buffer: &mut Vec<u8>) -> Result<Peeled, String> {
    let mut at = id;
    let mut tagger = None;
    for depth in 0..TAG_DEPTH {
        let (kind, bytes) = match reader.any(&at, buffer) {
            Ok(found) => found,
            // Whether the commit behind can be read, the walk finds out.
            Err(Lacking::Missing) if depth > 0 => return Err("what it is of is missing".to_owned()),
            Err(lacking) => return Err(lacking.to_string()),
        };
        match kind {
            Kind::Commit => return Ok((at, tagger, depth > 0)),
            Kind::Tag => {
                let tag = TagObject::read(bytes).ok_or("the object is no well-formed tag")?;
                if depth == 0 {
                    tagger = tag.tagger.map(|who| (text(who.whole, None), who.when));
                }
                at = tag.target;
            }
            other => return Err(format!("it is of a {other}, not of a commit")),
        }
    }
    Err("it leads through too many other tags".to_owned())
}

/// Which branch is trunk: the one that is asked for; the one that the remote's `HEAD` names; the one that is
/// checked out, when it is named like a trunk or the repository is bare; one that is named like a trunk; and
/// else whatever is checked out.
fn trunk(
    store: &Store,
    repository: &gix::Repository,
    branches: &[BranchRef],
    remote_heads: &[(String, String)],
    wanted: Option<&str>,
) -> Result<Option<TrunkRef>, SurveyError> {
    let named = |name: &str| {
        let find = |is_remote: bool| {
            branches
                .iter()
                .find(|branch| branch.name == name && branch.remote.is_some() == is_remote)
                .map(|branch| branch.commit)
        };
        let (here, there) = (find(false), find(true));
        here.or(there).map(|here_or_there| TrunkRef {
            name: name.to_owned(),
            here: here_or_there,
            there: there.filter(|there| *there != here_or_there),
        })
    };
    if let Some(name) = wanted {
        let short = name.strip_prefix("refs/heads/").unwrap_or(name);
        let short = short
            .strip_prefix("origin/")
            .filter(|_| named(short).is_none())
            .unwrap_or(short);
        return named(short).map(Some).ok_or_else(|| SurveyError::NoBranch {
            path: store.path.clone(),
            branch: name.to_owned(),
        });
    }
    let origin = remote_heads
        .iter()
        .find(|(remote, _)| remote == "origin")
        .or(remote_heads.first());
    let of_remote = origin.and_then(|(remote, target)| {
        let name = target.strip_prefix(&format!("refs/remotes/{remote}/"))?;
        named(name)
    });
    if of_remote.is_some() {
        return Ok(of_remote);
    }
    let usual = ["main", "master", "trunk", "develop", "development"];
    let head = repository.head().map_err(|e| store.refs_error(e))?;
    let head_name = head.referent_name().map(|name| name.shorten().to_string());
    let checked_out = head_name.as_deref().and_then(&named);
    let is_bare = repository.is_bare();
    if let Some(found) = checked_out.filter(|found| is_bare || usual.contains(&found.name.as_str())) {
        return Ok(Some(found));
    }
    if let Some(found) = usual.iter().find_map(|name| named(name)) {
        return Ok(Some(found));
    }
    if let Some(found) = head_name.as_deref().and_then(named) {
        return Ok(Some(found));
    }
    let detached = head.id().and_then(|id| own(&id)).map(|commit| TrunkRef {
        name: "HEAD".to_owned(),
        here: commit,
        there: None,
    });
    // A bare repository whose `HEAD` names no branch may still have a single one.
    let single = match branches {
        [only] => named(&only.name),
        _ => None,
    };
    Ok(detached.or(single))
}
