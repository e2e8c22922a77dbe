//! What commits changed: the paths, and how many lines of them.

use std::collections::HashMap;

use crate::paths::Class;
use crate::rows::Index;

/// Changes by commit, each against its first parent.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// All paths that were changed.
    pub paths: Vec<Box<str>>,
    by_commit: HashMap<Index, Change>,
}

/// What one commit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// How many files it touched in all.
    pub files: u32,
    /// The files; of very large changes only the first ones.
    pub touched: Box<[Touched]>,
    /// Whether all that differs was seen.
    pub is_whole: bool,
    /// Whether lines were asked for.
    pub has_lines: bool,
}

/// A file that was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Its path, as a place in [`Changes::paths`].
    pub path: u32,
    /// What it is. A product file whose own tests were changed has both classes.
    pub class: Class,
    /// Lines added and removed; none where nobody writes them by hand, or for what is no text or too large.
    pub lines: Option<u32>,
}

impl Changes {
    /// Adds what a commit changed.
    pub fn insert(&mut self, commit: Index, change: Change) {
        self.by_commit.insert(commit, change);
    }

    /// What a commit changed, when that was read.
    pub fn of(&self, commit: Index) -> Option<&Change> {
        self.by_commit.get(&commit)
    }
}

/// How two versions of a text differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextChange {
    /// Lines added and removed.
    pub lines: u32,
    /// Whether something before the tests inside of the file differs.
    pub before_tests: bool,
    /// Whether something in the tests inside of the file differs.
    pub in_tests: bool,
}

/// The line with which tests inside of a file of Rust begin.
const RUST_TESTS: &[u8] = b"#[cfg(test)]";

/// Compares two texts line by line. `may_hold_tests` says that tests can stand in the file itself, as they
/// do in Rust. Lines are counted as `git log --numstat` counts them, but for what the choice of one of
/// several equally short differences may change.
pub(crate) fn compare(old: &[u8], new: &[u8], may_hold_tests: bool) -> TextChange {
    use gix::diff::blob::{Algorithm, Diff, InternedInput, sources::byte_lines};
    let (prefix, suffix) = common_lines(old, new);
    let (old_middle, new_middle) = (&old[prefix..old.len() - suffix], &new[prefix..new.len() - suffix]);
    let lines = if old_middle.is_empty() || new_middle.is_empty() {
        count_lines(old_middle) + count_lines(new_middle)
    } else {
        let input = InternedInput::new(byte_lines(old_middle), byte_lines(new_middle));
        let diff = Diff::compute(Algorithm::Histogram, &input);
        diff.count_additions() + diff.count_removals()
    };
    let tests_from = |text: &[u8]| find(text, RUST_TESTS).filter(|_| may_hold_tests).unwrap_or(usize::MAX);
    let (old_tests, new_tests) = (tests_from(old), tests_from(new));
    TextChange {
        lines,
        before_tests: prefix < new_tests && (!new_middle.is_empty() || prefix < old_tests),
        in_tests: prefix + new_middle.len() > new_tests || prefix + old_middle.len() > old_tests,
    }
}

/// How many bytes of whole lines two texts have in common at their beginnings and at their ends.
fn common_lines(old: &[u8], new: &[u8]) -> (usize, usize) {
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let prefix = match same == old.len() && same == new.len() {
        true => same,
        false => old[..same]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1),
    };
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let same = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    // The suffix begins behind a line's end.
    let begins = |rest: &[u8], count: usize| count == rest.len() || rest[rest.len() - count - 1] == b'\n';
    let tail = &old_rest[old_rest.len() - same..];
    let mut suffix = same;
    if !(begins(old_rest, suffix) && begins(new_rest, suffix)) {
        suffix = tail
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(0, |at| tail.len() - at - 1);
    }
    (prefix, suffix)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    use gix::bstr::ByteSlice as _;
    text.find(part)
}

/// How many lines a text has; one without an end at its end counts.
pub(crate) fn count_lines(text: &[u8]) -> u32 {
    let ends = text.iter().filter(|byte| **byte == b'\n').count();
    let open = usize::from(text.last().is_some_and(|byte| *byte != b'\n'));
    u32::try_from(ends + open).unwrap_or(u32::MAX)
}

/// Whether git would take contents for no text: a zero byte among the first 8000.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(8_000)].contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(old: &str, new: &str) -> u32 {
        compare(old.as_bytes(), new.as_bytes(), false).lines
    }

    #[test]
    fn lines_added_and_removed_are_counted() {
        assert_eq!(lines("", ""), 0);
        assert_eq!(lines("", "a\nb"), 2);
        assert_eq!(lines("a\nb\n", ""), 2);
        assert_eq!(lines("a\nb\nc\n", "a\nx\nc\n"), 2);
        assert_eq!(lines("a\nb\nc\n", "a\nc\n"), 1);
        assert_eq!(lines("a\nb\nc\nd\ne\n", "a\nx\nc\ny\ne\n"), 4);
        assert_eq!(lines("a\n", "a"), 2, "the end of the last line is part of it");
        assert_eq!(lines("ab\n", "xab\n"), 2);
        assert_eq!(lines("same\n", "same\n"), 0);
        assert_eq!(lines("x\nx\n", "x\nx\nx\n"), 1);
    }

    #[test]
    fn tests_inside_of_a_file_are_told_from_what_stands_before_them() {
        let old = "fn a() {}\n#[cfg(test)]\nmod tests {\n    x\n}\n";
        let of = |new: &str| {
            let change = compare(old.as_bytes(), new.as_bytes(), true);
            (change.before_tests, change.in_tests)
        };
        assert_eq!(of("fn b() {}\n#[cfg(test)]\nmod tests {\n    x\n}\n"), (true, false));
        assert_eq!(of("fn a() {}\n#[cfg(test)]\nmod tests {\n    y\n}\n"), (false, true));
        assert_eq!(of("fn b() {}\n#[cfg(test)]\nmod tests {\n    y\n}\n"), (true, true));
    }

    proptest::proptest! {
        #[test]
        fn what_texts_have_in_common_is_whole_lines_of_both(old in "[ab\n]{0,30}", new in "[ab\n]{0,30}") {
            let (old, new) = (old.as_bytes(), new.as_bytes());
            let (prefix, suffix) = common_lines(old, new);
            proptest::prop_assert!(prefix + suffix <= old.len() && prefix + suffix <= new.len());
            proptest::prop_assert_eq!(&old[..prefix], &new[..prefix]);
            proptest::prop_assert_eq!(&old[old.len() - suffix..], &new[new.len() - suffix..]);
            let whole = prefix == old.len() || prefix == 0 || old[prefix - 1] == b'\n';
            proptest::prop_assert!(whole);
            let net = i64::from(count_lines(new)) - i64::from(count_lines(old));
            let lines = i64::from(compare(old, new, false).lines);
            proptest::prop_assert!(lines >= net.abs() && (lines - net) % 2 == 0);
        }
    }
}
