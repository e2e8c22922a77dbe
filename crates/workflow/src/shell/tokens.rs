//! From a text to words and operators.

/// A word or an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word without its quotes.
    Word {
        text: String,
        /// The commands that are substituted into it.
        inner: Vec<(String, u32)>,
        /// Whether it was quoted, wholly or in part, so that it is no keyword.
        quoted: bool,
    },
    /// `&&`, `||`, `;`, `;;`, `|`, `&`, `(`, `)`, or a line break.
    Operator(&'static str),
}

/// A token and the line it begins in, counted from 0.
pub(super) type Placed = (Token, u32);

/// How many tokens are read of one text.
const MOST: usize = 50_000;

struct Reader<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    line: u32,
    tokens: Vec<Placed>,
    word: String,
    inner: Vec<(String, u32)>,
    quoted: bool,
    begun: bool,
    word_line: u32,
    here: Vec<String>,
}

/// The tokens of a text.
pub(super) fn read(text: &str) -> Vec<Placed> {
    let mut reader = Reader {
        letters: text.chars().peekable(),
        line: 0,
        tokens: Vec::new(),
        word: String::new(),
        inner: Vec::new(),
        quoted: false,
        begun: false,
        word_line: 0,
        here: Vec::new(),
    };
    reader.run();
    reader.tokens
}

impl Reader<'_> {
    fn run(&mut self) {
        while let Some(letter) = self.letters.next() {
            if self.tokens.len() >= MOST {
                return;
            }
            match letter {
                '\n' => {
                    self.end();
                    self.operator("\n");
                    self.line += 1;
                    self.skip_here_documents();
                }
                '\r' => {}
                ' ' | '\t' => self.end(),
                '#' if !self.begun => self.skip_comment(),
                '\\' => self.escape(),
                '\'' => self.single(),
                '"' => self.double(),
                '`' => self.backtick(),
                '$' => self.dollar(),
                '&' => self.operator_or("&&", '&', "&"),
                '|' => self.operator_or("||", '|', "|"),
                ';' => self.operator_or(";;", ';', ";"),
                '(' | ')' => {
                    self.end();
                    self.operator(if letter == '(' { "(" } else { ")" });
                }
                '<' => self.less(),
                '>' => self.redirect(),
                _ => self.put(letter),
            }
        }
        self.end();
    }

    fn put(&mut self, letter: char) {
        self.begin();
        self.word.push(letter);
    }

    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.word_line = self.line;
        }
    }

    fn end(&mut self) {
        if self.begun {
            let token = Token::Word {
                text: std::mem::take(&mut self.word),
                inner: std::mem::take(&mut self.inner),
                quoted: self.quoted,
            };
            self.tokens.push((token, self.word_line));
            self.begun = false;
            self.quoted = false;
        }
    }

    fn operator(&mut self, sign: &'static str) {
        self.tokens.push((Token::Operator(sign), self.line));
    }

    fn operator_or(&mut self, double: &'static str, second: char, single: &'static str) {
        self.end();
        if self.letters.peek() == Some(&second) {
            self.letters.next();
            self.operator(double);
        } else if single == "&" && self.letters.peek() == Some(&'>') {
            // `&> file` redirects both.
            self.letters.next();
            self.redirect();
        } else {
            self.operator(single);
        }
    }

    fn skip_comment(&mut self) {
        while self.letters.peek().is_some_and(|letter| *letter != '\n') {
            self.letters.next();
        }
    }

    fn escape(&mut self) {
        match self.letters.next() {
            Some('\n') => self.line += 1,
            Some('\r') if self.letters.peek() == Some(&'\n') => {
                self.letters.next();
                self.line += 1;
            }
            // A path of Windows rather than an escape.
            Some(letter) if letter.is_ascii_alphanumeric() || letter == '.' => {
                self.put('\\');
                self.put(letter);
            }
            Some(letter) => self.put(letter),
            None => {}
        }
    }

    fn single(&mut self) {
        self.begin();
        self.quoted = true;
        for letter in self.letters.by_ref() {
            match letter {
                '\'' => return,
                '\n' => self.line += 1,
                _ => {}
            }
            self.word.push(letter);
        }
    }

    fn double(&mut self) {
        self.begin();
        self.quoted = true;
        while let Some(letter) = self.letters.next() {
            match letter {
                '"' => return,
                '\\' => match self.letters.next() {
                    Some('\n') => self.line += 1,
                    Some(next @ ('"' | '\\' | '$' | '`')) => self.word.push(next),
                    Some(next) => {
                        self.word.push('\\');
                        self.word.push(next);
                    }
                    None => return,
                },
                '$' => self.dollar(),
                '`' => self.backtick(),
                _ => {
                    if letter == '\n' {
                        self.line += 1;
                    }
                    self.word.push(letter);
                }
            }
        }
    }

    /// A backtick substitutes a command in a shell, and continues a line in PowerShell.
    fn backtick(&mut self) {
        if self.letters.peek().is_none_or(|letter| matches!(letter, '\n' | '\r')) {
            for letter in self.letters.by_ref() {
                if letter == '\n' {
                    self.line += 1;
                    break;
                }
            }
            return;
        }
        self.begin();
        let (mut text, line) = (String::new(), self.line);
        for letter in self.letters.by_ref() {
            if letter == '`' {
                break;
            }
            if letter == '\n' {
                self.line += 1;
            }
            text.push(letter);
        }
        self.word.push_str("$()");
        self.inner.push((text, line));
    }

    fn dollar(&mut self) {
        self.begin();
        match self.letters.peek() {
            Some('(') => {
                self.letters.next();
                let line = self.line;
                let text = self.balanced('(', ')');
                if text.starts_with('(') {
                    self.word.push_str("$(())");
                } else if is_macro(&text) {
                    self.word.push_str("$(");
                    self.word.push_str(&text);
                    self.word.push(')');
                } else {
                    self.word.push_str("$()");
                    self.inner.push((text, line));
                }
            }
            Some('{') => {
                self.letters.next();
                let text = self.balanced('{', '}');
                self.word.push_str("${");
                self.word.push_str(&text);
                self.word.push('}');
            }
            Some('\'') => {}
            _ => self.word.push('$'),
        }
    }

    /// The text up to the bracket that closes the one just read.
    fn balanced(&mut self, open: char, close: char) -> String {
        let (mut depth, mut text) = (1usize, String::new());
        let mut quote: Option<char> = None;
        for letter in self.letters.by_ref() {
            if letter == '\n' {
                self.line += 1;
            }
            match quote {
                Some(sign) if sign == letter => quote = None,
                Some(_) => {}
                None if matches!(letter, '\'' | '"') => quote = Some(letter),
                None if letter == open => depth += 1,
                None if letter == close => {
                    depth -= 1;
                    if depth == 0 {
                        return text;
                    }
                }
                None => {}
            }
            text.push(letter);
        }
        text
    }

    fn less(&mut self) {
        self.end();
        if self.letters.peek() != Some(&'<') {
            self.skip_target();
            return;
        }
        self.letters.next();
        if self.letters.peek() == Some(&'<') {
            self.letters.next();
            self.skip_target();
            return;
        }
        while self
            .letters
            .peek()
            .is_some_and(|letter| matches!(letter, '-' | '~' | ' '))
        {
            self.letters.next();
        }
        let mut mark = String::new();
        while let Some(letter) = self.letters.peek().copied() {
            match letter {
                '\'' | '"' | '\\' => {}
                _ if letter.is_alphanumeric() || letter == '_' => mark.push(letter),
                _ => break,
            }
            self.letters.next();
        }
        if !mark.is_empty() {
            self.here.push(mark);
        }
    }

    fn redirect(&mut self) {
        // A number directly before names a descriptor and is no argument.
        if self.begun && self.word.len() == 1 && self.word.chars().all(|c| c.is_ascii_digit()) {
            self.begun = false;
            self.word.clear();
        }
        self.end();
        while self
            .letters
            .peek()
            .is_some_and(|letter| matches!(letter, '>' | '&' | '|'))
        {
            self.letters.next();
        }
        self.skip_target();
    }

    /// The file that is redirected to or from.
    fn skip_target(&mut self) {
        while self.letters.peek().is_some_and(|letter| matches!(letter, ' ' | '\t')) {
            self.letters.next();
        }
        if self.letters.peek() == Some(&'(') {
            return;
        }
        let mut quote: Option<char> = None;
        while let Some(letter) = self.letters.peek().copied() {
            match quote {
                Some(sign) if sign == letter => quote = None,
                Some(_) => {
                    if letter == '\n' {
                        self.line += 1;
                    }
                }
                None => match letter {
                    '\'' | '"' => quote = Some(letter),
                    ' ' | '\t' | '\n' | ';' | '&' | '|' | ')' | '<' | '>' => return,
                    _ => {}
                },
            }
            self.letters.next();
        }
    }

    fn skip_here_documents(&mut self) {
        for mark in std::mem::take(&mut self.here) {
            let mut line = String::new();
            loop {
                match self.letters.next() {
                    Some('\n') => {
                        self.line += 1;
                        if line.trim() == mark {
                            break;
                        }
                        line.clear();
                    }
                    Some(letter) => line.push(letter),
                    None => break,
                }
            }
        }
    }
}

/// Whether `$(text)` is a variable of Azure Pipelines rather than a command.
fn is_macro(text: &str) -> bool {
    !text.is_empty()
        && text.contains('.')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))
}
