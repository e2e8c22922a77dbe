//! Commands about who one is, tokens, secrets and repositories.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Json;
use crate::settings::value::Span;

/// Log in to a server: keep its address and a token, and print a link for a browser.
///
/// The token is asked for, or read from standard input or from --token-file; it is kept with the server's address in
/// the user's configuration folder, readable by this user alone. Then a link is printed that logs a browser in, once.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The server; the local one by default.
    pub url: Option<String>,
    /// Print no link for a browser.
    #[arg(long)]
    pub no_link: bool,
}

/// Log out: forget the token of a server.
///
/// The token itself goes on working; `throughline token revoke` ends it.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// The server; the one of the last login by default.
    pub url: Option<String>,
    /// Forget all servers.
    #[arg(long, conflicts_with = "url")]
    pub all: bool,
}

/// Access tokens.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum TokenCommand {
    Create(TokenCreateArgs),
    /// List the tokens, without their secrets.
    List(Json),
    Revoke(TokenRevokeArgs),
}

/// Make a token and print it, once.
#[derive(Debug, Args)]
pub struct TokenCreateArgs {
    /// What it is for.
    pub name: String,
    /// What it may do.
    #[arg(long, value_parser = ["viewer", "developer", "operator", "admin"], default_value = "developer")]
    pub role: String,
    /// As what it may approve: a role that the `approvals` of environments name, such as `operations`.
    #[arg(long, value_name = "ROLE")]
    pub duty: Vec<String>,
    /// For which components: `team/name`, or `team/*`; for all where absent.
    #[arg(long = "of", value_name = "COMPONENT")]
    pub components: Vec<String>,
    /// In which environments; in all where absent.
    #[arg(long = "in", value_name = "ENVIRONMENT")]
    pub environments: Vec<String>,
    /// For how long, such as `30d`; for good where absent.
    #[arg(long = "for", value_name = "TIME")]
    pub lifetime: Option<Span>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// End a token's rights at once.
#[derive(Debug, Args)]
pub struct TokenRevokeArgs {
    /// The token's id or name.
    pub token: String,
}

/// Secrets.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum SecretCommand {
    Set(SecretSetArgs),
    /// List the secrets, without their values.
    List(Json),
}

/// Set a secret; its value comes from standard input or is asked for.
///
/// The value is asked for, or read from standard input or a file, and never taken from the command line, where other
/// programs could read it. A single line loses its line end; several lines stay as they are.
#[derive(Debug, Args)]
pub struct SecretSetArgs {
    /// The secret's name.
    pub name: String,
    /// Read the value from a file, as it is.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Repositories.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum RepoCommand {
    Add(RepoAddArgs),
    /// List the repositories and where to push to.
    List(Json),
    /// Let the host of a followed repository say what moves there.
    ///
    /// GitHub, GitLab, Gitea and Forgejo send a webhook to an address that `create` prints, with a secret that is
    /// shown once. What it tells of is fetched at once, and the repository is looked at seldom by itself.
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Say how commits stand to the host of a followed repository: beside each commit, and on its proposals.
    #[command(subcommand)]
    Statuses(StatusesCommand),
}

/// What the host of a followed repository is told of its commits.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum StatusesCommand {
    Set(StatusesSetArgs),
    Show(StatusesShowArgs),
    Off(StatusesOffArgs),
}

/// Say from now on how commits stand.
#[derive(Debug, Args)]
pub struct StatusesSetArgs {
    /// The followed repository, as `team/name`.
    pub repository: String,
    /// What its host runs.
    #[arg(long, value_parser = ["github", "gitlab", "gitea", "forgejo"])]
    pub host: String,
    /// The name of the secret with the host's token; it begins with `statuses/`.
    #[arg(long, value_name = "SECRET")]
    pub token: String,
    /// The address of the host's API, where the repository's does not say it.
    #[arg(long, value_name = "URL")]
    pub api: Option<String>,
    /// What the host calls the repository, such as `owner/name`, where its address does not say it.
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
}

/// Show what is said, and how that goes.
#[derive(Debug, Args)]
pub struct StatusesShowArgs {
    /// The followed repository, as `team/name`.
    pub repository: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// Say no more.
#[derive(Debug, Args)]
pub struct StatusesOffArgs {
    /// The followed repository, as `team/name`.
    pub repository: String,
}

/// The webhook for a followed repository.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum WebhookCommand {
    Create(WebhookArgs),
    /// Show where a webhook is sent to, whether it works, and what came last.
    Show(WebhookArgs),
    Rotate(WebhookRotateArgs),
    Remove(WebhookRemoveArgs),
}

/// Make a webhook: print its address and its secret, once, and where to enter them.
#[derive(Debug, Args)]
pub struct WebhookArgs {
    /// The followed repository, as `team/name`.
    pub repository: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// Give a webhook another secret, and print it, once; the one before counts too for a while.
#[derive(Debug, Args)]
pub struct WebhookRotateArgs {
    /// The followed repository, as `team/name`.
    pub repository: String,
    /// For how long the secret before counts too, such as `1h`; `0s` ends it at once.
    #[arg(long, value_name = "TIME", default_value = "1d")]
    pub overlap: Span,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// Remove a webhook and its secret; what is sent to it is refused from then on.
#[derive(Debug, Args)]
pub struct WebhookRemoveArgs {
    /// The followed repository, as `team/name`.
    pub repository: String,
}

/// Follow a repository elsewhere: its branches are fetched again and again.
#[derive(Debug, Args)]
pub struct RepoAddArgs {
    /// Where it is fetched from, by https or ssh.
    pub url: String,
    /// The component's name, as `team/name`; the last two parts of the URL by default.
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
    /// The name of the secret with the token or ssh key; it begins with `git/`.
    #[arg(long, value_name = "SECRET")]
    pub credentials: Option<String>,
}
