//! Cuts the text of a CEL expression at its logical operators.
//!
//! Only what is certain to be cut rightly is: the pieces between `||` and `&&` outside of brackets and
//! texts, and what follows a `!` when that is all there is. Everything else stays one piece, which is
//! always right, only less telling.

/// An expression cut at its logical operators; the pieces are ranges of its characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    All(Vec<Cut>),
    Any(Vec<Cut>),
    Not(Box<Cut>),
    Piece { start: usize, end: usize },
}

/// What each character of a text is: in quotes or not, and how deep in brackets.
pub(super) struct Letters {
    pub letters: Vec<char>,
    /// For each letter whether it belongs to a text in quotes.
    quoted: Vec<bool>,
    /// For each letter the number of brackets around it.
    depth: Vec<u32>,
}

/// A name in an expression, outside of quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub start: usize,
    /// Whether a dot stands before it.
    pub selected: bool,
    /// The name that is selected of it, if one is.
    pub member: Option<String>,
    /// Whether an opening bracket follows.
    pub called: bool,
}

impl Letters {
    pub fn of(source: &str) -> Self {
        let letters: Vec<char> = source.chars().collect();
        let mut quoted = Vec::with_capacity(letters.len());
        let mut depths = Vec::with_capacity(letters.len());
        let (mut depth, mut quote, mut escaped) = (0u32, None, false);
        for &letter in &letters {
            if let Some(open) = quote {
                quoted.push(true);
                depths.push(depth);
                if escaped {
                    escaped = false;
                } else if letter == '\\' {
                    escaped = true;
                } else if letter == open {
                    quote = None;
                }
                continue;
            }
            match letter {
                '\'' | '"' => quote = Some(letter),
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            quoted.push(quote.is_some());
            depths.push(depth);
            if matches!(letter, '(' | '[' | '{') {
                depth += 1;
            }
        }
        Self {
            letters,
            quoted,
            depth: depths,
        }
    }

    /// The names outside of quotes.
    pub fn words(&self) -> Vec<Word> {
        let is_word = |at: usize| {
            self.letters
                .get(at)
                .is_some_and(|letter| !self.quoted[at] && (letter.is_alphanumeric() || *letter == '_'))
        };
        let mut words = Vec::new();
        let mut at = 0;
        while at < self.letters.len() {
            if !is_word(at) {
                at += 1;
                continue;
            }
            let start = at;
            while is_word(at) {
                at += 1;
            }
            let text: String = self.letters[start..at].iter().collect();
            let before = self.skip_back(start);
            let mut after = self.skip(at);
            let called = self.letters.get(after) == Some(&'(');
            let mut member = None;
            if self.letters.get(after) == Some(&'.') {
                after = self.skip(after + 1);
                let from = after;
                while is_word(after) {
                    after += 1;
                }
                if after > from {
                    member = Some(self.letters[from..after].iter().collect());
                }
            }
            words.push(Word {
                text,
                start,
                selected: before.is_some_and(|before| self.letters[before] == '.'),
                member,
                called,
            });
        }
        words
    }

    /// Whether there is a comment.
    pub fn comment(&self) -> Option<usize> {
        (1..self.letters.len())
            .find(|at| !self.quoted[*at] && self.letters[*at] == '/' && self.letters[at - 1] == '/')
            .map(|at| at - 1)
    }

    fn skip(&self, mut at: usize) -> usize {
        while self.letters.get(at).is_some_and(|letter| letter.is_whitespace()) {
            at += 1;
        }
        at
    }

    fn skip_back(&self, at: usize) -> Option<usize> {
        (0..at).rev().find(|at| !self.letters[*at].is_whitespace())
    }

    /// Cuts the whole.
    pub fn cut(&self) -> Cut {
        self.cut_range(0, self.letters.len())
    }

    fn cut_range(&self, start: usize, end: usize) -> Cut {
        let (start, end) = self.trim(start, end);
        if start >= end {
            return Cut::Piece { start, end };
        }
        if self.letters[start] == '(' && !self.quoted[start] && self.closing(start) == Some(end - 1) {
            return self.cut_range(start + 1, end - 1);
        }
        let level = self.depth[start..end].iter().min().copied().unwrap_or(0);
        let plain = |at: usize| !self.quoted[at] && self.depth[at] == level;
        if (start..end).any(|at| plain(at) && self.letters[at] == '?') {
            return Cut::Piece { start, end };
        }
        for (sign, make) in [('|', Cut::Any as fn(Vec<Cut>) -> Cut), ('&', Cut::All)] {
            let mut cuts = Vec::new();
            let mut from = start;
            let mut at = start;
            while at + 1 < end {
                if plain(at) && self.letters[at] == sign && self.letters[at + 1] == sign {
                    cuts.push(self.cut_range(from, at));
                    at += 2;
                    from = at;
                } else {
                    at += 1;
                }
            }
            if !cuts.is_empty() {
                cuts.push(self.cut_range(from, end));
                return make(cuts);
            }
        }
        if self.letters[start] == '!' && !self.quoted[start] {
            let (rest, _) = self.trim(start + 1, end);
            let only = (rest..end).all(|at| {
                !plain(at) || self.letters[at].is_alphanumeric() || matches!(self.letters[at], '_' | '.' | '(' | ')')
            });
            if rest < end && only {
                return Cut::Not(Box::new(self.cut_range(rest, end)));
            }
        }
        Cut::Piece { start, end }
    }

    fn trim(&self, mut start: usize, mut end: usize) -> (usize, usize) {
        while start < end && self.letters[start].is_whitespace() {
            start += 1;
        }
        while end > start && self.letters[end - 1].is_whitespace() {
            end -= 1;
        }
        (start, end)
    }

    /// The bracket that closes the one at `open`.
    fn closing(&self, open: usize) -> Option<usize> {
        let depth = self.depth[open];
        (open + 1..self.letters.len())
            .find(|at| !self.quoted[*at] && self.depth[*at] == depth && matches!(self.letters[*at], ')' | ']' | '}'))
    }

    /// The line and column, from 1, of a letter.
    pub fn place(&self, at: usize) -> (u32, u32) {
        let (mut line, mut column) = (1, 1);
        for letter in self.letters.iter().take(at) {
            if *letter == '\n' {
                line += 1;
                column = 1;
            } else {
                column += 1;
            }
        }
        (line, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> String {
        fn show(cut: &Cut, letters: &Letters) -> String {
            let list = |cuts: &[Cut]| cuts.iter().map(|cut| show(cut, letters)).collect::<Vec<_>>().join(" ");
            match cut {
                Cut::All(cuts) => format!("(all {})", list(cuts)),
                Cut::Any(cuts) => format!("(any {})", list(cuts)),
                Cut::Not(cut) => format!("(not {})", show(cut, letters)),
                Cut::Piece { start, end } => format!("[{}]", letters.letters[*start..*end].iter().collect::<String>()),
            }
        }
        let letters = Letters::of(source);
        show(&letters.cut(), &letters)
    }

    #[test]
    fn an_expression_is_cut_at_its_logical_operators_and_nowhere_else() {
        for (source, expected) in [
            ("a", "[a]"),
            ("a && b || c", "(any (all [a] [b]) [c])"),
            ("a && (b || !c)", "(all [a] (any [b] (not [c])))"),
            ("((a))", "[a]"),
            ("(a) && (b)", "(all [a] [b])"),
            ("!(a && b)", "(not (all [a] [b]))"),
            ("!a == b", "[!a == b]"),
            ("!a.b(x, y == 2)", "(not [a.b(x, y == 2)])"),
            ("!'x' in a", "[!'x' in a]"),
            ("a != b", "[a != b]"),
            (
                "l.exists(x, x == 'a' || x == 'b') && c",
                "(all [l.exists(x, x == 'a' || x == 'b')] [c])",
            ),
            ("a ? b : c || d", "[a ? b : c || d]"),
            ("'a || b' == c", "['a || b' == c]"),
            ("'it\\'s || x' == c || d", "(any ['it\\'s || x' == c] [d])"),
            (" a\n  && b ", "(all [a] [b])"),
            ("!!a", "[!!a]"),
        ] {
            assert_eq!(shown(source), expected, "{source}");
        }
    }

    #[test]
    fn words_know_what_stands_around_them() {
        let letters = Letters::of("has(history.commits) && 'files.x' in files . stacks");
        let words: Vec<_> = letters
            .words()
            .into_iter()
            .map(|word| (word.text, word.selected, word.member, word.called))
            .collect();
        assert_eq!(
            words,
            [
                ("has".to_owned(), false, None, true),
                ("history".to_owned(), false, Some("commits".to_owned()), false),
                ("commits".to_owned(), true, None, false),
                ("in".to_owned(), false, None, false),
                ("files".to_owned(), false, Some("stacks".to_owned()), false),
                ("stacks".to_owned(), true, None, false),
            ]
        );
    }
}
