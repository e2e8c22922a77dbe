//! What ran when, as bands: the table below says the same in words.

use facts::Timestamp;
use maud::{Markup, html};

use crate::model::{DeploymentKind, DeploymentLine, Outcome, Progress};
use crate::parts::small;
use crate::time;

/// The width of a band, in its own units.
const WIDTH: f64 = 1000.0;
/// No stay is drawn narrower.
const NARROWEST: f64 = 3.0;

/// A package's stay.
struct Stay<'a> {
    line: &'a DeploymentLine,
    from: Timestamp,
    until: Timestamp,
}

/// The stays of a component, oldest first.
fn stays<'a>(lines: &'a [DeploymentLine], component: &facts::ComponentName, now: Timestamp) -> Vec<Stay<'a>> {
    let mut stays = Vec::new();
    let mut until = now;
    // The lines come newest first: each stay ends where the next begins.
    for line in lines.iter().filter(|line| line.component == *component) {
        let (Progress::Finished(Outcome::Succeeded), Some(from)) = (line.progress, line.finished_at) else {
            continue;
        };
        stays.push(Stay { line, from, until });
        until = from;
    }
    stays.reverse();
    stays
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_millisecond() - from.as_millisecond()).max(0) as f64 / 1000.0
}

/// The bands of all components that came to the environment; nothing where there is no history.
pub fn bands(now: Timestamp, lines: &[DeploymentLine]) -> Markup {
    let mut components: Vec<_> = lines.iter().map(|line| &line.component).collect();
    components.sort_unstable();
    components.dedup();
    let all: Vec<_> = components
        .into_iter()
        .map(|component| (component, stays(lines, component, now)))
        .filter(|(_, stays)| !stays.is_empty())
        .collect();
    let first = all
        .iter()
        .filter_map(|(_, stays)| stays.first())
        .map(|stay| stay.from)
        .min();
    let Some(first) = first.filter(|_| lines.len() > 1) else {
        return html! {};
    };
    let whole = seconds(first, now).max(1.0);
    html! {
        figure.history {
            @for (component, stays) in &all {
                p.history-name { (component) }
                svg.history-band viewBox={ "0 0 " (WIDTH) " 24" } preserveAspectRatio="none" role="img"
                    aria-label={ (component) ": " (small::plural(stays.len(), "package", "packages")) " one after another" } {
                    @for (index, stay) in stays.iter().enumerate() {
                        @let x = seconds(first, stay.from) / whole * WIDTH;
                        @let width = (seconds(stay.from, stay.until) / whole * WIDTH).max(NARROWEST);
                        @let x = x.min(WIDTH - width);
                        rect.stay.second[index % 2 == 1].back[stay.line.kind == DeploymentKind::Return]
                            x=(format!("{x:.1}")) y="0" width=(format!("{width:.1}")) height="24" {
                            title { (title(stay, now)) }
                        }
                    }
                }
            }
            figcaption { span { (time::ago(now, first)) } span { "now" } }
        }
    }
}

fn title(stay: &Stay<'_>, now: Timestamp) -> String {
    let version = stay.line.change.version.as_ref();
    let name = version.map_or_else(|| stay.line.change.commit.short().to_owned(), ToString::to_string);
    let how = match stay.line.kind {
        DeploymentKind::Return => ", brought back",
        DeploymentKind::Promotion => ", promoted",
        DeploymentKind::Automatic => "",
    };
    let length = time::length(time::between(stay.from, stay.until));
    match stay.until == now {
        true => format!("{name}{how}: for {length} until now"),
        false => format!("{name}{how}: for {length}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn each_stay_ends_where_the_next_begins_and_failures_are_no_stays() {
        let page = sample::environment();
        let cart = sample::component("shop/cart");
        let stays = stays(&page.deployments, &cart, sample::now());
        assert!(stays.len() >= 2);
        for pair in stays.windows(2) {
            assert_eq!(pair[0].until, pair[1].from);
        }
        assert_eq!(stays.last().map(|stay| stay.until), Some(sample::now()));
        assert!(
            stays
                .iter()
                .all(|stay| stay.line.progress == Progress::Finished(Outcome::Succeeded))
        );
    }
}
