//! SIGKILL at any moment. The server, the shims of its runs, their keepers and the keepers of services are
//! killed at times that a seed decides, while changes are pushed and services are asked; the server is
//! started again as systemd would. The world must come to the end that it would have come to.
//!
//! `KILLS` says how many, `KILLS_SEED` with which seed; without it the day is the seed.

mod killer;

use std::time::Instant;

use testkit::Postgres;

use self::killer::{Killed, Killer};
use crate::house::load::Load;
use crate::world::World;
use crate::world::holds::{self, Counts};

/// How many kills an ordinary run takes.
const KILLS: usize = 10;
/// How many come to one world: with each kill, steps wait longer for their next attempt.
const KILLS_IN_A_WORLD: usize = 15;

/// What came of a world.
struct Round {
    killed: Killed,
    counts: Counts,
    requests: u64,
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// One world, with so many kills.
fn round(seed: u64, kills: usize, database: Option<Postgres>) -> Result<Round, String> {
    let mut world = World::open(seed, database)?;
    let killed = played(&mut world, seed, kills).map_err(|wrong| format!("{wrong}\n{}", world.house.told()))?;
    let (killed, requests) = killed;
    let counts = holds::check(&world)?;
    world.house.down()?;
    Ok(Round {
        killed,
        counts,
        requests,
    })
}

fn played(world: &mut World, seed: u64, kills: usize) -> Result<(Killed, u64), String> {
    world.begin()?;
    // Services are left alone in every other world: then nobody may notice anything.
    let services_too = seed % 2 == 1;
    let load = match services_too {
        true => None,
        false => Some(Load::start(&world.url(world.service())?)),
    };
    let killer = Killer::start(world.house.folder(), seed, kills, services_too);
    while !killer.is_done() {
        world.act()?;
    }
    let killed = killer.end();
    world.settle()?;
    let tally = load.map(Load::end).unwrap_or_default();
    let wrong = (&tally.errors, &tally.unanswered, &tally.unattributed);
    if !(tally.errors.is_empty() && tally.unanswered.is_empty() && tally.unattributed.is_empty()) {
        return Err(format!("of {} requests these came to nothing: {wrong:?}", tally.sent));
    }
    Ok((killed, tally.sent))
}

/// Worlds until all kills are done.
fn kills(store: &str, database: impl Fn() -> Option<Postgres>) {
    let begun = Instant::now();
    let day = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let seed = number("KILLS_SEED").map_or_else(day, |seed| seed as u64);
    let wanted = number("KILLS").unwrap_or(KILLS);
    let (mut killed, mut counts, mut requests) = (Killed::default(), Counts::default(), 0);
    for number in 0.. {
        let left = wanted.saturating_sub(killed.count());
        if left == 0 {
            break;
        }
        let seed = seed + number;
        let kills = left.min(KILLS_IN_A_WORLD);
        match round(seed, kills, database()) {
            Ok(round) => {
                println!("{store}, seed {seed}: {:?}, {:?}", round.killed, round.counts);
                killed += round.killed;
                counts += round.counts;
                requests += round.requests;
            }
            Err(wrong) => panic!("{store}: {wrong}\nreplay it with KILLS_SEED={seed} KILLS={kills}"),
        }
    }
    println!("{store}: {:.0} s", begun.elapsed().as_secs_f64());
    println!(
        "total: {} kills, {} servers killed, {} shims killed, {} keepers of steps killed, {} keepers of services killed, \
         {} runs, {} deployments, {} effects, {} applications, {} facts, {} acknowledgements, {requests} requests",
        killed.count(),
        killed.servers,
        killed.shims,
        killed.keepers,
        killed.services,
        counts.runs,
        counts.deployments,
        counts.effects,
        counts.applications,
        counts.facts,
        counts.acknowledged,
    );
}

#[test]
fn kills_at_any_moment_lose_nothing_and_repeat_nothing() {
    kills("SQLite", || None);
}

#[test]
fn kills_at_any_moment_lose_nothing_and_repeat_nothing_with_facts_in_postgresql() {
    let Some(first) = Postgres::start() else { return };
    drop(first);
    kills("PostgreSQL", Postgres::start);
}
