//! When a statement of PostgreSQL's is complete: the rules of its own program psql.

use super::Shape;
use super::lexer::{Kind, Token};

/// Parentheses, as in `CREATE RULE`, and bodies of functions between `BEGIN ATOMIC` and `END`.
#[derive(Default)]
pub(super) struct Bodies {
    parentheses: usize,
    depth: usize,
    /// The first letters of the first words, which say whether a function is made.
    head: Vec<String>,
}

impl Bodies {
    fn makes_function(&self) -> bool {
        let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
        matches!(
            head[..],
            ["CREATE", "FUNCTION" | "PROCEDURE", ..] | ["CREATE", "OR", "REPLACE", "FUNCTION" | "PROCEDURE"]
        )
    }
}

impl Shape for Bodies {
    fn see(&mut self, token: &Token<'_>) {
        match (token.kind, token.text) {
            (Kind::Sign, "(") => self.parentheses += 1,
            (Kind::Sign, ")") => self.parentheses = self.parentheses.saturating_sub(1),
            (Kind::Word, word) => {
                let is = |other: &str| word.eq_ignore_ascii_case(other);
                if self.parentheses == 0 && self.makes_function() {
                    if is("begin") || (is("case") && self.depth > 0) {
                        self.depth += 1;
                    } else if is("end") {
                        self.depth = self.depth.saturating_sub(1);
                    }
                }
                if self.head.len() < 4 {
                    self.head.push(word.to_ascii_uppercase());
                }
            }
            _ => {}
        }
    }

    fn semicolon(&mut self) -> bool {
        let ends = self.parentheses == 0 && self.depth == 0;
        if ends {
            *self = Self::default();
        }
        ends
    }

    fn open(&self) -> Option<&'static str> {
        match (self.parentheses, self.depth) {
            (0, 0) => None,
            (0, _) => Some("the body of a function"),
            _ => Some("a parenthesis"),
        }
    }
}
