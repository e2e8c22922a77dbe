//! What the command line looks like: clap types, and nothing else.

mod access;
mod assess;
mod backup;
mod deliver;
mod demo;
mod follow;
mod house;
mod init;
mod ledger;
mod local;
mod notifications;

pub use access::{
    LoginArgs, LogoutArgs, RepoAddArgs, RepoCommand, SecretCommand, SecretSetArgs, StatusesCommand, StatusesOffArgs,
    StatusesSetArgs, StatusesShowArgs, TokenCommand, TokenCreateArgs, TokenRevokeArgs, WebhookArgs, WebhookCommand,
    WebhookRemoveArgs, WebhookRotateArgs,
};
pub use assess::AssessArgs;
pub use backup::{BackupCommand, BackupListArgs, BackupTakeArgs, BackupVerifyArgs, RestoreArgs};
pub use deliver::{
    ApproveArgs, CancelArgs, DiffArgs, PromoteArgs, RebuildArgs, ResolveArgs, RollbackArgs, RunArgs, UnbarArgs,
};
pub use demo::{DemoArgs, DemoLoadArgs};
pub use follow::{LogsArgs, RunsArgs, SearchArgs, StatusArgs};
pub use house::{DownArgs, PolicyCommand, PolicySetArgs, ServeArgs};
pub use init::{InitArgs, ServicesAs};
pub use ledger::{CheckpointArgs, ExportArgs, KeysArgs, LedgerCommand, VerifyArgs};
pub use local::{CheckArgs, FileKind, FolderArgs, LocalRunArgs, SchemaArgs};
pub use notifications::{NotificationsCommand, NotificationsTestArgs};

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::settings::Flags;
use crate::settings::value::ColorChoice;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::BrightBlack.on_default())
    .valid(AnsiColor::Green.on_default())
    .invalid(AnsiColor::Yellow.on_default())
    .error(AnsiColor::Red.on_default().bold());

/// Takes every change from source control to the people who use it, along one path, and keeps one record of the way.
#[derive(Debug, Parser)]
#[command(
    name = "throughline",
    version = crate::version::version(),
    styles = STYLES,
    max_term_width = 100,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    subcommand_help_heading = "Commands"
)]
pub struct Cli {
    /// Where to find the server, and how to print.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The flags of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// The server to talk to, such as `https://deliver.example.org`.
    #[arg(long, value_name = "URL", global = true, help_heading = "Global options")]
    pub server: Option<String>,
    /// A file with the access token.
    #[arg(long, value_name = "FILE", global = true, help_heading = "Global options")]
    pub token_file: Option<PathBuf>,
    /// A file with the certificates (PEM) that vouch for the server.
    #[arg(long, value_name = "FILE", global = true, help_heading = "Global options")]
    pub ca_file: Option<PathBuf>,
    /// The server's data folder; commands find a local server through it.
    #[arg(long, value_name = "FOLDER", global = true, help_heading = "Global options")]
    pub data: Option<PathBuf>,
    /// The settings file.
    #[arg(long, value_name = "FILE", global = true, help_heading = "Global options")]
    pub settings: Option<PathBuf>,
    /// When to use colours.
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        help_heading = "Global options",
        hide_possible_values = true
    )]
    #[arg(help = "When to use colours: auto, always or never")]
    pub color: Option<ColorChoice>,
}

/// Prints the document instead of a text.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Json {
    /// Print the document of the API instead.
    #[arg(long)]
    pub json: bool,
}

/// Which component is meant.
#[derive(Debug, Clone, Default, Args)]
pub struct Component {
    /// The component, as `team/name`; by default the one of the git repository of the current folder, else the
    /// server's only one.
    #[arg(long, short, value_name = "NAME")]
    pub component: Option<String>,
}

/// The commands. Those with arguments of their own are described there.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum Command {
    Demo(DemoArgs),
    Serve(Box<ServeArgs>),
    Status(StatusArgs),
    Runs(RunsArgs),
    Logs(LogsArgs),
    Search(SearchArgs),
    /// Show what is where.
    Environments(Json),
    Diff(DiffArgs),
    Approve(ApproveArgs),
    Promote(PromoteArgs),
    Rollback(RollbackArgs),
    Unbar(UnbarArgs),
    Cancel(CancelArgs),
    /// Try the failed steps of a run again.
    Retry(RunArgs),
    Rebuild(RebuildArgs),
    Resolve(ResolveArgs),
    Login(LoginArgs),
    Logout(LogoutArgs),
    /// Show who one is to the server.
    Whoami(Json),
    /// Make, list and revoke access tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Set and list secrets.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Follow repositories elsewhere, and list all.
    #[command(subcommand)]
    Repo(RepoCommand),
    /// Show and set the policy of environments.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Verify, rebuild and export the record of what happened.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Show and try what people and machines outside are told.
    #[command(subcommand)]
    Notifications(NotificationsCommand),
    /// Take, list and check backups of the server.
    #[command(subcommand)]
    Backup(BackupCommand),
    Restore(Box<RestoreArgs>),
    Down(DownArgs),
    Init(InitArgs),
    Run(LocalRunArgs),
    Assess(AssessArgs),
    Check(CheckArgs),
    Schema(SchemaArgs),
    /// Show every setting, its value, and where that came from.
    Settings(Json),
    DemoLoad(DemoLoadArgs),
    /// The resident process of a run.
    #[command(hide = true)]
    Shim(FolderArgs),
    /// The process in front of the instances of a component.
    #[command(hide = true)]
    Proxy(FolderArgs),
}

/// The commands as `--help` groups them; every command that is not hidden stands in one group.
const GROUPS: &[(&str, &[&str])] = &[
    ("Begin", &["demo", "assess"]),
    (
        "Follow changes",
        &["status", "runs", "logs", "search", "environments", "diff"],
    ),
    (
        "Deliver",
        &[
            "approve", "promote", "rollback", "unbar", "cancel", "retry", "rebuild", "resolve",
        ],
    ),
    ("On a laptop", &["init", "run", "check", "schema", "settings"]),
    (
        "The server",
        &[
            "serve",
            "login",
            "logout",
            "whoami",
            "token",
            "secret",
            "repo",
            "policy",
            "notifications",
            "ledger",
            "backup",
            "restore",
            "down",
        ],
    ),
];

impl Cli {
    /// The command line with its commands in groups.
    pub fn grouped() -> clap::Command {
        use std::fmt::Write as _;
        let command = Self::command();
        let (header, literal) = (STYLES.get_header(), STYLES.get_literal());
        let mut groups = String::new();
        for (title, names) in GROUPS {
            let _ = writeln!(groups, "{header}{title}{header:#}");
            for name in *names {
                let about = command
                    .find_subcommand(name)
                    .and_then(clap::Command::get_about)
                    .map(ToString::to_string);
                let _ = writeln!(groups, "  {literal}{name:<14}{literal:#}{}", about.unwrap_or_default());
            }
            groups.push('\n');
        }
        let _ = writeln!(groups, "{header}Options of every command{header:#}");
        for option in command.get_arguments().filter(|each| each.is_global_set()) {
            let long = option.get_long().unwrap_or_default();
            let value = option
                .get_value_names()
                .and_then(|names| names.first())
                .map(ToString::to_string);
            let shown = format!("--{long} {}", value.unwrap_or_default());
            let help = option.get_help().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(groups, "  {literal}{shown:<21}{literal:#}{help}");
        }
        let template = format!(
            "{{about-with-newline}}\n{{usage-heading}} throughline <COMMAND>\n\n{groups}\n`throughline COMMAND --help` says more about each, `throughline --version` prints the version."
        );
        command.help_template(template)
    }

    /// What the flags of this call say about settings.
    pub fn flags(&self) -> Flags {
        let Global {
            server,
            token_file,
            ca_file,
            data,
            settings,
            color,
        } = self.global.clone();
        let flags = Flags {
            server,
            token_file,
            ca_file,
            data,
            settings,
            color,
            ..Flags::default()
        };
        match &self.command {
            Command::Serve(serve) => serve.flags(flags),
            Command::Run(run) => run.flags(flags),
            Command::Restore(restore) => restore.flags(flags),
            command => Flags {
                component: command.component().and_then(|component| component.component.clone()),
                ..flags
            },
        }
    }
}

impl Command {
    const fn component(&self) -> Option<&Component> {
        match self {
            Self::Status(args) => Some(&args.component),
            Self::Runs(args) => Some(&args.component),
            Self::Logs(args) => Some(&args.component),
            Self::Approve(args) => Some(&args.component),
            Self::Promote(args) => Some(&args.component),
            Self::Rollback(args) => Some(&args.component),
            Self::Unbar(args) => Some(&args.component),
            Self::Cancel(args) => Some(&args.component),
            Self::Retry(args) => Some(&args.component),
            Self::Rebuild(args) => Some(&args.component),
            Self::Resolve(args) => Some(&args.component),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_stands_in_one_group_of_the_help() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let command = Cli::command();
        let mut shown: Vec<&str> = command
            .get_subcommands()
            .filter(|each| !each.is_hide_set())
            .map(clap::Command::get_name)
            .collect();
        grouped.sort_unstable();
        shown.sort_unstable();
        assert_eq!(grouped, shown);
    }
}
