//! Packages: what is in them, where they are, and how two of them differ.

use std::sync::Arc;

use access::{Action, Resource};
use artifact::Package;
use artifact::package::{Change, Content, ContentKind, contents, difference};
use axum::Json;
use axum::extract::{Path, State};
use build::making::{Part, Subject};
use delivery::kinds::DeploymentResult;
use facts::Digest;
use ledger::{Op, Select};

use super::blocking;
use super::runs::parse;
use crate::auth::Caller;
use crate::changes::Component;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::way::{Deployed, Making, Reader, made_differently, verdict_of};
use crate::wire;

/// How many deployments of a package are looked at.
const DEPLOYMENTS: usize = 200;

/// A package that the caller may see, and its component.
pub(crate) async fn seen(house: &House, caller: &Caller, digest: &str) -> Result<(Component, Package), Problem> {
    let digest: Digest = parse(digest)?;
    let missing = || {
        Problem::not_found(format!("there is no package {}", digest.short()))
            .hint("`throughline status` shows the package of a change")
    };
    let store = house.store.clone();
    let read = blocking(move || Package::read(&store, &digest)).await?;
    // What is no package here is no business of who asks.
    let package = read.map_err(|_| missing())?;
    let component = house
        .register
        .by_id(package.config.component)
        .await?
        .ok_or_else(missing)?;
    caller
        .may(Action::Read, &Resource::Component(component.name.clone()))
        .map_err(|problem| {
            if problem.status().as_u16() == 403 {
                missing()
            } else {
                problem
            }
        })?;
    Ok((component, package))
}

/// A time that a package was somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Stay {
    /// The deployment that brought it.
    pub deployed: Deployed,
    /// How it went on: `coming`, `here`, `gone` or `failed`.
    pub state: &'static str,
    /// Until when.
    pub until: Option<facts::Timestamp>,
}

/// Where a package is and was, newest first.
pub(crate) async fn stays(house: &House, component: &Component, package: Digest) -> Result<Vec<Stay>, Problem> {
    let mut rows = Vec::new();
    for column in ["package", "from_package"] {
        let select = Select::from(delivery::views::DEPLOYMENTS)
            .filter(column, Op::Eq, package.to_string())
            .limit(DEPLOYMENTS);
        for row in house.ledger.select(select).await?.rows {
            rows.push((
                row.natural("generation").map_err(ServerError::from)?,
                Deployed::of(&row)?,
            ));
        }
    }
    let state = house.delivery.state(component.id);
    let mut stays: Vec<Stay> = Vec::new();
    for (generation, one) in rows.iter().filter(|(_, one)| one.package == package) {
        if stays.iter().any(|stay| stay.deployed.deployment == one.deployment) {
            continue;
        }
        // What came after it there and succeeded ended it.
        let next = rows
            .iter()
            .filter(|(later, other)| {
                other.environment == one.environment
                    && later > generation
                    && other.result == Some(DeploymentResult::Succeeded)
            })
            .min_by_key(|(later, _)| *later)
            .and_then(|(_, other)| other.finished_at);
        let is_here = state.environment(&one.environment).current.package == Some(package);
        let stood = match (one.result, next) {
            (None, _) => "coming",
            (Some(DeploymentResult::Succeeded), None) if is_here => "here",
            (Some(DeploymentResult::Succeeded), _) => "gone",
            _ => "failed",
        };
        stays.push(Stay {
            deployed: one.clone(),
            state: stood,
            until: next.filter(|_| stood == "gone"),
        });
    }
    stays.sort_by_key(|stay| std::cmp::Reverse(stay.deployed.intended_at));
    Ok(stays)
}

/// What is in a package; read and checked on a thread that may block.
pub(crate) async fn entries(house: &House, package: &Package) -> Result<Vec<Content>, Problem> {
    let (store, package) = (house.store.clone(), package.clone());
    let read = blocking(move || contents(&store, &package)).await?;
    read.map_err(|error| ServerError::Internal(error.to_string()).into())
}

/// How `after` differs from `before`.
pub(crate) async fn compared(
    house: &House,
    before: &Package,
    after: &Package,
) -> Result<artifact::package::Difference, Problem> {
    let (store, before, after) = (house.store.clone(), before.clone(), after.clone());
    let read = blocking(move || difference(&store, &before, &after)).await?;
    read.map_err(|error| ServerError::Internal(error.to_string()).into())
}

fn entry(content: Content) -> wire::Entry {
    let mut entry = wire::Entry {
        path: content.path,
        kind: String::new(),
        size: None,
        digest: None,
        executable: false,
        target: None,
    };
    match content.kind {
        ContentKind::Folder => entry.kind = "folder".to_owned(),
        ContentKind::Link { target } => {
            entry.kind = "link".to_owned();
            entry.target = Some(target);
        }
        ContentKind::File {
            size,
            digest,
            executable,
        } => {
            entry.kind = "file".to_owned();
            (entry.size, entry.digest, entry.executable) = (Some(size), Some(digest), executable);
        }
    }
    entry
}

fn made(making: Making) -> wire::Made {
    let part = |part: Part| wire::MadePart {
        subject: part.subject.as_str().to_owned(),
        step: (part.subject == Subject::Step).then_some(part.of),
        what: part.what,
        value: part.value,
    };
    wire::Made {
        run: making.run,
        actor: making.actor.to_string(),
        requested_at: making.requested_at,
        parts: making.parts.into_iter().map(part).collect(),
    }
}

fn differently(one: build::making::Differing) -> Option<wire::MadeDifferently> {
    let part = one.part()?.clone();
    Some(wire::MadeDifferently {
        subject: part.subject.as_str().to_owned(),
        step: (part.subject == Subject::Step).then_some(part.of),
        what: part.what,
        before: one.before.map(|part| part.value),
        after: one.after.map(|part| part.value),
    })
}

#[utoipa::path(
    get, path = "/api/v1/packages/{digest}", tag = "packages", params(("digest" = String, Path)),
    responses((status = 200, body = wire::Package))
)]
pub async fn one(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(digest): Path<String>,
) -> Result<Json<wire::Package>, Problem> {
    let (component, package) = seen(&house, &caller, &digest).await?;
    let state = house.delivery.state(component.id);
    let accepted = state.packages.get(&package.digest);
    let stays = stays(&house, &component, package.digest).await?;
    let verdicts = Reader(&house).verdicts(package.digest).await?;
    let blob = |descriptor: &artifact::package::Descriptor| wire::Blob {
        digest: descriptor.digest,
        size: descriptor.size,
    };
    Ok(Json(wire::Package {
        schema: "package/1".to_owned(),
        digest: package.digest,
        component: component.name.to_string(),
        version: accepted.map(|accepted| accepted.version.to_string()),
        commit: package.config.commit.to_string(),
        run: accepted.map(|accepted| accepted.run),
        platform: package.config.platform.to_string(),
        definition: package.config.definition,
        config: blob(&package.manifest.config),
        layers: package.manifest.layers.iter().map(blob).collect(),
        stays: stays
            .into_iter()
            .map(|stay| wire::Stay {
                environment: stay.deployed.environment.to_string(),
                run: stay.deployed.run,
                state: stay.state.to_owned(),
                purpose: stay.deployed.purpose.as_str().to_owned(),
                actor: stay.deployed.actor.to_string(),
                since: stay.deployed.finished_at.unwrap_or(stay.deployed.intended_at),
                until: stay.until,
            })
            .collect(),
        verdicts: verdicts.iter().map(verdict_of).collect(),
        contents: entries(&house, &package).await?.into_iter().map(entry).collect(),
        made: Reader(&house).making(&component, &package).await?.map(made),
    }))
}

#[utoipa::path(
    get, path = "/api/v1/packages/{digest}/difference/{other}", tag = "packages",
    params(("digest" = String, Path), ("other" = String, Path)),
    responses((status = 200, body = wire::PackageDifference))
)]
pub async fn differing(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((digest, other)): Path<(String, String)>,
) -> Result<Json<wire::PackageDifference>, Problem> {
    let (component, before) = seen(&house, &caller, &digest).await?;
    let (other, after) = seen(&house, &caller, &other).await?;
    let found = compared(&house, &before, &after).await?;
    let files = found.files.into_iter().map(|change| match change {
        Change::Added { content } => wire::DifferingEntry {
            before: None,
            after: Some(entry(content)),
        },
        Change::Removed { content } => wire::DifferingEntry {
            before: Some(entry(content)),
            after: None,
        },
        Change::Changed { before, after } => wire::DifferingEntry {
            before: Some(entry(before)),
            after: Some(entry(after)),
        },
    });
    let reader = Reader(&house);
    let making = (
        reader.making(&component, &before).await?,
        reader.making(&other, &after).await?,
    );
    let made = made_differently(making.0.as_ref(), making.1.as_ref(), |actor| actor.to_string());
    Ok(Json(wire::PackageDifference {
        made: made.map(|all| all.into_iter().filter_map(differently).collect()),
        schema: "package-difference/1".to_owned(),
        before: before.digest,
        after: after.digest,
        files: files.collect(),
        config: found.config,
        encoding_only: found.encoding_only,
    }))
}
