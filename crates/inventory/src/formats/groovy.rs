//! Build files in Groovy and Kotlin, lightly: text without comments, statements by line, the texts in
//! quotes. Programs are not run, so what they compute stays unknown.

/// A line of a build file without its comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub number: u32,
    pub text: String,
    /// The blocks it stands in, outermost first, by the word before each `{`.
    pub blocks: Vec<String>,
}

/// The deepest nesting of blocks that is kept.
const DEEPEST: usize = 40;

/// The lines of a build file that hold more than comments.
pub(crate) fn read(text: &str) -> Vec<Line> {
    let clean = without_comments(text);
    let mut blocks: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for (number, text) in crate::reading::lines(&clean) {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            continue;
        }
        let inside = blocks.clone();
        let mut word = String::new();
        let mut quote: Option<char> = None;
        let mut own = inside.clone();
        for letter in trimmed.chars() {
            match (quote, letter) {
                (Some(open), letter) => {
                    if letter == open {
                        quote = None;
                    }
                }
                (None, '"' | '\'') => quote = Some(letter),
                (None, '{') => {
                    if blocks.len() < DEEPEST {
                        blocks.push(word.trim().to_owned());
                        if blocks.len() > own.len() {
                            own = blocks.clone();
                        }
                    }
                    word.clear();
                }
                (None, '}') => {
                    blocks.pop();
                    word.clear();
                }
                (None, letter) if letter.is_alphanumeric() || matches!(letter, '_' | '.') => word.push(letter),
                (None, ' ') => {}
                (None, '(') => {
                    // `named("x") {` and `tasks.register("x") {`: the block keeps the word before the bracket.
                }
                (None, _) => {}
            }
            if letter == ';' && quote.is_none() {
                word.clear();
            }
        }
        lines.push(Line {
            number,
            text: trimmed.to_owned(),
            blocks: own,
        });
    }
    lines
}

/// The texts in quotes of a line.
pub(crate) fn texts(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(open) = rest.find(['"', '\'']) {
        let quote = rest.as_bytes()[open];
        let after = &rest[open + 1..];
        let Some(close) = after.as_bytes().iter().position(|byte| *byte == quote) else {
            break;
        };
        found.push(&after[..close]);
        rest = &after[close + 1..];
    }
    found
}

fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    let mut quote: Option<u8> = None;
    while at < bytes.len() {
        let byte = bytes[at];
        match quote {
            Some(open) => {
                if byte == b'\\' {
                    at += 1;
                } else if byte == open || byte == b'\n' {
                    quote = None;
                }
                at += 1;
            }
            None => match byte {
                b'"' | b'\'' => {
                    quote = Some(byte);
                    at += 1;
                }
                b'/' if bytes.get(at + 1) == Some(&b'/') => {
                    while at < bytes.len() && bytes[at] != b'\n' {
                        out[at] = b' ';
                        at += 1;
                    }
                }
                b'/' if bytes.get(at + 1) == Some(&b'*') => {
                    while at < bytes.len() && !bytes[at..].starts_with(b"*/") {
                        if bytes[at] != b'\n' {
                            out[at] = b' ';
                        }
                        at += 1;
                    }
                    for _ in 0..2 {
                        if at < bytes.len() {
                            out[at] = b' ';
                            at += 1;
                        }
                    }
                }
                _ => at += 1,
            },
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_blocks_are_known() {
        let lines = read(
            "plugins {\n  id 'java' // not \"kotlin\"\n}\n/* dependencies { */\ndependencies {\n  implementation \"org.x:y:1\"\n}\n",
        );
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[1].text, "id 'java'");
        assert_eq!(lines[1].blocks, ["plugins"]);
        assert_eq!(lines[4].blocks, ["dependencies"]);
        assert_eq!(texts(&lines[4].text), ["org.x:y:1"]);
        assert_eq!(lines[4].number, 6);
    }

    #[test]
    fn hostile_texts_do_no_harm() {
        for text in ["/*", "\"", "'\\", "{{{{}}}}}}}", "é // é", "/* é */ x"] {
            for line in read(text) {
                texts(&line.text);
            }
        }
        read(&"{".repeat(100_000));
    }
}
