//! Tags named like versions.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

/// What a tag's name says of the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// What stands before the number, as `cart` in `cart-v1.2.0` or `@shop/cart` in `@shop/cart@1.2.0`.
    pub of: Option<String>,
    /// The numbers.
    pub numbers: Vec<u64>,
    /// What stands behind them, in lower case.
    pub rest: String,
    /// Whether it is a pre-release.
    pub is_pre: bool,
    /// Whether it is named a hotfix.
    pub is_hotfix: bool,
}

/// How a version is formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Semver,
    Calendar,
    Other,
}

impl Scheme {
    pub fn word(self) -> &'static str {
        match self {
            Self::Semver => "semver",
            Self::Calendar => "calendar",
            Self::Other => "other",
        }
    }
}

#[expect(clippy::expect_used, reason = "the pattern is a constant, and tests use it")]
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)^
        (?:(?P<of>[^\s]*?[^\s\d._/@-][^\s]*?)[-_/@.]+)??
        (?P<v>(?:v|V|r|R|rel|version|ver)[-_.]?)?
        (?P<numbers>\d+(?:[._]\d+){0,4})
        (?P<rest>(?:[-._+~]?[A-Za-z+~-].*)?(?:-\d+)?)$",
    )
    .expect("a constant pattern")
});

/// What stands before versions without naming a component.
const PLAIN: &[&str] = &[
    "deploy",
    "deployment",
    "live",
    "prod",
    "production",
    "rel",
    "release",
    "releases",
    "stable",
    "tag",
    "tags",
    "ver",
    "version",
    "versions",
];

/// What stands behind the numbers of a version that is no pre-release.
const FINAL: &[&str] = &[
    "final", "ga", "release", "lts", "post", "hotfix", "patch", "stable", "sp", "build", "p",
];

/// Reads a tag's name; nothing when it is no version: at least two numbers, or one behind a `v`, or a day.
pub(crate) fn read(tag: &str) -> Option<Version> {
    if !tag.bytes().any(|byte| byte.is_ascii_digit()) || tag.len() > 200 {
        return None;
    }
    let found = FORM.captures(tag)?;
    let numbers: Vec<u64> = found["numbers"]
        .split(['.', '_'])
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    if let [single] = numbers.as_slice() {
        let is_day = is_day(*single);
        if !is_day && (found.name("v").is_none() || *single > 9_999) {
            return None;
        }
    }
    let of = found.name("of").map(|of| of.as_str());
    let of = of.filter(|of| !PLAIN.contains(&of.to_lowercase().as_str()));
    let rest = found["rest"].to_lowercase();
    let word: String = rest
        .trim_start_matches(|c: char| !c.is_alphabetic())
        .chars()
        .take_while(|c| c.is_alphabetic())
        .collect();
    let is_build = rest.starts_with('+') || word.is_empty();
    Some(Version {
        of: of.map(str::to_owned),
        numbers,
        is_pre: !is_build && !FINAL.contains(&word.as_str()),
        is_hotfix: rest.contains("hotfix") || of.is_some_and(|of| of.eq_ignore_ascii_case("hotfix")),
        rest,
    })
}

fn is_day(number: u64) -> bool {
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    (1990..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

impl Version {
    /// How it is formed, given the year in which it was made: three numbers are semantic, unless the first
    /// one is the year (in full, or its last two digits with a month behind).
    pub fn scheme(&self, year: i16) -> Scheme {
        let year = u64::try_from(year).unwrap_or(0);
        match self.numbers.as_slice() {
            [day] if is_day(*day) => Scheme::Calendar,
            [first, second, ..]
                if (1990..2100).contains(first) && (*second <= 12 || is_day(first * 10_000 + second)) =>
            {
                Scheme::Calendar
            }
            [first, second, ..] if *first == year % 100 && (1..=12).contains(second) => Scheme::Calendar,
            [_, _, _] => Scheme::Semver,
            _ => Scheme::Other,
        }
    }

    /// Which one is newer, by the numbers; a pre-release is older than what it precedes.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| other.is_pre.cmp(&self.is_pre))
    }

    /// Whether this one differs from an earlier one in the last of three or more numbers only.
    pub fn is_patch_of(&self, earlier: &Self) -> bool {
        let (mine, theirs) = (&self.numbers, &earlier.numbers);
        self.of == earlier.of
            && mine.len() == theirs.len()
            && mine.len() >= 3
            && mine[..mine.len() - 1] == theirs[..theirs.len() - 1]
            && mine.last() > theirs.last()
    }
}

/// The places of those tags that move along as `v1` does beside `v1.2.3`: they are no releases.
pub(crate) fn floating(versions: &[Version]) -> BTreeSet<usize> {
    let mut longer: BTreeMap<(Option<&str>, &[u64]), ()> = BTreeMap::new();
    for version in versions {
        for count in 1..version.numbers.len().min(3) {
            longer.insert((version.of.as_deref(), &version.numbers[..count]), ());
        }
    }
    let moves = |version: &Version| {
        version.numbers.len() == 1
            && version.rest.is_empty()
            && longer.contains_key(&(version.of.as_deref(), version.numbers.as_slice()))
    };
    versions
        .iter()
        .enumerate()
        .filter(|(_, version)| moves(version))
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(tag: &str) -> Option<(Option<String>, Vec<u64>, bool)> {
        read(tag).map(|version| (version.of, version.numbers, version.is_pre))
    }

    #[test]
    fn tags_named_like_versions_are_read() {
        let plain = |numbers: &[u64]| Some((None, numbers.to_vec(), false));
        for (tag, expected) in [
            ("1.2.3", plain(&[1, 2, 3])),
            ("v1.2.3", plain(&[1, 2, 3])),
            ("v12", plain(&[12])),
            ("release-2.0", plain(&[2, 0])),
            ("release/2.0.1", plain(&[2, 0, 1])),
            ("rel_1_3_24", plain(&[1, 3, 24])),
            ("2024.01.31", plain(&[2024, 1, 31])),
            ("20240131", plain(&[20240131])),
            ("1.2.3.RELEASE", plain(&[1, 2, 3])),
            ("v1.2.3-ga", plain(&[1, 2, 3])),
            ("v1.2.3+build5", plain(&[1, 2, 3])),
            ("1.2.3-4", plain(&[1, 2, 3])),
            ("v1.2.3-hotfix1", plain(&[1, 2, 3])),
        ] {
            assert_eq!(parts(tag), expected, "{tag}");
        }
    }

    #[test]
    fn what_a_version_is_of_stands_before_it() {
        for (tag, of, numbers) in [
            ("cart-v1.2.0", "cart", vec![1, 2, 0]),
            ("@shop/cart@1.2.0", "@shop/cart", vec![1, 2, 0]),
            ("services/cart/v1.2.0", "services/cart", vec![1, 2, 0]),
            ("git-plugin-5.1.0", "git-plugin", vec![5, 1, 0]),
            ("curl-7_80_0", "curl", vec![7, 80, 0]),
        ] {
            assert_eq!(parts(tag), Some((Some(of.to_owned()), numbers, false)), "{tag}");
        }
    }

    #[test]
    fn pre_releases_are_told_apart() {
        for tag in [
            "v1.0.0-rc.1",
            "1.0.0beta2",
            "2.0-alpha",
            "1.0.0-dev",
            "v3.0.0-next.4",
            "1.0a1",
            "1.2.3-SNAPSHOT",
        ] {
            assert!(read(tag).unwrap().is_pre, "{tag}");
        }
    }

    #[test]
    fn other_tags_are_no_versions() {
        for tag in [
            "latest",
            "nightly",
            "12",
            "build-1234567",
            "before-2024",
            "x",
            "",
            "1.99999999999999999999999",
        ] {
            assert_eq!(read(tag), None, "{tag}");
        }
    }

    #[test]
    fn schemes_are_told_by_the_numbers_and_the_year() {
        for (tag, year, scheme) in [
            ("1.2.3", 2024, Scheme::Semver),
            ("24.1.3", 2024, Scheme::Calendar),
            ("24.1.3", 2019, Scheme::Semver),
            ("2024.1", 2024, Scheme::Calendar),
            ("20240131", 2024, Scheme::Calendar),
            ("1.2", 2024, Scheme::Other),
        ] {
            assert_eq!(read(tag).unwrap().scheme(year), scheme, "{tag}");
        }
    }

    #[test]
    fn tags_that_move_along_with_releases_are_found() {
        let versions: Vec<_> = ["v1", "v1.2.3", "v2", "x-v1"]
            .iter()
            .map(|t| read(t).unwrap())
            .collect();
        assert_eq!(floating(&versions).into_iter().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_patch_differs_in_the_last_number_only() {
        let of = |tag| read(tag).unwrap();
        assert!(of("v1.2.4").is_patch_of(&of("v1.2.3")));
        assert!(!of("v1.3.0").is_patch_of(&of("v1.2.3")));
        assert!(!of("a-1.2.4").is_patch_of(&of("b-1.2.3")));
        assert_eq!(of("v1.10.0").compare(&of("v1.9.0")), Ordering::Greater);
        assert_eq!(of("v1.0.0-rc1").compare(&of("v1.0.0")), Ordering::Less);
    }

    proptest::proptest! {
        #[test]
        fn no_name_breaks_the_reading(tag in "\\PC{0,60}") {
            let _ = read(&tag).map(|version| version.scheme(2024));
        }
    }
}
