//! Deployments: where to, how, and what waits for a person.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Measure, Place};

use super::{Out, Seen, View, places};
use crate::model::{Job, Workflow};
use crate::occasion::{Occasion, Truth};
use crate::purpose::{Doing, Purpose};

const DEPLOYS: &[Purpose] = &[Purpose::Deploy, Purpose::Apply, Purpose::DeployModel];
/// What makes an artifact.
pub(super) const MAKES: &[Purpose] = &[Purpose::Build, Purpose::Package, Purpose::ImagesBuilt];

/// A deployment and the environments it goes to.
struct Deployment<'a> {
    seen: Seen<'a>,
    environments: BTreeSet<String>,
}

pub(super) fn measure(view: &View<'_>, out: &mut Out) {
    let deployments: Vec<Deployment<'_>> = view
        .doing(DEPLOYS)
        .into_iter()
        .filter(|seen| !is_only_on_request(seen))
        .map(|seen| Deployment {
            environments: environments_of(&seen),
            seen,
        })
        .collect();
    let seen: Vec<Seen<'_>> = deployments.iter().map(|deployment| deployment.seen).collect();
    out.yes_seen("deploys", &seen);
    let on_trunk: Vec<Seen<'_>> = seen
        .iter()
        .filter(|seen| seen.may(Occasion::Trunk) && gate_before(seen.workflow, seen.job).is_none())
        .copied()
        .collect();
    out.yes_seen("deploys_on_trunk", &on_trunk);
    let tools = seen.iter().map(|seen| tool(seen.doing)).collect();
    out.list("deploy_tools", tools, places(&seen));
    named(&deployments, out);
    gates(view, &deployments, out);
    artifacts(&deployments, out);
    others(view, &deployments, out);
}

fn tool(doing: &Doing) -> String {
    if doing.detail.is_empty() {
        let program = doing.tool.split_whitespace().next().unwrap_or(&doing.tool);
        program.rsplit('/').next().unwrap_or(program).to_owned()
    } else {
        doing.detail.clone()
    }
}

fn is_only_on_request(seen: &Seen<'_>) -> bool {
    seen.occasions()
        .list()
        .all(|(occasion, _)| occasion == Occasion::Request)
}

fn named(deployments: &[Deployment<'_>], out: &mut Out) {
    let all: BTreeSet<String> = deployments
        .iter()
        .flat_map(|deployment| deployment.environments.clone())
        .collect();
    let with_name: Vec<Seen<'_>> = deployments
        .iter()
        .filter(|deployment| !deployment.environments.is_empty())
        .map(|deployment| deployment.seen)
        .collect();
    out.list("environments", all.into_iter().collect(), places(&with_name));

    let mut by_place: BTreeMap<String, (BTreeSet<String>, Vec<Seen<'_>>)> = BTreeMap::new();
    for deployment in deployments {
        let mut keys = vec![deployment.seen.doing.at.to_string()];
        keys.extend(deployment.seen.job.template.clone());
        // A composite action or a script that several jobs use.
        keys.extend(deployment.seen.doing.chain.iter().skip(1).map(ToString::to_string));
        for key in keys {
            let entry = by_place.entry(key).or_default();
            entry.0.extend(deployment.environments.clone());
            entry.1.push(deployment.seen);
        }
    }
    let shared: Vec<Seen<'_>> = by_place
        .values()
        .filter(|(environments, _)| environments.len() > 1)
        .flat_map(|(_, seen)| seen.clone())
        .collect();
    out.yes_seen("deploy_same_definition", &shared);
    let mut by_command: BTreeMap<String, (BTreeSet<String>, Vec<Seen<'_>>)> = BTreeMap::new();
    for deployment in deployments {
        if let Some(key) = same_but_for_environment(&deployment.seen) {
            let entry = by_command.entry(key).or_default();
            entry.0.extend(deployment.environments.clone());
            entry.1.push(deployment.seen);
        }
    }
    let mut alike: Vec<Seen<'_>> = by_command
        .values()
        .filter(|(environments, _)| environments.len() > 1)
        .flat_map(|(_, seen)| seen.clone())
        .collect();
    alike.extend(shared);
    out.yes_seen("deploy_same_command", &alike);
    let to_production: Vec<Seen<'_>> = deployments
        .iter()
        .filter(|deployment| deployment.environments.iter().any(|name| is_production(name)))
        .map(|deployment| deployment.seen)
        .collect();
    out.yes_seen("deploy_to_production", &to_production);
    let (automatic, waiting): (Vec<Seen<'_>>, Vec<Seen<'_>>) = to_production
        .into_iter()
        .partition(|seen| seen.may(Occasion::Trunk) && gate_before(seen.workflow, seen.job).is_none());
    let measure = places(&automatic);
    if measure.is_empty() {
        out.yes_against("deploy_production_automatic", measure, places(&waiting));
    } else {
        let mut measure = Measure::of(true).seen_at(measure).in_spite_of(places(&waiting));
        if automatic.iter().any(|seen| !seen.job.environments.is_empty()) {
            measure =
                measure.noting("rules that protect an environment are kept outside of the repository and are not seen");
        }
        out.put("deploy_production_automatic", measure);
    }
}

/// What it is called as, with the environment's name taken out: the same command for several.
fn same_but_for_environment(seen: &Seen<'_>) -> Option<String> {
    let doing = seen.doing;
    let called = doing.words.rsplit(" | ").next().unwrap_or_default();
    let whole = if called.contains(&doing.tool) {
        called.to_owned()
    } else {
        format!("{} {called}", doing.tool)
    };
    let mut out = String::new();
    let mut named = false;
    for piece in whole.to_lowercase().split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let is_name = matches!(
            word,
            "staging"
                | "stage"
                | "stg"
                | "production"
                | "prod"
                | "prd"
                | "dev"
                | "development"
                | "qa"
                | "uat"
                | "preprod"
                | "preproduction"
                | "sandbox"
                | "canary"
        ) || seen
            .job
            .environments
            .iter()
            .any(|environment| environment.name.to_lowercase() == word);
        if is_name {
            named = true;
            out.push('*');
            out.push_str(&piece[word.len()..]);
        } else {
            out.push_str(piece);
        }
    }
    named.then(|| {
        // A part that names the environment itself is the same part whatever else it is given.
        let is_part = matches!(&seen.step.kind, crate::model::StepKind::Use(_));
        if is_part {
            out.split_whitespace().next().unwrap_or_default().to_owned()
        } else {
            out
        }
    })
}

/// The jobs that a job waits for, directly or through others.
pub(super) fn before<'a>(workflow: &'a Workflow, job: &'a Job) -> Vec<&'a Job> {
    let mut found: Vec<&Job> = Vec::new();
    let mut open: Vec<&String> = job.needs.iter().collect();
    while let Some(need) = open.pop() {
        let called = format!("{need} / ");
        for other in &workflow.jobs {
            if (&other.id == need || other.id.starts_with(&called))
                && !found.iter().any(|known| std::ptr::eq(*known, other))
            {
                found.push(other);
                open.extend(&other.needs);
            }
        }
    }
    found
}

/// Where a person has to go on before a job runs.
fn gate_before(workflow: &Workflow, job: &Job) -> Option<Place> {
    std::iter::once(job).chain(before(workflow, job)).find_map(|job| {
        if let Some(line) = job.manual {
            return Some(Place::line(job.at.file.clone(), line, format!("{}: by hand", job.id)));
        }
        let approve = job
            .steps
            .iter()
            .flat_map(|step| &step.doings)
            .find(|doing| doing.purpose == Purpose::Approve)?;
        Some(approve.first().place(format!("{}: {}", job.id, approve.tool)))
    })
}

fn gates(view: &View<'_>, deployments: &[Deployment<'_>], out: &mut Out) {
    let mut gates: Vec<Place> = Vec::new();
    for deployment in deployments {
        let seen = &deployment.seen;
        let mut gate = gate_before(seen.workflow, seen.job);
        let unattended = seen
            .occasions()
            .list()
            .any(|(occasion, truth)| truth > Truth::No && !matches!(occasion, Occasion::Manual | Occasion::Request));
        if gate.is_none() && !unattended {
            gate = Some(Place::line(
                seen.workflow.file.clone(),
                seen.workflow.line,
                format!("{}: started by hand only", seen.job.id),
            ));
        }
        if let Some(gate) = gate
            && !gates.contains(&gate)
        {
            gates.push(gate);
        }
    }
    out.yes("deploy_manual_gate", gates);
    let mut manual: Vec<Place> = Vec::new();
    for (_, job) in &view.jobs {
        if let Some(line) = job.manual {
            manual.push(Place::line(job.at.file.clone(), line, format!("{}: by hand", job.id)));
        }
        for doing in job.steps.iter().flat_map(|step| &step.doings) {
            if doing.purpose == Purpose::Approve {
                manual.push(doing.first().place(format!("{}: {}", job.id, doing.tool)));
            }
        }
    }
    let count = manual.len();
    if count > 0 || out.complete {
        out.put("manual_steps", Measure::of(count).seen_at(manual));
    }
    let tests = |job: &Job| {
        job.steps
            .iter()
            .flat_map(|step| &step.doings)
            .any(|doing| doing.purpose.is_test() && !doing.ignored)
    };
    let (tested, untested): (Vec<Seen<'_>>, Vec<Seen<'_>>) =
        deployments.iter().map(|deployment| deployment.seen).partition(|seen| {
            tests(seen.job)
                || before(seen.workflow, seen.job).into_iter().any(tests)
                || seen.workflow.after.iter().any(|name| {
                    view.workflows
                        .iter()
                        .any(|workflow| workflow.name.as_ref() == Some(name) && workflow.jobs.iter().any(tests))
                })
        });
    out.yes_against("tests_before_deploy", places(&tested), places(&untested));
}

/// Whether a job does one of these.
pub(super) fn does(job: &Job, purposes: &[Purpose]) -> bool {
    job.steps
        .iter()
        .flat_map(|step| &step.doings)
        .any(|doing| purposes.contains(&doing.purpose))
}

fn artifacts(deployments: &[Deployment<'_>], out: &mut Out) {
    let mut promotes: Vec<Seen<'_>> = Vec::new();
    let mut rebuilds: Vec<Seen<'_>> = Vec::new();
    let all: BTreeSet<&String> = deployments
        .iter()
        .flat_map(|deployment| &deployment.environments)
        .collect();
    if all.len() > 1 {
        for deployment in deployments {
            let seen = deployment.seen;
            let infrastructure = deployment.seen.doing.purpose == Purpose::Apply;
            let own = does(seen.job, MAKES);
            let upstream = before(seen.workflow, seen.job);
            let others = deployments.iter().any(|other| {
                other.environments != deployment.environments
                    && std::ptr::eq(other.seen.workflow, seen.workflow)
                    && !does(other.seen.job, MAKES)
            });
            let handed_on = upstream.iter().any(|job| {
                let keeps = job.keeps.is_some() || does(job, &[Purpose::Push, Purpose::Keep, Purpose::Publish]);
                keeps && does(job, MAKES)
            });
            if does(seen.job, &[Purpose::Promote]) || (!own && others && handed_on) {
                promotes.push(seen);
            }
            // Infrastructure is applied anew; what runs on it is what must stay the same.
            if own && !infrastructure && !deployment.environments.is_empty() {
                rebuilds.push(seen);
            }
        }
        let apart: BTreeSet<&String> = deployments
            .iter()
            .filter(|deployment| does(deployment.seen.job, MAKES))
            .flat_map(|deployment| &deployment.environments)
            .collect();
        if apart.len() < 2 {
            rebuilds.clear();
        }
    }
    out.yes_against("promotes_without_rebuild", places(&promotes), places(&rebuilds));
    out.yes_seen("rebuilds_per_environment", &rebuilds);
}

fn others(view: &View<'_>, deployments: &[Deployment<'_>], out: &mut Out) {
    let with_deployment = |seen: &Seen<'_>| {
        does(seen.job, DEPLOYS)
            || !seen.job.environments.is_empty()
            || deployments.iter().any(|deployment| {
                std::ptr::eq(deployment.seen.workflow, seen.workflow)
                    && (before(seen.workflow, deployment.seen.job)
                        .iter()
                        .any(|job| std::ptr::eq(*job, seen.job))
                        || before(seen.workflow, seen.job)
                            .iter()
                            .any(|job| std::ptr::eq(*job, deployment.seen.job)))
            })
    };
    let is_test_job =
        |job: &Job| does(job, &[Purpose::Test, Purpose::Integration, Purpose::Acceptance]) || !job.services.is_empty();
    let (applied, rest): (Vec<Seen<'_>>, Vec<Seen<'_>>) = view
        .doing(&[Purpose::Migrate])
        .into_iter()
        .partition(|seen| with_deployment(seen) && !is_test_job(seen.job) && !is_only_on_request(seen));
    out.yes_seen("migrations_applied", &applied);
    let tested: Vec<Seen<'_>> = rest.into_iter().filter(|seen| is_test_job(seen.job)).collect();
    out.yes_seen("migrations_tested", &tested);
    out.yes_seen("configuration_applied", &view.doing(&[Purpose::Configure]));
    let planned: Vec<Seen<'_>> = view
        .doing(&[Purpose::Plan])
        .into_iter()
        .filter(|seen| seen.doing.detail != "kubectl" || with_deployment(seen))
        .collect();
    out.yes_seen("infrastructure_planned", &planned);
    let applied: Vec<Seen<'_>> = deployments
        .iter()
        .map(|deployment| deployment.seen)
        .filter(|seen| seen.doing.purpose == Purpose::Apply)
        .collect();
    out.yes_seen("infrastructure_applied", &applied);
    out.yes_seen("rollout_gradual", &view.doing(&[Purpose::Gradual]));
    let smoke: Vec<Seen<'_>> = view
        .doing(&[Purpose::Smoke])
        .into_iter()
        .filter(with_deployment)
        .collect();
    let after: Vec<Seen<'_>> = view
        .doing(&[Purpose::Acceptance])
        .into_iter()
        .filter(|seen| {
            before(seen.workflow, seen.job).into_iter().any(|job| {
                deployments
                    .iter()
                    .any(|deployment| std::ptr::eq(deployment.seen.job, job))
            })
        })
        .collect();
    out.yes_seen("smoke_after_deploy", &[smoke, after].concat());
    let mut preview = view.doing(&[Purpose::Preview]);
    preview.extend(view.doing(DEPLOYS).into_iter().filter(|seen| {
        seen.may(Occasion::Request)
            && seen
                .job
                .environments
                .iter()
                .any(|environment| is_preview(&environment.name))
    }));
    out.yes_seen("preview_environments", &preview);
    out.yes_seen("rollback", &view.doing(&[Purpose::Rollback]));
    out.yes_seen("notifies", &view.doing(&[Purpose::Notify]));
}

fn is_preview(name: &str) -> bool {
    let name = name.to_lowercase();
    ["review", "preview", "pr-", "ephemeral"]
        .iter()
        .any(|word| name.contains(word))
}

/// The environments that a deployment names: those its job says, and those its names speak of.
fn environments_of(seen: &Seen<'_>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let known = |name: &str| !name.is_empty() && !name.contains(['$', '{', '<', '(']);
    for environment in &seen.job.environments {
        if known(&environment.name) {
            all.insert(environment.name.to_lowercase());
        }
    }
    if let Some(environment) = &seen.doing.environment {
        all.insert(environment.clone());
    }
    for (name, value) in &seen.job.inputs {
        if crate::finish::names_environment(name) {
            all.extend(
                value
                    .split(',')
                    .map(|name| name.trim().to_lowercase())
                    .filter(|name| known(name)),
            );
        }
    }
    if all.is_empty() {
        let step = seen.step.name.clone().unwrap_or_default();
        for text in [seen.job.words(), step, seen.doing.words.clone()] {
            all.extend(spoken(&text));
            if !all.is_empty() {
                break;
            }
        }
    }
    all
}

/// Names of environments that a text speaks of.
fn spoken(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let mut all = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| words[at]);
        let name = match *word {
            "prod" | "production" | "prd" if matches!(before, "pre" | "non" | "no" | "not") => {
                if before == "pre" {
                    "preproduction"
                } else {
                    continue;
                }
            }
            "prod" | "production" | "prd" => "production",
            "preprod" | "preproduction" => "preproduction",
            "staging" | "stg" => "staging",
            "uat" => "uat",
            "qa" => "qa",
            "dev" | "development" if before == "deploy" || words.get(at + 1) == Some(&"deploy") => "development",
            "sandbox" => "sandbox",
            "canary" => "canary",
            _ => continue,
        };
        all.insert(name.to_owned());
    }
    // `npm install --production` and its like speak of something else.
    if lower.contains("--production") || lower.contains("node_env=production") || lower.contains("rails_env=production")
    {
        all.remove("production");
    }
    all
}

/// Whether an environment is named as the one that users meet.
fn is_production(name: &str) -> bool {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
    words.iter().enumerate().any(|(at, word)| {
        matches!(*word, "production" | "prod" | "prd" | "live")
            && !(at > 0 && matches!(words[at - 1], "pre" | "non" | "no" | "not"))
    })
}
