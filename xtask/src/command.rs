//! Starting other programs: the only place of this crate that does.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// A program with its arguments, and where it runs.
pub struct Program {
    command: Command,
    shown: String,
}

impl Program {
    /// A program by name or path, in a folder.
    #[allow(clippy::disallowed_methods)] // a chore of the project, not a part of the product
    pub fn new(program: &str, arguments: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        Self {
            command,
            shown: format!("{program} {}", arguments.join(" ")),
        }
    }

    /// Sets a variable for it.
    pub fn variable(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with its output going where ours goes. An error says how it ended.
    pub fn run(mut self) -> Result<(), String> {
        println!("$ {}", self.shown);
        let status = self
            .command
            .status()
            .map_err(|error| format!("cannot start `{}`: {error}", self.shown))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`{}` ended with {status}", self.shown))
        }
    }

    /// Runs it with its output going into a file. An error says how it ended, and the end of what it said.
    pub fn run_into(mut self, log: &Path) -> Result<(), String> {
        println!("$ {} > {}", self.shown, log.display());
        let files = File::create(log).and_then(|file| Ok((file.try_clone()?, file)));
        let (output, error) = files.map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let status = self
            .command
            .stdout(output)
            .stderr(error)
            .status()
            .map_err(|error| format!("cannot start `{}`: {error}", self.shown))?;
        if status.success() {
            return Ok(());
        }
        let told = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = told.lines().collect();
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        Err(format!(
            "`{}` ended with {status}; {}:\n{last}",
            self.shown,
            log.display()
        ))
    }

    /// Runs it and passes on what it says on its standard error, line by line, to a reader as well.
    pub fn run_reading(mut self, mut read: impl FnMut(&str)) -> Result<(), String> {
        println!("$ {}", self.shown);
        let cannot = |shown: &str, error: std::io::Error| format!("cannot run `{shown}`: {error}");
        let mut child = self
            .command
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| cannot(&self.shown, error))?;
        if let Some(told) = child.stderr.take() {
            for line in BufReader::new(told).split(b'\n') {
                let line = line.map_err(|error| cannot(&self.shown, error))?;
                let line = String::from_utf8_lossy(&line);
                eprintln!("{line}");
                read(&line);
            }
        }
        let status = child.wait().map_err(|error| cannot(&self.shown, error))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`{}` ended with {status}", self.shown))
        }
    }

    /// Runs it and feeds its standard input.
    pub fn run_writing(mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
        println!("$ {}", self.shown);
        let cannot = |shown: &str, error: io::Error| format!("cannot run `{shown}`: {error}");
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| cannot(&self.shown, error))?;
        if let Some(input) = child.stdin.take() {
            let mut input = BufWriter::with_capacity(1 << 20, input);
            write(&mut input)
                .and_then(|()| input.flush())
                .map_err(|error| cannot(&self.shown, error))?;
        }
        let status = child.wait().map_err(|error| cannot(&self.shown, error))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`{}` ended with {status}", self.shown))
        }
    }

    /// Runs it and throws away what it wrote to its standard output.
    pub fn discard(mut self) -> Result<(), String> {
        self.command.stdout(Stdio::null());
        self.output().map(drop)
    }

    /// Runs it and returns what it wrote to its standard error.
    pub fn complaint(mut self) -> Result<String, String> {
        let output = self
            .command
            .output()
            .map_err(|error| format!("cannot start `{}`: {error}", self.shown))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(format!("`{}` ended with {}:\n{text}", self.shown, output.status))
        }
    }

    /// Runs it and returns what it wrote to its standard output.
    pub fn output(mut self) -> Result<String, String> {
        let output = self
            .command
            .output()
            .map_err(|error| format!("cannot start `{}`: {error}", self.shown))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = complaint.lines().rev().take(8).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Err(format!(
            "`{}` ended with {}:\n{}",
            self.shown,
            output.status,
            last.join("\n")
        ))
    }
}

/// Where a program is, when it is on the search path.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
