//! What is where, and what differs.

use super::paint::{Table, Tone, clean, paint, short};
use super::run::short_run;
use super::section;
use super::time::length;
use crate::printer::Sight;
use crate::wire::{Difference, EnvironmentLine, Environments, Placed};

/// All environments with what they hold.
pub fn environments(environments: &Environments, sight: &Sight) -> String {
    let mut text = String::new();
    for environment in &environments.environments {
        section(&mut text, &clean(&environment.name));
        text.truncate(text.trim_end().len());
        text.push_str(&paint(Tone::Quiet, &format!("  {}", rules(environment))));
        text.push('\n');
        text.push_str(&held(environment, sight));
    }
    if text.is_empty() {
        "No environment yet.\n".to_owned()
    } else {
        text
    }
}

fn rules(environment: &EnvironmentLine) -> String {
    let mut parts = Vec::new();
    if !environment.after.is_empty() {
        parts.push(format!(
            "after {}",
            environment
                .after
                .iter()
                .map(|name| clean(name))
                .collect::<Vec<_>>()
                .join(" and ")
        ));
    }
    parts.push(clean(&environment.strategy));
    if environment.soak_seconds > 0 {
        parts.push(format!(
            "soaks {}",
            length(std::time::Duration::from_secs(environment.soak_seconds))
        ));
    }
    parts.join(" · ")
}

fn held(environment: &EnvironmentLine, sight: &Sight) -> String {
    if environment.components.is_empty() {
        return format!(
            "  {} {}\n",
            paint(Tone::Quiet, "○"),
            paint(Tone::Quiet, "nothing here yet")
        );
    }
    let mut table = Table::new(&["", "", "", "", "", "", ""]).indented(2);
    for placed in &environment.components {
        let (sign, tone, state) = state(placed);
        table.row([
            (tone, sign.to_owned()),
            (Tone::Plain, placed.component.clone()),
            (
                if placed.package.is_some() {
                    Tone::Strong
                } else {
                    Tone::Quiet
                },
                version(placed),
            ),
            (
                Tone::Quiet,
                placed.commit.as_deref().map(short).unwrap_or_default().to_owned(),
            ),
            (tone, state),
            (Tone::Quiet, placed.since.map(|at| sight.ago(at)).unwrap_or_default()),
            (Tone::Plain, placed.url.clone().unwrap_or_default()),
        ]);
        // Traffic and what is coming stand below, so the lines are made one by one.
    }
    let mut text = String::new();
    for (line, placed) in table.render(None).lines().zip(&environment.components) {
        text.push_str(line);
        text.push('\n');
        text.push_str(&below(placed));
    }
    text
}

fn version(placed: &Placed) -> String {
    placed
        .version
        .clone()
        .or_else(|| placed.package.map(|package| package.short()))
        .unwrap_or_else(|| "nothing yet".to_owned())
}

fn state(placed: &Placed) -> (&'static str, Tone, String) {
    let sick = placed.traffic.iter().any(|group| group.healthy < group.instances);
    if placed.package.is_none() {
        ("○", Tone::Quiet, String::new())
    } else if sick {
        ("✗", Tone::Bad, "not well".to_owned())
    } else if placed.proven {
        ("●", Tone::Good, "proven".to_owned())
    } else {
        ("●", Tone::Busy, "not proven yet".to_owned())
    }
}

/// What comes, and how the requests are shared.
fn below(placed: &Placed) -> String {
    let mut text = String::new();
    if let Some(coming) = &placed.coming {
        let run = placed
            .run
            .map(|run| format!("  run {}", short_run(run)))
            .unwrap_or_default();
        text.push_str(&format!(
            "    {} {}{}\n",
            paint(Tone::Busy, "◐"),
            paint(Tone::Busy, &format!("{} is on its way", clean(coming))),
            paint(Tone::Quiet, &run)
        ));
    }
    let total: u32 = placed.traffic.iter().map(|group| group.weight).sum();
    let worth_telling = placed.traffic.len() > 1 || placed.traffic.iter().any(|group| group.healthy < group.instances);
    if worth_telling {
        for group in &placed.traffic {
            let share = if total == 0 {
                0
            } else {
                u64::from(group.weight) * 100 / u64::from(total)
            };
            let well = group.healthy == group.instances;
            let instances = format!("{} of {} well", group.healthy, group.instances);
            text.push_str(&format!(
                "      {:<9} {:>3} % of requests  {}  {}\n",
                clean(&group.group),
                share,
                paint(if well { Tone::Plain } else { Tone::Bad }, &instances),
                paint(Tone::Quiet, &group.package.short()),
            ));
        }
    }
    text
}

/// What differs between two environments.
pub fn difference(difference: &Difference, sight: &Sight) -> String {
    let (left, right) = (clean(&difference.left), clean(&difference.right));
    if difference.differing.is_empty() {
        return format!("{left} and {right} do not differ.\n");
    }
    let mut text = String::new();
    let mut components: Vec<Option<&str>> = Vec::new();
    for each in &difference.differing {
        if !components.contains(&each.component.as_deref()) {
            components.push(each.component.as_deref());
        }
    }
    for component in components {
        section(
            &mut text,
            &component.map_or_else(|| "The environments themselves".to_owned(), clean),
        );
        let mut table = Table::new(&["", "", "", ""]).indented(2);
        table.row([
            (Tone::Plain, String::new()),
            (Tone::Quiet, left.clone()),
            (Tone::Plain, String::new()),
            (Tone::Quiet, right.clone()),
        ]);
        for each in difference
            .differing
            .iter()
            .filter(|each| each.component.as_deref() == component)
        {
            let value = |value: &Option<String>| {
                value.as_deref().map_or_else(
                    || (Tone::Quiet, "–".to_owned()),
                    |value| (Tone::Strong, readable(value)),
                )
            };
            table.row([
                (Tone::Plain, each.what.clone()),
                value(&each.left),
                (Tone::Quiet, "→".to_owned()),
                value(&each.right),
            ]);
        }
        text.push_str(&table.render(sight.width));
    }
    text
}

/// A digest by its first digits, everything else as it is.
fn readable(value: &str) -> String {
    match value.parse::<facts::Digest>() {
        Ok(digest) => format!("sha256:{}", digest.short()),
        Err(_) => value.to_owned(),
    }
}
