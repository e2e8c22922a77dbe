//! As much of Groovy as pipelines are written in: calls with arguments and closures.
//!
//! A text becomes a list of statements. A statement is a call (`sh 'make'`, `stage('x') { ... }`), a
//! block of a condition or loop, or something else that is passed over. Nothing is evaluated.

use super::syntax::{Argument, Call, Value};
use super::tokens::{Token, tokens};

/// How deep blocks and brackets are read.
const DEEPEST: usize = 60;

/// The statements of a text.
pub(super) fn parse(text: &str) -> Vec<Call> {
    let tokens = tokens(text);
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        depth: 0,
    };
    let mut all = Vec::new();
    while parser.at < tokens.len() {
        parser.statements(&mut all);
        // A brace too many closes nothing.
        parser.at += 1;
    }
    all
}

struct Parser<'a> {
    tokens: &'a [(Token, u32)],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn line(&self) -> u32 {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(1, |(_, line)| *line)
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn breaks(&mut self) {
        while self.peek() == Some(&Token::Break) {
            self.at += 1;
        }
    }

    /// Statements up to a closing brace, which is left.
    fn statements(&mut self, out: &mut Vec<Call>) {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.skip_block();
            self.depth -= 1;
            return;
        }
        loop {
            self.breaks();
            match self.peek() {
                None | Some(Token::Sign('}')) => break,
                _ => {
                    let before = self.at;
                    self.statement(out);
                    if self.at == before {
                        self.at += 1;
                    }
                }
            }
        }
        self.depth -= 1;
    }

    /// Goes to the brace that closes the block one is in.
    fn skip_block(&mut self) {
        let mut depth = 0usize;
        while let Some(token) = self.peek() {
            match token {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') if depth == 0 => return,
                Token::Sign('}') => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    fn statement(&mut self, out: &mut Vec<Call>) {
        let line = self.line();
        match self.peek().cloned() {
            Some(Token::Word(word)) => {
                self.at += 1;
                match word.as_str() {
                    "def" | "return" | "final" | "static" | "else" | "try" | "finally" | "do" | "String" | "int"
                    | "boolean" | "void" | "public" | "private" | "import" | "new" | "assert" | "throw" | "List"
                    | "Map" => {
                        if word == "import" {
                            self.skip_line();
                        }
                        return;
                    }
                    _ => {}
                }
                if self.peek() == Some(&Token::Sign('='))
                    && self.tokens.get(self.at + 1).map(|(token, _)| token) != Some(&Token::Sign('='))
                {
                    // What is assigned may be a call: `def x = docker.build('y')`; a name in an
                    // environment block is kept with its value.
                    self.at += 1;
                    let value = self.value();
                    out.push(Call {
                        name: "=".to_owned(),
                        line,
                        arguments: vec![Argument {
                            name: Some(word),
                            value: value.clone(),
                        }],
                        body: Vec::new(),
                        block: false,
                    });
                    match value {
                        Value::Call(call) => out.push(*call),
                        Value::Map(entries) => {
                            for entry in entries {
                                if let Value::Block(body) = entry.value {
                                    out.push(Call {
                                        name: "=".to_owned(),
                                        line,
                                        arguments: Vec::new(),
                                        body,
                                        block: true,
                                    });
                                }
                            }
                        }
                        Value::Block(body) => out.push(Call {
                            name: "=".to_owned(),
                            line,
                            arguments: Vec::new(),
                            body,
                            block: true,
                        }),
                        _ => {}
                    }
                    return;
                }
                if matches!(
                    self.peek(),
                    Some(Token::Sign('=' | '!' | '<' | '>' | '&' | '|' | '?' | '+'))
                ) {
                    self.at -= 1;
                    self.expression(line, out);
                    return;
                }
                if self.indexed_assignment() {
                    // `builds[name] = { ... }`: what is kept there is run later.
                    let value = self.value();
                    flatten(value, line, out);
                    return;
                }
                let call = self.call(word, line);
                out.push(call);
                if matches!(self.peek(), Some(Token::Sign('=' | '!' | '<' | '>' | '&' | '|'))) {
                    // A comparison with what a call gives: the call counts.
                    self.skip_line();
                    return;
                }
                // `.each { }` and its like after a call.
                while self.sign('.') || matches!(self.peek(), Some(Token::Sign('['))) {
                    if self.sign('[') {
                        self.skip_brackets();
                        continue;
                    }
                    if let Some(Token::Word(next)) = self.peek().cloned() {
                        self.at += 1;
                        let next = self.call(next, line);
                        out.push(next);
                    }
                }
            }
            Some(Token::Sign('{')) => {
                self.at += 1;
                let mut body = Vec::new();
                self.statements(&mut body);
                self.sign('}');
                out.push(Call {
                    name: String::new(),
                    line,
                    arguments: Vec::new(),
                    body,
                    block: true,
                });
            }
            Some(Token::Sign('[')) => {
                let value = self.value();
                flatten(value, line, out);
            }
            Some(Token::Sign('!' | '(')) => self.expression(line, out),
            _ => self.at += 1,
        }
    }

    /// An expression alone, as it is written.
    fn expression(&mut self, line: u32, out: &mut Vec<Call>) {
        let before = self.at;
        let name = self.value().written();
        if self.at == before {
            self.at += 1;
        }
        out.push(Call {
            name,
            line,
            arguments: Vec::new(),
            body: Vec::new(),
            block: false,
        });
    }

    /// Goes over `[index] =` where that stands here.
    fn indexed_assignment(&mut self) -> bool {
        let before = self.at;
        if self.sign('[') {
            self.skip_brackets();
            let assigned = self.sign('=');
            if assigned && self.peek() != Some(&Token::Sign('=')) {
                return true;
            }
        }
        self.at = before;
        false
    }

    fn skip_line(&mut self) {
        while !matches!(self.peek(), None | Some(Token::Break)) {
            self.at += 1;
        }
    }

    fn skip_brackets(&mut self) {
        let mut depth = 1usize;
        while let Some(token) = self.peek() {
            match token {
                Token::Sign('[' | '(') => depth += 1,
                Token::Sign(']' | ')') => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// A call whose name was just read.
    fn call(&mut self, name: String, line: u32) -> Call {
        let mut call = Call {
            name,
            line,
            arguments: Vec::new(),
            body: Vec::new(),
            block: false,
        };
        self.depth += 1;
        if self.depth > DEEPEST {
            self.at += 1;
            self.depth -= 1;
            return call;
        }
        if self.sign('(') {
            self.arguments(&mut call.arguments, Some(')'));
        } else if self.begins_argument() {
            self.arguments(&mut call.arguments, None);
        }
        // Keywords keep their block after a line break as well.
        let here = self.at;
        if matches!(call.name.as_str(), "if" | "for" | "while" | "catch" | "switch") {
            self.breaks();
        }
        if self.sign('{') {
            self.parameters();
            self.statements(&mut call.body);
            self.sign('}');
            call.block = true;
        } else {
            self.at = here;
        }
        self.depth -= 1;
        call
    }

    /// `x, y ->` at the beginning of a closure.
    fn parameters(&mut self) {
        let mut at = self.at;
        while let Some((token, _)) = self.tokens.get(at) {
            match token {
                Token::Word(_) | Token::Sign(',') => at += 1,
                Token::Sign('-') if matches!(self.tokens.get(at + 1), Some((Token::Sign('>'), _))) => {
                    self.at = at + 2;
                    return;
                }
                _ => return,
            }
            if at > self.at + 8 {
                return;
            }
        }
    }

    fn begins_argument(&self) -> bool {
        matches!(self.peek(), Some(Token::Text(_) | Token::Word(_) | Token::Sign('[')))
    }

    fn arguments(&mut self, out: &mut Vec<Argument>, close: Option<char>) {
        loop {
            if close.is_some() {
                self.breaks();
            }
            if close.is_some_and(|close| self.sign(close)) {
                return;
            }
            match self.peek() {
                None | Some(Token::Sign('}')) => return,
                Some(Token::Break | Token::Sign('{')) if close.is_none() => return,
                _ => {}
            }
            let before = self.at;
            let name = self.name_before_colon();
            if name.is_some() {
                self.breaks();
            }
            let value = self.value();
            if self.at == before {
                self.at += 1;
                continue;
            }
            out.push(Argument { name, value });
            if close.is_some() {
                self.breaks();
            }
            let comma = self.sign(',');
            if comma {
                self.breaks();
            } else if close.is_none() {
                return;
            }
            if out.len() > 500 {
                return;
            }
        }
    }

    fn name_before_colon(&mut self) -> Option<String> {
        let next = self.tokens.get(self.at + 1).map(|(token, _)| token);
        if next != Some(&Token::Sign(':')) {
            return None;
        }
        let name = match self.peek()? {
            Token::Word(word) => word.clone(),
            Token::Text(text) => text.clone(),
            _ => return None,
        };
        self.at += 2;
        Some(name)
    }

    /// A value with all that operators join to it.
    fn value(&mut self) -> Value {
        self.depth += 1;
        let value = if self.depth > DEEPEST {
            self.at += 1;
            Value::Other(String::new())
        } else {
            self.joined()
        };
        self.depth -= 1;
        value
    }

    fn joined(&mut self) -> Value {
        let mut value = self.single();
        let mut written = String::new();
        loop {
            match self.peek() {
                Some(Token::Sign(
                    sign @ ('+' | '=' | '!' | '<' | '>' | '&' | '|' | '?' | '-' | '*' | '/' | '~' | '%' | ':' | '.'),
                )) if *sign != ':' || !written.is_empty() => {
                    if written.is_empty() {
                        written = value.written();
                    }
                    written.push(*sign);
                    self.at += 1;
                    self.breaks();
                    if matches!(
                        self.peek(),
                        Some(Token::Sign(
                            '=' | '&' | '|' | '~' | '>' | '<' | '?' | ':' | '+' | '-' | '!'
                        )) | None
                    ) {
                        continue;
                    }
                    if matches!(self.peek(), Some(Token::Sign(')' | ']' | '}' | ','))) {
                        break;
                    }
                    let other = self.single();
                    let plus = written.ends_with('+');
                    if plus && let (Value::Text(text, line), Value::Text(more, _)) = (&value, &other) {
                        value = Value::Text(format!("{text}{more}"), *line);
                        written = value.written();
                        continue;
                    }
                    written.push_str(&other.written());
                    if !matches!(value, Value::Call(_) | Value::Text(..)) || !plus {
                        value = Value::Other(written.clone());
                    }
                }
                Some(Token::Sign('[')) if !matches!(value, Value::List(_)) => {
                    self.at += 1;
                    self.skip_brackets();
                }
                Some(Token::Word(word)) if matches!(word.as_str(), "in" | "as" | "instanceof") => {
                    self.at += 1;
                    self.single();
                }
                _ => return value,
            }
        }
        value
    }

    fn single(&mut self) -> Value {
        self.depth += 1;
        let value = if self.depth > DEEPEST {
            self.at += 1;
            Value::Other(String::new())
        } else {
            self.single_within()
        };
        self.depth -= 1;
        value
    }

    fn single_within(&mut self) -> Value {
        let line = self.line();
        match self.peek().cloned() {
            Some(Token::Text(text)) => {
                self.at += 1;
                // `'text'.stripIndent()`
                while self.sign('.') {
                    self.at += 1;
                    if self.sign('(') {
                        self.skip_brackets();
                    }
                }
                Value::Text(text, line)
            }
            Some(Token::Word(word)) => {
                self.at += 1;
                if word == "new" {
                    return self.single();
                }
                match self.peek() {
                    Some(Token::Sign('(' | '{')) => Value::Call(Box::new(self.call(word, line))),
                    Some(Token::Text(_)) => Value::Call(Box::new(self.call(word, line))),
                    Some(Token::Word(next)) if !matches!(next.as_str(), "in" | "as" | "instanceof") && word != "!" => {
                        // `agent label: x` inside of a value, or `script: foo bar`.
                        Value::Call(Box::new(self.call(word, line)))
                    }
                    _ => Value::Other(word),
                }
            }
            Some(Token::Sign('[')) => {
                self.at += 1;
                let mut entries = Vec::new();
                if self.sign(':') {
                    self.sign(']');
                    return Value::Map(entries);
                }
                self.arguments(&mut entries, Some(']'));
                if entries.iter().any(|entry| entry.name.is_some()) {
                    Value::Map(entries)
                } else {
                    Value::List(entries.into_iter().map(|entry| entry.value).collect())
                }
            }
            Some(Token::Sign('(')) => {
                self.at += 1;
                let mut entries = Vec::new();
                self.arguments(&mut entries, Some(')'));
                let written: Vec<String> = entries.iter().map(|entry| entry.value.written()).collect();
                match entries.into_iter().next() {
                    Some(entry) if written.len() == 1 => entry.value,
                    _ => Value::Other(format!("({})", written.join(","))),
                }
            }
            Some(Token::Sign('{')) => {
                self.at += 1;
                self.parameters();
                let mut body = Vec::new();
                self.statements(&mut body);
                self.sign('}');
                Value::Block(body)
            }
            Some(Token::Sign('!')) => {
                self.at += 1;
                let inner = self.single();
                Value::Other(format!("!{}", inner.written()))
            }
            _ => Value::Other(String::new()),
        }
    }
}

/// The calls that a value holds, as statements.
fn flatten(value: Value, line: u32, out: &mut Vec<Call>) {
    match value {
        Value::Call(call) => out.push(*call),
        Value::List(values) => {
            for value in values {
                flatten(value, line, out);
            }
        }
        Value::Block(body) => out.push(Call {
            name: String::new(),
            line,
            arguments: Vec::new(),
            body,
            block: true,
        }),
        Value::Map(entries) => {
            for entry in entries {
                flatten(entry.value, line, out);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_arguments_and_blocks_are_found_with_their_lines() {
        let calls = parse(
            "// c\n@Library('x') _\nnode('linux') {\n  stage('Build') {\n    sh \"\"\"make\n    all\"\"\"\n    def v = sh(script: 'git describe', returnStdout: true).trim()\n    if (env.BRANCH_NAME == 'main' && !x) {\n      sh 'deploy'\n    }\n  }\n}\nbuildPlugin(useContainerAgent: true, configurations: [[platform: 'linux', jdk: 17]])\nparallel(a: { sh 'x' }, b: { sh 'y' })\n",
        );
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, ["@Library", "_", "node", "buildPlugin", "parallel"]);
        let stage = &calls[2].body[0];
        assert_eq!(stage.text(), Some(("Build", 4)));
        assert_eq!(stage.body[0].text(), Some(("make\n    all", 5)));
        let inner: Vec<&str> = stage.body.iter().map(|call| call.name.as_str()).collect();
        assert!(inner.contains(&"if"), "{inner:?}");
        let condition = stage.body.iter().find(|call| call.name == "if").unwrap();
        assert_eq!(condition.arguments[0].value.written(), "env.BRANCH_NAME=='main'&&!x");
        assert_eq!(condition.body[0].text(), Some(("deploy", 9)));
        assert!(matches!(&calls[4].arguments[1].value, Value::Block(body) if body[0].text() == Some(("y", 14))));
    }
}
