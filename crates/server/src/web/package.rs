//! The page of a package.

use std::io::Read as _;
use std::sync::Arc;

use artifact::package::{Change, Content, ContentKind};
use axum::Extension;
use axum::extract::{Path, Query, State};
use delivery::kinds::Purpose;
use delivery::ports::Packages as _;
use facts::Digest;
use maud::Markup;
use pages::model::{
    DeploymentKind, DifferingFile, EntryKind, MadeDifferently, OpenFile, OtherPackage, PackageDifference, PackageEntry,
    PackagePage, PackageVerdict, Stay, StayState, VerdictMark,
};
use serde::Deserialize;

use super::names::{self, People};
use super::visit::Visit;
use super::{Memory, making};
use crate::api::blocking;
use crate::api::packages::{compared, entries, seen, stays};
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::way::Reader;

/// How many entries and differing files are shown.
const SHOWN: usize = 2_000;
/// How many other packages are offered.
const OTHERS: usize = 40;
/// The largest file that is shown, in bytes.
const LARGEST_TEXT: u64 = 256 * 1024;

/// What of the package is looked at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Looked {
    file: Option<String>,
    against: Option<String>,
}

/// The page.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
    Path(digest): Path<String>,
    Query(looked): Query<Looked>,
) -> Result<Markup, Problem> {
    let (component, package) = seen(&house, &visit.caller, &digest).await?;
    let state = house.delivery.state(component.id);
    let accepted = state.packages.get(&package.digest);
    let stood = stays(&house, &component, package.digest).await?;
    let making = Reader(&house).making(&component, &package).await?;
    let asked = making.iter().map(|making| making.actor);
    let people = People::of(&house, stood.iter().map(|stay| stay.deployed.actor).chain(asked)).await?;
    let verdicts = Reader(&house).verdicts(package.digest).await?;
    let read = entries(&house, &package).await;
    let file = match (&read, looked.file.filter(|path| !path.is_empty())) {
        (Ok(contents), Some(path)) => Some(open_file(&house, package.digest, contents, &path).await?),
        _ => None,
    };
    let mut others: Vec<&delivery::Package> = state
        .packages
        .values()
        .filter(|other| other.digest != package.digest)
        .collect();
    others.sort_by_key(|other| std::cmp::Reverse(other.order));
    let other = |other: &delivery::Package| OtherPackage {
        digest: other.digest,
        name: other.version.to_string(),
    };
    let difference = match looked.against.filter(|digest| !digest.is_empty()) {
        None => None,
        Some(against) => {
            let (of, before) = seen(&house, &visit.caller, &against).await?;
            let known = state.packages.get(&before.digest).map(other);
            let other = known.unwrap_or_else(|| OtherPackage {
                digest: before.digest,
                name: before.digest.short(),
            });
            let found = compared(&house, &before, &package).await?;
            let there = Reader(&house).making(&of, &before).await?;
            let made = making::differently(&house, there.as_ref(), making.as_ref()).await?;
            Some(difference(other, found, made))
        }
    };
    let contents = read.ok();
    let page = PackagePage {
        digest: package.digest,
        component: component.name.clone(),
        version: accepted.map(|accepted| accepted.version.clone()),
        change: names::change(&house, &memory, &component, &package.config.commit).await,
        run: accepted.map(|accepted| accepted.run),
        platform: package.config.platform.to_string(),
        definition: package.config.definition,
        making: making.map(|making| making::told(making, &people)),
        never_again: accepted
            .and_then(|accepted| accepted.bar.as_ref())
            .map(|bar| bar.reasons.clone())
            .unwrap_or_default(),
        stays: stood
            .into_iter()
            .map(|stay| Stay {
                kind: match stay.deployed.purpose {
                    Purpose::Advance => DeploymentKind::Automatic,
                    Purpose::Promotion => DeploymentKind::Promotion,
                    Purpose::Return | Purpose::Rollback => DeploymentKind::Return,
                },
                by: people.name(stay.deployed.actor),
                since: stay.deployed.finished_at.unwrap_or(stay.deployed.intended_at),
                state: match (stay.state, stay.until) {
                    ("coming", _) => StayState::Coming,
                    ("here", _) => StayState::Here,
                    ("failed", _) => StayState::Failed,
                    (_, until) => {
                        StayState::Gone(until.or(stay.deployed.finished_at).unwrap_or(stay.deployed.intended_at))
                    }
                },
                run: stay.deployed.run,
                environment: stay.deployed.environment,
            })
            .collect(),
        verdicts: verdicts
            .into_iter()
            .rev()
            .map(|verdict| PackageVerdict {
                mark: VerdictMark {
                    about: verdict.about,
                    result: verdict.result,
                    reasons: Vec::new(),
                },
                environment: verdict.environment,
                reasons: verdict
                    .reasons
                    .iter()
                    .map(|reason| super::guard::sentence(reason))
                    .collect(),
                at: verdict.recorded_at,
            })
            .collect(),
        config: (package.manifest.config.digest, package.manifest.config.size),
        layers: package
            .manifest
            .layers
            .iter()
            .map(|layer| (layer.digest, layer.size))
            .collect(),
        more_contents: contents.as_ref().map_or(0, |all| all.len().saturating_sub(SHOWN)),
        contents: contents.map(|all| all.into_iter().take(SHOWN).map(entry).collect()),
        file,
        others: others.into_iter().take(OTHERS).map(other).collect(),
        difference,
    };
    Ok(pages::package::page(&visit.frame, &page))
}

fn entry(content: Content) -> PackageEntry {
    PackageEntry {
        kind: match content.kind {
            ContentKind::Folder => EntryKind::Folder,
            ContentKind::Link { target } => EntryKind::Link { target },
            ContentKind::File { size, executable, .. } => EntryKind::File { size, executable },
        },
        path: content.path,
    }
}

/// How many bytes an entry has; none for what is no file.
fn bytes(content: &Content) -> u64 {
    match content.kind {
        ContentKind::File { size, .. } => size,
        ContentKind::Folder | ContentKind::Link { .. } => 0,
    }
}

fn difference(
    other: OtherPackage,
    found: artifact::package::Difference,
    making: Option<Vec<MadeDifferently>>,
) -> PackageDifference {
    let more_files = found.files.len().saturating_sub(SHOWN);
    let files = found.files.into_iter().take(SHOWN).map(|change| {
        let path = change.path().to_owned();
        let (before, after) = match &change {
            Change::Added { content } => (None, Some(bytes(content))),
            Change::Removed { content } => (Some(bytes(content)), None),
            Change::Changed { before, after } => (Some(bytes(before)), Some(bytes(after))),
        };
        DifferingFile { path, before, after }
    });
    PackageDifference {
        other,
        files: files.collect(),
        more_files,
        config: found.config,
        encoding_only: found.encoding_only,
        making,
    }
}

/// A file of the package, with its text where it is one. Only what is listed as a file is opened.
async fn open_file(house: &House, package: Digest, contents: &[Content], path: &str) -> Result<OpenFile, Problem> {
    let found = contents.iter().find_map(|content| match &content.kind {
        ContentKind::File { size, digest, .. } if content.path == path => Some((*size, *digest)),
        _ => None,
    });
    let (size, digest) = found.ok_or_else(|| Problem::not_found(format!("the package holds no file `{path}`")))?;
    let mut text = None;
    if size <= LARGEST_TEXT {
        let inside = |error: String| Problem::from(ServerError::Internal(error));
        let folder = house.packages.folder(package).await;
        let place = folder.map_err(|error| inside(error.to_string()))?.join(path);
        let read = blocking(move || {
            let mut bytes = Vec::new();
            std::fs::File::open(place)?.take(LARGEST_TEXT).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        });
        let bytes = read.await?.map_err(|error| inside(error.to_string()))?;
        // The unpacked files are a cache: what is shown is what the package holds.
        if Digest::of(&bytes) != digest {
            return Err(inside(format!("the unpacked `{path}` is not what the package holds")));
        }
        text = String::from_utf8(bytes)
            .ok()
            .filter(|text| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r')));
    }
    Ok(OpenFile {
        path: path.to_owned(),
        size,
        digest,
        text,
    })
}
