//! Reads SQL token by token: only as much as is needed to know where something ends.
//!
//! Each dialect quotes and comments in its own way:
//!
//! - SQLite: `'x'`, `"x"`, `` `x` ``, `[x]`; comments do not nest; a byte order mark is a space.
//! - PostgreSQL: backslashes mean something in `E'x'` alone, given that `standard_conforming_strings` is
//!   on; `$tag$x$tag$`; comments nest.
//! - MariaDB and MySQL: backslashes mean something in `'x'` and `"x"`; `#` begins a comment, `--` only
//!   before a space; what stands in `/*! x */` is run.

use super::Unclosed;
use crate::dialect::Dialect;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Spaces.
    Blank,
    /// A comment.
    Comment,
    /// The beginning or the end of a comment that is run.
    Conditional,
    /// A keyword, a name or a number.
    Word,
    /// A name in quotes.
    Name,
    /// A text.
    Text,
    /// One other sign.
    Sign,
}

/// A piece of a script.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    /// The line on which it begins, from 1.
    pub(crate) line: u32,
}

/// Whether the sign is a space.
pub(crate) fn is_blank(dialect: Dialect, sign: char) -> bool {
    match dialect {
        // A byte order mark is a space to SQLite wherever it stands, so it must not hide a word.
        Dialect::Sqlite => sign.is_whitespace() || sign == '\u{feff}',
        Dialect::Postgres | Dialect::Mysql => sign.is_ascii_whitespace() || sign == '\u{b}',
    }
}

/// Reads a script.
pub(crate) struct Lexer<'a> {
    dialect: Dialect,
    text: &'a str,
    at: usize,
    line: u32,
    /// How many comments that are run are open.
    conditional: usize,
    /// What ends a statement in the middle of a word, such as `$$`.
    pub(crate) delimiter: Option<&'a str>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(dialect: Dialect, text: &'a str) -> Self {
        Self {
            dialect,
            text,
            at: 0,
            line: 1,
            conditional: 0,
            delimiter: None,
        }
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Reads `bytes` as one token of this kind.
    pub(crate) fn take(&mut self, kind: Kind, bytes: usize) -> Token<'a> {
        let token = Token {
            kind,
            text: &self.text[self.at..self.at + bytes],
            start: self.at,
            line: self.line,
        };
        self.line += token.text.bytes().filter(|byte| *byte == b'\n').count() as u32;
        self.at += bytes;
        token
    }

    /// The next token; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, Unclosed> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(None);
        };
        if is_blank(self.dialect, first) {
            let length = rest.find(|c| !is_blank(self.dialect, c)).unwrap_or(rest.len());
            return Ok(Some(self.take(Kind::Blank, length)));
        }
        if let Some((kind, length)) = self.comment(rest)? {
            return Ok(Some(self.take(kind, length)));
        }
        if let Some((kind, length)) = self.quoted(rest, first)? {
            return Ok(Some(self.take(kind, length)));
        }
        if self.is_word(first) {
            let whole = rest.find(|c| !self.is_word(c)).unwrap_or(rest.len());
            let ended = self.delimiter.and_then(|delimiter| rest[..whole].find(delimiter));
            let length = ended.filter(|length| *length > 0).unwrap_or(whole);
            return Ok(Some(self.take(Kind::Word, length)));
        }
        Ok(Some(self.take(Kind::Sign, first.len_utf8())))
    }

    fn is_word(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_' || c == '$' || (self.dialect != Dialect::Sqlite && !c.is_ascii())
    }

    fn unclosed(&self, what: &'static str) -> Unclosed {
        Unclosed { what, line: self.line }
    }

    fn comment(&mut self, rest: &str) -> Result<Option<(Kind, usize)>, Unclosed> {
        let mysql = self.dialect == Dialect::Mysql;
        let line = || rest.find('\n').map_or(rest.len(), |end| end + 1);
        if let Some(after) = rest.strip_prefix("--") {
            let spaced = after.chars().next().is_none_or(|c| c.is_whitespace() || c.is_control());
            if !mysql || spaced {
                return Ok(Some((Kind::Comment, line())));
            }
        }
        if mysql && rest.starts_with('#') {
            return Ok(Some((Kind::Comment, line())));
        }
        if mysql && self.conditional > 0 && rest.starts_with("*/") {
            self.conditional -= 1;
            return Ok(Some((Kind::Conditional, 2)));
        }
        let Some(inner) = rest.strip_prefix("/*") else {
            return Ok(None);
        };
        if mysql && (inner.starts_with('!') || inner.starts_with("M!")) {
            self.conditional += 1;
            let mark = if inner.starts_with('!') { 3 } else { 4 };
            let version = rest[mark..].bytes().take_while(u8::is_ascii_digit).count();
            return Ok(Some((Kind::Conditional, mark + version)));
        }
        let nests = self.dialect == Dialect::Postgres;
        let (mut depth, mut at) = (1_usize, 2);
        loop {
            let found = rest[at..].find(['*', '/']).map(|place| at + place);
            let Some(place) = found else {
                return Err(self.unclosed("a comment"));
            };
            if rest[place..].starts_with("*/") {
                depth -= 1;
                at = place + 2;
                if depth == 0 {
                    return Ok(Some((Kind::Comment, at)));
                }
            } else if nests && rest[place..].starts_with("/*") {
                depth += 1;
                at = place + 2;
            } else {
                at = place + 1;
            }
        }
    }

    fn quoted(&self, rest: &str, first: char) -> Result<Option<(Kind, usize)>, Unclosed> {
        let mysql = self.dialect == Dialect::Mysql;
        let (kind, close, backslashes, what, open) = match first {
            '\'' => (Kind::Text, '\'', mysql, "a text in quotes", 1),
            '"' if mysql => (Kind::Text, '"', true, "a text in quotes", 1),
            '"' => (Kind::Name, '"', false, "a name in quotes", 1),
            '`' if self.dialect != Dialect::Postgres => (Kind::Name, '`', false, "a name in quotes", 1),
            '[' if self.dialect == Dialect::Sqlite => (Kind::Name, ']', false, "a name in brackets", 1),
            'e' | 'E' if self.dialect == Dialect::Postgres && rest[1..].starts_with('\'') => {
                (Kind::Text, '\'', true, "a text in quotes", 2)
            }
            '$' if self.dialect == Dialect::Postgres => return self.dollars(rest),
            _ => return Ok(None),
        };
        let mut signs = rest[open..].char_indices().peekable();
        while let Some((place, sign)) = signs.next() {
            if backslashes && sign == '\\' {
                signs.next();
            } else if sign == close {
                // A doubled one stands for itself; brackets know no such thing.
                if close != ']' && signs.peek().is_some_and(|(_, next)| *next == close) {
                    signs.next();
                } else {
                    return Ok(Some((kind, open + place + close.len_utf8())));
                }
            }
        }
        Err(self.unclosed(what))
    }

    /// A text between dollars, such as `$body$x$body$`.
    fn dollars(&self, rest: &str) -> Result<Option<(Kind, usize)>, Unclosed> {
        let Some(end) = rest[1..].find('$') else {
            return Ok(None);
        };
        let tag = &rest[1..1 + end];
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        if !tag.chars().all(fits) || tag.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(None);
        }
        let mark = &rest[..end + 2];
        match rest[mark.len()..].find(mark) {
            Some(length) => Ok(Some((Kind::Text, length + 2 * mark.len()))),
            None => Err(self.unclosed("a text between dollars")),
        }
    }
}
