//! Times what `throughline assess` does, but for drawing: history and files, judging, next steps with their lines, and
//! the months before. Says how much memory there was at most.
//!
//! `cargo run --release -p maturity --example assess -- PATH [MONTHS [DATE]]`

use std::path::PathBuf;
use std::time::Instant;

use evidence::{Component, Tree, Value};
use maturity::advice::Site;
use maturity::next::{self, Ground};
use maturity::{Model, Profile, Statements};
use survey::{AsOf, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().unwrap_or_else(|| ".".to_owned()));
    let months: i64 = arguments.next().map(|months| months.parse()).transpose()?.unwrap_or(0);
    #[expect(clippy::disallowed_methods, reason = "the moment is now; nothing is decided by it")]
    let now = jiff::Timestamp::now();
    let at: Option<jiff::civil::Date> = arguments.next().map(|date| date.parse()).transpose()?;
    let last = at.unwrap_or_else(|| now.to_zoned(jiff::tz::TimeZone::UTC).date());
    let options = Options {
        as_of: at.map_or(AsOf::Now(now), AsOf::EndOf),
        ..Options::now(now)
    };
    let moments: Vec<AsOf> = (1..=months)
        .map(|back| AsOf::EndOf(last.saturating_sub(jiff::Span::new().days(30 * back))))
        .collect();
    let start = Instant::now();
    let (survey, earlier) = survey::survey_with_timeline(&path, &options, &moments, &())?;
    let read = start.elapsed();
    let (model, statements) = (Model::shipped(), Statements::default());
    let mut steps = 0;
    for evidence in std::iter::once(&survey.repository).chain(&survey.components) {
        let profile = Profile::of(evidence, &model, &statements);
        let Some(tree) = &survey.tree else { continue };
        let trunk = match evidence
            .measures
            .get("history.default_branch")
            .map(|measure| &measure.value)
        {
            Some(Value::Text(name)) => Some(name.as_str()),
            _ => None,
        };
        let workflows = workflow::read(tree, trunk);
        let of: Option<&Component> = evidence.subject.component.as_ref();
        let site = Site {
            tree,
            workflows: &workflows,
            evidence,
            pipelines: &|tree: &dyn Tree| workflow::measures(&workflow::read(tree, trunk), of),
            files: &|tree: &dyn Tree| inventory::measures(&inventory::read(tree), of),
        };
        let ground = Ground {
            profile: &profile,
            evidence,
            model: &model,
            statements: &statements,
        };
        steps += next::steps(ground, 5, &|recipe| site.propose(recipe)).len();
    }
    for survey in &earlier {
        drop(Profile::of(&survey.repository, &model, &statements));
    }
    let all = start.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("?");
    println!(
        "{}: {:.2} s, of which reading {:.2} s; {} components, {steps} steps, {} earlier months; at most {} of memory",
        path.display(),
        all.as_secs_f64(),
        read.as_secs_f64(),
        survey.components.len(),
        earlier.len(),
        peak.trim()
    );
    Ok(())
}
