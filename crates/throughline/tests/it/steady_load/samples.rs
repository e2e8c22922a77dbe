//! What a server takes of the machine, looked at again and again.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::house::{House, processes_of, told_of};

/// What each sample holds, in this order; `cargo xtask soak` reads the first line.
const COLUMNS: &str = "seconds facts memory descriptors log store service_memory service_descriptors";

/// A file with a line for each sample; nothing where none is asked for.
pub struct Samples(Option<File>);

impl Samples {
    /// The file that `STEADY_SAMPLES` names.
    pub fn open() -> Result<Self, String> {
        let Some(path) = std::env::var_os("STEADY_SAMPLES") else {
            return Ok(Self(None));
        };
        let mut file = File::create(&path).map_err(|error| format!("{}: {error}", Path::new(&path).display()))?;
        writeln!(file, "{COLUMNS}").map_err(|error| error.to_string())?;
        Ok(Self(Some(file)))
    }

    /// Looks at the server, its stores, and the keepers of its services.
    pub fn take(&mut self, house: &House, at: Duration) -> Result<(), String> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let metrics = house.metrics()?;
        let of = |name: &str| metrics.get(name).copied().unwrap_or_default();
        let (log, store) = match house.database() {
            Some(folder) => {
                let (all, log) = (size_of(&folder.join("data")), size_of(&folder.join("data/pg_wal")));
                (log, all - log)
            }
            None => stores(&house.data()),
        };
        let services: Vec<u32> = processes_of(house.folder())
            .iter()
            .map(|process| process.pid)
            .filter(|pid| told_of(*pid, "cmdline").contains(" proxy "))
            .collect();
        let memory: u64 = services.iter().map(|pid| memory_of(*pid)).sum();
        let descriptors: usize = services.iter().map(|pid| descriptors_of(*pid)).sum();
        writeln!(
            file,
            "{} {} {} {} {log} {store} {memory} {descriptors}",
            at.as_secs(),
            of("throughline_facts_total"),
            of("process_resident_memory_bytes"),
            of("process_open_fds"),
        )
        .map_err(|error| error.to_string())
    }
}

/// The bytes of the write-ahead logs and of the stores themselves, in a data folder.
fn stores(data: &Path) -> (u64, u64) {
    let (mut log, mut store) = (0, 0);
    for entry in data.read_dir().into_iter().flatten().flatten() {
        let (name, size) = (entry.file_name(), entry.metadata().map_or(0, |about| about.len()));
        match name.to_string_lossy() {
            name if name.ends_with(".db-wal") => log += size,
            name if name.ends_with(".db") => store += size,
            _ => {}
        }
    }
    (log, store)
}

/// The bytes of everything in a folder. What goes meanwhile counts nothing.
fn size_of(folder: &Path) -> u64 {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size_of(&entry.path()),
            _ => entry.metadata().map_or(0, |about| about.len()),
        })
        .sum()
}

fn memory_of(pid: u32) -> u64 {
    let status = told_of(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

fn descriptors_of(pid: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
    open.map_or(0, Iterator::count)
}
