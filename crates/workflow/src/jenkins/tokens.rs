//! The words and signs of a text in Groovy.

/// How many are read of one file.
const MOST: usize = 100_000;

/// A word, a text, a sign, or the end of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Sign(char),
    Break,
}

/// Reads a text; each token with its line, from 1.
pub(super) fn tokens(text: &str) -> Vec<(Token, u32)> {
    let mut tokens: Vec<(Token, u32)> = Vec::new();
    let mut line = 1u32;
    let letters: Vec<char> = text.chars().collect();
    let mut at = 0;
    let ahead = |at: usize, what: &str| what.chars().enumerate().all(|(n, c)| letters.get(at + n) == Some(&c));
    while at < letters.len() && tokens.len() < MOST {
        let letter = letters[at];
        if letter == '\n' {
            tokens.push((Token::Break, line));
            line += 1;
            at += 1;
        } else if letter == ';' {
            tokens.push((Token::Break, line));
            at += 1;
        } else if letter.is_whitespace() || letter == '\\' {
            if letter == '\\' && letters.get(at + 1) == Some(&'\n') {
                line += 1;
                at += 1;
            }
            at += 1;
        } else if ahead(at, "//") || (letter == '#' && at == 0) {
            while at < letters.len() && letters[at] != '\n' {
                at += 1;
            }
        } else if ahead(at, "/*") {
            at += 2;
            while at < letters.len() && !ahead(at, "*/") {
                line += u32::from(letters[at] == '\n');
                at += 1;
            }
            at += 2;
        } else if letter == '\'' || letter == '"' {
            let long: String = std::iter::repeat_n(letter, 3).collect();
            let triple = ahead(at, &long);
            let started = line;
            at += if triple { 3 } else { 1 };
            let mut word = String::new();
            while at < letters.len() {
                if triple && ahead(at, &long) {
                    at += 3;
                    break;
                }
                if !triple && (letters[at] == letter || letters[at] == '\n') {
                    at += usize::from(letters[at] == letter);
                    break;
                }
                line += u32::from(letters[at] == '\n');
                if letters[at] == '\\' && at + 1 < letters.len() {
                    at += 1;
                    match letters[at] {
                        'n' => word.push('\n'),
                        't' => word.push('\t'),
                        '\n' => {
                            word.push_str("\\\n");
                            line += 1;
                        }
                        other => word.push(other),
                    }
                } else {
                    word.push(letters[at]);
                }
                at += 1;
            }
            tokens.push((Token::Text(word), started));
        } else if letter.is_alphanumeric() || matches!(letter, '_' | '$' | '@') {
            let mut word = String::new();
            while at < letters.len()
                && (letters[at].is_alphanumeric()
                    || matches!(letters[at], '_' | '$' | '@')
                    || (letters[at] == '.'
                        && letters
                            .get(at + 1)
                            .is_some_and(|next| next.is_alphabetic() || *next == '_'))
                    || (letters[at] == '?' && letters.get(at + 1) == Some(&'.')))
            {
                if letters[at] != '?' {
                    word.push(letters[at]);
                }
                at += 1;
            }
            tokens.push((Token::Word(word), line));
        } else {
            tokens.push((Token::Sign(letter), line));
            at += 1;
        }
    }
    tokens
}
