//! Every crash point on the path from a commit to users, hit with the real program.
//!
//! The story of `story` is played once to count which points which process reaches. Then it is played
//! again for each, and the process dies there: the server is started again as a person or systemd
//! would, shims and keepers are the server's to replace. The story must come to the same end.
//!
//! `CRASH_POINTS=all` plays all points in each part of the story, `CRASH_POINTS=NAME` those of one
//! name; otherwise a sample is played, to be quick. The day chooses it, or `CRASH_POINTS=NUMBER`.

mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use testkit::Postgres;

use self::story::{PARTS, POLICY};
use crate::house::House;

/// How many stories are played in an ordinary run, besides the one that counts.
const SAMPLE: usize = 12;
/// How many are played side by side: most of a story is waiting.
const SIDE_BY_SIDE: usize = 3;

/// A place at which a process is to die.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    name: String,
    /// Whether the server reaches it, and not a process that it started.
    server: bool,
    part: &'static str,
    /// At which time it is reached.
    at: usize,
}

/// Lines of the files that count, by process.
fn counted(folder: &Path) -> BTreeMap<u32, Vec<String>> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.strip_prefix("points.")?.parse().ok()?;
            let text = std::fs::read_to_string(entry.path()).ok()?;
            Some((pid, text.lines().map(str::to_owned).collect()))
        })
        .collect()
}

/// The story without a crash: what is reached, and how often instances are started.
fn counting(database: Option<Postgres>) -> (Vec<Point>, BTreeMap<String, usize>) {
    let house = House::open(POLICY, Some("count:FOLDER/points.{pid}"), database).unwrap();
    let server = house.server().unwrap();
    let mut marks = Vec::new();
    let played = story::play(&house, false, |part| {
        let lines = counted(house.folder()).remove(&server).unwrap_or_default().len();
        let index = PARTS.iter().position(|other| *other == part).unwrap();
        marks.push((PARTS[index], lines));
    });
    let played = played.unwrap_or_else(|wrong| panic!("without a crash: {wrong}\n{}", house.told()));
    let mut files = counted(house.folder());
    let lines = files.remove(&server).unwrap();
    let mut points = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut begun = 0;
    for (part, end) in marks {
        let mut here: BTreeMap<&str, usize> = BTreeMap::new();
        for name in &lines[begun..end] {
            let number = seen.entry(name).or_default();
            *number += 1;
            here.entry(name).or_insert(*number);
        }
        points.extend(here.into_iter().map(|(name, at)| Point {
            name: name.to_owned(),
            server: true,
            part,
            at,
        }));
        begun = end;
    }
    let others: BTreeSet<&String> = files.values().flatten().filter(|name| !lines.contains(name)).collect();
    points.extend(others.into_iter().map(|name| Point {
        name: name.clone(),
        server: false,
        part: "first",
        at: 1,
    }));
    (points, played.starts)
}

/// What came of one point.
enum Came {
    /// It was hit, and the story came to its end.
    Right(Duration),
    NotHit,
    Wrong(String),
}

fn crash_at(point: &Point, usual: &BTreeMap<String, usize>, database: Option<Postgres>) -> Came {
    let crash = format!("{}:{}@FOLDER/died", point.name, point.at);
    let house = match House::open(POLICY, Some(&crash), database) {
        Ok(house) => house,
        Err(wrong) => return Came::Wrong(wrong),
    };
    let played = story::play(&house, !point.server, |_| {});
    let hit = house.folder().join("died").exists();
    match played {
        Err(wrong) => Came::Wrong(format!("{wrong}\n{}", house.told())),
        Ok(_) if !hit => Came::NotHit,
        Ok(played) if point.server && played.deaths != 1 => {
            Came::Wrong(format!("the server died {} times", played.deaths))
        }
        // Instances are processes of their own: a server that dies costs none of them anything.
        Ok(played) if point.server && played.starts != *usual => Came::Wrong(format!(
            "instances were started {:?} and not {usual:?} times",
            played.starts
        )),
        Ok(played) => Came::Right(played.took),
    }
}

/// Plays a story with a crash at a point, or nearer to its begin.
///
/// How often a point is reached depends on how facts come together into commits and requests: a time that came when it
/// was counted may not come again. Then half of it is tried, down to the first, which comes in every story.
fn crash_near(
    point: &Point,
    usual: &BTreeMap<String, usize>,
    database: impl Fn() -> Option<Postgres>,
) -> (Point, Came) {
    let mut point = point.clone();
    loop {
        match crash_at(&point, usual, database()) {
            Came::NotHit if point.at > 1 => {
                println!("{} was not reached {} times", point.name, point.at);
                point.at /= 2;
            }
            came => return (point, came),
        }
    }
}

/// Plays a story for each point, several side by side.
fn crash_at_each(points: &[Point], usual: &BTreeMap<String, usize>) -> Vec<(Point, Came)> {
    let open = Mutex::new(points.iter().rev().cloned().collect::<Vec<_>>());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let next = open.lock().unwrap().pop();
                    let Some(point) = next else { return };
                    let (point, came) = crash_near(&point, usual, || None);
                    if let Came::Wrong(said) = &came {
                        println!("{point:?}: {said}");
                    }
                    done.lock().unwrap().push((point, came));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by(|(left, _), (right, _)| left.cmp(right));
    done
}

/// Those of an ordinary run: no name twice before each was there once.
fn sample(points: &[Point], seed: u64) -> Vec<Point> {
    // SplitMix64: an order that looks like none.
    let mix = |number: u64| {
        let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut mixed: Vec<(u64, &Point)> = (1..).zip(points).map(|(number, point)| (mix(number), point)).collect();
    mixed.sort();
    let mut names = BTreeSet::new();
    let chosen = mixed.into_iter().map(|(_, point)| point);
    let chosen = chosen.filter(|point| names.insert(point.name.clone()));
    chosen.take(SAMPLE).cloned().collect()
}

/// Every crash point that stands in the code, with the crate it stands in.
fn in_code() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for krate in crates() {
        let name = krate.file_name().unwrap().to_str().unwrap().to_owned();
        for text in sources(&krate.join("src")) {
            for piece in text.split("crashpoint::reach(\"").skip(1) {
                let point = piece.split('"').next().unwrap_or_default();
                found.insert(point.to_owned(), name.clone());
            }
        }
    }
    found
}

fn crates() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = all.read_dir().unwrap().flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join("Cargo.toml").exists());
    folders
}

fn sources(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
    found
}

/// Who else dies at a point: tests that name it, or its own crate's, where they try all by number.
fn tested_by(point: &str, krate: &str) -> String {
    let mut by = Vec::new();
    for folder in crates() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let tests = sources(&folder.join("tests"));
        if name != "throughline" && tests.iter().any(|text| text.contains(point)) {
            by.push(format!("tests of {name} name it"));
        } else if name == krate
            && tests
                .iter()
                .any(|text| text.contains("THROUGHLINE_CRASH") && text.contains("count:"))
        {
            by.push(format!("tests of {name} try all of theirs"));
        }
    }
    if by.is_empty() {
        "not covered".to_owned()
    } else {
        by.join(", ")
    }
}

fn chosen(points: &[Point]) -> Vec<Point> {
    let asked = std::env::var("CRASH_POINTS").unwrap_or_default();
    match asked.parse() {
        _ if asked == "all" => points.to_vec(),
        Err(_) if !asked.is_empty() => points.iter().filter(|point| point.name == asked).cloned().collect(),
        seed => {
            let day = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
            let seed = seed.unwrap_or(day);
            println!("a sample of {SAMPLE} stories, chosen by CRASH_POINTS={seed}");
            sample(points, seed)
        }
    }
}

#[test]
fn the_story_comes_to_the_same_end_wherever_a_process_dies() {
    let begun = Instant::now();
    let (points, usual) = counting(None);
    println!(
        "counted in {:.1} s; instances were started {usual:?} times",
        begun.elapsed().as_secs_f64()
    );
    let results = crash_at_each(&chosen(&points), &usual);

    println!(
        "\n{:<34} {:<8} {:<7} {:>5}  result",
        "crash point", "process", "part", "time"
    );
    let mut wrong = Vec::new();
    for (point, came) in &results {
        let process = if point.server { "server" } else { "helper" };
        let said = match came {
            Came::Right(took) => format!("right, in {:.1} s", took.as_secs_f64()),
            Came::NotHit => "NOT HIT".to_owned(),
            Came::Wrong(_) => "WRONG".to_owned(),
        };
        println!(
            "{:<34} {process:<8} {:<7} {:>5}  {said}",
            point.name, point.part, point.at
        );
        match came {
            Came::Right(_) => {}
            Came::NotHit => wrong.push(format!("{point:?} is on the path and was not hit")),
            Came::Wrong(said) => {
                let first = said.lines().next().unwrap_or_default();
                wrong.push(format!("{point:?}: {first}"));
            }
        }
    }
    println!("\nnot on this path:");
    let reached: BTreeSet<&str> = points.iter().map(|point| point.name.as_str()).collect();
    for (name, krate) in in_code().iter().filter(|(name, _)| !reached.contains(name.as_str())) {
        println!("{name:<34} {}", tested_by(name, krate));
    }
    println!(
        "\ntotal: {} stories, {} points\nof {} points on the path; {} wrong, {:.0} s",
        results.len(),
        results
            .iter()
            .map(|(point, _)| &point.name)
            .collect::<BTreeSet<_>>()
            .len(),
        reached.len(),
        wrong.len(),
        begun.elapsed().as_secs_f64()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The store is tried at each of its points elsewhere; here the whole path is walked on it, and the server dies
/// before and after a commit.
#[test]
fn the_story_comes_to_the_same_end_with_facts_in_postgresql() {
    let Some(database) = Postgres::start() else { return };
    let (points, usual) = counting(Some(database));
    let middle = |name: &str| {
        let all: Vec<_> = points.iter().filter(|point| point.name == name).collect();
        let part = all.iter().find(|point| point.part == "canary");
        (*part.unwrap_or_else(|| panic!("{name} is not reached: {all:?}"))).clone()
    };
    for point in [middle("ledger.before-commit"), middle("ledger.after-commit")] {
        let (point, came) = crash_near(&point, &usual, Postgres::start);
        match came {
            Came::Right(took) => println!("{point:?}: right, in {:.1} s", took.as_secs_f64()),
            Came::NotHit => panic!("{point:?} is on the path and was not hit"),
            Came::Wrong(said) => panic!("{point:?}: {said}"),
        }
    }
}
