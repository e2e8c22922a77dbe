//! Patterns of files, as a definition writes them.

use std::sync::OnceLock;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// The longest pattern, in bytes: that of a path. The size of what a pattern is compiled to grows with its length, so
/// compiling one that is no longer does not fail.
const LONGEST: usize = 4096;

/// A list of patterns: a path matches when a pattern matches it and no pattern that begins with `!`
/// does. A pattern that names a folder means everything in it.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    takes: Vec<Pattern>,
    leaves: Vec<Pattern>,
}

/// One pattern.
#[derive(Debug, Clone)]
struct Pattern {
    /// The part before the first wildcard, as far as its last `/`: no match lies elsewhere.
    prefix: String,
    matching: Matching,
}

/// How it is found out whether a path matches.
#[derive(Debug, Clone)]
enum Matching {
    /// It has no wildcard: it is this path, or a folder above.
    Literal(String),
    /// It is compiled when the first path is looked at; most definitions are read more often than matched.
    Wild {
        globs: Vec<Glob>,
        compiled: OnceLock<GlobSet>,
    },
}

impl Pattern {
    /// A pattern that has been found to stay within the workspace.
    fn read(text: &str) -> Result<Self, globset::Error> {
        let wildcard = text.find(['*', '?', '[', ']', '{', '}', '\\']);
        let literal = wildcard.unwrap_or(text.len());
        let prefix = text[..literal].rfind('/').map_or("", |slash| &text[..=slash]);
        let matching = if wildcard.is_none() {
            Matching::Literal(text.to_owned())
        } else {
            // A folder means what is in it, so each pattern also matches everything below its matches.
            let both = [text.to_owned(), format!("{}/**", text.trim_end_matches("/**"))];
            let globs = both.map(|text| GlobBuilder::new(&text).literal_separator(true).build());
            Matching::Wild {
                globs: globs.into_iter().collect::<Result<_, _>>()?,
                compiled: OnceLock::new(),
            }
        };
        Ok(Self {
            prefix: prefix.to_owned(),
            matching,
        })
    }

    fn matches(&self, path: &str) -> bool {
        if !path.starts_with(&self.prefix) {
            return false;
        }
        match &self.matching {
            Matching::Literal(literal) => {
                let rest = path.strip_prefix(literal.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Matching::Wild { globs, compiled } => {
                let compile = || {
                    let mut set = GlobSetBuilder::new();
                    for glob in globs {
                        set.add(glob.clone());
                    }
                    set.build().unwrap_or_default()
                };
                compiled.get_or_init(compile).is_match(path)
            }
        }
    }
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
        let mut globs = Self::default();
        for pattern in patterns {
            let wrong = |reason: &str| GlobError {
                glob: pattern.to_owned(),
                reason: reason.to_owned(),
            };
            let (text, side) = match pattern.strip_prefix('!') {
                Some(rest) => (rest, &mut globs.leaves),
                None => (pattern, &mut globs.takes),
            };
            let text = text.trim_start_matches("./").trim_end_matches('/');
            if text.is_empty() {
                return Err(wrong("it is empty"));
            }
            if text.len() > LONGEST {
                return Err(wrong("it is longer than a path can be"));
            }
            if text.starts_with('/') || text.split('/').any(|part| part == "..") {
                return Err(wrong("it leaves the workspace"));
            }
            side.push(Pattern::read(text).map_err(|error| wrong(&error.kind().to_string()))?);
        }
        Ok(globs)
    }

    /// Whether a path, relative to the workspace, is meant.
    pub fn matches(&self, path: &str) -> bool {
        self.takes.iter().any(|pattern| pattern.matches(path))
            && !self.leaves.iter().any(|pattern| pattern.matches(path))
    }

    /// The folders that matches can lie in, with a `/` at the end; the empty text is the workspace.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.takes.iter().map(|pattern| pattern.prefix.as_str())
    }

    /// Where matches can lie, without a `/` at the end: for a pattern without wildcards the path itself and what is
    /// below it, else the folder before the first one; the empty text is the workspace.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.takes.iter().map(|pattern| match &pattern.matching {
            Matching::Literal(path) if path.split('/').all(|part| !matches!(part, "" | ".")) => path.as_str(),
            _ => pattern.prefix.trim_end_matches('/'),
        })
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
        assert!(matches(&["src/a.rs"], "src/a.rs"));
        assert!(matches(&["s?c"], "src/a.rs") && !matches(&["s?c"], "src2/a.rs"));
    }

    #[test]
    fn matches_lie_where_a_pattern_begins() {
        let globs = Globs::new(["a/b", "./c/", "d/*.o", "*.a", "e//f", "!a/b/x"]).unwrap();
        assert_eq!(globs.places().collect::<Vec<_>>(), ["a/b", "c", "d", "", "e"]);
    }

    #[test]
    fn an_exclamation_mark_leaves_files_out() {
        assert!(!matches(&["src", "!src/**/*.md"], "src/a/README.md"));
        assert!(matches(&["src", "!src/**/*.md"], "src/a/lib.rs"));
        assert!(!matches(&["**", "!target"], "target/debug/x"));
        assert!(!matches(&["**", "!target/*"], "target/debug/x"));
    }

    #[test]
    fn what_leaves_the_workspace_or_is_no_pattern_is_refused() {
        for pattern in ["/etc/passwd", "../x", "a/../../b", "", "!", "src/[", "!/x"] {
            assert!(Globs::new([pattern]).is_err(), "{pattern}");
        }
        let long = "a".repeat(LONGEST + 1);
        assert!(Globs::new([long.as_str()]).is_err());
    }

    #[test]
    fn the_longest_pattern_is_compiled() {
        for part in ["{a,b}", "[!a]", "?", "**/", "*a"] {
            let pattern = part.repeat(LONGEST / part.len());
            let mut both = GlobSetBuilder::new();
            let Matching::Wild { globs, .. } = Pattern::read(pattern.trim_end_matches('/')).unwrap().matching else {
                panic!("{part} is a wildcard")
            };
            for glob in globs {
                both.add(glob);
            }
            assert!(both.build().is_ok(), "{part}");
        }
    }
}
