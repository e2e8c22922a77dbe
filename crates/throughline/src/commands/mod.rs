//! The commands: one file each, a function that takes plain values and a printer.

mod approve;
mod assess;
mod backup;
mod cancel;
mod check;
mod demo;
mod diff;
mod down;
mod environments;
mod explain;
mod init;
mod ledger;
mod login;
mod logout;
mod logs;
mod modules;
mod notifications;
mod policy;
mod promote;
mod rebuild;
mod repo;
mod resolve;
mod restore;
mod retry;
mod rollback;
mod run;
mod runs;
mod schema;
mod search;
mod secret;
mod serve;
mod settings;
mod signals;
mod status;
mod statuses;
mod token;
mod unbar;
mod webhook;
mod whoami;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use facts::{Clock, Entropy};

use crate::cli::{
    BackupCommand, Command, LedgerCommand, NotificationsCommand, PolicyCommand, RepoCommand, SecretCommand,
    TokenCommand,
};
use crate::client::Answer;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::settings::Layers;
use crate::wire::Done;

/// The most that is read from standard input or a file that is handed in.
const LARGEST_INPUT: u64 = 16 << 20;

/// What is around a command.
pub struct Around {
    /// The settings.
    pub layers: Layers,
    /// The environment variables.
    pub variables: BTreeMap<String, String>,
    /// The current folder.
    pub folder: PathBuf,
    /// Standard input.
    pub input: Box<dyn Read>,
    /// Asks a person for something that is not shown.
    pub ask: Option<fn() -> Result<String, Failure>>,
    /// The columns and rows of the terminal on standard error, as they are now; `None` where it is none.
    pub screen: Option<fn() -> (usize, usize)>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Around {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Around")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Around {
    fn session(&self, printer: &mut Printer) -> Result<Session, Failure> {
        Session::open(
            self.layers.client()?,
            self.variables.clone(),
            self.entropy.clone(),
            self.clock.clone(),
            printer,
        )
    }

    /// A text from standard input, or from a person who is asked `question`.
    fn value(&mut self, question: &str, printer: &mut Printer) -> Result<String, Failure> {
        if let Some(ask) = self.ask {
            printer.prompt(question);
            return ask();
        }
        let bytes = capped(&mut self.input, "standard input")?;
        String::from_utf8(bytes).map_err(|_| Failure::new(Exit::Usage, "standard input holds no text"))
    }
}

/// All bytes of an input, up to a limit.
fn capped(input: &mut dyn Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = input.take(LARGEST_INPUT + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(Exit::Failed, format!("cannot read {name}: {error}")))?;
    if bytes.len() as u64 > LARGEST_INPUT {
        return Err(Failure::new(
            Exit::BadFile,
            format!("{name} is larger than {} MiB", LARGEST_INPUT >> 20),
        ));
    }
    Ok(bytes)
}

/// A file's bytes, up to a limit.
fn read_file(path: &Path, shown: &Path) -> Result<Vec<u8>, Failure> {
    let name = shown.display().to_string();
    let wrong = |error: std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound {
            Exit::NotFound
        } else {
            Exit::BadFile
        };
        Failure::new(exit, format!("cannot read {name}: {error}"))
    };
    let metadata = std::fs::metadata(path).map_err(wrong)?;
    if metadata.is_dir() {
        return Err(Failure::new(
            Exit::BadFile,
            format!("{name} is a folder, and a file is expected"),
        ));
    }
    capped(&mut std::fs::File::open(path).map_err(wrong)?, &name)
}

/// Says what the server did.
fn done(answer: &Answer<Done>, printer: &mut Printer) {
    let tick = crate::show::paint::paint(crate::show::paint::Tone::Good, "✓");
    printer.say(&format!(
        "{tick} {}",
        crate::show::paint::clean(&answer.document.message)
    ));
}

/// Runs a command.
///
/// # Errors
/// When it fails, as a person is told.
pub fn run(command: Command, around: &mut Around, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        Command::Shim(args) => hidden(executor::shim_main(&args.folder)),
        Command::Proxy(args) => hidden(crate::house::proxy(&args.folder)),
        Command::Demo(args) => demo::demo(&args, around, printer),
        Command::DemoLoad(args) => demo::load(&args, around, printer),
        Command::Serve(_) => serve::serve(around.layers.serve()?, printer),
        Command::Init(args) => init::init(&args, around, printer),
        Command::Run(args) => run::run(&args, around, printer),
        Command::Assess(args) => assess::assess(&args, around, printer),
        Command::Check(args) => check::check(&args, around, printer),
        Command::Schema(args) => schema::schema(args.kind, printer),
        Command::Settings(args) => settings::settings(&around.layers, args.json, printer),
        Command::Login(args) => login::login(&args, around, printer),
        Command::Logout(args) => logout::logout(&args, around, printer),
        Command::Logs(args) => {
            let session = around.session(printer)?;
            logs::logs(&args, around.screen.is_some(), &session, printer)
        }
        Command::Secret(SecretCommand::Set(args)) => secret::set(&args, around, printer),
        Command::Policy(PolicyCommand::Set(args)) => policy::set(&args, around, printer),
        Command::Ledger(LedgerCommand::Verify(args)) => ledger::verify(&args, around, printer),
        Command::Backup(BackupCommand::Take(args)) => backup::take(&args, around, printer),
        Command::Backup(BackupCommand::List(args)) => backup::list(&args, around, printer),
        Command::Backup(BackupCommand::Verify(args)) => backup::verify(&args, around, printer),
        Command::Restore(args) => restore::restore(&args, around, printer),
        command => {
            let session = around.session(printer)?;
            with_server(command, &session, printer)
        }
    }
}

fn with_server(command: Command, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        Command::Status(args) => status::status(&args, session, printer),
        Command::Runs(args) => runs::runs(&args, session, printer),
        Command::Search(args) => search::search(&args, session, printer),
        Command::Environments(args) => environments::environments(args.json, session, printer),
        Command::Diff(args) => diff::diff(&args, session, printer),
        Command::Approve(args) => approve::approve(args, session, printer),
        Command::Promote(args) => promote::promote(args, session, printer),
        Command::Rollback(args) => rollback::rollback(args, session, printer),
        Command::Unbar(args) => unbar::unbar(args, session, printer),
        Command::Cancel(args) => cancel::cancel(&args.what, session, printer),
        Command::Rebuild(args) => rebuild::rebuild(&args, session, printer),
        Command::Retry(args) => retry::retry(&args.run, session, printer),
        Command::Resolve(args) => resolve::resolve(&args.run, &args.step, args.done, session, printer),
        Command::Whoami(args) => whoami::whoami(args.json, session, printer),
        Command::Token(TokenCommand::Create(args)) => token::create(args, session, printer),
        Command::Token(TokenCommand::List(args)) => token::list(args.json, session, printer),
        Command::Token(TokenCommand::Revoke(args)) => token::revoke(&args.token, session, printer),
        Command::Secret(SecretCommand::List(args)) => secret::list(args.json, session, printer),
        Command::Repo(RepoCommand::Add(args)) => repo::add(args, session, printer),
        Command::Repo(RepoCommand::Webhook(command)) => webhook::run(command, session, printer),
        Command::Repo(RepoCommand::Statuses(command)) => statuses::run(command, session, printer),
        Command::Repo(RepoCommand::List(args)) => repo::list(args.json, session, printer),
        Command::Policy(PolicyCommand::Show) => policy::show(session, printer),
        Command::Ledger(LedgerCommand::Checkpoint(args)) => ledger::checkpoint(&args, session, printer),
        Command::Ledger(LedgerCommand::Keys(args)) => ledger::keys(&args, session, printer),
        Command::Ledger(LedgerCommand::ChangeKey(args)) => ledger::change_key(args.json, session, printer),
        Command::Ledger(LedgerCommand::Rebuild(args)) => ledger::rebuild(args.json, session, printer),
        Command::Ledger(LedgerCommand::Export(args)) => ledger::export(args.after, session, printer),
        Command::Notifications(NotificationsCommand::List(args)) => notifications::list(args.json, session, printer),
        Command::Notifications(NotificationsCommand::Test(args)) => notifications::test(&args.name, session, printer),
        Command::Down(args) => down::down(args.everything, session, printer),
        Command::Demo(_)
        | Command::DemoLoad(_)
        | Command::Shim(_)
        | Command::Proxy(_)
        | Command::Serve(_)
        | Command::Init(_)
        | Command::Run(_)
        | Command::Assess(_)
        | Command::Check(_)
        | Command::Schema(_)
        | Command::Settings(_)
        | Command::Login(_)
        | Command::Logout(_)
        | Command::Logs(_)
        | Command::Secret(SecretCommand::Set(_))
        | Command::Ledger(LedgerCommand::Verify(_))
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Policy(PolicyCommand::Set(_)) => Ok(()),
    }
}

/// The end of a hidden process, which told all there is to tell.
fn hidden(code: i32) -> Result<(), Failure> {
    if code == 0 {
        Ok(())
    } else {
        Err(Failure::told(Exit::Failed))
    }
}
