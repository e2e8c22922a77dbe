//! Cuts a script into statements, each with the line on which it begins.
//!
//! A semicolon ends a statement, except within quotes and comments, and
//!
//! - in SQLite within the body of `CREATE TRIGGER ... END;` (the states are those of its own
//!   `sqlite3_complete`);
//! - in PostgreSQL within parentheses, and between `BEGIN` and `END` in the body of a function (the rules
//!   of its own psql);
//! - in MariaDB and MySQL after `DELIMITER`, which says what ends one instead.

pub(crate) mod lexer;
mod postgres;
mod sqlite;
pub(crate) mod words;

use crate::dialect::Dialect;
use lexer::{Kind, Lexer, Token};

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The line of its first word, counted from 1.
    pub line: u32,
    /// Its text, without the closing semicolon and without comments before it.
    pub sql: String,
    keyword: String,
}

impl Statement {
    pub(crate) fn new(dialect: Dialect, line: u32, sql: String) -> Self {
        let mut lexer = Lexer::new(dialect, &sql);
        let mut keyword = String::new();
        // The first word, unless something else stands before it.
        while let Ok(Some(token)) = lexer.next() {
            match token.kind {
                Kind::Blank | Kind::Comment | Kind::Conditional => {}
                Kind::Word => {
                    let word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
                    keyword = token.text.chars().take_while(word).collect();
                    break;
                }
                Kind::Name | Kind::Text | Kind::Sign => break,
            }
        }
        keyword.make_ascii_uppercase();
        Self { line, sql, keyword }
    }

    /// The first word, in upper case.
    pub fn keyword(&self) -> &str {
        &self.keyword
    }

    /// The first few words on one line, for messages; at most 80 characters.
    pub fn summary(&self) -> String {
        let line = self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut short: String = line.chars().take(80).collect();
        if short.len() < line.len() {
            short.push('…');
        }
        short
    }
}

/// A quote or comment that is never closed, or a trigger without its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} that begins on line {line} is never closed")]
pub struct Unclosed {
    /// What is open.
    pub what: &'static str,
    /// Where it begins, counted from 1.
    pub line: u32,
}

/// Why a script cannot be cut into statements that may run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Something is never closed.
    #[error(transparent)]
    Unclosed(#[from] Unclosed),
    /// A statement that is not for a migration.
    #[error("`{keyword}` on line {line} is not for a migration\n  hint: {hint}")]
    Refused {
        /// Its line.
        line: u32,
        /// Its first word.
        keyword: String,
        /// What to do.
        hint: &'static str,
    },
}

/// What knows when a statement is complete.
trait Shape {
    /// Hears of every token but spaces and comments.
    fn see(&mut self, token: &Token<'_>);
    /// Whether a semicolon here ends the statement; if so, the next one begins.
    fn semicolon(&mut self) -> bool;
    /// What is open at the end of the script.
    fn open(&self) -> Option<&'static str> {
        None
    }
}

/// A semicolon is the end.
struct Plain;

impl Shape for Plain {
    fn see(&mut self, _: &Token<'_>) {}

    fn semicolon(&mut self) -> bool {
        true
    }
}

/// Cuts `text` into its statements.
///
/// # Errors
/// When a quote, a comment or a body is never closed, or a statement is not for a migration.
pub fn split(dialect: Dialect, text: &str) -> Result<Vec<Statement>, SplitError> {
    match dialect {
        Dialect::Sqlite => cut(dialect, text, &mut sqlite::State::default()),
        Dialect::Postgres => cut(dialect, text, &mut postgres::Bodies::default()),
        Dialect::Mysql => cut(dialect, text, &mut Plain),
    }
}

/// A text without the spaces at its end.
fn without_blanks(dialect: Dialect, text: &str) -> &str {
    text.trim_end_matches(|sign| lexer::is_blank(dialect, sign))
}

fn cut(dialect: Dialect, text: &str, shape: &mut dyn Shape) -> Result<Vec<Statement>, SplitError> {
    let mut lexer = Lexer::new(dialect, text);
    let mut statements = Vec::new();
    // Where the statement under way began: (byte, line).
    let mut begun: Option<(usize, u32)> = None;
    let mut push = |(start, line): (usize, u32), end: usize| {
        let statement = Statement::new(dialect, line, without_blanks(dialect, &text[start..end]).to_owned());
        // At once: what follows may not be SQL at all.
        if let Some(hint) = dialect.refusal(&statement) {
            let keyword = match statement.keyword() {
                "" => statement.summary(),
                keyword => keyword.to_owned(),
            };
            return Err(SplitError::Refused { line, keyword, hint });
        }
        statements.push(statement);
        Ok(())
    };
    loop {
        if let Some(mark) = lexer.delimiter
            && lexer.rest().starts_with(mark)
        {
            let end = lexer.take(Kind::Sign, mark.len());
            if let Some(start) = begun.take() {
                push(start, end.start)?;
            }
            continue;
        }
        let Some(token) = lexer.next()? else { break };
        match token.kind {
            Kind::Blank | Kind::Comment => continue,
            Kind::Sign if token.text == ";" && lexer.delimiter.is_none() => {
                if shape.semicolon()
                    && let Some(start) = begun.take()
                {
                    push(start, token.start)?;
                }
                continue;
            }
            Kind::Word
                if dialect == Dialect::Mysql && begun.is_none() && token.text.eq_ignore_ascii_case("delimiter") =>
            {
                let length = lexer.rest().find('\n').unwrap_or(lexer.rest().len());
                let said = lexer.take(Kind::Word, length).text.trim();
                lexer.delimiter = (said != ";" && !said.is_empty()).then_some(said);
                continue;
            }
            _ => {}
        }
        begun.get_or_insert((token.start, token.line));
        shape.see(&token);
    }
    if let Some((start, line)) = begun {
        if let Some(what) = shape.open() {
            return Err(Unclosed { what, line }.into());
        }
        push((start, line), text.len())?;
    }
    Ok(statements)
}

#[cfg(test)]
mod tests;
