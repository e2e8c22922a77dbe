//! How large a condition may be, found out before it is parsed.
//!
//! The parser takes stack for each level of brackets and time for each word. So the text is cut into tokens first, by
//! the parser's own grammar: what stands in quotes, in comments or after a backslash counts for nothing only where the
//! parser takes it for that too. A text that cannot be cut so is no condition; all its signs count then, and none is
//! taken for a closing one.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::condition::{ConditionError, DEEPEST, LONGEST, MOST_WORDS};
use crate::message::at;

/// The tokens of CEL, one group for each sort; of those that begin alike the longer ones first.
static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    const ESCAPE: &str = r#"\\(?:[abfnrtv"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})"#;
    let raw = r#"[rR](?:""".*?"""|'''.*?'''|"[^"\n\r]*"|'[^'\n\r]*')"#;
    let plain = format!(
        r#""""(?:{ESCAPE}|[^\\])*?"""|'''(?:{ESCAPE}|[^\\])*?'''|"(?:{ESCAPE}|[^\\"\n\r])*"|'(?:{ESCAPE}|[^\\'\n\r])*'"#
    );
    let number = r"0x[0-9a-fA-F]+[uU]?|[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+[uU]?";
    let name = r"[A-Za-z_][A-Za-z0-9_]*|`[A-Za-z0-9_.\-/ ]+`";
    let sign = r"==|!=|<=|>=|&&|\|\||[<>.,\-!?:+*/%]";
    let token = format!(
        r"\A(?s-u:(?P<blank>[\t \r\n\x0c]+|//[^\n]*)|(?P<word>[bB]?(?:{raw}|{plain})|{number}|{name}|{sign})|(?P<open>[(\[{{])|(?P<close>[)\]}}]))"
    );
    Regex::new(&token).ok()
});

/// A piece of a text, as far as its size matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Blank,
    Word,
    Open,
    Close,
}

/// The tokens of a text, each with the byte that it begins at; `None` where it has something that is none.
fn tokens(source: &str) -> Option<Vec<(usize, Token)>> {
    let token = TOKEN.as_ref()?;
    let (mut found, mut at) = (Vec::new(), 0);
    while at < source.len() {
        let groups = token.captures(&source.as_bytes()[at..])?;
        let is = |name| groups.name(name).is_some();
        let kind = match () {
            () if is("blank") => Token::Blank,
            () if is("open") => Token::Open,
            () if is("close") => Token::Close,
            () => Token::Word,
        };
        found.push((at, kind));
        at += groups.get(0).map_or(0, |whole| whole.len()).max(1);
    }
    Some(found)
}

/// Every sign of a text that cannot be cut into tokens, as if none closed anything.
fn signs(source: &str) -> Vec<(usize, Token)> {
    let (mut found, mut in_word) = (Vec::new(), false);
    for (at, letter) in source.char_indices() {
        let is_word = letter.is_alphanumeric() || letter == '_';
        found.push(match letter {
            '(' | '[' | '{' => (at, Token::Open),
            _ if letter.is_whitespace() || (is_word && in_word) => (at, Token::Blank),
            _ => (at, Token::Word),
        });
        in_word = is_word;
    }
    found
}

/// Refuses texts whose parsing would take too much time or stack.
pub(crate) fn check(source: &str) -> Result<(), ConditionError> {
    let wrong = |byte: usize, what: String, hint: &str| {
        let offset = source[..byte].chars().count();
        Err(at(source, offset, what, Some(hint.to_owned())))
    };
    const SPLIT: &str = "split it into several conditions";
    if source.trim().is_empty() {
        return wrong(
            0,
            "the condition is empty".to_owned(),
            "leave the key out, or write `true`",
        );
    }
    if let Some((byte, _)) = source.char_indices().nth(LONGEST) {
        let what = format!("the condition is longer than {LONGEST} characters");
        return wrong(byte, what, SPLIT);
    }
    let (mut depth, mut words) = (0_usize, 0_usize);
    for (byte, token) in tokens(source).unwrap_or_else(|| signs(source)) {
        match token {
            Token::Blank => continue,
            Token::Word => {}
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
        }
        words += 1;
        if depth > DEEPEST {
            return wrong(byte, format!("brackets are nested more than {DEEPEST} deep"), SPLIT);
        }
        if words > MOST_WORDS {
            let what = format!("the condition has more than {MOST_WORDS} words and signs");
            return wrong(byte, what, SPLIT);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::condition::Condition;

    fn words(source: &str) -> Option<usize> {
        let found = tokens(source)?;
        Some(found.iter().filter(|(_, token)| *token != Token::Blank).count())
    }

    #[test]
    fn a_text_in_quotes_is_one_word_however_it_is_written() {
        for source in [
            r#"'a'"#,
            r#"'\''"#,
            r#"'\\'"#,
            r#""\"(((""#,
            r#"r'\'"#,
            r#"R"\""#,
            r#"'''a'b''c'''"#,
            r#"""" " "" (( """"#,
            r#"r'''\'''"#,
            r#"b'(('"#,
            r#"br"\(""#,
            "'''a\nb'''",
            "`a-b`",
            "1.5e-3",
            "0xFFu",
            ".5",
            "''",
        ] {
            assert_eq!(words(source), Some(1), "{source}");
        }
        for (source, count) in [
            ("a1r'\\'' + '", 4),
            ("1r'\\'", 2),
            ("1.5e3r'\\'", 2),
            ("a // '\n+ b", 3),
            ("''''", 2),
        ] {
            let counted = words(source);
            assert!(counted.is_none_or(|counted| counted == count), "{source}: {counted:?}");
        }
        for source in ["'a", "\"a\nb\"", "'\\q'", "a # b", "`(`", "r'\n'", "é"] {
            assert_eq!(words(source), None, "{source}");
        }
    }

    /// Brackets and signs without end behind what only looks like the beginning of a text.
    #[test]
    fn what_hides_behind_quotes_escapes_and_comments_is_counted() {
        let disguises = [
            "'\\'' + ",
            "\"\\\"\" + ",
            "// '\n",
            "// \"\n",
            "'''''' + ",
            "'''\\'''' + ",
            "r'\\' + ",
            "b'\\'' + ",
            "'\n",
            "\"\r",
            "'\\q' + ",
            "`'` + ",
            "a # ' + ",
            "'' + ''''''",
        ];
        for disguise in disguises {
            for monster in [
                "(".repeat(1_900),
                "[".repeat(1_900),
                "!".repeat(1_900),
                "-".repeat(1_900),
                "a.".repeat(950),
            ] {
                let source = format!("{disguise}{monster}");
                assert!(check(&source).is_err(), "{disguise:?} and {:?}", &monster[..2]);
            }
        }
    }

    #[test]
    fn long_texts_in_quotes_are_allowed() {
        let source = format!("candidate.line == '{}'", "(".repeat(1_500));
        assert_eq!(check(&source), Ok(()));
        assert!(Condition::compile(&source).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever quotes, escapes and comments are made of, what passes is parsed to an end.
        #[test]
        fn no_disguise_brings_the_compiler_down(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "'", "\"", "'''", "\"\"\"", "\\", "\\'", "\\\"", "\\\\", "r'", "R\"", "b'", "br'", "rb'", "1r'", "//",
                    "\n", "\r", "`", "a", " + ", "((((((((((((((((((((((((", "[[[[[[[[[[", "!!!!!!!!!!!!!!!!", "é", "#", "\\u00e9",
                ]),
                0..40,
            ),
            monster in prop::sample::select(vec!["", "(", "[", "-", "a?b:", ".a"]),
        ) {
            let _ = Condition::compile(&format!("{}{}", parts.concat(), monster.repeat(400)));
        }
    }
}
