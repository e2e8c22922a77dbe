//! Throughline as a server, with facts that are durable: what a push to it starts, and how long that takes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Asked;
use super::http::{self, Answer};
use super::matrix::{About, Cell, Cells, Figure, Measured, Row, STEPS_OF_A_RUN, median};
use crate::bench::figures::cannot;
use crate::bench::projects::{self, Work};
use crate::command::{Program, Running};

/// What it is called in the table.
pub const OURS: &str = "Throughline, server";

/// So long a server is left alone before its memory is looked at.
const SETTLING: Duration = Duration::from_secs(5);
/// How often a run is looked at until it has ended. Its times are those that the server recorded.
const LOOK: Duration = Duration::from_millis(100);

/// A server that runs.
pub struct Server {
    running: Running,
    program: PathBuf,
    data: PathBuf,
    port: u16,
    token: String,
    /// From its start to its first answer.
    pub started_in: Duration,
}

impl Server {
    /// Starts a server on a data folder, and waits until it answers.
    pub fn start(program: &Path, data: &Path, settings: &[&str]) -> Result<Self, String> {
        std::fs::create_dir_all(data).map_err(|error| cannot(data, &error))?;
        let port = http::free_port()?;
        let address = format!("127.0.0.1:{port}");
        let shown = data.to_string_lossy();
        let mut arguments = vec!["serve", "--data", &shown, "--address", &address, "--max-parallel", "2"];
        arguments.extend(settings);
        let said = data.with_extension("log");
        let begun = Instant::now();
        let mut running = Program::new(&program.to_string_lossy(), &arguments, data).start(&said)?;
        while http::get(port, "/healthz", "Accept: */*").is_err() {
            if running.has_ended() || begun.elapsed() > Duration::from_secs(600) {
                let said = std::fs::read_to_string(&said).unwrap_or_default();
                return Err(format!("the server does not answer: {said}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let started_in = begun.elapsed();
        let token = data.join("bench.token");
        let first = || {
            let said = std::fs::read_to_string(&said).unwrap_or_default();
            said.lines().find(|line| line.starts_with("tl_")).map(str::to_owned)
        };
        // The first start alone says the token, right after it has begun to answer.
        let until = Instant::now() + Duration::from_secs(10);
        let told = loop {
            match std::fs::read_to_string(&token).ok().or_else(first) {
                Some(told) => break told,
                None if Instant::now() > until => return Err("the server said no token".to_owned()),
                None => std::thread::sleep(LOOK),
            }
        };
        std::fs::write(&token, &told).map_err(|error| cannot(&token, &error))?;
        Ok(Self {
            running,
            program: program.to_owned(),
            data: data.to_owned(),
            port,
            token: told,
            started_in,
        })
    }

    /// Asks with the token.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        let answer = http::get(self.port, path, &format!("Authorization: Bearer {}", self.token))?;
        match answer.status {
            200 => Ok(answer),
            status => Err(format!("{path} was answered with {status}: {}", answer.body)),
        }
    }

    /// Asks for a document.
    pub fn json(&self, path: &str) -> Result<Value, String> {
        serde_json::from_str(&self.get(path)?.body).map_err(|error| format!("{path} gives no JSON: {error}"))
    }

    /// A number that it says of itself at `/metrics`.
    pub fn number(&self, name: &str) -> Result<f64, String> {
        let answer = self.get("/metrics")?;
        let found = answer
            .body
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        found.ok_or_else(|| format!("/metrics does not say {name}"))
    }

    /// Its memory in MB: of its process alone, since nothing else of it runs while it has nothing to do.
    pub fn memory(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/smaps_rollup", self.running.id());
        let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(kilobytes.ok_or("the kernel does not say the memory of a process")? / 1024.0)
    }

    /// Where a component is pushed to.
    fn remote(&self, component: &str) -> String {
        format!(
            "http://bench:{}@127.0.0.1:{}/git/bench/{component}.git",
            self.token, self.port
        )
    }

    /// The runs of a component's builds, the newest first.
    fn builds(&self, component: &str, most: usize) -> Result<Vec<Value>, String> {
        let found = self.json(&format!(
            "/api/v1/runs?component=bench/{component}&kind=build&limit={most}"
        ))?;
        Ok(found["runs"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until so many builds of a component have ended, and returns the newest `few` of them.
    fn ended(&self, component: &str, all: usize, few: usize, patience: Duration) -> Result<Vec<Value>, String> {
        let until = Instant::now() + patience;
        loop {
            let mut runs = self.builds(component, all.min(500)).unwrap_or_default();
            if runs.len() >= all.min(500) && runs.iter().take(few).all(|run| run["state"] == "finished") {
                runs.truncate(few);
                return match runs.iter().find(|run| run["result"] != "succeeded") {
                    Some(run) => Err(format!("a run ended {}: {}", run["result"], run["reason"])),
                    None => Ok(runs),
                };
            }
            if Instant::now() > until {
                return Err(format!("the server had not done it after {} s", patience.as_secs()));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Stops it, and whatever it left running.
    pub fn stop(mut self) -> Result<(), String> {
        let shown = self.data.to_string_lossy();
        let down = ["down", "--everything", "--data", &shown];
        let program = Program::new(&self.program.to_string_lossy(), &down, &self.data);
        program.variable("THROUGHLINE_TOKEN", &self.token).discard()?;
        self.running.wait()
    }
}

/// A working tree that is pushed.
pub struct Tree {
    pub folder: PathBuf,
    component: &'static str,
    pushes: usize,
}

impl Tree {
    /// A tree of a component, without a commit.
    pub fn new(folder: PathBuf, component: &'static str) -> Self {
        Self {
            folder,
            component,
            pushes: 0,
        }
    }

    fn git(&self, arguments: &[&str]) -> Result<String, String> {
        let mut all = vec![
            "-c",
            "user.name=Bench",
            "-c",
            "user.email=bench@example.org",
            "-c",
            "gc.auto=0",
        ];
        all.extend(arguments);
        Program::new("git", &all, &self.folder).output()
    }

    /// Makes a commit that differs in a file which no step reads.
    pub fn commit(&mut self) -> Result<(), String> {
        if self.pushes == 0 {
            self.git(&["init", "--quiet", "--initial-branch=main"])?;
        }
        self.pushes += 1;
        let file = self.folder.join("pushes");
        std::fs::write(&file, format!("{}\n", self.pushes)).map_err(|error| cannot(&file, &error))?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", &format!("push {}", self.pushes)])?;
        Ok(())
    }

    /// Pushes what is committed.
    pub fn push(&self, server: &Server, refs: &[String]) -> Result<(), String> {
        let remote = server.remote(self.component);
        let mut arguments = vec!["push", "--quiet", &remote];
        arguments.extend(refs.iter().map(String::as_str));
        self.git(&arguments).map(drop)
    }

    /// Commits, pushes to the main branch, and gives the run that came of it, when it has ended.
    pub fn deliver(&mut self, server: &Server, patience: Duration) -> Result<Value, String> {
        self.commit()?;
        self.push(server, &["main".to_owned()])?;
        let mut ended = server.ended(self.component, self.pushes, 1, patience)?;
        ended.pop().ok_or_else(|| "there is no run".to_owned())
    }
}

/// A point in time of the API, in seconds since 1970.
fn seconds(value: &Value) -> Result<f64, String> {
    value
        .as_str()
        .and_then(read_time)
        .ok_or_else(|| format!("{value} is no time"))
}

/// Reads `2026-11-23T18:53:54.398068Z`.
fn read_time(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut parts = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let mut parts = time.split(':');
    let (hour, minute): (f64, f64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let second: f64 = parts.next()?.parse().ok()?;
    // Days by the usual count of years that begin in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days as f64 * 86_400.0 + hour * 3_600.0 + minute * 60.0 + second)
}

/// How long a run took, from being asked for to its end, as the server recorded both.
fn took(run: &Value) -> Result<f64, String> {
    Ok(seconds(&run["finished_at"])? - seconds(&run["requested_at"])?)
}

/// All that the server does of the shared benchmarks.
pub fn measure(program: &Path, asked: &Asked) -> Measured {
    let about = About {
        name: OURS,
        settings: "`throughline serve --max-parallel 2` with its defaults: facts in SQLite, steps isolated; a run's time is between the facts that it is asked for and finished",
        durable: "SQLite with a write-ahead log and `synchronous=FULL`: begin and end of each step are on the disk, the end of one and the begin of the next in one commit",
    };
    let version = super::version_of(program);
    let mut cells = Cells::new();
    for row in Row::ALL.into_iter().filter(|row| asked.has(*row)) {
        println!("{OURS}: {}", row.title());
        let cell = of_row(program, row, asked, &[]);
        println!("  {cell:?}");
        cells.insert(row, cell);
    }
    Measured { about, version, cells }
}

/// One row, on a server of its own.
pub fn of_row(program: &Path, row: Row, asked: &Asked, settings: &[&str]) -> Cell {
    let steps = asked.scale.steps(row);
    let place = asked.folder.join("server");
    let _ = std::fs::remove_dir_all(&place); // It may not be there.
    let server = Server::start(program, &place.join("data"), settings)?;
    let cell = figure(&server, row, steps, &place, asked);
    let stopped = server.stop();
    let _ = std::fs::remove_dir_all(&place);
    let figure = cell?;
    stopped.map(|()| figure)
}

fn figure(server: &Server, row: Row, steps: usize, place: &Path, asked: &Asked) -> Cell {
    if row == Row::Idle {
        std::thread::sleep(SETTLING);
        return Ok(Figure {
            value: server.memory()?,
            steps: 0,
            rounds: 1,
        });
    }
    // The first run of a server finds nothing prepared, for it and for all others that have a server.
    let mut warm = Tree::new(place.join("warm"), "warm");
    projects::throughline(&warm.folder, Work::nothing(1, false))?;
    warm.deliver(server, asked.limit())?;

    let mut tree = Tree::new(place.join("tree"), row.name());
    let work = match row {
        Row::Chain => Work::nothing(steps, true),
        Row::Runs => Work::nothing(STEPS_OF_A_RUN, true),
        Row::Push => Work::nothing(1, false),
        Row::Fan => Work::nothing(steps, false),
        Row::Kept | Row::Outputs | Row::Idle => Work::copies(steps),
    };
    projects::throughline(&tree.folder, work)?;
    let times = match row {
        Row::Runs => at_once(server, &mut tree, steps / STEPS_OF_A_RUN, asked)?,
        Row::Push => pushes(server, &mut tree, steps, asked)?,
        Row::Outputs => {
            // Each round other inputs: otherwise the results of the round before would be put back.
            rounds(asked, |round| {
                for task in 0..steps {
                    projects::change(&tree.folder, task, round)?;
                }
                took(&tree.deliver(server, asked.limit())?)
            })?
        }
        Row::Kept => {
            tree.deliver(server, asked.limit())?;
            rounds(asked, |_| took(&tree.deliver(server, asked.limit())?))?
        }
        Row::Chain | Row::Fan | Row::Idle => rounds(asked, |_| took(&tree.deliver(server, asked.limit())?))?,
    };
    Ok(Figure::of_seconds(row, steps, &times))
}

/// Times of as many rounds as are asked for and fit.
pub fn rounds(asked: &Asked, mut once: impl FnMut(usize) -> Result<f64, String>) -> Result<Vec<f64>, String> {
    let begun = Instant::now();
    let mut times = Vec::new();
    for round in 0..asked.rounds {
        if round > 0 && begun.elapsed() > asked.patience {
            break;
        }
        times.push(once(round)?);
    }
    Ok(times)
}

/// So many branches are pushed at once, and each is built.
fn at_once(server: &Server, tree: &mut Tree, runs: usize, asked: &Asked) -> Result<Vec<f64>, String> {
    let mut all = 0;
    rounds(asked, |round| {
        let mut refs = Vec::new();
        for branch in 0..runs {
            tree.commit()?;
            let name = format!("refs/heads/round-{round}-{branch}");
            tree.git(&["update-ref", &name, "HEAD"])?;
            refs.push(name);
        }
        tree.push(server, &refs)?;
        all += runs;
        let ended = server.ended(tree.component, all, runs, asked.limit())?;
        let first = ended
            .iter()
            .map(|run| seconds(&run["requested_at"]))
            .collect::<Result<Vec<_>, _>>()?;
        let last = ended
            .iter()
            .map(|run| seconds(&run["finished_at"]))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(last.into_iter().fold(0.0, f64::max) - first.into_iter().fold(f64::MAX, f64::min))
    })
}

/// The seconds since 1970, as the system's program says them: a millisecond or two late.
fn now(folder: &Path) -> Result<f64, String> {
    let said = Program::new("date", &["+%s.%N"], folder).output()?;
    said.trim().parse().map_err(|_| format!("`date` says `{said}`"))
}

/// From the end of each push to the start of its run's first step: the fact that stands before it is begun.
fn pushes(server: &Server, tree: &mut Tree, count: usize, asked: &Asked) -> Result<Vec<f64>, String> {
    let mut times = Vec::new();
    for number in 1..=count {
        tree.commit()?;
        tree.push(server, &["main".to_owned()])?;
        let pushed = now(&tree.folder)?;
        let ended = server.ended(tree.component, number, 1, asked.limit())?;
        let begun = ended.first().map(|run| seconds(&run["started_at"])).transpose()?;
        times.push(begun.ok_or("there is no run")? - pushed);
    }
    Ok(vec![median(&times); count.min(times.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_api_are_read() {
        assert_eq!(read_time("1970-01-01T00:00:01.5Z"), Some(1.5));
        assert_eq!(read_time("2026-11-23T18:53:54Z"), Some(1_795_460_034.0));
        assert_eq!(read_time("2026-11-23"), None);
    }
}
