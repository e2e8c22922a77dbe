//! What only Throughline is measured for: what isolation costs, how cost grows with the number of steps, how many
//! facts the stores take, and a server with very many facts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Asked;
use super::document::{count, short};
use super::matrix::{Cell, Measured, Row, median};
use super::postgres::Postgres;
use super::questions;
use super::server::{self, Server, Tree};
use super::tools::LAPTOP;
use crate::bench::figures::cannot;
use crate::bench::tools;
use crate::command::Program;

/// A part: its name on the command line, and what makes its table.
type Part = (&'static str, fn(&Path, &Asked, &[Measured]) -> Result<String, String>);

/// All parts.
const PARTS: [Part; 4] = [
    ("isolation", isolation),
    ("growth", growth),
    ("appends", appends),
    ("facts", facts),
];

/// Their names.
pub const NAMES: [&str; 4] = [PARTS[0].0, PARTS[1].0, PARTS[2].0, PARTS[3].0];

/// The tables of the parts that are wanted; what goes wrong with one stands in its place.
pub fn measure(built: &Path, asked: &Asked, all: &[Measured]) -> Vec<String> {
    let wanted = PARTS.iter().filter(|(name, _)| asked.wants_part(name));
    wanted
        .map(|(name, part)| {
            println!("{name}");
            let table =
                part(built, asked, all).unwrap_or_else(|wrong| format!("`{name}` could not be measured: {wrong}"));
            println!("{table}");
            table
        })
        .collect()
}

fn said(cell: &Cell) -> String {
    match cell {
        Ok(figure) => short(figure.value),
        Err(why) => format!("– ({})", why.lines().next().unwrap_or_default()),
    }
}

fn program(built: &Path) -> PathBuf {
    built.join("throughline")
}

/// Throughline as a program of a laptop.
fn laptop(built: &Path, asked: &Asked) -> Result<tools::Peer, String> {
    let peers = tools::all(&program(built), &asked.folder);
    peers
        .into_iter()
        .find(|peer| peer.name == tools::OURS)
        .ok_or_else(|| "it is not among the tools".to_owned())
}

/// A step with namespaces of its own, and without.
fn isolation(built: &Path, asked: &Asked, all: &[Measured]) -> Result<String, String> {
    let known = |name: &str, row: Row| {
        let measured = all.iter().find(|measured| measured.about.name == name);
        measured.and_then(|measured| measured.cells.get(&row)).cloned()
    };
    let mut table = "| isolation, ms a step | steps | on | off |\n|---|---|---|---|\n".to_owned();
    for row in [Row::Chain, Row::Fan] {
        let steps = asked.scale.steps(row);
        let on = match known(LAPTOP, row) {
            Some(cell) => cell,
            None => super::tools::of_row(&laptop(built, asked)?, row, steps, asked),
        };
        let off = laptop(built, asked)?.with("THROUGHLINE_ISOLATION", "off");
        let off = super::tools::of_row(&off, row, steps, asked);
        let _ = writeln!(
            table,
            "| laptop, {} | {} | {} | {} |",
            row.name(),
            count(steps),
            said(&on),
            said(&off)
        );
        let on = match known(server::OURS, row) {
            Some(cell) => cell,
            None => server::of_row(&program(built), row, asked, &[]),
        };
        let off = server::of_row(&program(built), row, asked, &["--isolation", "off"]);
        let _ = writeln!(
            table,
            "| server, {} | {} | {} | {} |",
            row.name(),
            count(steps),
            said(&on),
            said(&off)
        );
    }
    Ok(table)
}

/// The cost of a step of a run with few and with very many.
fn growth(built: &Path, asked: &Asked, _: &[Measured]) -> Result<String, String> {
    let mut table = "| independent steps, ms a step | laptop | server |\n|---|---|---|\n".to_owned();
    let mut asked = asked.clone();
    (asked.rounds, asked.patience) = (1, asked.patience * 3);
    for steps in asked.scale.growth.clone() {
        let on_laptop = super::tools::of_row(&laptop(built, &asked)?, Row::Fan, steps, &asked);
        asked.scale.fan = steps;
        let on_server = server::of_row(&program(built), Row::Fan, &asked, &[]);
        println!("  {steps}: {on_laptop:?} {on_server:?}");
        let _ = writeln!(
            table,
            "| {} | {} | {} |",
            count(steps),
            said(&on_laptop),
            said(&on_server)
        );
    }
    Ok(table)
}

/// How many changes the sample's component gets: enough that many of them are delivered.
fn changes(asked: &Asked) -> usize {
    if asked.scale.facts >= 100_000 { 40 } else { 4 }
}

/// A server's data folder after it delivered a component: what the appends and the very many facts are made of.
fn sample(built: &Path, asked: &Asked) -> Result<PathBuf, String> {
    let place = asked.folder.join("sample");
    let data = place.join("data");
    let _ = std::fs::remove_dir_all(&place); // It may not be there.
    let server = Server::start(&program(built), &data, &[])?;
    let mut tree = Tree::new(place.join("tree"), "shop");
    std::fs::create_dir_all(&tree.folder).map_err(|error| cannot(&tree.folder, &error))?;
    let file = tree.folder.join("throughline.yaml");
    std::fs::write(&file, SAMPLE).map_err(|error| cannot(&file, &error))?;
    tree.commit()?;
    tree.push(&server, &["main".to_owned()])?;
    for _ in 1..changes(asked) {
        tree.commit()?;
    }
    tree.push(&server, &["main".to_owned()])?;
    // It is delivered when nothing is at work, and no fact has come for a while.
    let until = Instant::now() + asked.limit() * 2;
    let (mut facts, mut since) = (0.0, Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        let now = server.number("throughline_facts_total")?;
        if now != facts || server.number("throughline_open_runs")? != 0.0 {
            (facts, since) = (now, Instant::now());
        }
        if Instant::now() > until {
            return Err("the sample was not delivered in time".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    server.stop()?;
    Ok(data)
}

/// The component of the sample.
const SAMPLE: &str = "throughline: 1
steps:
  build: { run: 'date > app' }
  lint: { run: 'true' }
  unit: { run: 'echo 12 tests passed', needs: [build] }
  integration: { run: 'echo 5 tests passed', needs: [build] }
package:
  needs: [lint, unit, integration]
  files: [{ from: app }]
";

/// What the program of the bench itself says.
fn ask(built: &Path, words: &[&str], folder: &Path, limit: Duration) -> Result<Value, String> {
    let program = built.join("bench").to_string_lossy().into_owned();
    let mut all = vec![program.as_str()];
    all.extend(words);
    let said = Program::within(limit, &all, folder).output()?;
    serde_json::from_str(said.trim()).map_err(|error| format!("`bench {}` gives no JSON: {error}", words.join(" ")))
}

/// Facts a second, by store, one by one and by many at once.
fn appends(built: &Path, asked: &Asked, _: &[Measured]) -> Result<String, String> {
    let sample = sample(built, asked)?;
    let sample = sample.to_string_lossy();
    let mut table =
        "| store | appends | facts a second | median of an append, ms | p99, ms |\n|---|---|---|---|---|\n".to_owned();
    let stores: [(&str, &str); 3] = [
        ("memory", "memory"),
        ("SQLite, `synchronous=FULL`", "sqlite"),
        ("PostgreSQL, as it comes", "postgres"),
    ];
    // One fact by one; the facts of a step by many runs at once; and large appends.
    let shapes = [(1, 1, 40), (64, 4, 4), (64, 100, 1)];
    for (name, store) in stores {
        for (at_once, each, part) in shapes {
            let once = || {
                let folder = asked.folder.join("appends");
                let _ = std::fs::remove_dir_all(&folder); // It may not be there.
                std::fs::create_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
                let database = (store == "postgres").then(|| Postgres::start(&folder)).transpose()?;
                let place = database.as_ref().map_or(store, |database| &database.address);
                let facts = (asked.scale.appends / part).max(at_once).to_string();
                let (at_once, each, shown) = (at_once.to_string(), each.to_string(), folder.to_string_lossy());
                let words = ["appends", &sample, place, &facts, &at_once, &each, &shown];
                ask(built, &words, &folder, asked.limit())
            };
            let mut told = Vec::new();
            let wrong = (0..asked.rounds).find_map(|_| once().map(|said| told.push(said)).err());
            let middle = |pointer: &str| {
                let all: Vec<f64> = told.iter().filter_map(|said| said.pointer(pointer)?.as_f64()).collect();
                median(&all)
            };
            let by = format!(
                "{at_once} at a time, {each} {} each",
                if each == 1 { "fact" } else { "facts" }
            );
            let _ = match wrong {
                Some(wrong) => writeln!(
                    table,
                    "| {name} | {by} | – ({}) | | |",
                    wrong.lines().last().unwrap_or_default()
                ),
                None => writeln!(
                    table,
                    "| {name} | {by} | {} | {} | {} |",
                    count(middle("/facts_a_second") as usize),
                    short(middle("/append_ms/median")),
                    short(middle("/append_ms/p99"))
                ),
            };
        }
    }
    table.push_str("\nFacts are those of deliveries that a server recorded, with their chain of hashes and the views that commit with them.\n");
    Ok(table)
}

/// How many pages of each kind are asked for.
const OF_A_KIND: usize = 12;
/// How often each.
const TIMES: usize = 10;

/// A server with very many facts: its start, its pages, the questions it answers, its memory.
fn facts(built: &Path, asked: &Asked, _: &[Measured]) -> Result<String, String> {
    let sample = sample(built, asked)?;
    let place = asked.folder.join("many");
    let _ = std::fs::remove_dir_all(&place); // It may not be there.
    let data = place.join("data");
    std::fs::create_dir_all(&place).map_err(|error| cannot(&place, &error))?;
    Program::new(
        "cp",
        &["-a", &sample.to_string_lossy(), &data.to_string_lossy()],
        &place,
    )
    .discard()?;
    for name in [
        "ledger.db",
        "ledger.db-wal",
        "ledger.db-shm",
        "ledger-followed.db",
        "ledger-followed.db-wal",
        "ledger-followed.db-shm",
    ] {
        let _ = std::fs::remove_file(data.join(name)); // Not all need be there.
    }
    let wanted = asked.scale.facts.to_string();
    let begun = Instant::now();
    let words = ["many", &sample.to_string_lossy(), &data.to_string_lossy(), &wanted];
    let made = ask(built, &words, &place, Duration::from_secs(900))?;
    let made_in = begun.elapsed();
    // The first start checks what no server has seen yet, in the background.
    let server = Server::start(&program(built), &data, &[])?;
    let until = Instant::now() + Duration::from_secs(600);
    let facts = server.number("throughline_facts_total")?;
    while server.number("throughline_invariants_position")? < facts && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
    }
    let broken = broken(&server.get("/metrics")?.body);
    server.stop()?;
    let mut starts = Vec::new();
    for _ in 0..asked.rounds {
        let server = Server::start(&program(built), &data, &[])?;
        starts.push(server.started_in.as_secs_f64());
        server.stop()?;
    }
    let server = Server::start(&program(built), &data, &[])?;
    std::thread::sleep(Duration::from_secs(5));
    let idle = server.memory()?;
    let pages = pages(&server)?;
    let questions = questions::ask(&server)?;
    let after = server.memory()?;
    server.stop()?;
    let _ = std::fs::remove_dir_all(&place);
    let mut table = format!(
        "| a server with {} facts | |\n|---|---|\n| components, each with {} facts of {} changes | {} |\n| made through the store, with all views | {} s |\n| rules of the protocol broken in them | {broken} |\n| from start to first answer, median, ms | {} |\n| idle, MB | {} |\n| after all pages, MB | {} |\n",
        count(facts as usize),
        made["each"],
        changes(asked),
        made["components"],
        made_in.as_secs(),
        short(median(&starts) * 1_000.0),
        short(idle),
        short(after),
    );
    table.push_str(&of_pages(&pages));
    table.push_str(&questions);
    Ok(table)
}

/// How often a rule was found broken.
fn broken(metrics: &str) -> f64 {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("throughline_invariants_broken_total"));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Pages that are reached from the first one by links, some of each kind, each asked for several times.
fn pages(server: &Server) -> Result<BTreeMap<String, Vec<f64>>, String> {
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut open = vec![
        "/".to_owned(),
        "/search?q=service7".to_owned(),
        "/ledger?kind=run.finished".to_owned(),
    ];
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let kind = kind_of(&path);
        let known = kinds.entry(kind.clone()).or_default();
        if *known >= OF_A_KIND {
            continue;
        }
        let mut links = Vec::new();
        let mut own = Vec::new();
        for _ in 0..TIMES {
            let begun = Instant::now();
            // What is no page, or is one only for somebody else, is not counted.
            let Ok(answer) = server.get(&path) else { break };
            own.push(begun.elapsed().as_secs_f64() * 1_000.0);
            if !answer
                .field("content-type")
                .is_some_and(|kind| kind.starts_with("text/html"))
            {
                own.clear();
                break;
            }
            links = links_of(&answer.body);
        }
        if own.len() == TIMES {
            *known += 1;
            times.entry(kind).or_default().extend(own);
            open.extend(links);
        }
    }
    if times.is_empty() {
        return Err("no page was answered".to_owned());
    }
    Ok(times)
}

/// A path without what is particular about it.
fn kind_of(path: &str) -> String {
    let (path, question) = path
        .split_once('?')
        .map_or((path, None), |(path, question)| (path, Some(question)));
    let parts = path.split('/').map(|part| {
        let particular = part.contains(|c: char| c.is_ascii_digit()) || part == "bench" || part == "shop";
        if particular { "…" } else { part }
    });
    let path = parts.collect::<Vec<_>>().join("/");
    match question.and_then(|question| question.split('=').next()) {
        Some(name) => format!("{path}?{name}"),
        None => path,
    }
}

/// Where the links of a page lead to, on the same server.
fn links_of(page: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links
        .filter(|link| link.starts_with('/') && !link.starts_with("//") && !link.starts_with("/assets"))
        .map(|link| link.split('#').next().unwrap_or(link).replace("&amp;", "&"))
        .collect()
}

fn at(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share).round() as usize]
}

/// All pages together, and the slowest kinds.
fn of_pages(times: &BTreeMap<String, Vec<f64>>) -> String {
    let mut all: Vec<f64> = times.values().flatten().copied().collect();
    let mut kinds: Vec<(f64, &String, usize)> = times
        .iter()
        .map(|(kind, own)| (at(&mut own.clone(), 0.99), kind, own.len()))
        .collect();
    kinds.sort_by(|left, right| right.0.total_cmp(&left.0));
    let mut text = format!(
        "| {} answers of {} kinds of pages: median, ms | {} |\n| p99, ms | {} |\n",
        count(all.len()),
        kinds.len(),
        short(at(&mut all, 0.5)),
        short(at(&mut all, 0.99))
    );
    for (slowest, kind, answers) in kinds.iter().take(3) {
        let _ = writeln!(
            text,
            "| among the slowest: `{kind}`, p99 of {answers}, ms | {} |",
            short(*slowest)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_one_kind_are_counted_together_and_links_elsewhere_are_not_followed() {
        assert_eq!(
            kind_of("/components/bench/shop/changes/1a2b"),
            "/components/…/…/changes/…"
        );
        assert_eq!(kind_of("/ledger?after=12"), "/ledger?after");
        let page = r##"<a href="/runs?a=1&amp;b=2#top">x</a><a href="https://example.org/">y</a><link href="/assets/a.css"><a href="//z">"##;
        assert_eq!(links_of(page), ["/runs?a=1&b=2"]);
    }

    #[test]
    fn the_slowest_kinds_of_pages_stand_first_and_broken_rules_are_counted() {
        let times = BTreeMap::from([("/a".to_owned(), vec![1.0, 2.0]), ("/b".to_owned(), vec![9.0])]);
        let text = of_pages(&times);
        assert!(
            text.contains("3 answers of 2 kinds of pages: median, ms | 2.00"),
            "{text}"
        );
        assert!(text.find("`/b`") < text.find("`/a`"), "{text}");
        let metrics = "# TYPE x\nthroughline_invariants_broken_total{rule=\"I1\"} 0\nthroughline_invariants_broken_total{rule=\"I2\"} 3\n";
        assert_eq!(broken(metrics), 3.0);
    }
}
