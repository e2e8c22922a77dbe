//! Reading within limits: how much of a file, how many files of a kind, and what is said when a limit
//! was reached or a file is broken.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use evidence::{Finding, Place, Tree};

/// The longest file that is read.
pub(crate) const LONGEST: u64 = 1024 * 1024;
/// Texts up to this length are kept for the next reader.
const KEPT: usize = 128 * 1024;
/// The most findings that are kept.
const MOST_FINDINGS: usize = 200;

/// Reads texts of a tree and keeps what it could not read.
pub(crate) struct Reader<'t> {
    tree: &'t dyn Tree,
    kept: RefCell<HashMap<String, Option<Rc<str>>>>,
    findings: RefCell<BTreeSet<Finding>>,
    limits: RefCell<Vec<String>>,
}

impl<'t> Reader<'t> {
    pub fn new(tree: &'t dyn Tree) -> Self {
        Self {
            tree,
            kept: RefCell::default(),
            findings: RefCell::default(),
            limits: RefCell::default(),
        }
    }

    /// The text of a file; absent when it is not there, too long, binary, or unreadable. Of the last
    /// three a finding is kept.
    pub fn text(&self, path: &str) -> Option<Rc<str>> {
        if let Some(known) = self.kept.borrow().get(path) {
            return known.clone();
        }
        let text = self.read(path);
        if text.as_ref().is_none_or(|text| text.len() <= KEPT) {
            self.kept.borrow_mut().insert(path.to_owned(), text.clone());
        }
        text
    }

    /// The text of a file that is looked at once.
    pub fn glance(&self, path: &str) -> Option<Rc<str>> {
        if let Some(known) = self.kept.borrow().get(path) {
            return known.clone();
        }
        match self.tree.read(path, LONGEST) {
            Ok(Some(bytes)) => decode(&bytes).map(Rc::from),
            _ => None,
        }
    }

    fn read(&self, path: &str) -> Option<Rc<str>> {
        match self.tree.read(path, LONGEST) {
            Ok(Some(bytes)) => {
                let text = decode(&bytes);
                if text.is_none() {
                    self.finding(path, None, "is not a text", None);
                }
                text.map(Rc::from)
            }
            Ok(None) => None,
            Err(error) => {
                self.finding(path, None, &error.to_string(), None);
                None
            }
        }
    }

    /// Keeps a finding.
    pub fn finding(&self, path: &str, line: Option<u32>, problem: &str, hint: Option<&str>) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() >= MOST_FINDINGS {
            drop(findings);
            self.limit("there are more findings than are listed");
            return;
        }
        findings.insert(Finding {
            place: Place::File {
                file: path.to_owned(),
                line,
                what: None,
            },
            problem: problem.chars().take(300).collect(),
            hint: hint.map(str::to_owned),
        });
    }

    /// Says once what the reading leaves out.
    pub fn limit(&self, sentence: &str) {
        let mut limits = self.limits.borrow_mut();
        if !limits.iter().any(|known| known == sentence) {
            limits.push(sentence.to_owned());
        }
    }

    /// The first `most` of some files; of more, every n-th, so that all parts of the tree have a say.
    /// The second value says whether that is all of them.
    pub fn within<'a, T>(&self, kind: &str, all: Vec<&'a T>, most: usize) -> (Vec<&'a T>, bool) {
        if all.len() <= most {
            return (all, true);
        }
        self.limit(&format!(
            "of {} {kind}, {most} were read, spread evenly over the tree",
            all.len()
        ));
        let step = all.len() as f64 / most as f64;
        let picked = (0..most)
            .filter_map(|n| all.get((n as f64 * step) as usize).copied())
            .collect();
        (picked, false)
    }

    /// What could not be read, and what was left out.
    pub fn finish(self) -> (Vec<Finding>, Vec<String>) {
        (
            self.findings.into_inner().into_iter().collect(),
            self.limits.into_inner(),
        )
    }
}

/// Bytes as text: UTF-8 with or without a mark, UTF-16 with one; wrong bytes stand as U+FFFD. Bytes
/// with zeros among the first are no text.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let wide = |little: bool| -> String {
        let units = bytes[2..].as_chunks::<2>().0.iter().map(|pair| {
            if little {
                u16::from_le_bytes(*pair)
            } else {
                u16::from_be_bytes(*pair)
            }
        });
        char::decode_utf16(units)
            .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Some(String::from_utf8_lossy(rest).into_owned()),
        [0xff, 0xfe, ..] => Some(wide(true)),
        [0xfe, 0xff, ..] => Some(wide(false)),
        _ if bytes.iter().take(8_192).any(|byte| *byte == 0) => None,
        _ => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// The line (from 1) of the first place where `needle` stands.
pub(crate) fn line_of(text: &str, needle: &str) -> Option<u32> {
    if needle.is_empty() {
        return None;
    }
    let position = text.find(needle)?;
    line_at(text, position)
}

/// The line (from 1) of a byte of a text.
pub(crate) fn line_at(text: &str, position: usize) -> Option<u32> {
    let before = text.as_bytes().get(..position)?;
    u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).ok()
}

/// The lines of a text with their numbers, without what ends them.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (u32::try_from(index + 1).unwrap_or(u32::MAX), line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_in_several_encodings() {
        assert_eq!(decode(b"\xef\xbb\xbfname").as_deref(), Some("name"));
        assert_eq!(decode(b"\xff\xfen\0a\0").as_deref(), Some("na"));
        assert_eq!(decode(b"\xfe\xff\0n\0a").as_deref(), Some("na"));
        assert_eq!(decode(b"caf\xe9").as_deref(), Some("caf\u{fffd}"));
        assert_eq!(decode(b"\x7fELF\0\0"), None);
        assert_eq!(decode(b"").as_deref(), Some(""));
    }
}
