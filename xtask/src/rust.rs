//! Rust text in three layers: code, strings and comments, each with everything else blanked out, so that
//! a search in one layer is not misled by another and line numbers stay true.

/// A text in its layers. All have the same length and the same line ends.
#[derive(Debug)]
pub struct Layers {
    /// What the compiler runs, without comments and without what stands between quotes.
    pub code: String,
    /// What stands between quotes.
    pub strings: String,
    /// What stands in comments, their marks included.
    pub comments: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Layer {
    Code,
    Text,
    Comment,
}

/// Takes a text apart.
pub fn layers(text: &str) -> Layers {
    let bytes = text.as_bytes();
    let mut of = vec![Layer::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => mark(&mut of, at, line_end(bytes, at), Layer::Comment),
            b'/' if bytes.get(at + 1) == Some(&b'*') => mark(&mut of, at, block_end(bytes, at), Layer::Comment),
            b'"' => {
                let hashes = raw_hashes(bytes, at);
                mark(&mut of, at + 1, text_end(bytes, at, hashes), Layer::Text)
            }
            b'\'' => character_end(bytes, at),
            _ => at + 1,
        };
        at = end.max(at + 1);
    }
    let layer = |wanted| {
        let kept = bytes.iter().zip(&of).map(|(byte, layer)| {
            if *byte == b'\n' || *layer == wanted {
                *byte
            } else {
                b' '
            }
        });
        String::from_utf8_lossy(&kept.collect::<Vec<u8>>()).into_owned()
    };
    Layers {
        code: layer(Layer::Code),
        strings: layer(Layer::Text),
        comments: layer(Layer::Comment),
    }
}

fn mark(of: &mut [Layer], from: usize, to: usize, layer: Layer) -> usize {
    let to = to.min(of.len());
    if from < to {
        of[from..to].fill(layer);
    }
    to
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |length| at + length)
}

fn block_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut here) = (0_usize, at);
    while here + 1 < bytes.len() {
        match &bytes[here..here + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                here += 1;
                continue;
            }
        }
        here += 2;
        if depth == 0 {
            return here;
        }
    }
    bytes.len()
}

/// How many `#` stand before a quote that begins a raw string; none for any other string.
fn raw_hashes(bytes: &[u8], quote: usize) -> Option<usize> {
    let hashes = bytes[..quote].iter().rev().take_while(|byte| **byte == b'#').count();
    (bytes[..quote - hashes].last() == Some(&b'r')).then_some(hashes)
}

/// Where the text that begins with the quote at `quote` ends: at its closing quote.
fn text_end(bytes: &[u8], quote: usize, raw: Option<usize>) -> usize {
    let mut at = quote + 1;
    while at < bytes.len() {
        match (bytes[at], raw) {
            (b'\\', None) => at += 2,
            (b'"', None) => return skip_closing(bytes, at),
            (b'"', Some(hashes)) if bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count() >= hashes => {
                return skip_closing(bytes, at);
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The closing quote counts to the text, so that it does not look like the beginning of another.
fn skip_closing(bytes: &[u8], at: usize) -> usize {
    (at + 1).min(bytes.len())
}

/// Past a character in quotes; one past the mark where it is a lifetime.
fn character_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => bytes[at + 3..]
            .iter()
            .position(|byte| *byte == b'\'')
            .map_or(bytes.len(), |length| at + 4 + length),
        Some(_) => {
            // One character, of up to four bytes, then the closing mark; otherwise a lifetime.
            (at + 2..at + 6)
                .find(|end| bytes.get(*end) == Some(&b'\''))
                .filter(|end| std::str::from_utf8(&bytes[at + 1..*end]).is_ok_and(|inner| inner.chars().count() == 1))
                .map_or(at + 1, |end| end + 1)
        }
        None => bytes.len(),
    }
}

/// The part of a file before its tests: the module of tests stands last, as clippy asks.
pub fn without_tests(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("#[cfg(test)]") {
            let rest = &text[at + line.len()..];
            let next = rest.lines().find(|line| !line.starts_with("#[")).unwrap_or_default();
            if next.contains("mod ") && next.ends_with('{') {
                return &text[..at];
            }
        }
        at += line.len();
    }
    text
}

/// Whether `word` stands in `line` as a word of its own.
pub fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_part)
            && !line[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str, strings: &str, comments: &str) {
        let layers = layers(text);
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&layers.code), code, "code");
        assert_eq!(squeezed(&layers.strings.replace('"', "")), strings, "strings");
        assert_eq!(squeezed(&layers.comments), comments, "comments");
        assert_eq!(layers.code.len(), text.len());
    }

    #[test]
    fn code_strings_and_comments_are_told_apart() {
        check(
            r#"let a = "text // no comment"; // but this"#,
            r#"let a = " ;"#,
            "text // no comment",
            "// but this",
        );
        check("a /* b /* c */ d */ e", "a e", "", "/* b /* c */ d */");
        check(r##"r#"raw " inside"# + 'x'"##, r##"r#" # + 'x'"##, "raw inside", "");
        check(r#"'"' "s""#, r#"'"' ""#, "s", "");
        check(
            r#"'\'' fn f<'a>(b: &'a str) "t""#,
            r#"'\'' fn f<'a>(b: &'a str) ""#,
            "t",
            "",
        );
        check(r#""an \" escape" x"#, r#"" x"#, r"an \ escape", "");
    }

    #[test]
    fn the_tests_of_a_file_are_cut_off_and_items_for_tests_alone_are_not() {
        assert_eq!(
            without_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n}\n"),
            "fn a() {}\n"
        );
        let kept = "#[cfg(test)]\nfn helper() {}\nfn b() {}\n#[cfg(test)]\nmod tests;\n";
        assert_eq!(without_tests(kept), kept);
    }

    #[test]
    fn a_word_is_not_found_within_another() {
        assert!(has_word("dbg!(x)", "dbg!"));
        assert!(!has_word("mydbg!(x)", "dbg!"));
        assert!(!has_word("tokio_util", "tokio"));
    }
}
