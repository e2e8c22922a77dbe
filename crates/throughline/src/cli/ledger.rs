//! Commands about the record as a whole.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Json;

/// The record of what happened.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum LedgerCommand {
    Verify(VerifyArgs),
    Checkpoint(CheckpointArgs),
    Keys(KeysArgs),
    /// Sign checkpoints with another key from now on.
    ///
    /// The earlier key signs a last checkpoint, which covers the fact that names the new one. It stays good for what
    /// it signed.
    ChangeKey(Json),
    /// Fold all views from the facts anew.
    Rebuild(Json),
    Export(ExportArgs),
}

/// Check that every fact is as it was recorded.
///
/// The chain of hashes shows a fact that was changed, removed, moved or put between. A whole history that was written
/// anew, or one without its newest facts, is shown only by a signed checkpoint that somebody kept elsewhere, together
/// with the key that one trusts.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A checkpoint that was kept, or a folder with several; as often as there are any.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub checkpoint: Vec<PathBuf>,
    /// The public key that is trusted to have signed the checkpoints (PEM); as often as there are any.
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// Check this export instead of asking a server; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// Print the document of the API.
    #[arg(long)]
    pub json: bool,
}

/// Sign a checkpoint of everything that is recorded by now.
///
/// Kept where nobody who can write the ledger can write too, it shows later that nothing up to there was changed.
#[derive(Debug, Args)]
pub struct CheckpointArgs {
    /// Write it to this file instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print the document of the API.
    #[arg(long)]
    pub json: bool,
}

/// Show the keys that sign checkpoints.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// Print the public keys themselves, for `throughline ledger verify --key`.
    #[arg(long)]
    pub pem: bool,
    /// Print the document of the API.
    #[arg(long)]
    pub json: bool,
}

/// Print the facts with their hashes, as JSON lines.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Begin after this fact.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub after: u64,
}
