//! `throughline repo statuses`.

use super::done;
use super::repo::of_repository;
use crate::cli::StatusesCommand;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::{NewStatuses, Statuses};

/// Does what is asked about what the host of a repository is told.
pub(super) fn run(command: StatusesCommand, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    match command {
        StatusesCommand::Set(args) => {
            let body = NewStatuses {
                host: args.host,
                token: args.token,
                api: args.api,
                project: args.project,
            };
            let answer = session
                .client
                .put(&of_repository(&args.repository, &["statuses"])?, &body)?;
            done(&answer, printer);
            Ok(())
        }
        StatusesCommand::Off(args) => {
            let answer = session
                .client
                .delete(&of_repository(&args.repository, &["statuses"])?)?;
            done(&answer, printer);
            Ok(())
        }
        StatusesCommand::Show(args) => {
            let answer = session
                .client
                .get::<Statuses>(&of_repository(&args.repository, &["statuses"])?)?;
            if args.json.json {
                return printer.document(&answer.raw);
            }
            let text = show::statuses::statuses(&answer.document, &printer.sight);
            printer.data(&text)
        }
    }
}
