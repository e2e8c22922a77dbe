//! The words of a statement, without comments, for whoever has to know what it is about.

use super::lexer::{Kind, Lexer};
use crate::dialect::Dialect;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A keyword, a name, or a number, as it is written.
    Plain(String),
    /// A name in quotes, without them.
    Quoted(String),
    /// A text.
    Text,
    /// Any other sign.
    Sign(char),
}

impl Word {
    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Plain(text) if text.eq_ignore_ascii_case(keyword))
    }
}

/// The words of `sql`, up to something that is never closed.
pub fn words(dialect: Dialect, sql: &str) -> impl Iterator<Item = Word> {
    let mut lexer = Lexer::new(dialect, sql);
    std::iter::from_fn(move || {
        loop {
            let token = lexer.next().ok()??;
            return Some(match token.kind {
                Kind::Blank | Kind::Comment | Kind::Conditional => continue,
                Kind::Word => Word::Plain(token.text.to_owned()),
                Kind::Name => Word::Quoted(unquoted(token.text)),
                Kind::Text => Word::Text,
                Kind::Sign => Word::Sign(token.text.chars().next()?),
            });
        }
    })
}

/// A name without its quotes.
fn unquoted(text: &str) -> String {
    let Some(open) = text.chars().next() else {
        return String::new();
    };
    let close = if open == '[' { ']' } else { open };
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    inner.replace(&format!("{close}{close}"), &close.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_quotes_and_comments_are_left_out() {
        let found: Vec<_> = words(Dialect::Postgres, "Create /* x */ index \"a\"\"b\" on t -- y\n('c')").collect();
        let plain = |text: &str| Word::Plain(text.to_owned());
        assert_eq!(
            found,
            [
                plain("Create"),
                plain("index"),
                Word::Quoted("a\"b".to_owned()),
                plain("on"),
                plain("t"),
                Word::Sign('('),
                Word::Text,
                Word::Sign(')'),
            ]
        );
        let found: Vec<_> = words(Dialect::Mysql, "/*!40101 SET */ `a``b` # z").collect();
        assert_eq!(found, [plain("SET"), Word::Quoted("a`b".to_owned())]);
    }
}
