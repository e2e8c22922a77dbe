//! Runs, steps and attempts.

use facts::{Digest, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A list of runs, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Runs {
    /// `runs/1`.
    pub schema: String,
    /// The runs.
    pub runs: Vec<RunLine>,
    /// Hand this in as `after` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunLine {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RunId,
    /// `build`, `deployment`, `return`, `rebuild` or `tag`.
    pub kind: String,
    /// The component's name.
    pub component: String,
    /// The commit.
    pub commit: Option<String>,
    /// The release line or branch.
    pub line: Option<String>,
    /// Where, for a deployment.
    pub environment: Option<String>,
    /// `waiting`, `ready`, `running`, `backoff`, `asking` or `finished`.
    pub state: String,
    /// Once finished: `succeeded`, `failed`, `cancelled`, `timed-out` or `unknown`.
    pub result: Option<String>,
    /// Why it ended so, or what it waits for.
    pub reason: Option<String>,
    /// When it was asked for.
    #[schema(value_type = String)]
    pub requested_at: Timestamp,
    /// When its first step began.
    #[schema(value_type = Option<String>)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>)]
    pub finished_at: Option<Timestamp>,
}

/// One run with its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// `run/1`.
    pub schema: String,
    /// The run.
    pub run: RunLine,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Its steps, in the plan's order.
    pub steps: Vec<StepLine>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepLine {
    /// Its name.
    pub name: String,
    /// What performs it.
    pub action: String,
    /// The modules that it comes from, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<ModuleLine>,
    /// The steps it waits for.
    pub needs: Vec<String>,
    /// As of a run.
    pub state: String,
    /// As of a run; also `skipped`.
    pub result: Option<String>,
    /// What it says about its end, or what it waits for.
    pub message: Option<String>,
    /// What it reported.
    #[schema(value_type = Object)]
    pub outputs: serde_json::Value,
    /// When it began.
    #[schema(value_type = Option<String>)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>)]
    pub finished_at: Option<Timestamp>,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptLine>,
}

/// A module that a step comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModuleLine {
    /// The step that uses it; of one with a matrix, the instance.
    pub step: String,
    /// Where it lies, with its version.
    pub module: String,
    /// The commit that the version meant, for a module of another repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The same as people read it.
    pub words: String,
}

/// An attempt of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptLine {
    /// Its number, from 1.
    pub attempt: u32,
    /// How it ended; `None` while it goes on.
    pub result: Option<String>,
    /// The exit code, where there is one.
    pub code: Option<i32>,
    /// When it began.
    #[schema(value_type = String)]
    pub started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>)]
    pub finished_at: Option<Timestamp>,
    /// The digest of its kept log.
    #[schema(value_type = Option<String>)]
    pub log: Option<Digest>,
}
