//! XML as a tree of elements, namespaces left away: project files of Maven and .NET, reports' settings.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::Broken;
use crate::reading::line_at;

/// The deepest nesting that is read.
const DEEPEST: usize = 200;

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    /// The text directly in it, trimmed.
    pub text: String,
    pub line: u32,
}

impl Element {
    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of a child.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)
            .map(|child| child.text.as_str())
            .filter(|text| !text.is_empty())
    }

    /// The value of an attribute, whatever its case.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// All elements below, in the order of the text.
    pub fn descendants(&self) -> Vec<&Self> {
        let mut found = Vec::new();
        let mut waiting: Vec<&Self> = self.children.iter().rev().collect();
        while let Some(element) = waiting.pop() {
            found.push(element);
            waiting.extend(element.children.iter().rev());
        }
        found
    }
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

fn element(start: &BytesStart<'_>, line: u32) -> Element {
    Element {
        name: local(start.name().as_ref()),
        attributes: start
            .attributes()
            .with_checks(false)
            .filter_map(Result::ok)
            .map(|attribute| (local(attribute.key.as_ref()), attribute.value.to_string()))
            .collect(),
        line,
        ..Element::default()
    }
}

/// Reads a text and gives its outermost element.
pub(crate) fn read(text: &str) -> Result<Element, Broken> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    let broken = |position: u64, problem: &str| Broken {
        line: usize::try_from(position)
            .ok()
            .and_then(|at| line_at(text, at.min(text.len()))),
        problem: format!("is not valid XML: {problem}"),
    };
    // Counting lines from the beginning for each element would be quadratic.
    let (mut counted, mut line) = (0usize, 1u32);
    loop {
        let before = usize::try_from(reader.buffer_position())
            .unwrap_or(usize::MAX)
            .min(text.len());
        if before > counted {
            let breaks = text.as_bytes()[counted..before]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            line = line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
            counted = before;
        }
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                if open.len() > DEEPEST {
                    return Err(broken(reader.buffer_position(), "the elements are nested too deep"));
                }
                open.push(element(&start, line));
            }
            Ok(Event::Empty(start)) => {
                if let Some(parent) = open.last_mut() {
                    parent.children.push(element(&start, line));
                }
            }
            Ok(Event::End(_)) => {
                let Some(mut done) = open.pop() else { break };
                done.text = done.text.trim().to_owned();
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Err(broken(reader.buffer_position(), "an element ends that did not begin")),
                }
            }
            Ok(Event::Text(part)) => {
                if let Some(parent) = open.last_mut() {
                    parent.text.push_str(&part);
                }
            }
            Ok(Event::CData(part)) => {
                if let Some(parent) = open.last_mut() {
                    parent.text.push_str(&part);
                }
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => return Err(broken(reader.error_position(), &error.to_string())),
        }
    }
    if open.len() > 1 {
        return Err(broken(text.len() as u64, "an element is not closed"));
    }
    open.pop()
        .and_then(|root| root.children.into_iter().next())
        .ok_or_else(|| broken(0, "there is no element"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_texts_attributes_and_lines_are_read() {
        let root = read("<?xml version=\"1.0\"?>\n<p:project xmlns:p=\"x\">\n <a b=\"1\"> t </a>\n <c/>\n</p:project>")
            .unwrap();
        assert_eq!(root.name, "project");
        assert_eq!(root.text_of("a"), Some("t"));
        assert_eq!(root.child("a").and_then(|a| a.attribute("B")), Some("1"));
        assert_eq!(root.child("c").map(|c| c.line), Some(4));
    }

    #[test]
    fn broken_and_hostile_texts_are_errors() {
        assert!(read("<a><b></a>").is_err());
        assert!(read("<a>").is_err());
        assert!(read("").is_err());
        assert!(read(&"<a>".repeat(100_000)).is_err());
    }
}
