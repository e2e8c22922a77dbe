//! Whom and what a happening is about, by the names that people know.

use std::collections::BTreeSet;

use facts::{Commit, Digest};
use notification::message::Names;
use notification::rule::{People, mail_address};
use notification::{Event, Happening, Notifications};
use pages::links;

use crate::changes::Component;
use crate::house::House;

/// At most so many commits of one deployment have authors who are told.
const MOST_COMMITS: usize = 200;

/// The commit of a package of the component.
fn commit_of(house: &House, component: &Component, package: Option<Digest>) -> Option<Commit> {
    let state = house.delivery.state(component.id);
    Some(state.packages.get(&package?)?.commit.clone())
}

/// The commits that a happening is about: what lies between two packages, or the one.
async fn commits(house: &House, component: &Component, happening: &Happening) -> Vec<Commit> {
    let newer = commit_of(house, component, happening.package).or_else(|| happening.commit.clone());
    let before = commit_of(house, component, happening.before);
    let (old, new) = match (happening.event, before, newer) {
        // Those who made what is taken away again.
        (Event::PackageReturned, Some(before), Some(newer)) => (newer, before),
        (Event::DeploymentDone | Event::DeploymentFailed, Some(before), Some(newer)) => (before, newer),
        (_, _, newer) => return newer.into_iter().collect(),
    };
    let between = house.repositories.arrived(&component.name, &old, &new, MOST_COMMITS);
    between.await.unwrap_or_else(|error| {
        tracing::warn!(component = %component.name, %error, "the authors of what was deployed cannot be read");
        Vec::new()
    })
}

/// Those whom the happening brings with it, as far as they may be written to.
pub(super) async fn people(
    house: &House,
    settings: &Notifications,
    component: &Component,
    happening: &Happening,
    trusted: bool,
) -> People {
    let mut authors = BTreeSet::new();
    // Whoever is not trusted must not choose who is written to.
    if trusted && settings.mail.as_ref().is_some_and(|mail| !mail.authors.is_empty()) {
        let commits = commits(house, component, happening).await;
        let read = house.repositories.read(&component.name, move |repository| {
            let emails = commits.iter().map(|commit| Ok(repository.commit(commit)?.author.email));
            emails.collect::<Result<BTreeSet<String>, _>>()
        });
        match read.await {
            Ok(emails) => authors.extend(
                emails
                    .iter()
                    .filter_map(|email| mail_address(email))
                    .filter(|address| settings.writes_to_author(address)),
            ),
            Err(error) => {
                tracing::warn!(component = %component.name, %error, "the authors of a change cannot be read");
            }
        }
    }
    People {
        authors,
        duties: settings.duties.clone(),
    }
}

/// What people call the things that it names by digests.
pub(super) async fn names(house: &House, component: &Component, happening: &Happening) -> Names {
    let state = house.delivery.state(component.id);
    let version = |package: Option<Digest>| Some(state.packages.get(&package?)?.version.clone());
    let commit = happening
        .commit
        .clone()
        .or_else(|| commit_of(house, component, happening.package));
    let subject = match commit {
        Some(commit) => house.repositories.commit(&component.name, &commit).await.ok(),
        None => None,
    };
    Names {
        subject: subject.map(|said| said.title),
        version: version(happening.package),
        before: version(happening.before),
    }
}

/// The page about it.
pub(super) fn page(house: &House, component: &Component, happening: &Happening) -> String {
    let commit = happening
        .commit
        .clone()
        .or_else(|| commit_of(house, component, happening.package));
    let path = match (happening.run, commit, &happening.environment) {
        (Some(run), ..) => links::run(run),
        (None, Some(commit), _) => links::change(&component.name, &commit),
        (None, None, Some(environment)) => links::environment(environment),
        (None, None, None) => links::component(&component.name),
    };
    format!("{}{path}", house.url())
}
