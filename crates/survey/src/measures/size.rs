//! How large the steps are in which work comes to trunk.

use evidence::{Measure, Measures};

use crate::paths::Class;
use crate::view::{Integration, Note as _, View, percentile, share};

/// A change with more lines than these is large: nobody reads it in one go.
const LARGE: u32 = 400;

pub(super) fn measure(view: &View<'_>, measures: &mut Measures) {
    if !view.sees_changes(view.window_start()) {
        return;
    }
    let mut sizes: Vec<(u32, u32, Integration)> = Vec::new();
    for (one, _) in view.integrations_of_people() {
        let Some(change) = view.change(one.commit).filter(|change| change.has_lines) else {
            continue;
        };
        let by_hand = |file: &&crate::change::Touched| !file.class.has(Class::MACHINE);
        let lines = view.touched(change).filter(by_hand).filter_map(|file| file.lines).sum();
        let files = match view.scope {
            None => change.files,
            Some(_) => view.touched(change).count() as u32,
        };
        sizes.push((lines, files, one));
    }
    let sample = sizes.len();
    let median = |values: Vec<u32>| {
        let mut values: Vec<f64> = values.into_iter().map(f64::from).collect();
        percentile(&mut values, 50).map(|median| Measure::of(median).from_sample(sample as u64))
    };
    let lines = median(sizes.iter().map(|(lines, ..)| *lines).collect());
    measures.note("history.change_lines_median", lines);
    let files = median(sizes.iter().map(|(_, files, _)| *files).collect());
    measures.note("history.change_files_median", files);
    let large = sizes.iter().filter(|(lines, ..)| *lines > LARGE).count();
    sizes.sort_by_key(|(lines, _, one)| (std::cmp::Reverse(*lines), one.position));
    let largest = sizes.iter().take_while(|(lines, ..)| *lines > LARGE).take(4);
    let places = largest.map(|(lines, _, one)| {
        let subject = view.history.rows.told(one.commit).map_or("", |told| &told.subject);
        view.place_saying(one.commit, format!("{lines} lines: {subject}"))
    });
    let measure = share(large, sample).map(|measure| measure.seen_at(places));
    measures.note("history.large_changes_share", measure);
}
