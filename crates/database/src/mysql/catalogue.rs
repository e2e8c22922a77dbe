//! What the catalogue shows of a statement that commits by itself and whose end nobody saw.
//!
//! Before such a statement, a digest is kept of all that the catalogue says about the names that stand in it:
//! tables, columns, indexes, constraints, partitions, views, triggers, routines and events, and when they were
//! made. When nobody saw its end, the digest is made again. Another one means that the statement took effect;
//! the same means that it did not, or that it changes nothing, and then repeating it does no harm.

use std::collections::BTreeSet;

use facts::Digest;

use super::MysqlEngine;
use crate::dialect::Dialect;
use crate::engine::{EngineError, Observed};
use crate::statement::Statement;
use crate::statement::words::{Word, words};

/// What is asked of the catalogue; the first column is the name that a statement would use.
const QUESTIONS: [&str; 10] = [
    "SELECT table_name, table_type, engine, row_format, table_collation, create_options, table_comment, create_time
       FROM information_schema.tables WHERE table_schema = DATABASE()",
    "SELECT table_name, ordinal_position, column_name, column_type, is_nullable, column_default, extra, collation_name,
            column_comment, generation_expression
       FROM information_schema.columns WHERE table_schema = DATABASE()",
    "SELECT table_name, index_name, seq_in_index, column_name, non_unique, sub_part, index_type
       FROM information_schema.statistics WHERE table_schema = DATABASE()",
    "SELECT table_name, constraint_name, constraint_type
       FROM information_schema.table_constraints WHERE table_schema = DATABASE()",
    "SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name
       FROM information_schema.key_column_usage WHERE table_schema = DATABASE()",
    "SELECT table_name, partition_name, partition_method, partition_expression, partition_description
       FROM information_schema.partitions WHERE table_schema = DATABASE()",
    "SELECT table_name, view_definition, security_type FROM information_schema.views WHERE table_schema = DATABASE()",
    "SELECT trigger_name, event_object_table, action_timing, event_manipulation, action_statement, created
       FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    "SELECT routine_name, routine_type, routine_definition, last_altered
       FROM information_schema.routines WHERE routine_schema = DATABASE()",
    "SELECT event_name, event_definition, status, last_altered
       FROM information_schema.events WHERE event_schema = DATABASE()",
];

/// What a statement is, seen from here.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// The catalogue shows what it does.
    InCatalogue,
    /// It can be repeated without harm.
    Harmless,
    /// Nothing shows it.
    Nowhere,
}

fn shown(statement: &Statement) -> Shown {
    match statement.keyword() {
        "CREATE" | "ALTER" | "DROP" | "RENAME" => {
            let outside = |word: &Word| {
                [
                    "USER",
                    "ROLE",
                    "SERVER",
                    "LOGFILE",
                    "TABLESPACE",
                    "INSTANCE",
                    "RESOURCE",
                ]
                .iter()
                .any(|other| word.is(other))
            };
            // `CREATE OR REPLACE USER` is the longest way to it.
            match words(Dialect::Mysql, &statement.sql).take(4).any(|word| outside(&word)) {
                true => Shown::Nowhere,
                false => Shown::InCatalogue,
            }
        }
        "TRUNCATE" => Shown::InCatalogue,
        "ANALYZE" | "OPTIMIZE" | "CHECK" | "REPAIR" | "FLUSH" | "GRANT" | "REVOKE" | "SET" => Shown::Harmless,
        _ => Shown::Nowhere,
    }
}

/// All names that stand in a statement, in lower case.
fn names(statement: &Statement) -> BTreeSet<String> {
    words(Dialect::Mysql, &statement.sql)
        .filter_map(|word| match word {
            Word::Plain(name) | Word::Quoted(name) => Some(name.to_lowercase()),
            Word::Text | Word::Sign(_) => None,
        })
        .collect()
}

fn digest(engine: &mut MysqlEngine, statement: &Statement) -> Result<String, EngineError> {
    let names = names(statement);
    let mut lines = BTreeSet::new();
    for (number, question) in QUESTIONS.iter().enumerate() {
        for row in engine.texts(question)? {
            let about = row.first().cloned().flatten().unwrap_or_default();
            if names.contains(&about.to_lowercase()) {
                lines.insert(format!("{number} {row:?}"));
            }
        }
    }
    let lines: Vec<String> = lines.into_iter().collect();
    Ok(Digest::of(lines.join("\n")).to_string())
}

/// What is to be seen before.
pub(super) fn mark(engine: &mut MysqlEngine, statement: &Statement) -> Result<String, EngineError> {
    match shown(statement) {
        Shown::InCatalogue => digest(engine, statement),
        Shown::Harmless | Shown::Nowhere => Ok(String::new()),
    }
}

/// Says what came of it.
pub(super) fn observe(engine: &mut MysqlEngine, statement: &Statement, mark: &str) -> Result<Observed, EngineError> {
    Ok(match shown(statement) {
        Shown::InCatalogue if digest(engine, statement)? == mark => Observed::NotDone,
        Shown::InCatalogue => Observed::Done,
        Shown::Harmless => Observed::NotDone,
        Shown::Nowhere => Observed::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(sql: &str) -> Statement {
        Statement::new(Dialect::Mysql, 1, sql.to_owned())
    }

    #[test]
    fn what_the_catalogue_shows_is_known() {
        for (sql, expected) in [
            ("ALTER TABLE t ADD a INT", Shown::InCatalogue),
            ("create or replace view v as select 1", Shown::InCatalogue),
            ("RENAME TABLE a TO b", Shown::InCatalogue),
            ("TRUNCATE t", Shown::InCatalogue),
            ("CREATE OR REPLACE USER x", Shown::Nowhere),
            ("CALL fill()", Shown::Nowhere),
            ("OPTIMIZE TABLE t", Shown::Harmless),
        ] {
            assert_eq!(shown(&statement(sql)), expected, "{sql}");
        }
    }

    #[test]
    fn the_names_of_a_statement_are_all_its_words() {
        let found = names(&statement("ALTER TABLE `Big Table` ADD COLUMN b INT DEFAULT 'x' -- y"));
        assert!(found.contains("big table") && found.contains("b") && !found.contains("y") && !found.contains("x"));
    }
}
