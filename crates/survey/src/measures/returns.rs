//! What came back: reverts and fixes.

use evidence::{Measure, Measures};

use crate::rows::Marks;
use crate::view::{Note as _, View, days, percentile, share};

pub(super) fn measure(view: &View<'_>, measures: &mut Measures) {
    if !view.sees(view.window_start()) {
        return;
    }
    let (rows, shape) = (&view.history.rows, &view.history.shape);
    let (mut reverts, mut fixes, mut total) = (Vec::new(), 0, 0);
    let mut waits = Vec::new();
    for (commit, told) in view.window_changes() {
        total += 1;
        fixes += usize::from(told.marks.has(Marks::FIX));
        if !told.marks.has(Marks::REVERT) {
            continue;
        }
        reverts.push(commit);
        let reverted = told.reverts.and_then(|id| view.history.find(&id));
        if let Some(reverted) = reverted {
            waits.push(days((shape.time(rows, commit) - shape.time(rows, reverted)).max(0)));
        }
    }
    reverts.sort_by_key(|commit| std::cmp::Reverse(shape.time(rows, *commit)));
    let places: Vec<_> = reverts.iter().take(4).map(|commit| view.place(*commit)).collect();
    let measure = Measure::of(reverts.len()).from_sample(total as u64);
    measures.note("history.reverts_in_window", measure.seen_at(places.iter().cloned()));
    let measure = share(reverts.len(), total).map(|measure| measure.seen_at(places));
    measures.note("history.revert_share", measure);
    measures.note("history.fixes_share", share(fixes, total));
    let sample = waits.len() as u64;
    let measure = percentile(&mut waits, 50).map(|days| Measure::of(days).from_sample(sample));
    measures.note("history.revert_days_p50", measure);
}
