//! The steps of a run as a graph: layers from left to right, drawn as inline SVG.
//!
//! Laying out is pure and deterministic: the layer of a step is its longest way from a first step;
//! within a layer, steps stand near what they need (two passes of the barycentre rule).

use std::collections::BTreeMap;

use facts::Timestamp;
use maud::{Markup, html};

use crate::model::Step;
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

/// Where each step stands: its layer and its row in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    layer: usize,
    row: usize,
}

/// The needs of each step, by index; names that are no step are left out.
fn needs(steps: &[Step]) -> Vec<Vec<usize>> {
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

/// Lays the steps out.
fn layout(needs: &[Vec<usize>]) -> Vec<Spot> {
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
    let layers = layer.iter().max().map_or(0, |last| last + 1);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); layers];
    for (step, at) in layer.iter().enumerate() {
        rows[*at].push(step);
    }
    let mut place = vec![0_usize; needs.len()];
    for _ in 0..2 {
        for members in &mut rows {
            let weight = |step: usize| -> usize {
                let before = &needs[step];
                match before.len() {
                    0 => usize::MAX,
                    many => before.iter().map(|need| place[*need] * 1_000).sum::<usize>() / many,
                }
            };
            let mut keyed: Vec<(usize, usize)> = members.iter().map(|step| (weight(*step), *step)).collect();
            keyed.sort_unstable();
            *members = keyed.into_iter().map(|(_, step)| step).collect();
            for (row, step) in members.iter().enumerate() {
                place[*step] = row;
            }
        }
    }
    layer
        .into_iter()
        .zip(place)
        .map(|(layer, row)| Spot { layer, row })
        .collect()
}

fn corner(spot: Spot) -> (usize, usize) {
    (EDGE + spot.layer * (WIDTH + GAP_X), EDGE + spot.row * (HEIGHT + GAP_Y))
}

/// A name that fits its box.
fn fitting(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    let kept: String = name.chars().take(LONGEST_NAME - 1).collect();
    format!("{kept}…")
}

/// The graph; nothing where a list says it better: one step, or very many.
pub fn graph(now: Timestamp, steps: &[Step], link: impl Fn(&Step) -> String) -> Option<Markup> {
    if steps.len() < 2 || steps.len() > MOST {
        return None;
    }
    let needs = needs(steps);
    let spots = layout(&needs);
    let width = spots.iter().map(|spot| corner(*spot).0 + WIDTH).max().unwrap_or(0) + EDGE;
    let height = spots.iter().map(|spot| corner(*spot).1 + HEIGHT).max().unwrap_or(0) + EDGE;
    let edges: Vec<(String, bool)> = needs
        .iter()
        .enumerate()
        .flat_map(|(step, before)| before.iter().map(move |need| (*need, step)))
        .map(|(need, step)| {
            let (from, to) = (corner(spots[need]), corner(spots[step]));
            let (x1, y1) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
            let (x2, y2) = (to.0, to.1 + HEIGHT / 2);
            let bend = GAP_X / 2;
            let path = format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + bend, x2 - bend);
            (path, steps[need].progress.is_finished())
        })
        .collect();
    Some(html! {
        div.scroll.graph-scroll tabindex="0" role="region" aria-label="Graph of the steps" {
            svg.graph width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                @for (path, done) in &edges { path class={ "edge" @if *done { " edge-done" } } d=(path) {} }
                @for (step, spot) in steps.iter().zip(&spots) {
                    @let status = Status::from(step.progress);
                    @let (x, y) = corner(*spot);
                    a.node href=(link(step)) {
                        title { (step.name) ": " (status.word) }
                        rect class={ "node-box tone-" (tone_word(status.mark.tone())) }
                            x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="7" {}
                        svg x=(x + 12) y=(y + 15) width="16" height="16" overflow="visible" { (status.mark.picture()) }
                        text.node-name x=(x + 36) y=(y + 20) { (fitting(step.name.as_str())) }
                        text.node-note x=(x + 36) y=(y + 36) {
                            @match step.took(now) {
                                Some(took) => (time::length(took)),
                                None => (status.word),
                            }
                        }
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_stands_right_of_everything_it_needs() {
        let needs = vec![vec![], vec![0], vec![0], vec![1, 2], vec![0, 3]];
        let spots = layout(&needs);
        for (step, before) in needs.iter().enumerate() {
            for need in before {
                assert!(spots[*need].layer < spots[step].layer);
            }
        }
        assert_ne!(spots[1], spots[2]);
    }

    #[test]
    fn a_cycle_does_not_hang_the_layout() {
        assert_eq!(layout(&[vec![1], vec![0]]).len(), 2);
    }

    #[test]
    fn a_long_name_is_cut_with_an_ellipsis() {
        assert_eq!(fitting("build"), "build");
        assert_eq!(fitting("a-very-long-step-name").chars().count(), LONGEST_NAME);
    }
}
