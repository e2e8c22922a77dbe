//! Conditions that compare variables: `$CI_COMMIT_BRANCH == "main" && $X =~ /^v/` of GitLab,
//! `build.branch == "main"` of Buildkite, `branch = main AND type = push` of Travis,
//! `CI_COMMIT_BRANCH == "main"` of Woodpecker, `env.BRANCH_NAME == 'main'` of Jenkins.

use crate::occasion::{Condition, Filter, Occasion, Pattern};

/// The longest condition that is read, in bytes, and the deepest.
const LONGEST: usize = 4_000;
const DEEPEST: usize = 30;

/// What a condition asks for.
pub(crate) fn condition(text: &str) -> Condition {
    if text.trim().is_empty() {
        return Condition::Fixed(true);
    }
    if text.len() > LONGEST {
        return Condition::Unknown;
    }
    let tokens = tokens(text);
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        depth: 0,
    };
    match parser.any() {
        Some(condition) if parser.at == tokens.len() => condition,
        _ => Condition::Unknown,
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Expression(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' | '\'' => {
                let mut word = String::new();
                for inner in letters.by_ref() {
                    if inner == letter {
                        break;
                    }
                    word.push(inner);
                }
                tokens.push(Token::Text(word));
            }
            '/' if matches!(tokens.last(), Some(Token::Sign("=~" | "!~" | "in" | "(" | ","))) => {
                let mut word = String::new();
                let mut escaped = false;
                for inner in letters.by_ref() {
                    if inner == '/' && !escaped {
                        break;
                    }
                    escaped = inner == '\\' && !escaped;
                    word.push(inner);
                }
                letters.next_if(|flag| *flag == 'i');
                tokens.push(Token::Expression(word.replace("\\/", "/")));
            }
            '(' => tokens.push(Token::Sign("(")),
            ')' => tokens.push(Token::Sign(")")),
            ',' => tokens.push(Token::Sign(",")),
            '&' => {
                letters.next_if(|next| *next == '&');
                tokens.push(Token::Sign("&&"));
            }
            '|' => {
                letters.next_if(|next| *next == '|');
                tokens.push(Token::Sign("||"));
            }
            '=' => {
                if letters.next_if(|next| *next == '~').is_some() {
                    tokens.push(Token::Sign("=~"));
                } else {
                    let double = letters.next_if(|next| *next == '=').is_some();
                    if double && letters.next_if(|next| *next == '~').is_some() {
                        tokens.push(Token::Sign("=~"));
                    } else {
                        tokens.push(Token::Sign("=="));
                    }
                }
            }
            '!' => {
                if letters.next_if(|next| *next == '=').is_some() {
                    tokens.push(Token::Sign("!="));
                } else if letters.next_if(|next| *next == '~').is_some() {
                    tokens.push(Token::Sign("!~"));
                } else {
                    tokens.push(Token::Sign("!"));
                }
            }
            _ if letter.is_whitespace() => {}
            _ => {
                let mut word = String::from(letter);
                while let Some(next) = letters.next_if(|next| {
                    next.is_alphanumeric()
                        || matches!(
                            next,
                            '_' | '-' | '.' | '{' | '}' | '$' | '*' | '/' | '[' | ']' | '?' | '^' | ':'
                        )
                }) {
                    word.push(next);
                }
                tokens.push(match word.as_str() {
                    "AND" | "and" => Token::Sign("&&"),
                    "OR" | "or" => Token::Sign("||"),
                    "NOT" | "not" => Token::Sign("!"),
                    "IN" | "in" => Token::Sign("in"),
                    "IS" | "is" => Token::Sign("is"),
                    _ => Token::Name(word),
                });
            }
        }
    }
    tokens
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

    fn any(&mut self) -> Option<Condition> {
        let mut all = vec![self.all()?];
        while self.sign("||") {
            all.push(self.all()?);
        }
        Some(if all.len() == 1 {
            all.remove(0)
        } else {
            Condition::Any(all)
        })
    }

    fn all(&mut self) -> Option<Condition> {
        let mut all = vec![self.one()?];
        while self.sign("&&") {
            all.push(self.one()?);
        }
        Some(if all.len() == 1 {
            all.remove(0)
        } else {
            Condition::All(all)
        })
    }

    fn one(&mut self) -> Option<Condition> {
        self.depth += 1;
        let condition = if self.depth > DEEPEST { None } else { self.one_within() };
        self.depth -= 1;
        condition
    }

    fn one_within(&mut self) -> Option<Condition> {
        if self.sign("!") {
            return Some(self.one()?.negated());
        }
        if self.sign("(") {
            let condition = self.any()?;
            return self.sign(")").then_some(condition);
        }
        let left = self.tokens.get(self.at)?.clone();
        self.at += 1;
        if self.sign("==") {
            let right = self.right()?;
            return Some(same(&left, &right));
        }
        if self.sign("!=") {
            let right = self.right()?;
            return Some(same(&left, &right).negated());
        }
        if self.sign("=~") {
            let right = self.right()?;
            return Some(same(&left, &as_expression(right)));
        }
        if self.sign("!~") {
            let right = self.right()?;
            return Some(same(&left, &as_expression(right)).negated());
        }
        if self.sign("in") {
            let mut all = Vec::new();
            self.sign("(");
            while let Some(token) = self.tokens.get(self.at) {
                if matches!(token, Token::Sign(")")) {
                    self.at += 1;
                    break;
                }
                if !matches!(token, Token::Sign(_)) {
                    all.push(same(&left, token));
                }
                self.at += 1;
            }
            return Some(Condition::Any(all));
        }
        if self.sign("is") {
            let not = self.sign("!");
            let blank = matches!(self.right(), Some(Token::Name(word)) if word == "blank");
            let there = there(&left);
            return Some(if not == blank { there } else { there.negated() });
        }
        if self.sign("(") {
            // A function that is not known here.
            let mut depth = 1;
            while depth > 0 {
                match self.tokens.get(self.at)? {
                    Token::Sign("(") => depth += 1,
                    Token::Sign(")") => depth -= 1,
                    _ => {}
                }
                self.at += 1;
            }
            return Some(Condition::Unknown);
        }
        Some(there(&left))
    }

    fn right(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        Some(token)
    }
}

fn as_expression(token: Token) -> Token {
    match token {
        Token::Text(text) | Token::Name(text) => Token::Expression(text.trim_matches('/').to_owned()),
        other => other,
    }
}

/// What a variable speaks of.
fn subject(token: &Token) -> Option<&'static str> {
    let (Token::Name(name) | Token::Text(name)) = token else {
        return None;
    };
    let name = name
        .trim_start_matches('$')
        .trim_start_matches('{')
        .trim_end_matches('}');
    let name = name.trim_start_matches("env.").trim_start_matches("params.");
    Some(match name {
        "CI_COMMIT_BRANCH"
        | "build.branch"
        | "branch"
        | "CIRCLE_BRANCH"
        | "DRONE_BRANCH"
        | "CIRRUS_BRANCH"
        | "BRANCH_NAME"
        | "GIT_BRANCH"
        | "TRAVIS_BRANCH"
        | "BUILDKITE_BRANCH"
        | "pipeline.git.branch"
        | "BITBUCKET_BRANCH"
        | "APPVEYOR_REPO_BRANCH"
        | "GIT_LOCAL_BRANCH" => "branch",
        "CI_COMMIT_REF_NAME" | "CI_BUILD_REF_NAME" | "CI_COMMIT_REF_SLUG" => "ref",
        "CI_COMMIT_TAG" | "build.tag" | "tag" | "CIRRUS_TAG" | "TAG_NAME" | "DRONE_TAG" | "TRAVIS_TAG"
        | "BUILDKITE_TAG" | "pipeline.git.tag" | "CIRCLE_TAG" | "BITBUCKET_TAG" => "tag",
        "CI_PIPELINE_SOURCE" | "build.source" | "CI_PIPELINE_EVENT" | "type" | "DRONE_BUILD_EVENT"
        | "TRAVIS_EVENT_TYPE" | "event" | "CI_BUILD_EVENT" => "event",
        "CI_MERGE_REQUEST_IID"
        | "CI_MERGE_REQUEST_ID"
        | "build.pull_request.id"
        | "CHANGE_ID"
        | "CIRRUS_PR"
        | "build.pull_request"
        | "CI_OPEN_MERGE_REQUESTS"
        | "TRAVIS_PULL_REQUEST" => "request",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
        | "build.pull_request.base_branch"
        | "CIRRUS_BASE_BRANCH"
        | "CHANGE_TARGET"
        | "CI_COMMIT_TARGET_BRANCH" => "target",
        "CI_DEFAULT_BRANCH"
        | "build.default_branch"
        | "pipeline.default_branch"
        | "CI_REPO_DEFAULT_BRANCH"
        | "CIRRUS_DEFAULT_BRANCH" => "trunk",
        "CI_PROJECT_PATH"
        | "CI_PROJECT_NAMESPACE"
        | "CI_PROJECT_ROOT_NAMESPACE"
        | "CIRRUS_REPO_FULL_NAME"
        | "repo"
        | "CI_PROJECT_NAME"
        | "CI_REPO"
        | "CIRRUS_REPO_OWNER"
        | "CI_REPO_OWNER"
        | "CI_PROJECT_URL"
        | "CI_SERVER_HOST"
        | "fork" => "repository",
        "CI_COMMIT_REF_PROTECTED" => "protected",
        "CI_MERGE_REQUEST_LABELS" | "CI_COMMIT_MESSAGE" | "CI_COMMIT_TITLE" | "build.message" => "message",
        _ => return None,
    })
}

fn same(left: &Token, right: &Token) -> Condition {
    let Some(subject_left) = subject(left) else {
        return if subject(right).is_some() && !matches!(left, Token::Name(_)) {
            same(right, left)
        } else {
            Condition::Unknown
        };
    };
    let null = matches!(right, Token::Name(name) if name == "null" || name == "nil");
    let pattern = match right {
        Token::Expression(expression) => Pattern::Regex(expression.clone()),
        Token::Name(_) if subject(right) == Some("trunk") => Pattern::Trunk,
        Token::Name(text) | Token::Text(text) => Pattern::glob(text),
        Token::Sign(_) => return Condition::Unknown,
    };
    let text = match right {
        Token::Name(text) | Token::Text(text) | Token::Expression(text) => text.as_str(),
        Token::Sign(_) => "",
    };
    match subject_left {
        "branch" if null => there(left).negated(),
        "branch" => Condition::Branch(Filter::one(pattern)),
        "ref" => Condition::Any(vec![Condition::Branch(Filter::one(pattern.clone())), ref_tag(pattern)]),
        "tag" if null || text.is_empty() => there(left).negated(),
        "tag" => Condition::Tag(Filter::one(pattern)),
        "target" => Condition::Target(Filter::one(pattern)),
        "event" => Condition::Started(event(text)),
        "request" if null || text == "false" || text.is_empty() => there(left).negated(),
        "request" => there(left),
        "repository" if text == "true" => Condition::Fixed(false),
        "repository" => Condition::Fixed(true),
        "protected" => Condition::Started(vec![
            Occasion::Trunk,
            Occasion::Tag,
            Occasion::Schedule,
            Occasion::Manual,
        ]),
        _ => Condition::Unknown,
    }
}

/// A name that may be a tag's: an expression is asked, a plain name is a branch's.
fn ref_tag(pattern: Pattern) -> Condition {
    match pattern {
        Pattern::Regex(text) => {
            let fits = regex::Regex::new(&text).is_ok_and(|expression| {
                ["v1.2.3", "1.2.3", "release-1.2.3"]
                    .iter()
                    .any(|name| expression.is_match(name))
            });
            if fits {
                Condition::Tag(Filter::default())
            } else {
                Condition::Fixed(false)
            }
        }
        _ => Condition::Fixed(false),
    }
}

fn there(token: &Token) -> Condition {
    match subject(token) {
        Some("branch") => Condition::Branch(Filter::default()),
        Some("tag") => Condition::Tag(Filter::default()),
        Some("request" | "target") => Condition::Started(vec![Occasion::Request]),
        Some("repository") => match token {
            Token::Name(name) if name == "fork" => Condition::Fixed(false),
            _ => Condition::Fixed(true),
        },
        Some("protected") => Condition::Unknown,
        _ => match token {
            Token::Name(name) if name == "true" => Condition::Fixed(true),
            Token::Name(name) if name == "false" => Condition::Fixed(false),
            Token::Text(text) => Condition::Fixed(!text.is_empty()),
            _ => Condition::Unknown,
        },
    }
}

/// The occasions of an event, as these systems name them.
pub(crate) fn event(name: &str) -> Vec<Occasion> {
    let mut all = Vec::new();
    let name = name.trim_matches(['^', '$', '(', ')']);
    for name in name.split(['|', ',']).map(str::trim) {
        match name {
            "push" => all.extend([Occasion::Trunk, Occasion::Branch, Occasion::Tag]),
            "merge_request_event"
            | "pull_request"
            | "external_pull_request_event"
            | "merge_requests"
            | "pull_request_metadata" => all.push(Occasion::Request),
            "schedule" | "cron" | "schedules" => all.push(Occasion::Schedule),
            "web" | "api" | "ui" | "manual" | "trigger" | "pipeline" | "custom" | "deployment" | "promote"
            | "rollback" => {
                all.push(Occasion::Manual);
            }
            "tag" | "tags" => all.push(Occasion::Tag),
            "release" => all.push(Occasion::Release),
            "parent_pipeline" => all.extend([Occasion::Trunk, Occasion::Branch, Occasion::Request]),
            _ => all.push(Occasion::Other),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::occasion::{Names, Truth};

    #[test]
    fn comparisons_of_several_systems_are_understood() {
        use Occasion::{Request, Schedule, Tag, Trunk};
        use Truth::{No, Perhaps, Yes};
        for (text, occasion, expected) in [
            ("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH", Trunk, Yes),
            ("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH", Request, No),
            ("$CI_PIPELINE_SOURCE == \"merge_request_event\"", Request, Yes),
            ("$CI_COMMIT_TAG =~ /^v\\d+/", Tag, Yes),
            ("$CI_COMMIT_TAG", Trunk, No),
            ("$CI_COMMIT_TAG == null && $CI_COMMIT_BRANCH", Trunk, Yes),
            ("$CI_PIPELINE_SOURCE == 'schedule' || $RUN_ALL", Schedule, Yes),
            ("build.branch == \"main\" && build.pull_request.id == null", Trunk, Yes),
            ("build.tag =~ /^v/", Tag, Yes),
            ("branch = main AND type = push", Trunk, Yes),
            ("type IN (push, cron)", Schedule, Yes),
            ("tag IS present", Tag, Yes),
            ("NOT fork AND branch = main", Trunk, Yes),
            ("env.BRANCH_NAME == 'main'", Trunk, Yes),
            ("$CI_PROJECT_PATH == 'a/b'", Trunk, Yes),
            ("$SOMETHING", Trunk, Perhaps),
            ("((", Trunk, Perhaps),
        ] {
            let found = condition(text).holds(occasion, &Names::of(Some("main")));
            assert_eq!(found, expected, "{text} on {occasion:?}");
        }
    }
}
