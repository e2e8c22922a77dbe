//! What can be said only when all definitions are read, or a whole job is seen.

use crate::model::{Job, Workflow};
use crate::occasion::{Occasion, Occasions};
use crate::purpose::Purpose;
use crate::read::Reader;
use crate::site;

/// Gives pipelines that wait for others their occasions, and settles what depends on a whole job.
pub(crate) fn finish(list: &mut [Workflow], reader: &Reader<'_>) {
    let _ = reader;
    chain(list);
    for workflow in list.iter_mut() {
        let sites: Vec<Vec<bool>> = workflow
            .jobs
            .iter()
            .map(|job| {
                job.steps
                    .iter()
                    .map(|step| site::of_site(workflow, job, step))
                    .collect()
            })
            .collect();
        for (job, sites) in workflow.jobs.iter_mut().zip(sites) {
            job.environments.retain(|environment| site::is_place(&environment.name));
            settle(job);
            for (step, _) in job.steps.iter_mut().zip(sites).filter(|(_, is_site)| *is_site) {
                for doing in &mut step.doings {
                    if let Some(purpose) = site::for_site(doing.purpose) {
                        doing.purpose = purpose;
                    }
                }
            }
        }
    }
}

/// A pipeline that starts after another one starts when that one does.
fn chain(list: &mut [Workflow]) {
    for _ in 0..6 {
        let known: Vec<(String, String, Occasions)> = list
            .iter()
            .map(|workflow| {
                let stem = workflow.file.rsplit('/').next().unwrap_or_default();
                let stem = stem.split('.').next().unwrap_or_default().to_owned();
                (
                    workflow.name.clone().unwrap_or_default(),
                    stem,
                    workflow.occasions.clone(),
                )
            })
            .collect();
        for workflow in list.iter_mut().filter(|workflow| !workflow.after.is_empty()) {
            for after in &workflow.after {
                for (name, stem, occasions) in &known {
                    if name == after || stem == after {
                        workflow.occasions.add(occasions);
                    }
                }
            }
        }
    }
    for workflow in list.iter_mut().filter(|workflow| !workflow.after.is_empty()) {
        for job in &mut workflow.jobs {
            job.occasions = job.occasions.and(&workflow.occasions);
            for step in &mut job.steps {
                step.occasions = step.occasions.and(&workflow.occasions);
            }
        }
    }
}

/// Settles what an upload, a copy or a deployment is in the light of its job.
fn settle(job: &mut Job) {
    let own_cluster = job
        .steps
        .iter()
        .flat_map(|step| &step.doings)
        .any(|doing| doing.purpose == Purpose::Cluster);
    let words = job.words().to_lowercase();
    let deploys = speaks_of_deployment(&words) || !job.environments.is_empty();
    let stage = job.stage.clone().unwrap_or_default();
    let only_requests = job.occasions.may(Occasion::Request)
        && !job.occasions.may(Occasion::Trunk)
        && !job.occasions.may(Occasion::Tag)
        && !job.occasions.may(Occasion::Release)
        && !job.occasions.may(Occasion::Branch);
    for step in &mut job.steps {
        let step_words = step.name.clone().unwrap_or_default().to_lowercase();
        let mut extra = Vec::new();
        for doing in &mut step.doings {
            match doing.purpose {
                Purpose::Upload | Purpose::Copy | Purpose::Remote => {
                    let all = format!("{step_words} {} {}", doing.words.to_lowercase(), stage);
                    let deploy_words = deploys || speaks_of_deployment(&all);
                    let restarts = doing.purpose == Purpose::Remote
                        && [
                            "docker compose up",
                            "docker-compose",
                            "systemctl",
                            "docker stack",
                            "git pull",
                            "docker pull",
                            "pm2 ",
                            "kubectl",
                            "docker run",
                        ]
                        .iter()
                        .any(|sign| doing.words.contains(sign));
                    let publishes = ["publish", "release"]
                        .iter()
                        .any(|word| step_words.contains(word) || words.contains(word));
                    if deploy_words || restarts {
                        doing.purpose = Purpose::Deploy;
                        if doing.detail.is_empty() {
                            doing.detail = "ssh".to_owned();
                        }
                    } else if doing.purpose != Purpose::Remote && publishes {
                        doing.purpose = Purpose::Publish;
                    } else if doing.purpose == Purpose::Upload {
                        doing.purpose = Purpose::Keep;
                    } else {
                        doing.purpose = Purpose::Setup;
                    }
                }
                Purpose::Deploy | Purpose::Apply | Purpose::Migrate
                    if own_cluster && doing.purpose != Purpose::Migrate =>
                {
                    doing.purpose = Purpose::Compose;
                }
                Purpose::TagIfNone => {
                    let tagged = job.occasions.may(Occasion::Tag) || job.occasions.may(Occasion::Release);
                    doing.purpose = if tagged { Purpose::Setup } else { Purpose::Tag };
                }
                Purpose::RequestOrPush => doing.purpose = Purpose::PromoteFile,
                _ => {}
            }
            // What says that it is a dry run or only a plan is one.
            if doing.purpose == Purpose::Deploy && only_requests {
                doing.purpose = Purpose::Preview;
            }
            if doing.purpose == Purpose::Tag && doing.tool.starts_with("git ") && doing.words.contains(" -l") {
                doing.purpose = Purpose::Setup;
            }
        }
        // A command that says it is a plan is no deployment as well.
        let plans: Vec<_> = step
            .doings
            .iter()
            .filter(|doing| doing.purpose == Purpose::Plan)
            .map(|doing| (doing.at.clone(), doing.words.clone()))
            .collect();
        step.doings.retain(|doing| {
            !(matches!(doing.purpose, Purpose::Deploy | Purpose::Apply)
                && plans.iter().any(|(at, words)| at == &doing.at && words == &doing.words))
        });
        step.doings.append(&mut extra);
    }
}

fn speaks_of_deployment(words: &str) -> bool {
    words.split(|c: char| !c.is_alphanumeric()).any(|word| {
        matches!(
            word,
            "deploy" | "deployment" | "deploys" | "production" | "prod" | "staging" | "rollout"
        )
    })
}

/// Whether the name of a variable or an input speaks of an environment.
pub(crate) fn names_environment(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [
        "environment",
        "env_name",
        "deploy_env",
        "target_env",
        "stage",
        "env",
        "envname",
        "deployment",
    ]
    .iter()
    .any(|known| lower == *known || lower.ends_with(&format!("_{known}")) || lower.ends_with(&format!("-{known}")))
}
