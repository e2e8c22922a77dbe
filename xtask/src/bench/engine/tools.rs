//! Peers that are programs of a laptop, and Throughline as one: each run of theirs is a process that is waited for.

use std::path::Path;
use std::time::Instant;

use super::Asked;
use super::matrix::{About, Cell, Cells, Figure, Measured, Row};
use super::server::rounds;
use crate::bench::projects::{self, Work};
use crate::bench::tools::{self, Peer};

/// What Throughline on a laptop is called in the table.
pub const LAPTOP: &str = "Throughline, laptop";

const ONE_RUN: &str = "a run is a process of its own, and knows of no other";
const NO_PUSH: &str = "it is told of no commits: work is started by a command";
const NO_SERVER: &str = "it has no server";

/// What is said of each of them beside its figures, and whether a task costs it so much that it gets fewer.
fn about(name: &str) -> (About, bool) {
    let (name, settings, durable, slow) = match name {
        tools::OURS => (
            LAPTOP,
            "`throughline run` with THROUGHLINE_MAX_PARALLEL=2: facts in memory, steps isolated, results kept in the user's cache",
            "none: facts are in memory, kept results in files that are not synced",
            false,
        ),
        "make" => (
            "make",
            "`make --silent --jobs 2`",
            "none: the files that the steps make",
            false,
        ),
        "ninja" => (
            "ninja",
            "`ninja --quiet -j 2`",
            "none: a log of what was built, which is not synced",
            false,
        ),
        "turbo" => (
            "Turborepo",
            "`turbo run --concurrency 2` with its local cache; ten tasks to an npm package, each a script that `npm run` starts",
            "none: a cache in files that are not synced",
            true,
        ),
        _ => (
            "Nx",
            "`nx run-many --parallel 2` with its daemon and local cache; ten tasks to an npm package, each a script that `npm run` starts",
            "none: a cache in files, and a database that is not synced for each task",
            true,
        ),
    };
    (
        About {
            name,
            settings,
            durable,
        },
        slow,
    )
}

/// The name that a tool has in the table.
pub fn name_of(peer: &Peer) -> &'static str {
    about(peer.name).0.name
}

/// Has a tool do what is asked for.
pub fn measure(peer: &Peer, asked: &Asked) -> Measured {
    let (about, slow) = about(peer.name);
    let version = peer.version();
    let mut cells = Cells::new();
    for row in Row::ALL.into_iter().filter(|row| asked.has(*row)) {
        let most = match (slow, row) {
            (false, _) => usize::MAX,
            // Each has to be done once before it can be kept.
            (true, Row::Kept) => asked.scale.slow * 5,
            (true, _) => asked.scale.slow,
        };
        let steps = asked.scale.steps(row).min(most);
        let why = match row {
            Row::Runs => Some(ONE_RUN),
            Row::Push => Some(NO_PUSH),
            Row::Idle => Some(NO_SERVER),
            _ => None,
        };
        let cell = match (why, &version) {
            (Some(why), _) => Err(why.to_owned()),
            (None, Err(wrong)) => Err(wrong.clone()),
            (None, Ok(_)) => {
                println!("{}: {}, {steps} steps", about.name, row.title());
                let cell = of_row(peer, row, steps, asked);
                println!("  {cell:?}");
                cell
            }
        };
        cells.insert(row, cell);
    }
    Measured { about, version, cells }
}

/// One row.
pub fn of_row(peer: &Peer, row: Row, steps: usize, asked: &Asked) -> Cell {
    let folder = asked.folder.join(peer.name);
    let work = match row {
        Row::Chain => Work::nothing(steps, true),
        Row::Kept | Row::Outputs => Work::copies(steps),
        _ => Work::nothing(steps, false),
    };
    let run = || {
        let begun = Instant::now();
        peer.run_within(&folder, asked.limit())?;
        Ok::<f64, String>(begun.elapsed().as_secs_f64())
    };
    let times = if row == Row::Kept {
        peer.prepare(&folder, work)?;
        run()?;
        rounds(asked, |_| run())
    } else {
        rounds(asked, |_| {
            peer.prepare(&folder, work)?;
            run()
        })
    };
    let done = times.and_then(|times| {
        if work.copies {
            projects::holds(&folder, steps)?;
        }
        Ok(Figure::of_seconds(row, steps, &times))
    });
    peer.stop(&folder);
    let _ = std::fs::remove_dir_all::<&Path>(&folder); // What is left of it is removed before the next, too.
    done
}
