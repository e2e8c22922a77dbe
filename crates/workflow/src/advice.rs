//! What exact advice about a definition needs: which one builds, and where to add to it.

use crate::model::{End, Job, System, Workflow, Workflows};
use crate::occasion::Occasion;
use crate::purpose::Purpose;

/// The job that builds and tests changes, and where a step can be added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainBuild {
    /// The system it runs on.
    pub system: System,
    /// The file it stands in.
    pub file: String,
    /// Its name in that file.
    pub job: String,
    /// The line it begins in.
    pub line: u32,
    /// The end of its list of steps; absent where the system has none that can be added to.
    pub end: Option<End>,
    /// The commands that build and test, as they are called: for advice that fits what is there.
    pub commands: Vec<String>,
    /// The machine it asks for, where it names one.
    pub runner: Option<String>,
    /// The folder it works in.
    pub folder: String,
}

impl Workflows {
    /// The job that a change meets first: of those that test on trunk or on request the one that does
    /// most; else one that builds. For a component, give its folder: a job that works in it is preferred.
    pub fn main_build(&self, folder: Option<&str>) -> Option<MainBuild> {
        let jobs = self
            .list
            .iter()
            .flat_map(|workflow| workflow.jobs.iter().map(move |job| (workflow, job)));
        let (workflow, job) = jobs
            .filter(|(_, job)| worth(job, None) > 0)
            .max_by_key(|(workflow, job)| (worth(job, folder), std::cmp::Reverse((&workflow.file, job.at.line))))?;
        Some(describe(workflow, job))
    }
}

fn worth(job: &Job, folder: Option<&str>) -> u32 {
    let on_trunk = job.occasions.may(Occasion::Trunk);
    let on_request = job.occasions.may(Occasion::Request);
    if !on_trunk && !on_request {
        return 0;
    }
    let does = |purposes: &[Purpose]| {
        job.steps
            .iter()
            .flat_map(|step| &step.doings)
            .any(|doing| purposes.contains(&doing.purpose) && !doing.by_name)
    };
    let here = folder.is_some_and(|folder| {
        !folder.is_empty() && (job.folder == folder || job.steps.iter().any(|step| step.folder == folder))
    });
    let tests = does(&[Purpose::Test]);
    let builds = does(&[Purpose::Build, Purpose::Package, Purpose::ImagesBuilt]);
    let base = 8 * u32::from(tests) + 4 * u32::from(builds) + u32::from(does(&[Purpose::Lint]));
    if base == 0 {
        return 0;
    }
    base + 32 * u32::from(here) + 4 * u32::from(on_trunk) + 2 * u32::from(on_request) + u32::from(job.chain.is_empty())
}

fn describe(workflow: &Workflow, job: &Job) -> MainBuild {
    let mut commands: Vec<String> = Vec::new();
    for doing in job.steps.iter().flat_map(|step| &step.doings) {
        let matters = matches!(
            doing.purpose,
            Purpose::Build | Purpose::Test | Purpose::Package | Purpose::Lint
        );
        if matters && !commands.contains(&doing.tool) && commands.len() < 12 {
            commands.push(doing.tool.clone());
        }
    }
    MainBuild {
        system: workflow.system,
        file: job.at.file.clone(),
        job: job.id.rsplit(" / ").next().unwrap_or(&job.id).to_owned(),
        line: job.at.line,
        end: job.end,
        commands,
        runner: job.runners.first().cloned(),
        folder: job.folder.clone(),
    }
}
