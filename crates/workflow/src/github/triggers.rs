//! `on:` in all its forms.

use crate::occasion::{Condition, Filter, Occasion, Occasions, Pattern};
use crate::read::Reader;
use crate::yaml::Node;

/// What starts a workflow.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    pub occasions: Occasions,
    pub after: Vec<String>,
    pub called: bool,
    pub paths: Vec<String>,
    pub line: u32,
}

pub(super) fn read(reader: &Reader<'_>, file: &str, root: &Node) -> Triggers {
    let mut triggers = Triggers {
        line: root.line,
        ..Triggers::default()
    };
    let Some((key, on)) = root.member("on").or_else(|| root.member("true")) else {
        let hint = "say what starts it, for instance `on: [push, pull_request]`".to_owned();
        reader.finding(file, root.line, "this workflow has no `on:`", Some(hint));
        return triggers;
    };
    triggers.line = key.line;
    if on.is_map() {
        let mut unfiltered = false;
        for (event, settings) in on.members() {
            take(reader, &event.name, settings, &mut triggers, &mut unfiltered);
        }
        if unfiltered {
            triggers.paths.clear();
        }
    } else {
        for event in on.texts() {
            take(reader, &event, &Node::nothing(), &mut triggers, &mut false);
        }
    }
    triggers
}

fn list(node: &Node, name: &str) -> Option<Vec<String>> {
    node.get(name).map(Node::texts)
}

fn take(reader: &Reader<'_>, event: &str, settings: &Node, triggers: &mut Triggers, unfiltered: &mut bool) {
    let names = &reader.names;
    let occasions = &mut triggers.occasions;
    match event {
        "push" => {
            let branches = filter(settings, "branches");
            let tags = filter(settings, "tags");
            let mut conditions = Vec::new();
            match (branches, tags) {
                (None, None) => conditions.push(Condition::Started(vec![
                    Occasion::Trunk,
                    Occasion::Branch,
                    Occasion::Tag,
                ])),
                (branches, tags) => {
                    let on_branches = [Occasion::Trunk, Occasion::Branch];
                    conditions.extend(branches.map(|filter| {
                        Condition::All(vec![
                            Condition::Started(on_branches.to_vec()),
                            Condition::Branch(filter),
                        ])
                    }));
                    conditions.extend(tags.map(|filter| {
                        Condition::All(vec![Condition::Started(vec![Occasion::Tag]), Condition::Tag(filter)])
                    }));
                }
            }
            let before = occasions.may(Occasion::Trunk);
            occasions.add(&Occasions::where_holds(&Condition::Any(conditions), names));
            if occasions.may(Occasion::Trunk) && !before {
                match list(settings, "paths") {
                    Some(paths) if !paths.iter().any(|path| path == "**") => {
                        triggers
                            .paths
                            .extend(paths.into_iter().filter(|path| !path.starts_with('!')));
                    }
                    _ => *unfiltered = true,
                }
            }
        }
        "pull_request" | "pull_request_target" | "merge_group" => {
            let types = list(settings, "types").unwrap_or_default();
            if types.iter().any(|kind| kind == "closed") && types.len() == 1 {
                // When a request is closed: what reaches the branch when it was merged.
                occasions.add(&Occasions::of([Occasion::Other]));
                occasions.set(
                    Occasion::Trunk,
                    crate::occasion::Truth::Perhaps.or(occasions.on(Occasion::Trunk)),
                );
                return;
            }
            let target = filter(settings, "branches").unwrap_or_default();
            let label_only = !types.is_empty()
                && !types.iter().any(|kind| {
                    matches!(
                        kind.as_str(),
                        "opened" | "synchronize" | "reopened" | "ready_for_review"
                    )
                });
            if label_only {
                occasions.add(&Occasions::of([Occasion::Other]));
                return;
            }
            let condition = Condition::Target(target);
            let mut found = Occasions::where_holds(&condition, names);
            if !found.any() {
                // For requests to other branches.
                found = Occasions::default();
                found.set(Occasion::Request, crate::occasion::Truth::Perhaps);
            }
            occasions.add(&found);
            if event != "merge_group" && !occasions.may(Occasion::Trunk) {
                let paths = list(settings, "paths").unwrap_or_default();
                triggers
                    .paths
                    .extend(paths.into_iter().filter(|path| !path.starts_with('!')));
            }
        }
        "schedule" => occasions.add(&Occasions::of([Occasion::Schedule])),
        "workflow_dispatch" | "repository_dispatch" => occasions.add(&Occasions::of([Occasion::Manual])),
        "release" => occasions.add(&Occasions::of([Occasion::Release])),
        "create" => occasions.add(&Occasions::of([Occasion::Tag])),
        "workflow_call" => triggers.called = true,
        "workflow_run" => triggers.after.extend(list(settings, "workflows").unwrap_or_default()),
        _ => occasions.add(&Occasions::of([Occasion::Other])),
    }
}

/// `branches` and `branches-ignore`, or the same of tags; nothing where neither stands there.
fn filter(settings: &Node, name: &str) -> Option<Filter> {
    let include = list(settings, name);
    let exclude = list(settings, &format!("{name}-ignore"));
    if include.is_none() && exclude.is_none() {
        return None;
    }
    let mut filter = Filter::signed(include.unwrap_or_default());
    filter
        .exclude
        .extend(exclude.unwrap_or_default().iter().map(|pattern| Pattern::glob(pattern)));
    Some(filter)
}
