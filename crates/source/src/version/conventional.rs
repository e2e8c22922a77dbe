//! Conventional commits: how large a step a commit's message asks for.

use serde::{Deserialize, Serialize};

/// How much a commit changes for those who use the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Nothing at all: the commit does not concern the component.
    Nothing,
    /// Nothing they can call upon: fixes, and whatever says nothing about itself.
    Patch,
    /// Something new.
    Minor,
    /// Something they must adapt to.
    Major,
}

/// What a commit's message says about the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The step it asks for.
    pub step: Step,
    /// The version that a footer `Release-As:` asks for.
    pub release_as: Option<(u64, u64, u64)>,
}

/// Reads a message: `type(scope)!: subject`, a body, footers. A message of another form asks for a
/// patch.
pub fn read(message: &str) -> Said {
    let mut lines = message.lines();
    let mut step = lines.next().map_or(Step::Patch, header);
    let mut release_as = None;
    for line in lines {
        if line.starts_with("BREAKING CHANGE: ") || line.starts_with("BREAKING-CHANGE: ") {
            step = Step::Major;
        }
        if let Some((token, value)) = line.split_once(':')
            && token.eq_ignore_ascii_case("release-as")
        {
            release_as = plain(value.trim()).or(release_as);
        }
    }
    Said { step, release_as }
}

fn header(line: &str) -> Step {
    let Some((before, after)) = line.split_once(':') else {
        return Step::Patch;
    };
    if !after.starts_with(' ') || after.trim().is_empty() {
        return Step::Patch;
    }
    let (before, breaking) = before
        .strip_suffix('!')
        .map_or((before, false), |before| (before, true));
    let kind = match before.split_once('(') {
        Some((kind, scope)) if scope.len() > 1 && scope.ends_with(')') => kind,
        Some(_) => return Step::Patch,
        None => before,
    };
    if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Step::Patch;
    }
    if breaking {
        Step::Major
    } else if kind.eq_ignore_ascii_case("feat") {
        Step::Minor
    } else {
        Step::Patch
    }
}

/// The numbers of a plain version, `1.2.3` or `v1.2.3`; nothing for pre-releases and for numbers that
/// no person would count to.
pub fn plain(text: &str) -> Option<(u64, u64, u64)> {
    let version = semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()?;
    let numbers = (version.major, version.minor, version.patch);
    let small = [numbers.0, numbers.1, numbers.2].iter().all(|n| *n <= 1_000_000_000);
    (small && version.pre.is_empty() && version.build.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_the_mark_and_the_footer_say_how_large_the_step_is() {
        let cases = [
            ("feat: a cart", Step::Minor),
            ("feat(cart): a cart", Step::Minor),
            ("Feat: a cart", Step::Minor),
            ("fix: a hole", Step::Patch),
            ("chore!: drop the old interface", Step::Major),
            ("feat(cart)!: drop it", Step::Major),
            ("fix: x\n\nBREAKING CHANGE: the field is gone", Step::Major),
            ("fix: x\n\nbody\n\nBREAKING-CHANGE: gone\nSigned-off-by: a", Step::Major),
            ("fix: x\n\nbreaking change: only upper case counts", Step::Patch),
            ("features: not the type", Step::Patch),
            ("feat:no space", Step::Patch),
            ("feat : space before", Step::Patch),
            ("feat(): empty scope", Step::Patch),
            ("feat(a: open scope", Step::Patch),
            ("Merge branch 'feat: x'", Step::Patch),
            ("", Step::Patch),
            ("!: nothing", Step::Patch),
        ];
        for (message, step) in cases {
            assert_eq!(read(message).step, step, "{message:?}");
        }
    }

    #[test]
    fn a_footer_may_ask_for_a_plain_version() {
        assert_eq!(read("chore: x\n\nRelease-As: 2.0.0").release_as, Some((2, 0, 0)));
        assert_eq!(read("chore: x\n\nrelease-as:v2.0.0\n").release_as, Some((2, 0, 0)));
        for wrong in ["2.0", "2.0.0-rc.1", "99999999999.0.0", "$(touch x)"] {
            assert_eq!(read(&format!("chore: x\n\nRelease-As: {wrong}")).release_as, None);
        }
    }
}
