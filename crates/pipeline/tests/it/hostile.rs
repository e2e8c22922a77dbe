//! Good files with anything changed in them: each is read, or refused with places in it, and soon.

use pipeline::{Components, Definition, Diagnostics, Environments};
use proptest::prelude::*;

const DEFINITION: &str = include_str!("../examples/throughline.yaml");
const ENVIRONMENTS: &str = include_str!("../examples/environments.yaml");

/// What stands where something else is expected.
const VALUES: [&str; 34] = [
    "",
    "~",
    "null",
    "true",
    "-1",
    "0",
    "18446744073709551616",
    "1e309",
    ".nan",
    "[]",
    "{}",
    "[[]]",
    "{a: {b: c}}",
    "''",
    "\"\\u0000\"",
    "|\n      x",
    "!!binary x",
    "&a x",
    "*a",
    "<<: *a",
    "${{ x }}",
    "../..",
    "/etc/passwd",
    "a/../b",
    "-x",
    "a b",
    "é",
    "\u{202e}x",
    "99999999999999999999d",
    "1h1h",
    "sha256:x",
    "'('",
    "run.line == '\\''",
    "9999999GiB",
];

/// A change of a text, line by line.
#[derive(Debug, Clone)]
enum Edit {
    Remove(prop::sample::Index),
    Double(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Indent(prop::sample::Index, usize),
    /// Another value behind the line's colon.
    Value(prop::sample::Index, usize),
    /// The name before the colon is that of another line.
    Name(prop::sample::Index, prop::sample::Index),
    Letters(prop::sample::Index, usize, String),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<prop::sample::Index>;
    let edit = prop_oneof![
        1 => at().prop_map(Edit::Remove),
        1 => at().prop_map(Edit::Double),
        1 => (at(), at()).prop_map(|(one, other)| Edit::Swap(one, other)),
        1 => (at(), 0usize..9).prop_map(|(at, depth)| Edit::Indent(at, depth)),
        6 => (at(), 0..VALUES.len()).prop_map(|(at, value)| Edit::Value(at, value)),
        2 => (at(), at()).prop_map(|(at, of)| Edit::Name(at, of)),
        2 => (at(), 0usize..20, "[-:#{}\\[\\],&*!|>'\"%@`?a-z0-9 \n\té]{0,6}").prop_map(|(at, removed, put)| Edit::Letters(at, removed, put)),
    ];
    prop::collection::vec(edit, 1..6)
}

fn changed(text: &str, edits: Vec<Edit>) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for edit in edits {
        if lines.is_empty() {
            break;
        }
        let place = |at: prop::sample::Index| at.index(lines.len());
        match edit {
            Edit::Remove(at) => _ = lines.remove(place(at)),
            Edit::Double(at) => {
                let at = place(at);
                let line = lines[at].clone();
                lines.insert(at, line);
            }
            Edit::Swap(one, other) => {
                let (one, other) = (place(one), place(other));
                lines.swap(one, other);
            }
            Edit::Indent(at, depth) => {
                let at = place(at);
                lines[at] = format!("{}{}", " ".repeat(depth), lines[at].trim_start());
            }
            Edit::Value(at, value) => {
                let at = place(at);
                if let Some((name, _)) = lines[at].split_once(':') {
                    lines[at] = format!("{name}: {}", VALUES[value]);
                }
            }
            Edit::Name(at, of) => {
                let (at, of) = (place(at), place(of));
                let name = lines[of].trim().split(':').next().unwrap_or_default().to_owned();
                if let Some((before, value)) = lines[at].split_once(':') {
                    let depth = before.len() - before.trim_start().len();
                    lines[at] = format!("{}{name}:{value}", " ".repeat(depth));
                }
            }
            Edit::Letters(at, removed, put) => {
                let at = place(at);
                let letters: Vec<char> = lines[at].chars().collect();
                let from = letters.len() / 2;
                let to = (from + removed).min(letters.len());
                lines[at] = letters[..from]
                    .iter()
                    .copied()
                    .chain(put.chars())
                    .chain(letters[to..].iter().copied())
                    .collect();
            }
        }
    }
    lines.join("\n")
}

/// Every complaint has a place in the file, and words without signs that steer a terminal.
fn placed(text: &str, wrong: &Diagnostics) -> Result<(), TestCaseError> {
    let lines = text.lines().count().max(1) as u32;
    for each in wrong.iter() {
        prop_assert!((1..=lines + 1).contains(&each.line), "{each}\n{text}");
        prop_assert!(!each.message.is_empty());
    }
    prop_assert!(wrong.to_string().len() < 200_000);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_changed_definition_is_read_or_refused_with_places(edits in edits()) {
        let text = changed(DEFINITION, edits);
        match Definition::parse(&text, "t.yaml") {
            Err(wrong) => placed(&text, &wrong)?,
            Ok(definition) => {
                let plan = definition.plan();
                prop_assert_eq!(plan.check(), Ok(()), "{}", text);
                let _ = definition.plan_on("main");
            }
        }
        let _ = Components::parse_bytes(text.as_bytes(), "t.yaml");
        let _ = Definition::parse_kept(text.as_bytes(), "t.yaml");
    }

    #[test]
    fn a_changed_policy_is_read_or_refused_with_places(edits in edits()) {
        let text = changed(ENVIRONMENTS, edits);
        if let Err(wrong) = Environments::parse(&text, "e.yaml") {
            placed(&text, &wrong)?;
        }
    }

    #[test]
    fn a_changed_module_is_read_or_refused(edits in edits(), of_steps in any::<bool>()) {
        let module = "throughline: 1\nmodule:\n  inputs:\n    version: { type: text, default: '1' }\n    deep: { type: boolean }\nsteps:\n  a:\n    run: echo $version\n    when: inputs.deep\n  b: { run: make, needs: [a] }\noutputs:\n  x: steps.a.outputs.x\n";
        let text = changed(if of_steps { DEFINITION } else { module }, edits);
        let _ = pipeline::definition::modules::is_module(text.as_bytes());
        let _ = pipeline::definition::modules::check(text.as_bytes(), "m.yaml", &Default::default());
    }
}
