//! What tests say becomes a part of the step's outcome.

use std::path::{Path, PathBuf};

use engine::{ActionOutcome, StepResult};
use executor::Job;
use pipeline::plan::{ReportFiles, RunInput};
use zeroize::Zeroizing;

use super::{Before, collect, there};

/// What is to be read of the tests of a step once it has ended.
pub(crate) struct Tests {
    pub wanted: Vec<ReportFiles>,
    pub workspace: PathBuf,
    pub before: Before,
    pub secrets: Vec<Zeroizing<String>>,
}

impl Tests {
    /// Looks which files of earlier runs lie there.
    pub fn before(input: &RunInput, job: &Job, workspace: &Path) -> Self {
        Self {
            wanted: input.reports.clone(),
            before: there(workspace, &input.reports),
            workspace: workspace.to_owned(),
            secrets: job.secrets.iter().map(|secret| secret.value.clone()).collect(),
        }
    }

    /// The outcome with what the tests say.
    pub async fn told(self, mut outcome: ActionOutcome) -> ActionOutcome {
        let over = !matches!(outcome.result, StepResult::Lost | StepResult::Unknown { .. });
        if self.wanted.is_empty() || !over {
            return outcome;
        }
        let reading = tokio::task::spawn_blocking(move || {
            let mut report = collect(&self.workspace, &self.wanted, &self.before);
            report.mask(self.secrets.iter().map(|secret| secret.as_str()));
            report
        });
        let Ok(report) = reading.await else { return outcome };
        if let StepResult::Failed { message, .. } = &mut outcome.result
            && report.failed > 0
        {
            *message = format!("{message}; {}", report.in_words());
        }
        if outcome.outputs.is_null() {
            outcome.outputs = serde_json::json!({});
        }
        if let Some(outputs) = outcome.outputs.as_object_mut() {
            outputs.insert("reports".to_owned(), serde_json::json!(report));
        }
        outcome
    }
}
