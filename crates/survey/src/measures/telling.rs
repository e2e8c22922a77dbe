//! How changes are told: the form of subjects, signatures, work items, reviewers.

use evidence::Measures;

use crate::person::Kind;
use crate::rows::Marks;
use crate::view::{Integration, Note as _, View, share};

pub(super) fn measure(view: &View<'_>, measures: &mut Measures) {
    if !view.sees(view.window_start()) {
        return;
    }
    let rows = &view.history.rows;
    let (mut conventional, mut other) = (Vec::new(), Vec::new());
    for (commit, told) in view.window_changes() {
        let list = if told.marks.has(Marks::CONVENTIONAL) {
            &mut conventional
        } else {
            &mut other
        };
        list.push(commit);
    }
    let newest = |list: &[u32]| {
        list.iter()
            .rev()
            .take(3)
            .map(|commit| view.place(*commit))
            .collect::<Vec<_>>()
    };
    let measure = share(conventional.len(), conventional.len() + other.len());
    let measure = measure.map(|measure| measure.seen_at(newest(&conventional)).in_spite_of(newest(&other)));
    measures.note("history.conventional_share", measure);
    // What a host commits for people it signs itself.
    let told = view.window().iter().filter_map(|commit| rows.told(*commit));
    let own: Vec<_> = told
        .filter(|told| view.people.kind(told.committer) != Kind::Host)
        .collect();
    let signed = own.iter().filter(|told| told.marks.has(Marks::SIGNED)).count();
    measures.note("history.signed_share", share(signed, own.len()));

    let (mut named, mut unnamed, mut reviewed, mut unreviewed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (one, _) in view.integrations_of_people() {
        let is_named = view.any_marked(&one, Marks::ISSUE);
        if is_named { &mut named } else { &mut unnamed }.push(one.commit);
        match is_reviewed(view, &one) {
            Some(true) => reviewed.push(one.commit),
            Some(false) => unreviewed.push(one.commit),
            None => {}
        }
    }
    for (name, yes, no) in [
        ("history.issue_reference_share", named, unnamed),
        ("history.reviewed_share", reviewed, unreviewed),
    ] {
        let measure = share(yes.len(), yes.len() + no.len());
        let measure = measure.map(|measure| measure.seen_at(newest(&yes)).in_spite_of(newest(&no)));
        measures.note(name, measure);
    }
}

/// Whether somebody other than its author had to do with a change: a reviewer in a trailer, whoever merged the
/// branch, or whoever committed what another one wrote. What a host committed does not say.
fn is_reviewed(view: &View<'_>, one: &Integration) -> Option<bool> {
    if view.any_marked(one, Marks::REVIEWED) {
        return Some(true);
    }
    let told = view.history.rows.told(one.commit)?;
    let authors = view.authors(one);
    if one.is_merge {
        let merger = view.author(told)?;
        return Some(!authors.contains(&merger));
    }
    match view.people.kind(told.committer) {
        Kind::Person => {
            let committer = view.people.person(told.committer)?;
            Some(!authors.contains(&committer))
        }
        Kind::Bot | Kind::Host => None,
    }
}
