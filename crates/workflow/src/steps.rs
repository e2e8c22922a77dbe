//! What the readers of all systems have in common when they make steps.

use crate::model::{At, Job, Step, StepKind, Used};
use crate::occasion::Occasions;
use crate::purpose::{Context, Doing, Purpose};
use crate::read::Reader;
use crate::yaml::{Kind, Node};

/// A step of a shell text.
pub(crate) fn run(reader: &Reader<'_>, at: At, text: &str, folder: &str, words: &str, occasions: &Occasions) -> Step {
    let context = Context::of_step(&at.file, at.line, folder, words);
    let doings = reader.resolver.text(text, &context);
    Step {
        at,
        chain: Vec::new(),
        name: None,
        kind: StepKind::Run { text: text.to_owned() },
        occasions: occasions.clone(),
        ignored: false,
        folder: folder.to_owned(),
        variables: Vec::new(),
        doings,
    }
}

/// A step that uses a part that others made.
pub(crate) fn part(reader: &Reader<'_>, at: At, used: Used, folder: &str, words: &str, occasions: &Occasions) -> Step {
    let context = Context::of_step(&at.file, at.line, folder, words);
    let doings = reader.resolver.part(&used.name, &used.inputs, &context);
    Step {
        at,
        chain: Vec::new(),
        name: None,
        kind: StepKind::Use(used),
        occasions: occasions.clone(),
        ignored: false,
        folder: folder.to_owned(),
        variables: Vec::new(),
        doings,
    }
}

/// A step of something the system itself knows.
pub(crate) fn builtin(
    reader: &Reader<'_>,
    at: At,
    name: &str,
    inputs: &[(String, String)],
    words: &str,
    occasions: &Occasions,
) -> Step {
    let context = Context::of_step(&at.file, at.line, "", words);
    let doings = reader.resolver.part(name, inputs, &context);
    Step {
        at,
        chain: Vec::new(),
        name: None,
        kind: StepKind::Builtin(name.to_owned()),
        occasions: occasions.clone(),
        ignored: false,
        folder: String::new(),
        variables: Vec::new(),
        doings,
    }
}

/// A step that does one thing for certain.
pub(crate) fn doing(at: At, purpose: Purpose, detail: &str, tool: &str, occasions: &Occasions) -> Step {
    Step {
        chain: Vec::new(),
        name: None,
        kind: StepKind::Builtin(tool.to_owned()),
        occasions: occasions.clone(),
        ignored: false,
        folder: String::new(),
        variables: Vec::new(),
        doings: vec![Doing {
            purpose,
            detail: detail.to_owned(),
            environment: None,
            tool: tool.to_owned(),
            at: at.clone(),
            chain: Vec::new(),
            ignored: false,
            by_name: false,
            words: tool.to_owned(),
        }],
        at,
    }
}

/// Adds the commands of a text, or of a list of texts, as one program: a `cd` holds for what follows.
pub(crate) fn script(reader: &Reader<'_>, file: &str, node: &Node, job: &mut Job) {
    let mut lines: Vec<(u32, &str)> = Vec::new();
    collect(node, &mut lines, 0);
    let Some((first, _)) = lines.first().copied() else {
        return;
    };
    // Each command is put in the line it stands in, so that places come out right.
    let mut text = String::new();
    let mut at = first;
    for (line, command) in lines {
        while at < line {
            text.push('\n');
            at += 1;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(" ;");
        }
        text.push_str(command.trim_end());
        let breaks = u32::try_from(command.trim_end().matches('\n').count()).unwrap_or(0);
        at += breaks;
    }
    let words = job.words();
    let step = run(
        reader,
        At::new(file, first),
        &text,
        &job.folder.clone(),
        &words,
        &job.occasions.clone(),
    );
    job.steps.push(step);
}

fn collect<'n>(node: &'n Node, lines: &mut Vec<(u32, &'n str)>, depth: usize) {
    if depth > 12 || lines.len() > 5_000 {
        return;
    }
    match &node.kind {
        Kind::Text { text, .. } => lines.push((node.line, text)),
        Kind::List(elements) => {
            for element in elements {
                collect(element, lines, depth + 1);
            }
        }
        _ => {}
    }
}

/// Puts what is known in the place of `$NAME` and `${NAME}`.
pub(crate) fn fill(text: &str, values: &[(String, String)]) -> String {
    if !text.contains('$') {
        return text.to_owned();
    }
    let mut out = text.to_owned();
    let mut longest: Vec<&(String, String)> = values.iter().collect();
    longest.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in longest {
        if value.contains('$') || value.len() > 200 {
            continue;
        }
        for form in [format!("${{{name}}}"), format!("$({name})"), format!("${name}")] {
            if out.contains(&form) {
                out = out.replace(&form, value);
            }
        }
    }
    out
}

/// The members of a map as texts.
pub(crate) fn texts_of(node: Option<&Node>) -> Vec<(String, String)> {
    node.map_or(&[][..], Node::members)
        .iter()
        .filter_map(|(key, value)| {
            let text = value.text().or_else(|| value.text_of("value")).map(str::to_owned);
            let text = text.or_else(|| value.elements().first().map(|_| value.texts().join(" ")));
            Some((key.name.clone(), text?))
        })
        .collect()
}

/// Sets where a job keeps something for later, from what its steps do.
pub(crate) fn note_shape(job: &mut Job) {
    for step in &job.steps {
        for doing in &step.doings {
            match doing.purpose {
                Purpose::Cache => {
                    job.cache.get_or_insert(step.at.line);
                }
                Purpose::Keep => {
                    job.keeps.get_or_insert(step.at.line);
                }
                _ => {}
            }
        }
    }
}

/// The last line of a value and the column its elements begin in: where a step can be added.
pub(crate) fn end_of(node: &Node) -> Option<crate::model::End> {
    let last = node.elements().last()?;
    Some(crate::model::End {
        line: last_line(last),
        column: node.column,
    })
}

/// The last line that a value takes up.
pub(crate) fn last_line(node: &Node) -> u32 {
    match &node.kind {
        Kind::List(elements) => elements.iter().map(last_line).max().unwrap_or(node.line),
        Kind::Map(members) => members
            .iter()
            .map(|(key, value)| key.line.max(last_line(value)))
            .max()
            .unwrap_or(node.line),
        Kind::Text { text, block: true, .. } => {
            let lines = text.trim_end().lines().count().saturating_sub(1);
            node.line + u32::try_from(lines).unwrap_or(u32::MAX)
        }
        _ => node.line,
    }
}
