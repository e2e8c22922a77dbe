//! What PostgreSQL's errors mean for whoever appends or reads.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

use crate::append::AppendError;
use crate::contract::LedgerError;
use crate::view::FoldError;

/// A statement or a commit that failed for a reason that lies in the store, not in what was asked.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The database's disk has no room.
    Full,
    /// The connection is gone, or could not be made: another one may be had.
    Lost(String),
    /// Tables were exchanged since the statement was prepared, or somebody else was in the way: it can be
    /// asked again.
    Outdated(String),
    /// Anything else.
    Other(String),
}

impl Failure {
    /// Whether the same may succeed with another connection.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Outdated(_))
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Full => None,
            Self::Lost(text) | Self::Outdated(text) | Self::Other(text) => Some(text),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(found) = error.as_db_error() else {
            let mut text = error.to_string();
            let mut cause = error.source();
            let mut lost = error.is_closed() || text.contains("connecting") || text.contains("timeout");
            while let Some(deeper) = cause {
                lost |= deeper.is::<std::io::Error>();
                text = format!("{text}: {deeper}");
                cause = deeper.source();
            }
            return if lost { Self::Lost(text) } else { Self::Other(text) };
        };
        let code = found.code();
        let text = match found.detail() {
            Some(detail) => format!("{} ({}; {detail})", found.message(), code.code()),
            None => format!("{} ({})", found.message(), code.code()),
        };
        // What ends a session, and what a server says that is starting or stopping.
        let lost = code.code().starts_with("08")
            || [
                &SqlState::ADMIN_SHUTDOWN,
                &SqlState::CRASH_SHUTDOWN,
                &SqlState::CANNOT_CONNECT_NOW,
                &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                &SqlState::TOO_MANY_CONNECTIONS,
            ]
            .contains(&code);
        match code {
            code if *code == SqlState::DISK_FULL => Self::Full,
            code if [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE].contains(code) => {
                Self::Outdated(text)
            }
            code if *code == SqlState::FEATURE_NOT_SUPPORTED && text.contains("cached plan") => Self::Outdated(text),
            _ if lost => Self::Lost(text),
            _ => Self::Other(text),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<Failure> for AppendError {
    fn from(failure: Failure) -> Self {
        failure.text().map_or(Self::Full, Self::Store)
    }
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        failure.text().map_or(Self::Full, Self::Store)
    }
}

impl From<Failure> for FoldError {
    fn from(failure: Failure) -> Self {
        failure.text().map_or(Self::Full, Self::Store)
    }
}
