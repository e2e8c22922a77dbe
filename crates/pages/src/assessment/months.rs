//! How the profile grew: one small picture for each category, the band between what was sure and what
//! was possible, and the number of practices held.

use maud::{Markup, html};

use crate::model::assessment::{Assessment, Month, Reach};

/// The width of a month and the height of a level, in the units of the picture.
const MONTH: usize = 24;
const LEVEL: usize = 12;

pub(super) fn months(assessment: &Assessment) -> Markup {
    let (Some(first), Some(last)) = (assessment.months.first(), assessment.months.last()) else {
        return html! {};
    };
    html! {
        section aria-labelledby="months" {
            div.heading { h2 id="months" { "Month by month" } span.heading-end { (first.name) " to " (last.name) } }
            ul.months {
                @for reach in &last.reach { (category(&assessment.months, reach, assessment.levels.len())) }
            }
        }
    }
}

fn category(months: &[Month], now: &Reach, levels: usize) -> Markup {
    let then: Vec<Option<&Reach>> = months
        .iter()
        .map(|month| month.reach.iter().find(|reach| reach.key == now.key))
        .collect();
    let (width, height) = (months.len() * MONTH, levels * LEVEL);
    let y = |level: Option<usize>| height - level.map_or(0, |level| (level + 1) * LEVEL);
    html! {
        li.month-picture {
            div.month-head { span { (now.name) } span.faint { (now.held) " of " (now.of) " held" } }
            svg viewBox={ "0 0 " (width) " " (height) } preserveAspectRatio="none" role="img"
                aria-label={ (now.name) ": " @for (month, reach) in months.iter().zip(&then) {
                    (month.name) " " (reach.map_or(0, |reach| reach.held)) " held; "
                } } {
                @for level in 0..=levels { path.tick d={ "M0 " (level * LEVEL) "H" (width) } {} }
                @for (n, reach) in then.iter().enumerate() {
                    @if let Some(reach) = reach {
                        @let (low, high) = (y(reach.at_least), y(reach.at_most));
                        @if low > high { rect.band x=(n * MONTH) y=(high) width=(MONTH) height=(low - high) {} }
                        @if height > low { rect.held x=(n * MONTH) y=(low) width=(MONTH) height=(height - low) {} }
                        path.sure d={ "M" (n * MONTH) " " (low) "h" (MONTH) } {}
                    }
                }
            }
        }
    }
}
