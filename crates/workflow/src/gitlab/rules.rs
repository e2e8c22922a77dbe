//! `rules:`, `only:` and `except:`.

use super::with_requests;
use crate::comparison;
use crate::occasion::{Condition, Filter, Names, Occasion, Occasions, Pattern, Truth};
use crate::yaml::Node;

/// When a job runs.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub occasions: Occasions,
    /// Where it says that a person starts it.
    pub manual: Option<u32>,
    pub ignored: bool,
    pub paths: Vec<String>,
    /// Whether nothing is said of `when` there.
    pub conditions_free: bool,
}

/// Without rules: pipelines of branches and tags.
pub(super) fn by_default() -> Occasions {
    with_requests(Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Tag]))
}

pub(super) fn read(rules: &[Node], names: &Names) -> Run {
    let mut run = Run::default();
    let mut automatic = Occasions::default();
    let mut by_hand: Option<u32> = None;
    let mut ignored = true;
    for occasion in Occasion::ALL {
        let mut left = Truth::Yes;
        for rule in rules {
            let condition = rule.text_of("if").map_or(Condition::Fixed(true), comparison::condition);
            let changes = rule.get("changes");
            let mut truth = condition.holds(occasion, names).and(left);
            // Times and buttons count only where a rule speaks of them.
            let unspoken = matches!(
                occasion,
                Occasion::Schedule | Occasion::Manual | Occasion::Other | Occasion::Release
            );
            if unspoken && !speaks_of(rule, occasion) {
                truth = truth.and(Truth::No);
            }
            // Without a word about requests, pipelines are those of branches.
            if occasion == Occasion::Request && !rules.iter().any(speaks_of_requests) {
                truth = Truth::No;
            }
            if truth == Truth::No {
                continue;
            }
            let when = rule.text_of("when").unwrap_or("on_success");
            match when {
                "never" => {}
                "manual" => {
                    run.occasions.set(occasion, run.occasions.on(occasion).or(truth));
                    by_hand.get_or_insert(rule.member("when").map_or(rule.line, |(key, _)| key.line));
                }
                "on_failure" => {}
                _ => {
                    run.occasions.set(occasion, run.occasions.on(occasion).or(truth));
                    automatic.set(occasion, automatic.on(occasion).or(truth));
                }
            }
            if when != "never" {
                ignored &= rule.get("allow_failure").is_some_and(Node::is_true);
                let paths = changes.map(|changes| changes.get("paths").unwrap_or(changes).texts());
                for path in paths.unwrap_or_default() {
                    if run.paths.len() < 50 && !run.paths.contains(&path) {
                        run.paths.push(path);
                    }
                }
            }
            if truth == Truth::Yes && changes.is_none() && rule.get("exists").is_none() {
                break;
            }
            if truth == Truth::Yes && when == "never" {
                break;
            }
            left = if changes.is_some() { left } else { Truth::Perhaps };
        }
    }
    let automatically = [Occasion::Trunk, Occasion::Tag]
        .iter()
        .any(|occasion| automatic.may(*occasion));
    run.manual = by_hand.filter(|_| !automatically);
    run.ignored = ignored && run.occasions.any();
    run.occasions = with_requests(run.occasions);
    run.conditions_free = !rules.iter().any(|rule| rule.get("when").is_some());
    run
}

fn speaks_of(rule: &Node, occasion: Occasion) -> bool {
    let text = rule.text_of("if").unwrap_or_default();
    match occasion {
        Occasion::Schedule => text.contains("schedule"),
        Occasion::Manual => {
            ["web", "api", "trigger"].iter().any(|word| text.contains(word)) && text.contains("PIPELINE_SOURCE")
        }
        _ => false,
    }
}

fn speaks_of_requests(rule: &Node) -> bool {
    let text = rule.text_of("if").unwrap_or_default();
    text.contains("merge_request") || text.contains("CI_MERGE_REQUEST")
}

pub(super) fn only_except(only: Option<&Node>, except: Option<&Node>, names: &Names) -> Run {
    let mut run = Run {
        conditions_free: true,
        ..Run::default()
    };
    if only.is_none() && except.is_none() {
        run.occasions = by_default();
        return run;
    }
    let condition = |node: &Node, default: Condition| {
        let refs = if node.is_map() { node.get("refs") } else { Some(node) };
        let mut all = vec![match refs {
            Some(refs) => Condition::Any(refs.texts().iter().map(|text| reference(text)).collect()),
            None => default,
        }];
        if let Some(variables) = node.get("variables") {
            all.push(Condition::Any(
                variables
                    .texts()
                    .iter()
                    .map(|text| comparison::condition(text))
                    .collect(),
            ));
        }
        Condition::All(all)
    };
    let default = Condition::Started(vec![Occasion::Trunk, Occasion::Branch, Occasion::Tag]);
    let included = only.map_or(default.clone(), |only| condition(only, default));
    let excluded = except.map(|except| condition(except, Condition::Fixed(true)));
    if let Some(changes) = only.and_then(|only| only.get("changes")) {
        run.paths = changes.texts();
    }
    let mut all = vec![included];
    all.extend(excluded.map(Condition::negated));
    run.occasions = with_requests(Occasions::where_holds(&Condition::All(all), names));
    run.occasions.set(Occasion::Other, Truth::No);
    run.occasions.set(Occasion::Release, Truth::No);
    if !only.is_some_and(|only| format!("{only:?}").contains("web")) {
        run.occasions.set(Occasion::Manual, Truth::No);
    }
    if !only.is_some_and(|only| format!("{only:?}").contains("schedules")) {
        run.occasions.set(Occasion::Schedule, Truth::No);
    }
    run
}

/// A keyword or a name after `only:`.
fn reference(text: &str) -> Condition {
    match text {
        "branches" => Condition::Started(vec![Occasion::Trunk, Occasion::Branch]),
        "tags" => Condition::Started(vec![Occasion::Tag]),
        "merge_requests" | "external_pull_requests" => Condition::Started(vec![Occasion::Request]),
        "schedules" => Condition::Started(vec![Occasion::Schedule]),
        "web" | "api" | "triggers" | "pipelines" | "chat" => Condition::Started(vec![Occasion::Manual]),
        "pushes" => Condition::Started(vec![Occasion::Trunk, Occasion::Branch, Occasion::Tag]),
        _ => {
            let name = text.split('@').next().unwrap_or(text);
            let pattern = Pattern::slashed(name);
            let filter = Filter::one(pattern.clone());
            let as_tag = matches!(&pattern, Pattern::Regex(expression)
                if regex::Regex::new(expression).is_ok_and(|expression| ["v1.2.3", "1.2.3"].iter().any(|name| expression.is_match(name))));
            if as_tag {
                Condition::Any(vec![Condition::Branch(filter.clone()), Condition::Tag(filter)])
            } else {
                Condition::All(vec![
                    Condition::Branch(filter),
                    Condition::Started(vec![Occasion::Trunk, Occasion::Branch]),
                ])
            }
        }
    }
}
