//! What PostgreSQL shows of a statement that no transaction holds and whose end nobody saw.
//!
//! - `CREATE INDEX CONCURRENTLY` leaves an invalid index behind when it does not come to its end. It is
//!   dropped, and built again.
//! - `DROP INDEX CONCURRENTLY` took effect when the index is gone.
//! - `REINDEX ... CONCURRENTLY` leaves invalid copies behind. They are dropped, and it runs again.
//! - `ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY` is brought to its end where it was half-way.
//! - `VACUUM`, and whatever else is left, does no harm when it runs again.

use super::{PostgresEngine, quoted};
use crate::dialect::Dialect;
use crate::engine::{Cell, Engine as _, EngineError, Observed};
use crate::statement::Statement;
use crate::statement::words::{Word, words};

/// A name of up to three parts.
type Name = Vec<String>;

/// What such a statement is about.
#[derive(Debug, PartialEq, Eq)]
enum Subject {
    NewIndex { name: String, table: Name },
    OldIndex { name: Name },
    Rebuilt,
    Partition { parent: Name, child: Name },
    Other,
}

/// Reads words one after the other.
struct Reader<I: Iterator<Item = Word>>(std::iter::Peekable<I>);

impl<I: Iterator<Item = Word>> Reader<I> {
    /// Passes everything up to and with `keyword`.
    fn past(&mut self, keyword: &str) -> Option<()> {
        self.0.find(|word| word.is(keyword)).map(|_| ())
    }

    /// Passes these keywords where they stand here.
    fn skip(&mut self, keywords: &[&str]) {
        for keyword in keywords {
            self.0.next_if(|word| word.is(keyword));
        }
    }

    fn name(&mut self) -> Option<Name> {
        let mut parts = vec![self.part()?];
        while self.0.next_if(|word| *word == Word::Sign('.')).is_some() {
            parts.push(self.part()?);
        }
        Some(parts)
    }

    fn part(&mut self) -> Option<String> {
        match self.0.next()? {
            Word::Plain(name) => Some(name.to_lowercase()),
            Word::Quoted(name) => Some(name),
            Word::Text | Word::Sign(_) => None,
        }
    }
}

fn subject(statement: &Statement) -> Subject {
    let mut reader = Reader(words(Dialect::Postgres, &statement.sql).peekable());
    let found = match statement.keyword() {
        "CREATE" => (|| {
            reader.past("CONCURRENTLY")?;
            reader.skip(&["IF", "NOT", "EXISTS"]);
            let name = reader.part()?;
            reader.past("ON")?;
            reader.skip(&["ONLY"]);
            let table = reader.name()?;
            Some(Subject::NewIndex { name, table })
        })(),
        "DROP" => (|| {
            reader.past("CONCURRENTLY")?;
            reader.skip(&["IF", "EXISTS"]);
            let name = reader.name()?;
            Some(Subject::OldIndex { name })
        })(),
        "REINDEX" => Some(Subject::Rebuilt),
        "ALTER" => (|| {
            reader.past("TABLE")?;
            reader.skip(&["IF", "EXISTS", "ONLY"]);
            let parent = reader.name()?;
            reader.past("PARTITION")?;
            let child = reader.name()?;
            Some(Subject::Partition { parent, child })
        })(),
        _ => None,
    };
    found.unwrap_or(Subject::Other)
}

fn written(name: &[String]) -> String {
    let parts: Vec<String> = name.iter().map(|part| quoted(part)).collect();
    parts.join(".")
}

/// An index: how it is called, and whether it is valid.
struct Index {
    name: String,
    valid: bool,
}

fn text(row: &[Cell], place: usize) -> String {
    match row.get(place) {
        Some(Cell::Text(text)) => text.clone(),
        _ => String::new(),
    }
}

fn index(engine: &mut PostgresEngine, name: &str, table: &[String]) -> Result<Option<Index>, EngineError> {
    let rows = engine.query(
        "SELECT n.nspname::text, x.indisvalid::text FROM pg_catalog.pg_index x
           JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE x.indrelid = to_regclass(?) AND c.relname = ?::text",
        &[Cell::Text(written(table)), Cell::Text(name.to_owned())],
    )?;
    Ok(rows.first().map(|row| Index {
        name: written(&[text(row, 0), name.to_owned()]),
        valid: text(row, 1) == "true",
    }))
}

/// The invalid indexes that a rebuilding leaves behind, each with its number.
fn copies(engine: &mut PostgresEngine) -> Result<Vec<(String, String)>, EngineError> {
    let rows = engine.query(
        "SELECT x.indexrelid::text, n.nspname::text, c.relname::text FROM pg_catalog.pg_index x
           JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT x.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' ORDER BY x.indexrelid",
        &[],
    )?;
    let copy = |row: &Vec<Cell>| (text(row, 0), written(&[text(row, 1), text(row, 2)]));
    Ok(rows.iter().map(copy).collect())
}

/// What is to be seen before.
pub(super) fn mark(engine: &mut PostgresEngine, statement: &Statement) -> Result<String, EngineError> {
    Ok(match subject(statement) {
        Subject::NewIndex { name, table } => match index(engine, &name, &table)? {
            Some(_) => "there".to_owned(),
            None => String::new(),
        },
        Subject::Rebuilt => {
            let numbers: Vec<String> = copies(engine)?.into_iter().map(|(number, _)| number).collect();
            numbers.join(",")
        }
        Subject::OldIndex { .. } | Subject::Partition { .. } | Subject::Other => String::new(),
    })
}

/// Says what came of it, and removes what it left behind half-done.
pub(super) fn observe(engine: &mut PostgresEngine, statement: &Statement, mark: &str) -> Result<Observed, EngineError> {
    match subject(statement) {
        Subject::NewIndex { name, table } => match index(engine, &name, &table)? {
            // Somebody else's: it will say so itself.
            Some(_) if mark == "there" => Ok(Observed::NotDone),
            Some(index) if index.valid => Ok(Observed::Done),
            Some(index) => {
                engine.batch(&format!("DROP INDEX CONCURRENTLY {}", index.name))?;
                Ok(Observed::NotDone)
            }
            None => Ok(Observed::NotDone),
        },
        Subject::OldIndex { name } => {
            let rows = engine.query("SELECT to_regclass(?)::text", &[Cell::Text(written(&name))])?;
            Ok(match rows.first().and_then(|row| row.first()) {
                Some(Cell::Text(_)) => Observed::NotDone,
                _ => Observed::Done,
            })
        }
        Subject::Rebuilt => {
            let before: Vec<&str> = mark.split(',').collect();
            for (number, name) in copies(engine)? {
                if !before.contains(&number.as_str()) {
                    engine.batch(&format!("DROP INDEX CONCURRENTLY {name}"))?;
                }
            }
            Ok(Observed::NotDone)
        }
        Subject::Partition { parent, child } => {
            let rows = engine.query(
                "SELECT inhdetachpending::text FROM pg_catalog.pg_inherits
                 WHERE inhparent = to_regclass(?) AND inhrelid = to_regclass(?)",
                &[Cell::Text(written(&parent)), Cell::Text(written(&child))],
            )?;
            match rows.first().map(|row| text(row, 0)) {
                None => Ok(Observed::Done),
                Some(pending) if pending == "true" => {
                    let (parent, child) = (written(&parent), written(&child));
                    engine.batch(&format!("ALTER TABLE {parent} DETACH PARTITION {child} FINALIZE"))?;
                    Ok(Observed::Done)
                }
                Some(_) => Ok(Observed::NotDone),
            }
        }
        Subject::Other => Ok(Observed::NotDone),
    }
}

/// The index that a statement was to make, if it is invalid: with `IF NOT EXISTS` that is passed over.
pub(super) fn leaves_invalid(
    engine: &mut PostgresEngine,
    statement: &Statement,
) -> Result<Option<String>, EngineError> {
    let Subject::NewIndex { name, table } = subject(statement) else {
        return Ok(None);
    };
    let found = index(engine, &name, &table)?;
    Ok(found.filter(|index| !index.valid).map(|index| index.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Subject {
        subject(&Statement::new(Dialect::Postgres, 1, sql.to_owned()))
    }

    fn name(parts: &[&str]) -> Name {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn a_statement_says_what_it_is_about() {
        assert_eq!(
            of("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS By_Name ON ONLY shop.\"Order\" USING btree (a)"),
            Subject::NewIndex {
                name: "by_name".into(),
                table: name(&["shop", "Order"])
            }
        );
        assert_eq!(
            of("drop index concurrently if exists shop.by_name cascade"),
            Subject::OldIndex {
                name: name(&["shop", "by_name"])
            }
        );
        assert_eq!(
            of("ALTER TABLE IF EXISTS measures DETACH PARTITION m2024 CONCURRENTLY"),
            Subject::Partition {
                parent: name(&["measures"]),
                child: name(&["m2024"])
            }
        );
        assert_eq!(of("REINDEX INDEX CONCURRENTLY i"), Subject::Rebuilt);
        assert_eq!(of("VACUUM t"), Subject::Other);
        assert_eq!(written(&name(&["a\"b", "c"])), "\"a\"\"b\".\"c\"");
    }
}
