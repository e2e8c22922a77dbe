//! Which SQL a script is written in, and what follows for how its statements are run.

use std::fmt;
use std::str::FromStr;

use crate::statement::Statement;
use crate::statement::words::{Word, words};

/// The SQL of a kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL, 15 or later.
    Postgres,
    /// MariaDB, 10.6 or later, and MySQL, 8.0 or later.
    Mysql,
}

/// A word that names no kind of database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("databases of kind `{0}` are not supported by this version\n  hint: `sqlite`, `postgres` and `mysql` are")]
pub struct UnknownDialect(String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            "mysql" => Ok(Self::Mysql),
            other => Err(UnknownDialect(other.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        })
    }
}

/// How a statement takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// With the transaction that it runs in, and so together with its row in the journal.
    WithTransaction,
    /// By itself: the database runs it outside of transactions, or commits with it whatever is open.
    ByItself,
    /// On the session alone, which a later run does not have any more.
    OnSession,
}

const OWN_TRANSACTION: &str = "leave it out: the statements of a file share one transaction; `-- no-transaction` at its head gives each \
     its own";
const OWN_DATABASE: &str = "a migration changes its own database only";
const NO_COPY: &str =
    "write rows as `INSERT`: what `COPY` reads and writes is not part of the file, or needs a client beside it";
const NO_PSQL: &str = "commands that begin with a backslash are for the program psql; leave it out";
const NAMED_INDEX: &str = "give the index a name, so that it can be found should the server die while it is built";
const NO_LOCKS: &str =
    "leave it out: it would lock the journal out; the runners of migrations keep one another away by themselves";
const ONE_DROP: &str = "drop one thing a statement: MariaDB and MySQL drop them one after the other, and one that dies between is not \
     seen then";
const DELIMITER: &str =
    "write `DELIMITER //` on a line before it, `//` after its `END`, and `DELIMITER ;` on a line after that";

/// The words that begin statements which only the runner, or nobody here, may use.
const OF_THE_RUNNER: [&str; 7] = ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "START"];

impl Dialect {
    /// Why `statement` is not for a migration, if it is not: what to do instead.
    pub fn refusal(self, statement: &Statement) -> Option<&'static str> {
        let keyword = statement.keyword();
        if OF_THE_RUNNER.contains(&keyword) {
            return Some(OWN_TRANSACTION);
        }
        match self {
            Self::Sqlite => matches!(keyword, "ATTACH" | "DETACH").then_some(OWN_DATABASE),
            Self::Postgres => refused_by_postgres(statement),
            Self::Mysql => refused_by_mysql(statement),
        }
    }

    /// How `statement` takes effect.
    pub fn effect(self, statement: &Statement) -> Effect {
        match self {
            Self::Sqlite => match statement.keyword() {
                "VACUUM" | "PRAGMA" => Effect::ByItself,
                _ => Effect::WithTransaction,
            },
            Self::Postgres => effect_in_postgres(statement),
            Self::Mysql => effect_in_mysql(statement),
        }
    }

    /// Whether all statements of a file can share one transaction.
    ///
    /// # Errors
    /// The first statement that cannot, where others of the file should.
    pub fn shares_transaction(self, statements: &[Statement]) -> Result<bool, &Statement> {
        let alone = |statement: &&Statement| self.effect(statement) == Effect::ByItself;
        match self {
            // What cannot says so itself, and is rolled back with the rest.
            Self::Sqlite => Ok(true),
            // Nobody can choose there.
            Self::Mysql => Ok(!statements.iter().any(|statement| alone(&statement))),
            Self::Postgres => match statements.iter().find(alone) {
                None => Ok(true),
                Some(one) => {
                    let shared = |statement: &Statement| self.effect(statement) == Effect::WithTransaction;
                    if statements.iter().any(shared) {
                        Err(one)
                    } else {
                        Ok(false)
                    }
                }
            },
        }
    }
}

/// The first words of a statement in upper case; those in quotes and signs are left out.
fn head(dialect: Dialect, statement: &Statement, count: usize) -> Vec<String> {
    words(dialect, &statement.sql)
        .filter_map(|word| match word {
            Word::Plain(text) => Some(text.to_ascii_uppercase()),
            _ => None,
        })
        .take(count)
        .collect()
}

fn is(head: &[String], expected: &[&str]) -> bool {
    head.len() >= expected.len() && head.iter().zip(expected).all(|(word, expected)| word == expected)
}

fn refused_by_postgres(statement: &Statement) -> Option<&'static str> {
    if statement.sql.starts_with('\\') {
        return Some(NO_PSQL);
    }
    match statement.keyword() {
        "ABORT" => return Some(OWN_TRANSACTION),
        "COPY" => return Some(NO_COPY),
        "PREPARE" | "CREATE" | "DROP" | "ALTER" => {}
        _ => return None,
    }
    let head = head(Dialect::Postgres, statement, 6);
    if is(&head, &["PREPARE", "TRANSACTION"]) {
        return Some(OWN_TRANSACTION);
    }
    for verb in ["CREATE", "DROP"] {
        if is(&head, &[verb, "DATABASE"]) || is(&head, &[verb, "TABLESPACE"]) {
            return Some(OWN_DATABASE);
        }
    }
    if is(&head, &["ALTER", "SYSTEM"]) {
        return Some(OWN_DATABASE);
    }
    let at = head.iter().position(|word| word == "CONCURRENTLY");
    let nameless = head.first().is_some_and(|word| word == "CREATE")
        && at.and_then(|at| head.get(at + 1)).is_some_and(|word| word == "ON")
        && !words(Dialect::Postgres, &statement.sql)
            .skip_while(|word| !word.is("CONCURRENTLY"))
            .nth(1)
            .is_some_and(|word| matches!(word, Word::Quoted(_)));
    nameless.then_some(NAMED_INDEX)
}

fn effect_in_postgres(statement: &Statement) -> Effect {
    let keyword = statement.keyword();
    match keyword {
        "VACUUM" => return Effect::ByItself,
        "SET" | "RESET" => return Effect::OnSession,
        "CREATE" | "DROP" | "REINDEX" | "ALTER" | "CLUSTER" => {}
        _ => return Effect::WithTransaction,
    }
    let alone = match keyword {
        "CREATE" | "DROP" => {
            let head = head(Dialect::Postgres, statement, 4);
            head.windows(2)
                .any(|pair| pair[0] == "INDEX" && pair[1] == "CONCURRENTLY")
        }
        "REINDEX" => {
            let head = head(Dialect::Postgres, statement, 8);
            let of_many = |word: &String| ["CONCURRENTLY", "SCHEMA", "DATABASE", "SYSTEM"].contains(&word.as_str());
            head.iter().any(of_many)
        }
        "CLUSTER" => words(Dialect::Postgres, &statement.sql).count() == 1,
        _ => {
            let all = head(Dialect::Postgres, statement, usize::MAX);
            is(&all, &["ALTER", "TABLE"])
                && all.windows(2).any(|pair| pair[0] == "DETACH" && pair[1] == "PARTITION")
                && all.last().is_some_and(|last| last == "CONCURRENTLY")
        }
    };
    if alone {
        Effect::ByItself
    } else {
        Effect::WithTransaction
    }
}

fn refused_by_mysql(statement: &Statement) -> Option<&'static str> {
    match statement.keyword() {
        "XA" => return Some(OWN_TRANSACTION),
        "LOCK" | "UNLOCK" => return Some(NO_LOCKS),
        "USE" => return Some(OWN_DATABASE),
        "CREATE" | "DROP" | "ALTER" => {}
        _ => return None,
    }
    let all = head(Dialect::Mysql, statement, usize::MAX);
    let second = all.get(1).map_or("", String::as_str);
    if matches!(second, "DATABASE" | "SCHEMA") {
        return Some(OWN_DATABASE);
    }
    if all[0] == "DROP" && words(Dialect::Mysql, &statement.sql).any(|word| word == Word::Sign(',')) {
        return Some(ONE_DROP);
    }
    let routine = |word: &String| ["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"].contains(&word.as_str());
    let cut_short = all[0] == "CREATE"
        && all.iter().take(8).any(routine)
        && all.iter().any(|word| word == "BEGIN")
        && !all.iter().rev().take(2).any(|word| word == "END");
    cut_short.then_some(DELIMITER)
}

fn effect_in_mysql(statement: &Statement) -> Effect {
    match statement.keyword() {
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "WITH" | "SELECT" | "VALUES" | "TABLE" | "DO" => {
            Effect::WithTransaction
        }
        "SET" => {
            let head = head(Dialect::Mysql, statement, 2);
            let of_server = head.get(1).is_some_and(|word| {
                ["GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "ROLE", "DEFAULT"].contains(&word.as_str())
            });
            if of_server { Effect::ByItself } else { Effect::OnSession }
        }
        _ => Effect::ByItself,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::split;

    fn one(dialect: Dialect, text: &str) -> Statement {
        let mut statements = split(dialect, text).unwrap();
        assert_eq!(statements.len(), 1, "{text}");
        statements.remove(0)
    }

    #[test]
    fn what_postgres_runs_outside_of_transactions_is_known() {
        for text in [
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "create /* x */ unique index concurrently if not exists i on t (a)",
            "drop index concurrently i",
            "REINDEX TABLE CONCURRENTLY t",
            "REINDEX (VERBOSE, CONCURRENTLY) INDEX i",
            "VACUUM (ANALYZE) t",
            "alter table p detach partition p1 concurrently",
            "CLUSTER",
        ] {
            let statement = one(Dialect::Postgres, text);
            assert_eq!(Dialect::Postgres.effect(&statement), Effect::ByItself, "{text}");
        }
        for text in [
            "CREATE INDEX i ON t (a)",
            "CREATE TABLE concurrently (a int)",
            "CREATE INDEX i ON concurrently (a)",
            "ALTER TYPE colour ADD VALUE 'red'",
            "alter table p detach partition p1",
            "INSERT INTO t VALUES ('VACUUM')",
            "CLUSTER t USING i",
        ] {
            let statement = one(Dialect::Postgres, text);
            assert_eq!(Dialect::Postgres.effect(&statement), Effect::WithTransaction, "{text}");
        }
        assert_eq!(
            Dialect::Postgres.effect(&one(Dialect::Postgres, "set lock_timeout = '1s'")),
            Effect::OnSession
        );
    }

    #[test]
    fn what_mysql_commits_by_itself_is_known() {
        for (text, effect) in [
            ("INSERT INTO t VALUES (1)", Effect::WithTransaction),
            ("with x as (select 1) select * from x", Effect::WithTransaction),
            ("SET FOREIGN_KEY_CHECKS = 0", Effect::OnSession),
            ("/*!40101 SET NAMES utf8mb4 */", Effect::OnSession),
            ("SET GLOBAL x = 1", Effect::ByItself),
            ("ALTER TABLE t ADD a INT", Effect::ByItself),
            ("TRUNCATE t", Effect::ByItself),
            ("CALL fill()", Effect::ByItself),
        ] {
            assert_eq!(Dialect::Mysql.effect(&one(Dialect::Mysql, text)), effect, "{text}");
        }
    }

    #[test]
    fn what_is_not_for_a_migration_is_refused_with_what_to_do() {
        for (dialect, text, hint) in [
            (Dialect::Postgres, "COPY t FROM STDIN", "write rows as `INSERT`"),
            (Dialect::Postgres, "\\connect other", "the program psql"),
            (Dialect::Postgres, "prepare transaction 'x'", "share one transaction"),
            (Dialect::Postgres, "create database x", "its own database only"),
            (
                Dialect::Postgres,
                "create index concurrently on t (a)",
                "give the index a name",
            ),
            (Dialect::Postgres, "abort", "share one transaction"),
            (Dialect::Mysql, "USE other", "its own database only"),
            (Dialect::Mysql, "lock tables t write", "lock the journal out"),
            (Dialect::Mysql, "drop table a, b", "one thing a statement"),
            (Dialect::Mysql, "CREATE PROCEDURE p() BEGIN SELECT 1", "DELIMITER //"),
            (Dialect::Sqlite, "attach 'x' as y", "its own database only"),
        ] {
            let statement = Statement::new(dialect, 1, text.to_owned());
            let refusal = dialect.refusal(&statement).unwrap_or_default();
            assert!(refusal.contains(hint), "{text}: {refusal}");
        }
        for (dialect, text) in [
            (Dialect::Postgres, "create index concurrently \"on\" on t (a)"),
            (Dialect::Postgres, "prepare x as select 1"),
            (Dialect::Mysql, "drop table a"),
            (Dialect::Mysql, "create procedure p() begin select 1; end"),
        ] {
            let statement = Statement::new(dialect, 1, text.to_owned());
            assert_eq!(dialect.refusal(&statement), None, "{text}");
        }
    }

    #[test]
    fn a_file_shares_a_transaction_where_all_its_statements_can() {
        let shares = |dialect: Dialect, text: &str| {
            let statements = split(dialect, text).unwrap();
            dialect.shares_transaction(&statements).map_err(|one| one.line)
        };
        assert_eq!(
            shares(Dialect::Postgres, "create table t (a int); insert into t values (1)"),
            Ok(true)
        );
        assert_eq!(
            shares(
                Dialect::Postgres,
                "set lock_timeout = 0; create index concurrently i on t (a); vacuum t"
            ),
            Ok(false)
        );
        assert_eq!(
            shares(
                Dialect::Postgres,
                "create table t (a int);\ncreate index concurrently i on t (a)"
            ),
            Err(2)
        );
        assert_eq!(
            shares(Dialect::Mysql, "insert into t values (1); create table u (a int)"),
            Ok(false)
        );
        assert_eq!(
            shares(Dialect::Mysql, "insert into t values (1); update t set a = 2"),
            Ok(true)
        );
        assert_eq!(shares(Dialect::Sqlite, "vacuum; create table t (a)"), Ok(true));
    }
}
