//! Versions: names of packages, as pure functions of the commit graph.
//!
//! A version depends on the commits behind a commit, their tags, and the name of the line, and on
//! nothing else: not on the time, not on where other branches are. Its rules:
//!
//! - Every commit has a version of its own, and it is greater than those of all commits behind it. So
//!   versions of a line only rise, however it was merged or fast-forwarded.
//! - [`Scheme::Semantic`]: the step from any commit behind to this one is at least what the conventional
//!   commits between them ask for: breaking (`!` or `BREAKING CHANGE:`) the major number, `feat` the minor,
//!   anything else the patch. While the major number is 0, breaking raises the minor. The first commit is
//!   0.1.0. A tag such as `v2.0.0` on a commit, or a footer `Release-As: 2.0.0`, gives the commit that
//!   version, unless it would go back; so does one leave 0.x.
//! - [`Scheme::Calendar`]: `year.month.count`, in UTC: the month is the latest of the commits' dates so
//!   far, the count is the commit's place in the month.
//! - On the main line the version stands alone. On any other line it is a pre-release that names the line
//!   and the commit's place, counted along the longest way from a first commit: `1.4.0-login.57`. A line whose name ends in a range, such as `release/2.x`
//!   or `release/2.4.x`, stays within that range: steps that would leave it become smaller, tags beyond it
//!   do not count.
//!
//! A rewritten branch can give a version again that was claimed before, or one that would go back;
//! [`after`] then gives the next one.
//!
//! Of several components in one repository each has a graph of its own, in which a commit counts as much as it
//! concerns the component ([`Weight`]).
//!
//! A [`Graph`] remembers what it found out, so that the version of a new commit costs as much as is new.

mod calendar;
pub mod conventional;
mod graph;
mod semantic;

use facts::{Commit, ReleaseLine, Version};
use semver::{BuildMetadata, Prerelease};
use serde::{Deserialize, Serialize};

pub use graph::{Graph, GraphError, HistoryCommit, Weight};

use graph::Rule;

/// How versions are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Semantic versions from conventional commits.
    Semantic,
    /// Year, month and count.
    Calendar,
}

/// The three numbers of a version.
pub type Numbers = (u64, u64, u64);

impl Graph {
    /// The version of `commit` on `line`, when `main` is the main line.
    ///
    /// # Errors
    /// When the commit is not in the graph.
    pub fn version(
        &mut self,
        commit: &Commit,
        scheme: Scheme,
        line: &ReleaseLine,
        main: &ReleaseLine,
    ) -> Result<Version, GraphError> {
        let range = Some(line)
            .filter(|line| *line != main)
            .and_then(semantic::Range::of_line);
        let (numbers, place) = match scheme {
            Scheme::Semantic => {
                let (numbers, place) = self.numbers(commit, Rule::Semantic(range))?;
                (range.map_or(numbers, |range| range.at_least(numbers)), place)
            }
            Scheme::Calendar => self.numbers(commit, Rule::Calendar)?,
        };
        let (major, minor, patch) = numbers;
        let text = if line == main {
            format!("{major}.{minor}.{patch}")
        } else {
            format!("{major}.{minor}.{patch}-{}.{place}", slug(line))
        };
        Version::new(text).map_err(|_| GraphError::Unknown(commit.clone()))
    }
}

/// `computed`, or if it does not come after `last`, the smallest version of its kind that does. `last`
/// is the version claimed last on the same line; texts that are no semantic versions are left alone.
pub fn after(computed: &Version, last: &Version) -> Version {
    let (Ok(wanted), Ok(last)) = (
        semver::Version::parse(computed.as_str()),
        semver::Version::parse(last.as_str()),
    ) else {
        return computed.clone();
    };
    if wanted > last {
        return computed.clone();
    }
    let mut next = semver::Version {
        build: BuildMetadata::EMPTY,
        ..last.clone()
    };
    match (wanted.pre.is_empty(), last.pre.is_empty()) {
        (true, true) => next.patch += 1,
        // `1.4.0-login.5` comes before `1.4.0`.
        (true, false) => next.pre = Prerelease::EMPTY,
        (false, true) => {
            next.patch += 1;
            next.pre = wanted.pre;
        }
        (false, false) => {
            let text = last.pre.as_str();
            let counted = match text.rsplit_once('.') {
                Some((name, count)) => count.parse::<u64>().ok().map(|count| format!("{name}.{}", count + 1)),
                None => None,
            };
            let text = counted.unwrap_or_else(|| format!("{text}.1"));
            next.pre = Prerelease::new(&text).unwrap_or(last.pre);
        }
    }
    Version::new(next.to_string()).unwrap_or_else(|_| computed.clone())
}

/// A line's name as one identifier of a pre-release: letters, digits and `-`.
fn slug(line: &ReleaseLine) -> String {
    let mut slug: String = line
        .as_str()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    if slug.len() > 40 {
        slug.truncate(33);
        slug.push('-');
        slug.push_str(&facts::Digest::of(line.as_str()).short()[..6]);
    }
    // Digits alone would be a number, which sorts otherwise and has no leading zeros.
    if slug.bytes().all(|b| b.is_ascii_digit()) {
        slug.insert_str(0, "line-");
    }
    slug
}

#[cfg(test)]
mod tests;
