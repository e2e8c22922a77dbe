//! What somebody asks the engine to run.

use facts::{Actor, Commit, ComponentId, ComponentName, Digest, EnvironmentName, FactId, ReleaseLine, RunId, Trust};
use pipeline::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A run somebody asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRequest {
    /// The id the run gets; the one who asks brings it.
    pub run: RunId,
    /// What kind of run it is, such as `build`, `deployment` or `return`.
    pub kind: String,
    /// A claim: there is at most one run per key, for good. Asking again with the same key gives
    /// the run that is already there.
    pub key: String,
    /// Whose run it is.
    pub component: ComponentId,
    /// The component's name when the run was asked for.
    pub component_name: ComponentName,
    /// The commit it is about.
    pub commit: Option<Commit>,
    /// The release line it is about.
    pub line: Option<ReleaseLine>,
    /// The environment it changes.
    pub environment: Option<EnvironmentName>,
    /// The digest of the definition that the plan was made from.
    pub definition: Digest,
    /// How far the event behind it is trusted.
    pub trust: Trust,
    /// Who asks.
    pub actor: Actor,
    /// The fact that led to it.
    pub cause: Option<FactId>,
    /// Handed to the actions as it is; the engine does not look inside.
    pub context: Value,
    /// The steps, or what is wrong with the definition: such a run fails at once and says where.
    pub plan: Result<Plan, BrokenDefinition>,
}

/// Why a definition gives no plan, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenDefinition {
    /// The file, as it is called in the repository.
    pub file: String,
    /// The line, from 1; 0 where the file as a whole is wrong.
    pub line: u32,
    /// The column, from 1; 0 where the line as a whole is wrong.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl std::fmt::Display for BrokenDefinition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        write!(f, ": {}", self.message)
    }
}
