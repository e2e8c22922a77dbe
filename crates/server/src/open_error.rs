//! Why a server could not be opened, and what a person can do about it.

use std::path::PathBuf;

/// Why the house could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server uses the data folder.
    #[error("{} is used by another server\nhint: stop it with `throughline down`, or choose another folder with --data", .0.display())]
    Used(PathBuf),
    /// The data folder lies on a file system over a network.
    #[error("{} lies on a network file system ({kind}), where locks and durable writes cannot be relied on\nhint: choose a folder on a local disk with --data", folder.display())]
    Network {
        /// The folder.
        folder: PathBuf,
        /// Its kind.
        kind: &'static str,
    },
    /// A folder or file cannot be used.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The facts that belong to the data folder are in a database, which was not named.
    #[error(
        "what is in the data folder belongs to facts in {0}\nhint: say --database, or choose another folder with --data"
    )]
    FactsElsewhere(String),
    /// The facts that belong to the data folder are in it, and a database was named.
    #[error("{} holds facts already, and a database holds others\nhint: leave --database out, or choose another folder with --data", .0.display())]
    FactsHere(PathBuf),
    /// What was put back into the data folder from a backup is not whole.
    #[error("{} was not filled to its end\nhint: remove it, and say `throughline restore` again", .0.display())]
    HalfRestored(PathBuf),
    /// The data folder was filled from a backup, and nobody has said that this server may act.
    #[error("{} was filled from the backup of {taken_at:.0}, and the server that this is of may still be at work: both would deploy, tag and tell people\nhint: when it has ended for good, say `throughline restore --take-over --data {}`", folder.display(), folder.display())]
    Restored {
        /// The folder.
        folder: PathBuf,
        /// When the backup was taken.
        taken_at: facts::Timestamp,
    },
    /// The database holds other facts than those that belong to the data folder.
    #[error(
        "{0} does not hold the facts that belong to the data folder\nhint: name the database that the folder was used with, or choose another folder with --data"
    )]
    OtherFacts(String),
    /// The facts in the database belong to another data folder.
    #[error(
        "the facts in {database} belong to the data folder {folder}, and this is another one: the repositories, packages, tokens and secrets that they speak of are in that one\nhint: start this server with that folder, where it may work beside the others; if the folder is lost, put a backup back with `throughline restore`"
    )]
    OtherFolder {
        /// The database.
        database: String,
        /// The folder that belongs to it.
        folder: String,
    },
    /// The facts in the database are in use with another copy of this folder.
    #[error(
        "the facts in {database} are in use by {server}, with another copy of this data folder: {folder}\nhint: stop that server, and bring this copy up to date before it takes over; one that did not end in order is waited for no longer than 15 seconds"
    )]
    CopyInUse {
        /// The database.
        database: String,
        /// The copy that is in use.
        folder: String,
        /// The server that uses it.
        server: String,
    },
    /// A server of another version works on the data folder.
    #[error(
        "{url} works on the data folder as version {theirs}, and this is version {own}: servers that share a database are of one version\nhint: stop that one with `throughline down --server {url}`, then start this one"
    )]
    OtherVersion {
        /// Where that server is.
        url: String,
        /// Its version.
        theirs: String,
        /// This one's.
        own: &'static str,
    },
    /// The policy of environments is wrong.
    #[error("{0}")]
    Policy(String),
    /// The file of notifications is wrong.
    #[error("{0}")]
    Notifications(String),
    /// A room could not be opened.
    #[error("{room} could not be opened: {reason}")]
    Room {
        /// Which.
        room: &'static str,
        /// Why.
        reason: String,
    },
}
