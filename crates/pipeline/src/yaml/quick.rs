//! The quick way through a text: straight from the parser's events to the tree.
//!
//! It takes what most files consist of: maps, lists, texts, plain numbers. Whatever asks for judgement (an anchor, a
//! tag, a merge key, a second document, a name that stands twice, any error) it leaves to the full reader, which reads
//! the text from its beginning and has the last word. So there is one place where errors are worded and limits are kept.

use std::collections::HashSet;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{Key, Kind, MOST_VALUES, Node, Place, full};

/// The deepest nesting that is taken; the limit itself is the full reader's.
const DEEPEST: usize = 20;
/// The most digits that always are a number.
const LONGEST: usize = 18;
/// In a map with more members a set says which names there are.
const FEW: usize = 16;

/// A list or map that is not closed yet.
struct Open {
    node: Node,
    /// The name whose value comes next.
    key: Option<Key>,
}

/// The tree of `text`; `None` where the full reader must look.
pub(super) fn read(text: &str) -> Option<Node> {
    let options = granit_parser::options! {
        flow_nesting_limit: DEEPEST,
        emit_comments: false,
    };
    let (mut open, mut values): (Vec<Open>, usize) = (Vec::new(), 0);
    let mut root = None;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.ok()?;
        let begun = match event {
            Event::Scalar(text, style, 0, None) => {
                values += 1;
                let node = Node {
                    place: place_of(&span)?,
                    kind: match style {
                        ScalarStyle::Plain => judge(&text)?,
                        _ => Kind::Text(text.into_owned()),
                    },
                };
                put(&mut open, &mut root, node)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let closed = open.pop()?.node;
                if names_twice(&closed) {
                    return None;
                }
                put(&mut open, &mut root, closed)?;
                continue;
            }
            Event::SequenceStart(_, 0, None) => Kind::List(Vec::new()),
            Event::MappingStart(_, 0, None) => Kind::Map(Vec::new()),
            Event::DocumentStart(..) if root.is_none() => continue,
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
            _ => return None,
        };
        values += 1;
        if open.len() >= DEEPEST || values > MOST_VALUES / 2 {
            return None;
        }
        let node = Node {
            place: place_of(&span)?,
            kind: begun,
        };
        open.push(Open { node, key: None });
    }
    root
}

/// Puts a value where it belongs: into the list or map that is open, or at the root.
fn put(open: &mut [Open], root: &mut Option<Node>, node: Node) -> Option<()> {
    let Some(Open { node: outer, key }) = open.last_mut() else {
        *root = Some(node);
        return Some(());
    };
    match &mut outer.kind {
        Kind::List(elements) => elements.push(node),
        Kind::Map(members) => match key.take() {
            Some(key) => members.push((key, node)),
            None => match node.kind {
                Kind::Text(name) if name != "<<" => {
                    *key = Some(Key {
                        place: node.place,
                        name,
                    })
                }
                _ => return None,
            },
        },
        _ => return None,
    }
    Some(())
}

/// Whether two members of a map have the same name.
fn names_twice(node: &Node) -> bool {
    let members = node.members();
    if members.len() <= FEW {
        let mut names = members.iter().enumerate();
        return names.any(|(at, (key, _))| members[..at].iter().any(|(other, _)| other.name == key.name));
    }
    let mut known = HashSet::with_capacity(members.len());
    members.iter().any(|(key, _)| !known.insert(key.name.as_str()))
}

fn place_of(span: &Span) -> Option<Place> {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (start, end) = (span.start.byte_offset()?, span.end.byte_offset()?);
    Some(Place {
        line: small(span.start.line()),
        column: small(span.start.col() + 1),
        bytes: (start, end.max(start)),
    })
}

/// What a plain value is. Whether one that begins like a number is one, the full reader says of the value alone.
fn judge(text: &str) -> Option<Kind> {
    let first = match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Kind::Null),
        "true" | "True" | "TRUE" => return Some(Kind::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Kind::Bool(false)),
        _ => text.as_bytes()[0],
    };
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Some(Kind::Text(text.to_owned()));
    }
    // The usual ones: a whole number, and a number with its unit.
    let (unsigned, last) = (first.is_ascii_digit(), text.as_bytes()[text.len() - 1]);
    if text.len() <= LONGEST && (first != b'0' || text.len() == 1) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Kind::Integer(text.parse::<u64>().ok()?.into()));
    }
    if unsigned && last.is_ascii_alphabetic() && !last.is_ascii_hexdigit() {
        return Some(Kind::Text(text.to_owned()));
    }
    // Nothing else is in any number.
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
    if !text.bytes().all(may_be) {
        return Some(Kind::Text(text.to_owned()));
    }
    let alone = full(text).ok()?;
    match alone.kind {
        // As a value it is written in another way; as a name it would stay as it is (`-.INF`).
        Kind::Text(said) => (said == text).then_some(Kind::Text(said)),
        kind @ (Kind::Integer(_) | Kind::Float(_)) => Some(kind),
        _ => None,
    }
}

/// Whether two trees are the same, places included.
#[cfg(any(test, fuzzing))]
fn same(a: &Node, b: &Node) -> bool {
    let kinds = match (&a.kind, &b.kind) {
        (Kind::List(a), Kind::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Kind::Map(a), Kind::Map(b)) => {
            let member = |((a_key, a), (b_key, b)): (&(Key, Node), &(Key, Node))| {
                (a_key.place, &a_key.name) == (b_key.place, &b_key.name) && same(a, b)
            };
            a.len() == b.len() && a.iter().zip(b).all(member)
        }
        (a, b) => format!("{a:?}") == format!("{b:?}"),
    };
    kinds && a.place == b.place
}

/// What the quick way takes, the full reader takes and reads alike.
#[cfg(any(test, fuzzing))]
pub(crate) fn agrees(text: &str) -> bool {
    let Some(quick) = read(text) else { return true };
    full(text).is_ok_and(|full| same(&quick, &full))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts that are nearly YAML: lines that begin at some depth and hold pieces that mean something.
    fn nearly() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            3 => "[a-c]{1,3}",
            2 => "[-+.]{0,2}[0-9_]{0,3}[.exobs:-]{0,2}[0-9a-f]{0,2}",
            4 => prop::sample::select(vec![
                ": ", ":", "- ", ", ", "[", "]", "{", "}", "\"", "'", "#", " #", "|", ">-", "\\n", "''", "~", "null",
                "true", "False", "yes", ".inf", "-.INF", ".nan", "inf", "1e999", "0x1F", "0o17", "010", "1_0", "é", "?",
                "? ", "<<", "&a", "*a", "!t", "---", "...", "%", "@", "`", "\t", "5m", "2GiB", "1.2.3", "2026-01-01", "-",
            ])
            .prop_map(str::to_owned),
        ];
        let value = prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat());
        let line = (0usize..4, prop::option::of("[a-d]{1,2}"), value).prop_map(|(depth, key, value)| {
            let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
            format!("{}{key}{value}", "  ".repeat(depth))
        });
        prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whatever_the_quick_way_takes_the_full_reader_reads_alike(text in nearly()) {
            prop_assert!(agrees(&text), "{text:?}\n{:?}\n{:?}", read(&text), full(&text));
        }

        #[test]
        fn plain_values_are_what_the_full_reader_says(value in "[-+.]{0,2}[0-9]{0,4}[._exobEs:/ -]{0,2}[0-9a-fA-F]{0,3}[a-z]{0,2}") {
            for text in [format!("a: {value}\n"), format!("a: [{value}, {value}]\n")] {
                prop_assert!(agrees(&text), "{text:?}\n{:?}\n{:?}", read(&text), full(&text));
            }
        }
    }

    #[test]
    fn usual_files_are_read_the_quick_way() {
        let text = "throughline: 1\n# words\nsteps:\n  a:\n    run: |\n      make\n      make test\n    timeout: 5m\n    \
                    needs: [b, 'c', \"d\"]\n    retries: { times: 2 }\n    variables: { A: 1.5, B: -1, C: 2026-01-01, D: }\n";
        assert!(read(text).is_some());
        assert!(agrees(text));
    }

    #[test]
    fn what_asks_for_judgement_is_left_to_the_full_reader() {
        for text in [
            "",
            "a: &x 1\n",
            "a: *x\n",
            "a: !t 1\n",
            "a: {<<: {b: 1}}\n",
            "a: 1\n---\nb: 2\n",
            "a: 1\na: 2\n",
            "a: [1\n",
            "1: a\n",
            "? [a]\n: b\n",
            "~: a\n",
            "-.INF: a\n",
        ] {
            assert!(read(text).is_none(), "{text:?}");
        }
    }
}
