//! The tools that do the work of a laptop and are compared in several benches: how each is had and called.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::figures::cannot;
use super::projects::{self, Work};
use crate::command::{self, Program};

/// What Throughline is called in the table.
pub const OURS: &str = "throughline";

/// The versions of the npm packages.
const TURBO: &str = "2.11.11";
const NX: &str = "24.0.6";
/// The version of PyPI's package of ninja, whose wheel holds the program itself.
const NINJA: &str = "1.13.2";

/// How many tasks all may run at once.
const AT_ONCE: &str = "2";

/// A tool, and how it does the work.
pub struct Peer {
    /// Its name in the table.
    pub name: &'static str,
    program: Result<PathBuf, String>,
    write: fn(&Path, Work) -> Result<(), String>,
    arguments: Vec<String>,
    stop: &'static [&'static str],
    variables: Vec<(&'static str, PathBuf)>,
}

/// All of them. What is a package of npm or PyPI is installed below `folder`.
pub fn all(program: &Path, folder: &Path) -> Vec<Peer> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>();
    let targets: Vec<String> = (0..10).map(|place| format!("t{place}")).collect();
    let turbo = words("run --ui=stream --output-logs=errors-only --cache=local:rw --concurrency").into_iter();
    let turbo = turbo.chain([AT_ONCE.to_owned()]).chain(targets.iter().cloned());
    let nx = words("run-many --all --outputStyle=static --parallel").into_iter();
    let nx = nx.chain([AT_ONCE.to_owned(), "-t".to_owned(), targets.join(",")]);
    vec![
        Peer {
            name: OURS,
            program: Ok(program.to_owned()),
            write: projects::throughline,
            arguments: vec!["run".to_owned()],
            stop: &[],
            variables: vec![
                ("THROUGHLINE_CACHE", folder.join("throughline-cache")),
                ("THROUGHLINE_MAX_PARALLEL", PathBuf::from(AT_ONCE)),
            ],
        },
        Peer {
            name: "make",
            program: command::find("make").ok_or_else(|| "`make` is not installed".to_owned()),
            write: projects::make,
            arguments: words(&format!("--silent --jobs {AT_ONCE}")),
            stop: &[],
            variables: Vec::new(),
        },
        Peer {
            name: "ninja",
            program: of_pypi("ninja", NINJA, folder),
            write: projects::ninja,
            arguments: words(&format!("--quiet -j {AT_ONCE}")),
            stop: &[],
            variables: Vec::new(),
        },
        Peer {
            name: "turbo",
            program: of_npm("turbo", TURBO, folder),
            write: projects::turbo,
            arguments: turbo.collect(),
            stop: &["daemon", "stop"],
            variables: vec![("TURBO_TELEMETRY_DISABLED", PathBuf::from("1"))],
        },
        Peer {
            name: "nx",
            program: of_npm("nx", NX, folder),
            write: projects::nx,
            arguments: nx.collect(),
            stop: &["daemon", "--stop"],
            variables: vec![("NX_TUI", PathBuf::from("false"))],
        },
    ]
}

/// The program of an npm package, installed once.
fn of_npm(package: &str, version: &str, folder: &Path) -> Result<PathBuf, String> {
    let home = npm(
        folder,
        &format!("{package}-{version}"),
        &[&format!("{package}@{version}")],
    )?;
    Ok(home.join("node_modules/.bin").join(package))
}

/// The program of a package of PyPI, installed once.
fn of_pypi(package: &str, version: &str, folder: &Path) -> Result<PathBuf, String> {
    let python = pip(
        folder,
        &format!("{package}-{version}"),
        &[&format!("{package}=={version}")],
    )?;
    Ok(python.with_file_name(package))
}

/// The folder in which npm packages are installed, once.
pub fn npm(folder: &Path, name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let home = folder.join("npm").join(name);
    let prefix = home.to_string_lossy().into_owned();
    let install = || {
        let mut arguments = vec!["install", "--silent", "--no-audit", "--no-fund", "--prefix", &prefix];
        arguments.extend(packages);
        Program::new("npm", &arguments, &home).run()
    };
    installed(&home, install)?;
    Ok(home)
}

/// The Python in whose environment packages of PyPI are installed, once.
pub fn pip(folder: &Path, name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let home = folder.join("pip").join(name);
    let python = home.join("bin/python");
    let program = python.to_string_lossy().into_owned();
    let install = || {
        Program::new("python3", &["-m", "venv", &home.to_string_lossy()], &home).run()?;
        let mut arguments = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        arguments.extend(packages);
        Program::new(&program, &arguments, &home).run()
    };
    installed(&home, install)?;
    Ok(python)
}

/// Installs into a folder, unless that was done before. What was left half done is done anew.
fn installed(home: &Path, install: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let done = home.join(".installed");
    if done.exists() {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(home); // It may not be there.
    std::fs::create_dir_all(home).map_err(|error| cannot(home, &error))?;
    install()?;
    std::fs::write(&done, "").map_err(|error| cannot(&done, &error))
}

impl Peer {
    fn program(&self, arguments: &[&str], folder: &Path) -> Result<Program, String> {
        let program = self.program.clone()?;
        let mut program = Program::new(&program.to_string_lossy(), arguments, folder);
        for (name, value) in &self.variables {
            program = program.variable(name, value);
        }
        Ok(program)
    }

    /// The version it says it is.
    pub fn version(&self) -> Result<String, String> {
        let said = self.program(&["--version"], Path::new("/"))?.output()?;
        let numbers = |line: &str| {
            let from = line.find(|c: char| c.is_ascii_digit())?;
            let rest = &line[from..];
            Some(rest[..rest.find([' ', ')', ',']).unwrap_or(rest.len())].to_owned())
        };
        Ok(said.lines().find_map(numbers).unwrap_or_default())
    }

    /// Writes the work into an empty folder, with nothing kept of the round before.
    pub fn prepare(&self, folder: &Path, work: Work) -> Result<(), String> {
        self.stop(folder);
        for (_, path) in self
            .variables
            .iter()
            .filter(|(_, path)| path.is_absolute() && path.is_dir())
        {
            std::fs::remove_dir_all(path).map_err(|error| cannot(path, &error))?;
        }
        (self.write)(folder, work)?;
        // Nx and Turborepo look for themselves in the workspace.
        if let Ok(program) = &self.program
            && let Some(modules) = program.ancestors().find(|path| path.ends_with("node_modules"))
        {
            let link = folder.join("node_modules");
            std::os::unix::fs::symlink(modules, &link).map_err(|error| cannot(&link, &error))?;
        }
        Ok(())
    }

    /// Sets a variable for it.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, PathBuf::from(value)));
        self
    }

    /// Does what is to be done.
    pub fn run(&self, folder: &Path) -> Result<(), String> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.program(&arguments, folder)?.discard()
    }

    /// The same; gives up after so long, and ends all that it started.
    pub fn run_within(&self, folder: &Path, limit: Duration) -> Result<(), String> {
        let program = self.program.clone()?.to_string_lossy().into_owned();
        let mut arguments = vec![program.as_str()];
        arguments.extend(self.arguments.iter().map(String::as_str));
        let mut program = Program::within(limit, &arguments, folder);
        for (name, value) in &self.variables {
            program = program.variable(name, value);
        }
        program.discard()
    }

    /// Ends what it leaves running behind it.
    pub fn stop(&self, folder: &Path) {
        if !self.stop.is_empty()
            && folder.exists()
            && let Ok(program) = self.program(self.stop, folder)
        {
            // Nothing may be running.
            let _ = program.discard();
        }
    }
}
