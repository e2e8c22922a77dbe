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
    let told = view.window().iter().filter_map(|commit| rows.told(*commit));
    let signed = told.filter(|told| told.marks.has(Marks::SIGNED)).count();
    measures.note("history.signed_share", share(signed, view.window().len()));

    let (mut named, mut unnamed, mut reviewed, mut unreviewed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (one, _) in view.integrations_of_people() {
        let is_named = view.any_marked(&one, Marks::ISSUE);
        if is_named { &mut named } else { &mut unnamed }.push(one.commit);
        let is_reviewed = is_reviewed(view, &one);
        if is_reviewed { &mut reviewed } else { &mut unreviewed }.push(one.commit);
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
/// branch, or whoever committed what another one wrote. A host that commits says nothing.
fn is_reviewed(view: &View<'_>, one: &Integration) -> bool {
    if view.any_marked(one, Marks::REVIEWED) {
        return true;
    }
    let Some(told) = view.history.rows.told(one.commit) else {
        return false;
    };
    let authors = view.authors(one);
    if one.is_merge {
        let merger = view.author(told);
        return merger.is_some_and(|merger| !authors.contains(&merger));
    }
    let committer = view.people.person(told.committer);
    let is_person = view.people.kind(told.committer) == Kind::Person;
    is_person && committer.is_some_and(|committer| !authors.contains(&committer))
}
