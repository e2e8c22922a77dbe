//! Sample view models of an invented organisation, for the page that shows the parts, for tests, and
//! for pictures. Nothing else uses them.

mod changes;
mod components;
mod difference;
mod found;
mod made;
mod pages;
mod record;
mod runs;
mod wheres;

pub use changes::{
    canary_decided_bad, canary_decided_good, canary_running, delivered, held, returned, under_way, waits,
};
pub use components::{commit_pages, component_page, repository_page, unlisted_component};
pub use difference::difference;
pub use found::{found, found_nothing};
pub use pages::every_page;
pub use record::{broken_fact, fact, ledger, package_page, settings, verifications};
pub use runs::{broken_run, failed_build, failed_run, log, run_list, running_run};
pub use wheres::{empty_overview, environment, overview};

use std::time::Duration;

use facts::{Commit, ComponentName, Digest, EnvironmentName, ReleaseLine, RunId, StepName, Timestamp, Version};

use crate::model::{
    Button, ButtonWeight, ChangeName, Frame, Notice, Theme, Tone, Usually, Viewer, WaitReason, Waiting,
};

/// The time at which the samples are looked at.
#[allow(clippy::expect_used)] // a constant
pub fn now() -> Timestamp {
    Timestamp::from_second(1_795_413_480).expect("a constant time is a time")
}

/// So many seconds before [`now`].
pub(crate) fn before(seconds: i64) -> Timestamp {
    let now = now();
    Timestamp::from_second(now.as_second() - seconds).unwrap_or(now)
}

/// Parses a constant.
#[allow(clippy::expect_used)] // only constants of this module come here, and tests call all of them
fn constant<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a constant of the samples is well formed")
}

pub(crate) fn component(name: &str) -> ComponentName {
    constant(name)
}

pub(crate) fn place(name: &str) -> EnvironmentName {
    constant(name)
}

pub(crate) fn step(name: &str) -> StepName {
    constant(name)
}

pub(crate) fn main_line() -> ReleaseLine {
    constant("main")
}

pub(crate) fn version(text: &str) -> Version {
    constant(text)
}

pub(crate) fn run_id(key: &str) -> RunId {
    RunId::of_key(key)
}

pub(crate) fn commit(key: &str) -> Commit {
    constant(&Digest::of(key).hex()[..40])
}

pub(crate) fn package(key: &str) -> Digest {
    Digest::of(format!("package {key}"))
}

pub(crate) fn usual(median: u64, ninetieth: u64, of: u32) -> Usually {
    Usually {
        median: Duration::from_secs(median),
        ninetieth: Duration::from_secs(ninetieth),
        of,
    }
}

/// A change of the component `shop/cart`.
pub(crate) fn change(number: &str, title: &str, author: &str) -> ChangeName {
    ChangeName {
        component: component("shop/cart"),
        commit: commit(number),
        title: title.to_owned(),
        author: Some(author.to_owned()),
        version: Some(version(number)),
    }
}

/// What surrounds the samples.
pub fn frame(theme: Theme) -> Frame {
    Frame {
        now: now(),
        as_of: 18_342,
        viewer: Some(Viewer {
            name: "Ada Marten".to_owned(),
            reads_ledger: true,
        }),
        theme,
        path: "/".to_owned(),
        form_token: "sample".to_owned(),
        notices: Vec::new(),
    }
}

/// A notice that everybody sees.
pub fn notice() -> Notice {
    Notice {
        tone: Tone::Attention,
        text: "The disk of the blobs is nearly full: new runs are refused, running ones end.".to_owned(),
        hint: Some("free some space under /var/lib/throughline/blobs; runs start again by themselves".to_owned()),
    }
}

pub(crate) fn button(label: &str, path: String, weight: ButtonWeight) -> Button {
    Button {
        label: label.to_owned(),
        path,
        fields: Vec::new(),
        weight,
        asks: None,
    }
}

/// A change that waits for an approval.
pub fn approval() -> Waiting {
    let path = crate::links::approve(&component("shop/cart"), &commit("1.9.0"), &place("production"));
    Waiting {
        reason: WaitReason::Approval,
        gate: "operations".to_owned(),
        what: "One of the role operations must approve this package for production.".to_owned(),
        whom: vec!["Ben Okafor".to_owned(), "Carol Ivens".to_owned()],
        since: before(840),
        until: None,
        usually: Some(usual(1_260, 9_000, 34)),
        answers: vec![
            button("Approve", path.clone(), ButtonWeight::Primary),
            button("Refuse", path, ButtonWeight::Plain),
        ],
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sample_can_be_made() {
        super::overview();
        super::empty_overview();
        super::environment();
        super::run_list();
        for page in [
            super::broken_run(),
            super::failed_build(),
            super::failed_run(),
            super::running_run(),
        ] {
            assert!(page.broken.is_some() || !page.steps.is_empty());
        }
        for page in [
            super::delivered(),
            super::returned(),
            super::under_way(),
            super::waits(),
        ] {
            assert!(page.stations.len() >= 5);
        }
    }
}
