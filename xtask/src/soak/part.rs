//! The tests of which a soak plays more, each with how it is asked for more.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::Program;

/// How many histories of each simulation a turn takes.
pub const SEEDS: usize = 5_000;

/// Which tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Kills of the real program at random.
    Kills { store: &'static str, test: &'static str },
    /// Every crash point in each part of the story.
    Points,
    /// Simulated histories.
    Seeds {
        crate_name: &'static str,
        test: &'static str,
    },
}

/// All of them, in the order in which they are played.
pub const PARTS: [Part; 5] = [
    Part::Kills {
        store: "SQLite",
        test: "random_kills::kills_at_any_moment_lose_nothing_and_repeat_nothing",
    },
    Part::Kills {
        store: "PostgreSQL",
        test: "random_kills::kills_at_any_moment_lose_nothing_and_repeat_nothing_with_facts_in_postgresql",
    },
    Part::Points,
    Part::Seeds {
        crate_name: "engine",
        test: "simulation::every_history_keeps_the_invariants_and_ends_when_faults_stop",
    },
    Part::Seeds {
        crate_name: "delivery",
        test: "simulation::every_history_keeps_the_rules_and_arrives_when_faults_stop",
    },
];

/// What was played so far, by part: numbers that add up, and whether they are whole.
#[derive(Debug, Default)]
pub struct Played(BTreeMap<String, Vec<(String, u64)>>);

impl Played {
    fn add(&mut self, part: String, numbers: Vec<(String, u64)>) {
        let sums = self.0.entry(part).or_default();
        for (name, number) in numbers {
            match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += number,
                None => sums.push((name, number)),
            }
        }
    }

    /// A row for each part.
    pub fn table(&self) -> String {
        let mut table = "| played | how much |\n|---|---|\n".to_owned();
        for (part, sums) in &self.0 {
            let sums: Vec<String> = sums.iter().map(|(name, sum)| format!("{sum} {name}")).collect();
            // Writing to a text cannot fail.
            let _ = writeln!(table, "| {part} | {} |", sums.join(", "));
        }
        table
    }
}

/// The programs of tests, by their crates. They are started as they are, so that several run at a time.
pub struct Programs {
    root: PathBuf,
    paths: BTreeMap<(String, &'static str), PathBuf>,
}

impl Programs {
    /// Builds the tests of all crates, as the suite does, and says where they are.
    pub fn build(root: &Path) -> Result<Self, String> {
        let build = [
            "test",
            "--workspace",
            "--locked",
            "--lib",
            "--tests",
            "--bins",
            "--no-run",
        ];
        Program::new("cargo", &build, root).run()?;
        let list = [build.as_slice(), &["--message-format", "json"]].concat();
        let mut paths = BTreeMap::new();
        for line in Program::new("cargo", &list, root).output()?.lines() {
            let Ok(told) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let (target, text) = (&told["target"], |value: &Value| value.as_str().map(str::to_owned));
            let manifest = text(&told["manifest_path"]).map(PathBuf::from);
            let (Some(path), Some(manifest)) = (text(&told["executable"]), manifest) else {
                continue;
            };
            let folder = manifest.parent().and_then(Path::file_name).unwrap_or_default();
            let kind = match target["kind"][0].as_str() {
                Some("lib") => "lib",
                Some("test") => "it",
                _ => continue,
            };
            paths.insert((folder.to_string_lossy().into_owned(), kind), path.into());
        }
        Ok(Self {
            root: root.to_owned(),
            paths,
        })
    }

    /// The program that plays one test: of the library of a crate, or of its integration tests.
    pub fn play(&self, crate_name: &str, kind: &'static str, test: &str) -> Result<Program, String> {
        let path = self.paths.get(&(crate_name.to_owned(), kind));
        let path = path.ok_or_else(|| format!("the tests of {crate_name} were not built"))?;
        let folder = self.root.join("crates").join(crate_name);
        Ok(Program::new(
            &path.to_string_lossy(),
            &[test, "--exact", "--nocapture"],
            &folder,
        ))
    }
}

impl Part {
    /// What people call it.
    pub fn name(self) -> String {
        match self {
            Self::Kills { store, .. } => format!("SIGKILL at random, on {store}"),
            Self::Points => "every crash point".to_owned(),
            Self::Seeds { crate_name, .. } => format!("simulated histories of {crate_name}"),
        }
    }

    /// Plays it: so many kills or seeds, others than in any earlier turn.
    pub fn play(
        self,
        programs: &Programs,
        folder: &Path,
        turn: u64,
        size: usize,
        played: &mut Played,
    ) -> Result<(), String> {
        println!("\n== {}, turn {turn}", self.name());
        let seconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let program = match self {
            Self::Kills { test, .. } => programs.play("throughline", "it", test)?,
            Self::Points => programs.play(
                "throughline",
                "it",
                "crash_points::the_story_comes_to_the_same_end_wherever_a_process_dies",
            )?,
            Self::Seeds { crate_name, test } => programs.play(crate_name, "lib", test)?,
        };
        let program = match self {
            Self::Kills { .. } => program
                .variable("KILLS", size.to_string())
                .variable("KILLS_SEED", seconds.to_string()),
            Self::Points => program.variable("CRASH_POINTS", "all"),
            Self::Seeds { .. } => program
                .variable("THROUGHLINE_SEEDS", size.to_string())
                .variable("THROUGHLINE_FIRST_SEED", seconds.to_string()),
        };
        let log = folder.join(format!("{}-{turn}.log", self.name().replace([' ', ','], "-")));
        let ended = program.run_into(&log);
        let told = std::fs::read_to_string(&log).unwrap_or_default();
        let numbers = total(&told).ok_or_else(|| format!("it says nothing of what it did: see {}", log.display()));
        if let Ok(numbers) = &numbers {
            println!("{numbers:?}");
            played.add(self.name(), numbers.clone());
        }
        ended?;
        numbers.map(drop)
    }
}

/// The numbers of the last line that begins with `total: `, each with what it counts.
fn total(told: &str) -> Option<Vec<(String, u64)>> {
    let line = told.lines().rev().find_map(|line| line.strip_prefix("total: "))?;
    let number = |part: &str| {
        let (number, name) = part.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    line.split(", ").map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_several_turns_add_up() {
        let mut played = Played::default();
        for told in [
            "begun\ntotal: 3 kills, 10 runs\nok\n",
            "total: 2 kills, 7 runs, 1 facts\n",
        ] {
            played.add("kills".to_owned(), total(told).unwrap());
        }
        assert_eq!(
            played.table(),
            "| played | how much |\n|---|---|\n| kills | 5 kills, 17 runs, 1 facts |\n"
        );
        assert_eq!(total("nothing\n"), None);
        assert_eq!(total("total: many kills\n"), None);
    }
}
