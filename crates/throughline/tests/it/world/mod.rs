//! Several components on their way through environments, and whoever works with them: changes are pushed,
//! runs are cancelled, questions are answered, checkpoints are taken. All of it follows from a seed.
//!
//! What the server acknowledged is kept here, and what was really done is noted by a
//! [recorder](recorder) that the server knows nothing of. [`holds`] compares both with the ledger.

pub mod holds;
pub mod random;
pub mod recorder;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::Postgres;

use crate::house::{House, service};
use random::Random;
use recorder::Recorder;

/// How long everything may take to come to its end once nobody is killed any more. After many losses a
/// step waits for its next attempt.
const SETTLING: Duration = Duration::from_secs(300);
/// So many runs may be open before more is pushed.
const BUSY: usize = 6;

/// The environments: local processes first, and the user's own commands after them.
const POLICY: &str = "throughline: 1
environments:
  staging:
    target: { kind: process, instances: 1 }
  edge:
    after: [staging]
    target: { kind: command, apply: FOLDER/recorder/edge, observe: FOLDER/recorder/edge, stop: FOLDER/recorder/edge }
";

/// The components, each with whether it is a service.
const COMPONENTS: [(&str, bool); 3] = [("team/site", true), ("team/shop", true), ("team/tool", false)];

/// What the server said yes to.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Commits that were pushed, each with its component.
    pub pushes: Vec<(String, String)>,
    /// Checkpoints as the server signed them.
    pub checkpoints: Vec<Value>,
    /// Ids of tokens.
    pub tokens: Vec<String>,
    /// Runs that were cancelled.
    pub cancelled: Vec<String>,
    /// Steps whose end a person told: run and step.
    pub answers: Vec<(String, String)>,
}

impl Acknowledged {
    /// How many things.
    pub fn count(&self) -> usize {
        let told = self.tokens.len() + self.cancelled.len() + self.answers.len();
        self.pushes.len() + self.checkpoints.len() + told
    }
}

/// One component, as whoever changes it has it.
struct Component {
    name: &'static str,
    is_service: bool,
    folder: PathBuf,
    version: u32,
    /// The commit that was pushed last.
    newest: String,
}

/// The components, their server, and what came of it all so far.
pub struct World {
    pub house: House,
    pub recorder: Recorder,
    pub acknowledged: Acknowledged,
    components: Vec<Component>,
    random: Random,
    /// How long it is between two pushes at least.
    pub pace: Duration,
    pushed_at: Instant,
}

impl World {
    /// A new server with nothing in it; facts in a database where there is one.
    pub fn open(seed: u64, database: Option<Postgres>) -> Result<Self, String> {
        let house = House::open(POLICY, None, database)?;
        let recorder = Recorder::new(house.folder());
        let mut components = Vec::new();
        for (name, is_service) in COMPONENTS {
            let folder = house.folder().join("work").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            house.git(&folder, &["init", "--quiet", "--initial-branch=main"])?;
            components.push(Component {
                name,
                is_service,
                folder,
                version: 10,
                newest: String::new(),
            });
        }
        Ok(Self {
            house,
            recorder,
            acknowledged: Acknowledged::default(),
            components,
            random: Random::new(seed),
            pace: Duration::from_millis(400),
            pushed_at: Instant::now(),
        })
    }

    /// A first version of each component on its way, so that there is something to disturb.
    pub fn begin(&mut self) -> Result<(), String> {
        (0..self.components.len()).try_for_each(|place| self.push(place))
    }

    /// Does the next thing that somebody does, whatever it is.
    pub fn act(&mut self) -> Result<(), String> {
        self.house.mend()?;
        self.answer_questions()?;
        match self.random.below(20) {
            0..8 if self.pushed_at.elapsed() > self.pace && self.open_runs()?.len() < BUSY => {
                let place = self.random.below(self.components.len());
                self.push(place)?;
            }
            8..10 => {
                let checkpoint = self.house.ask("POST", "ledger/checkpoint", "")?;
                self.acknowledged.checkpoints.push(checkpoint);
            }
            10 => {
                let name = format!("token-{}", self.acknowledged.tokens.len());
                let made = self
                    .house
                    .ask("POST", "tokens", &json!({ "name": name, "role": "viewer" }).to_string())?;
                self.acknowledged.tokens.push(text(&made, "id"));
            }
            11 => self.cancel_one()?,
            12..15 => self.look_around()?,
            _ => {}
        }
        self.house.mend()?;
        std::thread::sleep(Duration::from_millis(20 + self.random.below(100) as u64));
        Ok(())
    }

    /// Pushes a last version of everything and waits until it is everywhere and every run has ended.
    pub fn settle(&mut self) -> Result<(), String> {
        self.begin()?;
        let begun = Instant::now();
        loop {
            self.house.mend()?;
            self.answer_questions()?;
            let open = self.open_runs()?;
            let behind = self.behind()?;
            if open.is_empty() && behind.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > SETTLING {
                let ids = open.iter().map(|run| text(run, "id"));
                let steps: Vec<_> = ids.map(|id| self.house.get(&format!("runs/{id}"))).collect();
                return Err(format!("not everything comes to its end: {behind:?}\n{steps:#?}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where a component answers, once it does.
    pub fn url(&self, component: &str) -> Result<String, String> {
        let what = format!("{component} in staging");
        self.house.until_within(SETTLING, &what, || {
            let url = text(&placed(&self.house.get("environments")?, component, "staging"), "url");
            Ok((!url.is_empty()).then_some(url))
        })
    }

    /// The name of a component that is a service.
    pub fn service(&self) -> &'static str {
        COMPONENTS[0].0
    }

    fn push(&mut self, place: usize) -> Result<(), String> {
        let component = &mut self.components[place];
        component.version += 1;
        let version = component.version;
        let write = |name: &str, text: &str| std::fs::write(component.folder.join(name), text).unwrap();
        write("throughline.yaml", &definition(&self.recorder, component.is_service));
        write(
            "serve",
            &service::script("service", version, &component.folder.join("starts")),
        );
        let house = &self.house;
        house.git(&component.folder, &["add", "throughline.yaml", "serve"])?;
        let message = format!("feat: version {version}");
        house.git(&component.folder, &["commit", "--quiet", "-m", &message])?;
        component.newest = house.git(&component.folder, &["rev-parse", "HEAD"])?;
        house.push(&component.folder, component.name)?;
        self.acknowledged
            .pushes
            .push((component.name.to_owned(), component.newest.clone()));
        self.pushed_at = Instant::now();
        Ok(())
    }

    /// Answers whoever asks for a person, who looks at what was really done, and now and then does it.
    fn answer_questions(&mut self) -> Result<(), String> {
        for run in self.runs("&kind=build&state=running")? {
            let id = text(&run, "id");
            for step in list(&self.house.get(&format!("runs/{id}"))?, "steps") {
                if step["state"] != "asking" {
                    continue;
                }
                let step = text(&step, "name");
                let key = format!("{id}/{step}");
                let mut done = self.recorder.was_done(&key);
                if !done && self.random.below(2) == 0 {
                    self.recorder.do_by_hand(&key);
                    done = true;
                }
                let path = format!("runs/{id}/steps/{step}/resolve");
                // Refused where the answer before came in and its own answer did not.
                if self
                    .house
                    .ask("POST", &path, &json!({ "done": done }).to_string())
                    .is_ok()
                {
                    self.acknowledged.answers.push((id.clone(), step));
                }
            }
        }
        Ok(())
    }

    fn cancel_one(&mut self) -> Result<(), String> {
        let builds = self.runs("&kind=build&state=running")?;
        let Some(run) = builds.get(self.random.below(builds.len().max(1))) else {
            return Ok(());
        };
        let id = text(run, "id");
        // It may have ended meanwhile.
        if self.house.ask("POST", &format!("runs/{id}/cancel"), "").is_ok() {
            self.acknowledged.cancelled.push(id);
        }
        Ok(())
    }

    /// Reads what people read.
    fn look_around(&mut self) -> Result<(), String> {
        let component = self.components[self.random.below(self.components.len())].name;
        let paths = [
            "environments",
            "changes?limit=20",
            "runs?limit=50",
            "search?q=version",
            "ledger/facts?limit=50",
            "/metrics",
        ];
        self.house.get(paths[self.random.below(paths.len())])?;
        self.house
            .get(&format!("changes?limit=5&component={component}"))
            .map(drop)
    }

    fn runs(&self, query: &str) -> Result<Vec<Value>, String> {
        Ok(list(&self.house.get(&format!("runs?limit=500{query}"))?, "runs"))
    }

    /// The runs that have not ended.
    fn open_runs(&self) -> Result<Vec<Value>, String> {
        let mut open = Vec::new();
        for state in ["waiting", "ready", "running", "backoff", "asking"] {
            open.extend(self.runs(&format!("&state={state}"))?);
        }
        Ok(open)
    }

    /// Where the newest version is not there yet.
    fn behind(&self) -> Result<Vec<String>, String> {
        let environments = self.house.get("environments")?;
        let mut behind = Vec::new();
        for component in &self.components {
            for environment in ["staging", "edge"] {
                let place = placed(&environments, component.name, environment);
                if place["commit"] != component.newest.as_str() || !place["coming"].is_null() {
                    behind.push(format!("{} in {environment}: {}", component.name, place["commit"]));
                }
            }
        }
        Ok(behind)
    }
}

/// A run of each class of step: one that only computes, one that may be repeated, and one that must not be.
fn definition(recorder: &Recorder, is_service: bool) -> String {
    let (record, look) = (recorder.record(), recorder.look());
    let service = "service:
  command: [app/serve]
  health: { path: /health, interval: 50ms, deadline: 2m }
  stop_grace: 1s
";
    format!(
        "throughline: 1
steps:
  compute: {{ run: 'sleep 0.1; echo computed', effect: pure }}
  stamp: {{ needs: [compute], run: '\"{record}\" stamped \"$THROUGHLINE_EFFECT_KEY\"', effect: idempotent }}
  announce:
    needs: [compute]
    run: |
      '{record}' began \"$THROUGHLINE_EFFECT_KEY\"
      sleep 0.2
      '{record}' did \"$THROUGHLINE_EFFECT_KEY\"
      sleep 0.1
    effect: effect
    observe: |
      '{look}' \"$THROUGHLINE_EFFECT_KEY\"
  build: {{ needs: [stamp, announce], run: 'mkdir -p out && cp serve out/ && chmod +x out/serve' }}
package:
  needs: [build]
  files: [{{ from: out, to: app }}]
{}",
        if is_service { service } else { "" }
    )
}

/// What an environment holds of a component.
fn placed(environments: &Value, component: &str, environment: &str) -> Value {
    let environments = list(environments, "environments");
    let line = environments.iter().find(|line| line["name"] == environment);
    let placed = line.map(|line| list(line, "components")).unwrap_or_default();
    let found = placed.into_iter().find(|placed| placed["component"] == component);
    found.unwrap_or_default()
}

pub fn list(document: &Value, name: &str) -> Vec<Value> {
    document[name].as_array().cloned().unwrap_or_default()
}

pub fn text(document: &Value, name: &str) -> String {
    document[name].as_str().unwrap_or_default().to_owned()
}
