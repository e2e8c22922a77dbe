//! A repository that somebody works in, at times of the test's choice.

use std::path::{Path, PathBuf};

use evidence::{Evidence, Measure, Value};
use survey::{AsOf, Options, Survey, SurveyError};
use tempfile::TempDir;

/// Noon of the first day, 2024-01-01.
const START: i64 = 1_704_110_400;
const DAY: i64 = 86_400;

pub struct Work {
    pub folder: TempDir,
    pub path: PathBuf,
}

impl Work {
    pub fn new() -> Self {
        Self::with(&[])
    }

    pub fn with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop");
        std::fs::create_dir(&path).unwrap();
        let work = Self { folder, path };
        let mut arguments = vec!["init", "--quiet", "--initial-branch=main"];
        arguments.extend(options);
        arguments.push(".");
        work.git(&arguments);
        work
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.path, 0, ("Ada Lovelace", "ada@example.org"), arguments, b"")
    }

    pub fn feed(&self, arguments: &[&str], input: &[u8]) -> String {
        self.git_in(&self.path, 0, ("Ada Lovelace", "ada@example.org"), arguments, input)
    }

    #[allow(clippy::disallowed_methods)] // a person's git, not the product's
    pub fn git_in(&self, path: &Path, day: i64, who: (&str, &str), arguments: &[&str], input: &[u8]) -> String {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let date = format!("{} +0000", START + day * DAY);
        let mut child = Command::new("git")
            .args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0"])
            .args(arguments)
            .current_dir(path)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs([
                ("HOME", "/nonexistent"),
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ])
            .envs([("GIT_AUTHOR_NAME", who.0), ("GIT_AUTHOR_EMAIL", who.1)])
            .envs([("GIT_COMMITTER_NAME", who.0), ("GIT_COMMITTER_EMAIL", who.1)])
            .envs([("GIT_AUTHOR_DATE", &date), ("GIT_COMMITTER_DATE", &date)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Not all commands want what they are fed.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {arguments:?}: {complaint}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits everything on a day, as a person.
    pub fn commit_by(&self, day: i64, who: (&str, &str), message: &str) -> String {
        self.git(&["add", "--all"]);
        let arguments = [
            "commit",
            "--quiet",
            "--allow-empty",
            "--allow-empty-message",
            "-m",
            message,
        ];
        self.git_in(&self.path, day, who, &arguments, b"");
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes a file and commits it on a day.
    pub fn commit(&self, day: i64, file: &str, message: &str) -> String {
        self.write(file, &format!("{message}\n"));
        self.commit_by(day, ("Ada Lovelace", "ada@example.org"), message)
    }

    /// Runs git on a day.
    pub fn on(&self, day: i64, arguments: &[&str]) -> String {
        self.git_in(&self.path, day, ("Ada Lovelace", "ada@example.org"), arguments, b"")
    }

    pub fn survey(&self, day: i64) -> Survey {
        survey_of(&self.path, day).unwrap()
    }
}

/// The end of a day.
pub fn end_of(day: i64) -> AsOf {
    let time = jiff::Timestamp::from_second(START + day * DAY).unwrap();
    AsOf::EndOf(time.to_zoned(jiff::tz::TimeZone::UTC).date())
}

pub fn options(day: i64) -> Options {
    Options {
        as_of: end_of(day),
        window_days: 90,
        branch: None,
        most_files: Options::MOST_FILES,
    }
}

pub fn survey_of(path: &Path, day: i64) -> Result<Survey, SurveyError> {
    survey::survey(path, &options(day), &())
}

pub fn measure<'a>(evidence: &'a Evidence, name: &str) -> Option<&'a Measure> {
    evidence.measures.get(&format!("history.{name}"))
}

#[track_caller]
pub fn value(evidence: &Evidence, name: &str) -> Value {
    match measure(evidence, name) {
        Some(measure) => measure.value.clone(),
        None => panic!("no measure {name}; limits: {:?}", evidence.limits),
    }
}

#[track_caller]
pub fn count(evidence: &Evidence, name: &str) -> i64 {
    match value(evidence, name) {
        Value::Integer(count) => count,
        other => panic!("{name} is {other:?}"),
    }
}

#[track_caller]
pub fn number(evidence: &Evidence, name: &str) -> f64 {
    match value(evidence, name) {
        Value::Number(number) => number,
        other => panic!("{name} is {other:?}"),
    }
}

/// Whether one of the limits says this.
pub fn is_limited(evidence: &Evidence, words: &str) -> bool {
    evidence.limits.iter().any(|limit| limit.contains(words))
}
