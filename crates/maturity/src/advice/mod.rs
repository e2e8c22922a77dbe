//! The exact lines to add: for this CI file, or a new file for this stack.
//!
//! A recipe proposes edits from what is there. [`Site::propose`] applies them to a copy of the tree,
//! has it read again, and gives the evidence that follows: whoever shows a proposal first looks
//! whether it changes the verdict (see [`crate::next`]). So a proposal that does not fit costs a
//! reading, and is never shown.

mod fresh;
mod insert;
mod overlay;
mod stack;

use evidence::{Evidence, Measure, Measures, Tree};
use workflow::Workflows;
use workflow::model::{Job, System, Workflow};
use workflow::occasion::Occasion;
use workflow::purpose::Purpose;

use crate::model::Recipe;
use crate::next::{Edit, Proposal};
use overlay::Overlay;
use stack::Stack;

/// What advice is written for.
pub struct Site<'a> {
    /// The files as they are.
    pub tree: &'a dyn Tree,
    /// The pipelines in them.
    pub workflows: &'a Workflows,
    /// What is known now: of the repository, or of one component in it.
    pub evidence: &'a Evidence,
    /// Reads the measures of pipelines from a tree.
    pub pipelines: &'a dyn Fn(&dyn Tree) -> Measures,
    /// Reads the measures of files from a tree.
    pub files: &'a dyn Fn(&dyn Tree) -> Measures,
}

impl Site<'_> {
    /// The edits of a recipe here, and the evidence that follows from them.
    pub fn propose(&self, recipe: Recipe) -> Option<Proposal> {
        let edits = self.edits(recipe)?;
        let changed = Overlay::of(self.tree, &edits)?;
        let mut evidence = self.evidence.clone();
        // Lines of a pipeline change nothing about the other files, which are many.
        let definitions = matches!(
            recipe,
            Recipe::BuildOnPush | Recipe::RunTests | Recipe::KeepArtifacts | Recipe::StaticAnalysis | Recipe::Coverage
        );
        evidence
            .measures
            .retain(|name, _| !name.starts_with("pipelines.") && (definitions || !name.starts_with("files.")));
        evidence.measures.extend((self.pipelines)(&changed));
        if !definitions {
            evidence.measures.extend((self.files)(&changed));
        }
        if recipe == Recipe::Contributing {
            // The change itself touches the guide.
            let now = Measure::of(0.0).noting("with the commit that adds the file");
            evidence.measures.insert("history.docs_changed_days".to_owned(), now);
        }
        Some(Proposal { edits, evidence })
    }

    /// The edits of a recipe.
    fn edits(&self, recipe: Recipe) -> Option<Vec<Edit>> {
        let folder = self.folder();
        // What is for the whole repository is proposed for it, and not for each part of it again.
        let for_all = matches!(
            recipe,
            Recipe::UpdateBot
                | Recipe::Contributing
                | Recipe::SecurityScans
                | Recipe::ScheduledReport
                | Recipe::AutomaticVersion
                | Recipe::ContractCheck
        );
        if for_all && !folder.is_empty() {
            return None;
        }
        let stack = Stack::of(self.tree, folder);
        let trunk = self.trunk();
        let one = |edit: Edit| Some(vec![edit]);
        match recipe {
            Recipe::BuildOnPush => {
                if let Some(edit) = self.trigger(
                    &[Purpose::Test, Purpose::Build],
                    "push:",
                    &[&format!("  branches: [{trunk}]")],
                ) {
                    return one(edit);
                }
                one(fresh::build(self.tree, self.system(), &stack?, &trunk, folder)?)
            }
            Recipe::RunTests => {
                let stack = stack?;
                match self.step(
                    "Test",
                    stack.test?,
                    &stack,
                    &[Purpose::Build, Purpose::Lint, Purpose::Types],
                ) {
                    Some(edit) => one(edit),
                    None => one(fresh::build(self.tree, self.system(), &stack, &trunk, folder)?),
                }
            }
            Recipe::KeepArtifacts => one(self.keep(&stack?)?),
            Recipe::StaticAnalysis => {
                let stack = stack?;
                one(self.step("Lint", stack.lint?, &stack, &[Purpose::Test, Purpose::Build])?)
            }
            Recipe::Coverage => {
                let stack = stack?;
                one(self.step("Coverage", stack.coverage?, &stack, &[Purpose::Test, Purpose::Build])?)
            }
            Recipe::SecurityScans => match self.system() {
                Some(System::GithubActions) => one(fresh::security(self.tree, &stack?, &trunk)?),
                _ => {
                    let stack = stack?;
                    let beside = [Purpose::Test, Purpose::Build];
                    one(self.step("Scan dependencies", stack.audit?, &stack, &beside)?)
                }
            },
            Recipe::ScheduledReport => {
                let scans = [
                    Purpose::Code,
                    Purpose::Dependencies,
                    Purpose::Secrets,
                    Purpose::Coverage,
                    Purpose::Analysis,
                ];
                match self.trigger(&scans, "schedule:", &["  - cron: '17 4 * * 1'"]) {
                    Some(edit) => one(edit),
                    None if self.system() == Some(System::GithubActions) => {
                        one(fresh::security(self.tree, &stack?, &trunk)?)
                    }
                    None => None,
                }
            }
            Recipe::AutomaticVersion => match self.system() {
                Some(System::GithubActions) => one(fresh::release(self.tree, &stack?, &trunk)?),
                _ => None,
            },
            Recipe::UpdateBot => one(fresh::update_bot(self.tree, self.system())?),
            Recipe::Contributing => one(fresh::contributing(self.tree, &stack?)?),
            Recipe::ContractCheck => match self.system() {
                Some(System::GithubActions) => one(fresh::contracts(self.tree)?),
                _ => None,
            },
        }
    }

    /// The branch that everything is delivered from.
    fn trunk(&self) -> String {
        match self
            .evidence
            .measures
            .get("history.default_branch")
            .map(|measure| &measure.value)
        {
            Some(evidence::Value::Text(name)) => name.clone(),
            _ => "main".to_owned(),
        }
    }

    /// The system that builds or tests here, else the one with most pipelines; none where there is none.
    fn system(&self) -> Option<System> {
        let of = |system: System| self.workflows.list.iter().filter(move |each| each.system == system);
        let works = |workflow: &&Workflow| {
            workflow
                .jobs
                .iter()
                .any(|job| does(job, &[Purpose::Test, Purpose::Build]))
        };
        self.workflows
            .list
            .iter()
            .map(|workflow| workflow.system)
            .max_by_key(|system| {
                (
                    of(*system).filter(works).count(),
                    of(*system).count(),
                    std::cmp::Reverse(*system),
                )
            })
    }

    /// Adds a trigger to the first workflow of GitHub that does one of `purposes` and does not have it.
    fn trigger(&self, purposes: &[Purpose], name: &str, further: &[&str]) -> Option<Edit> {
        self.workflows
            .list
            .iter()
            .filter(|workflow| workflow.system == System::GithubActions && !workflow.called_only)
            .filter(|workflow| workflow.jobs.iter().any(|job| does(job, purposes)))
            .find_map(|workflow| {
                let text = self.text(&workflow.file)?;
                insert::trigger(&workflow.file, &text, name, further)
            })
    }

    /// Adds a step with a command to the job that fits best: one that does one of `beside` for each change.
    fn step(&self, name: &str, command: &str, stack: &Stack, beside: &[Purpose]) -> Option<Edit> {
        let added = insert::Added {
            name,
            command,
            folder: self.folder(),
            image: stack.image,
        };
        beside.iter().find_map(|purpose| {
            self.jobs(*purpose).find_map(|(workflow, job)| {
                let text = self.text(&job.at.file)?;
                insert::step(workflow.system, job, &text, &added)
            })
        })
    }

    /// Keeps what a job of trunk builds.
    fn keep(&self, stack: &Stack) -> Option<Edit> {
        let kept = stack.kept?;
        [Purpose::Package, Purpose::Build, Purpose::Test]
            .iter()
            .find_map(|purpose| {
                self.jobs(*purpose)
                    .filter(|(_, job)| job.occasions.may(Occasion::Trunk))
                    .find_map(|(workflow, job)| {
                        let text = self.text(&job.at.file)?;
                        insert::keep(workflow.system, job, &text, &join(self.folder(), kept))
                    })
            })
    }

    /// The jobs that stand in a file of their own tree and do `purpose` for each change; those that work in the folder
    /// of the component first, and none that works in another one.
    fn jobs(&self, purpose: Purpose) -> impl Iterator<Item = (&Workflow, &Job)> {
        let folder = self.folder();
        let mut found: Vec<(&Workflow, &Job)> = self
            .workflows
            .list
            .iter()
            .flat_map(|workflow| workflow.jobs.iter().map(move |job| (workflow, job)))
            .filter(|(_, job)| job.chain.is_empty())
            .filter(|(_, job)| job.occasions.may(Occasion::Trunk) || job.occasions.may(Occasion::Request))
            .filter(|(_, job)| does(job, &[purpose]))
            .filter(|(workflow, job)| folder.is_empty() || works_for(workflow, job, folder))
            .collect();
        found.sort_by_key(|(_, job)| !works_in(job, folder));
        found.into_iter()
    }

    /// The folder of the component that is looked at; empty for the repository.
    fn folder(&self) -> &str {
        self.evidence
            .subject
            .component
            .as_ref()
            .map_or("", |component| component.folder.as_str())
    }

    fn text(&self, file: &str) -> Option<String> {
        text(self.tree, file)
    }
}

/// Whether a job works in a folder, as a whole or in one of its steps.
fn works_in(job: &Job, folder: &str) -> bool {
    job.folder == folder || job.steps.iter().any(|step| step.folder == folder)
}

/// Whether a job may be given steps for a component: it works in its folder, or in none, and its changes start it.
fn works_for(workflow: &Workflow, job: &Job, folder: &str) -> bool {
    let starts = |paths: &[String]| {
        paths.is_empty()
            || paths
                .iter()
                .any(|path| path.trim_start_matches('/').starts_with(folder))
    };
    let at_root = job.folder.is_empty() && job.steps.iter().all(|step| step.folder.is_empty());
    (works_in(job, folder) || at_root) && starts(&workflow.paths) && starts(&job.paths)
}

/// A path below a folder.
fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    }
}

fn does(job: &Job, purposes: &[Purpose]) -> bool {
    job.steps
        .iter()
        .flat_map(|step| &step.doings)
        .any(|doing| purposes.contains(&doing.purpose))
}

/// The text of a file, when it is one.
fn text(tree: &dyn Tree, file: &str) -> Option<String> {
    String::from_utf8(tree.read(file, 1 << 20).ok()??).ok()
}
