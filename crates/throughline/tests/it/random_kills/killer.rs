//! Kills processes of a house at times that a seed decides, from a thread of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use process::{Identity, Signal};

use crate::house::{processes_of, told_of};
use crate::world::random::Random;

/// How often which kind of process was killed.
#[derive(Debug, Default, Clone, Copy)]
pub struct Killed {
    pub servers: usize,
    pub shims: usize,
    pub keepers: usize,
    pub services: usize,
}

impl Killed {
    pub const fn count(&self) -> usize {
        self.servers + self.shims + self.keepers + self.services
    }
}

impl std::ops::AddAssign for Killed {
    fn add_assign(&mut self, other: Self) {
        self.servers += other.servers;
        self.shims += other.shims;
        self.keepers += other.keepers;
        self.services += other.services;
    }
}

/// What may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Server,
    /// What starts the steps of a run.
    Shim,
    /// What keeps one step.
    Keeper,
    /// What keeps the instances of a service, and stands before them.
    Service,
}

/// Kills until it has killed enough.
pub struct Killer {
    done: Arc<AtomicBool>,
    thread: JoinHandle<Killed>,
}

impl Killer {
    /// Kills so many processes of a house. Keepers of services are left alone unless they are wanted.
    pub fn start(house: &Path, seed: u64, kills: usize, services_too: bool) -> Self {
        let done = Arc::<AtomicBool>::default();
        let (house, told) = (house.to_owned(), done.clone());
        let thread = std::thread::spawn(move || {
            let killed = kill(&house, &Random::new(seed ^ 0x6b69_6c6c), kills, services_too);
            told.store(true, Ordering::Relaxed);
            killed
        });
        Self { done, thread }
    }

    /// Whether it has killed enough.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// What it killed.
    pub fn end(self) -> Killed {
        self.thread.join().unwrap()
    }
}

fn kill(house: &Path, random: &Random, kills: usize, services_too: bool) -> Killed {
    let mut killed = Killed::default();
    while killed.count() < kills {
        std::thread::sleep(Duration::from_millis(100 + random.below(1_500) as u64));
        let wanted = match random.below(20) {
            0..8 => Victim::Server,
            8..16 => Victim::Shim,
            16..19 => Victim::Keeper,
            _ if services_too => Victim::Service,
            _ => Victim::Shim,
        };
        let mut found: Vec<Identity> = processes_of(house)
            .into_iter()
            .filter(|process| kind_of(process.pid) == Some(wanted))
            .collect();
        if found.is_empty() {
            continue;
        }
        found.sort_by_key(|process| process.pid);
        let victim = found[random.below(found.len())];
        if !victim.signal(Signal::KILL).unwrap_or(false) {
            continue;
        }
        match wanted {
            Victim::Server => killed.servers += 1,
            Victim::Shim => killed.shims += 1,
            Victim::Keeper => killed.keepers += 1,
            Victim::Service => killed.services += 1,
        }
    }
    killed
}

/// What a process of a house is, by how it was started.
fn kind_of(pid: u32) -> Option<Victim> {
    let arguments = told_of(pid, "cmdline");
    let mut words = arguments.split(' ');
    let (program, command) = (words.next()?, words.next()?);
    match command {
        "serve" if program.ends_with("/throughline") => Some(Victim::Server),
        "shim" if program.ends_with("/throughline") => Some(Victim::Shim),
        // A shim starts its keepers by its own file, whatever became of its name.
        "shim" if program == "/proc/self/exe" => Some(Victim::Keeper),
        "proxy" => Some(Victim::Service),
        _ => None,
    }
}
