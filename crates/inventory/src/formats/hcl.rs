//! HCL as blocks with labels and attributes: as much of it as says what is declared. Expressions are
//! kept as they are written.

/// A block: `resource "type" "name" { ... }`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub kind: String,
    pub labels: Vec<String>,
    /// Names and the text of their expressions.
    pub attributes: Vec<(String, String)>,
    pub blocks: Vec<Block>,
    pub line: u32,
}

impl Block {
    /// The expression of an attribute without quotes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim_matches('"'))
    }
}

/// The deepest nesting that is kept.
const DEEPEST: usize = 64;

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Open,
    Close,
    Equals,
    Break,
    Other(&'a str),
}

/// Reads a text; absent when brackets do not match or nothing is declared.
pub(crate) fn read(text: &str) -> Option<Block> {
    let mut stack = vec![Block::default()];
    let mut words: Vec<&str> = Vec::new();
    let mut tokens = Tokens { text, at: 0, line: 1 };
    while let Some((token, line)) = tokens.next_token() {
        match token {
            Token::Word(word) | Token::Text(word) => words.push(word),
            Token::Equals if words.len() == 1 => {
                let value = tokens.expression();
                if let Some(block) = stack.last_mut() {
                    block.attributes.push((words[0].to_owned(), value));
                }
                words.clear();
            }
            Token::Open => {
                if words.is_empty() || stack.len() > DEEPEST {
                    return None;
                }
                stack.push(Block {
                    kind: words[0].to_owned(),
                    labels: words[1..].iter().map(|word| (*word).to_owned()).collect(),
                    line,
                    ..Block::default()
                });
                words.clear();
            }
            Token::Close => {
                let done = stack.pop()?;
                stack.last_mut()?.blocks.push(done);
                words.clear();
            }
            Token::Break | Token::Equals => words.clear(),
            Token::Other(_) => {}
        }
    }
    if stack.len() != 1 {
        return None;
    }
    stack.pop()
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn starts(&self, what: &str) -> bool {
        self.text.as_bytes()[self.at..].starts_with(what.as_bytes())
    }

    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn comment(&mut self) -> bool {
        if self.peek() == Some(b'#') || self.starts("//") {
            while self.peek().is_some_and(|byte| byte != b'\n') {
                self.at += 1;
            }
            true
        } else if self.starts("/*") {
            self.at += 2;
            while self.at < self.text.len() && !self.starts("*/") {
                self.step();
            }
            self.at = (self.at + 2).min(self.text.len());
            true
        } else {
            false
        }
    }

    /// A text in quotes, with what is interpolated, from its first quote.
    fn quoted(&mut self) -> &'a str {
        self.at += 1;
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.at += 1,
                b'"' if depth == 0 => break,
                // A text within what is interpolated.
                b'"' => {
                    self.at += 1;
                    while self.peek().is_some_and(|inner| !matches!(inner, b'"' | b'\n')) {
                        self.at += 1;
                    }
                }
                b'{' if depth > 0 || self.text.as_bytes()[..self.at].ends_with(b"$") => depth += 1,
                b'}' if depth > 0 => depth -= 1,
                b'\n' if depth == 0 => break,
                _ => {}
            }
            if self.at < self.text.len() {
                self.step();
            }
        }
        let end = self.at.min(self.text.len());
        self.at = end + 1;
        self.text.get(start..end).unwrap_or_default()
    }

    /// Passes over a here document, when one begins here.
    fn heredoc(&mut self) -> bool {
        if !self.starts("<<") {
            return false;
        }
        let rest = &self.text.as_bytes()[self.at + 2..];
        let rest = rest.strip_prefix(b"-").unwrap_or(rest);
        let mark: Vec<u8> = rest
            .iter()
            .copied()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .collect();
        if mark.is_empty() {
            return false;
        }
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
        while self.at < self.text.len() {
            self.step();
            let start = self.at;
            while self.peek().is_some_and(|byte| byte != b'\n') {
                self.at += 1;
            }
            if self.text.as_bytes()[start..self.at].trim_ascii() == mark.as_slice() {
                return true;
            }
        }
        true
    }

    fn next_token(&mut self) -> Option<(Token<'a>, u32)> {
        loop {
            if self.at >= self.text.len() {
                return None;
            }
            if self.comment() {
                continue;
            }
            let line = self.line;
            let byte = self.peek()?;
            return Some((
                match byte {
                    b'\n' => {
                        self.step();
                        Token::Break
                    }
                    b' ' | b'\t' | b'\r' => {
                        self.at += 1;
                        continue;
                    }
                    b'"' => Token::Text(self.quoted()),
                    b'{' => {
                        self.at += 1;
                        Token::Open
                    }
                    b'}' => {
                        self.at += 1;
                        Token::Close
                    }
                    b'=' => {
                        self.at += 1;
                        Token::Equals
                    }
                    byte if byte.is_ascii_alphanumeric() || byte == b'_' => {
                        let start = self.at;
                        while self
                            .peek()
                            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
                        {
                            self.at += 1;
                        }
                        Token::Word(&self.text[start..self.at])
                    }
                    _ => {
                        let start = self.at;
                        self.at += 1;
                        while !self.text.is_char_boundary(self.at) {
                            self.at += 1;
                        }
                        Token::Other(&self.text[start..self.at])
                    }
                },
                line,
            ));
        }
    }

    /// The expression after `=`, to the end of its line or of its brackets.
    fn expression(&mut self) -> String {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            if self.comment() || self.heredoc() {
                continue;
            }
            match byte {
                b'"' => {
                    self.quoted();
                    continue;
                }
                b'{' | b'[' | b'(' => depth += 1,
                b'}' | b']' | b')' => {
                    if depth == 0 {
                        break;
                    }
                    depth -= 1;
                }
                b'\n' if depth == 0 => break,
                _ => {}
            }
            self.step();
        }
        let end = self.at.min(self.text.len());
        self.text.get(start..end).unwrap_or_default().trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_labels_and_attributes_are_read() {
        let root = read(
            "# top\nterraform {\n  backend \"s3\" {\n    bucket = \"b\"\n  }\n}\nresource \"aws_instance\" \"web\" {\n  tags = {\n    a = \"${var.x[\"}\"]}\"\n  }\n  policy = <<EOF\n{ \"a\": 1\nEOF\n  count = 2 # two\n}\nenvironment = \"prod\"\n",
        )
        .unwrap();
        assert_eq!(root.blocks.len(), 2);
        assert_eq!(root.blocks[0].blocks[0].attribute("bucket"), Some("b"));
        assert_eq!(root.blocks[1].labels, ["aws_instance", "web"]);
        assert!(
            root.blocks[1]
                .attribute("count")
                .is_some_and(|count| count.starts_with('2'))
        );
        assert_eq!(root.attribute("environment"), Some("prod"));
    }

    #[test]
    fn hostile_texts_do_no_harm() {
        assert!(read("a {").is_none());
        assert!(read(&"a {\n".repeat(10_000)).is_none());
        for text in [
            "\"",
            "a = \"${",
            "<<E",
            "a = <<E\n",
            "/*",
            "a = \\",
            "é = é",
            "\"\\",
            "a = \"\\",
        ] {
            let _ = read(text);
        }
    }
}
