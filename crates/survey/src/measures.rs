//! The measures of a history: pure functions of a [`View`], family by family.

mod branches;
mod integration;
mod releases;
mod returns;
mod size;
mod telling;
mod together;
mod volume;

use evidence::Measures;

use crate::view::View;

/// Measures that speak of the repository as a whole, also in the evidence of a component: branches are not
/// cut along folders, and pipelines and guides mostly stand at the top.
const OF_THE_WHOLE: &[&str] = &[
    "history.commits",
    "history.age_days",
    "history.shallow",
    "history.default_branch",
    "history.branches_active",
    "history.branches_stale",
    "history.long_lived_branches",
    "history.release_lines",
    "history.dependency_bot",
    "history.pipeline_changes_months",
    "history.docs_changed_days",
];

/// All measures of a view. `whole` are those of the repository, when the view is of a component.
pub(crate) fn measure(view: &View<'_>, whole: Option<&Measures>) -> Measures {
    let mut measures = Measures::new();
    if view.moment.position.is_none() {
        return measures;
    }
    volume::measure(view, &mut measures);
    integration::measure(view, &mut measures);
    branches::measure(view, &mut measures);
    size::measure(view, &mut measures);
    releases::measure(view, &mut measures);
    returns::measure(view, &mut measures);
    together::measure(view, &mut measures);
    telling::measure(view, &mut measures);
    if let Some(whole) = whole {
        for name in OF_THE_WHOLE {
            measures.remove(*name);
            if let Some(of_whole) = whole.get(*name) {
                let mut measure = of_whole.clone();
                measure
                    .note
                    .get_or_insert_with(|| "of the repository as a whole".to_owned());
                measures.insert((*name).to_owned(), measure);
            }
        }
    }
    measures
}
