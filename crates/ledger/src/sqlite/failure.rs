//! What SQLite's errors mean for whoever appends or reads.

use rusqlite::ErrorCode;

use crate::append::AppendError;
use crate::contract::LedgerError;
use crate::view::FoldError;

/// A statement or a commit that failed for a reason that lies in the store, not in what was asked.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The disk has no room.
    Full,
    /// The disk failed: what is on it is not known.
    Disk(String),
    /// Anything else.
    Other(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error() else {
            return Self::Other(error.to_string());
        };
        match code.code {
            ErrorCode::DiskFull => Self::Full,
            // Growing the shared index of the write-ahead log is refused so when there is no room.
            _ if code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
            ErrorCode::SystemIoFailure => Self::Disk(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<Failure> for AppendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Disk(text) | Failure::Other(text) => Self::Store(text),
        }
    }
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Disk(text) | Failure::Other(text) => Self::Store(text),
        }
    }
}

impl From<Failure> for FoldError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Disk(text) | Failure::Other(text) => Self::Store(text),
        }
    }
}

impl From<rusqlite::Error> for AppendError {
    fn from(error: rusqlite::Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<rusqlite::Error> for FoldError {
    fn from(error: rusqlite::Error) -> Self {
        Failure::from(error).into()
    }
}
