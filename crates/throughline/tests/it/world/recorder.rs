//! What was really done, noted by whoever did it: the steps with an effect, and the commands that bring a
//! package to the environment `edge`. Each writes a line of its own, synced, into a file that the server
//! neither writes nor knows. What `edge` holds is read from these lines alone.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// The role that this test binary plays as the commands of an environment.
const ROLE: &str = "WORLD_RECORDER";

/// Where it is noted.
pub struct Recorder {
    folder: PathBuf,
}

/// What one line of the journal of steps says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// How often the step began.
    pub began: usize,
    /// How often the effect came about.
    pub did: usize,
    /// How often a step was made that may be repeated.
    pub stamped: usize,
}

/// An application of a deployment's state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applied {
    /// The component's name.
    pub component: String,
    pub generation: u64,
    pub phase: u64,
}

impl Recorder {
    /// A recorder in a folder of the house, and the programs that write into it.
    pub fn new(house: &Path) -> Self {
        let folder = house.join("recorder");
        std::fs::create_dir_all(&folder).unwrap();
        let recorder = Self { folder };
        let steps = recorder.folder.join("steps").display().to_string();
        // One write a line, so that lines of several processes do not mix.
        recorder.program(
            "record",
            &format!("printf '%s\\n' \"$*\" >> '{steps}' && sync '{steps}'"),
        );
        // The effect is there, was never begun, or nobody knows.
        let look = format!(
            "grep -qxF \"did $1\" '{steps}' 2>/dev/null && exit 0\n\
             grep -qxF \"began $1\" '{steps}' 2>/dev/null && exit 2\nexit 1"
        );
        recorder.program("look", &look);
        // The harness of tests writes to standard output, too: the answer takes a way of its own.
        let program = std::env::current_exe().unwrap();
        let edge = format!(
            "answer=\"answer.$$\"\nenv {ROLE}='{}' ANSWER=\"$answer\" '{}' world::recorder::role --exact --nocapture \
             --test-threads=1 >&2 || exit 1\nif test -e \"$answer\"; then cat \"$answer\"; rm \"$answer\"; fi",
            recorder.folder.join("edge.journal").display(),
            program.display()
        );
        recorder.program("edge", &edge);
        recorder
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The program that notes its arguments.
    pub fn record(&self) -> String {
        self.folder.join("record").display().to_string()
    }

    /// The program that says whether an effect is there.
    pub fn look(&self) -> String {
        self.folder.join("look").display().to_string()
    }

    /// What was done, by the key of the step.
    pub fn steps(&self) -> BTreeMap<String, Noted> {
        let text = std::fs::read_to_string(self.folder.join("steps")).unwrap_or_default();
        let mut noted: BTreeMap<String, Noted> = BTreeMap::new();
        for line in text.lines() {
            let (what, key) = line.split_once(' ').unwrap();
            let noted = noted.entry(key.to_owned()).or_default();
            match what {
                "began" => noted.began += 1,
                "did" => noted.did += 1,
                "stamped" => noted.stamped += 1,
                other => panic!("nobody notes `{other}`"),
            }
        }
        noted
    }

    /// Whether an effect is there.
    pub fn was_done(&self, key: &str) -> bool {
        self.steps().get(key).is_some_and(|noted| noted.did > 0)
    }

    /// A person brings an effect about.
    pub fn do_by_hand(&self, key: &str) {
        append(&self.folder.join("steps"), &format!("did {key}\n"));
    }

    /// What was brought to `edge`, in order.
    pub fn applied(&self) -> Vec<Applied> {
        let lines = read(&self.folder.join("edge.journal"));
        lines
            .iter()
            .map(|line| Applied {
                component: line["component"].as_str().unwrap().to_owned(),
                generation: line["stamp"]["generation"].as_u64().unwrap(),
                phase: line["stamp"]["phase"].as_u64().unwrap(),
            })
            .collect()
    }
}

fn append(path: &Path, line: &str) {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(line.as_bytes()).unwrap();
    file.sync_all().unwrap();
}

fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Plays the commands of `edge` where it is started for that; nothing in an ordinary test run.
#[test]
fn role() {
    let Ok(journal) = std::env::var(ROLE) else { return };
    let journal = PathBuf::from(journal);
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    let input: Value = serde_json::from_str(&input).unwrap();
    let component = variable("THROUGHLINE_COMPONENT");
    match variable("THROUGHLINE_ACTION").as_str() {
        "apply" => {
            let groups = input["groups"].as_array().unwrap().iter();
            let groups: Vec<Value> = groups
                .map(|group| {
                    let mut seen = group.clone();
                    seen.as_object_mut().unwrap().remove("launch");
                    seen["healthy"] = seen["instances"].clone();
                    seen
                })
                .collect();
            let line = json!({ "component": component, "stamp": input["stamp"], "groups": groups });
            // It takes its time, so that whoever waits for it may die before and after.
            std::thread::sleep(Duration::from_millis(150));
            append(&journal, &format!("{line}\n"));
            std::thread::sleep(Duration::from_millis(150));
        }
        "observe" => {
            let lines = read(&journal);
            let own = lines.iter().rfind(|line| line["component"] == component.as_str());
            let groups = own.map_or_else(|| json!([]), |line| line["groups"].clone());
            std::fs::write(variable("ANSWER"), json!({ "groups": groups }).to_string()).unwrap();
        }
        _ => {}
    }
}
