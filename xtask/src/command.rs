//! Starting other programs: the only place of this crate that does.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// How `timeout` ends when it had to end the program.
const GAVE_UP: i32 = 124;

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

    /// The program that `words` begin with. After so long it is ended, with all that it has started.
    pub fn within(limit: std::time::Duration, words: &[&str], folder: &Path) -> Self {
        let seconds = limit.as_secs().max(1).to_string();
        let mut arguments = vec!["--kill-after=10", seconds.as_str()];
        arguments.extend(words);
        Self {
            shown: words.join(" "),
            ..Self::new("timeout", &arguments, folder)
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

    /// Starts it beside this program; what it says goes into a file.
    pub fn start(mut self, said: &Path) -> Result<Running, String> {
        let cannot = |shown: &str, error: io::Error| format!("cannot start `{shown}`: {error}");
        let file = File::create(said).map_err(|error| cannot(&self.shown, error))?;
        let other = file.try_clone().map_err(|error| cannot(&self.shown, error))?;
        let child = self.command.stdout(file).stderr(other).spawn();
        let child = child.map_err(|error| cannot(&self.shown, error))?;
        Ok(Running {
            child,
            shown: self.shown,
        })
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
    pub fn output(self) -> Result<String, String> {
        let (text, ended) = self.output_and_end();
        ended.map(|()| text)
    }

    /// Runs it and returns what it wrote to its standard output, however it ended, and how it did.
    pub fn output_and_end(mut self) -> (String, Result<(), String>) {
        let output = match self.command.output() {
            Ok(output) => output,
            Err(error) => return (String::new(), Err(format!("cannot start `{}`: {error}", self.shown))),
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return (text, Ok(()));
        }
        if output.status.code() == Some(GAVE_UP) {
            return (text, Err(format!("`{}` took too long and was ended", self.shown)));
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = complaint.lines().rev().take(8).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        let ended = format!("`{}` ended with {}:\n{}", self.shown, output.status, last.join("\n"));
        (text, Err(ended))
    }
}

/// A program that goes on beside this one, and is ended with this value.
pub struct Running {
    child: Child,
    shown: String,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, and waits until it has.
    pub fn end(&mut self) {
        if self.has_ended() {
            return;
        }
        let asked = Program::new("kill", &["-TERM", &self.id().to_string()], Path::new("/")).output();
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.wait();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<(), String> {
        let ended = self.child.wait();
        ended
            .map(drop)
            .map_err(|error| format!("cannot wait for `{}`: {error}", self.shown))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program is, when it is on the search path.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
