//! Patterns of files, as a definition writes them.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A list of patterns: a path matches when a pattern matches it and no pattern that begins with `!`
/// does. A pattern that names a folder means everything in it.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    takes: Vec<Taking>,
    leaves: GlobSet,
}

/// One pattern that takes files, and where its matches can lie.
#[derive(Debug, Clone)]
struct Taking {
    /// The part before the first wildcard, as far as its last `/`: no match lies elsewhere.
    prefix: String,
    matcher: GlobSet,
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is no pattern of files: {reason}")]
pub struct GlobError {
    /// The pattern.
    pub glob: String,
    /// Why not.
    pub reason: String,
}

impl Globs {
    /// Reads patterns; `*` stays within a folder, `**` goes through folders.
    ///
    /// # Errors
    /// The first pattern that cannot be read, is empty, absolute, or climbs with `..`.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, GlobError> {
        let mut takes = Vec::new();
        let mut leaves = GlobSetBuilder::new();
        for pattern in patterns {
            let wrong = |reason: &str| GlobError {
                glob: pattern.to_owned(),
                reason: reason.to_owned(),
            };
            let (text, leave) = match pattern.strip_prefix('!') {
                Some(rest) => (rest, true),
                None => (pattern, false),
            };
            let text = text.trim_start_matches("./").trim_end_matches('/');
            if text.is_empty() {
                return Err(wrong("it is empty"));
            }
            if text.starts_with('/') || text.split('/').any(|part| part == "..") {
                return Err(wrong("it leaves the workspace"));
            }
            let mut both = GlobSetBuilder::new();
            // A folder means what is in it, so each pattern also matches everything below its matches.
            for text in [text.to_owned(), format!("{}/**", text.trim_end_matches("/**"))] {
                let glob = GlobBuilder::new(&text).literal_separator(true).build();
                let glob = glob.map_err(|error| wrong(&error.kind().to_string()))?;
                both.add(glob.clone());
                if leave {
                    leaves.add(glob);
                }
            }
            if !leave {
                let literal = text.find(['*', '?', '[', '{']).unwrap_or(text.len());
                let prefix = match text[..literal].rfind('/') {
                    Some(slash) => &text[..=slash],
                    None => "",
                };
                takes.push(Taking {
                    prefix: prefix.to_owned(),
                    matcher: both.build().map_err(|error| wrong(&error.to_string()))?,
                });
            }
        }
        let leaves = leaves.build().map_err(|error| GlobError {
            glob: String::new(),
            reason: error.to_string(),
        })?;
        Ok(Self { takes, leaves })
    }

    /// Whether a path, relative to the workspace, is meant.
    pub fn matches(&self, path: &str) -> bool {
        let taken = |taking: &Taking| path.starts_with(&taking.prefix) && taking.matcher.is_match(path);
        self.takes.iter().any(taken) && !self.leaves.is_match(path)
    }

    /// The folders that matches can lie in, with a `/` at the end; the empty text is the workspace.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.takes.iter().map(|taking| taking.prefix.as_str())
    }

    /// Whether no pattern takes anything.
    pub fn is_empty(&self) -> bool {
        self.takes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &[&str], path: &str) -> bool {
        Globs::new(patterns.iter().copied()).unwrap().matches(path)
    }

    #[test]
    fn a_folder_means_what_is_in_it_and_a_star_stays_within_one() {
        assert!(matches(&["src"], "src/a/b.rs"));
        assert!(matches(&["./src/"], "src/b.rs"));
        assert!(matches(&["*.rs"], "a.rs"));
        assert!(!matches(&["*.rs"], "src/a.rs"));
        assert!(matches(&["**/*.rs"], "src/a.rs") && matches(&["**/*.rs"], "a.rs"));
        assert!(matches(&["src/**"], "src/a/b.rs"));
        assert!(!matches(&["src"], "src2/a.rs"));
    }

    #[test]
    fn an_exclamation_mark_leaves_files_out() {
        assert!(!matches(&["src", "!src/**/*.md"], "src/a/README.md"));
        assert!(matches(&["src", "!src/**/*.md"], "src/a/lib.rs"));
        assert!(!matches(&["**", "!target"], "target/debug/x"));
    }

    #[test]
    fn what_leaves_the_workspace_or_is_no_pattern_is_refused() {
        for pattern in ["/etc/passwd", "../x", "a/../../b", "", "!", "src/[", "!/x"] {
            assert!(Globs::new([pattern]).is_err(), "{pattern}");
        }
    }
}
