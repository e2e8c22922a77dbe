//! What packages and files with well-known names say, as tables: each family brings its own, and one
//! pass over manifests and names reads them all.

use std::collections::HashMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::context::Context;
use crate::manifests::Ecosystem;
use crate::observation::{at, at_line};

/// Packages of an ecosystem, the measure they speak for, and the word they add to it. A name that ends
/// in `*` stands for all that begin so. Packages of the same repository do not count.
pub(crate) type Packages = &'static [(Ecosystem, &'static [&'static str], &'static str, &'static str)];

/// Names of files in lower case (`*` stands for any run of letters; with a slash, the end of a path),
/// the measure they speak for, and the word.
pub(crate) type Names = &'static [(&'static [&'static str], &'static str, &'static str)];

/// The end of a path that must fit, the measure and the word.
type Row = (Option<&'static str>, &'static str, &'static str);

/// Writes what all tables say about the manifests.
pub(crate) fn look_at_packages(context: &mut Context<'_>, tables: &[Packages]) {
    let mut exact: HashMap<(Ecosystem, &str), Vec<(&'static str, &'static str)>> = HashMap::new();
    let mut begins: Vec<(Ecosystem, &str, &'static str, &'static str)> = Vec::new();
    for (ecosystem, names, measure, word) in tables.iter().copied().flatten() {
        for name in *names {
            match name.strip_suffix('*') {
                Some(prefix) => begins.push((*ecosystem, prefix, measure, word)),
                None => exact.entry((*ecosystem, name)).or_default().push((measure, word)),
            }
        }
    }
    for manifest in &context.manifests.all {
        for dependency in manifest.dependencies.iter().filter(|dependency| !dependency.local) {
            let name = dependency.name.as_str();
            if manifest.name.as_deref() == Some(name) {
                continue;
            }
            let by_name = exact.get(&(manifest.ecosystem, name)).into_iter().flatten().copied();
            let by_beginning = begins
                .iter()
                .filter(|(ecosystem, prefix, ..)| *ecosystem == manifest.ecosystem && name.starts_with(prefix))
                .map(|(_, _, measure, word)| (*measure, *word));
            for (measure, word) in by_name.chain(by_beginning) {
                context
                    .notes
                    .word(measure, word, at_line(&manifest.path, dependency.line, name));
            }
        }
    }
}

/// Writes what all tables say about names of files.
pub(crate) fn look_at_names(context: &mut Context<'_>, tables: &[Names]) {
    let mut patterns = GlobSetBuilder::new();
    let mut rows: Vec<Row> = Vec::new();
    let mut exact: HashMap<&str, Vec<Row>> = HashMap::new();
    for (names, measure, word) in tables.iter().copied().flatten() {
        for name in *names {
            let (end, last) = match name.rsplit_once('/') {
                Some((_, last)) => (Some(*name), last),
                None => (None, *name),
            };
            if last.contains('*') {
                if let Ok(glob) = GlobBuilder::new(last).literal_separator(true).build() {
                    patterns.add(glob);
                    rows.push((end, measure, word));
                }
            } else {
                exact.entry(last).or_default().push((end, measure, word));
            }
        }
    }
    let patterns: GlobSet = patterns.build().unwrap_or_default();
    let mut found: Vec<(&'static str, &'static str, String)> = Vec::new();
    for (name, files) in context.catalogue.names() {
        let mut matched: Vec<Row> = exact.get(name).cloned().unwrap_or_default();
        matched.extend(
            patterns
                .matches(name)
                .into_iter()
                .filter_map(|row| rows.get(row).copied()),
        );
        if matched.is_empty() {
            continue;
        }
        for file in files.filter(|file| !file.path.starts_with(".github/workflows/")) {
            for (end, measure, word) in &matched {
                if end.is_none_or(|end| ends_with_path(&file.path, end)) {
                    found.push((measure, word, file.path.clone()));
                }
            }
        }
    }
    found.sort_by(|a, b| {
        a.2.matches('/')
            .count()
            .cmp(&b.2.matches('/').count())
            .then_with(|| a.2.cmp(&b.2))
    });
    for (measure, word, path) in found {
        context.notes.word(measure, word, at(&path));
    }
}

/// Whether a path ends in another one, part by part, whatever the case; the last part may have been
/// matched as a pattern already.
fn ends_with_path(path: &str, end: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let mut have = path.rsplit('/');
    let mut want = end.rsplit('/');
    have.next();
    want.next();
    want.all(|part| {
        let has = have.next();
        has == Some(part) || (part == "*" && has.is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_in_another_part_by_part() {
        assert!(ends_with_path("a/.github/renovate.json", ".github/renovate.json"));
        assert!(!ends_with_path("a/my.github/renovate.json", ".github/renovate.json"));
        assert!(!ends_with_path("renovate.json", ".github/renovate.json"));
    }
}
