//! From tokens to commands.

use super::tokens::{self, Placed, Token};

/// How deep substitutions are read.
const DEEPEST: usize = 6;

/// A command that a shell program starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its words, the program first.
    pub words: Vec<String>,
    /// The line in the text, from 0.
    pub line: u32,
    /// Whether its failure is passed over: `|| true`.
    pub ignored: bool,
    /// Whether it is one branch of a condition.
    pub conditional: bool,
    /// The variables that are set for it.
    pub variables: Vec<(String, String)>,
}

impl Command {
    /// The program's name without its folder.
    pub fn program(&self) -> &str {
        super::base(self.words.first().map_or("", String::as_str))
    }
}

/// The commands of a text in their order; those of substitutions before the one they stand in.
pub fn parse(text: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    read(text, 0, 0, &mut commands);
    commands
}

#[derive(Default)]
struct Current {
    words: Vec<String>,
    line: u32,
    variables: Vec<(String, String)>,
}

struct Reading<'a> {
    tokens: &'a [Placed],
    at: usize,
    base: u32,
    depth: usize,
    branches: usize,
    /// Where the commands of the list before `||` begin.
    list: usize,
    current: Current,
    out: &'a mut Vec<Command>,
}

fn read(text: &str, base: u32, depth: usize, out: &mut Vec<Command>) {
    if depth > DEEPEST {
        return;
    }
    let tokens = tokens::read(text);
    let list = out.len();
    let mut reading = Reading {
        tokens: &tokens,
        at: 0,
        base,
        depth,
        branches: 0,
        list,
        current: Current::default(),
        out,
    };
    reading.run();
}

impl Reading<'_> {
    fn run(&mut self) {
        while let Some((token, line)) = self.tokens.get(self.at) {
            self.at += 1;
            match token {
                Token::Operator(sign) => self.operator(sign),
                Token::Word { text, inner, quoted } => {
                    for (text, within) in inner {
                        read(text, self.base + within, self.depth + 1, self.out);
                    }
                    self.word(text, *quoted, *line);
                }
            }
        }
        self.end();
    }

    fn operator(&mut self, sign: &str) {
        match sign {
            "||" => {
                self.end();
                if self.goes_on_anyway() {
                    for command in &mut self.out[self.list..] {
                        command.ignored = true;
                    }
                }
            }
            "&&" | "|" => {
                self.end();
            }
            // `name()` begins a function.
            "(" if self.current.words.len() == 1 && self.next_is(")") => {
                self.current = Current::default();
                self.at += 1;
            }
            // `pattern)` in a case.
            ")" if self.current.words.len() == 1 && self.in_case() => self.current = Current::default(),
            _ => {
                self.end();
                self.list = self.out.len();
            }
        }
    }

    fn word(&mut self, text: &str, quoted: bool, line: u32) {
        if self.current.words.is_empty() && self.current.variables.is_empty() && !quoted {
            match text {
                "if" | "elif" | "case" => {
                    if text != "elif" {
                        self.branches += 1;
                    }
                    if text == "case" {
                        self.skip_to("in");
                    }
                    return;
                }
                "fi" | "esac" => {
                    self.branches = self.branches.saturating_sub(1);
                    return;
                }
                "for" | "select" | "foreach" => {
                    self.skip_to_end();
                    return;
                }
                "function" => {
                    self.at += 1;
                    return;
                }
                "then" | "else" | "while" | "until" | "do" | "done" | "{" | "}" | "!" | "[[" | "time" | "&"
                | "call" | "try" | "catch" | "finally" => return,
                _ => {}
            }
        }
        if self.current.words.is_empty() {
            if let Some((name, value)) = assignment(text) {
                self.current.variables.push((name.to_owned(), value.to_owned()));
                return;
            }
            if text.is_empty() {
                return;
            }
            self.current.line = line;
        }
        self.current.words.push(text.to_owned());
    }

    fn end(&mut self) {
        let current = std::mem::take(&mut self.current);
        if current.words.is_empty() {
            return;
        }
        self.out.push(Command {
            line: self.base + current.line,
            words: current.words,
            ignored: false,
            conditional: self.branches > 0,
            variables: current.variables,
        });
    }

    fn next_is(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.at), Some((Token::Operator(next), _)) if *next == sign)
    }

    fn in_case(&self) -> bool {
        self.branches > 0
    }

    /// Whether what stands after `||` lets the program go on.
    fn goes_on_anyway(&self) -> bool {
        let mut words = Vec::new();
        for (token, _) in &self.tokens[self.at..] {
            match token {
                Token::Word { text, .. } => words.push(text.as_str()),
                Token::Operator(_) => break,
            }
            if words.len() > 2 {
                break;
            }
        }
        match words.as_slice() {
            ["true" | ":", ..] | ["exit" | "return", "0", ..] => true,
            ["echo" | "printf" | "Write-Host" | "Write-Output", ..] => {
                // `|| echo failed && exit 1` fails all the same.
                let rest = self.tokens[self.at..]
                    .iter()
                    .take_while(|(token, _)| !matches!(token, Token::Operator("\n" | "}")))
                    .filter_map(|(token, _)| match token {
                        Token::Word { text, .. } => Some(text.as_str()),
                        Token::Operator(_) => None,
                    })
                    .collect::<Vec<_>>();
                !rest.windows(2).any(|pair| pair[0] == "exit" && pair[1] != "0")
            }
            _ => false,
        }
    }

    fn skip_to(&mut self, word: &str) {
        while let Some((token, _)) = self.tokens.get(self.at) {
            self.at += 1;
            if matches!(token, Token::Word { text, .. } if text == word) {
                return;
            }
        }
    }

    fn skip_to_end(&mut self) {
        while let Some((token, _)) = self.tokens.get(self.at) {
            if matches!(token, Token::Operator("\n" | ";")) {
                return;
            }
            self.at += 1;
        }
    }
}

/// `NAME=value` before a command.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let name = name.strip_prefix("$env:").unwrap_or(name).trim_end_matches('+');
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    is_name.then_some((name, value))
}
