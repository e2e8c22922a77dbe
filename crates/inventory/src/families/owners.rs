//! Owners: whose files are whose, by really matching the patterns over the files.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use regex::RegexSet;
use serde_json::Value;

use crate::catalogue::{folder_of, is_below, name_of};
use crate::context::Context;
use crate::formats::yaml;
use crate::observation::{Observations, at, at_line};
use crate::reading::lines;

/// The most patterns of one file that are kept.
const MOST: usize = 5_000;

/// Whose rules of reading a file of owners follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    GitHub,
    GitLab,
    /// Gitea and Forgejo: regular expressions.
    Expressions,
}

/// A line of a file of owners.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    pattern: String,
    owned: bool,
    section: usize,
    line: u32,
}

fn is_owner(word: &str) -> bool {
    word.len() > 1
        && (word.starts_with('@')
            || word
                .split_once('@')
                .is_some_and(|(left, right)| !left.is_empty() && right.contains('.')))
}

/// Cuts at blanks that no backslash precedes.
fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                if let Some(next) = letters.next() {
                    if next != ' ' && next != '#' {
                        word.push('\\');
                    }
                    word.push(next);
                }
            }
            ' ' | '\t' => {
                if !word.is_empty() {
                    found.push(std::mem::take(&mut word));
                }
            }
            '#' if word.is_empty() => break,
            letter => word.push(letter),
        }
    }
    if !word.is_empty() {
        found.push(word);
    }
    found
}

fn rules(text: &str, dialect: Dialect) -> Vec<Rule> {
    let mut found = Vec::new();
    let (mut section, mut section_owned) = (0, false);
    for (number, line) in lines(text) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if dialect == Dialect::GitLab && trimmed.trim_start_matches('^').starts_with('[') {
            section += 1;
            section_owned = words(trimmed.rsplit(']').next().unwrap_or_default())
                .iter()
                .any(|word| is_owner(word));
            continue;
        }
        let parts = words(trimmed);
        let Some((pattern, owners)) = parts.split_first() else {
            continue;
        };
        if found.len() < MOST {
            found.push(Rule {
                pattern: pattern.clone(),
                owned: owners.iter().any(|word| is_owner(word)) || (owners.is_empty() && section_owned),
                section,
                line: number,
            });
        }
    }
    found
}

/// The globs of a pattern.
fn globs(pattern: &str, dialect: Dialect) -> Vec<String> {
    let rooted = pattern.starts_with('/');
    let bare = pattern.trim_start_matches('/');
    let folder = bare.ends_with('/');
    let bare = bare.trim_end_matches('/');
    if bare.is_empty() || bare == "*" && !rooted || bare == "**" {
        return vec!["**".to_owned()];
    }
    let inner = bare.contains('/');
    let anchored = rooted || (inner && dialect == Dialect::GitHub);
    let base = if anchored || bare.starts_with("**/") {
        bare.to_owned()
    } else {
        format!("**/{bare}")
    };
    if folder {
        return vec![format!("{base}/**")];
    }
    let last = bare.rsplit('/').next().unwrap_or(bare);
    if last.contains('*') && (inner || rooted) {
        // `docs/*` holds for what is directly there.
        return vec![base];
    }
    vec![base.clone(), format!("{base}/**")]
}

/// Patterns ready to match.
enum Matcher {
    Globs { set: GlobSet, rules: Vec<usize> },
    Expressions { set: RegexSet, negated: Vec<bool> },
}

impl Matcher {
    fn of(rules: &[Rule], dialect: Dialect) -> Self {
        if dialect == Dialect::Expressions {
            let parts: Vec<String> = rules
                .iter()
                .map(|rule| format!("^(?:{})$", rule.pattern.trim_start_matches('!')))
                .collect();
            // An expression that is none matches nothing; the others go on.
            let parts: Vec<String> = parts
                .into_iter()
                .map(|part| {
                    if regex::Regex::new(&part).is_ok() {
                        part
                    } else {
                        "[^\\s\\S]".to_owned()
                    }
                })
                .collect();
            return Self::Expressions {
                set: RegexSet::new(parts).unwrap_or_default(),
                negated: rules.iter().map(|rule| rule.pattern.starts_with('!')).collect(),
            };
        }
        let mut builder = GlobSetBuilder::new();
        let mut of_rule = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            for glob in globs(&rule.pattern, dialect) {
                if let Ok(glob) = GlobBuilder::new(&glob).literal_separator(true).build() {
                    builder.add(glob);
                    of_rule.push(index);
                }
            }
        }
        Self::Globs {
            set: builder.build().unwrap_or_default(),
            rules: of_rule,
        }
    }

    fn matches(&self, path: &str) -> Vec<usize> {
        match self {
            Self::Globs { set, rules } => set
                .matches(path)
                .into_iter()
                .filter_map(|at| rules.get(at).copied())
                .collect(),
            Self::Expressions { set, negated } => set
                .matches(path)
                .into_iter()
                .filter(|at| !negated.get(*at).copied().unwrap_or(false))
                .collect(),
        }
    }
}

/// Whether the rules give a path an owner: in each section the last rule that matches counts.
fn is_owned(rules: &[Rule], matcher: &Matcher, dialect: Dialect, path: &str) -> bool {
    let mut hits = matcher.matches(path);
    if dialect == Dialect::Expressions {
        return hits.iter().any(|at| rules[*at].owned);
    }
    hits.sort_unstable();
    let mut by_section: Vec<(usize, bool)> = Vec::new();
    for rule in hits.into_iter().map(|at| &rules[at]) {
        match by_section.iter_mut().find(|(section, _)| *section == rule.section) {
            Some((_, owned)) => *owned = rule.owned,
            None => by_section.push((rule.section, rule.owned)),
        }
    }
    by_section.into_iter().any(|(_, owned)| owned)
}

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    let gitlab = context.catalogue.has(".gitlab-ci.yml") || context.catalogue.has(".gitlab/CODEOWNERS");
    let places: &[(&str, Dialect)] = &[
        (".github/CODEOWNERS", Dialect::GitHub),
        (".gitlab/CODEOWNERS", Dialect::GitLab),
        (".gitea/CODEOWNERS", Dialect::Expressions),
        (".forgejo/CODEOWNERS", Dialect::Expressions),
        ("CODEOWNERS", if gitlab { Dialect::GitLab } else { Dialect::GitHub }),
        (
            "docs/CODEOWNERS",
            if gitlab { Dialect::GitLab } else { Dialect::GitHub },
        ),
    ];
    let found = places.iter().find(|(path, _)| context.catalogue.has(path));
    if let Some((path, dialect)) = found {
        match context.reader.text(path) {
            Some(text) => {
                let rules = rules(&text, *dialect);
                let first = rules.iter().find(|rule| rule.owned);
                match first {
                    Some(rule) => notes.yes("owners", at_line(path, Some(rule.line), rule.pattern.clone())),
                    None => notes.no("owners", at_line(path, None, "names no owner")),
                }
                let matcher = Matcher::of(&rules, *dialect);
                for file in &mut context.catalogue.files {
                    file.owned = Some(is_owned(&rules, &matcher, *dialect, &file.path));
                }
            }
            None => notes.doubt(&["owners"], &at(path)),
        }
    } else {
        folders(context, &mut notes);
    }
    maintainers(context, &mut notes);
    context.notes = notes;
}

/// `OWNERS` as Kubernetes reads them: a folder and all below it.
fn folders(context: &mut Context<'_>, notes: &mut Observations) {
    let mut owned: Vec<String> = Vec::new();
    let files: Vec<_> = context
        .catalogue
        .named("owners")
        .filter(|file| file.name() == "OWNERS")
        .collect();
    let (files, _) = context.reader.within("files of owners", files, 2_000);
    for file in files {
        let Some(text) = context.reader.text(&file.path) else {
            continue;
        };
        let named = match yaml::first(&text) {
            Ok(Value::Object(members)) => {
                let lists = |value: &Value| {
                    ["approvers", "reviewers"].iter().any(|key| {
                        value
                            .get(key)
                            .and_then(Value::as_array)
                            .is_some_and(|list| !list.is_empty())
                    })
                };
                let whole = Value::Object(members);
                lists(&whole)
                    || whole
                        .get("filters")
                        .and_then(Value::as_object)
                        .is_some_and(|filters| filters.values().any(lists))
            }
            // One address a line, as Chromium writes them.
            _ => lines(&text).any(|(_, line)| is_owner(line.trim()) && !line.trim().contains(' ')),
        };
        if named {
            notes.yes("owners", at(&file.path));
            owned.push(folder_of(&file.path).to_owned());
        }
    }
    if !owned.is_empty() {
        for file in &mut context.catalogue.files {
            file.owned = Some(owned.iter().any(|folder| is_below(&file.path, folder)));
        }
    }
}

/// Lists of maintainers say who owns the whole, not what belongs to whom.
fn maintainers(context: &Context<'_>, notes: &mut Observations) {
    for file in context.catalogue.own() {
        let name = name_of(&file.path);
        if !matches!(folder_of(&file.path), "" | ".github" | "docs")
            || !name.to_ascii_uppercase().starts_with("MAINTAINERS")
        {
            continue;
        }
        if let Some(text) = context.reader.text(&file.path)
            && let Some((line, _)) = lines(&text).find(|(_, line)| line.contains('@') || line.contains("github.com/"))
        {
            notes.yes("owners", at_line(&file.path, Some(line), "maintainers"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{measure, yes};

    fn owned(text: &str, dialect: Dialect, path: &str) -> bool {
        let rules = rules(text, dialect);
        is_owned(&rules, &Matcher::of(&rules, dialect), dialect, path)
    }

    #[test]
    fn patterns_match_as_github_does() {
        let text = "*.js @js # note\n/build/logs/ @ops\ndocs/* docs@example.org\napps/ @apps\n/scripts @s\n**/logs @l\nsecret.js\n";
        for (path, expected) in [
            ("a/b.js", true),
            ("build/logs/x/y", true),
            ("docs/a.md", true),
            ("docs/a/b.md", false),
            ("x/apps/y.go", true),
            ("scripts/a", true),
            ("x/scripts/a", false),
            ("x/logs/a", true),
            ("secret.js", false),
            ("README.md", false),
        ] {
            assert_eq!(owned(text, Dialect::GitHub, path), expected, "{path}");
        }
        assert!(owned("* @all\n", Dialect::GitHub, "deep/in/here"));
        assert!(owned("/a\\ b/ @x\n", Dialect::GitHub, "a b/c"));
    }

    #[test]
    fn sections_of_gitlab_have_owners_of_their_own() {
        let text = "[Docs] @writers\n*.md\n^[Code][2]\nsrc/ @devs\nsrc/none/\n";
        assert!(owned(text, Dialect::GitLab, "x/a.md"));
        assert!(owned(text, Dialect::GitLab, "lib/src/a.rs"));
        assert!(!owned(text, Dialect::GitLab, "src/none/a.rs"));
        assert!(owned("web/.*\\.ts @a\n( @b\n", Dialect::Expressions, "web/x/y.ts"));
    }

    #[test]
    fn coverage_is_counted_over_own_files() {
        let files = [
            (".github/CODEOWNERS", "/src/ @a\n"),
            ("src/a.rs", ""),
            ("src/b.rs", ""),
            ("README.md", ""),
            ("vendor/x.go", ""),
        ];
        let coverage = measure(&files, "owners_coverage").unwrap();
        assert_eq!(coverage.sample, Some(4));
        assert_eq!(coverage.value, evidence::Value::Number(0.5));
        assert!(yes(&files, "owners"));
    }

    #[test]
    fn a_file_that_names_nobody_is_no_file_of_owners() {
        assert!(!yes(&[("CODEOWNERS", "# nobody\n*\n")], "owners"));
        assert!(!yes(&[("src/CODEOWNERS.rs", "")], "owners"));
        assert!(measure(&[("README.md", "")], "owners_coverage").is_none());
        assert!(yes(&[("pkg/OWNERS", "approvers:\n- a\n")], "owners"));
        assert!(!yes(&[("OWNERS", "approvers: [\n")], "owners"));
    }
}
