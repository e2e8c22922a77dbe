//! Commands about what people and machines outside are told.

use clap::{Args, Subcommand};

use super::Json;

/// Notifications.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum NotificationsCommand {
    /// Show what was told last, what waits to be, and why something was not taken.
    List(Json),
    Test(NotificationsTestArgs),
}

/// Send somebody a test, at once.
///
/// It goes the way that a notification goes: with the same address, signature, encryption and login. Nothing is
/// recorded, and nothing is tried again.
#[derive(Debug, Args)]
pub struct NotificationsTestArgs {
    /// The name of a webhook, or a mail address that the server's file of notifications names.
    pub name: String,
}
