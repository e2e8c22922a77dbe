//! Checks a model beyond its shape, and compiles its rules.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Stream, vocabulary};
use facts::Digest;
use pipeline::placed::{Placed, Step};
use pipeline::{Diagnostic, Diagnostics};
use policy::nearest::nearest;

use super::file::{self, File, Need};
use super::{Category, Model, NotMet, Practice};
use crate::rule::{Limits, Rule};

use Step::{Element, Key};

/// Compiles what was read.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn compile(placed: &Placed<File>, digest: Digest) -> Result<Model, Diagnostics> {
    let mut check = Check {
        placed,
        wrong: Vec::new(),
        ids: BTreeMap::new(),
    };
    let categories = check.categories();
    check.metrics();
    check.cycles();
    Diagnostics::none_of(check.wrong)?;
    let file = &placed.value;
    Ok(Model {
        name: file.name.clone(),
        revision: file.revision,
        digest,
        window_days: file.window,
        metrics: file.metrics.clone(),
        categories,
    })
}

struct Check<'a> {
    placed: &'a Placed<File>,
    wrong: Vec<Diagnostic>,
    /// The places of all practices by their ids.
    ids: BTreeMap<&'a str, (usize, usize)>,
}

impl<'a> Check<'a> {
    fn say(&mut self, way: &[Step<'_>], message: String, hint: Option<String>) {
        self.wrong.push(self.placed.at(way, message, hint));
    }

    fn categories(&mut self) -> Vec<Category> {
        let file = &self.placed.value;
        let mut keys = BTreeSet::new();
        for (c, category) in file.categories.iter().enumerate() {
            if !keys.insert(category.key.as_str()) {
                let way = [Key("categories"), Element(c), Key("key")];
                self.say(&way, format!("there is another category `{}`", category.key), None);
            }
            for (p, practice) in category.practices.iter().enumerate() {
                if self.ids.insert(&practice.id, (c, p)).is_some() {
                    let way = way(c, p, "id");
                    self.say(&way, format!("there is another practice `{}`", practice.id), None);
                }
            }
        }
        let mut categories = Vec::new();
        for (c, category) in file.categories.iter().enumerate() {
            let at = [Key("categories"), Element(c), Key("when")];
            let when = category
                .when
                .as_deref()
                .and_then(|source| self.rule(&at, source, &Limits::new()));
            let mut practices: Vec<Practice> = category
                .practices
                .iter()
                .enumerate()
                .map(|(p, practice)| self.practice(c, p, practice))
                .collect();
            practices.sort_by(|a, b| (a.level, &a.id).cmp(&(b.level, &b.id)));
            categories.push(Category {
                key: category.key.clone(),
                name: category.name.clone(),
                about: category.about.clone(),
                when,
                practices,
            });
        }
        categories
    }

    fn practice(&mut self, c: usize, p: usize, practice: &file::Practice) -> Practice {
        let met = practice
            .met
            .as_deref()
            .and_then(|source| self.rule(&way(c, p, "met"), source, &practice.limits));
        let when = practice
            .when
            .as_deref()
            .and_then(|source| self.rule(&way(c, p, "when"), source, &practice.limits));
        let not_met = match practice.not_met.as_deref() {
            None if practice.met.is_some() => NotMet::Otherwise,
            None => NotMet::Never,
            Some("never") => NotMet::Never,
            Some(source) => self
                .rule(&way(c, p, "not_met"), source, &practice.limits)
                .map_or(NotMet::Never, NotMet::When),
        };
        if practice.met.is_none() && practice.proof.is_none() {
            let message = format!("`{}` has neither `met` nor `proof`", practice.id);
            let hint = "write the rule that meets it, or say in `proof` what would show it".to_owned();
            let at = self.placed.at_key(
                &[Key("categories"), Element(c), Key("practices"), Element(p)],
                "id",
                message,
                Some(hint),
            );
            self.wrong.push(at);
        }
        self.limits(c, p, practice);
        for (key, names) in [("show", &practice.show), ("beside", &practice.beside)] {
            for (n, name) in names.iter().enumerate() {
                let mut at = way(c, p, key).to_vec();
                at.push(Element(n));
                self.measure(&at, name);
            }
        }
        for name in practice.sample.keys() {
            self.sample(c, p, name);
        }
        for (key, ids) in [("satisfied_by", &practice.satisfied_by), ("after", &practice.after)] {
            for (n, id) in ids.iter().enumerate() {
                if !self.ids.contains_key(id.as_str()) {
                    let mut at = way(c, p, key).to_vec();
                    at.push(Element(n));
                    let hint = nearest(id, self.ids.keys().copied()).map(|near| format!("did you mean `{near}`?"));
                    self.say(&at, format!("there is no practice `{id}`"), hint);
                }
            }
        }
        for (n, metric) in practice.moves.iter().enumerate() {
            let metrics = &self.placed.value.metrics;
            if !metrics.contains_key(metric) {
                let mut at = way(c, p, "moves").to_vec();
                at.push(Element(n));
                let hint = match nearest(metric, metrics.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "declare it under `metrics`".to_owned(),
                };
                self.say(&at, format!("there is no metric `{metric}`"), Some(hint));
            }
        }
        Practice {
            id: practice.id.clone(),
            level: practice.level,
            name: practice.name.clone(),
            why: practice.why.clone(),
            class: practice.class,
            needs: practice.needs.iter().map(|need| stream(*need)).collect(),
            limits: practice.limits.clone(),
            sample: practice.sample.clone(),
            when,
            met,
            not_met,
            show: practice.show.clone(),
            proof: practice.proof.clone(),
            satisfied_by: practice.satisfied_by.clone(),
            after: practice.after.clone(),
            beside: practice.beside.clone(),
            tensions: practice.tensions.clone(),
            moves: practice.moves.clone(),
            effort: practice.effort,
            value: practice.value,
            instruction: practice.instruction.clone(),
            recipe: practice.recipe,
        }
    }

    /// A limit that no rule names would change nothing.
    fn limits(&mut self, c: usize, p: usize, practice: &file::Practice) {
        let used: BTreeSet<String> = [&practice.met, &practice.not_met, &practice.when]
            .into_iter()
            .flatten()
            .filter_map(|source| Rule::compile(source, &practice.limits).ok())
            .flat_map(|rule| rule.limits().collect::<Vec<_>>())
            .collect();
        for name in practice.limits.keys().filter(|name| !used.contains(*name)) {
            let at = self.placed.at_key(
                &way(c, p, "limits"),
                name,
                format!("no rule of `{}` names the limit `{name}`", practice.id),
                Some(format!("use it as `limit.{name}`, or remove it")),
            );
            self.wrong.push(at);
        }
    }

    fn sample(&mut self, c: usize, p: usize, name: &str) {
        if vocabulary::find(name).is_none() {
            let at = self.placed.at_key(
                &way(c, p, "sample"),
                name,
                format!("there is no measure `{name}`"),
                near_measure(name),
            );
            self.wrong.push(at);
        }
    }

    fn measure(&mut self, at: &[Step<'_>], name: &str) {
        if vocabulary::find(name).is_none() {
            self.say(at, format!("there is no measure `{name}`"), near_measure(name));
        }
    }

    fn rule(&mut self, at: &[Step<'_>], source: &str, limits: &Limits) -> Option<Rule> {
        Rule::compile(source, limits)
            .map_err(|error| {
                let diagnostic = self
                    .placed
                    .inside(at, (error.line, error.column), error.message, error.hint);
                self.wrong.push(diagnostic);
            })
            .ok()
    }

    fn metrics(&mut self) {
        for (name, metric) in &self.placed.value.metrics {
            if let Some(measure) = &metric.shown_by {
                self.measure(&[Key("metrics"), Key(name), Key("shown_by")], measure);
            }
        }
    }

    /// No practice may be its own stronger practice, or come before itself.
    fn cycles(&mut self) {
        for (key, edges) in [
            ("satisfied_by", self.edges(|practice| &practice.satisfied_by)),
            ("after", self.edges(|practice| &practice.after)),
        ] {
            let mut told = BTreeSet::new();
            for start in edges.keys() {
                let Some(circle) = circle(start, &edges) else { continue };
                let mut members = circle.clone();
                members.sort_unstable();
                if !told.insert(members) {
                    continue;
                }
                let (c, p) = self.ids[start];
                let shown = circle
                    .iter()
                    .chain(circle.first())
                    .copied()
                    .collect::<Vec<_>>()
                    .join(" -> ");
                let hint = format!("remove one of these from `{key}`");
                self.say(
                    &way(c, p, key),
                    format!("`{key}` goes in a circle: {shown}"),
                    Some(hint),
                );
            }
        }
    }

    fn edges(&self, of: impl Fn(&'a file::Practice) -> &'a Vec<String>) -> BTreeMap<&'a str, Vec<&'a str>> {
        let file: &'a File = &self.placed.value;
        file.categories
            .iter()
            .flat_map(|category| &category.practices)
            .map(|practice| (practice.id.as_str(), of(practice).iter().map(String::as_str).collect()))
            .collect()
    }
}

/// The way that leads from `start` back to it, if one does.
fn circle<'a>(start: &'a str, edges: &BTreeMap<&'a str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let last = way.last().copied().unwrap_or(start);
        for next in edges.get(last).into_iter().flatten() {
            if *next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                let mut longer = way.clone();
                longer.push(next);
                ways.push(longer);
            }
        }
    }
    None
}

fn way(category: usize, practice: usize, key: &str) -> [Step<'_>; 5] {
    [
        Key("categories"),
        Element(category),
        Key("practices"),
        Element(practice),
        Key(key),
    ]
}

fn near_measure(name: &str) -> Option<String> {
    Some(match nearest(name, vocabulary::all().map(|declared| declared.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "docs/evidence.md names all measures".to_owned(),
    })
}

fn stream(need: Need) -> Stream {
    match need {
        Need::History => Stream::History,
        Need::Files => Stream::Files,
        Need::Pipelines => Stream::Pipelines,
        Need::Runs => Stream::Runs,
        Need::Deployments => Stream::Deployments,
        Need::Tickets => Stream::Tickets,
        Need::Operations => Stream::Operations,
    }
}
