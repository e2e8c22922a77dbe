//! Whether attempts are kept apart from one another and from the server's files, and what of it holds
//! where they run.

use std::fmt;
use std::path::PathBuf;

use process::isolation::Hidden;
use serde::{Deserialize, Serialize};

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsolationMode {
    /// An attempt that cannot be isolated is not made.
    Required,
    /// Attempts are isolated where the kernel allows it; where it does not, their outcome says so.
    #[default]
    Available,
    /// Attempts are not isolated.
    Off,
}

/// What kept an attempt apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Isolation {
    /// Namespaces of its own; see [`process::isolation`].
    Namespaces,
    /// Nothing but care, because nothing else was wanted.
    Off,
    /// Nothing but care, because the kernel does not allow more.
    Unavailable {
        /// What it does not allow.
        reason: String,
    },
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespaces => f.write_str("namespaces"),
            Self::Off => f.write_str("off"),
            Self::Unavailable { reason } => write!(f, "unavailable: {reason}"),
        }
    }
}

/// The variable that tells a shim what is wanted, and a keeper that is to isolate what to hide.
pub(crate) const VARIABLE: &str = "THROUGHLINE_SHIM_ISOLATION";

/// What a shim is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) mode: IsolationMode,
    /// The data folder.
    pub(crate) folder: PathBuf,
    /// What else holds secrets of the server.
    pub(crate) others: Vec<PathBuf>,
}

impl Wanted {
    fn hidden(&self) -> Hidden {
        Hidden {
            folder: self.folder.clone(),
            others: self.others.clone(),
        }
    }

    /// What the variable says; nothing where it is not set.
    pub(crate) fn handed() -> Option<Self> {
        serde_json::from_str(&std::env::var(VARIABLE).ok()?).ok()
    }

    pub(crate) fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// What can be had of it. To be called before the process starts a thread.
    pub(crate) fn found(&self) -> Isolation {
        if self.mode == IsolationMode::Off {
            return Isolation::Off;
        }
        match process::isolation::probe(&self.hidden()) {
            Ok(()) => Isolation::Namespaces,
            Err(error) => Isolation::Unavailable { reason: told(&error) },
        }
    }

    /// Prepares this process to start isolated ones.
    pub(crate) fn enter(&self) -> Result<process::isolation::Isolation, process::isolation::Unavailable> {
        process::isolation::Isolation::enter(&self.hidden())
    }
}

/// An error with its cause.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) if !error.to_string().contains(&cause.to_string()) => format!("{error}: {cause}"),
        _ => error.to_string(),
    }
}
