//! The story: three commits, of which the first two stay and the third goes back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::house::load::{Load, Tally};
use crate::house::{House, service};

/// The parts of the story, in order. Something may happen again in each.
pub const PARTS: [&str; 5] = ["start", "first", "canary", "return", "end"];

/// Where it is played.
pub const POLICY: &str = "throughline: 1
environments:
  staging:
    target: { kind: process, instances: 1 }
    database: { kind: sqlite }
  production:
    after: [staging]
    target: { kind: process, instances: 1 }
    database: { kind: sqlite }
    strategy:
      { kind: canary, instances: 1, weight: 40, margin: 0.25, alpha: 0.1, minimum_requests: 10, deadline: 2m }
";

const COMPONENT: &str = "team/app";

/// What a story came to, besides its end, which is always the same.
#[derive(Debug)]
pub struct Played {
    /// How often the server died.
    pub deaths: u32,
    /// How often instances of each version were started.
    pub starts: BTreeMap<String, usize>,
    pub took: Duration,
}

/// Plays the story in a house that is open. After each part `mark` hears of it. An error says what
/// came out otherwise than it should.
pub fn play(house: &House, keeper_may_be_away: bool, mut mark: impl FnMut(&str)) -> Result<Played, String> {
    let begun = Instant::now();
    mark("start");
    let commits = Commits::new(house)?;

    let first = commits.next(house, 1)?;
    house.push(commits.folder(), COMPONENT)?;
    house.until("the first version in production", || {
        is_there(house, "production", &first)
    })?;
    mark("first");

    let url = place(house, "production")?["url"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let load = Load::start(&url);
    let played = under_load(house, &commits, &mut mark);
    let tally = load.end();
    let (second, third) = played?;

    holds(house, [&first, &second, &third])?;
    requests_are_right(house, &third, &tally, keeper_may_be_away)?;
    house.down()?;
    mark("end");
    let journal = std::fs::read_to_string(commits.journal()).unwrap_or_default();
    let mut starts = BTreeMap::new();
    for line in journal.lines() {
        *starts.entry(line.to_owned()).or_default() += 1;
    }
    Ok(Played {
        deaths: house.deaths.get(),
        starts,
        took: begun.elapsed(),
    })
}

fn under_load(house: &House, commits: &Commits, mark: &mut impl FnMut(&str)) -> Result<(String, String), String> {
    let second = commits.next(house, 2)?;
    house.push(commits.folder(), COMPONENT)?;
    house.until("the second version in production", || {
        is_there(house, "production", &second)
    })?;
    mark("canary");

    let third = commits.next(house, 3)?;
    house.push(commits.folder(), COMPONENT)?;
    house.until("the third version barred and gone", || {
        let barred = !change(house, &third)?["never_again"].is_null();
        let back = is_there(house, "production", &second)?.is_some();
        let open = runs(house, "")?.iter().any(|run| run["state"] != "finished");
        Ok((barred && back && !open).then_some(()))
    })?;
    mark("return");
    Ok((second, third))
}

/// The working copy from which commits are pushed.
struct Commits {
    folder: PathBuf,
    journal: PathBuf,
}

impl Commits {
    fn new(house: &House) -> Result<Self, String> {
        let folder = house.folder().join("working-copy");
        std::fs::create_dir(&folder).unwrap();
        house.git(&folder, &["init", "--quiet", "--initial-branch=main"])?;
        Ok(Self {
            folder,
            journal: house.folder().join("journal"),
        })
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn journal(&self) -> &Path {
        &self.journal
    }

    /// Writes and commits a version. The second brings a migration and changes a setting.
    fn next(&self, house: &House, version: u32) -> Result<String, String> {
        self.write("serve", &service::script("service", version, &self.journal));
        self.write("smoke", &service::script("smoke", version, &self.journal));
        // Neither can be applied twice.
        self.write(
            "migrations/V1__visits.sql",
            "CREATE TABLE visits (at TEXT NOT NULL);\nCREATE TABLE applied (version INTEGER PRIMARY KEY);\n\
             INSERT INTO applied VALUES (1);\n",
        );
        if version > 1 {
            self.write(
                "migrations/V2__visitors.sql",
                "ALTER TABLE visits ADD COLUMN visitor TEXT;\nINSERT INTO applied VALUES (2);\n",
            );
        }
        let size = if version == 1 { 10 } else { 20 };
        self.write(
            "throughline.yaml",
            &format!(
                "throughline: 1
steps:
  build: {{ run: \"mkdir -p out && cp serve smoke out/ && chmod +x out/*\" }}
package:
  needs: [build]
  files: [{{ from: out, to: app }}]
service:
  command: [app/serve]
  health: {{ path: /health, interval: 50ms, deadline: 60s }}
  stop_grace: 1s
configuration:
  schema: {{ page_size: {{ type: integer, required: true }} }}
  values: {{ default: {{ page_size: {size} }} }}
database: {{ engine: sqlite, migrations: migrations }}
verify:
  - {{ name: smoke, run: 'app/smoke \"$THROUGHLINE_URL\"', timeout: 60s }}
"
            ),
        );
        house.git(&self.folder, &["add", "--all"])?;
        let message = format!("feat: version {version}");
        house.git(&self.folder, &["commit", "--quiet", "-m", &message])?;
        house.git(&self.folder, &["rev-parse", "HEAD"])
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn list(document: &Value, name: &str) -> Vec<Value> {
    document[name].as_array().cloned().unwrap_or_default()
}

fn runs(house: &House, query: &str) -> Result<Vec<Value>, String> {
    Ok(list(&house.get(&format!("runs?limit=200{query}"))?, "runs"))
}

fn change(house: &House, commit: &str) -> Result<Value, String> {
    house.get(&format!("components/{COMPONENT}/changes/{commit}"))
}

/// What an environment holds.
fn place(house: &House, environment: &str) -> Result<Value, String> {
    let environments = list(&house.get("environments")?, "environments");
    let line = environments.iter().find(|line| line["name"] == environment);
    let placed = line.map(|line| list(line, "components")).unwrap_or_default();
    let found = placed.into_iter().find(|placed| placed["component"] == COMPONENT);
    Ok(found.unwrap_or_default())
}

fn is_there(house: &House, environment: &str, commit: &str) -> Result<Option<()>, String> {
    // What failed for good is said at once, and not when patience ends.
    for run in runs(house, "&state=finished")? {
        if run["commit"] == commit && run["kind"] == "build" && run["result"] != "succeeded" {
            return Err(format!("the build came out otherwise: {run}"));
        }
    }
    let place = place(house, environment)?;
    Ok((place["commit"] == commit && place["coming"].is_null()).then_some(()))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Result<(), String> {
    if is == should {
        Ok(())
    } else {
        Err(format!("{what}: {is:?} and not {should:?}"))
    }
}

/// What must hold at the end, wherever a server died on the way.
fn holds(house: &House, commits: [&String; 3]) -> Result<(), String> {
    for (commit, state) in [(commits[1], "in-production"), (commits[2], "rolled-back")] {
        let is = change(house, commit)?["change"]["state"].clone();
        same("the state of a version", is, json!(state))?;
    }

    // One build of each commit, and each of them well.
    let mut builds: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for run in runs(house, "&kind=build")? {
        let commit = run["commit"].as_str().unwrap_or_default().to_owned();
        builds.entry(commit).or_default().push(run["result"].clone());
    }
    let once = commits.map(|commit| (commit.clone(), vec![json!("succeeded")]));
    same("the builds", builds, once.into())?;

    // Each generation was intended once and ended once, as it should.
    let export = house.get("ledger/export")?;
    let facts: Vec<Value> = export
        .as_str()
        .unwrap_or_default()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|line| line["fact"].clone())
        .collect();
    let of_kind = |kind: &str| -> Vec<&Value> {
        let found = facts.iter().filter(|fact| fact["kind"] == kind);
        found.map(|fact| &fact["body"]).collect()
    };
    let told = |kind: &str, environment: &str, word: &str| -> Vec<(u64, String)> {
        of_kind(kind)
            .into_iter()
            .filter(|body| body["environment"] == environment)
            .map(|body| {
                let generation = body["generation"].as_u64().unwrap_or_default();
                (generation, body[word].as_str().unwrap_or_default().to_owned())
            })
            .collect()
    };
    let counted = |words: &[&str]| -> Vec<(u64, String)> {
        (1..)
            .zip(words)
            .map(|(number, word)| (number, (*word).to_owned()))
            .collect()
    };
    let advance = ["advance", "advance", "advance", "return"];
    same(
        "what staging was to get",
        told("deployment.intended", "staging", "purpose"),
        counted(&advance[..3]),
    )?;
    same(
        "what production was to get",
        told("deployment.intended", "production", "purpose"),
        counted(&advance),
    )?;
    let ends = ["succeeded"; 3];
    same(
        "how staging came out",
        told("deployment.finished", "staging", "result"),
        counted(&ends),
    )?;
    let ends = ["succeeded", "succeeded", "rejected", "succeeded"];
    same(
        "how production came out",
        told("deployment.finished", "production", "result"),
        counted(&ends),
    )?;
    same("how many packages are barred", of_kind("package.barred").len(), 1)?;
    same("how many packages were accepted", of_kind("package.accepted").len(), 3)?;

    // Production is as a whole what it was before, and runs as the ledger says.
    let production = place(house, "production")?;
    let package = production["package"].clone();
    let running: Vec<_> = list(&production, "traffic")
        .iter()
        .map(|group| {
            (
                group["package"].clone(),
                group["healthy"].clone(),
                group["weight"].clone(),
            )
        })
        .collect();
    same("what production runs", running, vec![(package, json!(1), json!(100))])?;
    let staging = place(house, "staging")?;
    same("what staging holds", &staging["commit"], &json!(commits[2]))?;
    same("the schema", &staging["schema_state"], &production["schema_state"])?;
    same("the generation of production", &production["generation"], &json!(4))?;

    let verified = house.get("ledger/verify")?;
    same("ledger verify", &verified["verified"], &json!(true))?;
    let rebuilt = house.ask("POST", "ledger/rebuild", "{}")?;
    let differed: Vec<Value> = list(&rebuilt, "views");
    let differed: Vec<&Value> = differed.iter().filter(|view| view["differed"] != false).collect();
    same("views that differ", differed, vec![])
}

/// Nothing fails but on the package that was rolled back. A keeper that died is away for a moment.
fn requests_are_right(house: &House, third: &str, tally: &Tally, keeper_may_be_away: bool) -> Result<(), String> {
    let third = change(house, third)?["change"]["package"].clone();
    let elsewhere: Vec<_> = tally
        .errors
        .iter()
        .filter(|(package, _)| third != json!(package))
        .collect();
    if !elsewhere.is_empty() {
        return Err(format!("requests failed on packages that stay: {elsewhere:?}"));
    }
    let lost = tally.unanswered.iter().chain(&tally.unattributed);
    let lost: Vec<_> = lost.filter(|_| !keeper_may_be_away).collect();
    if !lost.is_empty() {
        return Err(format!("of {} requests these came to nothing: {lost:?}", tally.sent));
    }
    Ok(())
}
