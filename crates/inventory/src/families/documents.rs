//! Documents: what is written down for those who work on the product and operate it.

use std::sync::LazyLock;

use regex::Regex;

use super::telling;
use crate::catalogue::{FileFact, folder_of, name_of};
use crate::context::Context;
use crate::formats::markdown::{self, Section};
use crate::known::Names;
use crate::observation::{Observations, at, at_line};
use crate::reading::{line_of, lines};

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&[".github/issue_template/*", ".github/pull_request_template/*"], "templates", "github"),
    (&["pull_request_template*", "issue_template*"], "templates", "github"),
    (&[".gitlab/issue_templates/*", ".gitlab/merge_request_templates/*"], "templates", "gitlab"),
    (&[".well-known/security.txt"], "security_policy", "security.txt"),
];

/// The most documents that are read.
const MOST: usize = 1_200;

fn is_document(path: &str) -> bool {
    let small = path.to_ascii_lowercase();
    [".md", ".rst", ".adoc", ".mdx", ".asciidoc", ".markdown"]
        .iter()
        .any(|ending| small.ends_with(ending))
}

/// A name without its ending, in lower case, with one kind of dash.
fn stem(path: &str) -> String {
    let name = name_of(path).to_ascii_lowercase();
    name.split('.').next().unwrap_or(&name).replace(['_', ' '], "-")
}

/// Words of a title in lower case.
fn title_words(title: &str) -> Vec<String> {
    title
        .to_lowercase()
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    let plain = |file: &FileFact| {
        let stem = stem(&file.path);
        !file.path.contains('.')
            || file.path.ends_with(".txt")
                && [
                    "readme",
                    "license",
                    "licence",
                    "copying",
                    "changelog",
                    "changes",
                    "news",
                    "history",
                    "contributing",
                ]
                .contains(&stem.as_str())
    };
    let all: Vec<&FileFact> = context
        .catalogue
        .own()
        .filter(|file| {
            (is_document(&file.path)
                || (folder_of(&file.path).is_empty() && (plain(file) || !name_of(&file.path).contains('.'))))
                && file.language.is_none()
        })
        .collect();
    let mut sorted = all;
    sorted.sort_by_key(|file| (file.path.matches('/').count(), file.path.len()));
    let rest = sorted.len() > MOST;
    for file in sorted.iter().take(MOST) {
        one(context, file, &mut notes);
    }
    if rest {
        context.reader.limit(&format!(
            "of {} documents the {MOST} nearest to the root were read",
            sorted.len()
        ));
        let unread = [
            "release_documented",
            "deploy_documented",
            "runbook",
            "process_documented",
        ];
        notes.doubt(&unread, &at(""));
    }
    fragments(context, &mut notes);
    context.notes = notes;
}

fn one(context: &Context<'_>, file: &FileFact, notes: &mut Observations) {
    let path = file.path.as_str();
    let stem = stem(path);
    let folder = folder_of(path).to_ascii_lowercase();
    let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let in_docs = parts
        .first()
        .is_some_and(|part| matches!(*part, "docs" | "doc" | "documentation" | "wiki" | "guides" | "handbook"));
    let near = parts.is_empty() || matches!(parts.as_slice(), [".github" | "docs" | "doc" | ".gitlab" | "meta"]);
    if matches!(
        stem.as_str(),
        "license" | "licence" | "copying" | "unlicense" | "licenses"
    ) || stem.starts_with("license-")
        || stem.starts_with("licence-")
        || stem.starts_with("copying-")
    {
        notes.yes("license", at(path));
        return;
    }
    if in_docs && is_document(path) {
        notes.yes("docs", at(path));
    }
    if parts.iter().any(|part| matches!(*part, ".github")) && parts.len() > 1 {
        return;
    }
    if !is_document(path)
        && !matches!(
            stem.as_str(),
            "readme"
                | "changelog"
                | "changes"
                | "news"
                | "history"
                | "contributing"
                | "hacking"
                | "install"
                | "releases"
                | "maintaining"
        )
    {
        return;
    }
    let Some(text) = context.reader.glance(path) else {
        return;
    };
    if matches!(
        stem.as_str(),
        "changelog" | "changes" | "history" | "news" | "release-notes" | "releasenotes" | "releases" | "change-log"
    ) || stem.starts_with("changelog-")
    {
        changelog(path, &text, notes);
        return;
    }
    let sections = markdown::sections(&text);
    let words: usize = sections.iter().map(Section::words).sum();
    match stem.as_str() {
        "readme" if words >= 8 => notes.yes("readme", at(path)),
        "contributing" | "development" | "developing" | "hacking" | "developer-guide" | "developers"
            if (near || in_docs) && words >= 15 =>
        {
            notes.yes("contributing", at(path));
        }
        "security" if near && words >= 8 => notes.yes("security_policy", at(path)),
        _ => {}
    }
    if near && (stem == "readme" || stem.starts_with("maintain")) {
        telling::perhaps(path, &stem, &text, notes);
    }
    telling::process(path, &stem, near, in_docs, &sections, notes);
    if parts.is_empty() && stem == "readme" {
        telling::retired(path, &text, notes);
    }
    if matches!(
        stem.as_str(),
        "releasing"
            | "release"
            | "release-process"
            | "releases-process"
            | "how-to-release"
            | "release-checklist"
            | "publishing"
            | "maintaining"
            | "release-guide"
    ) && words >= 25
        && telling::speaks_of_releasing(&text)
        && (stem != "maintaining" || text.to_lowercase().contains("release"))
        && !of_product(&parts)
    {
        notes.yes("release_documented", at(path));
    }
    let by_name = matches!(
        stem.as_str(),
        "deploy"
            | "deploying"
            | "deployment"
            | "deployments"
            | "self-hosting"
            | "production"
            | "hosting"
            | "how-to-deploy"
            | "deployment-guide"
    );
    let by_folder = in_docs
        && parts
            .iter()
            .any(|part| matches!(*part, "deploy" | "deployment" | "deploying" | "self-hosting"));
    if (by_name || by_folder) && words >= 25 && !of_product(&parts) {
        notes.yes("deploy_documented", at(path));
    }
    runbook(path, &stem, &parts, words, &text, notes);
    decision(path, &stem, &parts, &sections, notes);
    headings(path, &stem, &sections, notes);
}

/// Whether a document lies among the sources: a page that the product shows, not one about the product.
fn of_product(parts: &[&str]) -> bool {
    parts.iter().any(|part| {
        matches!(
            *part,
            "lib" | "src" | "app" | "priv" | "templates" | "pages" | "content" | "resources" | "static" | "views"
        )
    })
}

fn runbook(path: &str, stem: &str, parts: &[&str], words: usize, text: &str, notes: &mut Observations) {
    let folder = |names: &[&str]| parts.iter().any(|part| names.contains(part));
    let named = folder(&["runbook", "runbooks", "run-books", "on-call", "oncall"])
        || stem.contains("runbook")
        || stem.contains("run-book")
        || matches!(
            stem,
            "on-call" | "oncall" | "incident-response" | "incident-process" | "disaster-recovery"
        );
    // Words that stand for other things as well: what is written has to be about running it.
    let perhaps = folder(&["playbooks", "incidents", "operations"])
        || matches!(stem, "playbook" | "operations" | "operations-guide" | "operating");
    if words >= 20 && (named || perhaps && telling::speaks_of_operating(text)) && !of_product(parts) {
        notes.yes("runbook", at(path));
    }
}

/// Records of decisions: numbered, in a folder of them, with the parts such a record has.
fn decision(path: &str, stem: &str, parts: &[&str], sections: &[Section], notes: &mut Observations) {
    let folder = parts.iter().any(|part| {
        matches!(
            *part,
            "adr"
                | "adrs"
                | "decisions"
                | "decision-records"
                | "architecture-decisions"
                | "architecture-decision-records"
                | "decision"
                | "architectural-decisions"
                | "decision_records"
                | "design-decisions"
        )
    });
    let proposals = parts
        .iter()
        .any(|part| matches!(*part, "rfc" | "rfcs" | "proposals" | "teps" | "keps" | "proposal"));
    if !(folder || proposals) || matches!(stem, "readme" | "index" | "template") || stem.contains("template") {
        return;
    }
    let titles: Vec<String> = sections.iter().map(|section| section.title.to_lowercase()).collect();
    let has = |words: &[&str]| titles.iter().any(|title| words.iter().any(|word| title.contains(word)));
    let record = has(&["decision", "outcome", "resolution"])
        && (has(&["context", "problem", "background"]) || has(&["status", "consequence"]));
    let proposal = has(&["alternative", "drawback", "rationale", "design"])
        && has(&["motivation", "summary", "proposal", "goals", "background"]);
    let numbered = stem.starts_with(|letter: char| letter.is_ascii_digit()) || stem.starts_with("adr-");
    if folder && (record || numbered) || proposals && proposal {
        notes.yes("decision_records", at(path));
    }
}

/// Sections of documents that say how to release, deploy, contribute.
fn headings(path: &str, stem: &str, sections: &[Section], notes: &mut Observations) {
    let depth = path.matches('/').count();
    // A readme of the documentation says how that is deployed.
    let of_site =
        stem == "readme" && (path.starts_with("doc") || path.starts_with("site/") || path.starts_with("website/"));
    let guide = matches!(stem, "readme" | "contributing")
        || depth <= 1
            && ["maintain", "develop", "releas", "hacking", "publish"]
                .iter()
                .any(|word| stem.starts_with(word));
    if stem.contains("template")
        || path.contains("blog/")
        || path.contains("versioned_docs")
        || of_site
        || !(guide || depth <= 1)
    {
        return;
    }
    for section in sections {
        let title = title_words(&section.title);
        let words = section.words();
        if title.is_empty() || title.len() > 7 || words < 15 {
            continue;
        }
        let has = |words: &[&str]| title.iter().any(|word| words.contains(&word.as_str()));
        let begins = |words: &[&str]| words.contains(&title[0].as_str());
        let place = || at_line(path, Some(section.line), section.title.clone());
        let releases = has(&["release", "releases", "releasing", "publish", "publishing"])
            && (begins(&[
                "releasing",
                "publishing",
                "making",
                "make",
                "cutting",
                "cut",
                "creating",
                "create",
                "performing",
                "doing",
                "how",
            ]) || has(&["process", "workflow", "procedure", "steps", "checklist"])
                || title.len() == 1 && !has(&["releases"]));
        let of_another = has(&[
            "notes",
            "latest",
            "history",
            "schedule",
            "changelog",
            "custom",
            "config",
            "assets",
            "your",
        ]);
        if guide && releases && !of_another && telling::speaks_of_releasing(&section.body) {
            notes.yes("release_documented", place());
        }
        let deploys = begins(&["deploy", "deploying", "deployment", "deployments", "deploys"])
            || has(&["deploy", "deploying", "deployment"])
                && begins(&["how", "production", "building", "automated", "manual"])
            || title == ["self", "hosting"]
            || has(&["production"]) && begins(&["running", "run", "installation", "going"]);
        if deploys
            && title.len() <= 6
            && !has(&[
                "documentation",
                "docs",
                "preview",
                "previews",
                "key",
                "keys",
                "status",
                "event",
                "events",
                "button",
                "your",
                "locally",
                "local",
                "models",
            ])
        {
            notes.yes("deploy_documented", place());
        }
        if has(&["runbook", "runbooks"]) && words >= 20 {
            notes.yes("runbook", place());
        }
        if stem == "readme"
            && has(&[
                "contributing",
                "contribute",
                "development",
                "developing",
                "contributions",
                "hacking",
            ])
            && words >= 20
        {
            notes.yes("contributing", place());
        }
    }
}

/// A line that begins the part of one version or day.
static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:#+|=+|\*|-|v|version|release)?\s*\**\[?(?:[a-z@/_-]+[ @-])?v?\d+\.\d+|^#+\s*\[?unreleased|^#+.*\d{4}-\d{2}-\d{2}|^\d{4}-\d{2}-\d{2}").ok()
});

fn changelog(path: &str, text: &str, notes: &mut Observations) {
    let Some(version) = VERSION.as_ref() else { return };
    let found = lines(text).find(|(_, line)| version.is_match(line.trim_start()));
    match found {
        Some((number, line)) => notes.yes("changelog", at_line(path, Some(number), line.trim())),
        None => notes.no("changelog", at_line(path, None, "names no version")),
    }
}

/// Pieces of changelogs, a file for each change.
fn fragments(context: &Context<'_>, notes: &mut Observations) {
    for file in context.catalogue.own() {
        let folder = folder_of(&file.path);
        let place = name_of(folder);
        let is = matches!(
            place,
            "changelog.d"
                | "newsfragments"
                | ".changeset"
                | ".changes"
                | "changelogs"
                | ".changelog"
                | "unreleased"
                | "changelog_entries"
        ) || folder.contains("changelogs/unreleased")
            || folder.contains(".changes/unreleased");
        let stem = stem(&file.path);
        if is
            && stem != "readme"
            && stem != "config"
            && !stem.is_empty()
            && ["md", "rst", "txt", "yml", "yaml", "feature", "bugfix", "toml"]
                .contains(&file.path.rsplit('.').next().unwrap_or_default())
        {
            notes.yes("changelog", at(&file.path));
        }
    }
    for path in [
        ".changeset/config.json",
        "changelog.d/README.md",
        "newsfragments/README.rst",
    ] {
        if context.catalogue.has(path) {
            notes.yes("changelog", at(path));
        }
    }
    for path in ["debian/changelog"] {
        if context.catalogue.has(path) {
            let line = context.reader.glance(path).and_then(|text| line_of(&text, "("));
            notes.yes("changelog", at_line(path, line, "debian"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, yes};

    const PROSE: &str = "Tag the commit, push the tag, wait for the build, and tell everybody that a new version is there to use now.\n\nThen look at the graphs for an hour and write down what was strange about them.\n";

    #[test]
    fn sections_that_say_how_count() {
        let readme = format!(
            "# Shop\nIt sells many things to many people every day.\n\n## Releasing\n{PROSE}\n## Deployment\n{PROSE}\n## Contributing\n{PROSE}"
        );
        let files = [
            ("README.md", readme.as_str()),
            ("LICENSE", "Apache"),
            ("CHANGELOG.md", "# Changes\n## 1.2.0\n- a\n"),
            (
                "docs/adr/0001-use-rust.md",
                "# Use Rust\n## Status\nAccepted\n## Context\nx\n## Decision\ny\n",
            ),
            ("docs/runbook.md", PROSE),
            (".github/PULL_REQUEST_TEMPLATE.md", "What\n"),
        ];
        for name in [
            "readme",
            "license",
            "release_documented",
            "deploy_documented",
            "contributing",
            "changelog",
            "templates",
        ] {
            assert!(yes(&files, name), "{name}");
        }
        assert_eq!(count(&files, "decision_records"), 1);
        assert!(yes(&files, "runbook"));
    }

    #[test]
    fn titles_without_content_and_names_that_only_sound_so_do_not_count() {
        let files = [
            ("README.md", "# Shop\n\n## Releases\nSee the list.\n\n## Deploy\n"),
            ("CHANGELOG.md", "See the releases page.\n"),
            ("docs/decisions.md", "We decide together.\n"),
            ("docs/adr/template.md", "## Decision\n## Context\n"),
        ];
        for name in [
            "readme",
            "release_documented",
            "deploy_documented",
            "contributing",
            "changelog",
            "runbook",
            "license",
        ] {
            let said = measure(&files, name).is_some_and(|said| said.value == evidence::Value::Boolean(true));
            assert!(!said, "{name}");
        }
        assert_eq!(count(&files, "decision_records"), 0);
    }
}
