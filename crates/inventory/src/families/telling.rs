//! What the words of a document speak about: a name or a title alone does not say that something is told.

use std::sync::LazyLock;

use regex::Regex;

use crate::formats::markdown::Section;
use crate::observation::{Observations, at, at_line};
use crate::reading::lines;

/// How many subjects a text about the way of a change speaks of.
const SUBJECTS: usize = 3;

/// How many words it has, besides those about licences and manners.
const FEWEST: usize = 50;

/// How many lines at the beginning of a readme say what state the project is in.
const BEGINNING: usize = 60;

/// What there is to say about the way of a change, with words that speak of it.
#[rustfmt::skip]
const WAY: &[(&str, &[&str])] = &[
    ("tests", &["test", "tests", "testing", "spec", "specs", "pytest", "rspec", "tox"]),
    ("review", &["pull request", "pull requests", "merge request", "merge requests", "patches", "patch", "review", "reviewed", "reviewer", "prs", "pr"]),
    ("build", &["build", "builds", "building", "compile", "lint", "linter", "format", "formatter", "make", "ci"]),
    ("record", &["changelog", "changeset", "changesets", "commit message", "commit messages", "commits", "conventional commits", "sign off", "signed off", "dco", "branch", "branches", "squash", "rebase"]),
    ("release", &["release", "releases", "releasing", "deploy", "deployed", "deployment"]),
    ("planning", &["open an issue", "ticket", "discuss", "rfc", "proposal", "proposals", "issue tracker", "milestone"]),
];

/// What one does to make a release.
#[rustfmt::skip]
const RELEASING: &[&str] = &[
    "tag", "tags", "version", "changelog", "bump", "branch", "publish", "published", "release notes", "artifacts", "announce",
    "sign", "upload", "workflow", "pipeline", "release candidate",
];

/// What those do who keep something running.
#[rustfmt::skip]
const OPERATING: &[&str] = &[
    "alert", "alerts", "rollback", "roll back", "restart", "incident", "incidents", "outage", "backup", "restore", "dashboard",
    "dashboards", "escalate", "on call", "failover", "downtime", "mitigate", "mitigation",
];

/// A text in lower case, words apart by one space, with a space at both ends.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    for word in text.split(|letter: char| !letter.is_alphanumeric()) {
        if !word.is_empty() {
            out.extend(word.chars().flat_map(char::to_lowercase));
            out.push(' ');
        }
    }
    out
}

fn says(plain: &str, word: &str) -> bool {
    plain
        .match_indices(word)
        .any(|(at, _)| plain[..at].ends_with(' ') && plain[at + word.len()..].starts_with(' '))
}

/// Whether a text says what is done to make a release.
pub(super) fn speaks_of_releasing(text: &str) -> bool {
    let plain = plain(text);
    RELEASING.iter().filter(|word| says(&plain, word)).count() >= 2
}

/// Whether a text says what those do who keep something running.
pub(super) fn speaks_of_operating(text: &str) -> bool {
    let plain = plain(text);
    OPERATING.iter().filter(|word| says(&plain, word)).count() >= 2
}

/// Notes that a text touches on deployments or releases: whether it says how cannot be told from its titles.
pub(super) fn perhaps(path: &str, stem: &str, text: &str, notes: &mut Observations) {
    let plain = plain(text);
    let deploys = [
        "deploy",
        "deployed",
        "deploying",
        "deployment",
        "docker compose",
        "docker run",
        "in production",
        "bring up",
    ];
    if deploys.iter().any(|word| says(&plain, word)) {
        notes.doubt(&["deploy_documented"], &at(path));
    }
    if stem != "readme" && (says(&plain, "release") || says(&plain, "releases")) {
        notes.doubt(&["release_documented"], &at(path));
    }
}

/// The subjects of the way of a change that sections speak of, those about licences and manners left out.
fn subjects(sections: &[&Section]) -> (Vec<&'static str>, usize) {
    let apart = |title: &str| {
        let title = title.to_lowercase();
        [
            "licen",
            "conduct",
            "copyright",
            "cla",
            "legal",
            "security",
            "credit",
            "thank",
        ]
        .iter()
        .any(|word| {
            title
                .split(|c: char| !c.is_alphanumeric())
                .any(|own| own.starts_with(word))
        })
    };
    let mut text = String::new();
    let mut words = 0;
    for section in sections.iter().filter(|section| !apart(&section.title)) {
        words += section.words();
        text.push_str(&section.title);
        text.push('\n');
        text.push_str(&section.body);
    }
    let plain = plain(&text);
    let found = WAY
        .iter()
        .filter(|(_, words)| words.iter().any(|word| says(&plain, word)))
        .map(|(subject, _)| *subject)
        .collect();
    (found, words)
}

/// Notes whether a document tells how a change is made, tested, reviewed and brought to its users.
pub(super) fn process(
    path: &str,
    stem: &str,
    near: bool,
    in_docs: bool,
    sections: &[Section],
    notes: &mut Observations,
) {
    let guide = (near || in_docs)
        && (matches!(
            stem,
            "contributing" | "development" | "developing" | "hacking" | "developer-guide" | "developers" | "workflow"
        ) || path.to_lowercase().contains("/contributing/"));
    let for_agents = near && matches!(stem, "agents" | "claude");
    let readme = stem == "readme" && !path.contains('/');
    if !(guide || for_agents || readme) {
        return;
    }
    let all: Vec<&Section> = sections.iter().collect();
    let (found, words) = subjects(&all);
    let enough = found.len() >= SUBJECTS && words >= FEWEST;
    let way = found.contains(&"review") || found.contains(&"record");
    if guide && enough && way {
        notes.yes("process_documented", at_line(path, None, found.join(", ")));
    } else if (readme || for_agents || guide) && words >= FEWEST && found.len() >= 2 {
        // It says something of it: neither a description nor the lack of one.
        notes.doubt(&["process_documented"], &at(path));
    }
}

/// Words by which a project says that it has come to its end.
static RETIRED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^\W*(?:deprecated|deprecation notice|archived|unmaintained|retired|not maintained|obsolete|end of life|discontinued|abandoned)\W*$",
        r"|\b(?:project|repository|repo|package|library|plugin|module|gem|crate|tool|app|application|extension|action|sdk|software)\b[^.]{0,40}?\b(?:is|has been|was) (?:now |officially |also |being )*(?:deprecated|archived|unmaintained|abandoned|retired|discontinued|obsolete|sunset)",
        r"|\bno longer (?:being )?(?:actively )?(?:maintained|developed|in active development|under active development|accepting|updated)\b",
        r"|\bnot (?:being )?(?:actively )?maintained\b|\bin maintenance mode\b|badge/[^)\s]*(?:unmaintained|deprecated|archived)",
        r"|\brepostatus\.org/badges/[^)\s]*(?:abandoned|inactive|unsupported|moved)",
    ))
    .ok()
});

/// Notes whether the beginning of a readme says that the project is no longer worked on.
pub(super) fn retired(path: &str, text: &str, notes: &mut Observations) {
    let Some(pattern) = RETIRED.as_ref() else { return };
    let found = lines(text).take(BEGINNING).find(|(_, line)| pattern.is_match(line));
    if let Some((number, line)) = found {
        notes.yes("retired", at_line(path, Some(number), line.trim()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::yes;

    #[test]
    fn a_guide_that_tells_the_way_of_a_change_counts() {
        let guide = "# Contributing\nFork the repository, make a branch, and run `make test` before you open a pull request. Each change needs a line in the changelog, and a maintainer reviews it. We squash when we merge, and a release is made on the first of each month from what is on main by then.\n";
        assert!(yes(&[("CONTRIBUTING.md", guide)], "process_documented"));
    }

    #[test]
    fn a_guide_of_licences_and_manners_says_nothing_of_the_way() {
        let guide = format!(
            "# Contributing\nIf you would like to contribute code you can do so by forking the repository and sending a pull request. Please follow the style.\n\n## License\n{}",
            "By contributing your code, you agree to license it, and to test or build or release nothing. ".repeat(9)
        );
        assert!(!yes(&[("CONTRIBUTING.md", guide.as_str())], "process_documented"));
        let setup = "# Shop\n## Contributing\nSet up the database with `make db`, run `make test`, and start the server with `make run`. It listens on port 4000 of your machine then, with sample data in it, and shows what it does in the console of the browser.\n";
        let said = crate::testing::measure(&[("README.md", setup)], "process_documented");
        assert!(said.is_none_or(|said| said.value == evidence::Value::Boolean(false)));
    }

    #[test]
    fn a_project_that_says_it_has_ended_is_retired() {
        for text in [
            "# Shop\n\n# Deprecated\nUse another one.\n",
            "# Shop\nShop is no longer in active development.\n",
            "# Shop\n> **This project is no longer maintained.**\n",
            "# Shop\nThis repository has been archived.\n",
        ] {
            assert!(yes(&[("README.md", text)], "retired"), "{text}");
        }
        for text in [
            "# Shop\nThe option `old` is deprecated, take `new`.\n",
            "# Shop\nIt keeps archived orders.\n",
        ] {
            assert!(!yes(&[("README.md", text)], "retired"), "{text}");
        }
    }

    #[test]
    fn words_decide_and_not_parts_of_words() {
        assert!(speaks_of_releasing("Bump the version and push the tag."));
        assert!(!speaks_of_releasing("The vintage aversion of stage plays."));
        assert!(speaks_of_operating("After an alert, restart the service."));
        assert!(!speaks_of_operating("Operations of the API: list, get, put."));
    }
}
