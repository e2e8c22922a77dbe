//! What must hold at the end, whoever died on the way: the ledger is whole, nothing acknowledged is lost,
//! and what the recorder noted is what the ledger says, once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::recorder::Applied;
use super::{World, list, text};

/// What came about, in numbers.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub facts: usize,
    pub runs: usize,
    pub deployments: usize,
    pub effects: usize,
    pub applications: usize,
    pub acknowledged: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.facts += other.facts;
        self.runs += other.runs;
        self.deployments += other.deployments;
        self.effects += other.effects;
        self.applications += other.applications;
        self.acknowledged += other.acknowledged;
    }
}

/// Facts by their kind: of which stream, and with which body.
type Facts = BTreeMap<String, Vec<(String, Value)>>;

/// Checks everything once nothing is open any more. An error says what came out otherwise.
pub fn check(world: &World) -> Result<Counts, String> {
    ledger_is_whole(world)?;
    let export = world.house.get("ledger/export")?;
    let lines: Vec<Value> = export
        .as_str()
        .unwrap_or_default()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let mut facts = Facts::new();
    for line in &lines {
        let fact = &line["fact"];
        let of_kind = facts.entry(text(fact, "kind")).or_default();
        of_kind.push((text(fact, "stream"), fact["body"].clone()));
    }
    acknowledged_is_there(world, &facts)?;
    let runs = runs_end_once(&facts)?;
    let deployments = generations_come_once(&facts)?;
    let effects = effects_come_once(world, &facts)?;
    let applications = applications_come_once(world, &facts)?;
    Ok(Counts {
        facts: lines.len(),
        runs,
        deployments,
        effects,
        applications,
        acknowledged: world.acknowledged.count(),
    })
}

fn of<'a>(facts: &'a Facts, kind: &str) -> &'a [(String, Value)] {
    facts.get(kind).map(Vec::as_slice).unwrap_or_default()
}

/// Every fact is as it was recorded, the checkpoints that were handed out hold, no rule is broken, and views are
/// what the facts say.
pub fn ledger_is_whole(world: &World) -> Result<(), String> {
    let house = &world.house;
    house.until("every fact checked against the rules", || {
        let metrics = house.metrics()?;
        Ok((metrics["throughline_invariants_position"] >= metrics["throughline_facts_total"]).then_some(()))
    })?;
    let kept: Vec<Value> = world
        .acknowledged
        .checkpoints
        .iter()
        .map(|made| json!({ "ledger": made["ledger"], "position": made["position"], "hash": made["hash"] }))
        .collect();
    let verified = house.ask("POST", "ledger/verify", &json!({ "checkpoints": kept }).to_string())?;
    if verified["verified"] != true || verified["checkpoints"] != kept.len() {
        return Err(format!(
            "the ledger is not whole, with {} checkpoints: {verified}",
            kept.len()
        ));
    }
    let rebuilt = list(&house.ask("POST", "ledger/rebuild", "{}")?, "views");
    let differed: Vec<&Value> = rebuilt.iter().filter(|view| view["differed"] != false).collect();
    if rebuilt.is_empty() || !differed.is_empty() {
        return Err(format!("of {} views differ: {differed:?}", rebuilt.len()));
    }
    Ok(())
}

/// What the server said yes to is in the ledger.
fn acknowledged_is_there(world: &World, facts: &Facts) -> Result<(), String> {
    if let Some(broken) = of(facts, "invariant.broken").first() {
        return Err(format!("a rule is broken: {broken:?}"));
    }
    let acknowledged = &world.acknowledged;
    let arrived: BTreeSet<String> = of(facts, "change.arrived")
        .iter()
        .map(|(_, body)| text(body, "commit"))
        .collect();
    for (component, commit) in &acknowledged.pushes {
        if !arrived.contains(commit) {
            return Err(format!("{commit} of {component} was pushed, and is not in the ledger"));
        }
    }
    let tokens = list(&world.house.get("tokens")?, "tokens");
    for id in &acknowledged.tokens {
        if !tokens.iter().any(|token| token["id"] == id.as_str()) {
            return Err(format!("the token {id} was made, and is not there"));
        }
    }
    for run in &acknowledged.cancelled {
        let stream = format!("run/{run}");
        if !of(facts, "run.cancel-requested").iter().any(|(of, _)| *of == stream) {
            return Err(format!("{run} was cancelled, and the ledger does not know it"));
        }
    }
    for (run, step) in &acknowledged.answers {
        let stream = format!("run/{run}");
        let mut resolved = of(facts, "step.resolved").iter();
        if !resolved.any(|(of, body)| *of == stream && body["step"] == step.as_str()) {
            return Err(format!(
                "the end of {step} of {run} was told, and the ledger does not know it"
            ));
        }
    }
    Ok(())
}

/// A commit is built once, and each run ends once.
fn runs_end_once(facts: &Facts) -> Result<usize, String> {
    let mut builds = BTreeSet::new();
    for (run, body) in of(facts, "run.requested") {
        if body["kind"] == "build" && !builds.insert((text(body, "component"), text(body, "commit"))) {
            return Err(format!("a commit is built a second time: {run} {body}"));
        }
    }
    let requested = of(facts, "run.requested").iter();
    let requested: BTreeSet<&String> = requested.map(|(run, _)| run).collect();
    let finished: Vec<&String> = of(facts, "run.finished").iter().map(|(run, _)| run).collect();
    let ended: BTreeSet<&String> = finished.iter().copied().collect();
    if requested != ended || ended.len() != finished.len() {
        let open: Vec<_> = requested.difference(&ended).collect();
        return Err(format!(
            "of {} runs {} ended, in {} ends; open are {open:?}",
            requested.len(),
            ended.len(),
            finished.len()
        ));
    }
    Ok(requested.len())
}

/// Each generation of a component in an environment is intended once and ends once.
fn generations_come_once(facts: &Facts) -> Result<usize, String> {
    let told = |kind: &str| -> Vec<(String, String, u64)> {
        let mut told: Vec<_> = of(facts, kind)
            .iter()
            .map(|(stream, body)| {
                let generation = body["generation"].as_u64().unwrap_or_default();
                (stream.clone(), text(body, "environment"), generation)
            })
            .collect();
        told.sort();
        told
    };
    let (intended, finished) = (told("deployment.intended"), told("deployment.finished"));
    if intended != finished {
        return Err(format!("intended were {intended:?}\nand ended {finished:?}"));
    }
    let mut next: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (stream, environment, generation) in &intended {
        let next = next.entry((stream, environment)).or_default();
        *next += 1;
        if generation != next {
            return Err(format!(
                "generations of {stream} in {environment} are not {next}, but {generation}"
            ));
        }
    }
    Ok(intended.len())
}

/// An effect came about once where its step succeeded, and never twice; and nothing began more often than the
/// ledger says.
fn effects_come_once(world: &World, facts: &Facts) -> Result<usize, String> {
    let key = |stream: &str, body: &Value| format!("{}/{}", stream.trim_start_matches("run/"), text(body, "step"));
    let mut attempts: BTreeMap<String, usize> = BTreeMap::new();
    for (stream, body) in of(facts, "attempt.started") {
        *attempts.entry(key(stream, body)).or_default() += 1;
    }
    let noted = world.recorder.steps();
    for (key, noted) in &noted {
        let attempts = attempts.get(key).copied().unwrap_or_default();
        if noted.did > 1 || noted.began > attempts || noted.stamped > attempts {
            return Err(format!("{key} was attempted {attempts} times, and did {noted:?}"));
        }
    }
    let mut effects = 0;
    for (stream, body) in of(facts, "attempt.finished") {
        let key = key(stream, body);
        let noted = noted.get(&key).copied().unwrap_or_default();
        let (announces, stamps) = (key.ends_with("/announce"), key.ends_with("/stamp"));
        if body["result"] == "succeeded" && ((announces && noted.did != 1) || (stamps && noted.stamped == 0)) {
            return Err(format!("{key} succeeded, and did {noted:?}"));
        }
        effects += usize::from(announces && noted.did == 1);
    }
    Ok(effects)
}

/// What a deployment brings to `edge` was brought there once, and what is newer was never followed by what is older.
fn applications_come_once(world: &World, facts: &Facts) -> Result<usize, String> {
    let applied = world.recorder.applied();
    let mut newest: BTreeMap<&str, &Applied> = BTreeMap::new();
    for applied in &applied {
        if let Some(before) = newest.insert(&applied.component, applied)
            && before >= applied
        {
            return Err(format!("{applied:?} was brought there after {before:?}"));
        }
    }
    let names: BTreeMap<String, String> = of(facts, "component.created")
        .iter()
        .map(|(_, body)| (text(body, "component"), text(body, "name")))
        .collect();
    for (stream, body) in of(facts, "deployment.finished") {
        let name = names.get(stream.trim_start_matches("delivery/"));
        let name = name.ok_or_else(|| format!("{stream} is of no component: {names:?}"))?;
        let generation = body["generation"].as_u64();
        let is_there = applied
            .iter()
            .any(|applied| applied.component == *name && Some(applied.generation) == generation);
        let succeeded = body["environment"] == "edge" && body["result"] == "succeeded";
        if succeeded && name != "team/tool" && !is_there {
            return Err(format!(
                "generation {generation:?} of {name} succeeded in edge, and was never there"
            ));
        }
    }
    Ok(applied.len())
}
