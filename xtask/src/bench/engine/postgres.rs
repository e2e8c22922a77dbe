//! A PostgreSQL of the bench's own, with the settings that it comes with.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::bench::figures::cannot;
use crate::command::{Program, Running};

/// It does not run as root, and the packages of distributions bring this user for it.
const USER: &str = "postgres";
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database server that runs; it is ended with this value.
pub struct Postgres {
    _running: Running,
    /// Its address, as Throughline takes it.
    pub address: String,
}

impl Postgres {
    /// Makes and starts one in a folder.
    pub fn start(folder: &Path) -> Result<Self, String> {
        let programs =
            programs().ok_or("PostgreSQL 15 or later is not installed (`initdb` below /usr/lib/postgresql)")?;
        let home = folder.join("postgres");
        std::fs::create_dir_all(&home).map_err(|error| cannot(&home, &error))?;
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|status| status.uid() == 0);
        let mut user: Vec<&str> = Vec::new();
        if is_root {
            user = vec!["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"];
            Program::new("chown", &[USER, &home.to_string_lossy()], folder).discard()?;
            let open = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder, open).map_err(|error| cannot(folder, &error))?;
        }
        let shown = home.to_string_lossy();
        let data = home.join("data");
        let (data, port) = (data.to_string_lossy(), "5432");
        let initdb = programs.join("initdb");
        let made = [
            &initdb.to_string_lossy(),
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "-D",
            &data,
        ];
        let words: Vec<&str> = user.iter().copied().chain(made).collect();
        Program::within(PATIENCE, &words, &home).discard()?;
        let program = programs.join("postgres");
        let started = [
            &program.to_string_lossy(),
            "-D",
            &data,
            "-k",
            &shown,
            "-p",
            port,
            "-c",
            "listen_addresses=",
        ];
        let words: Vec<&str> = user.iter().copied().chain(started).collect();
        let running = Program::new(words[0], &words[1..], &home).start(&folder.join("postgres.log"))?;
        let begun = Instant::now();
        let ready = programs.join("pg_isready");
        let ready = ready.to_string_lossy();
        while Program::new(&ready, &["-q", "-h", &shown, "-p", port], &home)
            .discard()
            .is_err()
        {
            if begun.elapsed() > PATIENCE {
                return Err("PostgreSQL did not start".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let host = shown.replace('/', "%2F");
        Ok(Self {
            _running: running,
            address: format!("postgres://{USER}@/{USER}?host={host}&port={port}"),
        })
    }
}

/// Where the newest is that is new enough.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse::<u32>().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(version, programs)| *version >= 15 && programs.join("initdb").is_file())
        .max()
        .map(|(_, programs)| programs)
}
