//! A definition with its includes, extensions and references put in place.

use std::collections::BTreeMap;

use crate::model::At;
use crate::read::Reader;
use crate::yaml::{Key, Kind, Node};

const DEEPEST: usize = 10;
const MOST_FILES: usize = 100;

/// A value and the file it stands in.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub file: String,
    pub line: u32,
    pub node: Node,
}

/// All that a definition holds, by name.
#[derive(Debug, Default)]
pub(super) struct Definition {
    pub parts: BTreeMap<String, Part>,
    pub unread: Vec<At>,
    pub shared: Vec<At>,
    /// Templates that GitLab brings, and where they are included.
    pub templates: Vec<(String, At)>,
    files: Vec<String>,
}

impl Definition {
    pub fn read(reader: &Reader<'_>, file: &str) -> Self {
        let mut definition = Self::default();
        definition.add(reader, file, 0);
        definition
    }

    fn add(&mut self, reader: &Reader<'_>, file: &str, depth: usize) {
        if depth > DEEPEST || self.files.len() >= MOST_FILES || self.files.iter().any(|known| known == file) {
            return;
        }
        self.files.push(file.to_owned());
        let documents = reader.yaml(file);
        // A first document with `spec:` only declares inputs.
        let Some(root) = documents.iter().rev().find(|document| document.is_map()) else {
            return;
        };
        if let Some((key, include)) = root.member("include") {
            for one in include.each() {
                self.include(reader, file, one, key.line, depth);
            }
        }
        for (key, node) in root.members() {
            let part = Part {
                file: file.to_owned(),
                line: key.line,
                node: node.clone(),
            };
            let part = match self.parts.remove(&key.name) {
                Some(earlier) if key.name != "stages" => Part {
                    node: over(&part.node, &earlier.node),
                    ..part
                },
                _ => part,
            };
            self.parts.insert(key.name.clone(), part);
        }
    }

    fn include(&mut self, reader: &Reader<'_>, file: &str, one: &Node, line: u32, depth: usize) {
        let at = At::new(file, if one.line > 0 { one.line } else { line });
        self.shared.push(at.clone());
        let local = one
            .text()
            .filter(|text| !text.starts_with("http"))
            .or_else(|| one.text_of("local"));
        if let Some(local) = local {
            let path = local.trim_start_matches('/');
            if path.contains('*') {
                let pattern = crate::occasion::Pattern::Glob(path.to_owned());
                let found: Vec<String> = reader
                    .tree
                    .entries()
                    .iter()
                    .filter(|entry| entry.path.ends_with("yml") || entry.path.ends_with("yaml"))
                    .filter(|entry| pattern.fits(&entry.path, &reader.names) == crate::occasion::Truth::Yes)
                    .take(MOST_FILES)
                    .map(|entry| entry.path.clone())
                    .collect();
                for path in found {
                    self.add(reader, &path, depth + 1);
                }
            } else if reader.tree.has(path) {
                self.add(reader, path, depth + 1);
            } else {
                self.unread.push(at);
                if !path.contains('$') {
                    let problem = format!("`{path}` is included and is not in the tree");
                    reader.finding(file, line, problem, None);
                }
            }
            return;
        }
        if let Some(template) = one.text_of("template") {
            let name = template.trim_end_matches(".gitlab-ci.yml").to_lowercase();
            self.templates.push((name, at));
            return;
        }
        self.unread.push(at);
    }

    /// The stages in their order.
    pub fn stages(&self) -> Vec<String> {
        let own = self.parts.get("stages").or_else(|| self.parts.get("types"));
        let mut stages = vec![".pre".to_owned()];
        match own {
            Some(part) => stages.extend(part.node.texts()),
            None => stages.extend(["build", "test", "deploy"].map(str::to_owned)),
        }
        stages.push(".post".to_owned());
        stages
    }

    /// A job's settings with those it extends and the defaults.
    pub fn resolved(&self, name: &str) -> BTreeMap<String, Part> {
        let mut all = BTreeMap::new();
        self.extend(name, &mut all, 0);
        let inherits = all
            .get("inherit")
            .and_then(|part| part.node.get("default"))
            .is_none_or(|default| default.text() != Some("false"));
        if inherits {
            let keys = [
                "image",
                "services",
                "before_script",
                "after_script",
                "cache",
                "tags",
                "timeout",
            ];
            for key in keys {
                let default = self
                    .parts
                    .get("default")
                    .and_then(|part| Some((part, part.node.member(key)?)))
                    .map(|(part, (name, node))| Part {
                        file: part.file.clone(),
                        line: name.line,
                        node: node.clone(),
                    })
                    .or_else(|| self.parts.get(key).cloned());
                if let Some(default) = default {
                    all.entry(key.to_owned()).or_insert(default);
                }
            }
        }
        all
    }

    fn extend(&self, name: &str, all: &mut BTreeMap<String, Part>, depth: usize) {
        let Some(part) = self.parts.get(name) else { return };
        if depth > DEEPEST {
            return;
        }
        for (key, node) in part.node.members() {
            let own = Part {
                file: part.file.clone(),
                line: key.line,
                node: node.clone(),
            };
            // What was put before is nearer to the job.
            match all.get_mut(&key.name) {
                None => {
                    all.insert(key.name.clone(), own);
                }
                Some(nearer) if key.name != "extends" => nearer.node = over(&nearer.node, &own.node),
                Some(_) => {}
            }
        }
        if let Some(extends) = part.node.get("extends") {
            for base in extends.texts().iter().rev() {
                self.extend(base, all, depth + 1);
            }
        }
    }

    /// The elements of a list with nested lists and references put in place.
    pub fn flat(&self, node: &Node, depth: usize) -> Vec<Node> {
        if depth > DEEPEST {
            return Vec::new();
        }
        if node.tag.as_deref() == Some("!reference") {
            let path = node.texts();
            let Some((name, keys)) = path.split_first() else {
                return Vec::new();
            };
            let resolved = self.resolved(name);
            let mut found = keys
                .first()
                .and_then(|key| resolved.get(key))
                .map(|part| part.node.clone());
            for key in keys.iter().skip(1) {
                found = found.and_then(|node| node.get(key).cloned());
            }
            return found.map(|node| self.flat(&node, depth + 1)).unwrap_or_default();
        }
        match &node.kind {
            Kind::List(elements) => elements
                .iter()
                .flat_map(|element| self.flat(element, depth + 1))
                .take(5_000)
                .collect(),
            Kind::Null => Vec::new(),
            _ => vec![node.clone()],
        }
    }
}

/// The members of `over` before those of `under`, map by map.
fn over(over: &Node, under: &Node) -> Node {
    let (Kind::Map(nearer), Kind::Map(farther)) = (&over.kind, &under.kind) else {
        return over.clone();
    };
    let mut members: Vec<(Key, Node)> = nearer.clone();
    for (key, node) in farther {
        if !members.iter().any(|(other, _)| other.name == key.name) {
            members.push((key.clone(), node.clone()));
        }
    }
    Node {
        kind: Kind::Map(members),
        ..over.clone()
    }
}
