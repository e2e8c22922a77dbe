//! YAML as a tree of values that know their lines.
//!
//! Read as the systems read it that pipelines are written for: texts stay as they are written, so
//! that `on` is a name and `1.10` a version; tags such as `!reference` are kept; aliases and merge
//! keys are put in place. Size, depth, and what aliases expand to are limited.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle};

/// The largest file that is read, in bytes.
pub const LARGEST: u64 = 2 << 20;
const DEEPEST: usize = 64;
const MOST_VALUES: usize = 200_000;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// A tag of its own such as `!reference`.
    pub tag: Option<String>,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// A text, number, or truth value as it is written.
    Text {
        /// As it reads after escapes are resolved.
        text: String,
        /// Whether it stands without quotes and not as a block.
        plain: bool,
        /// Whether it is a block (`|` or `>`); its line is the first one of the text itself.
        block: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// Names and values in the order of the file, each name once.
    Map(Vec<(Key, Node)>),
}

/// The name of a member and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// What is wrong with a text, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub what: String,
    /// What mends it.
    pub hint: Option<String>,
}

/// What was read from a text.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The documents that could be read as a whole.
    pub documents: Vec<Node>,
    /// What ended the reading: nothing after it was read.
    pub broken: Option<Problem>,
    /// What is wrong and was passed over: names that stand twice.
    pub problems: Vec<Problem>,
}

/// A collection that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Key>,
    names: HashSet<String>,
    depth: usize,
}

#[derive(Default)]
struct Composer {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize, usize)>,
    values: usize,
    problems: Vec<Problem>,
}

/// Reads all documents of a text.
pub fn read(text: &str) -> Text {
    let text = text.trim_start_matches('\u{feff}');
    let options = granit_parser::options! {
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
        emit_comments: false,
    };
    let mut composer = Composer::default();
    let mut broken = None;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                broken = Some(problem(&error, text));
                break;
            }
        };
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX).max(1);
        let column = u32::try_from(span.start.col()).unwrap_or(u32::MAX).saturating_add(1);
        if let Err(what) = composer.take(event, line, column) {
            broken = Some(Problem {
                line,
                what,
                hint: Some(format!("at most {DEEPEST} levels and {MOST_VALUES} values are read")),
            });
            break;
        }
    }
    Text {
        documents: composer.documents,
        broken,
        problems: composer.problems,
    }
}

fn problem(error: &granit_parser::ScanError, text: &str) -> Problem {
    let line = u32::try_from(error.marker().line()).unwrap_or(u32::MAX).max(1);
    let message = error.to_string();
    let what = message.lines().next().unwrap_or_default();
    let what = what.split(" at byte ").next().unwrap_or(what);
    let what = what.split(" at line ").next().unwrap_or(what);
    let here = text.lines().nth(line as usize - 1).unwrap_or_default();
    let hint = if here.contains('\t') {
        "YAML is indented by spaces, and this line contains a tab"
    } else if here.contains("{{") || here.contains("{%") {
        "this looks like a template that makes YAML, not like YAML"
    } else if what.contains("mapping values") {
        "a text that contains `: ` stands in quotes"
    } else {
        "look at this line and the one before it: indentation, colons, quotes and brackets"
    };
    Problem {
        line,
        what: format!("this is no YAML: {what}"),
        hint: Some(hint.to_owned()),
    }
}

impl Composer {
    fn take(&mut self, event: Event<'_>, line: u32, column: u32) -> Result<(), String> {
        let own = |tag: Option<std::borrow::Cow<'_, granit_parser::Tag>>| {
            tag.filter(|tag| !tag.is_yaml_core_schema()).map(|tag| tag.original())
        };
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                // A block is placed where its first words are; empty lines before them belong to it.
                let empty = text.bytes().take_while(|byte| *byte == b'\n').count();
                let empty = u32::try_from(empty).unwrap_or(0);
                let line = if block { line.saturating_sub(empty).max(1) } else { line };
                let plain = style == ScalarStyle::Plain;
                let kind = if plain && tag.is_none() && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") {
                    Kind::Null
                } else {
                    Kind::Text {
                        text: text.into_owned(),
                        plain,
                        block,
                    }
                };
                let tag = own(tag);
                let node = Node {
                    line,
                    column,
                    tag,
                    kind,
                };
                self.place(node, anchor, 1, 0)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                let (tag, kind) = (own(tag), Kind::List(Vec::new()));
                self.begin(
                    Node {
                        line,
                        column,
                        tag,
                        kind,
                    },
                    anchor,
                );
            }
            Event::MappingStart(_, anchor, tag) => {
                let (tag, kind) = (own(tag), Kind::Map(Vec::new()));
                self.begin(
                    Node {
                        line,
                        column,
                        tag,
                        kind,
                    },
                    anchor,
                );
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(mut open) = self.open.pop() {
                    merge(&mut open.node);
                    let size = open.node.size();
                    self.place_counted(open.node, open.anchor, size, open.depth)?;
                }
            }
            Event::Alias(id) => {
                let Some((node, size, depth)) = self.anchors.get(&id).cloned() else {
                    return Err("an alias refers to itself".to_owned());
                };
                self.place(node, 0, size, depth)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, node: Node, anchor: usize) {
        self.open.push(Open {
            node,
            anchor,
            key: None,
            names: HashSet::new(),
            depth: 0,
        });
    }

    /// Puts a value in its place and counts what is new.
    fn place(&mut self, node: Node, anchor: usize, size: usize, depth: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(size);
        if self.values > MOST_VALUES {
            return Err("the file has too many values, or its aliases expand to too many".to_owned());
        }
        self.place_counted(node, anchor, size, depth)
    }

    fn place_counted(&mut self, node: Node, anchor: usize, size: usize, depth: usize) -> Result<(), String> {
        if self.open.len() + depth > DEEPEST {
            return Err("the file is nested too deeply".to_owned());
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size, depth));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        open.depth = open.depth.max(depth + 1);
        match &mut open.node.kind {
            Kind::List(elements) => elements.push(node),
            Kind::Map(members) => match open.key.take() {
                None => {
                    open.key = Some(Key {
                        line: node.line,
                        column: node.column,
                        name: node.text().unwrap_or_default().to_owned(),
                    });
                }
                Some(key) => {
                    if key.name != "<<" && !open.names.insert(key.name.clone()) {
                        self.problems.push(Problem {
                            line: key.line,
                            what: format!("`{}` stands here a second time", key.name),
                            hint: Some("each name may stand in a map once; the first is read".to_owned()),
                        });
                    } else {
                        members.push((key, node));
                    }
                }
            },
            _ => {}
        }
        Ok(())
    }
}

/// Puts the members that `<<` names into their map; those of the map itself win.
fn merge(node: &mut Node) {
    let Kind::Map(members) = &mut node.kind else { return };
    if !members.iter().any(|(key, _)| key.name == "<<") {
        return;
    }
    let (merged, own): (Vec<_>, Vec<_>) = std::mem::take(members)
        .into_iter()
        .partition(|(key, value)| key.name == "<<" && !matches!(value.kind, Kind::Text { .. } | Kind::Null));
    let mut names: HashSet<String> = own.iter().map(|(key, _)| key.name.clone()).collect();
    let mut all = own;
    let mut add = |from: Vec<(Key, Node)>| {
        for (key, value) in from {
            if names.insert(key.name.clone()) {
                all.push((key, value));
            }
        }
    };
    for (_, value) in merged {
        match value.kind {
            Kind::Map(from) => add(from),
            Kind::List(elements) => {
                for element in elements {
                    if let Kind::Map(from) = element.kind {
                        add(from);
                    }
                }
            }
            _ => {}
        }
    }
    *members = all;
}

impl Node {
    /// A value that is not there.
    pub fn nothing() -> Self {
        Self {
            line: 1,
            column: 1,
            tag: None,
            kind: Kind::Null,
        }
    }

    /// How many values it holds, itself included.
    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::List(elements) => elements.iter().map(Node::size).sum(),
            Kind::Map(members) => members.iter().map(|(_, value)| 1 + value.size()).sum(),
            _ => 0,
        }
    }

    /// The member of a map.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.member(name).map(|(_, node)| node)
    }

    /// The member of a map with its key.
    pub fn member(&self, name: &str) -> Option<(&Key, &Node)> {
        self.members()
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(key, node)| (key, node))
    }

    /// A member further down.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The text of a member.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Node::text)
    }

    /// The members of a map; nothing for anything else.
    pub fn members(&self) -> &[(Key, Node)] {
        match &self.kind {
            Kind::Map(members) => members,
            _ => &[],
        }
    }

    /// The elements of a list; nothing for anything else.
    pub fn elements(&self) -> &[Node] {
        match &self.kind {
            Kind::List(elements) => elements,
            _ => &[],
        }
    }

    /// The elements of a list, or the value itself where it stands alone; nothing for null.
    pub fn each(&self) -> &[Node] {
        match &self.kind {
            Kind::List(elements) => elements,
            Kind::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// All texts: of a text alone, or of a list of texts.
    pub fn texts(&self) -> Vec<String> {
        self.each()
            .iter()
            .filter_map(|node| node.text().map(str::to_owned))
            .collect()
    }

    /// Whether it says yes.
    pub fn is_true(&self) -> bool {
        self.text()
            .is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on"))
    }

    /// Whether it says no.
    pub fn is_false(&self) -> bool {
        self.text()
            .is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "false" | "no" | "off"))
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_))
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    /// Whether nothing stands there.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        read(text).documents.remove(0)
    }

    #[test]
    fn texts_stay_as_they_are_written_and_know_their_lines() {
        let root = one("on: [push]\nversion: 1.10\na: |\n  x\n  y\nb: >-\n\n  z\nc: yes\nd: !reference [e, f]\n");
        assert_eq!(root.get("on").unwrap().texts(), ["push"]);
        assert_eq!(root.text_of("version"), Some("1.10"));
        assert_eq!(root.get("a").unwrap().line, 4);
        assert_eq!(root.get("b").unwrap().line, 7);
        assert!(root.get("c").unwrap().is_true());
        assert_eq!(root.get("d").unwrap().tag.as_deref(), Some("!reference"));
    }

    #[test]
    fn aliases_and_merge_keys_are_put_in_place() {
        let root = one("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\nz: {<<: [*x, {c: 4}]}\n");
        assert_eq!(root.at(&["y", "a"]).and_then(Node::text), Some("1"));
        assert_eq!(root.at(&["y", "b"]).and_then(Node::text), Some("3"));
        assert_eq!(root.at(&["z", "c"]).and_then(Node::text), Some("4"));
    }

    #[test]
    fn what_is_wrong_is_placed_and_what_is_too_much_is_refused() {
        let twice = read("a: 1\na: 2\n");
        assert_eq!((twice.problems[0].line, twice.documents.len()), (2, 1));
        let tab = read("a:\n\tb: 1\n").broken.unwrap();
        assert!(tab.hint.unwrap().contains("tab"), "{}", tab.what);
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let of = vec![format!("*a{}", n - 1); 10].join(", ");
            laughs.push_str(&format!("a{n}: &a{n} [{of}]\n"));
        }
        let deep = format!("a: {}", "[".repeat(10_000));
        let stairs: String = (0..1_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        let chain: String = (0..500).map(|n| format!("a{}: &b{} [*b{n}]\n", n + 1, n + 1)).collect();
        for text in [
            laughs,
            deep,
            stairs,
            format!("a0: &b0 x\n{chain}"),
            "&a [*a]".to_owned(),
        ] {
            assert!(read(&text).broken.is_some());
        }
    }
}
