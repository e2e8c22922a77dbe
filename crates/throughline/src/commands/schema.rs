//! `throughline schema`.

use crate::cli::FileKind;
use crate::failure::Failure;
use crate::printer::Printer;

/// Prints the JSON Schema of a file.
pub(super) fn schema(kind: FileKind, printer: &mut Printer) -> Result<(), Failure> {
    printer.document(match kind {
        FileKind::Definition => pipeline::definition::json_schema(),
        FileKind::Environments => pipeline::environments::json_schema(),
        FileKind::Module => pipeline::definition::modules::json_schema(),
        FileKind::MaturityModel => maturity::model::json_schema(),
        FileKind::Statements => maturity::statements::json_schema(),
    })
}
