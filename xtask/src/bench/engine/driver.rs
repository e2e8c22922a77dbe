//! Peers that are asked by a driver of their own, a program in `bench/engine`; see `bench/engine/work.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::Asked;
use super::matrix::{About, Cells, Figure, Measured, Row};
use crate::bench::{figures::cannot, tools};
use crate::command::Program;
use crate::workspace;

/// Where what a driver needs comes from.
enum From {
    /// PyPI; the driver runs in that environment.
    Pip,
    /// The npm registry; the driver runs in Node and is told where they lie.
    Npm,
}

/// Which steps a peer gets for a row.
enum Steps {
    /// As many as the fastest.
    All,
    /// No more than peers that take long.
    Slow,
    /// No more than peers that take very long.
    Slowest,
    /// None.
    No(&'static str),
}

use Steps::{All, No, Slow, Slowest};

/// A peer with a driver.
pub struct Driven {
    about: About,
    from: From,
    /// What is installed; the version stands in the first.
    packages: &'static [&'static str],
    driver: &'static str,
    rows: [(Row, Steps); 7],
}

/// Variables for a driver.
type Variables = Vec<(&'static str, PathBuf)>;

/// Why a peer has no figure for something that it does not do.
const NO_PUSH: &str = "it is told of no commits: work is started by a call";
const NO_SERVER: &str = "it has no server";
const NO_FILES: &str = "it keeps no result of a step by the files that the step reads";
const ONE_RUN: &str = "a run is a process of its own, and knows of no other";

/// All of them.
pub fn all() -> Vec<Driven> {
    vec![
        Driven {
            about: About {
                name: "Luigi",
                settings: "local scheduler, two workers (one for the chain), a file for each task that says it is done",
                durable: "none: a file that is not synced",
            },
            from: From::Pip,
            packages: &["luigi==3.8.1"],
            driver: "luigi_driver.py",
            rows: [
                (Row::Chain, All),
                (Row::Fan, All),
                (Row::Kept, All),
                (Row::Outputs, All),
                (Row::Runs, No(ONE_RUN)),
                (Row::Push, No(NO_PUSH)),
                (Row::Idle, No("its local scheduler is not a server")),
            ],
        },
        Driven {
            about: About {
                name: "DBOS",
                settings: "SQLite, a workflow of steps; independent ones as coroutines, two at a time",
                durable: "equal: a commit to SQLite with `synchronous=FULL` and a rollback journal for the outcome of each step; no claim before it",
            },
            from: From::Pip,
            packages: &["dbos==3.4.0"],
            driver: "dbos_driver.py",
            rows: [
                (Row::Chain, All),
                (Row::Fan, All),
                (Row::Kept, No(NO_FILES)),
                (Row::Outputs, All),
                (Row::Runs, All),
                (Row::Push, No(NO_PUSH)),
                (Row::Idle, No(NO_SERVER)),
            ],
        },
        Driven {
            about: About {
                name: "Restate",
                settings: "one node with its defaults, a service on Node with the TypeScript SDK; independent steps a hundred to a `RestatePromise.all`, two at a time",
                durable: "equal: its log is RocksDB's, whose write-ahead log is synced before a step counts",
            },
            from: From::Npm,
            packages: &["@restatedev/restate-server@1.7.12", "@restatedev/restate-sdk@1.17.2"],
            driver: "restate_driver.mjs",
            rows: [
                (Row::Chain, All),
                (Row::Fan, All),
                (Row::Kept, No(NO_FILES)),
                (Row::Outputs, All),
                (Row::Runs, All),
                (Row::Push, No(NO_PUSH)),
                (Row::Idle, All),
            ],
        },
        Driven {
            about: About {
                name: "Prefect",
                settings: "a server with SQLite; tasks in the flow's process, independent ones with `ThreadPoolTaskRunner(max_workers=2)`; FastAPI held at 0.139.0, since a newer one breaks its server",
                durable: "weaker: SQLite with a write-ahead log and `synchronous=NORMAL`; what a task did is told to the server in the background",
            },
            from: From::Pip,
            packages: &["prefect==3.8.8", "fastapi==0.139.0"],
            driver: "prefect_driver.py",
            rows: [
                (Row::Chain, Slow),
                (Row::Fan, Slow),
                (Row::Kept, No(NO_FILES)),
                (Row::Outputs, Slow),
                (Row::Runs, All),
                (Row::Push, No(NO_PUSH)),
                (Row::Idle, All),
            ],
        },
        Driven {
            about: About {
                name: "Dagster",
                settings: "the in-process executor, its cheapest, which does one step at a time; an instance with SQLite; memory is that of the daemon, without the web server",
                durable: "similar: events of a step are committed to SQLite",
            },
            from: From::Pip,
            packages: &["dagster==1.13.29"],
            driver: "dagster_driver.py",
            rows: [
                (Row::Chain, Slow),
                (Row::Fan, Slow),
                (Row::Kept, No(NO_FILES)),
                (Row::Outputs, Slow),
                (Row::Runs, No("its in-process executor does one run at a time")),
                (Row::Push, No(NO_PUSH)),
                (Row::Idle, All),
            ],
        },
        Driven {
            about: About {
                name: "Airflow",
                settings: "`airflow standalone` with SQLite and the LocalExecutor, two tasks at a time, `BashOperator`; the time between start and end of a run as it records them",
                durable: "similar: the state of each task is committed to SQLite",
            },
            from: From::Pip,
            packages: &["apache-airflow==3.3.2"],
            driver: "airflow_driver.py",
            rows: [
                (Row::Chain, Slowest),
                (Row::Fan, Slowest),
                (Row::Kept, No(NO_FILES)),
                (Row::Outputs, Slowest),
                (
                    Row::Runs,
                    No("at what its chain costs a step, they would take longer than all else together"),
                ),
                (Row::Push, No(NO_PUSH)),
                (Row::Idle, All),
            ],
        },
        Driven {
            about: About {
                name: "Buildbot",
                settings: "master and `LocalWorker` in one process, SQLite, `ShellCommand`; builds asked for by `buildbot sendchange`",
                durable: "similar: begin and end of each step are committed to SQLite",
            },
            from: From::Pip,
            packages: &["buildbot==4.3.0", "buildbot-worker==4.3.0"],
            driver: "buildbot_driver.py",
            rows: [
                (Row::Chain, Slow),
                (
                    Row::Fan,
                    No("the steps of a build follow one another: it has no independent ones"),
                ),
                (Row::Kept, No(NO_FILES)),
                (Row::Outputs, Slow),
                (Row::Runs, All),
                (Row::Push, All),
                (Row::Idle, All),
            ],
        },
    ]
}

impl Driven {
    /// Its name in the table.
    pub fn name(&self) -> &'static str {
        self.about.name
    }

    /// Has it do what is asked for.
    pub fn measure(self, asked: &Asked) -> Measured {
        let mut cells = Cells::new();
        let mut wanted = Vec::new();
        for (row, steps) in &self.rows {
            let scale = &asked.scale;
            let most = match steps {
                No(why) => {
                    cells.insert(*row, Err((*why).to_owned()));
                    continue;
                }
                Slow => scale.slow,
                Slowest => scale.slowest,
                All => usize::MAX,
            };
            if asked.has(*row) {
                wanted.push((*row, scale.steps(*row).min(most)));
            }
        }
        let version = self.packages[0].rsplit(['=', '@']).next().unwrap_or_default();
        let found = self.install(&asked.folder);
        let version = match &found {
            Ok(_) => Ok(version.to_owned()),
            Err(wrong) => Err(wrong.clone()),
        };
        let told = found.and_then(|(program, variables)| self.drive(&program, &variables, &wanted, asked));
        for (row, steps) in wanted {
            cells.insert(
                row,
                told.as_ref()
                    .map_err(Clone::clone)
                    .and_then(|told| cell(row, steps, told)),
            );
        }
        Measured {
            about: self.about,
            version,
            cells,
        }
    }

    /// The program that the driver runs in, and variables for it.
    fn install(&self, folder: &Path) -> Result<(PathBuf, Variables), String> {
        let name = self.packages[0]
            .trim_start_matches('@')
            .replace("==", "-")
            .replace(['/', '@'], "-");
        match self.from {
            From::Pip => Ok((tools::pip(folder, &name, self.packages)?, Vec::new())),
            From::Npm => {
                let home = tools::npm(folder, &name, self.packages)?;
                let machine = match std::env::consts::ARCH {
                    "aarch64" => "arm64",
                    _ => "x64",
                };
                let server = format!("node_modules/@restatedev/restate-server-linux-{machine}/bin/restate-server");
                let node = crate::command::find("node").ok_or("`node` is not installed")?;
                let variables = vec![("RESTATE_SERVER", home.join(server)), ("RESTATE_SDK", home)];
                Ok((node, variables))
            }
        }
    }

    /// What the driver said, by what it was asked for.
    fn drive(
        &self,
        program: &Path,
        variables: &Variables,
        wanted: &[(Row, usize)],
        asked: &Asked,
    ) -> Result<BTreeMap<String, Vec<Value>>, String> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let folder = asked.folder.join(self.about.name);
        let _ = std::fs::remove_dir_all(&folder); // It may not be there.
        std::fs::create_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
        let driver = std::path::absolute(workspace::root().join("bench/engine").join(self.driver));
        let driver = driver.map_err(|error| cannot(&folder, &error))?;
        let mut words = vec![
            program.to_string_lossy().into_owned(),
            driver.to_string_lossy().into_owned(),
            folder.to_string_lossy().into_owned(),
            asked.rounds.to_string(),
            asked.patience.as_secs().to_string(),
        ];
        words.extend(wanted.iter().map(|(row, steps)| format!("{}:{steps}", row.name())));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // The first round has to come to its end, and what it starts has to start.
        let limit = asked.patience * u32::try_from(wanted.len() + 2).unwrap_or(9) + Duration::from_secs(60);
        let mut program = Program::within(limit, &words, &folder).variable("PYTHONDONTWRITEBYTECODE", "1");
        for (name, value) in variables {
            program = program.variable(name, value);
        }
        let (said, ended) = program.output_and_end();
        let _ = std::fs::remove_dir_all(&folder);
        let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for value in said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if let Some(shape) = value["shape"].as_str() {
                println!("  {value}");
                told.entry(shape.to_owned()).or_default().push(value);
            }
        }
        if let Err(wrong) = ended {
            println!("  {wrong}");
            for (row, _) in wanted {
                told.entry(row.name().to_owned())
                    .or_insert_with(|| vec![serde_json::json!({ "error": wrong })]);
            }
        }
        Ok(told)
    }
}

/// What a driver said about a row.
fn cell(row: Row, steps: usize, told: &BTreeMap<String, Vec<Value>>) -> Result<Figure, String> {
    let told = told.get(row.name()).map(Vec::as_slice).unwrap_or_default();
    let numbers = |key: &str| told.iter().filter_map(|value| value[key].as_f64()).collect::<Vec<_>>();
    let (seconds, memory) = (numbers("seconds"), numbers("mb"));
    if let Some(value) = memory.first() {
        return Ok(Figure {
            value: *value,
            steps: 0,
            rounds: 1,
        });
    }
    if seconds.is_empty() {
        let wrong = told.iter().find_map(|value| value["error"].as_str());
        return Err(wrong.unwrap_or("the driver said nothing about it").to_owned());
    }
    Ok(Figure::of_seconds(row, steps, &seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_says_becomes_a_figure_and_what_went_wrong_its_reason() {
        let line = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let told = BTreeMap::from([
            (
                "chain".to_owned(),
                vec![
                    line(r#"{"seconds": 2.0}"#),
                    line(r#"{"seconds": 1.0}"#),
                    line(r#"{"seconds": 4.0}"#),
                ],
            ),
            ("idle".to_owned(), vec![line(r#"{"mb": 41.5}"#)]),
            ("fan".to_owned(), vec![line(r#"{"error": "no room"}"#)]),
        ]);
        assert_eq!(cell(Row::Chain, 100, &told).unwrap().value, 20.0);
        assert_eq!(cell(Row::Idle, 0, &told).unwrap().value, 41.5);
        assert_eq!(cell(Row::Fan, 10, &told).unwrap_err(), "no room");
        assert!(cell(Row::Push, 1, &told).is_err());
    }

    #[test]
    fn each_driver_is_there_and_says_for_each_row_what_it_does_or_why_not() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/engine");
        for peer in all() {
            assert!(folder.join(peer.driver).is_file(), "{}", peer.driver);
            assert_eq!(
                peer.rows.each_ref().map(|(row, _)| *row),
                Row::ALL,
                "{}",
                peer.about.name
            );
        }
    }
}
