//! What parts do that others made, by the table of parts.

use std::sync::LazyLock;

use super::{Given, given, lines};

const TABLE: &str = include_str!("../../tables/parts.table");

struct Line {
    name: &'static str,
    inputs: Vec<(&'static str, &'static str)>,
    gives: Vec<Given>,
}

static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| {
    lines(TABLE)
        .filter_map(|(pattern, gives)| {
            let mut words = pattern.split_whitespace();
            let name = words.next()?;
            let inputs = words
                .map(|input| input.split_once('=').unwrap_or((input, "*")))
                .collect();
            Some(Line {
                name,
                inputs,
                gives: given(gives)?,
            })
        })
        .collect()
});

/// `*` at either end stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => text.contains(rest.trim_end_matches('*')),
        (Some(rest), None) => text.ends_with(rest),
        (None, Some(rest)) => text.starts_with(rest),
        (None, None) => pattern == text,
    }
}

/// What a part does that is used with these inputs.
pub fn of_part(name: &str, inputs: &[(String, String)]) -> Vec<super::Doing> {
    given_by(name, inputs)
        .into_iter()
        .map(|give| super::Doing {
            purpose: give.purpose,
            detail: give.detail,
            environment: give.environment,
            tool: name.to_owned(),
            at: crate::model::At::new("", 0),
            chain: Vec::new(),
            ignored: false,
            by_name: false,
            words: inputs
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>()
                .join(" "),
        })
        .collect()
}

pub(crate) fn given_by(name: &str, inputs: &[(String, String)]) -> Vec<Given> {
    let name = name.to_ascii_lowercase();
    let given = |input: &str, wanted: &str| {
        inputs.iter().any(|(key, value)| {
            let value = value.trim().to_ascii_lowercase();
            key.eq_ignore_ascii_case(input) && !value.is_empty() && (fits(wanted, &value) || value.contains("${{"))
        })
    };
    let named: Vec<&Line> = LINES.iter().filter(|line| fits(line.name, &name)).collect();
    let length = |line: &Line| line.name.trim_matches('*').len();
    let Some(longest) = named.iter().map(|line| length(line)).max() else {
        return Vec::new();
    };
    let fitting: Vec<&&Line> = named
        .iter()
        .filter(|line| length(line) == longest && line.inputs.iter().all(|(input, wanted)| given(input, wanted)))
        .collect();
    // Lines that ask for inputs say more than the one that asks for none.
    let particular = fitting.iter().any(|line| !line.inputs.is_empty());
    let mut gives: Vec<Given> = Vec::new();
    for line in fitting {
        if particular && line.inputs.is_empty() {
            continue;
        }
        for give in &line.gives {
            if !gives.contains(give) {
                gives.push(give.clone());
            }
        }
    }
    gives
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_can_be_read() {
        for (pattern, gives) in lines(TABLE) {
            assert!(given(gives).is_some(), "{pattern} => {gives}");
        }
    }

    #[test]
    fn inputs_decide_between_lines_of_a_name() {
        let does = |name: &str, inputs: &[(&str, &str)]| {
            let inputs: Vec<(String, String)> = inputs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            given_by(name, &inputs)
                .iter()
                .map(|give| give.purpose.word())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(does("docker/build-push-action", &[("push", "false")]), "images-built");
        assert_eq!(
            does(
                "docker/build-push-action",
                &[("push", "${{ github.event_name != 'pull_request' }}")]
            ),
            "images-built push"
        );
        assert_eq!(does("Actions/Setup-Node", &[]), "setup");
        assert_eq!(does("someone/something", &[]), "");
    }
}
