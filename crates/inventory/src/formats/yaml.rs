//! YAML as JSON values: each document of a file on its own, so that a broken one does not hide the
//! others, with the line it begins at.

use serde_json::Value;

use super::Broken;

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// The line its text begins at, from 1.
    pub line: u32,
    pub value: Value,
}

/// The most documents of one file that are read.
const MOST_DOCUMENTS: usize = 500;

/// Reads all documents; the second part is what is broken.
pub(crate) fn read(text: &str) -> (Vec<Document>, Vec<Broken>) {
    let mut documents = Vec::new();
    let mut broken = Vec::new();
    for (line, part) in parts(text).into_iter().take(MOST_DOCUMENTS) {
        match one(part) {
            Ok(Value::Null) => {}
            Ok(value) => documents.push(Document { line, value }),
            Err(mut error) => {
                error.line = error.line.map(|within| within + line - 1);
                broken.push(error);
            }
        }
    }
    (documents, broken)
}

/// Reads a file that should hold one document: the first.
pub(crate) fn first(text: &str) -> Result<Value, Broken> {
    let (documents, broken) = read(text);
    match (documents.into_iter().next(), broken.into_iter().next()) {
        (Some(document), _) => Ok(document.value),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Value::Null),
    }
}

/// Cuts at lines of `---`, with the line each part begins at.
fn parts(text: &str) -> Vec<(u32, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let bare = line.trim_end();
        if bare == "---" || bare.starts_with("--- #") || bare.starts_with("---  #") {
            parts.push((start_line, &text[start..at]));
            start = at + line.len();
            start_line = number + 1;
        }
        at += line.len();
    }
    parts.push((start_line, &text[start..]));
    parts.retain(|(_, part)| {
        part.lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    parts
}

/// The deepest nesting that is read.
const DEEPEST: usize = 100;

/// The line at which blocks are nested too deep, if they are. The parser's own limit counts what it has
/// read, and it calls itself for each block before that.
fn too_deep(text: &str) -> Option<u32> {
    let mut open: Vec<usize> = Vec::new();
    for (number, line) in crate::reading::lines(text) {
        let mut rest = line.trim_start_matches([' ', '\t']);
        if rest.is_empty() || rest.starts_with('#') {
            continue;
        }
        let mut column = line.len() - rest.len();
        while open.last().is_some_and(|last| *last >= column) {
            open.pop();
        }
        open.push(column);
        // Entries that begin on the same line: `- - a`.
        while let Some(inner) = rest
            .strip_prefix(['-', '?', ':'])
            .filter(|inner| inner.starts_with([' ', '\t']))
        {
            let inner = inner.trim_start_matches([' ', '\t']);
            column += rest.len() - inner.len();
            open.push(column);
            rest = inner;
            if open.len() > DEEPEST {
                break;
            }
        }
        if open.len() > DEEPEST {
            return Some(number);
        }
    }
    None
}

fn one(text: &str) -> Result<Value, Broken> {
    const VALUES: usize = 200_000;
    if let Some(line) = too_deep(text) {
        return Err(Broken {
            line: Some(line),
            problem: format!("is nested deeper than {DEEPEST} levels"),
        });
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_nodes: VALUES,
            max_events: 2 * VALUES,
            max_aliases: 2_000,
            max_anchors: 2_000,
            max_recorded_anchor_events: VALUES,
            max_total_scalar_bytes: 2 * 1024 * 1024,
            max_merge_keys: 2_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: VALUES,
            max_replay_stack_depth: 100,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Value>(text, options).map_err(|error| Broken {
        line: error
            .location()
            .and_then(|place| u32::try_from(place.line()).ok())
            .filter(|line| *line > 0),
        problem: format!("is not valid YAML: {}", error.without_snippet()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_stands_for_itself() {
        let (documents, broken) = read("# note\n---\na: 1\n---\nb: [\n---\nc: 3\n");
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[0].line, 3);
        assert_eq!(documents[1].value["c"], 3);
        assert_eq!(broken.len(), 1);
    }

    #[test]
    fn tags_keys_that_are_no_texts_and_anchors_are_read() {
        let (documents, broken) = read(
            "Role: !GetAtt Role.Arn\nPorts: !Join\n  - ','\n  - [a, b]\n80: web\nbase: &b {x: 1}\nmore:\n  <<: *b\n  y: 2\n",
        );
        assert_eq!(broken, []);
        assert_eq!(documents[0].value["80"], "web");
        assert_eq!(documents[0].value["more"]["x"], 1);
    }

    #[test]
    fn hostile_texts_are_errors() {
        assert!(!read(&"[".repeat(100_000)).1.is_empty());
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..12 {
            bomb += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","));
        }
        assert!(!read(&bomb).1.is_empty());
    }
}
