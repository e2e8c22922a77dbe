//! What the server was told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The settings of the server with their sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    /// `server-settings/1`.
    pub schema: String,
    /// The settings, in the order of the documentation.
    pub settings: Vec<SettingLine>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingLine {
    /// Its name.
    pub name: String,
    /// What it is set to; of a secret only that it is set.
    pub value: String,
    /// Where that was said: a flag, a variable, a file; nothing where the default holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}
