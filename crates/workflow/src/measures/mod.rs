//! From the model to the measures that are named `pipelines.*`.

mod checks;
mod delivery;
mod environments;
mod shape;

use evidence::{Component, Measure, Measures, Place};

use crate::model::{Job, Step, System, Workflow, Workflows};
use crate::occasion::{Occasion, Occasions};
use crate::purpose::{Doing, Purpose};

/// The measures of a repository, or of one component in it.
///
/// A yes is given with the places it was seen at. A no is given only where every definition was read
/// completely: where something is included from elsewhere, broken, or made while it runs, what was
/// not seen is left out.
pub fn measures(workflows: &Workflows, component: Option<&Component>) -> Measures {
    let view = View::of(workflows, component);
    let only_left_over = !workflows.list.is_empty() && workflows.list.iter().all(is_left_over);
    let mut out = Out {
        measures: Measures::new(),
        complete: workflows.unread.is_empty() && !only_left_over,
    };
    shape::measure(workflows, &view, &mut out);
    checks::measure(&view, &mut out);
    delivery::measure(&view, &mut out);
    environments::measure(&view, &mut out);
    out.measures
}

/// Whether a definition is likely to be one that nobody runs any more: Travis no longer builds for free since 2021, and
/// most repositories kept the file. What it would do is neither seen nor denied.
fn is_left_over(workflow: &Workflow) -> bool {
    workflow.system == System::Travis
}

/// Something that is done, with all that surrounds it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    workflow: &'a Workflow,
    job: &'a Job,
    step: &'a Step,
    doing: &'a Doing,
}

/// What belongs to the subject.
struct View<'a> {
    workflows: Vec<&'a Workflow>,
    jobs: Vec<(&'a Workflow, &'a Job)>,
    seen: Vec<Seen<'a>>,
}

struct Out {
    measures: Measures,
    complete: bool,
}

impl<'a> View<'a> {
    fn of(workflows: &'a Workflows, component: Option<&Component>) -> Self {
        let mut view = Self {
            workflows: Vec::new(),
            jobs: Vec::new(),
            seen: Vec::new(),
        };
        for workflow in &workflows.list {
            let mut belongs = false;
            for job in workflow.jobs.iter().filter(|job| job.occasions.any()) {
                let mut job_belongs = false;
                for step in job.steps.iter().filter(|step| step.occasions.any()) {
                    for doing in &step.doings {
                        let seen = Seen {
                            workflow,
                            job,
                            step,
                            doing,
                        };
                        if component.is_none_or(|component| seen.is_for(component)) {
                            job_belongs = true;
                            if !is_left_over(workflow) {
                                view.seen.push(seen);
                            }
                        }
                    }
                }
                if job_belongs || component.is_none() {
                    belongs = true;
                    view.jobs.push((workflow, job));
                }
            }
            if belongs || component.is_none() {
                view.workflows.push(workflow);
            }
        }
        view
    }

    fn doing(&self, purposes: &[Purpose]) -> Vec<Seen<'a>> {
        self.seen
            .iter()
            .filter(|seen| purposes.contains(&seen.doing.purpose))
            .copied()
            .collect()
    }
}

impl Seen<'_> {
    fn occasions(&self) -> &Occasions {
        &self.step.occasions
    }

    fn may(&self, occasion: Occasion) -> bool {
        self.occasions().may(occasion)
    }

    /// On trunk or on request.
    fn per_change(&self) -> bool {
        self.may(Occasion::Trunk) || self.may(Occasion::Request)
    }

    fn can_fail(&self) -> bool {
        !self.doing.ignored && !self.step.ignored && !self.job.ignored
    }

    /// Whether it concerns a component: it works in its folder, or in none and is not kept to others.
    fn is_for(&self, component: &Component) -> bool {
        let within = |path: &str| {
            path.strip_prefix(component.folder.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if component.folder.is_empty() {
            return true;
        }
        let folder = &self.step.folder;
        if within(folder) || within(&self.doing.at.file) {
            return true;
        }
        let is_definition = self.doing.at.file == self.workflow.file || self.doing.at.file.starts_with('.');
        if !folder.is_empty() || (!is_definition && self.doing.at.file.contains('/')) {
            return false;
        }
        let paths: Vec<&String> = self.workflow.paths.iter().chain(&self.job.paths).collect();
        if !paths.is_empty() {
            let concerns = |path: &str| {
                let fixed = path
                    .trim_start_matches('/')
                    .split(['*', '?', '['])
                    .next()
                    .unwrap_or_default();
                let fixed = fixed.trim_end_matches('/');
                within(fixed) || component.folder.starts_with(fixed)
            };
            let own: Vec<_> = paths.iter().filter(|path| !path.starts_with('.')).collect();
            return own.iter().any(|path| concerns(path));
        }
        true
    }

    fn place(&self) -> Place {
        let first = self.doing.first();
        first.place(format!("{}: {}", self.job.id, self.doing.way()))
    }
}

/// The places, each once, those on trunk first and those that only a name speaks for last.
fn places(seen: &[Seen<'_>]) -> Vec<Place> {
    let mut sorted: Vec<&Seen<'_>> = seen.iter().collect();
    sorted.sort_by_key(|seen| {
        (
            seen.doing.by_name,
            !seen.may(Occasion::Trunk),
            !seen.can_fail(),
            !seen.may(Occasion::Request),
        )
    });
    let mut all: Vec<Place> = Vec::new();
    for seen in sorted {
        let place = seen.place();
        if all.len() < Measure::MOST_PLACES && !all.contains(&place) {
            all.push(place);
        }
    }
    all
}

impl Out {
    fn put(&mut self, name: &str, measure: Measure) {
        self.measures.insert(format!("pipelines.{name}"), measure);
    }

    /// Yes at these places, or no.
    fn yes(&mut self, name: &str, places: Vec<Place>) {
        self.yes_against(name, places, Vec::new());
    }

    fn yes_seen(&mut self, name: &str, seen: &[Seen<'_>]) {
        self.yes(name, places(seen));
    }

    /// Yes at these places, in spite of others; or no because of them.
    fn yes_against(&mut self, name: &str, places: Vec<Place>, against: Vec<Place>) {
        if !places.is_empty() {
            self.put(name, Measure::of(true).seen_at(places).in_spite_of(against));
        } else if self.complete {
            self.put(name, Measure::of(false).in_spite_of(against));
        }
    }

    fn list(&mut self, name: &str, words: Vec<String>, places: Vec<Place>) {
        if !words.is_empty() || self.complete {
            self.put(name, Measure::of(words).seen_at(places));
        }
    }
}
