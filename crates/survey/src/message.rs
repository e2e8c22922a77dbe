//! What the message of a commit tells: reverts, fixes, requests, work items, reviewers, and its form.

use std::sync::LazyLock;

use regex::Regex;

use crate::rows::{CommitId, Marks};

/// How much of a message is looked at, in bytes; some hold whole logs.
const MOST: usize = 16 * 1024;

/// How much of a subject is kept, in characters.
const SUBJECT: usize = 100;

/// What a message is like.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub subject: Box<str>,
    pub marks: Marks,
    pub reverts: Option<CommitId>,
}

#[expect(clippy::expect_used, reason = "the patterns are constants, and a test uses each")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

/// `type(scope)!: text`, with the types of the specification and of its common presets, in lower case: `Build: text` is
/// how many write who have never heard of it.
static CONVENTIONAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:feat|feature|fix|bugfix|hotfix|docs?|style|refactor|perf|tests?|build|ci|cd|chore|revert|deps?|security|release|infra|ops|i18n|types?|improvement|wip)(?:\([^()\r\n]{1,60}\))?!?:\s",
    )
});

/// Words by which a subject says that it mends something.
static FIX: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\[[^\]]{1,30}\]\s*)?(?:[\w./-]{1,30}:\s*)?(?:hot|bug)?fix(?:e[sd]|ing|up)?\b|\b(?:bug|hot)-?fix(?:e[sd])?\b|\bfix(?:e[sd])?\s+(?:a|an|the|for|bug|issue|crash|regression|broken|missing|incorrect|wrong)\b|^(?:resolve|repair|correct)(?:[sd]|ed|s)?\s",
    )
});

static HOTFIX: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\bhot-?fix|\bemergency (?:fix|release|patch)"));

/// The number of a request in a subject: at the end, or in the forms of merges and of merge queues.
static REQUEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        \((?:[\w./-]*)[\#!]\d+\)\s*$
        | ^Merge\ pull\ request\ \#?\d+
        | ^Merged\ in\ .+\(pull\ request\ \#\d+\)
        | ^Pull\ request\ \#\d+
        | ^Merged\ PR\ \d+
        | ^(?:Auto\ merge\ of|Merge|Try\ merge)\ \#\d+
        ",
    )
});

/// The same in a body: GitLab's merges, Gerrit's and Phabricator's trailers.
static REQUEST_BELOW: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^(?:See merge request \S*!\d+|Reviewed-on: \S+|Differential Revision: \S+|Pull Request: \S+|PR-URL: \S+|Part-of: <\S+merge_requests/\d+>|Merges? ?#\d+)",
    )
});

/// A work item: a number after `#` or `GH-`, an address of an issue, or a key as trackers form them.
static ISSUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:^|[\s(\[:,;/])(?:[\w.-]+/[\w.-]+)?(?:\#|GH-|gh-)(\d+)\b|/issues/\d+|/browse/[A-Z]|(?:^|[^\w-])([A-Z][A-Z0-9]{1,9})-[1-9]\d{0,6}\b",
    )
});

/// What looks like the key of a work item and is none.
const NO_TRACKER: &[&str] = &[
    "ADR", "AES", "ARM", "BSD", "CP", "CVE", "CWE", "ECMA", "ES", "GPL", "GHSA", "HTTP", "ICE", "IEEE", "ISO", "JDK",
    "JEP", "JLS", "JSR", "LGPL", "MD", "MIT", "OAUTH", "OSGI", "PEP", "PHP", "PKCS", "PR", "PSR", "RC", "RFC", "RSA",
    "RUSTSEC", "SHA", "SHA1", "SHA2", "SHA3", "SSE", "TLS", "TLSV1", "UCS", "US", "USB", "UTC", "UTF", "UTF8", "VS",
    "WCAG", "X", "X86", "XEP",
];

static REVIEWED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?mi)^(?:Reviewed-by|Acked-by|Approved-by|Review(?:er)?s?|r): ?\S|\br=[a-z]"));

static DEPENDENCY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\w+\((?:deps|deps-dev|dependencies|dependency)\)!?:|deps(?:-dev)?:|\[security\] bump\b|(?:\w+(?:\([^)]*\))?: *)?(?:bump|update|upgrade|pin|lock file)\b.*(?:\bfrom \S+ to \S+|\bto v?\d|\(\S+ (?:➔|->|→|to) \S+\)|\b(?:docker tag|helm release|image|chart|group|non-major|all patch)\b|\bdependenc(?:y|ies)\b|\bdigest\b|\block ?file\b|\bcrates?\b|\bpackages?\b|\bgems?\b|\bmodules?\b|\bdeps\b)|(?:\w+(?:\([^)]*\))?: *)?lock file maintenance)",
    )
});

/// Looks at a message.
pub(crate) fn read(message: &str, is_merge: bool) -> Message {
    let message = message.trim_start();
    let end = (0..=MOST.min(message.len()))
        .rev()
        .find(|at| message.is_char_boundary(*at))
        .unwrap_or(0);
    let message = &message[..end];
    let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
    let subject = subject.trim_end();
    let reverts = reverted(subject, body);
    let mut marks = Marks::default();
    marks.set(Marks::REVERT, reverts.is_some() || says_revert(subject));
    if !is_merge {
        let lower = subject.to_ascii_lowercase();
        let may_fix = ["fix", "resolve", "repair", "correct"]
            .iter()
            .any(|w| lower.contains(w));
        marks.set(Marks::FIX, may_fix && FIX.is_match(subject));
        marks.set(
            Marks::CONVENTIONAL,
            subject.contains(':') && CONVENTIONAL.is_match(subject),
        );
    }
    marks.set(Marks::HOTFIX, HOTFIX.is_match(subject));
    marks.set(
        Marks::REQUEST,
        REQUEST.is_match(subject) || REQUEST_BELOW.is_match(body),
    );
    marks.set(Marks::ISSUE, names_issue(subject) || names_issue(body));
    marks.set(Marks::REVIEWED, REVIEWED.is_match(body));
    marks.set(Marks::DEPENDENCY, DEPENDENCY.is_match(subject));
    Message {
        subject: printable(subject),
        marks,
        reverts,
    }
}

/// The subject for people: one line, no control characters, not too long.
fn printable(subject: &str) -> Box<str> {
    let mut kept: String = subject
        .chars()
        .map(|c| {
            if c.is_control() || is_direction(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .take(SUBJECT)
        .collect();
    if subject.chars().nth(SUBJECT).is_some() {
        kept.push('…');
    }
    kept.into_boxed_str()
}

/// Characters that turn the direction of text and can make a line read as another one.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// `Revert "..."` and `revert: ...`; bringing back what was reverted is no revert.
fn says_revert(subject: &str) -> bool {
    let lower = subject.to_ascii_lowercase();
    let rest = ["revert \"", "revert '", "revert: ", "revert(", "reverts ", "revert "]
        .iter()
        .find_map(|start| lower.strip_prefix(start));
    rest.is_some_and(|rest| !rest.trim_start_matches(['"', '\'']).starts_with("revert"))
}

/// The commit that git's own message of a revert names.
fn reverted(subject: &str, body: &str) -> Option<CommitId> {
    if subject.to_ascii_lowercase().starts_with("revert \"revert") {
        return None;
    }
    let at = body.find("This reverts commit ")?;
    let id = body.as_bytes().get(at + 20..at + 60)?;
    CommitId::from_hex(id)
}

fn names_issue(text: &str) -> bool {
    if !text.contains(['#', '-', '/']) {
        return false;
    }
    text.lines().any(|line| {
        // A squashed request ends in its own number, and a merge begins with it.
        let without = REQUEST.replace(line, " ");
        ISSUE.captures_iter(&without).any(|found| match found.get(2) {
            Some(key) => !NO_TRACKER.contains(&key.as_str()),
            None => true,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(message: &str, mark: Marks) -> bool {
        read(message, false).marks.has(mark)
    }

    #[test]
    fn conventional_subjects_have_a_known_type() {
        for yes in ["feat: a", "fix(core)!: b", "chore(deps): c", "docs: d"] {
            assert!(has(yes, Marks::CONVENTIONAL), "{yes}");
        }
        for no in ["core: a", "Build: a", "feat a", "feat:a", "http://x: y", "a feat: b"] {
            assert!(!has(no, Marks::CONVENTIONAL), "{no}");
        }
    }

    #[test]
    fn a_fix_says_so_and_a_prefix_does_not_make_one() {
        for yes in [
            "Fix crash on start",
            "fix: x",
            "fix(api): y",
            "parser: fixes the loop",
            "Bugfix for #3",
            "[cli] Fixed it",
            "Small bug fix in tests",
        ] {
            let expected = yes != "Small bug fix in tests";
            assert_eq!(has(yes, Marks::FIX), expected, "{yes}");
        }
        for no in [
            "Add prefix option",
            "Fixture for tests",
            "feat: suffix",
            "Use fixed point numbers",
        ] {
            assert!(!has(no, Marks::FIX), "{no}");
        }
    }

    #[test]
    fn a_revert_names_its_commit_and_bringing_back_is_none() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let read_back = read(&format!("Revert \"Add x\"\n\nThis reverts commit {id}.\n"), false);
        assert!(read_back.marks.has(Marks::REVERT));
        assert_eq!(read_back.reverts.unwrap().to_string(), id);
        assert!(has("revert: drop x", Marks::REVERT));
        assert!(!has(
            "Revert \"Revert \"Add x\"\"\n\nThis reverts commit x",
            Marks::REVERT
        ));
        assert!(!has("Reverting polish notation", Marks::REVERT));
        assert!(!has("Revert \"x\"\n\nThis reverts commit é", Marks::FIX));
    }

    #[test]
    fn requests_are_named_in_the_forms_of_the_common_hosts() {
        for yes in [
            "Add x (#12)",
            "Add x (!12)",
            "Merge pull request #1 from a/b",
            "Merged in topic (pull request #7)",
            "Merged PR 88: x",
            "Auto merge of #5 - a:b, r=c",
            "Merge branch 'x' into 'main'\n\ntext\n\nSee merge request group/project!12",
            "x\n\nChange-Id: I1\nReviewed-on: https://review.example/1",
            "x\n\nPart-of: <https://gitlab.example/a/b/-/merge_requests/9>",
        ] {
            assert!(has(yes, Marks::REQUEST), "{yes}");
        }
        for no in ["Merge branch 'x'", "Fix #12", "Add x (see 12)"] {
            assert!(!has(no, Marks::REQUEST), "{no}");
        }
    }

    #[test]
    fn work_items_are_named_in_subject_or_body_and_the_request_is_none() {
        for yes in [
            "Fix #12",
            "ABC-123 add x",
            "Add x (#12)\n\nCloses #3",
            "x\n\nhttps://example.org/a/b/issues/4",
            "fix(PROJ-7): x",
            "x (fixes owner/repo#12)",
            "Merge pull request #1 from a/b\n\nFixes #2",
        ] {
            assert!(has(yes, Marks::ISSUE), "{yes}");
        }
        for no in [
            "Add x (#12)",
            "Use UTF-8 and SHA-256",
            "CVE-2024-1 is no work item",
            "Merge pull request #1 from a/ABC",
            "color #123abc",
            "x-1",
        ] {
            assert!(!has(no, Marks::ISSUE), "{no}");
        }
    }

    #[test]
    fn updates_of_dependencies_say_what_goes_to_which_version() {
        for yes in [
            "Bump serde from 1.0.1 to 1.0.2",
            "chore(deps): update x",
            "build(deps-dev): bump y",
            "Update dependency foo to v2",
            "Upgrade dependencies",
            "fix(deps): update rust crate x to 1",
            "chore: update lock file",
            "feat(container): update image example.org/x (1.2.3 ➔ 1.3.0)",
            "Update golang-packages to v1",
        ] {
            assert!(has(yes, Marks::DEPENDENCY), "{yes}");
        }
        for no in ["Update readme", "bump the cart icon", "Upgrade notes"] {
            assert!(!has(no, Marks::DEPENDENCY), "{no}");
        }
    }

    #[test]
    fn reviewers_stand_in_trailers() {
        assert!(has("x\n\nReviewed-by: A <a@x>", Marks::REVIEWED));
        assert!(!has("x\n\nNobody reviewed it: sadly", Marks::REVIEWED));
    }

    #[test]
    fn a_subject_is_one_printable_line() {
        let long = "é".repeat(300);
        assert_eq!(read(&long, false).subject.chars().count(), 101);
        assert_eq!(
            &*read("a\u{1b}[31m\u{202e}b\r\nc", false).subject,
            "a\u{fffd}[31m\u{fffd}b"
        );
        assert_eq!(&*read("\n\n  a", false).subject, "a");
        assert_eq!(&*read("", false).subject, "");
        let body = format!("a\n{}", "é".repeat(20_000));
        assert_eq!(&*read(&body, false).subject, "a");
    }

    proptest::proptest! {
        #[test]
        fn no_message_breaks_the_reading(message in "\\PC{0,80}\n?\\PC{0,80}", merge: bool) {
            let _ = read(&message, merge);
        }
    }
}
