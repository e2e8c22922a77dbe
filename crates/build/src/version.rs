//! The action `version`: a script that prints the package's version, run like that of any other step.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{ActionOutcome, Resumed, StepAction, StepContext, StepResult};
use executor::logs::{Channel, Line};
use facts::Version;
use pipeline::plan::VERSION;
use serde_json::{Value, json};

use crate::ports::Names;
use crate::run::RunAction;

/// The action `version`.
pub struct VersionAction {
    run: Arc<RunAction>,
    names: Arc<dyn Names>,
}

/// Why what a command printed is no version.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Misprint {
    #[error("the command printed nothing on standard output\nhint: print the version as one line, such as `1.4.0`")]
    Nothing,
    #[error(
        "the command printed more than one line on standard output\nhint: print the version alone; anything else belongs on standard error"
    )]
    Lines,
    #[error(
        "the command printed `{0}`, which is no version\nhint: 1 to 128 letters, digits and `.-_`, a letter or digit first, without `..`, not ending in `.` or `.lock`"
    )]
    Text(String),
}

impl VersionAction {
    /// An action that runs its script by `run`.
    pub fn new(run: Arc<RunAction>, names: Arc<dyn Names>) -> Self {
        Self { run, names }
    }

    /// The outcome of a script that came to its end: the version it printed, or what is wrong with it.
    async fn judged(&self, step: &StepContext, outcome: ActionOutcome) -> ActionOutcome {
        if outcome.result != StepResult::Succeeded {
            return outcome;
        }
        let log = self.run.log_path(step);
        let printed = tokio::task::spawn_blocking(move || printed(&log)).await;
        let version = match printed {
            Ok(Ok(Ok(version))) => version,
            Ok(Ok(Err(misprint))) => return ActionOutcome::failed(misprint.to_string()),
            Ok(Err(error)) => {
                return ActionOutcome::failed_for_now(format!("what was printed cannot be read: {error}"));
            }
            Err(panic) => return ActionOutcome::failed_for_now(format!("reading stopped: {panic}")),
        };
        match self.names.taken(&step.request, &version).await {
            Ok(None) => {}
            Ok(Some(commit)) => {
                return ActionOutcome::failed(format!(
                    "the version {version} is that of commit {} already\nhint: print another one for each commit",
                    commit.short()
                ));
            }
            Err(reason) => return ActionOutcome::failed_for_now(reason),
        }
        let mut outputs = outcome.outputs;
        match outputs.as_object_mut() {
            Some(outputs) => {
                outputs.insert("version".to_owned(), json!(version));
            }
            None => outputs = json!({ "version": version }),
        }
        ActionOutcome::succeeded(outputs)
    }
}

/// The version that the log says was printed.
fn printed(log: &Path) -> io::Result<Result<Version, Misprint>> {
    let mut only: Option<String> = None;
    for line in BufReader::new(File::open(log)?).split(b'\n') {
        let Some(line) = Line::parse(&line?).filter(|line| line.channel == Channel::Output) else {
            continue;
        };
        if only.replace(line.text).is_some() {
            return Ok(Err(Misprint::Lines));
        }
    }
    Ok(only.map_or(Err(Misprint::Nothing), |text| checked(&text)))
}

/// The text as a version that can also be the name of a tag.
fn checked(text: &str) -> Result<Version, Misprint> {
    if text.trim().is_empty() {
        return Err(Misprint::Nothing);
    }
    let wrong = || Misprint::Text(text.chars().take(80).flat_map(char::escape_debug).collect());
    let no_tag = text.contains("..") || text.ends_with('.') || text.ends_with(".lock");
    let version = Version::new(text).ok().filter(|_| !no_tag);
    version.ok_or_else(wrong)
}

#[async_trait]
impl StepAction for VersionAction {
    fn kind(&self) -> &'static str {
        VERSION
    }

    async fn perform(&self, mut step: StepContext) -> ActionOutcome {
        match self.names.suggested(&step.request).await {
            Ok(suggested) => {
                let variables = step.input.as_object_mut().map(|input| {
                    input
                        .entry("variables")
                        .or_insert_with(|| Value::Object(serde_json::Map::new()))
                });
                if let Some(Value::Object(variables)) = variables {
                    variables.extend(suggested.into_iter().map(|(name, value)| (name, Value::String(value))));
                }
            }
            Err(reason) => return ActionOutcome::failed_for_now(reason),
        }
        let outcome = self.run.perform(step.clone()).await;
        self.judged(&step, outcome).await
    }

    async fn resume(&self, step: StepContext) -> Resumed {
        match self.run.resume(step.clone()).await {
            Resumed::Outcome(outcome) => Resumed::Outcome(self.judged(&step, outcome).await),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(log: &str) -> Result<String, Misprint> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, log).unwrap();
        printed(&path).unwrap().map(|version| version.to_string())
    }

    #[test]
    fn one_line_on_standard_output_is_the_version_whatever_is_said_beside_it() {
        assert_eq!(of("1 e looking for it\n2 o 1.4.0\n3 e found\n"), Ok("1.4.0".to_owned()));
        assert_eq!(of("1 o 2026-11-23_build.7\n"), Ok("2026-11-23_build.7".to_owned()));
    }

    #[test]
    fn anything_else_is_refused_with_what_is_wrong() {
        assert_eq!(of(""), Err(Misprint::Nothing));
        assert_eq!(of("1 e 1.4.0\n"), Err(Misprint::Nothing));
        assert_eq!(of("1 o   \n"), Err(Misprint::Nothing));
        assert_eq!(of("1 o 1.4.0\n2 o \n"), Err(Misprint::Lines));
        for wrong in [
            "-x",
            "1.0 beta",
            "1..2",
            "1.0.",
            "x.lock",
            "v1/2",
            "1.0+7",
            "$(id)",
            "\u{1b}[31m1.0",
            "é",
            " 1.0",
        ] {
            assert!(
                matches!(of(&format!("1 o {wrong}\n")), Err(Misprint::Text(_))),
                "{wrong}"
            );
        }
        let long = of(&format!("1 o {}\n", "9".repeat(129))).unwrap_err().to_string();
        assert!(long.lines().next().unwrap().len() < 140, "{long}");
    }
}
