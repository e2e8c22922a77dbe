//! Commands about backups.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::settings::Flags;
use crate::settings::value::Database;

/// Backups.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum BackupCommand {
    Take(BackupTakeArgs),
    List(BackupListArgs),
    Verify(BackupVerifyArgs),
}

/// Take a backup of the running server into a folder here.
///
/// It is one state: the facts up to a moment, and everything that they name; packages, logs, repositories, databases
/// that the server keeps, the policy, and what operates. The folder may hold earlier backups: what has not changed since
/// is neither sent nor stored a second time. Secrets are in it as they are stored, encrypted. The keys `secrets.key` and
/// `signing.key` are not in it: keep a copy of the first elsewhere.
#[derive(Debug, Args)]
pub struct BackupTakeArgs {
    /// The folder; made where it is not there.
    pub folder: PathBuf,
    /// Print a document.
    #[arg(long)]
    pub json: bool,
}

/// List the backups in a folder.
#[derive(Debug, Args)]
pub struct BackupListArgs {
    /// The folder.
    pub folder: PathBuf,
    /// Print a document.
    #[arg(long)]
    pub json: bool,
}

/// Check every byte of a backup.
///
/// Each file is compared with its digest, and the facts are gone through as a chain, up to the signed checkpoint and the
/// last one.
#[derive(Debug, Args)]
pub struct BackupVerifyArgs {
    /// The folder.
    pub folder: PathBuf,
    /// Which backup, as `throughline backup list` names it; the newest by default.
    #[arg(long, value_name = "NAME")]
    pub backup: Option<String>,
    /// The public key that is trusted to have signed the checkpoint (PEM); as often as there are any.
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// Print a document.
    #[arg(long)]
    pub json: bool,
}

/// Make a server of a backup: fill the data folder, which must be empty.
///
/// Everything is checked on the way. With --database the facts go into a database, whose schema must be empty too.
/// Afterwards the server is started as ever. What happened after the backup is not in it: attempts that were open are
/// lost and treated by their class, and the first start says where what runs is not what the facts say.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The folder of backups.
    #[arg(required_unless_present = "take_over")]
    pub folder: Option<PathBuf>,
    /// Which backup, as `throughline backup list` names it; the newest by default.
    #[arg(long, value_name = "NAME", requires = "folder")]
    pub backup: Option<String>,
    /// The server that the backup is of has ended for good: this one may deploy, tag and tell people in its place. It can
    /// be said later too, without a folder.
    #[arg(long)]
    pub take_over: bool,
    /// The PostgreSQL database into which the facts go, as postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "ADDRESS")]
    pub database: Option<Database>,
    /// A file with the address of the database.
    #[arg(long, value_name = "FILE")]
    pub database_file: Option<PathBuf>,
    /// Print a document.
    #[arg(long)]
    pub json: bool,
}

impl RestoreArgs {
    pub(super) fn flags(&self, flags: Flags) -> Flags {
        Flags {
            database: self.database.clone(),
            database_file: self.database_file.clone(),
            ..flags
        }
    }
}
