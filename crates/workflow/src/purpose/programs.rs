//! What a command does, by the table of programs.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Given, given, lines};
use crate::shell;

const TABLE: &str = include_str!("../../tables/programs.table");

struct Line {
    /// Sub-commands in their order; each one of several.
    words: Vec<Vec<&'static str>>,
    options: Vec<&'static str>,
    goals: Vec<&'static str>,
    without: Vec<&'static str>,
    texts: Vec<&'static str>,
    gives: Vec<Given>,
}

static LINES: LazyLock<HashMap<&'static str, Vec<Line>>> = LazyLock::new(|| {
    let mut table: HashMap<&'static str, Vec<Line>> = HashMap::new();
    for (pattern, gives) in lines(TABLE) {
        let mut words = pattern.split_whitespace();
        let programs = words.next().unwrap_or_default();
        let rest: Vec<&'static str> = words.collect();
        for program in programs.split('|') {
            let Some(gives) = given(gives) else { continue };
            table
                .entry(shell::base(program))
                .or_default()
                .push(Line::of(&rest, gives));
        }
    }
    table
});

impl Line {
    fn of(rest: &[&'static str], gives: Vec<Given>) -> Self {
        let mut line = Self {
            words: Vec::new(),
            options: Vec::new(),
            goals: Vec::new(),
            without: Vec::new(),
            texts: Vec::new(),
            gives,
        };
        for part in rest {
            match part.as_bytes().first() {
                Some(b'@') => line.goals.push(&part[1..]),
                Some(b'!') => line.without.push(&part[1..]),
                Some(b'~') => line.texts.push(&part[1..]),
                Some(b'-') => line.options.push(part),
                _ => line.words.push(part.split('|').collect()),
            }
        }
        line
    }

    fn fits(&self, arguments: &[String]) -> bool {
        let has_option = |option: &str| {
            option.split('|').any(|option| {
                arguments.iter().any(|argument| {
                    argument == option
                        || argument
                            .strip_prefix(option)
                            .is_some_and(|rest| rest.starts_with(['=', ':', '.']))
                })
            })
        };
        let has_goal = |goal: &str| {
            arguments
                .iter()
                .filter(|argument| !argument.starts_with('-'))
                .any(|argument| argument == goal || argument.rsplit(':').next() == Some(goal))
        };
        in_order(&self.words, arguments)
            && self.options.iter().all(|option| has_option(option))
            && self.goals.iter().all(|goal| has_goal(goal))
            && !self.without.iter().any(|word| has_option(word))
            && self
                .texts
                .iter()
                .all(|text| arguments.iter().any(|argument| argument.contains(text)))
    }
}

/// Whether the sub-commands stand at the beginning, options and their values aside.
fn in_order(words: &[Vec<&'static str>], arguments: &[String]) -> bool {
    let mut wanted = words.iter();
    let Some(mut next) = wanted.next() else { return true };
    let mut after_option = false;
    for argument in arguments {
        if argument.starts_with('-') && !next.contains(&argument.as_str()) {
            after_option = !argument.contains('=');
            continue;
        }
        if next.contains(&argument.as_str()) {
            match wanted.next() {
                Some(more) => next = more,
                None => return true,
            }
            after_option = false;
        } else if after_option {
            after_option = false;
        } else {
            return false;
        }
    }
    false
}

/// Whether the table has a line for a program.
pub(crate) fn knows(program: &str) -> bool {
    LINES.contains_key(program)
}

/// What a command does as far as the table knows; nothing for programs that are not in it.
pub(crate) fn of_command(program: &str, arguments: &[String]) -> Option<Vec<Given>> {
    let lines = LINES.get(program)?;
    let fitting: Vec<&Line> = lines.iter().filter(|line| line.fits(arguments)).collect();
    let most = fitting.iter().map(|line| line.words.len()).max()?;
    let mut gives: Vec<Given> = Vec::new();
    for line in fitting {
        if line.words.len() < most && line.goals.is_empty() && line.texts.is_empty() {
            continue;
        }
        for give in &line.gives {
            if !gives.contains(give) {
                gives.push(give.clone());
            }
        }
    }
    Some(gives)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn does(text: &str) -> Vec<String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let mut words: Vec<String> = of_command(&words[0], &words[1..])
            .unwrap_or_default()
            .into_iter()
            .map(|give| {
                if give.detail.is_empty() {
                    give.purpose.word().to_owned()
                } else {
                    format!("{}={}", give.purpose.word(), give.detail)
                }
            })
            .collect();
        words.sort();
        words
    }

    #[test]
    fn every_line_of_the_table_can_be_read() {
        for (pattern, gives) in lines(TABLE) {
            assert!(given(gives).is_some(), "{pattern} => {gives}");
        }
    }

    #[test]
    fn sub_commands_options_and_goals_decide() {
        for (text, expected) in [
            ("cargo test --all", "test"),
            ("cargo publish", "publish=crates.io"),
            ("cargo publish --dry-run", "package"),
            ("docker buildx build --push .", "images-built push"),
            ("docker --context far build .", "images-built"),
            ("helm --namespace x upgrade a b", "deploy=helm"),
            ("helm upgrade a b --dry-run=server", "deploy=helm plan=helm"),
            ("gradle :app:test -x lint", "build lint test"),
            ("mvn -B -ntp verify", "build integration-if-configured test"),
            ("kubectl -n prod apply -f x", "deploy=kubectl"),
            ("kubectl get pods", ""),
            ("go test -bench=. ./...", "performance test"),
        ] {
            assert_eq!(does(text).join(" "), expected, "{text}");
        }
    }
}
