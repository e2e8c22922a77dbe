//! The steps of a run as a graph: layers from left to right, drawn as inline SVG.
//!
//! Laying out is pure and deterministic: the layer of a step is its longest way from a first step;
//! within a layer, steps stand near what they need (the barycentre rule).

use std::collections::{BTreeMap, BTreeSet};

use facts::{StepName, Timestamp};
use maud::{Markup, html};

use crate::model::{PlannedStep, Step};
use crate::parts::mark::{Status, tone_word};
use crate::time;

/// More steps than this are a list only.
pub const MOST: usize = 120;

const WIDTH: usize = 172;
const HEIGHT: usize = 46;
const GAP_X: usize = 44;
const GAP_Y: usize = 14;
const EDGE: usize = 2;
const LONGEST_NAME: usize = 16;
const LONGEST_NOTE: usize = 22;

/// Where a step stands: its layer and its row in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    layer: usize,
    row: usize,
}

/// A graph laid out.
struct Layout {
    /// One for each step.
    spots: Vec<Spot>,
    /// For each need: from which step to which, and where the line passes the layers between.
    edges: Vec<(usize, usize, Vec<Spot>)>,
}

/// A step as it is drawn.
struct Box<'a> {
    name: &'a StepName,
    needs: &'a [StepName],
    /// How far it is; nothing for a step that is only planned.
    status: Option<Status>,
    done: bool,
    note: String,
    link: String,
}

/// The needs of each step, by index; names that are no step are left out.
fn needs(steps: &[Box<'_>]) -> Vec<Vec<usize>> {
    let index: BTreeMap<&str, usize> = steps
        .iter()
        .enumerate()
        .map(|(at, step)| (step.name.as_str(), at))
        .collect();
    steps
        .iter()
        .map(|step| {
            step.needs
                .iter()
                .filter_map(|need| index.get(need.as_str()).copied())
                .collect()
        })
        .collect()
}

/// The needs without those that follow from others: where a step needs one that needs `build`, its own need of `build`
/// says nothing more.
fn without_implied(needs: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    let layer = layers(&needs);
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|step| layer[*step]);
    // What is behind each step, directly or over others.
    let mut behind = vec![BTreeSet::new(); needs.len()];
    for step in order {
        let all = needs[step]
            .iter()
            .flat_map(|need| behind[*need].iter().copied().chain([*need]));
        behind[step] = all.collect::<BTreeSet<usize>>();
    }
    let mut kept = needs.clone();
    for (step, wanted) in needs.iter().enumerate() {
        kept[step].retain(|need| {
            !wanted
                .iter()
                .any(|other| other != need && behind[*other].contains(need))
        });
    }
    kept
}

/// The layer of each step: its longest way from a first step.
fn layers(needs: &[Vec<usize>]) -> Vec<usize> {
    // As many rounds as there are steps reach every longest way; a cycle, which a checked plan does
    // not have, would merely stop there.
    let mut layer = vec![0_usize; needs.len()];
    for _ in 0..needs.len() {
        let mut changed = false;
        for (step, before) in needs.iter().enumerate() {
            let at = before.iter().map(|need| layer[*need] + 1).max().unwrap_or(0);
            if at > layer[step] && at < needs.len() {
                layer[step] = at;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    layer
}

/// Lays the steps out. A need that skips layers has a place of its own in each, so that its line runs
/// past other steps and not through them.
fn layout(needs: &[Vec<usize>]) -> Layout {
    let mut layer = layers(needs);
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    let mut edges: Vec<(usize, usize, Vec<usize>)> = Vec::new();
    for (step, wanted) in needs.iter().enumerate() {
        for need in wanted {
            let (mut last, mut passed) = (*need, Vec::new());
            for between in layer[*need] + 1..layer[step] {
                layer.push(between);
                before.push(vec![last]);
                last = layer.len() - 1;
                passed.push(last);
            }
            before[step].push(last);
            edges.push((*need, step, passed));
        }
    }
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
    for (one, at) in layer.iter().enumerate() {
        members[*at].push(one);
    }
    let mut row = vec![0_usize; layer.len()];
    for column in &mut members {
        // Each stands at the mean row of what it needs; ties keep the order of the plan.
        let mean = |one: usize| match before[one].len() {
            0 => usize::MAX,
            many => before[one].iter().map(|need| row[*need] * 1_000).sum::<usize>() / many,
        };
        let mut keyed: Vec<(usize, usize)> = column.iter().map(|one| (mean(*one), *one)).collect();
        keyed.sort_unstable();
        for (at, (_, one)) in keyed.into_iter().enumerate() {
            row[one] = at;
        }
    }
    let spot = |one: usize| Spot {
        layer: layer[one],
        row: row[one],
    };
    Layout {
        spots: (0..needs.len()).map(spot).collect(),
        edges: edges
            .into_iter()
            .map(|(from, to, passed)| (from, to, passed.into_iter().map(spot).collect()))
            .collect(),
    }
}

/// The line of a need: out of one box, past the layers between, into the other.
fn curve(from: Spot, passed: &[Spot], to: Spot) -> String {
    let middle = |spot: Spot| corner(spot).1 + HEIGHT / 2;
    let bend = GAP_X / 2;
    let (mut x, mut y) = (corner(from).0 + WIDTH, middle(from));
    let mut path = format!("M{x} {y}");
    for spot in passed.iter().chain([&to]) {
        let (x2, y2) = (corner(*spot).0, middle(*spot));
        path.push_str(&format!("C{} {y} {} {y2} {x2} {y2}", x + bend, x2 - bend));
        (x, y) = (x2, y2);
        if passed.contains(spot) {
            x += WIDTH;
            path.push_str(&format!("H{x}"));
        }
    }
    path
}

fn corner(spot: Spot) -> (usize, usize) {
    (EDGE + spot.layer * (WIDTH + GAP_X), EDGE + spot.row * (HEIGHT + GAP_Y))
}

/// A text that fits, with so many letters at most.
fn fitting(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{}…", kept.trim_end())
}

/// The graph of a run; nothing where a list says it better: one step, or very many.
pub fn graph(now: Timestamp, steps: &[Step], link: impl Fn(&Step) -> String) -> Option<Markup> {
    let boxes = steps.iter().map(|step| {
        let status = Status::from(step.progress);
        Box {
            name: &step.name,
            needs: &step.needs,
            done: step.progress.is_finished(),
            note: step.took(now).map_or_else(|| status.word.to_owned(), time::length),
            status: Some(status),
            link: link(step),
        }
    });
    drawn(&boxes.collect::<Vec<_>>())
}

/// The graph of a plan, of which nothing has begun; nothing where a list says it better.
pub fn plan(steps: &[PlannedStep], link: &str) -> Option<Markup> {
    let boxes = steps.iter().map(|step| Box {
        name: &step.name,
        needs: &step.needs,
        status: None,
        done: false,
        note: fitting(&step.note, LONGEST_NOTE),
        link: link.to_owned(),
    });
    drawn(&boxes.collect::<Vec<_>>())
}

fn drawn(steps: &[Box<'_>]) -> Option<Markup> {
    if steps.len() < 2 || steps.len() > MOST {
        return None;
    }
    let Layout { spots, edges } = layout(&without_implied(needs(steps)));
    let passed = edges.iter().flat_map(|(_, _, passed)| passed);
    let all = || spots.iter().chain(passed.clone());
    let width = all().map(|spot| corner(*spot).0 + WIDTH).max().unwrap_or(0) + EDGE;
    let height = all().map(|spot| corner(*spot).1 + HEIGHT).max().unwrap_or(0) + EDGE;
    let edges: Vec<(String, bool)> = edges
        .iter()
        .map(|(from, to, passed)| (curve(spots[*from], passed, spots[*to]), steps[*from].done))
        .collect();
    Some(html! {
        div.scroll.graph-scroll tabindex="0" role="region" aria-label="Graph of the steps" {
            svg.graph width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                @for (path, done) in &edges { path class={ "edge" @if *done { " edge-done" } } d=(path) {} }
                @for (step, spot) in steps.iter().zip(&spots) { (one(step, *spot)) }
            }
        }
    })
}

fn one(step: &Box<'_>, spot: Spot) -> Markup {
    let (x, y) = corner(spot);
    let tone = step
        .status
        .as_ref()
        .map_or("quiet", |status| tone_word(status.mark.tone()));
    let text = x + if step.status.is_some() { 36 } else { 14 };
    let says = step.status.as_ref().map_or(step.note.as_str(), |status| status.word);
    html! {
        a.node href=(step.link) {
            title { (step.name) @if !says.is_empty() { ": " (says) } }
            rect class={ "node-box tone-" (tone) } x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="7" {}
            @if let Some(status) = &step.status {
                svg x=(x + 12) y=(y + 15) width="16" height="16" overflow="visible" { (status.mark.picture()) }
            }
            text.node-name x=(text) y=(y + 20) { (fitting(step.name.as_str(), LONGEST_NAME)) }
            text.node-note x=(text) y=(y + 36) { (step.note) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_stands_right_of_everything_it_needs() {
        let needs = vec![vec![], vec![0], vec![0], vec![1, 2], vec![0, 3]];
        let spots = layout(&needs).spots;
        for (step, before) in needs.iter().enumerate() {
            for need in before {
                assert!(spots[*need].layer < spots[step].layer);
            }
        }
        assert_ne!(spots[1], spots[2]);
    }

    #[test]
    fn a_need_that_follows_from_others_is_not_drawn() {
        let needs = vec![vec![], vec![0], vec![0, 1], vec![0, 1, 2], vec![0]];
        assert_eq!(without_implied(needs), [vec![], vec![0], vec![1], vec![2], vec![0]]);
        assert_eq!(
            without_implied(vec![vec![1], vec![0]]).len(),
            2,
            "a cycle does not hang it"
        );
    }

    #[test]
    fn a_cycle_does_not_hang_the_layout() {
        assert_eq!(layout(&[vec![1], vec![0]]).spots.len(), 2);
    }

    #[test]
    fn a_need_that_skips_a_layer_runs_past_the_steps_there() {
        let laid = layout(&[vec![], vec![0], vec![1], vec![0, 2]]);
        let (_, _, passed) = laid.edges.iter().find(|(from, to, _)| (*from, *to) == (0, 3)).unwrap();
        assert_eq!(passed.len(), 2);
        for spot in passed {
            assert!(!laid.spots.contains(spot));
        }
    }

    #[test]
    fn a_long_name_is_cut_with_an_ellipsis() {
        assert_eq!(fitting("build", LONGEST_NAME), "build");
        assert_eq!(fitting("a-very-long-step-name", LONGEST_NAME), "a-very-long-ste…");
    }

    #[test]
    fn a_plan_has_no_state_and_says_what_its_steps_do() {
        let step = |name: &str, needs: &[&str]| PlannedStep {
            name: name.parse().unwrap(),
            needs: needs.iter().map(|need| need.parse().unwrap()).collect(),
            note: format!("make {name}"),
        };
        let drawn = plan(&[step("build", &[]), step("test", &["build"])], "#file")
            .unwrap()
            .into_string();
        assert!(
            drawn.contains("make test") && drawn.contains("href=\"#file\""),
            "{drawn}"
        );
        assert!(!drawn.contains("not yet") && !drawn.contains("class=\"mark"), "{drawn}");
    }
}
