//! Conditions of GitHub Actions as conditions on occasions.

use crate::occasion::{Condition, Filter, Occasion, Pattern};

/// The longest condition that is read, in bytes, and the deepest.
const LONGEST: usize = 8_000;
const DEEPEST: usize = 40;

/// What an `if:` asks for.
pub(super) fn condition(text: &str) -> Condition {
    let text = text.replace("${{", " ").replace("}}", " ");
    if text.trim().is_empty() {
        return Condition::Fixed(true);
    }
    if text.len() > LONGEST {
        return Condition::Unknown;
    }
    let tokens = tokens(&text);
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        depth: 0,
    };
    match parser.any() {
        Some(value) if parser.at == tokens.len() => value.truth(),
        _ => Condition::Unknown,
    }
}

/// Whether it holds also where a job before has failed or was passed over.
pub(super) fn ignores_needs(text: &str) -> bool {
    text.contains("always()") || text.contains("cancelled()") || text.contains("failure()")
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    Name(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next_is = |letters: &mut std::iter::Peekable<std::str::Chars<'_>>, sign: char| {
            letters.next_if(|next| *next == sign).is_some()
        };
        match letter {
            '\'' | '"' => {
                let mut word = String::new();
                while let Some(inner) = letters.next() {
                    if inner == letter {
                        if letters.peek() == Some(&letter) {
                            letters.next();
                        } else {
                            break;
                        }
                    }
                    word.push(inner);
                }
                tokens.push(Token::Text(word));
            }
            '(' => tokens.push(Token::Sign("(")),
            ')' => tokens.push(Token::Sign(")")),
            ',' => tokens.push(Token::Sign(",")),
            '&' if next_is(&mut letters, '&') => tokens.push(Token::Sign("&&")),
            '|' if next_is(&mut letters, '|') => tokens.push(Token::Sign("||")),
            '=' if next_is(&mut letters, '=') => tokens.push(Token::Sign("==")),
            '!' => {
                let sign = if next_is(&mut letters, '=') { "!=" } else { "!" };
                tokens.push(Token::Sign(sign));
            }
            '<' | '>' => {
                next_is(&mut letters, '=');
                tokens.push(Token::Sign("<"));
            }
            _ if letter.is_whitespace() => {}
            _ => {
                let mut word = String::from(letter);
                let mut brackets = usize::from(letter == '[');
                while let Some(next) = letters.peek().copied() {
                    match next {
                        '[' => brackets += 1,
                        ']' => brackets = brackets.saturating_sub(1),
                        _ if brackets > 0 => {}
                        _ if next.is_alphanumeric() || matches!(next, '_' | '-' | '.' | '*') => {}
                        _ => break,
                    }
                    word.push(next);
                    letters.next();
                }
                tokens.push(Token::Name(word));
            }
        }
    }
    tokens
}

/// A value: a truth, a text, or something that GitHub knows.
#[derive(Debug, Clone)]
enum Value {
    Truth(Condition),
    Text(String),
    Known(Known),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Event,
    Ref,
    RefName,
    RefType,
    BaseRef,
    Repository,
    Actor,
    Merged,
    Fork,
    DefaultBranch,
    EarlierEvent,
    Conclusion,
    Nothing,
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Option<Value> {
        let mut value = self.all()?;
        while self.sign("||") {
            let other = self.all()?;
            value = Value::Truth(Condition::Any(vec![value.truth(), other.truth()]));
        }
        Some(value)
    }

    fn all(&mut self) -> Option<Value> {
        let mut value = self.comparison()?;
        while self.sign("&&") {
            let other = self.comparison()?;
            value = Value::Truth(Condition::All(vec![value.truth(), other.truth()]));
        }
        Some(value)
    }

    fn comparison(&mut self) -> Option<Value> {
        let value = self.single()?;
        if self.sign("==") {
            let other = self.single()?;
            return Some(Value::Truth(equal(&value, &other)));
        }
        if self.sign("!=") {
            let other = self.single()?;
            let same = equal(&value, &other);
            // Whoever is kept out by name is not the one who works here.
            let is_actor = |value: &Value| matches!(value, Value::Known(Known::Actor));
            if is_actor(&value) || is_actor(&other) {
                return Some(Value::Truth(Condition::Fixed(true)));
            }
            return Some(Value::Truth(same.negated()));
        }
        if self.sign("<") {
            self.single()?;
            return Some(Value::Truth(Condition::Unknown));
        }
        Some(value)
    }

    fn single(&mut self) -> Option<Value> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let value = self.single_within();
        self.depth -= 1;
        value
    }

    fn single_within(&mut self) -> Option<Value> {
        if self.sign("!") {
            return Some(Value::Truth(self.single()?.truth().negated()));
        }
        if self.sign("(") {
            let value = self.any()?;
            return self.sign(")").then_some(value);
        }
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        match token {
            Token::Text(text) => Some(Value::Text(text)),
            Token::Name(name) if self.sign("(") => {
                let mut arguments = Vec::new();
                while !self.sign(")") {
                    arguments.push(self.any()?);
                    self.sign(",");
                }
                Some(call(&name.to_ascii_lowercase(), &arguments))
            }
            Token::Name(name) => Some(known(&name)),
            Token::Sign(_) => None,
        }
    }
}

fn known(name: &str) -> Value {
    let lower = name.to_ascii_lowercase();
    Value::Known(match lower.as_str() {
        "true" => return Value::Truth(Condition::Fixed(true)),
        "false" => return Value::Truth(Condition::Fixed(false)),
        "github.event_name" => Known::Event,
        "github.event.workflow_run.event" => Known::EarlierEvent,
        "github.event.workflow_run.conclusion" => Known::Conclusion,
        "github.ref" => Known::Ref,
        "github.ref_name" | "github.event.workflow_run.head_branch" => Known::RefName,
        "github.ref_type" => Known::RefType,
        "github.base_ref" | "github.event.pull_request.base.ref" => Known::BaseRef,
        "github.repository"
        | "github.repository_owner"
        | "github.event.repository.full_name"
        | "github.event.pull_request.head.repo.full_name"
        | "github.event.repository.name"
        | "github.event.repository.owner.login" => Known::Repository,
        "github.actor" | "github.triggering_actor" | "github.event.pull_request.user.login" => Known::Actor,
        "github.event.pull_request.merged" => Known::Merged,
        "github.event.repository.fork"
        | "github.event.pull_request.head.repo.fork"
        | "github.event.pull_request.draft" => Known::Fork,
        "github.event.repository.default_branch" => Known::DefaultBranch,
        _ if lower.chars().all(|c| c.is_ascii_digit()) => return Value::Text(name.to_owned()),
        _ => Known::Nothing,
    })
}

fn call(name: &str, arguments: &[Value]) -> Value {
    let truth = match (name, arguments) {
        ("always" | "success", _) => Condition::Fixed(true),
        ("failure" | "cancelled", _) => Condition::Fixed(false),
        ("startswith", [Value::Known(Known::Ref | Known::RefName), Value::Text(text)]) => starts(text),
        ("contains", [Value::Known(Known::Ref), Value::Text(text)]) if text.contains("tags") => any_tag(),
        ("contains", [Value::Known(Known::Ref | Known::RefName), Value::Text(text)]) => Condition::Branch(Filter::one(
            Pattern::Regex(regex::escape(text.trim_start_matches("refs/heads/"))),
        )),
        ("contains", [Value::Text(list), Value::Known(known)]) => {
            let texts = list.split(['"', '[', ']', ',', ' ']).filter(|text| !text.is_empty());
            Condition::Any(
                texts
                    .map(|text| equal(&Value::Known(*known), &Value::Text(text.to_owned())))
                    .collect(),
            )
        }
        ("fromjson", [value]) => return value.clone(),
        ("format", _) => return Value::Known(Known::Nothing),
        _ => Condition::Unknown,
    };
    Value::Truth(truth)
}

fn any_tag() -> Condition {
    Condition::Tag(Filter::default())
}

fn starts(text: &str) -> Condition {
    if let Some(tag) = text
        .strip_prefix("refs/tags/")
        .or_else(|| text.strip_prefix("refs/tags"))
    {
        if tag.is_empty() {
            return any_tag();
        }
        return Condition::Tag(Filter::one(Pattern::Glob(format!("{tag}**"))));
    }
    let branch = text.strip_prefix("refs/heads/").unwrap_or(text);
    if branch.is_empty() || branch == "refs/heads" {
        return Condition::Branch(Filter::default());
    }
    let pattern = Filter::one(Pattern::Glob(format!("{branch}**")));
    if text == "v" {
        // The name of a tag or of a branch: of a version in any case.
        return Condition::Any(vec![Condition::Tag(pattern.clone()), Condition::Branch(pattern)]);
    }
    Condition::Branch(pattern)
}

fn equal(one: &Value, other: &Value) -> Condition {
    match (one, other) {
        (Value::Known(known), Value::Text(text)) | (Value::Text(text), Value::Known(known)) => is(*known, text),
        (Value::Known(Known::Repository), Value::Known(Known::Repository)) => Condition::Fixed(true),
        (Value::Known(Known::RefName), Value::Known(Known::DefaultBranch))
        | (Value::Known(Known::DefaultBranch), Value::Known(Known::RefName)) => {
            Condition::Branch(Filter::one(Pattern::Trunk))
        }
        (Value::Known(Known::Ref), Value::Known(Known::Nothing)) => Condition::Branch(Filter::one(Pattern::Trunk)),
        (Value::Known(known), Value::Truth(Condition::Fixed(yes)))
        | (Value::Truth(Condition::Fixed(yes)), Value::Known(known)) => {
            let truth = Value::Known(*known).truth();
            if *yes { truth } else { truth.negated() }
        }
        (Value::Truth(condition), Value::Truth(Condition::Fixed(yes)))
        | (Value::Truth(Condition::Fixed(yes)), Value::Truth(condition)) => {
            if *yes {
                condition.clone()
            } else {
                condition.clone().negated()
            }
        }
        _ => Condition::Unknown,
    }
}

fn is(known: Known, text: &str) -> Condition {
    match known {
        Known::Event | Known::EarlierEvent => Condition::Started(event(text)),
        Known::Ref => match (text.strip_prefix("refs/heads/"), text.strip_prefix("refs/tags/")) {
            (Some(branch), _) => Condition::Branch(Filter::one(Pattern::Exact(branch.to_owned()))),
            (_, Some(tag)) => Condition::Tag(Filter::one(Pattern::Exact(tag.to_owned()))),
            _ => Condition::Branch(Filter::one(Pattern::Exact(text.to_owned()))),
        },
        Known::RefName => Condition::Branch(Filter::one(Pattern::Exact(text.to_owned()))),
        Known::RefType if text == "tag" => any_tag(),
        Known::RefType => any_tag().negated(),
        Known::BaseRef => Condition::Target(Filter::one(Pattern::Exact(text.to_owned()))),
        Known::Repository => Condition::Fixed(true),
        Known::Conclusion => Condition::Fixed(text == "success"),
        // Who does it all the time is not asked for by name; machines are.
        Known::Actor => Condition::Fixed(false),
        _ => Condition::Unknown,
    }
}

/// The occasions of an event's name.
pub(super) fn event(name: &str) -> Vec<Occasion> {
    match name {
        "push" => vec![Occasion::Trunk, Occasion::Branch, Occasion::Tag],
        "pull_request" | "pull_request_target" | "merge_group" => vec![Occasion::Request],
        "release" => vec![Occasion::Release],
        "schedule" => vec![Occasion::Schedule],
        "workflow_dispatch" | "repository_dispatch" => vec![Occasion::Manual],
        "create" => vec![Occasion::Tag, Occasion::Branch],
        _ => vec![Occasion::Other],
    }
}

impl Value {
    fn truth(&self) -> Condition {
        match self {
            Self::Truth(condition) => condition.clone(),
            Self::Text(text) => Condition::Fixed(!text.is_empty()),
            Self::Known(Known::Fork) => Condition::Fixed(false),
            Self::Known(Known::Merged | Known::Ref | Known::RefName | Known::Repository) => Condition::Fixed(true),
            Self::Known(Known::BaseRef) => Condition::Started(vec![Occasion::Request]),
            Self::Known(_) => Condition::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::occasion::{Names, Truth};

    fn on(text: &str, occasion: Occasion) -> Truth {
        condition(text).holds(occasion, &Names::of(Some("main")))
    }

    #[test]
    fn conditions_say_on_which_occasions_a_job_runs() {
        use Occasion::{Branch, Manual, Request, Schedule, Tag, Trunk};
        use Truth::{No, Perhaps, Yes};
        for (text, occasion, expected) in [
            ("github.ref == 'refs/heads/main'", Trunk, Yes),
            ("github.ref == 'refs/heads/main'", Request, No),
            (
                "${{ github.ref == 'refs/heads/main' && github.event_name == 'push' }}",
                Trunk,
                Yes,
            ),
            (
                "github.event_name == 'push' && github.ref == 'refs/heads/main'",
                Schedule,
                No,
            ),
            ("startsWith(github.ref, 'refs/tags/')", Tag, Yes),
            ("startsWith(github.ref, 'refs/tags/v')", Trunk, No),
            ("startsWith(github.ref, 'refs/heads/release/')", Trunk, No),
            ("startsWith(github.ref, 'refs/heads/release/')", Branch, Perhaps),
            ("github.repository == 'a/b' && !cancelled()", Trunk, Yes),
            (
                "github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name == github.repository",
                Request,
                Yes,
            ),
            ("needs.changes.outputs.backend == 'true'", Trunk, Perhaps),
            ("failure()", Trunk, No),
            ("always() && github.actor != 'dependabot[bot]'", Request, Yes),
            ("github.ref_type == 'tag'", Tag, Yes),
            (
                "contains(fromJSON('[\"push\", \"schedule\"]'), github.event_name)",
                Schedule,
                Yes,
            ),
            ("github.event_name == 'workflow_dispatch'", Manual, Yes),
            ("false", Trunk, No),
            ("this is (no expression", Trunk, Perhaps),
            ("", Trunk, Yes),
        ] {
            assert_eq!(on(text, occasion), expected, "{text} on {occasion:?}");
        }
    }
}
