//! A server that works for long: changes are pushed, built and deployed, services are asked a hundred times a
//! second, people look around. It must not grow beyond what its facts need.
//!
//! An ordinary run takes some seconds, to see that nothing goes wrong. `cargo xtask soak` asks for more
//! (`STEADY_SECONDS`), has the server measured all the while (`STEADY_SAMPLES`, a file), and judges the figures.

mod samples;

use std::time::{Duration, Instant};

use testkit::Postgres;

use self::samples::Samples;
use crate::house::load::Load;
use crate::world::World;
use crate::world::holds;

/// How long an ordinary run is under load, in seconds.
const SECONDS: u64 = 3;
/// How long it is between two pushes at least.
const PACE: Duration = Duration::from_secs(2);
/// How many samples are taken in all.
const SAMPLES: u32 = 240;

fn work(database: Option<Postgres>) -> Result<(), String> {
    let asked = std::env::var("STEADY_SECONDS").ok().and_then(|text| text.parse().ok());
    let under_load = Duration::from_secs(asked.unwrap_or(SECONDS));
    let mut world = World::open(1, database)?;
    world.pace = PACE;
    world.begin()?;
    let load = Load::start(&world.url(world.service())?);
    let mut samples = Samples::open()?;
    let begun = Instant::now();
    let mut next = Duration::ZERO;
    while begun.elapsed() < under_load {
        world.act()?;
        if begun.elapsed() >= next {
            samples.take(&world.house, begun.elapsed())?;
            next += (under_load / SAMPLES).max(Duration::from_secs(1));
        }
    }
    world.settle()?;
    let tally = load.end();
    println!(
        "{} requests, {} acknowledgements",
        tally.sent,
        world.acknowledged.count()
    );
    let wrong = (&tally.errors, &tally.unanswered, &tally.unattributed);
    if !(tally.errors.is_empty() && tally.unanswered.is_empty() && tally.unattributed.is_empty()) {
        return Err(format!("of {} requests these came to nothing: {wrong:?}", tally.sent));
    }
    if world.house.deaths.get() > 0 {
        return Err(format!("the server died {} times", world.house.deaths.get()));
    }
    holds::ledger_is_whole(&world)?;
    world.house.down()
}

#[test]
fn a_server_under_steady_load_goes_on_and_is_whole() {
    work(None).unwrap();
}

#[test]
fn a_server_under_steady_load_goes_on_and_is_whole_with_facts_in_postgresql() {
    let Some(database) = Postgres::start() else { return };
    work(Some(database)).unwrap();
}
