//! Migrations: cut into statements that stand in the text one after the other, or refused with a line.
#![no_main]

use database::Dialect;
use database::statement::{SplitError, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lines = u32::try_from(text.matches('\n').count() + 1).unwrap_or(u32::MAX);
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
        match split(dialect, text) {
            Ok(statements) => {
                let mut rest = text;
                for statement in statements {
                    assert!(!statement.sql.is_empty(), "{text:?}");
                    let at = rest
                        .find(&statement.sql)
                        .unwrap_or_else(|| panic!("not in order: {text:?}"));
                    rest = &rest[at + statement.sql.len()..];
                    assert!(statement.line >= 1 && statement.line <= lines, "{text:?}");
                    let _ = (statement.keyword(), statement.summary(), dialect.effect(&statement));
                }
            }
            Err(wrong) => {
                let line = match &wrong {
                    SplitError::Unclosed(unclosed) => unclosed.line,
                    SplitError::Refused { line, .. } => *line,
                };
                assert!(line >= 1 && line <= lines, "{text:?}: {wrong}");
            }
        }
    }
});
