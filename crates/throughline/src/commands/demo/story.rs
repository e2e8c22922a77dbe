//! The story so far: what was pushed, and what the server says about it. Plain data and pure functions.

use std::collections::BTreeMap;

use facts::{Digest, RunId};

use super::load::record::Totals;
use super::sample::{COMMITS, Commit};
use crate::wire::{Change, Environments, Placed, Run, RunLine};

/// All that is known at a moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Story {
    /// The changes, in the order in which they are pushed.
    pub chapters: Vec<Chapter>,
    /// What is where.
    pub environments: Option<Environments>,
    /// The load, once it goes.
    pub load: Option<Load>,
    /// What the running canary's log said last.
    pub canary: Option<String>,
}

/// The load on production.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Load {
    /// What it came to.
    pub totals: Totals,
    /// Requests a second, lately.
    pub rate: f64,
}

/// One change of the story.
#[derive(Debug, Clone)]
pub(super) struct Chapter {
    /// What the sample says about it.
    pub sample: Commit,
    /// Its commit, once it is made.
    pub commit: Option<String>,
    /// The server's document about it.
    pub change: Option<Change>,
    /// Its runs, oldest first: build, deployments, the return.
    pub runs: Vec<Run>,
    /// By environment, its package, once it was seen there.
    pub brought: BTreeMap<String, Digest>,
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is, or was, in production.
    InProduction,
    /// It was found bad, and is gone.
    RolledBack,
    /// Anything else, in the server's word.
    Other(String),
}

/// What was read from the server at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    /// By commit.
    pub changes: BTreeMap<String, Change>,
    /// All runs, oldest first.
    pub runs: Vec<Run>,
    /// What is where.
    pub environments: Option<Environments>,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Push this chapter.
    Push(usize),
    /// Wait for what happens.
    Wait,
    /// Nothing more comes.
    End,
}

/// A run that is over.
pub(super) fn is_finished(run: &RunLine) -> bool {
    run.state == "finished"
}

impl Chapter {
    fn new(sample: Commit) -> Self {
        Self {
            sample,
            commit: None,
            change: None,
            runs: Vec::new(),
            brought: BTreeMap::new(),
        }
    }

    /// Its package.
    pub fn package(&self) -> Option<Digest> {
        self.change.as_ref().and_then(|change| change.change.package)
    }

    /// Its version.
    pub fn version(&self) -> Option<&str> {
        self.change.as_ref().and_then(|change| change.change.version.as_deref())
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        let state = self.change.as_ref()?.change.state.as_str();
        if self.runs.iter().any(|run| !is_finished(&run.run)) {
            return None;
        }
        match state {
            "building" | "waiting" | "deploying" => None,
            "in-production" => Some(Outcome::InProduction),
            "rolled-back" => Some(Outcome::RolledBack),
            other => Some(Outcome::Other(other.to_owned())),
        }
    }

    /// Why it ended as it did, by the last verdict of that kind.
    pub fn verdict(&self, result: &str) -> Option<&str> {
        let verdicts = &self.change.as_ref()?.verdicts;
        let verdict = verdicts
            .iter()
            .rfind(|verdict| verdict.about == "canary" && verdict.result == result)?;
        verdict.reasons.first().map(String::as_str)
    }
}

impl Story {
    /// The story before it begins.
    pub fn new() -> Self {
        Self {
            chapters: COMMITS.into_iter().map(Chapter::new).collect(),
            ..Self::default()
        }
    }

    /// The commits that were pushed.
    pub fn commits(&self) -> Vec<String> {
        self.chapters
            .iter()
            .filter_map(|chapter| chapter.commit.clone())
            .collect()
    }

    /// The runs that are over, which need not be read again.
    pub fn finished_runs(&self) -> BTreeMap<RunId, Run> {
        let runs = self.chapters.iter().flat_map(|chapter| &chapter.runs);
        runs.filter(|run| is_finished(&run.run))
            .map(|run| (run.run.id, run.clone()))
            .collect()
    }

    /// Takes in what was read.
    pub fn learn(&mut self, look: Look) {
        let pushed = self.chapters.iter().filter(|chapter| chapter.commit.is_some()).count();
        for (index, chapter) in self.chapters.iter_mut().enumerate() {
            let Some(commit) = chapter.commit.clone() else { continue };
            if let Some(change) = look.changes.get(&commit) {
                chapter.change = Some(change.clone());
            }
            // A return leads away from the newest change.
            let belongs = |run: &&Run| match run.run.kind.as_str() {
                "return" => index + 1 == pushed,
                _ => run.run.commit.as_ref() == Some(&commit),
            };
            chapter.runs = look.runs.iter().filter(belongs).cloned().collect();
            let package = chapter.package();
            for environment in look.environments.iter().flat_map(|all| &all.environments) {
                for placed in &environment.components {
                    let here = placed.package.filter(|_| placed.commit.as_ref() == Some(&commit));
                    let beside = placed
                        .traffic
                        .iter()
                        .map(|group| group.package)
                        .find(|one| Some(*one) == package);
                    if let Some(seen) = here.or(beside) {
                        chapter.brought.insert(environment.name.clone(), seen);
                    }
                }
            }
        }
        if look.environments.is_some() {
            self.environments = look.environments;
        }
        if self.analysis().is_none() {
            self.canary = None;
        }
    }

    /// What an environment holds.
    pub fn placed(&self, environment: &str) -> Option<&Placed> {
        let all = &self.environments.as_ref()?.environments;
        all.iter().find(|line| line.name == environment)?.components.first()
    }

    /// The run whose canary is judged now.
    pub fn analysis(&self) -> Option<RunId> {
        let mut runs = self.chapters.iter().flat_map(|chapter| &chapter.runs);
        let judges = |run: &&Run| {
            !is_finished(&run.run)
                && run
                    .steps
                    .iter()
                    .any(|step| step.action == "analyze" && step.state == "running")
        };
        runs.find(judges).map(|run| run.run.id)
    }

    /// What is to be done next.
    pub fn next(&self) -> Next {
        for (index, chapter) in self.chapters.iter().enumerate() {
            if chapter.commit.is_none() {
                return Next::Push(index);
            }
            match chapter.outcome() {
                None => return Next::Wait,
                Some(Outcome::InProduction) => {}
                // Nothing good can follow any more, or the end that was meant.
                Some(_) => return Next::End,
            }
        }
        Next::End
    }

    /// The version of a package.
    pub fn version_of(&self, package: &str) -> Option<&str> {
        let mut chapters = self.chapters.iter();
        let chapter = chapters.find(|chapter| chapter.package().is_some_and(|digest| digest.to_string() == package));
        chapter.and_then(Chapter::version)
    }
}
