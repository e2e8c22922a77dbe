//! When a statement of SQLite's is complete: the states of its own `sqlite3_complete`.

use super::Shape;
use super::lexer::{Kind, Token};

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Start,
    Normal,
    Explain,
    Create,
    Trigger,
    TriggerSemicolon,
    TriggerEnd,
}

impl State {
    fn word(self, word: &str) -> Self {
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        match self {
            Self::Start if is("explain") => Self::Explain,
            Self::Start | Self::Explain if is("create") => Self::Create,
            Self::Start => Self::Normal,
            Self::Explain if is("query") || is("plan") => Self::Explain,
            Self::Explain => Self::Normal,
            Self::Create if is("temp") || is("temporary") => Self::Create,
            Self::Create if is("trigger") => Self::Trigger,
            Self::Create => Self::Normal,
            Self::TriggerSemicolon if is("end") => Self::TriggerEnd,
            Self::Trigger | Self::TriggerSemicolon | Self::TriggerEnd => Self::Trigger,
            Self::Normal => Self::Normal,
        }
    }

    /// After a semicolon; `Start` means that the statement is complete.
    fn past_semicolon(self) -> Self {
        match self {
            Self::Trigger | Self::TriggerSemicolon => Self::TriggerSemicolon,
            _ => Self::Start,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Trigger | Self::TriggerSemicolon | Self::TriggerEnd => Self::Trigger,
            _ => Self::Normal,
        }
    }
}

impl Shape for State {
    fn see(&mut self, token: &Token<'_>) {
        *self = match token.kind {
            Kind::Word => self.word(token.text),
            _ => self.other(),
        };
    }

    fn semicolon(&mut self) -> bool {
        *self = self.past_semicolon();
        *self == Self::Start
    }

    fn open(&self) -> Option<&'static str> {
        matches!(self, Self::Trigger | Self::TriggerSemicolon).then_some("a trigger")
    }
}
