//! What went wrong with a condition, in words and with the place.

use cel::common::ast::SourceInfo;
use cel::{ExecutionError, ParseErrors};

use crate::condition::ConditionError;

/// Where the nodes of an expression stand in its text.
pub(crate) struct Places<'a> {
    source: &'a str,
    info: &'a SourceInfo,
}

impl<'a> Places<'a> {
    pub(crate) fn new(source: &'a str, info: &'a SourceInfo) -> Self {
        Self { source, info }
    }

    /// An error at the node `id`.
    pub(crate) fn error(&self, id: u64, message: String, hint: Option<String>) -> ConditionError {
        at(self.source, self.offset(id), message, hint)
    }

    /// An error at the name that the node `id` calls or selects.
    pub(crate) fn error_at(&self, id: u64, name: &str, message: String, hint: Option<String>) -> ConditionError {
        at(self.source, self.offset_of(id, name), message, hint)
    }

    /// The line and column of the name that the node `id` calls or selects.
    pub(crate) fn of(&self, id: u64, name: &str) -> (u32, u32) {
        line_and_column(self.source, self.offset_of(id, name))
    }

    /// The parser places a selection at its dot, a call at its bracket and a text at its quote.
    fn offset_of(&self, id: u64, name: &str) -> usize {
        let offset = self.offset(id);
        let before = offset.saturating_sub(name.chars().count());
        let stands_at = |offset: usize| {
            self.source
                .chars()
                .skip(offset)
                .take(name.chars().count())
                .eq(name.chars())
        };
        [offset + 1, before]
            .into_iter()
            .find(|offset| stands_at(*offset))
            .unwrap_or(offset)
    }

    fn offset(&self, id: u64) -> usize {
        self.info.offset_for(id).map_or(0, |(start, _)| start as usize)
    }
}

/// An error at a character of the text, counted from 0.
pub(crate) fn at(source: &str, offset: usize, message: String, hint: Option<String>) -> ConditionError {
    let (line, column) = line_and_column(source, offset);
    ConditionError {
        line,
        column,
        message,
        hint,
    }
}

/// The line and column, from 1, of a character of the text, counted from 0.
fn line_and_column(source: &str, offset: usize) -> (u32, u32) {
    let (mut line, mut column) = (1, 1);
    for letter in source.chars().take(offset) {
        if letter == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    (line, column)
}

/// An error about the condition as a whole.
pub(crate) fn whole(message: String) -> ConditionError {
    ConditionError {
        line: 1,
        column: 1,
        message,
        hint: None,
    }
}

/// The first error of the parser, in plain words.
pub(crate) fn parse(source: &str, errors: &ParseErrors) -> ConditionError {
    let Some(first) = errors.errors.first() else {
        return at(source, 0, "this is no condition".to_owned(), None);
    };
    let (line, column) = first.pos;
    let reserved = first.msg.strip_prefix("reserved identifier: ");
    let message = match reserved {
        Some(word) => format!("`{word}` is a reserved word of CEL"),
        None => plain(&first.msg),
    };
    let at_line = u32::try_from(line).unwrap_or(1).max(1);
    let at_column = u32::try_from(column).unwrap_or(1).max(1);
    let rest: String = source
        .lines()
        .nth(at_line as usize - 1)
        .map(|text| text.chars().skip(at_column as usize - 1).collect())
        .unwrap_or_default();
    let hint = match reserved {
        Some("package") => Some("a candidate for an environment is called `candidate`".to_owned()),
        _ => hint(source, &rest),
    };
    ConditionError {
        line: at_line,
        column: at_column,
        message,
        hint,
    }
}

/// The parser's words without its grammar.
fn plain(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let message = message.split(" expecting ").next().unwrap_or(message);
    let shown = message
        .split_once('\'')
        .and_then(|(_, rest)| rest.rsplit_once('\''))
        .map(|(shown, _)| shown.trim());
    match shown {
        _ if message.ends_with("at '<EOF>'") => "the condition ends too early".to_owned(),
        Some("<EOF>") => "the condition ends too early".to_owned(),
        Some(shown) if message.starts_with("token recognition error") => format!("`{shown}` is no part of a condition"),
        Some(shown)
            if ["mismatched input", "extraneous input", "no viable alternative"]
                .iter()
                .any(|m| message.starts_with(m)) =>
        {
            match shown.strip_suffix("<EOF>") {
                Some(_) => "the condition ends too early".to_owned(),
                None => format!("`{shown}` is not expected here"),
            }
        }
        _ => {
            let mut letters = message.chars();
            letters
                .next()
                .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
        }
    }
}

/// What people who know another language probably meant.
fn hint(source: &str, rest: &str) -> Option<String> {
    let word: String = rest.trim_start().chars().take_while(|c| c.is_alphanumeric()).collect();
    let hint = match word.to_ascii_lowercase().as_str() {
        "and" => "`and` is written `&&`",
        "or" => "`or` is written `||`",
        "not" => "`not` is written `!`",
        "is" => "`is` is written `==`",
        _ if source.contains(['“', '”', '‘', '’']) => "texts stand in plain quotes, ' or \"",
        _ if source.contains("${{") => "the condition stands there as it is, without `${{ }}`",
        _ if rest.starts_with('=') => "a comparison is written `==`",
        _ if rest.starts_with('&') => "`and` is written `&&`",
        _ if rest.starts_with('|') => "`or` is written `||`",
        _ if unclosed(source) => "a bracket or a quote is not closed",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Whether a bracket or a quote stays open.
fn unclosed(source: &str) -> bool {
    let (mut depth, mut quote) = (0i32, None);
    for letter in source.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            _ => {}
        }
    }
    depth > 0 || quote.is_some()
}

/// An error of the evaluation, in plain words.
pub(crate) fn evaluation(error: &ExecutionError) -> String {
    match error {
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number became too large".to_owned(),
        ExecutionError::NoSuchOverload(overload) => {
            let name = overload.function().trim_start_matches('@').replace('_', " ");
            format!(
                "`{}` cannot be applied to {}",
                name.trim(),
                overload.argument_types().join(" and ")
            )
        }
        ExecutionError::ValuesNotComparable(..) => "values of different kinds are compared".to_owned(),
        other => {
            let text = other.to_string();
            let mut letters = text.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_lowercase().chain(letters).take(200).collect()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::condition::Condition;
    use crate::scope::{GATE, STEP};

    fn check(source: &str, expected: &str) {
        let error = Condition::compile_for(source, &GATE).expect_err(source);
        let hint = error.hint.map(|hint| format!(" | {hint}")).unwrap_or_default();
        assert_eq!(
            format!("{}:{} {}{hint}", error.line, error.column, error.message),
            expected,
            "{source}"
        );
    }

    #[test]
    fn each_mistake_is_placed_and_comes_with_a_mend() {
        check("", "1:1 the condition is empty | leave the key out, or write `true`");
        check("candidate.line ==", "1:18 the condition ends too early");
        check(
            "candidate.line = 'main'",
            "1:16 `=` is no part of a condition | a comparison is written `==`",
        );
        check(
            "candidate.barred and environment.proven",
            "1:18 `and` is not expected here | `and` is written `&&`",
        );
        check(
            "(candidate.barred",
            "1:18 the condition ends too early | a bracket or a quote is not closed",
        );
        check(
            "candidate.barred\n  || candidate.lien == 'main'",
            "2:16 there is no field `lien` here | did you mean `line`?",
        );
        check(
            "canidate.line == 'main'",
            "1:1 there is no variable `canidate` here | did you mean `candidate`?",
        );
        check(
            "weather == 'fine'",
            "1:1 there is no variable `weather` here | a gate knows `candidate`, `environment`, `proven_in` and `verdicts`",
        );
        check(
            "package.line == 'main'",
            "1:1 `package` is a reserved word of CEL | a candidate for an environment is called `candidate`",
        );
        check(
            "sise(proven_in) == 1",
            "1:1 there is no function `sise` | did you mean `size`?",
        );
        check(
            "timestamp('2026-01-01T00:00:00Z') == 1",
            "1:1 `timestamp` depends on time, which a condition does not know | the same candidate gets the same verdict at any time; waiting is what `soak` is for",
        );
        check(
            "candidate.line.matches('(')",
            "1:24 the pattern is no regular expression: unclosed group",
        );
        check(
            "candidate.line.matches('((a{500}){500}){500}')",
            "1:24 the pattern is no regular expression: Compiled regex exceeds size limit of 1048576 bytes.",
        );
        check(
            "candidate.line.matches(candidate.version)",
            "1:33 the pattern of `matches` must stand here as a text in quotes",
        );
        check(
            "'staging'",
            "1:1 a condition comes to true or false, this is a text | compare it with something, such as `... == 1`",
        );
        check(
            "verdicts.about == 'tests'",
            "1:10 `about` is asked of a list, which has no fields | ask its elements, such as by `.exists(each, each.about == ...)`",
        );
        check(
            "verdicts.exists(v, v.abuot == 'tests')",
            "1:22 there is no field `abuot` here | did you mean `about`?",
        );
    }

    #[test]
    fn step_conditions_name_needs_by_name() {
        for source in [
            "needs['unit-tests'].result == 'failed'",
            "needs.build.result == 'succeeded' && run.trust == 'trusted'",
            "needs.all(name, needs[name].result == 'succeeded')",
            "needs.build.outputs.image.size() > 0",
        ] {
            assert!(Condition::compile_for(source, &STEP).is_ok(), "{source}");
        }
        assert!(Condition::compile_for("needs.build.outcome == 'x'", &STEP).is_err());
        let condition = Condition::compile_for("needs.a.result == needs['b-c'].result", &STEP).unwrap();
        let members: Vec<_> = condition
            .members()
            .iter()
            .map(|m| (m.name.as_str(), m.column))
            .collect();
        assert_eq!(members, [("a", 7), ("b-c", 26)]);
    }

    #[test]
    fn monsters_are_refused_before_they_are_parsed() {
        for source in [
            "(".repeat(5_000),
            "!".repeat(5_000),
            format!("{}1", "-".repeat(1_000)),
            format!("a{}", ".a".repeat(900)),
            format!("a{}", "[a]".repeat(600)),
            format!("a{}", "+a".repeat(900)),
            format!("{}a", "a?b:".repeat(400)),
            "[".repeat(100),
            "{1:".repeat(100),
        ] {
            assert!(Condition::compile(&source).is_err());
        }
    }

    #[test]
    fn the_largest_condition_allowed_is_compiled_and_evaluated() {
        for source in [
            format!("{}true", "!".repeat(298)),
            format!("a{} == 0", "+a".repeat(147)),
            format!("{}true", "false||".repeat(98)),
            format!("{}true{}", "(".repeat(24), ")".repeat(24)),
            format!("{}true", "true?false:".repeat(70)),
            format!("a{} == 0", ".b".repeat(140)),
        ] {
            let condition = Condition::compile(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
            let _ = condition.evaluate(&json!({"a": 0}));
        }
    }

    proptest! {
        #[test]
        fn no_text_brings_the_compiler_down(source in ".{0,80}") {
            let _ = Condition::compile_for(&source, &GATE);
        }

        #[test]
        fn no_mixture_of_signs_brings_the_compiler_down(
            parts in proptest::collection::vec(
                prop::sample::select(vec![
                    "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "!", "-", "&&", "||", "==", " in ", "'", "\"", "a",
                    "candidate", ".line", "1", "1.5", "0x", "b'", "r'", ".map(x,", ".all(x,", "has(", "\\", "\n", "é", "null",
                ]),
                0..30,
            ),
        ) {
            if let Ok(condition) = Condition::compile(&parts.concat()) {
                let _ = condition.evaluate(&json!({"a": [1, {"line": 2}], "candidate": {"line": "x"}}));
            }
        }
    }
}
